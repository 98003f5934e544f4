//! `daybook analytics` as people use it: check files, register, record, ask, draw.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Served, daybook};

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
    lines.push(event(lines.len(), 1, "nobody.knows", "{}"));
    let file = folder.path().join("events.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();
    let recorded = node.text(&["analytics", "record", text(&file), "--batch", "7"]);
    assert!(recorded.contains("50 events count, 2 do not"), "{recorded}");
    let recorded = node.text(&["analytics", "record", text(&file)]);
    assert!(recorded.contains("0 events count, 52 do not"), "{recorded}");
    let refused = node.text(&["analytics", "refused"]);
    assert!(refused.contains("nobody.knows") && refused.contains("unknown-event"), "{refused}");

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
