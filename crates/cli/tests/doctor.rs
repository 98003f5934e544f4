//! The doctor: what it finds on folders that are well and on folders that are not. It never changes a byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::{Served, daybook};
use daybook_tests::disk::{copy, files, files_ending, flip};
use serde_json::{Value, json};

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

fn jwk(curve: &str) -> Value {
    json!({ "kty": "OKP", "crv": curve, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

/// What a node that is none of development needs.
fn production<'a>(jwks: &'a Path, master_key: &'a str) -> [(&'static str, &'a str); 4] {
    fs::write(jwks, json!({ "keys": [jwk("Ed25519")] }).to_string()).unwrap();
    [
        ("DAYBOOK_MASTER_KEY", master_key),
        ("DAYBOOK_AUTH__JWKS", jwks.to_str().unwrap()),
        ("DAYBOOK_AUTH__ISSUER", "https://id.example.org"),
        ("DAYBOOK_AUTH__AUDIENCE", "daybook"),
    ]
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
    let (jwks, master) = (folder.path().join("jwks.json"), "ab".repeat(32));
    let environment = production(&jwks, &master);
    let (found, _) = examine_with(&data, &environment[..2]);
    assert_eq!(codes(&found, "problem"), ["CONFIG_INVALID"], "no issuer, no audience: {found}");
    let (found, _) = examine_with(&data, &environment);
    assert_eq!(found["problems"], 0, "nothing is there yet: {found}");
    assert!(!data.exists(), "none was made");
    fs::write(&jwks, json!({ "keys": [jwk("Ed25519"), jwk("Ed448")] }).to_string()).unwrap();
    let (found, _) = examine_with(&data, &environment);
    assert!(found["problems"] == 0 && found.to_string().contains("1 can be used; key number 2"), "{found}");
    fs::write(&jwks, r#"{"keys":[]}"#).unwrap();
    let (found, well) = examine_with(&data, &environment);
    assert!(!well && codes(&found, "problem") == ["TOKEN_KEYS_UNAVAILABLE"], "{found}");
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
    assert!(!well && codes(&found, "problem") == ["SECRET_EXPOSED"], "{found}");
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

#[test]
fn a_node_that_runs_is_named_and_exit_codes_say_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Served::start(&data, &[]);
    let output = daybook().arg("--data-dir").arg(&data).args(["--json", "doctor"]).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "warnings are no problem: {found}");
    let named = found["findings"].as_array().unwrap().iter().find(|finding| finding["subject"] == "node");
    assert!(named.unwrap()["found"].as_str().unwrap().contains(&node.address), "{found}");
    node.stop();
    fs::remove_dir_all(data.join("keys")).unwrap();
    let output = daybook().arg("--data-dir").arg(&data).arg("doctor").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "a problem");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("runs on this data folder"));
    let output = daybook().args(["doctor", "--nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "a command line that cannot be understood");
}

/// Their names say that they need a real broker.
mod kafka {
    use daybook_testkit::kafka::Broker;
    use daybook_tests::kafka_client::KafkaClient;

    use super::*;

    /// A node's folder and configuration.
    struct Kafka {
        broker: std::sync::Arc<Broker>,
        folder: tempfile::TempDir,
        name: &'static str,
    }

    impl Kafka {
        async fn new(name: &'static str) -> Self {
            let (broker, folder) = (Broker::shared().await.unwrap(), tempfile::tempdir().unwrap());
            let text = format!(
                "[log]\nurl = \"kafka://{}\"\nname = \"{name}\"\npartitions = 2\nkafka_connect_seconds = 3\n\
                 [inbox]\ntopics = [\"{name}-in\"]\nreply_topic_prefix = \"{{tenant}}.{name}-out\"\n\
                 [outbox]\ndomains = [\"legal_hold\"]\n[telemetry]\nlog_filter = \"warn\"\n",
                broker.address()
            );
            fs::write(folder.path().join("daybook.toml"), text).unwrap();
            Self { broker, folder, name }
        }

        fn data(&self) -> PathBuf {
            self.folder.path().join("data")
        }

        fn config(&self) -> String {
            self.folder.path().join("daybook.toml").to_str().unwrap().to_owned()
        }

        fn start(&self) -> Served {
            Served::start(&self.data(), &["--config", &self.config()])
        }

        /// What is found, and the exit code.
        fn examine(&self, environment: &[(&str, &str)]) -> (Value, i32) {
            let mut command = daybook();
            command.arg("--data-dir").arg(self.data()).args(["--config", &self.config(), "--json", "doctor"]);
            let output = command.envs(environment.iter().copied()).output().unwrap();
            let found: Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
            for finding in found["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "problem")
            {
                assert!(finding["next"] != "" && finding["means"] != "", "{finding}");
            }
            (found, output.status.code().unwrap())
        }

        fn topic(&self, arguments: &[&str]) {
            self.broker.tool("org.apache.kafka.tools.TopicCommand", arguments).unwrap();
        }

        fn set(&self, topic: &str, setting: &str) {
            let topic = format!("{}{topic}", self.name);
            let arguments = ["--alter", "--entity-type", "topics", "--entity-name", &topic, "--add-config", setting];
            self.broker.tool("kafka.admin.ConfigCommand", &arguments).unwrap();
        }
    }

    #[track_caller]
    fn finding<'a>(found: &'a Value, subject: &str) -> &'a Value {
        let all = found["findings"].as_array().unwrap();
        let of = all.iter().find(|finding| finding["subject"] == subject);
        of.unwrap_or_else(|| panic!("nothing of {subject}: {found}"))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_healthy_log_on_kafka_has_no_problem_before_its_first_node_while_one_runs_and_afterwards() {
        let kafka = Kafka::new("doctored").await;
        let (folder, key) = (tempfile::tempdir().unwrap(), "ab".repeat(32));
        let jwks = folder.path().join("jwks.json");
        let environment = production(&jwks, &key);
        let (found, code) = kafka.examine(&environment);
        assert_eq!((code, &found["problems"]), (0, &0.into()), "{found}");
        for subject in ["log", "key ring", "inbox doctored-in", "outbox legal_hold", "list of rejected records"] {
            let one = finding(&found, subject);
            assert!(one["level"] == "ok" && one["means"].as_str().unwrap().contains("start"), "{one}");
        }
        let client = KafkaClient::new(&kafka.broker);
        for topic in ["doctored.commands", "doctored.keys", "doctored-in"] {
            assert!(!client.exists(topic).await, "{topic} was made");
        }

        let node = kafka.start();
        node.text(&["retention", "set", "mail", "--period", "30y"]);
        let register = ["item", "register", "--id", "i1", "--custodian", "ada@example.org", "--title", "crane"];
        node.text(&[&register[..], &["--category", "email", "--retention", "mail"]].concat());
        client.put("doctored-in", 0, &[("daybook-method", "legal_hold.PlaceHold")], b"garbage").await;
        let healthy = |found: &Value, code: i32| {
            assert_eq!((code, &found["problems"]), (0, &0.into()), "{found}");
            for subject in
                ["log", "stores", "key ring", "inbox doctored-in", "outbox legal_hold", "list of rejected records"]
            {
                assert_eq!(finding(found, subject)["level"], "ok", "{found}");
            }
            let ring = finding(found, "key ring")["found"].as_str().unwrap();
            assert!(ring.contains("doctored.keys") && ring.contains("the master key is its own"), "{ring}");
            assert!(!ring.contains(": 0 keys"), "{ring}");
            let inbox = finding(found, "inbox doctored-in")["found"].as_str().unwrap();
            assert!(inbox.contains("2 partitions; 0 records wait"), "{inbox}");
        };
        // What is committed shows a moment later.
        std::thread::sleep(std::time::Duration::from_secs(1));
        let (found, code) = kafka.examine(&[]);
        healthy(&found, code);
        assert!(finding(&found, "node")["found"].as_str().unwrap().contains(&node.address), "{found}");
        node.stop();
        let (found, code) = kafka.examine(&[]);
        healthy(&found, code);
        assert!(found["findings"].as_array().unwrap().iter().all(|one| one["subject"] != "node"), "{found}");
        client.put("doctored-in", 1, &[], b"nobody reads it").await;
        let (found, code) = kafka.examine(&[]);
        let inbox = finding(&found, "inbox doctored-in");
        assert!(code == 0 && inbox["found"].as_str().unwrap().contains("1 records wait"), "{inbox}");
        // Nothing that the doctor did keeps a node from starting.
        kafka.start().stop();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_wrong_with_a_log_on_kafka_is_told_with_its_code() {
        let kafka = Kafka::new("ailing").await;
        let node = kafka.start();
        node.text(&["retention", "set", "mail", "--period", "30y"]);
        node.stop();
        let problems = |environment: &[(&str, &str)]| {
            let (found, code) = kafka.examine(environment);
            assert_eq!(code, 1, "{found}");
            codes(&found, "problem").into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(problems(&[("DAYBOOK_MASTER_KEY", &"ab".repeat(32))]), ["MASTER_KEY_WRONG"]);
        assert_eq!(problems(&[("DAYBOOK_MASTER_KEY", "nonsense")]), ["MASTER_KEY_MISSING"]);
        assert_eq!(problems(&[("DAYBOOK_LOG__PARTITIONS", "3")]), ["LOG_SHAPE_DIFFERS"]);
        assert_eq!(problems(&[("DAYBOOK_LOG__URL", "kafka://127.0.0.1:1")]), ["LOG_UNAVAILABLE"]);
        let unknown = r#"{ "sasl.pasword" = "hunter2-hunter2" }"#;
        let (found, code) = kafka.examine(&[("DAYBOOK_LOG__KAFKA_PROPERTIES", unknown)]);
        assert_eq!((code, codes(&found, "problem")), (1, vec!["TOPIC_SETTINGS_WRONG"]), "{found}");
        let told = found.to_string();
        assert!(
            told.contains("sasl.pasword") && !told.contains("hunter2") && !told.contains("cannot be reached"),
            "{told}"
        );
        for (topic, wrong, right) in [
            (".commands", "retention.ms=1000", "retention.ms=-1"),
            (".keys", "cleanup.policy=delete", "cleanup.policy=compact"),
            ("-in", "message.timestamp.type=CreateTime", "message.timestamp.type=LogAppendTime"),
            (".inbox.rejected", "cleanup.policy=compact", "cleanup.policy=delete"),
            (".outbox.legal_hold", "max.message.bytes=1000", "max.message.bytes=4259840"),
            (".decisions", "max.message.bytes=104857600", "max.message.bytes=4259840"),
        ] {
            kafka.set(topic, wrong);
            assert_eq!(problems(&[]), ["TOPIC_SETTINGS_WRONG"], "{topic} {wrong}");
            kafka.set(topic, right);
        }
        kafka.set("-in", "compression.type=producer");
        let (found, code) = kafka.examine(&[]);
        let told = found["findings"].as_array().unwrap().iter().filter(|one| one["level"] == "warning");
        assert!(code == 0 && told.clone().any(|one| one["subject"] == "inbox ailing-in"), "{found}");

        kafka.topic(&["--delete", "--topic", "ailing.keys"]);
        assert_eq!(problems(&[]), ["KEY_RING_MISSING"]);
        kafka.topic(&["--delete", "--topic", "ailing.decisions"]);
        assert_eq!(problems(&[]), ["LOG_NOT_FOUND"]);
        kafka.topic(&["--delete", "--topic", "ailing.commands"]);
        assert_eq!(problems(&[]), ["LOG_NOT_FOUND"], "there are stores");
        fs::remove_dir_all(kafka.data().join("store")).unwrap();
        let (found, code) = kafka.examine(&[("DAYBOOK_LOG__KAFKA_REPLICATION", "0")]);
        assert_eq!((code, codes(&found, "problem").first()), (1, Some(&"TOPIC_SETTINGS_WRONG")), "{found}");
    }
}
