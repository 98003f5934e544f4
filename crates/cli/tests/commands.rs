//! The program from a terminal: each command as a person types it, against a real node.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Served, daybook, text_of};
use serde_json::Value;

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

/// Every way to change one value, one key or the order of an export. Each must be noticed, or named as not proven.
mod changed_exports {
    use serde_json::{Value, json};

    /// A value that is as well formed as the one it takes the place of.
    fn another(value: &Value) -> Value {
        let turned = |c: char| if c == 'A' || c == 'a' { 'b' } else { 'a' };
        match value {
            Value::String(text) if text == "AUDIT_ACTION_HOLD_UPDATED" => json!("AUDIT_ACTION_HOLD_RELEASED"),
            Value::String(text) if text.starts_with("AUDIT_ACTION_") => json!("AUDIT_ACTION_HOLD_UPDATED"),
            Value::String(text) if text == "KIND_USER" => json!("KIND_SERVICE"),
            Value::String(text) if text.starts_with("KIND_") => json!("KIND_USER"),
            Value::String(text) if text.parse::<u64>().is_ok() => json!((text.parse::<u64>().unwrap() + 1).to_string()),
            // A time.
            Value::String(text) if text.ends_with('Z') && text.contains("T") && text.starts_with("20") => {
                json!(format!("19{}", &text[2..]))
            }
            Value::String(text) => {
                let mut chars = text.chars();
                let first = chars.next().map_or('x', turned);
                json!(std::iter::once(first).chain(chars).collect::<String>())
            }
            Value::Number(number) => json!(number.as_u64().unwrap() + 1),
            Value::Bool(flag) => json!(!flag),
            other => panic!("{other} has no other"),
        }
    }

    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    found.push(format!("{at}/{name}"));
                    pointers(value, &format!("{at}/{name}"), found);
                }
            }
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    found.push(format!("{at}/{index}"));
                    pointers(value, &format!("{at}/{index}"), found);
                }
            }
            _ => {}
        }
    }

    /// Each changed file, with what was changed.
    pub(crate) fn of(whole: &str) -> Vec<(String, String)> {
        let lines: Vec<&str> = whole.lines().collect();
        let mut all = Vec::new();
        let mut with = |what: String, number: usize, line: String| {
            let mut changed: Vec<_> = lines.iter().map(ToString::to_string).collect();
            changed[number] = line;
            all.push((what, changed.join("\n")));
        };
        for (number, line) in lines.iter().enumerate() {
            let value: Value = serde_json::from_str(line).unwrap();
            let mut places = Vec::new();
            pointers(&value, "", &mut places);
            for place in places {
                let of = value.pointer(&place).unwrap();
                if !of.is_object() && !of.is_array() {
                    let mut changed = value.clone();
                    *changed.pointer_mut(&place).unwrap() = another(of);
                    with(format!("line {number}: another {place}"), number, changed.to_string());
                }
                let (parent, name) = place.rsplit_once('/').unwrap();
                let mut changed = value.clone();
                match changed.pointer_mut(parent).unwrap() {
                    Value::Object(fields) => drop(fields.remove(name)),
                    Value::Array(values) => drop(values.remove(name.parse().unwrap())),
                    _ => unreachable!("it has children"),
                }
                with(format!("line {number}: without {place}"), number, changed.to_string());
            }
            for (place, more) in [
                ("/entry", json!({ "matterId": "M-FORGED" })),
                ("/entry", json!({ "itemIds": ["more"] })),
                ("/entry", json!({ "relatedIds": ["more"] })),
                ("/entry", json!({ "eventIndex": 1 })),
                ("/link/record", json!({ "offset": "999" })),
                ("/header", json!({ "more": 1 })),
                ("/end", json!({ "more": 1 })),
                ("", json!({ "more": 1 })),
            ] {
                let mut changed = value.clone();
                let Some(fields) = changed.pointer_mut(place).and_then(Value::as_object_mut) else { continue };
                fields.extend(more.as_object().unwrap().clone());
                with(format!("line {number}: {more} in {place:?}"), number, changed.to_string());
            }
            let twice = format!("{},{}", &line[..line.len() - 1], &line[1..]);
            with(format!("line {number}: its key twice"), number, twice);
        }
        for number in 0..lines.len() {
            let mut twice = lines.clone();
            twice.insert(number, lines[number]);
            all.push((format!("line {number} twice"), twice.join("\n")));
            let mut without = lines.clone();
            without.remove(number);
            all.push((format!("without line {number}: {}", lines[number]), without.join("\n")));
            if number > 0 {
                let mut swapped = lines.clone();
                swapped.swap(number - 1, number);
                all.push((format!("lines {number} and the one before swapped"), swapped.join("\n")));
            }
        }
        all.push(("a line after the end".to_owned(), format!("{whole}{{\"entry\":{{}}}}\n")));
        all
    }
}

