//! Snapshots and the archived log, as an operator uses them: a node that lost its store, a log whose beginning was trimmed
//! away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use common::{Served, daybook, text_of};
use daybook_testkit::kafka::Broker;
use daybook_testkit::s3::{BUCKET, S3Server, files_below};
use serde_json::Value;

/// A node's place with an object store.
struct Place {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    /// Where the objects lie as files.
    objects: PathBuf,
    _server: Option<S3Server>,
}

impl Place {
    fn in_a_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let objects = folder.path().join("objects");
        fs::create_dir(&objects).unwrap();
        let url = format!("file://{}", objects.display());
        let place = Self { folder, environment: Vec::new(), objects, _server: None };
        place.configure(&url, &url);
        place
    }

    fn on_s3() -> Self {
        let server = S3Server::start().unwrap();
        let (folder, environment) = (tempfile::tempdir().unwrap(), server.environment().to_vec());
        let place = Self { folder, environment, objects: server.bucket_folder(), _server: Some(server) };
        let url = format!("s3://{BUCKET}/daybook");
        place.configure(&url, &url);
        place
    }

    fn configure(&self, snapshots: &str, archive: &str) {
        self.configure_every(1, snapshots, archive);
    }

    fn configure_every(&self, seconds: u64, snapshots: &str, archive: &str) {
        let text = format!(
            "[log]\npartitions = 2\n[snapshots]\nurl = \"{snapshots}\"\nevery_seconds = {seconds}\n[archive]\nurl = \
             \"{archive}\"\n"
        );
        fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("daybook.toml")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn serve(&self) -> Served {
        let environment: Vec<_> = self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Served::start_in(&self.data(), &environment, &["--config", self.config().to_str().unwrap()])
    }

    /// Runs the program with no node.
    fn run(&self, arguments: &[&str]) -> Output {
        let environment = self.environment.iter().map(|(name, value)| (*name, value.as_str()));
        let mut command = daybook();
        command.envs(environment).arg("--config").arg(self.config()).arg("--data-dir").arg(self.data());
        command.args(arguments).output().unwrap()
    }

    #[track_caller]
    fn text(&self, arguments: &[&str]) -> String {
        text_of(self.run(arguments), arguments)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[&["--json"], arguments].concat())).unwrap()
    }

    /// Code and text of a command's failure.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(!output.status.success(), "{arguments:?} succeeded");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let error: Value = serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("no JSON error: {text}"));
        let part = |name: &str| error["error"][name].as_str().unwrap_or_default().to_owned();
        (part("code"), part("message"))
    }

    fn lose_the_stores(&self) {
        fs::remove_dir_all(self.data().join("store")).unwrap();
    }

    /// What the node said so far.
    fn said(&self) -> String {
        fs::read_to_string(self.data().with_extension("log")).unwrap()
    }

    /// Where the log begins: the first offsets of all topics and partitions.
    fn firsts(&self) -> Vec<u64> {
        let topics = self.json(&["log", "topics"]);
        topics["topics"].as_array().unwrap().iter().map(|topic| topic["first"].as_u64().unwrap()).collect()
    }

    fn segment(&self, of: &str) -> PathBuf {
        let files = files_below(&self.objects);
        files.into_iter().find(|file| file.to_string_lossy().contains(of)).unwrap()
    }
}

