//! A node on a log in memory, with a small domain to try the loop with.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by test files, each of which uses a part of it")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::decide::Decider;
use daybook_kernel::id::{CommandId, StreamKey, TenantId};
use daybook_kernel::table::View;
use daybook_log::Log;
use daybook_policy::Cedar;
use daybook_proto::log::v1;
use daybook_proto::platform::v1 as platform;
use daybook_rocks::Memory;
use daybook_runtime::{
    DecidingWatch, EffectHandlers, Limits, NoPeers, Node, NodeOptions, Outcome, Role, Roles, SystemClock, Unwatched,
};
use daybook_store::RocksStores;
pub use daybook_testkit::notes::*;
use prost::Message;

pub fn decider(partitions: u32) -> Decider {
    Decider::new(registry(), Arc::new(Cedar::new()), partitions)
}

/// A node of its own kind: with short waits, on the log given.
pub async fn start(log: Arc<dyn Log>, folder: &Path, echo: Arc<Echo>) -> Arc<Node> {
    start_with(log, folder, echo, Limits { decision_wait_max: Duration::from_secs(20), ..Limits::default() }).await
}

pub async fn start_with(log: Arc<dyn Log>, folder: &Path, echo: Arc<Echo>, limits: Limits) -> Arc<Node> {
    start_watched(log, folder, echo, limits, Arc::new(Unwatched)).await
}

/// The same, where somebody watches over deciding.
pub async fn start_watched(
    log: Arc<dyn Log>,
    folder: &Path,
    echo: Arc<Echo>,
    limits: Limits,
    deciding: Arc<dyn DecidingWatch>,
) -> Arc<Node> {
    let options = NodeOptions {
        deciding,
        node_id: "n1".to_owned(),
        address: "127.0.0.1:1".to_owned(),
        stores: Arc::new(RocksStores { folder: folder.to_owned(), memory: Memory::default() }),
        roles: Roles::all(log.partitions(), Role::Lead),
        peers: Arc::new(NoPeers),
        limits,
        effects: EffectHandlers::new().with("echo", echo),
    };
    let decider = decider(log.partitions());
    Node::start(log, decider, Arc::new(SystemClock), options).unwrap()
}

/// A node that is set up: policies in force, tenant "acme" known everywhere.
pub async fn start_ready(log: Arc<dyn Log>, folder: &Path) -> Arc<Node> {
    let node = start(log, folder, Arc::default()).await;
    set_up(&node).await;
    node
}

pub async fn set_up(node: &Node) {
    let registry = registry();
    let payload = platform::PublishShippedPolicySet {
        policies: registry.shipped_policies(),
        schema: registry.shipped_schema(),
        description: String::new(),
        feature_level: 1,
        ends_development: false,
    };
    let mut record = record("platform", "platform", "PublishShippedPolicySet", payload.encode_to_vec());
    record.actor = Some(v1::Actor { kind: v1::actor::Kind::System.into(), id: "test".into(), ..Default::default() });
    submit(node, &record).await;
    let create = platform::CreateTenantRequest { new_tenant_id: "acme".into(), ..Default::default() };
    let record = admin_record("CreateTenant", create.encode_to_vec());
    eventually(|| async { accepted(&submit(node, &record_with_new_id(&record)).await) }).await;
    let probe = || async { accepted(&submit(node, &write("ready=1")).await) };
    eventually(probe).await;
}

pub async fn eventually<F: Future<Output = bool>>(probe: impl Fn() -> F) {
    for _ in 0..400 {
        if probe().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("did not happen within ten seconds");
}

pub fn record_with_new_id(record: &v1::CommandRecord) -> v1::CommandRecord {
    let command_id = Bytes::copy_from_slice(CommandId::generate().as_bytes());
    v1::CommandRecord { command_id, ..record.clone() }
}

pub fn record(tenant: &str, domain: &str, kind: &str, payload: Vec<u8>) -> v1::CommandRecord {
    let actor = v1::Actor {
        kind: v1::actor::Kind::User.into(),
        id: "ada".into(),
        roles: vec!["writer".into()],
        tenant_ids: vec![tenant.into()],
    };
    record_with_new_id(&v1::CommandRecord {
        tenant_id: tenant.into(),
        stream_key: tenant.into(),
        actor: Some(actor),
        domain: domain.into(),
        kind: kind.into(),
        payload: payload.into(),
        ..Default::default()
    })
}

pub fn admin_record(kind: &str, payload: Vec<u8>) -> v1::CommandRecord {
    let mut record = record("platform", "platform", kind, payload);
    record.actor.as_mut().unwrap().roles = vec!["admin".into()];
    record
}

pub fn note(kind: &str, text: &str) -> v1::CommandRecord {
    record("acme", "notes", kind, text.to_owned().encode_to_vec())
}

pub fn write(text: &str) -> v1::CommandRecord {
    note("Write", text)
}

pub async fn submit(node: &Node, record: &v1::CommandRecord) -> Outcome {
    node.submit(record).await.expect("a decision")
}

pub fn accepted(outcome: &Outcome) -> bool {
    matches!(outcome.decision.outcome, Some(v1::decision::Outcome::Accepted(_)))
}

pub fn rejected(outcome: &Outcome) -> &str {
    match &outcome.decision.outcome {
        Some(v1::decision::Outcome::Rejected(rejected)) => &rejected.code,
        other => panic!("not rejected: {other:?}"),
    }
}

pub fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// Reads the notes of acme.
pub fn read<T>(node: &Node, with: impl FnOnce(Tables<'_>) -> T) -> T {
    let partition = node.partition_of(&acme(), &StreamKey::of_tenant(&acme())).unwrap();
    partition.read(|state, _| with(Tables::from(View::new(state, &acme())))).unwrap()
}