#[test]
fn whatever_is_changed_in_an_exported_audit_is_noticed_or_named_as_not_proven() {
    let place = node();
    let node = &place.served;
    node.text(&["retention", "set", "mail", "--period", "30y"]);
    let hold = ["hold", "place", "--id", "h", "--matter", "M-1", "--name", "N", "--reason", "suit", "--everything"];
    node.text(&[&["--as", "alice"], &hold[..]].concat());
    let register = ["item", "register", "--id", "i1", "--custodian", "ada@example.org", "--title", "crane"];
    node.text(&[&register[..], &["--category", "email", "--retention", "mail"]].concat());
    let since = node.json(&["hold", "audit"])["entries"].as_array().unwrap().last().unwrap()["decidedAt"].clone();
    node.run(&["item", "dispose", "i1", "--reason", "tidy"]);
    node.text(&["--as", "bob", "hold", "update", "h", "--reason", "two suits"]);
    let file = place.folder.path().join("audit.jsonl");
    let name = file.to_str().unwrap();
    // The placing of the hold is none of the entries, and proves their matter all the same.
    let since = since.as_str().unwrap();
    let exported = node.json(&["hold", "audit", "--since", since, "--export", name]);
    let head = exported["headHash"].as_str().unwrap();
    let verify = || daybook().args(["--json", "log", "verify", "--export", name, "--head", head]).output().unwrap();
    let proven: serde_json::Value = serde_json::from_slice(&verify().stdout).unwrap();
    assert_eq!(proven["notProven"], serde_json::json!(["that no entry was left out"]), "{proven}");
    let whole = std::fs::read_to_string(&file).unwrap();
    assert!(whole.contains("M-1") && !whole.contains("AUDIT_ACTION_RETENTION_CLASS_SET"), "{whole}");

    let all = changed_exports::of(&whole);
    assert!(all.len() > 150, "{}", all.len());
    for (what, changed) in all {
        assert_ne!(changed.trim_end(), whole.trim_end(), "{what}");
        std::fs::write(&file, &changed).unwrap();
        let output = verify();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if what.contains("without line") && what.contains(r#"{"entry""#) {
            assert!(output.status.success(), "{what}: {text}");
            let proven: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(proven["notProven"][0], "that no entry was left out");
            continue;
        }
        assert!(!output.status.success() && text.contains("EXPORT_NOT_PROVEN"), "{what} was not noticed: {text}");
    }
}