fn work(node: &Served, hold: &str) {
    node.text(&["hold", "place", "--id", hold, "--name", "N", "--reason", "suit", "--custodian", "ada@example.org"]);
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn the_state_comes_from_a_snapshot_and_the_tail_of_the_log(place: &Place) {
    let node = place.serve();
    work(&node, "early");
    // Both partitions have a snapshot that was taken while the node served.
    eventually("snapshots are taken", || place.json(&["snapshot", "list"]).as_array().unwrap().len() >= 2);
    work(&node, "late");
    node.kill();
    place.lose_the_stores();
    let node = place.serve();
    assert!(place.said().contains("restored from a snapshot"), "{}", place.said());
    let holds = node.text(&["hold", "list"]);
    assert!(holds.contains("early") && holds.contains("late"), "{holds}");
    let config = place.config();
    let compared = node.text(&["--config", config.to_str().unwrap(), "replay", "rebuild", "--compare"]);
    assert!(compared.contains("the same") && !compared.contains("DIFFERENT"), "{compared}");
    node.stop();
    let checked = place.text(&["snapshot", "list", "--check"]);
    assert!(checked.contains("whole") && !checked.contains("DAMAGED"), "{checked}");
}

#[test]
fn a_node_that_lost_its_stores_starts_from_a_snapshot_in_a_folder_and_the_tail_of_the_log() {
    the_state_comes_from_a_snapshot_and_the_tail_of_the_log(&Place::in_a_folder());
}

#[test]
fn a_node_that_lost_its_stores_starts_from_a_snapshot_on_s3_and_the_tail_of_the_log() {
    the_state_comes_from_a_snapshot_and_the_tail_of_the_log(&Place::on_s3());
}

#[test]
fn a_node_that_serves_takes_snapshots_when_it_is_asked_and_says_how_old_they_are() {
    let place = Place::in_a_folder();
    let url = format!("file://{}", place.objects.display());
    place.configure_every(86_400, &url, &url);
    let node = place.serve();
    work(&node, "one");
    let ages = || -> Vec<Value> {
        let status = node.json(&["status"]);
        status["partitions"].as_array().unwrap().iter().map(|one| one["newestSnapshotAt"].clone()).collect()
    };
    assert!(ages().iter().all(Value::is_null), "there is none yet");
    let take = |more: &[&str]| place.json(&[&["--server", &node.address, "snapshot", "take"], more].concat());
    let taken = take(&["--partition", "1"]);
    assert_eq!(taken["snapshots"].as_array().unwrap().len(), 1, "{taken}");
    assert!(ages()[0].is_null() && ages()[1] == taken["snapshots"][0]["takenAt"], "{:?} {taken}", ages());
    assert_eq!(take(&[])["snapshots"].as_array().unwrap().len(), 1, "of the other one; this one has not moved on");
    assert!(ages().iter().all(Value::is_string));
    assert!(take(&[])["snapshots"].as_array().is_none_or(Vec::is_empty), "nothing is new");
    assert_eq!(place.json(&["snapshot", "list", "--check"]).as_array().unwrap().len(), 2);
    // Somebody who may only look may not fill the place.
    let asked = ["--as", "vera", "--role", "auditor", "--server", &node.address, "snapshot", "take"];
    assert_eq!(place.refused(&asked).0, "POLICY_DENIED");
    node.stop();
}

fn archive_and_log_are_read_as_one(place: &Place) {
    let node = place.serve();
    for hold in ["one", "two", "three"] {
        work(&node, hold);
    }
    node.stop();
    place.text(&["snapshot", "take"]);
    let before =
        (place.json(&["log", "verify"]), place.json(&["replay", "rebuild"]), place.json(&["replay", "verify"]));
    let known = before.0[0]["headHash"].as_str().unwrap().to_owned();

    let archived = place.json(&["log", "archive"]);
    assert!(archived["partitions"][0]["records"].as_u64().unwrap() > 0, "{archived}");
    // Read without the archive: nothing was trimmed by that.
    let url = format!("file://{}", place.folder.path().display());
    let own = fs::read_to_string(place.config()).unwrap();
    place.configure(&url, "");
    assert!(place.firsts().iter().all(|first| *first == 0));
    fs::write(place.config(), &own).unwrap();

    // More is archived than is let go of: what is to stay, stays.
    place.text(&["log", "archive", "--trim", "--keep", "1"]);
    place.configure(&url, "");
    let topics = place.json(&["log", "topics"]);
    for topic in topics["topics"].as_array().unwrap().iter().filter(|topic| topic["topic"] == "decisions") {
        assert_eq!(topic["first"].as_u64().unwrap() + 1, topic["next"].as_u64().unwrap(), "{topics}");
    }
    fs::write(place.config(), &own).unwrap();
    assert_eq!(place.json(&["log", "verify"]), before.0);
    place.text(&["log", "archive", "--trim"]);
    place.configure(&url, "");
    let firsts = place.firsts();
    assert!(firsts.iter().any(|first| *first > 0), "trimmed: {firsts:?}");
    let (code, message) = place.refused(&["log", "verify"]);
    assert_eq!(code, "LOG_TRIMMED");
    assert!(message.contains("archive.url"), "it says what to do: {message}");
    fs::write(place.config(), &own).unwrap();

    assert!(place.firsts().iter().all(|first| *first == 0), "the archive begins where the log began");
    let after = (place.json(&["log", "verify"]), place.json(&["replay", "rebuild"]), place.json(&["replay", "verify"]));
    assert_eq!(after, before, "heads, digests and decisions are those of the untrimmed log");
    assert!(place.text(&["log", "verify", "--head", &known]).contains("passes through"));
    assert_eq!(place.json(&["log", "archive", "--trim"])["partitions"][0]["records"], 0, "nothing is left to do");

    // A node on the trimmed log: from the snapshot, with the audit proven from the first record, and a projection folded
    // anew through the archive.
    place.lose_the_stores();
    let node = place.serve();
    work(&node, "four");
    let audit = place.folder.path().join("audit.jsonl");
    node.text(&["hold", "audit", "--export", audit.to_str().unwrap()]);
    place.text(&["log", "verify", "--export", audit.to_str().unwrap()]);
    node.text(&["projection", "rebuild", "legal_hold"]);
    let holds = node.text(&["hold", "list"]);
    assert!(["one", "two", "three", "four"].iter().all(|hold| holds.contains(hold)), "{holds}");
    node.stop();
    assert!(place.text(&["replay", "verify"]).contains(" 0 came out differently"));

    assert!(!place.text(&["doctor"]).contains("LOG_TRIMMED"), "what is archived is not missing");

    // What is wrong with the archive is told by name.
    let segment = place.segment("0000-decisions-");
    let name = segment.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = fs::read(&segment).unwrap();
    let mut changed = bytes.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&segment, &changed).unwrap();
    let (code, message) = place.refused(&["log", "verify"]);
    assert!(code == "ARCHIVE_DAMAGED" && message.contains(&name) && message.contains("checksum"), "{code}: {message}");
    fs::remove_file(&segment).unwrap();
    let (code, message) = place.refused(&["replay", "rebuild"]);
    assert!(code == "ARCHIVE_DAMAGED" && message.contains(&name) && message.contains("missing"), "{code}: {message}");
}

