//! What a new log needs before anybody can use it: the policy set that ships, a feature level, and on a development node
//! a first tenant.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_domains::{has_development_policies, shipped_policies};
use daybook_kernel::authorisation::policy_set_hash;
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::governance;
use daybook_kernel::id::{CommandId, StreamKey, TenantId};
use daybook_kernel::registry::Registry;
use daybook_kernel::state::{Fault, Read};
use daybook_kernel::table::View;
use daybook_proto::log::v1::{Actor, CommandRecord, actor::Kind, decision::Outcome as Decided};
use daybook_proto::platform::v1::{CreateTenantRequest, PublishShippedPolicySet};
use daybook_runtime::{Node, ReadError, Role, SubmitError};
use prost::Message;

/// The tenant that a development node creates.
pub const FIRST_TENANT: &str = "demo";

/// How long a step is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Makes sure that a policy set is in force on every partition, and starts a new log at the feature level of this
/// release. On a log that has a policy set, this does nothing: the command's id is always the same, so it is decided once.
pub(crate) async fn governance(
    node: &Arc<Node>,
    registry: &Registry,
    level: FeatureLevel,
    development: bool,
) -> Result<(), SubmitError> {
    let is_governed = |state: &dyn Read| Ok(governance::active_policy(state)?.is_some());
    if on_every_partition(node, is_governed)? {
        return Ok(());
    }
    let command = PublishShippedPolicySet {
        policies: shipped_policies(registry, development),
        schema: registry.shipped_schema(),
        description: format!("ships with Daybook {}", env!("CARGO_PKG_VERSION")),
        feature_level: level.0,
        ends_development: false,
    };
    let id = CommandId::derived(0, &[b"the policy set that ships"]);
    let system = Actor { kind: Kind::System.into(), id: "bootstrap".to_owned(), ..Default::default() };
    let record = record(node, id, system, "PublishShippedPolicySet", command.encode_to_vec());
    insist(node, &record).await?;
    // Another node, of another release, may have been first: then its level counts.
    let has_arrived = |state: &dyn Read| Ok(is_governed(state)? && governance::feature_level(state)? > FeatureLevel(0));
    while !on_every_partition(node, has_arrived)? {
        tokio::time::sleep(RETRY).await;
    }
    Ok(())
}

/// Whether the data that a node serves is that of a development node: a policy set of one is in force somewhere.
pub(crate) fn is_of_development(node: &Node) -> Result<bool, ReadError> {
    let is_in_force = |state: &dyn Read| match governance::active_policy(state)? {
        Some(set) => {
            Ok(governance::policy_text(state, &set)?.is_some_and(|text| has_development_policies(&text.policies)))
        }
        None => Ok(false),
    };
    Ok(!on_every_partition(node, |state| is_in_force(state).map(|is| !is))?)
}

/// Puts the policy set in force, on every partition, that ships for production. What the log has recorded stays as it is,
/// its clock among it.
pub(crate) async fn end_development(node: &Arc<Node>, registry: &Registry) -> Result<(), SubmitError> {
    let (policies, schema) = (shipped_policies(registry, false), registry.shipped_schema());
    let hash = policy_set_hash(&policies, &schema);
    let command = PublishShippedPolicySet {
        policies,
        schema,
        description: format!("ships with Daybook {}", env!("CARGO_PKG_VERSION")),
        feature_level: 0,
        ends_development: true,
    };
    let system = Actor { kind: Kind::System.into(), id: "bootstrap".to_owned(), ..Default::default() };
    let payload = command.encode_to_vec();
    insist(node, &record(node, CommandId::generate(), system, "PublishShippedPolicySet", payload)).await?;
    while !on_every_partition(node, |state| Ok(governance::active_policy(state)? == Some(hash)))? {
        tokio::time::sleep(RETRY).await;
    }
    Ok(())
}

/// Makes sure that the first tenant of a development node is known on every partition. True when it is new.
pub(crate) async fn first_tenant(node: &Arc<Node>) -> Result<bool, SubmitError> {
    let tenant = TenantId::parse(FIRST_TENANT).map_err(|_| not_leading("the first tenant's name"))?;
    let is_known = |state: &dyn Read| {
        let row = governance::tenant(state, &tenant)?;
        Ok(row.is_some())
    };
    if on_every_partition(node, is_known)? {
        return Ok(false);
    }
    let command = CreateTenantRequest {
        new_tenant_id: FIRST_TENANT.to_owned(),
        display_name: "made by a development node".to_owned(),
        ..Default::default()
    };
    let actor = Actor {
        kind: Kind::Service.into(),
        id: "development-node".to_owned(),
        roles: vec!["admin".to_owned()],
        tenant_ids: vec![TenantId::platform().as_str().to_owned()],
    };
    let record = record(node, CommandId::generate(), actor, "CreateTenant", command.encode_to_vec());
    insist(node, &record).await?;
    while !on_every_partition(node, is_known)? {
        tokio::time::sleep(RETRY).await;
    }
    Ok(true)
}

/// Whether a token of the platform's administrators is all that is missing: a production node without tenants.
pub(crate) fn has_tenants(node: &Node) -> Result<bool, ReadError> {
    let platform = TenantId::platform();
    let Some(home) = node.partition_of(platform, &StreamKey::of_tenant(platform)) else { return Ok(false) };
    home.read(|state, _| {
        let tables = governance::Tables::from(View::new(state, platform));
        tables.partition_tenants().scan(daybook_kernel::key::All).next().is_some()
    })
}

fn not_leading(detail: &str) -> SubmitError {
    SubmitError::NotLeading { partition: daybook_kernel::id::PartitionId(0), detail: detail.to_owned() }
}

/// Whether something holds on every partition whose state this node has.
fn on_every_partition(node: &Node, holds: impl Fn(&dyn Read) -> Result<bool, Fault>) -> Result<bool, ReadError> {
    for partition in node.partitions().iter().filter(|partition| partition.role() != Role::Rest) {
        if !partition.read(|state, _| holds(state))?? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn record(node: &Node, id: CommandId, actor: Actor, kind: &str, payload: Vec<u8>) -> CommandRecord {
    let platform = TenantId::platform().as_str().to_owned();
    CommandRecord {
        command_id: Bytes::copy_from_slice(id.as_bytes()),
        tenant_id: platform.clone(),
        stream_key: platform,
        actor: Some(actor),
        received_at: Some(node.now().to_proto()),
        domain: "platform".to_owned(),
        kind: kind.to_owned(),
        payload: payload.into(),
        trace_context: None,
        origin: None,
    }
}

/// Submits a command until it is decided. A rejection is good as well: somebody else was first.
async fn insist(node: &Node, record: &CommandRecord) -> Result<(), SubmitError> {
    loop {
        match node.submit(record).await {
            Ok(outcome) => {
                if let Some(Decided::Rejected(rejected)) = &outcome.decision.outcome {
                    tracing::info!(kind = record.kind, rejected.code, "not needed");
                }
                return Ok(());
            }
            Err(error) if error.retry_after().is_some() => tokio::time::sleep(RETRY).await,
            Err(error) => return Err(error),
        }
    }
}