/// With the mask that most systems have, what a node writes is for its user alone.
#[test]
fn nothing_that_the_program_writes_can_be_read_by_others() {
    use std::os::unix::fs::PermissionsExt;
    fn open_below(path: &std::path::Path, found: &mut Vec<String>) {
        let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 && !metadata.file_type().is_symlink() {
            found.push(format!("{mode:o} {}", path.display()));
        }
        if metadata.is_dir() {
            for entry in std::fs::read_dir(path).into_iter().flatten() {
                open_below(&entry.unwrap().path(), found);
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // As an older release has left it.
    std::fs::create_dir_all(data.join("exports")).unwrap();
    std::fs::write(data.join("exports/events.parquet"), "events").unwrap();
    for (path, mode) in [("", 0o755), ("exports", 0o755), ("exports/events.parquet", 0o644)] {
        std::fs::set_permissions(data.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut program = std::process::Command::new("sh");
    program.args(["-c", "umask 022; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_daybook")]);
    let node = Served::try_start(program, &data, &[], &[]).unwrap();
    node.text(&["retention", "set", "mail", "--period", "30y"]);
    let audit = folder.path().join("audit.jsonl");
    node.text(&["hold", "audit", "--export", audit.to_str().unwrap()]);
    let log = folder.path().join("log-export");
    node.text(&["log", "export", log.to_str().unwrap()]);
    let key = folder.path().join("checkpoint-key.pem");
    node.text(&["log", "checkpoint", "--new-key", key.to_str().unwrap()]);
    let checkpoint = folder.path().join("checkpoint.json");
    let make = ["log", "checkpoint", "--key", key.to_str().unwrap(), "--out", checkpoint.to_str().unwrap()];
    node.text(&make);
    let mut open = Vec::new();
    for path in [&data, &audit, &log, &key, &checkpoint] {
        assert!(path.exists(), "{}", path.display());
        open_below(path, &mut open);
    }
    assert_eq!(open, [""; 0]);
    node.stop();
    let mut open = Vec::new();
    open_below(&data, &mut open);
    assert_eq!(open, [""; 0], "after the stop");
    let said = std::fs::read_to_string(data.with_extension("log")).unwrap();
    assert_eq!(said.matches("others could read the data folder").count(), 1, "{said}");
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

/// What an import did, as it says itself, and its error: one that skips something fails, after it has imported the rest.
#[track_caller]
fn import(node: &Served, arguments: &[&str]) -> (Value, Option<Value>) {
    let output = node.run(&[&["--json", "item", "import"], arguments].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let error = (!output.status.success()).then(|| serde_json::from_slice::<Value>(&output.stderr).unwrap());
    (report, error.map(|error| error["error"].clone()))
}

#[track_caller]
fn counts(report: &Value, names: [&str; 5]) -> [u64; 5] {
    names.map(|name| report[format!("{name}Count")].as_u64().unwrap_or_else(|| panic!("{name}: {report}")))
}

const COUNTS: [&str; 5] = ["created", "readAgain", "unchanged", "copies", "disposed"];

fn message(sender: &str, date: &str, subject: &str) -> String {
    format!(
        "From a@example.org Mon Jan  6 10:00:00 2025\nFrom: {sender}\nTo: bo@example.org\nDate: {date}\n\
         Subject: {subject}\n\nHello.\n\n"
    )
}

const DATE: &str = "Mon, 6 Jan 2025 10:00:00 +0000";

#[test]
fn mail_is_imported_and_what_is_skipped_is_listed_and_an_error() {
    let place = node();
    let node = &place.served;
    node.text(&["retention", "set", "mail", "--period", "30y"]);
    let mailbox = place.folder.path().join("some.mbox");
    let good = message("Ada <ada@example.org>", DATE, "crane");
    let bad = "From b@example.org Mon Jan  6 10:00:01 2025\n\0\x01\x02\n\n";
    let nobody = message("@example.org", DATE, "nobody").replace("To: bo@example.org\n", "");
    std::fs::write(&mailbox, [&good, bad, nobody.as_str()].concat()).unwrap();
    let mailbox = mailbox.to_str().unwrap();
    // An address as mail writes it is an address.
    let arguments = [mailbox, "--retention", "mail", "--custodian", "Bo <Bo@example.org>"];
    let (imported, error) = import(node, &arguments[..3]);
    assert_eq!(counts(&imported, COUNTS), [1, 0, 0, 0, 0], "{imported}");
    let skipped = imported["skipped"].as_array().unwrap();
    let listed: Vec<_> = skipped
        .iter()
        .map(|one| (one["file"].as_str().unwrap(), one["position"].as_u64().unwrap(), one["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        (mailbox, 2, "has no header: it is not a message"),
        (mailbox, 3, "names no sender and no recipient that can be read"),
    ];
    assert_eq!(listed, expected);
    assert!(
        error.unwrap()["message"].as_str().unwrap().starts_with("2 of 3 were not imported, and no hold can match them")
    );
    let output = node.run(&["item", "import", mailbox, "--retention", "mail"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success());
    for (_, position, reason) in expected {
        assert!(text.contains(&format!("  skipped mbox:{mailbox}#{position}: {reason}\n")), "{text}");
    }

    // Whose mailbox it is can be held: then the last one is an item as well.
    let (imported, _) = import(node, &arguments);
    assert_eq!(counts(&imported, COUNTS), [2, 0, 0, 0, 0], "{imported}");
    assert_eq!(imported["remarks"][0]["remark"], "ITEM_REMARK_ADDRESS_UNREADABLE");
    let (again, _) = import(node, &arguments);
    assert_eq!(counts(&again, COUNTS), [0, 0, 2, 0, 0], "{again}");
    assert!(node.text(&["item", "list", "--entity", "ada@example.org"]).contains("message"));
    assert_eq!(node.json(&["item", "list", "--entity", "bo@example.org"])["items"].as_array().unwrap().len(), 3);
    // What was deleted does not come back, and does not keep newer mail out.
    let items = node.json(&["item", "list", "--entity", "ada@example.org"])["items"].clone();
    for item in items.as_array().unwrap() {
        node.text(&["item", "dispose", item["item"]["itemId"].as_str().unwrap(), "--reason", "tidy"]);
    }
    std::fs::write(mailbox, [good.clone(), good.replace("crane", "newer crane")].concat()).unwrap();
    let (later, error) = import(node, &arguments);
    assert_eq!((counts(&later, COUNTS), error), ([1, 0, 0, 0, 1], None), "{later}");
    let error = node.error(&["item", "import", "/nowhere/at/all.mbox", "--retention", "mail"]);
    assert!(error["message"].as_str().unwrap().contains("/nowhere/at/all.mbox"), "{error}");
    let output = node.run(&["item", "import", mailbox, "--retention", "mail", "--custodian", "bo@example,org"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing can match it"), "{output:?}");
}

#[test]
fn copies_within_one_import_were_not_there_before() {
    let place = node();
    let node = &place.served;
    node.text(&["retention", "set", "mail", "--period", "30y"]);
    let mailbox = place.folder.path().join("some.mbox");
    let (one, two) = (message("ada@example.org", DATE, "one"), message("ada@example.org", DATE, "two"));
    std::fs::write(&mailbox, [&one, &two, &one, &one].map(String::as_str).concat()).unwrap();
    let mailbox = mailbox.to_str().unwrap();
    let (first, _) = import(node, &[mailbox, "--retention", "mail"]);
    assert_eq!(counts(&first, COUNTS), [2, 0, 0, 2, 0], "{first}");
    let (second, _) = import(node, &[mailbox, "--retention", "mail"]);
    assert_eq!(counts(&second, COUNTS), [0, 0, 2, 2, 0], "{second}");
    let text = node.text(&["item", "import", mailbox, "--retention", "mail"]);
    assert!(text.contains("2 were there before, 2 are copies of others in this import"), "{text}");
}

#[test]
fn a_message_that_an_earlier_release_read_otherwise_is_registered_again() {
    let (place, other) = (node(), node());
    let (node, other) = (&place.served, &other.served);
    for node in [node, other] {
        node.text(&["retention", "set", "mail", "--period", "30y"]);
    }
    let mailbox = place.folder.path().join("some.mbox");
    std::fs::write(&mailbox, message("\"john doe\"@example.org", "Mon Jan  6 10:00:00 2025", "crane")).unwrap();
    let arguments = [mailbox.to_str().unwrap(), "--retention", "mail"];
    let (imported, error) = import(node, &arguments);
    assert_eq!((counts(&imported, COUNTS), error), ([1, 0, 0, 0, 0], None), "{imported}");
    assert_eq!(imported["remarks"][0]["remark"], "ITEM_REMARK_CREATED_AT_ZONE_ASSUMED", "{imported}");
    let item = node.json(&["item", "list"])["items"][0]["item"].clone();
    let of = |name: &str| item[name].as_str().unwrap();
    assert!(node.text(&["item", "show", of("itemId")]).contains("it is taken as UTC"));

    // The same message under the same id, as a release read it that lost the sender.
    let register = [
        "item",
        "register",
        "--id",
        of("itemId"),
        "--kind",
        "message",
        "--category",
        "email",
        "--retention",
        "mail",
        "--created",
        of("createdAt"),
        "--content-hash",
        of("contentHash"),
        "--reference",
        of("reference"),
        "--subject",
        "lost",
    ];
    other.text(&register);
    let (imported, error) = import(other, &arguments);
    assert_eq!((counts(&imported, COUNTS), error), ([1, 1, 0, 0, 0], None), "{imported}");
    assert_eq!(other.json(&["hold", "preview", "--custodian", "\"john doe\"@example.org"])["matchingItems"], "1");
    let (again, _) = import(other, &arguments);
    assert_eq!(counts(&again, COUNTS), [0, 0, 1, 0, 0], "{again}");
    // Under other rules it is a conflict, and told.
    let (conflict, error) = import(other, &[arguments[0], "--retention", "mail", "--case", "c1"]);
    assert_eq!(counts(&conflict, COUNTS), [0, 0, 0, 0, 0], "{conflict}");
    assert!(conflict["skipped"][0]["reason"].as_str().unwrap().contains("another item is registered"), "{conflict}");
    assert!(error.is_some());
}

#[test]
fn mail_to_one_spelling_of_a_domain_is_held_under_the_other() {
    let place = node();
    let node = &place.served;
    node.text(&["retention", "set", "mail", "--period", "30y"]);
    let mailbox = place.folder.path().join("some.mbox");
    std::fs::write(
        &mailbox,
        message("eva@xn--bcher-kva.example", DATE, "a") + &message("EVA@Bücher.example", DATE, "u"),
    )
    .unwrap();
    node.text(&["item", "import", mailbox.to_str().unwrap(), "--retention", "mail"]);
    for spelling in ["eva@bücher.example", "eva@xn--bcher-kva.example"] {
        assert_eq!(node.json(&["hold", "preview", "--custodian", spelling])["matchingItems"], "2", "{spelling}");
        assert_eq!(
            node.json(&["item", "list", "--entity", spelling])["items"].as_array().unwrap().len(),
            2,
            "{spelling}"
        );
    }
    let hold = ["hold", "place", "--id", "h", "--name", "n", "--reason", "r", "--custodian", "eva@bücher.example"];
    node.text(&hold);
    for item in node.json(&["item", "list"])["items"].as_array().unwrap() {
        let disposed = node.json(&["item", "dispose", item["item"]["itemId"].as_str().unwrap(), "--reason", "tidy"]);
        assert_eq!(disposed["dispositions"][0]["holdIds"][0], "h", "{disposed}");
    }
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
    assert!(error["message"].to_string().contains("policies:1:"), "{error}");
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
    assert!(empty["message"].to_string().contains("scope: is empty"), "{empty}");
    assert_eq!(empty["hints"], serde_json::json!([]), "what the message says is not said again");

    // No node, no key.
    let alone = tempfile::tempdir().unwrap();
    let nobody = |arguments: &[&str]| {
        let output = daybook().arg("--data-dir").arg(alone.path()).args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(nobody(&["hold", "list"]).contains("no node runs on the data folder"));
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

/// Traces leave the machine: they hold methods, codes and times, and nothing that callers sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_hold_nothing_that_callers_send() {
    let (collector, address) = daybook_tests::collector::Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // Logs may say all there is: traces are filtered by themselves.
    let environment =
        [("DAYBOOK_TELEMETRY__OTLP_ENDPOINT", address.as_str()), ("DAYBOOK_TELEMETRY__LOG_FILTER", "trace")];
    let node = Served::start_in(&data, &environment, &[]);
    let mark = "LEAKMARK-diagnosis-of-maria";
    let token = node.text(&["token"]);
    let url = format!("{}/daybook.legal_hold.v1.LegalHoldService", node.address);
    let post = |method: &str, body: String, state: &str| {
        let mut curl = std::process::Command::new("curl");
        curl.args([
            "-s",
            "-H",
            "content-type: application/json",
            "-H",
            &format!("authorization: Bearer {}", token.trim()),
        ]);
        curl.args(["-H", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]);
        curl.args(["-H", &format!("tracestate: {state}"), "-d", &body, &format!("{url}/{method}")]);
        String::from_utf8(curl.output().expect("curl").stdout).unwrap()
    };
    let refused = post("RegisterItem", format!(r#"{{"tenantId":"demo","item":{{"kind":"{mark}"}}}}"#), "a=b");
    assert!(refused.contains(mark) && refused.contains("MALFORMED_REQUEST"), "the caller is told: {refused}");
    let refused = post("PlaceHold", format!(r#"{{"tenantId":"demo","{mark}":1}}"#), "a=b");
    assert!(refused.contains("error") || refused.contains("code"), "{refused}");
    post("GetItem", format!(r#"{{"tenantId":"demo","itemId":"{mark}"}}"#), &format!("x={mark}"));
    node.text(&["hold", "place", "--id", "h", "--name", mark, "--reason", mark, "--everything"]);
    node.run(&["--as", mark, "hold", "show", "h"]);
    node.stop();
    assert!(collector.count("RegisterItem") > 0, "the requests are traced");
    assert!(
        collector.count("4bf92f35") == 0
            && collector.received().windows(4).any(|window| window == [0x4b, 0xf9, 0x2f, 0x35])
    );
    assert_eq!(collector.count(mark), 0, "nothing of what callers send");
    for noise in ["h2::", "hyper", "tonic", "opentelemetry-otlp"] {
        assert_eq!(collector.count(noise), 0, "{noise}");
    }
    let bytes = collector.received().len();
    assert!(bytes < 20_000, "{bytes} bytes for a handful of requests");
}

/// Runs the program on a data folder, with no server named.
fn in_folder(data: &std::path::Path, arguments: &[&str]) -> std::process::Output {
    daybook().arg("--data-dir").arg(data).args(arguments).output().unwrap()
}

fn error_of(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_data_folder_leads_to_the_node_that_runs_on_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let start = |data: &std::path::Path, id: &str| Served::start_in(data, &[("DAYBOOK_NODE__ID", id)], &[]);
    let (first, second) = (start(&one, "first"), start(&two, "second"));
    for (data, id) in [(&one, "first"), (&two, "second")] {
        let output = in_folder(data, &["--json", "status"]);
        assert!(output.status.success(), "{}", error_of(&output));
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(status["nodeId"], id);
        let mode = std::fs::metadata(data.join("running.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "readable only by its owner");
    }
    // The server that is named wins: the token is that of the folder, and the other node says so.
    let output = daybook().arg("--data-dir").arg(&one).args(["--server", &second.address, "status"]).output().unwrap();
    let told = error_of(&output);
    assert!(!output.status.success() && told.contains("TOKEN_INVALID") && told.contains("--data-dir"), "{told}");
    let mut by_environment = daybook();
    by_environment.env("DAYBOOK_SERVER", &first.address).arg("--data-dir").arg(&one).arg("status");
    assert!(by_environment.output().unwrap().status.success());

    // Stopped well, the file is gone; killed, it is recognised.
    second.stop();
    assert!(!two.join("running.json").exists());
    first.kill();
    assert!(one.join("running.json").exists());
    for data in [&one, &two, &folder.path().join("never")] {
        let output = in_folder(data, &["status"]);
        let told = error_of(&output);
        assert!(!output.status.success() && told.contains("no node runs on the data folder"), "{told}");
        assert!(told.contains(data.to_str().unwrap()) && told.contains("--server"), "{told}");
    }
    // What needs no node works.
    assert!(in_folder(&one, &["token"]).status.success());
    let again = start(&one, "first-again");
    let status = text_of(in_folder(&one, &["status"]), &["status"]);
    assert!(status.contains("first-again"), "{status}");
    again.stop();
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_so_that_nobody_sees_it_among_the_processes() {
    let place = node();
    let node = &place.served;
    let token = node.text(&["token"]).trim().to_owned();
    let file = place.folder.path().join("token");
    std::fs::write(&file, format!("  {token}\n")).unwrap();
    let elsewhere = place.folder.path().join("empty");
    let ask = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = daybook();
        command.arg("--data-dir").arg(&elsewhere).args(["--server", &node.address]);
        command.args(arguments).arg("status").envs(environment.iter().copied()).stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        (output.status.success(), error_of(&output))
    };
    let path = file.to_str().unwrap();
    for (arguments, environment) in [
        (&["--token-file", path][..], &[][..]),
        (&["--token", &token], &[]),
        (&[], &[("DAYBOOK_TOKEN", token.as_str())]),
        (&[], &[("DAYBOOK_TOKEN_FILE", path)]),
        // What is on the command line comes first.
        (&["--token-file", path], &[("DAYBOOK_TOKEN", "nonsense")]),
        (&["--token", &token], &[("DAYBOOK_TOKEN", "nonsense")]),
    ] {
        let (well, told) = ask(arguments, environment);
        assert!(well, "{arguments:?} {environment:?}: {told}");
    }
    let missing = place.folder.path().join("missing");
    for (arguments, environment, says) in [
        (&["--token-file", missing.to_str().unwrap()][..], &[][..], "cannot be read"),
        (&["--token-file", "-"], &[], "the token is empty"),
        (&[], &[("DAYBOOK_TOKEN", " ")], "the token is empty"),
        (&[], &[], "--token-file"),
    ] {
        let (well, told) = ask(arguments, environment);
        assert!(!well && told.contains(says), "{arguments:?}: {told}");
    }
    let help = text_of(daybook().args(["status", "--help"]).output().unwrap(), &["status", "--help"]);
    assert!(
        help.contains("--token-file")
            && help.split_whitespace().collect::<Vec<_>>().join(" ").contains("list of processes"),
        "{help}"
    );
}

#[test]
fn what_is_in_force_is_shown_without_secrets() {
    const MARK: &str = "hunter2-hunter2";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daybook.toml");
    let text = format!(
        "[auth]\njwks = \"https://idp.example.org/jwks?key={MARK}\"\n\
         [objects]\nendpoint = \"https://{MARK}@s3.example.org\"\n\
         [telemetry]\notlp_endpoint = \"http://otel:{MARK}@collector:4317\"\n\
         [log]\nurl = \"kafka://b:9092\"\n[log.kafka_properties]\n\"security.protocol\" = \"SASL_SSL\"\n\
         \"sasl.password\" = \"{MARK}\"\n\"ssl.key.pem\" = \"{MARK}\"\n\"setting.of.tomorrow\" = \"{MARK}\"\n"
    );
    std::fs::write(&file, &text).unwrap();
    let shown = |more: &[&str]| {
        let mut command = daybook();
        command.args(["--config", file.to_str().unwrap()]).args(more).args(["config", "--effective"]);
        text_of(command.env("DAYBOOK_TOKEN", MARK).output().unwrap(), more)
    };
    for text in [shown(&[]), shown(&["--json"])] {
        assert!(!text.contains(MARK), "{text}");
        for kept in ["sasl.password", "setting.of.tomorrow", "SASL_SSL", "idp.example.org/jwks", "collector:4317"] {
            assert!(text.contains(kept), "no {kept} in {text}");
        }
    }
    // A mistake in a line is told without the line, and what was shown is no configuration to start from.
    for (wrong, says) in [
        (format!("[log.kafka_properties]\n\"sasl.password\" = \"{MARK}\nx = 1\n"), "line 2"),
        (format!("[log.kafka_properties]\nsasl.password = \"{MARK}\"\n"), "in quotes"),
        (shown(&[]), "copied"),
    ] {
        std::fs::write(&file, &wrong).unwrap();
        let output = daybook().args(["--config", file.to_str().unwrap(), "config", "--effective"]).output().unwrap();
        let told = error_of(&output);
        assert!(!output.status.success() && told.contains(says) && !told.contains(MARK), "{told}");
    }
}
