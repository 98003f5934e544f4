//! `daybook analytics` as people use it: check files, register, record, ask, draw.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Served, daybook};
use daybook_testkit::s3::{BUCKET, S3Server, files_below};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/events")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A day and the next one, in UTC.
fn today() -> (String, String) {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    (now.yesterday().unwrap().to_string(), now.tomorrow().unwrap().to_string())
}

fn event(id: usize, actor: usize, name: &str, properties: &str) -> String {
    format!(
        r#"{{"eventId":"e{id}","name":"{name}","actor":"user-{actor}@example.org","consents":["product_improvement"],"properties":{properties}}}"#
    )
}

#[test]
fn from_files_to_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let node = Served::start(&folder.path().join("data"), &[]);
    let registered = node.text(&["analytics", "register", text(&examples())]);
    assert!(registered.contains("11 events are registered or changed, 0 were so before"), "{registered}");
    let again = node.text(&["analytics", "register", text(&examples())]);
    assert!(again.contains("0 events are registered or changed, 11 were so before"), "{again}");
    let listed = node.text(&["analytics", "events"]);
    assert!(listed.contains("copilot.answer_shown") && listed.contains("tri_pane_filters"), "{listed}");

    let mut lines = Vec::new();
    for actor in 0..20 {
        lines.push(event(lines.len(), actor, "page.viewed", r#"{"page":"case"}"#));
        lines.push(event(lines.len(), actor, "filters.applied", r#"{"pane":"filters","kind":"tag","filter_count":2}"#));
        if actor < 10 {
            lines.push(event(lines.len(), actor, "insight.accepted", r#"{"case_id":"case-7","origin":"copilot"}"#));
        }
    }
    lines.push(event(lines.len(), 1, "filters.applied", r#"{"pane":"filters","kind":"nonsense","filter_count":2}"#));
    lines.push(event(lines.len(), 1, "case.archived", "{}"));
    let file = folder.path().join("events.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();
    let recorded = node.text(&["analytics", "record", text(&file), "--batch", "7"]);
    assert!(recorded.contains("50 events count, 2 do not"), "{recorded}");
    let recorded = node.text(&["analytics", "record", text(&file)]);
    assert!(recorded.contains("0 events count, 52 do not"), "{recorded}");
    let refused = node.text(&["analytics", "refused"]);
    assert!(refused.contains("case.archived") && refused.contains("unknown-event"), "{refused}");

    let (since, until) = today();
    let range = ["--since", &since, "--until", &until];
    let ask = |more: &[&str]| node.text(&[&["analytics", "query"], more, &range].concat());
    let usage = ask(&["usage", "--event", "filters.applied", "--split", "kind"]);
    assert!(usage.contains("tag") && usage.contains("20"), "{usage}");
    let funnel = ask(&["funnel", "--step", "page.viewed", "--step", "insight.accepted", "--window", "1h"]);
    assert!(funnel.contains("50.0 %"), "{funnel}");
    let few = ask(&["usage", "--event", "page.viewed", "--where", "page=document"]);
    assert!(few.lines().nth(1).is_some_and(|row| row.trim().starts_with('0')), "nobody is shown: {few}");

    let definition = folder.path().join("definition.json");
    fs::write(&definition, r#"{"name":"to_insight","funnel":{"steps":[{"events":{"names":["page.viewed"]}},{"events":{"names":["insight.accepted"]}}]}}"#).unwrap();
    let defined = node.text(&["analytics", "define", text(&definition)]);
    assert!(defined.contains("metric to_insight is defined, version 1"), "{defined}");
    assert!(node.text(&["analytics", "metrics"]).contains("to_insight"));
    for (metric, more) in [
        ("usage", &["--by", "day"][..]),
        ("to_insight", &[]),
        ("retention", &["--periods", "2"]),
        ("lifecycle", &[]),
        ("paths", &[]),
        ("sessions", &["--by", "day", "--zone", "Europe/Berlin"]),
        ("time-to-insight", &[]),
        ("copilot", &[]),
    ] {
        for ending in ["svg", "html"] {
            let output = folder.path().join(format!("{metric}.{ending}"));
            node.text(&[&["analytics", "chart", metric, "-o", text(&output)], more, &range].concat());
            let drawn = fs::read_to_string(&output).unwrap();
            assert!(drawn.contains("<svg") && drawn.contains("</svg>"), "{metric}.{ending}");
        }
    }
    let arrow = folder.path().join("usage.arrow");
    assert!(ask(&["usage", "--by", "day", "--arrow", text(&arrow)]).contains("written: "));
    assert!(fs::read(&arrow).unwrap().len() > 200);
    let several = node.text(&["analytics", "adoption", "demo", "--since", &since, "--until", &until]);
    assert!(several.lines().nth(1).is_some_and(|row| row.split_whitespace().eq(["1", "50", "20"])), "{several}");

    // One event is of today, so the export goes to tomorrow.
    let export = ["analytics", "export", "--metric", "to_insight"];
    let exported = node.text(&[&export[..], &range].concat());
    assert!(exported.lines().any(|line| line.split_whitespace().eq(["events", "50"])), "{exported}");
    let erased = node.text(&["analytics", "erase", "user-3@example.org"]);
    assert!(erased.contains("1 pseudonyms"), "{erased}");
    let again = node.text(&["analytics", "erase", "user-3@example.org"]);
    assert!(again.contains("nothing to erase"), "{again}");
    let exported =
        node.text(&[&["analytics", "export", "--metrics-only", "--metric", "to_insight"], &range[..]].concat());
    assert!(exported.lines().any(|line| line.starts_with("files") && line.contains("1 (")), "{exported}");
    let failed = node.error(&[&["analytics", "export", "--metric", "no.such"], &range[..]].concat());
    assert!(failed["message"].as_str().unwrap().contains("no.such"), "{failed}");
    let listed = node.text(&["analytics", "exports"]);
    let states = |state: &str| listed.lines().filter(|line| line.split_whitespace().nth(1) == Some(state)).count();
    assert_eq!((states("done"), states("failed")), (2, 1), "{listed}");
    let schedule = node.text(&["analytics", "export-schedule", "--every", "1d", "--days", "7"]);
    assert!(schedule.contains("last 7 days"), "{schedule}");
    assert!(node.text(&["analytics", "export-schedule", "--every", "0"]).contains("no exports"));
    node.stop();
}

/// Where no place is needed on this machine.
#[test]
fn an_export_goes_to_s3() {
    let server = S3Server::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("s3://{BUCKET}/analytics");
    let of_server = server.environment();
    let mut environment: Vec<_> = of_server.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.push(("DAYBOOK_ANALYTICS__EXPORT_URL", url.as_str()));
    let node = Served::start_in(&folder.path().join("data"), &environment, &[]);
    node.text(&["analytics", "register", text(&examples())]);
    let file = folder.path().join("events.jsonl");
    let lines: Vec<_> = (0..50).map(|id| event(id, id % 10, "page.viewed", r#"{"page":"case"}"#)).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    node.text(&["analytics", "record", text(&file)]);
    let (since, until) = today();
    let export = node.json(&["analytics", "export", "--since", &since, "--until", &until]);
    let at = export["files"]["url"].as_str().unwrap().to_owned();
    assert!(at.starts_with(&url), "{export}");
    let names: Vec<_> =
        files_below(&server.bucket_folder()).iter().map(|file| file.to_string_lossy().into_owned()).collect();
    for part in ["manifest.json", "schemas/part-00000.parquet", "/part-00000.parquet"] {
        assert!(names.iter().any(|name| name.ends_with(part)), "{part} is not among {names:?}");
    }
    node.stop();
}

/// A month of a product's use, as somebody sees it who has just built the program.
#[test]
fn the_demo_of_a_month_is_measured_drawn_and_exported_and_duckdb_counts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("demo");
    let run = daybook()
        .env("DAYBOOK_LISTEN__ADDRESS", "127.0.0.1:1")
        .arg("--data-dir")
        .arg(folder.path().join("none"))
        .args(["--json", "demo", "analytics", "--actors", "3000", "--seed", "5", "--output", text(&output)])
        .output()
        .unwrap();
    let summary = common::text_of(run, &["demo", "analytics"]);
    let told: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(told["searched"]["found"], 0);
    assert!(told["searched"]["rows"].as_u64().unwrap() > 3_000, "{}", told["searched"]);
    assert!(told["counted"].as_u64().unwrap() > 5_000 && told["counted"].as_u64() < told["sent"].as_u64());
    let charts = fs::read_dir(&output)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "html"));
    assert_eq!(charts.count(), told["answers"].as_object().unwrap().len());
    let python =
        std::env::var("DAYBOOK_DUCKDB_PYTHON").expect("DAYBOOK_DUCKDB_PYTHON, as tests/setup/duckdb.sh prints it");
    let file = folder.path().join("summary.json");
    fs::write(&file, &summary).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/duckdb/compare.py");
    let compared = std::process::Command::new(python).arg(script).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&compared.stdout);
    assert!(
        compared.status.success() && said.contains("the same numbers"),
        "{said}{}",
        String::from_utf8_lossy(&compared.stderr)
    );
}

/// People run the program in their checkout.
#[test]
fn a_demo_leaves_nothing_in_the_folder_it_is_run_in() {
    let folder = tempfile::tempdir().unwrap();
    let (here, temporary) = (folder.path().join("here"), folder.path().join("temporary"));
    fs::create_dir(&here).unwrap();
    fs::create_dir(&temporary).unwrap();
    for story in [&["demo", "analytics", "--actors", "100"][..], &["demo"]] {
        let run = daybook()
            .current_dir(&here)
            .env("TMPDIR", &temporary)
            .env("DAYBOOK_LISTEN__ADDRESS", "127.0.0.1:1")
            .arg("--data-dir")
            .arg(folder.path().join("none"))
            .args(story)
            .output()
            .unwrap();
        let said = common::text_of(run, story);
        let left: Vec<_> = fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{story:?} left {left:?}");
        let kept: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
        match story.len() {
            1 => assert!(kept.is_empty(), "{kept:?}"),
            _ => {
                let [output] = &kept[..] else { panic!("one folder stays: {kept:?}") };
                assert!(output.join("funnel.html").exists() && said.contains(text(output)), "{said}");
                fs::remove_dir_all(output).unwrap();
            }
        }
    }
}

#[test]
fn a_time_zone_is_known_by_its_name_in_any_case_and_a_slip_is_met_at_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let node = Served::start(&folder.path().join("data"), &[]);
    node.text(&["analytics", "register", text(&examples())]);
    let ask = ["analytics", "query", "lifecycle", "--since", "2026-03-28", "--until", "2026-03-31", "--by", "day"];
    let in_zone = |zone: &str| node.text(&[&ask[..], &["--zone", zone]].concat());
    let berlin = in_zone("Europe/Berlin");
    assert!(berlin.contains("2026-03-29"), "{berlin}");
    assert_eq!([in_zone("europe/berlin"), in_zone("EUROPE/BERLIN")], [berlin.clone(), berlin]);
    for (written, meant) in [("Berlin", "did you mean Europe/Berlin?"), ("Mars/Base", "write a name such as")] {
        // No node is asked: none listens there.
        let run = daybook().args(["--server", "http://127.0.0.1:1"]).args(ask).args(["--zone", written]).output();
        let said = String::from_utf8(run.unwrap().stderr).unwrap();
        assert!(said.contains(meant), "{said}");
    }
    node.stop();
}

#[test]
fn files_are_checked_without_a_node() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = daybook().arg("analytics").args(arguments).output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (well, said) = run(&["lint", text(&examples())]);
    assert!(well && said.contains("problems: 0"), "{said}");
    // A value of an enum is gone: that takes something away.
    let changed = folder.path().join("workspace.yaml");
    let workspace = fs::read_to_string(examples().join("workspace.yaml")).unwrap();
    fs::write(
        &changed,
        workspace.replace("version: 1", "version: 2").replace("[filters, list, document]", "[filters, list]"),
    )
    .unwrap();
    let (well, said) = run(&["lint", text(&changed), "--against", text(&examples().join("workspace.yaml"))]);
    assert!(!well && said.contains("document") && said.contains("workspace.yaml:"), "{said}");
    let nonsense = folder.path().join("nonsense.yaml");
    fs::write(&nonsense, "events:\n  - name: a.b\n    verison: 1\n").unwrap();
    let (well, said) = run(&["lint", text(&nonsense)]);
    assert!(!well && said.contains("nonsense.yaml:3") && said.contains("version"), "{said}");
    for (language, part) in
        [("typescript", "filtersApplied("), ("python", "def filters_applied("), ("rust", "FiltersApplied")]
    {
        let (well, said) = run(&["client", text(&examples()), "--language", language]);
        assert!(well && said.contains(part), "{language}: {said}");
    }
}

/// A log of an older release gets the policies of a new domain from here.
#[test]
fn the_policies_that_ship_can_be_published() {
    let folder = tempfile::tempdir().unwrap();
    let node = Served::start(&folder.path().join("data"), &[]);
    let print = |arguments: &[&str], file: &str| {
        let output = daybook().args(["policy", "shipped"]).args(arguments).output().unwrap();
        assert!(output.status.success());
        let path = folder.path().join(file);
        fs::write(&path, &output.stdout).unwrap();
        path
    };
    let (policies, schema) = (print(&[], "policies.cedar"), print(&["--schema"], "schema.cedarschema"));
    // A policy more, so that it is another set than the one in force.
    let more = fs::read_to_string(&policies).unwrap()
        + "\n@id(\"more\") permit (principal in Role::\"nobody\", action, resource);\n";
    fs::write(&policies, more).unwrap();
    let published = node.text(&["policy", "publish", text(&policies), "--schema", text(&schema)]);
    assert!(published.contains("published"), "{published}");
    node.stop();
}
