//! What a node says of itself, and what it does outside the log: the service `daybook.node.v1.NodeService`.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::decide::Decider;
use daybook_kernel::id::{CommandId, StreamKey, TenantId};
use daybook_kernel::time::{Timestamp, duration_to_proto};
use daybook_log::Log;
use daybook_proto::log::v1::decision::Outcome as Decided;
use daybook_proto::node::v1;
use daybook_runtime::{Partition, PartitionState};
use prost::Message;
use prost_reflect::DynamicMessage;

use crate::auth::Caller;
use crate::disk::free_bytes;
use crate::door::{Door, NodeMethod};
use crate::error::{CallError, codes};
use crate::export;

/// The node's own service.
pub struct NodeService {
    pub(crate) node_id: String,
    pub(crate) development: bool,
    pub(crate) data_dir: PathBuf,
    pub(crate) started_at: Timestamp,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) decider: Decider,
}

fn decode<M: Message + Default>(request: &DynamicMessage) -> Result<M, CallError> {
    request.transcode_to().map_err(|error| CallError::new(codes::MALFORMED_REQUEST, error.to_string()))
}

impl NodeService {
    pub(crate) fn decider(&self) -> &Decider {
        &self.decider
    }

    pub(crate) async fn call(
        &self,
        door: &Door,
        method: NodeMethod,
        caller: &Caller,
        request: DynamicMessage,
    ) -> Result<Bytes, CallError> {
        let response = match method {
            NodeMethod::GetStatus => self.status(door).await?.encode_to_vec(),
            NodeMethod::GetCommand => self.command(door, caller, decode(&request)?).await?.encode_to_vec(),
            NodeMethod::ListProjections => self.projections(door, caller)?.encode_to_vec(),
            NodeMethod::RebuildProjection => self.rebuild(door, caller, decode(&request)?).await?.encode_to_vec(),
            NodeMethod::GetStateDigest => self.state_digest(door, caller, decode(&request)?).await?.encode_to_vec(),
            NodeMethod::ExportDecisions => {
                export::decisions(door, &self.log, caller, decode(&request)?).await?.encode_to_vec()
            }
        };
        Ok(response.into())
    }

    async fn status(&self, door: &Door) -> Result<v1::GetStatusResponse, CallError> {
        let mut partitions = Vec::new();
        let mut ready = true;
        for partition in door.node.partitions() {
            let status = partition.status().await?;
            ready &= status.is_healthy();
            partitions.push(v1::PartitionStatus {
                partition: status.partition.0,
                state: state(status.state).into(),
                apply_lag: status.apply_lag(),
                detail: status.detail,
                owner_node_id: status.head.owner,
                epoch: status.head.epoch.0,
                command_tail: status.command_tail.0,
                next_command: status.head.next_command.0,
                next_decision: status.head.next_record.0,
                head_hash: status.head.hash.to_hex(),
                dropped_records: status.dropped_records,
                parked_streams: status.parked_streams,
                open_effects: status.open_effects,
                timers: status.timers,
                log_time: (status.head.epoch.0 > 0).then(|| status.head.now.to_proto()),
                since_applied: Some(duration_to_proto(status.since_applied)),
            });
        }
        Ok(v1::GetStatusResponse {
            node_id: self.node_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            log: self.log.describe(),
            ready,
            development: self.development,
            started_at: Some(self.started_at.to_proto()),
            partitions,
            disk_free_bytes: free_bytes(&self.data_dir).unwrap_or_default(),
        })
    }

    async fn command(
        &self,
        door: &Door,
        caller: &Caller,
        request: v1::GetCommandRequest,
    ) -> Result<v1::GetCommandResponse, CallError> {
        let tenant = caller.tenant(&request.tenant_id, None)?;
        let id = CommandId::parse(&request.command_id).map_err(|problem| CallError::field("command_id", problem.0))?;
        let Some(outcome) = door.find(&tenant, id).await? else {
            let outcome = v1::CommandOutcome::Unknown.into();
            return Ok(v1::GetCommandResponse { outcome, ..Default::default() });
        };
        let receipt = daybook_proto::log::v1::Receipt { duplicate: false, ..crate::door::receipt(id, &outcome) };
        let decision = outcome.decision;
        let (outcome, rejected) = match decision.outcome {
            Some(Decided::Accepted(_)) => (v1::CommandOutcome::Accepted, None),
            Some(Decided::Rejected(rejected)) => (v1::CommandOutcome::Rejected, Some(rejected)),
            Some(Decided::Parked(_)) => (v1::CommandOutcome::Parked, None),
            Some(Decided::Duplicate(_)) | None => (v1::CommandOutcome::Unknown, None),
        };
        let hash = daybook_kernel::hash::Hash::from_slice(&decision.policy_set_hash);
        Ok(v1::GetCommandResponse {
            outcome: outcome.into(),
            receipt: Some(receipt),
            domain: decision.domain,
            kind: decision.kind,
            rejected,
            policy_set_hash: hash.map(|hash| hash.to_hex()).unwrap_or_default(),
            determining_policies: decision.determining_policies,
        })
    }

