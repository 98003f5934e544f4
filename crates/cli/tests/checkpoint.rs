//! Checkpoints: made, checked, and what they find when a log was cut off, rewritten or exchanged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Served, daybook, text_of};
use daybook_rocks::{Family, Memory, Spec, Wal, family};
use daybook_tests::disk::copy;

fn on(data: &Path, arguments: &[&str]) -> std::process::Output {
    daybook().arg("--data-dir").arg(data).args(arguments).output().unwrap()
}

#[track_caller]
fn refused(data: &Path, arguments: &[&str], code: &str) -> String {
    let output = on(data, arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains(&format!("error[{code}]")), "{arguments:?}: {text}");
    text
}

fn set_class(node: &Served, id: &str) {
    node.text(&["retention", "set", id, "--period", "30d"]);
}

/// A new key, with its public part.
fn key(folder: &Path, name: &str) -> (PathBuf, String) {
    let file = folder.join(name);
    let output = daybook().args(["log", "checkpoint", "--new-key"]).arg(&file).output().unwrap();
    let text = text_of(output, &["new-key"]);
    let public = text.split_whitespace().last().unwrap().to_owned();
    assert_eq!(public.len(), 64, "{text}");
    (file, public)
}

#[test]
fn a_checkpoint_tells_a_log_that_was_cut_off_rewritten_or_exchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, earlier) = (path("data"), path("earlier"));
    let (signing, public) = key(folder.path(), "key.pem");
    let node = Served::start(&data, &[]);
    set_class(&node, "one");
    node.stop();
    copy(&data, &earlier);
    let node = Served::start(&data, &[]);
    (0..5).for_each(|i| set_class(&node, &format!("class-{i}")));
    node.stop();

    let checkpoint = path("checkpoint.json");
    let (checkpoint, signing) = (checkpoint.to_str().unwrap(), signing.to_str().unwrap());
    text_of(on(&data, &["log", "checkpoint", "--key", signing, "--out", checkpoint]), &["checkpoint"]);
    let verify = ["log", "verify", "--against", checkpoint, "--public-key", &public];
    assert!(text_of(on(&data, &verify), &verify).contains("was cut off or rewritten"));
    // It is still so when the log has gone on.
    let node = Served::start(&data, &[]);
    set_class(&node, "later");
    let beside = node.text(&verify);
    assert!(beside.contains("signed with the key that you trust"), "{beside}");
    node.stop();

    // A copy that is too old: whole in itself, and something is missing at its end.
    assert!(text_of(on(&earlier, &["log", "verify"]), &[]).contains("whole"));
    let cut = refused(&earlier, &verify, "LOG_CUT_OFF");
    assert!(cut.contains("was cut off"), "{cut}");
    // Somebody goes on from there, for longer: whole as well, and another history.
    let node = Served::start(&earlier, &[]);
    (0..12).for_each(|i| set_class(&node, &format!("forged-{i}")));
    for tenant in ["t1", "t2", "t3"] {
        node.text(&["tenant", "create", tenant]);
    }
    for _ in 0..3 {
        node.text(&["clock", "--advance", "1s"]);
    }
    node.stop();
    Served::start(&earlier, &[]).stop();
    assert!(text_of(on(&earlier, &["log", "verify"]), &[]).contains("whole"));
    let rewritten = refused(&earlier, &verify, "LOG_REWRITTEN");
    assert!(rewritten.contains("was rewritten"), "{rewritten}");

    let export = path("export");
    text_of(on(&data, &["log", "export", export.to_str().unwrap()]), &["export"]);
    let manifest = export.join("manifest.json");
    let renamed = fs::read_to_string(&manifest).unwrap().replace("\"log\": \"daybook\"", "\"log\": \"other\"");
    fs::write(&manifest, renamed).unwrap();
    let archive = ["log", "verify", "--archive", export.to_str().unwrap(), "--against", checkpoint];
    refused(&path("other"), &archive, "CHECKPOINT_OF_ANOTHER_LOG");
}

