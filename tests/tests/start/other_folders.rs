//! Folders that do not belong together: another master key, another log's store, another shape.

use std::fs;

use daybook_tests::disk::{copy, write_secret};
use daybook_tests::node::Home;

use super::*;

/// Stops, exchanges the master key, and puts it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_master_key_is_told_and_the_right_one_still_opens_everything() {
    let (mut home, known) = stopped_node().await;
    let made = home.data().join("development/master-key");
    let other = home.folder.path().join("other-key");
    write_secret(&other, &"ab".repeat(32));
    home.config.keys.master_key_file = Some(other.clone());
    is(&home.start_error().await, "MASTER_KEY_WRONG");

    for nonsense in ["", "ab", &"xy".repeat(32), &"ab".repeat(33)] {
        write_secret(&other, nonsense);
        is(&home.start_error().await, "MASTER_KEY_MISSING");
    }
    fs::remove_file(&other).unwrap();
    let error = home.start_error().await;
    is(&error, "MASTER_KEY_MISSING");
    assert!(error.to_string().contains(&*other.to_string_lossy()), "{error}");

    home.config.keys.master_key_file = Some(made);
    let node = home.start().await;
    assert_eq!(node.domain_digests().await, known);
    let revealed: RevealItemResponse = node.ask(&LEA, &reveal("a")).await;
    assert_eq!(revealed.item.unwrap().body, "body of a");
    goes_on(&node).await;
}

/// With new keys nothing that was sealed could be opened, and nobody would be found by his name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_ring_that_was_lost_is_not_replaced_silently() {
    let (home, known) = stopped_node().await;
    let (keys, aside) = (home.data().join("keys"), home.folder.path().join("aside"));
    fs::rename(&keys, &aside).unwrap();
    is(&home.start_error().await, "KEY_RING_MISSING");
    assert!(!keys.exists(), "none was made");
    fs::rename(&aside, &keys).unwrap();
    let node = home.start().await;
    assert_eq!(node.domain_digests().await, known);
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_of_another_log_is_refused() {
    let (home, known) = stopped_node().await;
    let stranger = Home::with(|config| {
        one_partition(config);
        config.log.name = "another".to_owned();
    });
    copy(&home.data().join("store"), &stranger.data().join("store"));
    let error = stranger.start_error().await;
    is(&error, "STORE_OF_ANOTHER_LOG");
    assert!(error.to_string().contains("store"), "{error}");

    let node = home.start().await;
    assert_eq!(node.domain_digests().await, known);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_keeps_its_shape_for_ever() {
    let (mut home, known) = stopped_node().await;
    home.config.log.partitions = 2;
    let error = home.start_error().await;
    is(&error, "LOG_SHAPE_DIFFERS");
    assert!(error.to_string().contains("1 partitions") && error.to_string().contains("2 partitions"), "{error}");
    home.config.log.partitions = 1;
    home.config.log.name = "another".to_owned();
    is(&home.start_error().await, "LOG_SHAPE_DIFFERS");
    home.config.log.name = "daybook".to_owned();
    let node = home.start().await;
    assert_eq!(node.domain_digests().await, known);
}

/// Somebody deleted the log, or put an older copy of it back: the store knows more than the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_has_lost_its_end_is_never_continued() {
    let (home, known) = stopped_node().await;
    let (log, aside) = (home.data().join("log"), home.folder.path().join("aside"));
    fs::rename(&log, &aside).unwrap();
    let node = home.start().await;
    let (status, detail) = broken(&node).await;
    assert!(detail.starts_with("STORE_AHEAD_OF_LOG"), "{detail}");
    assert!(!status.ready);
    let ready = reqwest::get(format!("http://{}/readyz", node.running.metrics_address)).await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    assert!(ready.text().await.unwrap().contains("STORE_AHEAD_OF_LOG"));
    for refusal in [node.refusal(&LEA, &place("h2", on(ADA))).await, node.refusal(&LEA, &get_hold("h")).await] {
        assert!(["PARTITION_BROKEN", "PARTITION_UNAVAILABLE"].contains(&refusal.code.as_str()), "{refusal:?}");
        assert_eq!(refusal.status, tonic::Code::Unavailable);
        assert!(refusal.message.contains("STORE_AHEAD_OF_LOG"), "{refusal:?}");
    }
    let home = node.stop().await;

    // With the right log in place all is well.
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&aside, &log).unwrap();
    let node = home.start().await;
    assert_eq!(node.domain_digests().await, known);
    goes_on(&node).await;
}
