//! Starting a node, and what keeps it from starting or from going on: each with its code, what to do about it, and the
//! proof that doing so helps.

mod broker;
mod configuration;
mod damage;
mod disk_full;
mod in_use;
mod older_release;
mod other_folders;
mod production;

use daybook_kernel::hash::Hash;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::node::v1::{GetStatusResponse, PartitionState};
use daybook_server::config::Config;
use daybook_server::serve::StartError;
use daybook_tests::eventually;
use daybook_tests::node::{Home, Node};
use daybook_tests::people::{LEA, RITA};
use daybook_tests::requests::*;

const ADA: &str = "ada@example.org";

fn one_partition(config: &mut Config) {
    config.log.partitions = 1;
}

/// A node with an item and a hold, stopped; with what was known.
async fn stopped_node() -> (Home, Vec<Hash>) {
    let node = Node::start_with(one_partition).await;
    with_a_held_item(&node).await;
    let known = node.domain_digests().await;
    (node.stop().await, known)
}

async fn with_a_held_item(node: &Node) {
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    let _: RegisterItemResponse = node.ask(&RITA, &register(item("a", "century", ADA))).await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on(ADA))).await;
    let _: DisposeItemsResponse = node.ask(&RITA, &dispose(&["a"])).await;
}

/// A good command goes through, and the held item is held.
async fn goes_on(node: &Node) {
    let id = daybook_tests::node::new_id();
    let registered: RegisterItemResponse = node.ask(&RITA, &register(item(&id, "century", ADA))).await;
    assert!(registered.created);
    let min_position = registered.receipt.unwrap().position;
    let gate: CheckDispositionResponse = node.ask(&RITA, &check(&["a", &id], min_position)).await;
    assert!(gate.results.iter().all(|result| result.hold_ids == ["h"]), "{gate:?}");
}

#[track_caller]
fn is(error: &StartError, code: &str) {
    assert_eq!(error.code.name, code, "{error}");
    let text = error.to_string();
    assert!(!text.ends_with('.') && text.len() > 20, "{text}");
}

/// Waits until a partition has stopped for good, and returns why.
async fn broken(node: &Node) -> (GetStatusResponse, String) {
    eventually("a partition stops", async || {
        let status = node.status().await;
        let partition = status.partitions.iter().find(|partition| partition.state() == PartitionState::Broken)?;
        let detail = partition.detail.clone();
        Some((status, detail))
    })
    .await
}
