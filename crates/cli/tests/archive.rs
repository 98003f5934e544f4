//! A log moved by export and import, as an operator does it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;

use common::{Served, daybook, text_of};
use daybook_log::{Durability, EmbeddedLog, EmbeddedOptions, Log, Recovery, Topic};
use daybook_rocks::Memory;
use daybook_tests::disk::copy;
use serde_json::Value;

/// Runs the program on a data folder, with no node.
fn on(data: &Path, arguments: &[&str]) -> std::process::Output {
    daybook().arg("--data-dir").arg(data).args(arguments).output().unwrap()
}

#[track_caller]
fn refused(data: &Path, arguments: &[&str]) -> String {
    let output = on(data, &[&["--json"], arguments].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    let error: Value = serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("no JSON error: {text}"));
    error["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn json(data: &Path, arguments: &[&str]) -> Value {
    let arguments = [&["--json"], arguments].concat();
    serde_json::from_str(&text_of(on(data, &arguments), &arguments)).unwrap()
}

/// A data folder on which a node has worked: a held item whose deletion is put off.
fn worked(data: &Path) {
    let node = Served::start(data, &[]);
    node.text(&["retention", "set", "mail", "--period", "30y"]);
    let register = ["item", "register", "--id", "i1", "--custodian", "ada@example.org", "--title", "crane"];
    node.text(&[&register[..], &["--category", "email", "--retention", "mail", "--body", "paid"]].concat());
    node.text(&["hold", "place", "--id", "h", "--name", "N", "--reason", "suit", "--everything"]);
    node.text(&["item", "dispose", "i1", "--reason", "tidy"]);
    node.stop();
}

/// What an operator carries along beside the log.
fn carry_keys(from: &Path, to: &Path) {
    for folder in ["keys", "development"] {
        copy(&from.join(folder), &to.join(folder));
    }
}

#[test]
fn an_exported_log_goes_on_in_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (old, new, export) = (path("old"), path("new"), path("export"));
    worked(&old);
    let exported = text_of(on(&old, &["log", "export", export.to_str().unwrap()]), &["export"]);
    assert!(exported.contains("log daybook, 8 partitions"), "{exported}");
    let export = export.to_str().unwrap();
    assert!(text_of(daybook().args(["log", "verify", "--archive", export]).output().unwrap(), &[]).contains("whole"));

    carry_keys(&old, &new);
    let imported = text_of(on(&new, &["log", "import", export]), &["import"]);
    assert!(imported.contains("every chain ends where the export ends"), "{imported}");
    assert_eq!(json(&new, &["log", "import", export])["appended"], 0, "again: nothing is left to do");
    assert_eq!(json(&old, &["replay", "rebuild"]), json(&new, &["replay", "rebuild"]), "the same rows");
    let heads = json(&old, &["log", "verify"]);

    let node = Served::start(&new, &[]);
    assert!(node.text(&["item", "show", "i1"]).contains("deferred"));
    assert!(node.text(&["item", "reveal", "i1", "--purpose", "discovery"]).contains("paid"));
    node.text(&["--as", "alice", "hold", "release", "h", "--reason", "settled", "--delay", "0"]);
    node.text(&["--as", "bob", "hold", "approve", "h"]);
    node.stop();
    for head in heads.as_array().unwrap() {
        let verified = text_of(on(&new, &["log", "verify", "--head", head["headHash"].as_str().unwrap()]), &["verify"]);
        assert!(verified.contains("passes through"), "{verified}");
    }
    assert!(text_of(on(&new, &["replay", "verify"]), &[]).contains(" 0 came out differently"));
    // What has gone on since is not the beginning of the export any more.
    assert_eq!(refused(&new, &["log", "import", export]), "LOG_NOT_EMPTY");
}

#[test]
fn what_must_not_be_imported_is_refused_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (old, new, export) = (path("old"), path("new"), path("export"));
    worked(&old);
    let name = export.to_str().unwrap();
    text_of(on(&old, &["log", "export", name]), &["export"]);
    assert_eq!(refused(&old, &["log", "export", name]), "ARCHIVE_EXISTS");
    assert_eq!(refused(&new, &["log", "import", path("nowhere").to_str().unwrap()]), "ARCHIVE_NOT_FOUND");
    let mut other = daybook();
    other.arg("--data-dir").arg(&new).env("DAYBOOK_LOG__NAME", "other").args(["log", "import", name]);
    let other = other.output().unwrap();
    assert!(String::from_utf8_lossy(&other.stderr).contains("LOG_SHAPE_DIFFERS"));
    fs::remove_dir_all(&new).unwrap();

    let damaged = path("damaged");
    copy(&export, &damaged);
    let segment = fs::read_dir(&damaged).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| path.extension().is_some_and(|it| it == "segment")).max().unwrap();
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let damaged = damaged.to_str().unwrap();
    assert_eq!(refused(&new, &["log", "import", damaged]), "ARCHIVE_DAMAGED");
    assert_eq!(refused(&new, &["log", "verify", "--archive", damaged]), "ARCHIVE_DAMAGED");
    let topics = json(&new, &["log", "topics"]);
    assert!(topics["topics"].as_array().unwrap().iter().all(|topic| topic["next"] == 0), "{topics}");
    // The good one can be imported into the same folder, and a node starts on it.
    text_of(on(&new, &["log", "import", name]), &["import"]);
    carry_keys(&old, &new);
    Served::start(&new, &[]).stop();

    let running = Served::start(&old, &[]);
    assert_eq!(refused(&old, &["log", "import", name]), "LOG_IN_USE");
    // It can be exported while the node goes on: as a backup.
    let backup = path("backup");
    let backup = backup.to_str().unwrap();
    running.text(&["log", "export", backup]);
    running.text(&["retention", "set", "more", "--period", "30y"]);
    assert!(!running.text(&["log", "verify", "--archive", backup]).contains("DAMAGED"));
    running.stop();
}

