//! The program from a terminal: each command as a person types it, against a real node.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Served, daybook, text_of};

/// A node in a folder of its own.
struct Place {
    folder: tempfile::TempDir,
    served: Served,
}

fn node() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("data"), &[]);
    Place { folder, served }
}

#[test]
fn a_hold_stops_a_deletion_until_two_people_release_it() {
    let place = node();
    let node = &place.served;
    node.text(&["--as", "rita", "retention", "set", "mail", "--period", "7y"]);
    let created = ["--created", "2025-03-01", "--category", "email", "--retention", "mail"];
    let register = ["item", "register", "--id", "i1", "--custodian", "Ada@Example.org", "--title", "crane"];
    node.text(&[&register[..], &created[..]].concat());
    node.text(&[
        "item",
        "register",
        "--id",
        "i2",
        "--created",
        "2025-03-01",
        "--category",
        "email",
        "--retention",
        "mail",
    ]);
    assert_eq!(node.json(&["hold", "preview", "--custodian", "ada@example.org"])["matchingItems"], "1");
    let hold = node.json(&[
        "--as",
        "alice",
        "hold",
        "place",
        "--id",
        "h",
        "--name",
        "Crane",
        "--reason",
        "suit",
        "--custodian",
        "ada@example.org",
        "--release-delay",
        "0",
    ]);
    assert_eq!(hold["hold"]["state"], "HOLD_STATE_ACTIVE");

    let disposed = node.json(&["item", "dispose", "i1", "i2", "--reason", "tidy"]);
    let of = |id: &str| {
        let all = disposed["dispositions"].as_array().unwrap();
        all.iter().find(|disposition| disposition["itemId"] == id).cloned().expect("an answer for each")
    };
    assert_eq!((&of("i1")["holdIds"][0], &of("i2")["disposed"]), (&"h".into(), &true.into()));
    // The gate says no with its exit code, so that a script stops.
    let check = node.run(&["item", "check", "i1"]);
    assert!(!check.status.success());
    assert!(String::from_utf8_lossy(&check.stdout).contains("held"));

    node.text(&["--as", "alice", "hold", "release", "h", "--reason", "settled"]);
    assert_eq!(node.error(&["--as", "alice", "hold", "approve", "h"])["code"], "SECOND_PERSON_REQUIRED");
    assert!(node.text(&["--as", "bob", "hold", "approve", "h"]).contains("released"));
    let item = node.json(&["item", "show", "i1"]);
    assert!(["ITEM_STATE_DISPOSED", "ITEM_STATE_PURGED"].contains(&item["item"]["state"].as_str().unwrap()), "{item}");

    let audit = node.text(&["hold", "audit", "--hold", "h"]);
    for what in ["hold-placed", "items-deferred", "change-requested", "change-approved", "hold-released"] {
        assert!(audit.contains(what), "no {what} in:\n{audit}");
    }
}

#[test]
fn an_exported_audit_proves_itself_and_a_changed_one_does_not() {
    let place = node();
    let node = &place.served;
    node.text(&["retention", "set", "mail", "--period", "7y"]);
    node.text(&["--as", "alice", "hold", "place", "--id", "h", "--name", "N", "--reason", "suit", "--everything"]);
    node.text(&["--as", "bob", "hold", "update", "h", "--reason", "two suits"]);
    let file = place.folder.path().join("audit.jsonl");
    let name = file.to_str().unwrap();
    let exported = node.json(&["hold", "audit", "--export", name]);
    assert_eq!(exported["entries"], 3);
    let head = exported["headHash"].as_str().unwrap();
    // With no node and no log.
    let verify = |head: &str| daybook().args(["log", "verify", "--export", name, "--head", head]).output().unwrap();
    assert!(text_of(verify(head), &["verify"]).contains("3 entries of tenant demo"));
    // The node's own log passes through it too.
    assert!(node.text(&["log", "verify", "--head", head]).contains("passes through"));

    let refused = |what: &str| {
        let output = daybook().args(["log", "verify", "--export", name]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("EXPORT_NOT_PROVEN"), "{what}: {text}");
    };
    assert!(!verify(&"0".repeat(64)).status.success(), "a head that the chain never had");
    let whole = std::fs::read_to_string(&file).unwrap();
    for (what, from, to) in [
        ("another actor", "\"actorId\":\"alice\"", "\"actorId\":\"mallory\""),
        ("another reason", "\"reason\":\"two suits\"", "\"reason\":\"no suit\""),
        ("another action", "AUDIT_ACTION_HOLD_UPDATED", "AUDIT_ACTION_HOLD_RELEASED"),
        ("another log", "\"logName\":\"daybook\"", "\"logName\":\"other\""),
    ] {
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole, "{what}: {from} is not in the export");
        std::fs::write(&file, changed).unwrap();
        refused(what);
    }
    let lines: Vec<_> = whole.lines().collect();
    std::fs::write(&file, lines[..lines.len() - 1].join("\n")).unwrap();
    refused("cut off");
    let link = lines.iter().position(|line| line.starts_with("{\"link\"")).unwrap();
    let without: Vec<_> = lines.iter().enumerate().filter(|(at, _)| *at != link).map(|(_, line)| *line).collect();
    std::fs::write(&file, without.join("\n")).unwrap();
    refused("a link left out");
    std::fs::write(&file, "not json\n").unwrap();
    refused("no export at all");
}

