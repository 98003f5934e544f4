//! What bad input gets: a clear error with a code, the same by gRPC and by JSON, and nothing lost or half done.
//!
//! Where the door refuses, nothing is written at all: logs and states of all partitions stand as before, see
//! [`nothing_is_written`]. Where the log's decision refuses, that decision is all that is written: what is known of items,
//! holds and tenants stays as it was, see [`only_rejections_are_written`]. After each, a good command goes through.

mod commands;
mod fields;
mod front_door;
mod policies;
mod requests;
mod tenants;
mod tokens;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::Position;
use daybook_proto::node::v1::*;
use daybook_proto::platform::v1::*;
use daybook_server::auth::development::{DevelopmentKey, ISSUER, TokenRequest};
use daybook_tests::eventually;
use daybook_tests::node::{Node, new_id, path_of, to_json};
use daybook_tests::people::{LEA, LEO, NORA, Person, RITA, ROOT};
use daybook_tests::refusal::Refusal;
use daybook_tests::requests::*;
use daybook_tests::story::{release_by_two, state};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use prost::{Message, Name};
use serde_json::{Value, json};
use tonic::Code;

const ADA: &str = "ada@example.org";

/// A node with the class "century" and the item "a".
async fn node() -> Node {
    let node = Node::start().await;
    with_an_item(&node).await;
    node
}

async fn with_an_item(node: &Node) {
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    let _: RegisterItemResponse = node.ask(&RITA, &register(item("a", "century", ADA))).await;
}

/// A good command goes through, and does what it should.
async fn goes_on(node: &Node) {
    let id = new_id();
    let registered: RegisterItemResponse = node.ask(&RITA, &register(item(&id, "century", ADA))).await;
    assert!(registered.created);
    let min_position = registered.receipt.unwrap().position;
    let found: GetItemResponse = node.ask(&RITA, &GetItemRequest { min_position, ..get_item(&id) }).await;
    assert!(found.item.is_some());
}

/// Runs something that must not reach the log.
async fn nothing_is_written<T>(node: &Node, what: impl AsyncFnOnce() -> T) -> T {
    let before = node.mark().await;
    let result = what().await;
    assert_eq!(node.mark().await, before, "nothing is written");
    goes_on(node).await;
    result
}

/// Runs something that the log's decision must refuse: rejections are written, and nothing else changes.
async fn only_rejections_are_written<T>(node: &Node, what: impl AsyncFnOnce() -> T) -> T {
    let (known, commands) = (node.domain_digests().await, node.mark().await.commands());
    let result = what().await;
    assert_eq!(node.domain_digests().await, known, "what is known stays as it was");
    assert!(node.mark().await.commands() > commands, "the rejection stands on the log");
    goes_on(node).await;
    result
}

#[track_caller]
fn is(refusal: &Refusal, status: Code, code: &str) {
    assert_eq!((refusal.status, refusal.code.as_str()), (status, code), "{refusal:?}");
    assert!(!refusal.message.is_empty() && !refusal.message.ends_with('.'), "{}", refusal.message);
}

#[track_caller]
fn names(refusal: &Refusal, fields: &[&str]) {
    is(refusal, Code::InvalidArgument, "INVALID_ARGUMENT");
    assert_eq!(refusal.field_names(), fields, "{refusal:?}");
}