#[test]
fn a_trimmed_log_with_its_archive_in_a_folder_is_verified_replayed_and_audited_like_the_whole_one() {
    let place = Place::in_a_folder();
    archive_and_log_are_read_as_one(&place);
}

#[test]
fn a_trimmed_log_with_its_archive_on_s3_is_verified_replayed_and_audited_like_the_whole_one() {
    archive_and_log_are_read_as_one(&Place::on_s3());
}

/// A log on Kafka can be trimmed while a node serves.
#[tokio::test(flavor = "multi_thread")]
async fn a_trimmed_log_on_kafka_is_read_through_its_archive() {
    let broker = Broker::start().await.unwrap();
    let mut place = Place::in_a_folder();
    place.environment.push(("DAYBOOK_LOG__URL", format!("kafka://{}", broker.address())));
    tokio::task::block_in_place(|| {
        let node = place.serve();
        work(&node, "one");
        eventually("snapshots are taken", || place.json(&["snapshot", "list"]).as_array().unwrap().len() >= 2);
        place.text(&["log", "archive", "--trim"]);
        let own = fs::read_to_string(place.config()).unwrap();
        place.configure("", "");
        assert!(place.firsts().iter().any(|first| *first > 0));
        fs::write(place.config(), &own).unwrap();
        assert!(place.firsts().iter().all(|first| *first == 0));
        // It learns that the log was trimmed when it reads the beginning.
        node.text(&["projection", "rebuild", "legal_hold"]);
        work(&node, "two");
        node.kill();
        assert!(place.text(&["replay", "verify"]).contains(" 0 came out differently"));
        place.lose_the_stores();
        let node = place.serve();
        assert!(place.said().contains("restored from a snapshot"), "{}", place.said());
        let holds = node.text(&["hold", "list"]);
        assert!(holds.contains("one") && holds.contains("two"), "{holds}");
        node.stop();
    });
}