#[test]
fn the_log_can_be_looked_at_while_the_node_runs() {
    let place = node();
    let node = &place.served;
    node.text(&["retention", "set", "mail", "--period", "30d"]);
    assert!(node.text(&["log", "topics"]).contains("decisions"));
    let tail = node.text(&["log", "tail", "-n", "1"]);
    let line = tail.lines().find(|line| line.contains("legal_hold.SetRetentionClass")).expect("the latest decision");
    let position = line.split_whitespace().nth(2).unwrap();
    let shown: serde_json::Value = serde_json::from_str(&node.text(&["log", "show", position])).unwrap();
    assert_eq!(shown["command"]["payload"]["retentionClass"]["retentionClassId"], "mail");
    assert_eq!(shown["decision"]["determiningPolicies"][0], "records-management");
    assert!(node.text(&["log", "verify"]).contains("whole"));
    assert!(node.text(&["replay", "verify"]).contains(" 0 came out differently"));
    assert!(node.text(&["replay", "rebuild", "--compare"]).contains("the same"));
    assert!(node.error(&["log", "show", "0/99999"])["message"].as_str().unwrap().contains("there is no command"));
    assert!(node.text(&["projection", "rebuild", "legal_hold"]).contains("decisions"));
    assert!(node.text(&["status"]).contains("leading"));
}

#[test]
fn mail_is_imported_and_what_is_malformed_is_skipped() {
    let place = node();
    let node = &place.served;
    node.text(&["retention", "set", "mail", "--period", "30y"]);
    let mailbox = place.folder.path().join("some.mbox");
    std::fs::write(
        &mailbox,
        "From a@example.org Mon Jan  6 10:00:00 2025\nFrom: Ada <ada@example.org>\nTo: bo@example.org\n\
         Date: Mon, 6 Jan 2025 10:00:00 +0000\nSubject: crane\n\nHello.\n\nFrom b@example.org Mon Jan  6 10:00:01 2025\n\x00\x01\x02\n",
    )
    .unwrap();
    let mailbox = mailbox.to_str().unwrap();
    let imported = node.json(&["item", "import", mailbox, "--retention", "mail", "--custodian", "bo@example.org"]);
    assert_eq!(imported["createdCount"], 1, "{imported}");
    assert_eq!(imported["skipped"].as_array().unwrap().len(), 1, "{imported}");
    let again = node.json(&["item", "import", mailbox, "--retention", "mail", "--custodian", "bo@example.org"]);
    assert_eq!((&again["createdCount"], &again["unchangedCount"]), (&0.into(), &1.into()));
    assert!(node.text(&["item", "list", "--entity", "ada@example.org"]).contains("message"));
    // What was deleted does not come back, and does not keep newer mail out.
    let id = node.json(&["item", "list"])["items"][0]["item"]["itemId"].as_str().unwrap().to_owned();
    node.text(&["item", "dispose", &id, "--reason", "tidy"]);
    let text = std::fs::read_to_string(mailbox).unwrap();
    let newer = text.replace("crane", "newer crane").replace("10:00:00", "11:00:00");
    std::fs::write(mailbox, format!("{text}\n{newer}")).unwrap();
    let import = ["item", "import", mailbox, "--retention", "mail", "--custodian", "bo@example.org"];
    let later = node.json(&import);
    assert_eq!((&later["createdCount"], &later["disposedCount"]), (&1.into(), &1.into()), "{later}");
    let error = node.error(&["item", "import", "/nowhere/at/all.mbox", "--retention", "mail"]);
    assert!(error["message"].as_str().unwrap().contains("/nowhere/at/all.mbox"), "{error}");
}

