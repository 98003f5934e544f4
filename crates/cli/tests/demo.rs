//! The demo, as somebody runs it who has just built the program: alone, against a node, and on Kafka.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Served, daybook, text_of};
use daybook_testkit::kafka::Broker;

/// What the demo must say, whatever it runs on.
fn is_the_story(text: &str) {
    for part in [
        "messages imported, 5 skipped",
        "deferred: held",
        "deletions are deferred, because a hold matches them",
        "SECOND_PERSON_REQUIRED",
        "harbour-crane is released",
        "are deleted physically",
        "stand in a chain of",
        " 0 came out differently",
        "the same",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains("DAMAGED") && !text.contains("DIFFERENT"), "{text}");
}

#[test]
fn with_a_node_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    // Nobody listens on port 1, and there is no key of a development node.
    let output = daybook()
        .env("DAYBOOK_LISTEN__ADDRESS", "127.0.0.1:1")
        .arg("--data-dir")
        .arg(home.path().join("none"))
        .arg("demo")
        .output()
        .unwrap();
    is_the_story(&text_of(output, &["demo"]));
}

#[test]
fn with_the_node_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("data"), &[]);
    is_the_story(&served.text(&["demo"]));
    let summary = served.json(&["demo"]);
    assert_eq!(summary["verified"], true);
    assert_eq!(summary["purged"], summary["imported"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_kafka_with_one_setting_changed() {
    let broker = Broker::shared().await.expect("a Kafka broker");
    let home = tempfile::tempdir().unwrap();
    let log = format!("kafka://{}", broker.address());
    let output = daybook().arg("--data-dir").arg(home.path()).args(["demo", "--log", &log]).output().unwrap();
    let text = text_of(output, &["demo"]);
    is_the_story(&text);
    assert!(text.contains("Kafka") || text.contains("kafka"), "{text}");
}