    /// What is asked of the platform is authorised by the policy set in force on its home partition.
    fn authorise(&self, door: &Door, caller: &Caller, question: &Authorisation) -> Result<(), CallError> {
        let platform = caller.tenant(TenantId::platform().as_str(), None)?;
        let missing = || CallError::new(codes::INTERNAL_ERROR, "the node has no partitions");
        let home = door.node.partition_of(&platform, &StreamKey::of_tenant(&platform)).ok_or_else(missing)?;
        door.authorise(home, caller, &platform, question)
    }

    fn projections(&self, door: &Door, caller: &Caller) -> Result<v1::ListProjectionsResponse, CallError> {
        let question = Authorisation::new("Platform", "ListProjections", "Installation", "this");
        self.authorise(door, caller, &question)?;
        let mut projections = Vec::new();
        for partition in door.node.partitions() {
            for projection in partition.store().projections() {
                let rows = partition.store().estimated_rows(projection.id).map_err(daybook_runtime::ReadError::from)?;
                projections.push(v1::ProjectionStatus {
                    projection: projection.name,
                    partition: partition.id().0,
                    version: projection.version,
                    generation: projection.generation,
                    estimated_rows: rows,
                });
            }
        }
        projections.sort_by(|a, b| (&a.projection, a.partition).cmp(&(&b.projection, b.partition)));
        Ok(v1::ListProjectionsResponse { projections })
    }

    async fn state_digest(
        &self,
        door: &Door,
        caller: &Caller,
        request: v1::GetStateDigestRequest,
    ) -> Result<v1::GetStateDigestResponse, CallError> {
        let question = Authorisation::new("Platform", "ListProjections", "Installation", "this");
        self.authorise(door, caller, &question)?;
        let partition = door.node.partitions().get(request.partition as usize).map(Arc::clone);
        let partition = partition.ok_or_else(|| CallError::field("partition", "is not one of this log"))?;
        let projections = door.registry.projections();
        let read = move || {
            partition.read(|state, head| {
                let (digest, rows) = daybook_kernel::state::digest(state, projections)?;
                Ok(v1::GetStateDigestResponse {
                    next_record: head.next_record.0,
                    head_hash: head.hash.to_hex(),
                    digest: digest.to_hex(),
                    rows,
                })
            })
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|error| CallError::new(codes::INTERNAL_ERROR, error.to_string()))??
    }

    async fn rebuild(
        &self,
        door: &Door,
        caller: &Caller,
        request: v1::RebuildProjectionRequest,
    ) -> Result<v1::RebuildProjectionResponse, CallError> {
        let question = Authorisation::new("Platform", "RebuildProjection", "Projection", &request.projection);
        self.authorise(door, caller, &question)?;
        let missing = || {
            let names: Vec<_> = door.registry.iter().map(|domain| domain.name).collect();
            let message = format!("there is no projection {:?}; there are {}", request.projection, names.join(", "));
            CallError::new(codes::PROJECTION_NOT_FOUND, message)
        };
        let projection = door.registry.get(&request.projection).ok_or_else(missing)?.projection;
        let wanted = |partition: &&Arc<Partition>| {
            request.partitions.is_empty() || request.partitions.contains(&partition.id().0)
        };
        let mut partitions = Vec::new();
        for partition in door.node.partitions().iter().filter(wanted) {
            let rebuilt = partition.rebuild(projection).await?;
            partitions.push(v1::RebuiltPartition {
                partition: rebuilt.partition.0,
                decisions: rebuilt.decisions,
                rows: rebuilt.rows,
                duration: Some(duration_to_proto(rebuilt.took)),
                generation: rebuilt.generation,
            });
        }
        Ok(v1::RebuildProjectionResponse { partitions })
    }
}

fn state(state: PartitionState) -> v1::PartitionState {
    match state {
        PartitionState::Starting => v1::PartitionState::Starting,
        PartitionState::CatchingUp => v1::PartitionState::CatchingUp,
        PartitionState::TakingOver => v1::PartitionState::TakingOver,
        PartitionState::Leading => v1::PartitionState::Leading,
        PartitionState::Following => v1::PartitionState::Following,
        PartitionState::Resting => v1::PartitionState::Resting,
        PartitionState::Waiting => v1::PartitionState::Waiting,
        PartitionState::Broken => v1::PartitionState::Broken,
        PartitionState::Stopped => v1::PartitionState::Stopped,
    }
}