#[test]
fn a_checkpoint_that_was_changed_or_signed_by_somebody_else_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (signing, public) = key(folder.path(), "key.pem");
    let (forging, forger) = key(folder.path(), "another.pem");
    let node = Served::start(&data, &[]);
    set_class(&node, "one");
    node.stop();
    // To standard output, to a file in a folder, to a file.
    let (signing, forging) = (signing.to_str().unwrap(), forging.to_str().unwrap());
    let json = text_of(on(&data, &["log", "checkpoint", "--key", signing]), &["checkpoint"]);
    let place = folder.path().join("checkpoints");
    fs::create_dir(&place).unwrap();
    let out = ["log", "checkpoint", "--key", signing, "--out", place.to_str().unwrap()];
    let written = text_of(on(&data, &out), &out);
    let written = written.trim();
    let verify = |file: &str, key: &str| {
        let (file, key) = (file.to_owned(), key.to_owned());
        ["log".to_owned(), "verify".to_owned(), "--against".to_owned(), file, "--public-key".to_owned(), key]
    };
    let run = |arguments: &[String]| on(&data, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(run(&verify(written, &public)).status.success());
    // The public key may be in a file.
    let key_file = folder.path().join("public");
    fs::write(&key_file, format!("{public}\n")).unwrap();
    assert!(run(&verify(written, key_file.to_str().unwrap())).status.success());

    let file = folder.path().join("changed.json");
    let name = file.to_str().unwrap();
    let fails = |arguments: &[String], code: &str| {
        refused(&data, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), code);
    };
    fs::write(&file, json.replacen("\"nextCommand\": ", "\"nextCommand\": 1", 1)).unwrap();
    fails(&verify(name, &public), "CHECKPOINT_SIGNATURE_WRONG");
    fails(&verify(written, &forger), "CHECKPOINT_SIGNATURE_WRONG");
    fails(&verify(written, "nonsense"), "CHECKPOINT_KEY_INVALID");
    fs::write(&file, &json[..json.len() / 2]).unwrap();
    fails(&verify(name, &public), "CHECKPOINT_UNREADABLE");
    // None is overwritten.
    fs::write(&file, "evidence").unwrap();
    let again = ["log", "checkpoint", "--key", forging, "--out", name];
    assert!(!on(&data, &again).status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "evidence");
    refused(&data, &["log", "checkpoint", "--new-key", signing], "CHECKPOINT_KEY_INVALID");
}

#[test]
fn a_damaged_log_is_not_vouched_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (signing, _) = key(folder.path(), "key.pem");
    let node = Served::start(&data, &[]);
    set_class(&node, "one");
    node.stop();
    let first_command = [0_u8; 12];
    {
        let spec = Spec::new(data.join("log"), Wal::Kept)
            .family(Family::append_only("commands"))
            .family(Family::append_only("decisions"))
            .family(Family::new("meta"));
        let db = spec.open(&Memory::default()).unwrap();
        db.put_cf(&family(&db, "commands").unwrap(), first_command, b"another command").unwrap();
        db.flush_wal(true).unwrap();
    }
    let output = folder.path().join("checkpoint.json");
    let make = ["log", "checkpoint", "--key", signing.to_str().unwrap(), "--out", output.to_str().unwrap()];
    refused(&data, &make, "LOG_DAMAGED");
    assert!(!output.exists());
}

#[test]
fn a_node_writes_checkpoints_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, config, place) = (path("data"), path("daybook.toml"), path("kept-elsewhere"));
    let (signing, public) = key(folder.path(), "key.pem");
    let text = format!(
        "[checkpoints]\nevery_seconds = 1\nkey_file = {:?}\nfolder = {:?}\n",
        signing.display().to_string(),
        place.display().to_string()
    );
    fs::write(&config, text).unwrap();
    fs::write(&place, "a file where a folder should be").unwrap();
    let node = Served::start(&data, &["--config", config.to_str().unwrap()]);
    let written = || {
        let entries =
            fs::read_dir(&place).map(|entries| entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
        let mut files = entries.unwrap_or_default();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        files
    };
    let wait = |count: usize| {
        let started = Instant::now();
        while written().len() < count {
            assert!(started.elapsed() < Duration::from_secs(60), "there are {:?}", written());
            std::thread::sleep(Duration::from_millis(50));
        }
        written()
    };
    // While they cannot be written, commands go on; as soon as they can, they are.
    set_class(&node, "zero");
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(place.is_file() && written().is_empty());
    fs::remove_file(&place).unwrap();
    wait(1);
    set_class(&node, "one");
    let files = wait(2);
    set_class(&node, "two");
    for file in &files {
        let verify = ["log", "verify", "--against", file.to_str().unwrap(), "--public-key", &public];
        assert!(node.text(&verify).contains("was cut off or rewritten"));
    }
    // Nothing is decided any more: soon no more are written.
    wait(3);
    let started = Instant::now();
    loop {
        let before = written().len();
        std::thread::sleep(Duration::from_millis(2_500));
        if written().len() == before {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "they never end: {:?}", written());
    }
    node.stop();

    fs::write(&signing, "no key").unwrap();
    let serve = ["serve", "--dev", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let arguments = [&["--config", config.to_str().unwrap()], &serve[..]].concat();
    refused(&data, &arguments, "CHECKPOINT_KEY_INVALID");
}