#[test]
fn a_node_does_not_start_on_a_half_of_a_log_and_the_import_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (old, new, export) = (path("old"), path("new"), path("export"));
    worked(&old);
    let name = export.to_str().unwrap();
    text_of(on(&old, &["log", "export", name]), &["export"]);
    carry_keys(&old, &new);

    // What a crash in the middle leaves: some records, and the file that says so.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let archive = daybook_archive::Archive::open(&export).unwrap();
        let options = EmbeddedOptions {
            folder: new.join("log"),
            name: "daybook".to_owned(),
            partitions: 8,
            recovery: Recovery::Strict,
        };
        let log = EmbeddedLog::open(options, &Memory::default()).unwrap();
        for partition in (0..8).map(daybook_kernel::id::PartitionId) {
            let mut reader = archive.reader(Topic::Decisions, partition, daybook_kernel::id::Offset(0)).unwrap();
            for record in reader.next().await.unwrap().into_iter().take(2) {
                log.append(Topic::Decisions, partition, record.bytes, Durability::Synced).await.unwrap();
            }
        }
    });
    fs::write(new.join("import-unfinished"), "").unwrap();

    let serve = ["serve", "--dev", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    assert_eq!(refused(&new, &serve), "IMPORT_UNFINISHED");
    let imported = json(&new, &["log", "import", name]);
    assert_eq!(imported["already"], 16, "{imported}");
    assert!(!new.join("import-unfinished").exists());
    assert_eq!(json(&old, &["replay", "rebuild"]), json(&new, &["replay", "rebuild"]));
    let node = Served::start(&new, &[]);
    assert!(node.text(&["item", "show", "i1"]).contains("deferred"));
    node.stop();
}

/// A log with a real chain and enough in it that an import takes a moment, exported into a folder.
async fn export_of_a_longer_log(export: &Path) {
    use daybook_kernel::chain::Head;
    use daybook_kernel::hash::Hash;
    use daybook_kernel::id::{Epoch, PartitionId};
    use daybook_kernel::record::DecisionRecord;
    let (log, partition) = (daybook_log::MemoryLog::new("daybook", 1), PartitionId(0));
    let mut head = Head::genesis("daybook", 1, partition);
    let takeover = DecisionRecord::takeover(head.hash, Epoch(1), "n", "", head.now);
    log.append(Topic::Decisions, partition, takeover.bytes.clone(), Durability::Synced).await.unwrap();
    head.advance(head.next_record, &takeover);
    for i in 0..4_000 {
        let command = bytes::Bytes::from(format!("command {i} {}", "x".repeat(2_000)));
        log.append(Topic::Commands, partition, command.clone(), Durability::Synced).await.unwrap();
        let command_hash = Hash::of(&command).to_bytes();
        let decision = daybook_proto::log::v1::Decision { command_hash, ..Default::default() };
        let decisions = vec![prost::Message::encode_to_vec(&decision).into()];
        let batch = DecisionRecord::batch(head.hash, head.epoch, head.next_command, head.now, decisions);
        log.append(Topic::Decisions, partition, batch.bytes.clone(), Durability::Synced).await.unwrap();
        head.advance(head.next_record, &batch);
    }
    daybook_archive::export(&log, export, &()).await.unwrap();
}