#[test]
fn the_archive_in_a_folder_is_an_export_that_can_be_checked_by_itself() {
    let place = Place::in_a_folder();
    let node = place.serve();
    work(&node, "one");
    node.stop();
    place.text(&["snapshot", "take"]);
    place.text(&["log", "archive"]);
    let archive = place.objects.join("daybook/log");
    assert!(place.text(&["log", "verify", "--archive", archive.to_str().unwrap()]).contains("whole"));
}

#[test]
fn what_would_lose_something_is_refused() {
    let place = Place::in_a_folder();
    let node = place.serve();
    work(&node, "one");
    // Whoever serves has the log open: it cannot be trimmed under its feet.
    eventually("snapshots are taken", || place.json(&["snapshot", "list"]).as_array().unwrap().len() >= 2);
    assert_eq!(place.refused(&["log", "archive", "--trim"]).0, "LOG_IN_USE");
    node.stop();
    assert_eq!(place.refused(&["snapshot", "restore", "--partition", "0"]).0, "STORE_EXISTS");

    // A snapshot that is not whole makes nothing dispensable.
    for file in files_below(&place.objects).iter().filter(|file| file.extension().is_some_and(|it| it == "sst")) {
        fs::write(file, b"damaged").unwrap();
    }
    assert_eq!(place.refused(&["log", "archive", "--trim"]).0, "SNAPSHOT_DAMAGED");
    assert_eq!(place.refused(&["snapshot", "list", "--check"]).0, "SNAPSHOT_DAMAGED");
    assert!(place.firsts().iter().all(|first| *first == 0));
    // The log is whole: the node says that no snapshot could be read, and folds it.
    place.lose_the_stores();
    let (code, _) = place.refused(&["snapshot", "restore", "--partition", "0"]);
    assert_eq!(code, "SNAPSHOT_DAMAGED");
    let node = place.serve();
    assert!(place.said().contains("no snapshot could be read"));
    assert!(node.text(&["hold", "list"]).contains("one"));
    node.stop();
    fs::remove_dir_all(place.objects.join("daybook/snapshots")).unwrap();
    assert_eq!(place.refused(&["log", "archive"]).0, "SNAPSHOT_NOT_FOUND");
}

#[test]
fn a_trimmed_log_without_store_and_snapshot_says_what_to_do() {
    let place = Place::in_a_folder();
    let node = place.serve();
    work(&node, "one");
    node.stop();
    place.text(&["snapshot", "take"]);
    place.text(&["log", "archive", "--trim"]);
    place.configure("", "");
    // A projection cannot be folded from its beginning, and the node goes on serving.
    let node = place.serve();
    let error = node.error(&["projection", "rebuild", "legal_hold"]);
    assert_eq!(error["code"], "LOG_TRIMMED", "{error}");
    assert!(node.text(&["hold", "list"]).contains("one"));
    node.stop();
    place.lose_the_stores();
    let node = place.serve();
    let status = node.text(&["status"]);
    assert!(status.contains("LOG_TRIMMED") && status.contains("snapshots.url"), "{status}");
    node.stop();
    // What it says helps, once the new store that could not be folded is out of the way.
    place.lose_the_stores();
    place.configure(&format!("file://{}", place.objects.display()), "");
    let node = place.serve();
    assert!(node.text(&["hold", "list"]).contains("one"));
    node.stop();
}

#[test]
fn a_snapshot_is_restored_beside_the_data_folder() {
    let place = Place::in_a_folder();
    let node = place.serve();
    work(&node, "one");
    node.stop();
    place.text(&["snapshot", "take"]);
    let into: &Path = &place.folder.path().join("elsewhere");
    let restored = place.text(&["snapshot", "restore", "--into", into.to_str().unwrap()]);
    assert!(restored.contains("restored from"), "{restored}");
    assert!(into.join("0000/CURRENT").exists() && into.join("0001/CURRENT").exists());
}
