//! A log, a store, a port that somebody else has.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use daybook_tests::node::{Home, PARTITIONS};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_another_process_has_open_is_refused() {
    let home = Home::default().start().await.stop().await;
    let mut other = Command::new(env!("CARGO_BIN_EXE_hold_log"))
        .arg(home.data().join("log"))
        .arg(PARTITIONS.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(other.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "open\n");
    let error = home.start_error().await;
    is(&error, "LOG_IN_USE");
    assert!(error.to_string().contains(&*home.data().join("log").to_string_lossy()), "{error}");

    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
    let node = home.start().await;
    node.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_do_not_share_a_data_folder() {
    let node = Node::start_with(one_partition).await;
    with_a_held_item(&node).await;
    let second = Home { config: node.home.config.clone(), ..Home::default() };
    is(&second.start_error().await, "LOG_IN_USE");
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named() {
    let node = Node::start().await;
    let taken = Home::with(|config| config.listen.address = node.running.address);
    let error = taken.start_error().await;
    is(&error, "ADDRESS_UNAVAILABLE");
    assert!(error.to_string().contains(&node.running.address.to_string()), "{error}");
    assert!(!taken.data().exists(), "nothing was made before");
    let taken = Home::with(|config| config.listen.metrics_address = node.running.metrics_address);
    is(&taken.start_error().await, "ADDRESS_UNAVAILABLE");
}