#[test]
fn policies_are_published_compared_and_put_in_force() {
    let place = node();
    let node = &place.served;
    let file = place.folder.path().join("policies.cedar");
    let shipped = node.text(&["policy", "show"]);
    let stricter = shipped.replace("LegalHold::Action::\"RevealEntities\",", "");
    assert_ne!(stricter, shipped);
    std::fs::write(&file, stricter).unwrap();
    let name = file.to_str().unwrap();
    assert!(node.text(&["policy", "diff", name]).contains("legal-holds (changed)"));
    let published = node.json(&["policy", "publish", name, "--description", "no names"]);
    let hash = published["policySet"]["policySetHash"].as_str().unwrap();
    node.text(&["policy", "activate", &hash[..12], "--reason", "fewer eyes"]);
    assert!(node.text(&["policy", "list"]).contains("no names"));
    let error = node.error(&["item", "reveal-entity", "psn_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "--purpose", "p"]);
    assert_eq!(error["code"], "POLICY_DENIED");
    std::fs::write(&file, "permit (principal in Role::\"legal\", action, resource").unwrap();
    let error = node.error(&["policy", "publish", name]);
    assert_eq!(error["code"], "POLICY_SET_INVALID");
    assert!(error["hints"].to_string().contains("policies:1:"), "{error}");
}

#[test]
fn errors_say_what_to_do_and_name_a_page() {
    let place = node();
    let node = &place.served;
    let output = node.run(&["hold", "show", "nothing"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("error[HOLD_NOT_FOUND]: "), "{text}");
    assert!(text.contains("more: daybook explain HOLD_NOT_FOUND"), "{text}");
    assert!(node.text(&["explain", "HOLD_NOT_FOUND"]).contains("**What to do.**"));
    let empty = node.error(&["hold", "place", "--name", "n", "--reason", "r"]);
    assert_eq!(empty["code"], "INVALID_ARGUMENT");
    assert!(empty["hints"].to_string().contains("scope"), "{empty}");

    // No node, no key.
    let alone = tempfile::tempdir().unwrap();
    let nobody = |arguments: &[&str]| {
        let output = daybook().arg("--data-dir").arg(alone.path()).args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(nobody(&["hold", "list"]).contains("--token"));
    assert!(
        nobody(&["--token", "x", "--server", "http://127.0.0.1:1", "hold", "list"]).contains("daybook serve --dev")
    );
    assert!(nobody(&["log", "topics"]).contains("LOG_NOT_FOUND"));
    assert!(nobody(&["hold", "place", "--since", "yesterday", "--name", "n", "--reason", "r"]).contains("2026-03-01"));
    assert!(nobody(&["serve", "--listen", "nonsense"]).contains("--listen"));
}

#[test]
fn configuration_comes_from_file_and_environment_and_unknown_keys_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daybook.toml");
    std::fs::write(&file, "[log]\npartitions = 3\n").unwrap();
    let show = |vars: &[(&str, &str)]| {
        daybook()
            .arg("--config")
            .arg(&file)
            .envs(vars.iter().copied())
            .args(["config", "--effective"])
            .output()
            .unwrap()
    };
    assert!(text_of(show(&[]), &["config"]).contains("partitions = 3"));
    assert!(text_of(show(&[("DAYBOOK_LOG__PARTITIONS", "5")]), &["config"]).contains("partitions = 5"));
    let refused = |output: std::process::Output, name: &str| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("CONFIG_INVALID") && text.contains(name), "{text}");
    };
    refused(show(&[("DAYBOOK_LOG__PARTITION", "5")]), "partition");
    std::fs::write(&file, "[log]\npartitons = 3\n").unwrap();
    refused(show(&[]), "partitons");
    for shell in ["bash", "zsh", "fish"] {
        let output = daybook().args(["completions", shell]).output().unwrap();
        assert!(text_of(output, &["completions"]).contains("daybook"));
    }
}
