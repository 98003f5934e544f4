//! The doctor: what it finds on folders that are well and on folders that are not. It never changes a byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::{Served, daybook};
use daybook_tests::disk::{copy, files, files_ending, flip};
use serde_json::Value;

/// Every file with its content and when it was last written.
fn all_bytes(data: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let read = |file: PathBuf| {
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        (file.clone(), (fs::read(&file).unwrap(), written))
    };
    files(data).into_iter().map(read).collect()
}

/// Runs the doctor: what it found, and whether its exit code says that all is well. Nothing may have changed.
#[track_caller]
fn examine_with(data: &Path, environment: &[(&str, &str)]) -> (Value, bool) {
    let before = data.exists().then(|| all_bytes(data));
    let mut command = daybook();
    command.arg("--data-dir").arg(data).args(["--json", "doctor"]).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let found = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(data.exists().then(|| all_bytes(data)), before, "the doctor has changed something");
    (found, output.status.success())
}

#[track_caller]
fn examine(data: &Path) -> (Value, bool) {
    examine_with(data, &[])
}

fn codes<'a>(found: &'a Value, level: &str) -> Vec<&'a str> {
    let findings = found["findings"].as_array().unwrap().iter();
    let of_level = findings.filter(|finding| finding["level"] == level);
    of_level.map(|finding| finding["code"].as_str().unwrap_or_default()).collect()
}

/// One problem, with this code; and every problem says what it means and what to do.
#[track_caller]
fn has_problem(data: &Path, code: &str) -> Value {
    let (found, well) = examine(data);
    assert!(!well, "the exit code says so: {found}");
    assert!(codes(&found, "problem").contains(&code), "{found}");
    for finding in found["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "problem") {
        assert!(finding["next"] != "" && finding["means"] != "", "{finding}");
    }
    found
}

fn worked(data: &Path) {
    let node = Served::start(data, &[]);
    node.text(&["retention", "set", "mail", "--period", "30y"]);
    let register = ["item", "register", "--id", "i1", "--custodian", "ada@example.org", "--title", "crane"];
    node.text(&[&register[..], &["--category", "email", "--retention", "mail"]].concat());
    node.text(&["hold", "place", "--id", "h", "--name", "N", "--reason", "suit", "--everything"]);
    node.stop();
}

#[test]
fn a_healthy_folder_has_no_problem_and_a_new_one_neither() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (found, _) =
        examine_with(&data, &[("DAYBOOK_MASTER_KEY", &"ab".repeat(32)), ("DAYBOOK_AUTH__JWKS", "/x.json")]);
    assert_eq!(found["problems"], 0, "nothing is there yet: {found}");
    assert!(!data.exists(), "none was made");
    worked(&data);
    let (found, well) = examine(&data);
    assert!(well && found["problems"] == 0, "{found}");
    let ok: Vec<_> = found["findings"].as_array().unwrap().iter().filter(|one| one["level"] == "ok").collect();
    for subject in ["data folder", "disk", "log", "stores", "key ring"] {
        assert!(ok.iter().any(|finding| finding["subject"] == subject), "{subject}: {found}");
    }
    // For people, a table.
    let output = daybook().arg("--data-dir").arg(&data).arg("doctor").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("what to do") && text.contains("0 problems"), "{text}");
}

#[test]
fn a_log_in_use_is_told_and_read_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Served::start(&data, &[]);
    node.text(&["retention", "set", "mail", "--period", "30y"]);
    // The node goes on writing, so its files are not compared.
    let output = daybook().arg("--data-dir").arg(&data).args(["--json", "doctor"]).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && found["problems"] == 0, "{found}");
    assert!(codes(&found, "warning").contains(&"LOG_IN_USE"), "{found}");
    node.text(&["retention", "set", "more", "--period", "30y"]);
    node.stop();
    assert!(!codes(&examine(&data).0, "warning").contains(&"LOG_IN_USE"));
}

#[test]
fn a_damaged_log_record_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    worked(&data);
    let log = data.join("log");
    let wal = files_ending(&log, ".log").into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    flip(&wal, fs::metadata(&wal).unwrap().len() as usize / 2);
    has_problem(&data, "LOG_DAMAGED");
}

#[test]
fn a_store_ahead_of_its_log_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (data, older) = (folder.path().join("data"), folder.path().join("older"));
    worked(&data);
    copy(&data.join("log"), &older);
    let node = Served::start(&data, &[]);
    node.text(&["retention", "set", "more", "--period", "30y"]);
    node.stop();
    fs::remove_dir_all(data.join("log")).unwrap();
    copy(&older, &data.join("log"));
    let found = has_problem(&data, "STORE_AHEAD_OF_LOG");
    assert!(codes(&found, "problem").iter().all(|code| *code == "STORE_AHEAD_OF_LOG"), "{found}");
}