#[test]
fn an_import_that_is_killed_again_and_again_comes_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, export, config) = (path("data"), path("export"), path("daybook.toml"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(export_of_a_longer_log(&export));
    fs::write(&config, "[log]\npartitions = 1\n").unwrap();
    let (name, config) = (export.to_str().unwrap(), config.to_str().unwrap());
    let mut interrupted = 0;
    for wait_ms in (10..).step_by(15) {
        let mut import = daybook();
        import.arg("--data-dir").arg(&data).args(["--config", config, "--json", "log", "import", name]);
        let mut import = import.stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        import.kill().unwrap();
        if import.wait().unwrap().success() {
            break;
        }
        if data.join("import-unfinished").exists() {
            interrupted += 1;
            let serve = ["--config", config, "serve", "--dev", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
            assert_eq!(refused(&data, &serve), "IMPORT_UNFINISHED");
        }
        assert!(wait_ms < 60_000, "it never comes to its end");
    }
    assert!(interrupted > 0, "it was killed in the middle");
    assert!(!data.join("import-unfinished").exists());
    let head = &json(&data, &["--config", config, "log", "import", name])["heads"][0]["hash"];
    let verify = ["--config", config, "log", "verify", "--head", head.as_str().unwrap()];
    let verified = text_of(on(&data, &verify), &verify);
    assert!(verified.contains("passes through") && verified.contains("whole"), "{verified}");
}

/// Their names say that they need a real one.
mod kafka {
    use daybook_testkit::kafka::Broker;

    use super::*;

    #[test]
    fn a_log_moves_from_the_embedded_one_to_kafka_and_back_and_goes_on_each_time() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let broker = runtime.block_on(Broker::start()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (old, new, export) = (path("old"), path("new"), path("export"));
        worked(&old);
        let name = export.to_str().unwrap();
        text_of(on(&old, &["log", "export", name]), &["export"]);
        let heads = json(&old, &["log", "verify"]);
        let rows = json(&old, &["replay", "rebuild"]);

        let url = format!("kafka://{}", broker.address());
        let config = path("daybook.toml");
        fs::write(&config, format!("[log]\nurl = \"{url}\"\n")).unwrap();
        let with = |arguments: &[&str]| [&["--config", config.to_str().unwrap()], arguments].concat().join("\u{1f}");
        let on_kafka = |arguments: &[&str]| on(&new, &with(arguments).split('\u{1f}').collect::<Vec<_>>());
        carry_keys(&old, &new);
        let imported = text_of(on_kafka(&["log", "import", name]), &["import"]);
        assert!(imported.contains("every chain ends where the export ends"), "{imported}");
        let rebuilt: Value = serde_json::from_str(&text_of(on_kafka(&["--json", "replay", "rebuild"]), &[])).unwrap();
        assert_eq!(rebuilt, rows, "the same rows, partition by partition");
        let examined = text_of(on_kafka(&["doctor"]), &["doctor"]);
        assert!(examined.contains("Kafka") && examined.contains("0 problems"), "{examined}");

        // A node on Kafka continues the chain.
        let node = Served::start(&new, &["--log", &url]);
        assert!(!new.join("log").exists(), "the log is on Kafka and nowhere else");
        assert!(node.text(&["item", "show", "i1"]).contains("deferred"));
        assert!(node.text(&["item", "reveal", "i1", "--purpose", "discovery"]).contains("paid"));
        node.text(&["--as", "alice", "hold", "release", "h", "--reason", "settled", "--delay", "0"]);
        node.text(&["--as", "bob", "hold", "approve", "h"]);
        node.stop();
        // Of the first partition, and of the one in which most happened.
        for head in [&heads[0], &heads[7]] {
            let verify = ["log", "verify", "--head", head["headHash"].as_str().unwrap()];
            let verified = text_of(on_kafka(&verify), &verify);
            assert!(verified.contains("passes through") && !verified.contains("DAMAGED"), "{verified}");
        }
        assert!(text_of(on_kafka(&["replay", "verify"]), &[]).contains(" 0 came out differently"));
        assert!(String::from_utf8_lossy(&on_kafka(&["log", "import", name]).stderr).contains("LOG_NOT_EMPTY"));

        // And back again: the log. The keys stay in the ring that the nodes on Kafka share.
        let (back, again) = (path("back"), path("export-of-kafka"));
        text_of(on_kafka(&["log", "export", again.to_str().unwrap()]), &["export"]);
        copy(&new.join("development"), &back.join("development"));
        text_of(on(&back, &["log", "import", again.to_str().unwrap()]), &["import"]);
        let heads = |verified: Value| -> Vec<Value> {
            verified.as_array().unwrap().iter().map(|partition| partition["headHash"].clone()).collect()
        };
        let on_kafka_now = serde_json::from_str(&text_of(on_kafka(&["--json", "log", "verify"]), &[])).unwrap();
        assert_eq!(heads(json(&back, &["log", "verify"])), heads(on_kafka_now), "the same chains");
        assert!(text_of(on(&back, &["replay", "verify"]), &[]).contains(" 0 came out differently"));
        let examined = on(&back, &["doctor"]);
        assert!(!examined.status.success(), "a node without its keys is a problem");
        assert!(String::from_utf8_lossy(&examined.stdout).contains("keys"), "and the doctor says so");
        drop(broker);
    }
}
