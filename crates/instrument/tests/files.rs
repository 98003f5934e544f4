//! Schema files and what the linter says of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use daybook_instrument::files::{self, Files};
use daybook_instrument::{Finding, lint};
use daybook_proto::product_analytics::v1::{EventMeaning, PropertyType};
use proptest::prelude::*;

fn examples() -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/events");
    files::read(&[folder]).unwrap_or_else(|findings| panic!("{}", shown(&findings)))
}

fn shown(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// Line and code of what is found in a file.
fn found(text: &str) -> Vec<(usize, &'static str)> {
    let findings =
        files::parse("events.yaml", text).map(|files| lint::lint(&files)).unwrap_or_else(|findings| findings);
    findings.iter().map(|finding| (finding.line, finding.code)).collect()
}

const GOOD: &str = "events:
  - name: case.exported
    version: 1
    description: Somebody exported a case.
    purpose: product_improvement
    properties:
      format: {type: enum, values: [pdf, docx], required: true}
      took:
        type: duration
        maximum: 10m
      is_first: boolean
";

#[test]
fn the_examples_are_good() {
    let files = examples();
    assert_eq!(shown(&lint::lint(&files)), "");
    assert_eq!(shown(&lint::against(&files, &files.schemas())), "");
    assert_eq!(shown(&lint::against(&files, &[])), "", "they can be registered where nothing is");
    let (profile, place) = files.profile.as_ref().unwrap();
    assert_eq!(profile.late_max.unwrap().seconds, 7 * 86_400);
    assert_eq!(profile.purposes_without_consent, ["safety", "operations"]);
    assert!(place.file.ends_with("profile.yaml"));
    let schemas = files.schemas();
    let rated = schemas.iter().find(|schema| schema.name == "copilot.answer_rated").unwrap();
    assert_eq!(rated.meaning(), EventMeaning::Feedback);
    let shown = schemas.iter().find(|schema| schema.name == "copilot.answer_shown").unwrap();
    let cost = &shown.properties[5];
    assert_eq!((cost.r#type(), cost.maximum, cost.currency.as_str()), (PropertyType::Money, 10_000, "EUR"));
}

#[test]
fn what_people_write_is_understood() {
    let files = files::parse("events.yaml", GOOD).unwrap();
    let schema = &files.events[0].schema;
    assert_eq!((schema.name.as_str(), schema.version), ("case.exported", 1));
    let [format, took, is_first] = schema.properties.as_slice() else { panic!("{:?}", schema.properties) };
    assert_eq!((format.values.join(" "), format.required), ("pdf docx".to_owned(), true));
    assert_eq!((took.r#type(), took.minimum, took.maximum), (PropertyType::Duration, 0, 600_000));
    assert_eq!((is_first.r#type(), is_first.required), (PropertyType::Boolean, false));
    let place = &files.events[0].place;
    assert_eq!(["properties[1].maximum", "properties[0].values[1]", "meaning"].map(|at| place.line_of(at)), [10, 7, 2]);
    assert_eq!(found(GOOD), []);
    assert_eq!(files::parse("empty.yaml", ""), Ok(Files::default()));
    assert_eq!(files::parse("empty.yaml", "events:\n"), Ok(Files::default()));
}

#[test]
fn a_slip_is_found_in_its_line_and_the_likely_key_named() {
    let with = |from: &str, to: &str| GOOD.replace(from, to);
    let findings = files::parse("events.yaml", &with("version", "verson")).unwrap_err();
    let expected = "events.yaml:3: problem[unknown_key]: an event has no key verson; did you mean version?\n";
    assert_eq!(shown(&findings), expected);
    let findings = files::parse("events.yaml", &with("type: enum", "type: enumm")).unwrap_err();
    assert_eq!(
        shown(&findings),
        "events.yaml:7: problem[wrong_value]: there is no type \"enumm\"; did you mean enum?\n"
    );

    assert_eq!(found(&with("required: true", "requird: true")), [(7, "unknown_key")]);
    assert_eq!(found(&with("required: true", "required: yes")), [(7, "wrong_value")]);
    assert_eq!(found(&with("maximum: 10m", "maximum: ten")), [(10, "wrong_value")]);
    assert_eq!(found(&with("type: duration\n        ", "")), [(8, "missing_key"), (9, "wrong_value")]);
    assert_eq!(found(&with("is_first: boolean", "is_first: bool")), [(11, "wrong_value")]);
    assert_eq!(found(&with("version: 1", "version: one")), [(3, "wrong_value")]);
    assert_eq!(found(&with("version: 1", "version: [1]")), [(3, "wrong_value")]);
    assert_eq!(found(&with("version: 1", "deprecated_at: soon")), [(3, "wrong_value")]);
    assert_eq!(found("events: 1\n"), [(1, "wrong_value")]);
    assert_eq!(found("- a\n"), [(1, "wrong_value")]);
    assert_eq!(found("events:\n  - [a\n"), [(2, "not_yaml")]);
    assert_eq!(found("profile:\n  late_max: 7\n"), [(2, "wrong_value")]);
    assert_eq!(found("profile:\n  late_maxx: 7d\n"), [(2, "unknown_key")]);
}

#[test]
fn the_rules_of_a_node_are_those_of_the_linter() {
    let with = |from: &str, to: &str| found(&GOOD.replace(from, to));
    assert_eq!(with("case.exported", "Case"), [(2, "bad_schema")]);
    assert_eq!(with("version: 1", "version: 0"), [(3, "bad_schema")]);
    assert_eq!(
        found("events:\n  - {version: 1, purpose: a, description: a}\n  - {version: 1, purpose: a, description: a}\n"),
        [(2, "bad_schema"), (3, "bad_schema")]
    );
    assert_eq!(with("docx", "DOCX"), [(7, "bad_schema")]);
    assert_eq!(with("maximum: 10m", "minimum: 10m"), [(8, "bad_schema")], "of what is not there");
    assert_eq!(with("is_first: boolean", "is_first: enum"), [(11, "bad_schema")]);
    assert_eq!(with("purpose: product_improvement", "meaning: feedback"), [(2, "bad_schema"), (5, "bad_schema")]);
    assert_eq!(found("profile:\n  suppress_below: 5\n  late_max: 400d\n"), [(3, "bad_profile")]);
    let findings = lint::lint(&files::parse("events.yaml", &GOOD.replace("pdf, docx", "")).unwrap());
    assert!(shown(&findings).starts_with("events.yaml:7: problem[bad_schema]: case.exported: properties[0].values"));
}

#[test]
fn what_is_likely_a_mistake_is_a_warning() {
    let with = |from: &str, to: &str| found(&GOOD.replace(from, to));
    assert_eq!(with("    description: Somebody exported a case.\n", ""), [(2, "no_description")]);
    assert_eq!(with("pdf, docx", "pdf"), [(7, "one_value")]);
    for name in ["email", "customer_email", "phone", "ip", "user_name", "first_name", "address", "ssn", "user_id"] {
        assert_eq!(with("is_first", name), [(11, "personal_data")], "{name}");
    }
    for name in ["zip", "shipped", "first_named", "page_name", "mailbox_count", "tip"] {
        assert_eq!(with("is_first", name), [], "{name}");
    }
    assert_eq!(with("    purpose", "    deprecated_at: 2026-12-01\n    purpose"), [(5, "no_end")]);
    assert_eq!(with("    purpose", "    refused_after: 2026-12-01\n    purpose"), [(5, "no_notice")]);
    let profile = format!("profile:\n  purposes_without_consent: [safty]\n{GOOD}");
    assert_eq!(found(&profile), [(2, "unused_purpose")]);
}

#[test]
fn events_that_are_one_name_in_a_client_are_told_apart() {
    let second = GOOD.replace("case.exported", "case_exported").replace("events:\n", "");
    assert_eq!(found(&format!("{GOOD}{second}")), [(12, "same_in_clients")]);
    let second = GOOD.replace("events:\n", "");
    assert_eq!(found(&format!("{GOOD}{second}")), [(12, "duplicate_event")]);
}

#[test]
fn what_was_registered_may_only_grow() {
    let old = files::parse("old.yaml", GOOD).unwrap().schemas();
    let compared = |text: &str| shown(&lint::against(&files::parse("events.yaml", text).unwrap(), &old));
    assert_eq!(compared(GOOD), "");
    let second = GOOD.replace("version: 1", "version: 2");
    assert_eq!(compared(&second.replace("pdf, docx", "pdf, docx, html")), "");
    let lost = "events.yaml:7: problem[breaking_change]: case.exported: property format loses the values docx; keep \
                them, and stop sending them\n";
    assert_eq!(compared(&second.replace("pdf, docx", "pdf")), lost);
    let unsaid = "events.yaml:3: problem[breaking_change]: case.exported: version 1 says something else already; give \
                  the change version 2\n";
    assert_eq!(compared(&GOOD.replace("pdf, docx", "pdf, docx, html")), unsaid);
    let gone = compared(&second.replace("      is_first: boolean\n", ""));
    assert!(
        gone.starts_with("events.yaml:6: problem[breaking_change]: case.exported: property is_first is gone"),
        "{gone}"
    );
    let purpose = compared(&second.replace("product_improvement", "sales"));
    assert!(purpose.starts_with("events.yaml:5: problem[breaking_change]"), "{purpose}");
    let other = compared(&second.replace("case.exported", "case.printed"));
    assert!(other.contains("problem[version_too_high]") && other.contains("warning[event_is_gone]"), "{other}");
}

#[test]
fn folders_are_read_in_order_and_duplicates_across_files_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("b.yaml", &GOOD.replace("case.exported", "b"));
    write("inner/a.yml", &GOOD.replace("case.exported", "a"));
    write("notes.txt", "not YAML: [");
    let names = |paths: &[PathBuf]| -> Vec<String> {
        files::read(paths).unwrap().events.into_iter().map(|entry| entry.schema.name).collect()
    };
    let all = [folder.path().to_owned(), folder.path().join("b.yaml")];
    assert_eq!(names(&all), ["b", "a"], "a file that is named twice is read once");

    write("c.yaml", &GOOD.replace("case.exported", "b"));
    write("d.yaml", "profile:\n  suppress_below: 5\n");
    write("e.yaml", "profile:\n  suppress_below: 6\n");
    let codes: Vec<_> = files::read(&all[..1]).unwrap_err().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["duplicate_event", "duplicate_profile"]);
    let missing = files::read(&[folder.path().join("missing.yaml")]).unwrap_err();
    assert_eq!((missing[0].code, missing[0].line), ("not_readable", 0));
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert_eq!(files::read(&[folder.path().join("empty")]).unwrap_err()[0].code, "not_readable");
}

proptest! {
    #[test]
    fn no_text_ends_the_program(text in any::<String>()) {
        let _ = files::parse("events.yaml", &text).map(|files| lint::lint(&files));
    }

    #[test]
    fn a_file_with_a_hole_is_read_or_refused(
        from in 0..GOOD.len(), length in 0usize..40, put in "[-a-z0-9:_{}\\[\\]'\" \n,.&*!]{0,8}"
    ) {
        let text = format!("{}{put}{}", &GOOD[..from], &GOOD[(from + length).min(GOOD.len())..]);
        let lines = text.lines().count() + 1;
        let findings = match files::parse("events.yaml", &text) {
            Ok(files) => [lint::lint(&files), lint::against(&files, &files.schemas())].concat(),
            Err(findings) => findings,
        };
        prop_assert!(findings.iter().all(|finding| (1..=lines).contains(&finding.line)), "{text}\n{findings:?}");
    }
}