/// With the stores gone, nobody but a checkpoint knows that something is missing.
#[test]
fn a_log_that_is_shorter_than_the_newest_checkpoint_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (data, older, key) = (folder.path().join("data"), folder.path().join("older"), folder.path().join("key"));
    worked(&data);
    copy(&data.join("log"), &older);
    let node = Served::start(&data, &[]);
    node.text(&["retention", "set", "more", "--period", "30y"]);
    node.stop();
    let place = data.join("checkpoints");
    fs::create_dir(&place).unwrap();
    let (key, out) = (key.to_str().unwrap(), place.to_str().unwrap());
    for arguments in [&["--new-key", key][..], &["--key", key, "--out", out]] {
        let mut make = daybook();
        make.arg("--data-dir").arg(&data).args(["log", "checkpoint"]).args(arguments);
        assert!(make.output().unwrap().status.success());
    }
    let (found, well) = examine(&data);
    assert!(well && found["problems"] == 0, "{found}");
    fs::remove_dir_all(data.join("log")).unwrap();
    copy(&older, &data.join("log"));
    fs::remove_dir_all(data.join("store")).unwrap();
    let (found, well) = examine(&data);
    assert!(!well && codes(&found, "problem") == ["LOG_CUT_OFF"], "{found}");
}

#[test]
fn a_secret_that_others_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    worked(&data);
    let secret = data.join("development/master-key");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let (found, well) = examine(&data);
    let of_secrets = found["findings"].as_array().unwrap().iter().filter(|finding| finding["subject"] == "secrets");
    assert!(well && of_secrets.count() == 1, "a node runs with it: {found}");
}

#[test]
fn a_store_that_does_not_follow_from_its_log_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    worked(&one);
    worked(&two);
    // Two logs of the same name and shape, and not the same. How many records a partition has depends on how many
    // commands met in a batch: a store that is ahead of the other's log is not ahead the other way round.
    let aside = folder.path().join("aside");
    fs::rename(one.join("store"), &aside).unwrap();
    copy(&two.join("store"), &one.join("store"));
    fs::remove_dir_all(two.join("store")).unwrap();
    fs::rename(&aside, two.join("store")).unwrap();
    let mut problems = BTreeSet::new();
    for data in [&one, &two] {
        let (found, well) = examine(data);
        assert!(!well, "{found}");
        problems.extend(codes(&found, "problem").into_iter().map(str::to_owned));
    }
    assert!(problems.remove("STORE_DIFFERS_FROM_LOG"), "{problems:?}");
    assert!(problems.iter().all(|code| code == "STORE_AHEAD_OF_LOG"), "{problems:?}");
}

#[test]
fn a_store_of_another_log_or_partition_is_told_and_one_that_is_missing_is_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    worked(&data);
    let store = |partition: u32| data.join(format!("store/{partition:04}"));
    fs::remove_dir_all(store(0)).unwrap();
    let (found, well) = examine(&data);
    assert!(well && found["problems"] == 0, "it is folded anew: {found}");
    copy(&store(1), &store(0));
    has_problem(&data, "STORE_OF_ANOTHER_LOG");
    // A damaged one is told as such.
    fs::remove_dir_all(store(0)).unwrap();
    for manifest in files(&store(1)).into_iter().filter(|file| file.to_string_lossy().contains("MANIFEST")) {
        fs::remove_file(manifest).unwrap();
    }
    has_problem(&data, "STORE_DAMAGED");
}

#[test]
fn a_key_ring_that_is_missing_or_damaged_and_a_wrong_master_key_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
    worked(&data);
    let (found, well) = examine_with(&data, &[("DAYBOOK_MASTER_KEY", &"ab".repeat(32))]);
    assert!(!well && codes(&found, "problem") == ["MASTER_KEY_WRONG"], "{found}");
    let (found, well) = examine_with(&data, &[("DAYBOOK_MASTER_KEY", "nonsense")]);
    assert!(!well && codes(&found, "problem") == ["MASTER_KEY_MISSING"], "{found}");
    let keys = data.join("keys");
    copy(&keys, &aside);
    let wal = files_ending(&keys, ".log").into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    flip(&wal, fs::metadata(&wal).unwrap().len() as usize / 2);
    has_problem(&data, "KEY_RING_DAMAGED");
    fs::remove_dir_all(&keys).unwrap();
    let found = has_problem(&data, "KEY_RING_MISSING");
    assert_eq!(found["problems"], 1, "{found}");
    copy(&aside, &keys);
    assert!(examine(&data).1);
}

#[test]
fn a_log_of_another_shape_a_lost_one_and_a_mistake_in_the_configuration_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    worked(&data);
    let (found, well) = examine_with(&data, &[("DAYBOOK_LOG__PARTITIONS", "4")]);
    assert!(!well && codes(&found, "problem") == ["LOG_SHAPE_DIFFERS"], "{found}");
    let (found, well) = examine_with(&data, &[("DAYBOOK_LOG__PARTITIONS", "many")]);
    assert!(!well && codes(&found, "problem") == ["CONFIG_INVALID"], "{found}");
    let (found, well) = examine_with(&data, &[("DAYBOOK_STORE__DISK_RESERVE_MIB", "999999999999")]);
    assert!(!well && codes(&found, "problem") == ["DISK_NEARLY_FULL"], "{found}");
    fs::write(data.join("import-unfinished"), "").unwrap();
    has_problem(&data, "IMPORT_UNFINISHED");
    fs::remove_file(data.join("import-unfinished")).unwrap();
    fs::remove_dir_all(data.join("log")).unwrap();
    has_problem(&data, "LOG_NOT_FOUND");
}
