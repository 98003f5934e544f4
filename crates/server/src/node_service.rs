//! What a node says of itself, and what it does outside the log: the service `daybook.node.v1.NodeService`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::alarm::{self, Alarm};
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::decide::Decider;
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::governance;
use daybook_kernel::id::{CommandId, PartitionId, StreamKey, TenantId};
use daybook_kernel::time::{Timestamp, duration_to_proto};
use daybook_log::Log;
use daybook_proto::cluster::v1::NodePartition;
use daybook_proto::log::v1::decision::Outcome as Decided;
use daybook_proto::node::v1;
use daybook_runtime::{Partition, PartitionState, PartitionStatus, ReadError, Role};
use futures_util::future::join_all;
use prost::Message;
use prost_reflect::DynamicMessage;

use crate::auth::{Caller, KeyWatch};
use crate::cluster::Seen;
use crate::disk::free_bytes;
use crate::door::{Door, NodeMethod};
use crate::error::{CallError, codes};
use crate::export;
use crate::inbox::InboxStatus;
use crate::snapshots::Keeper;

/// The node's own service.
pub struct NodeService {
    pub(crate) node_id: String,
    pub(crate) development: bool,
    /// Absent when snapshots are off.
    pub(crate) snapshots: Option<Arc<Keeper>>,
    pub(crate) data_dir: PathBuf,
    pub(crate) started_at: Timestamp,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) decider: Decider,
    pub(crate) token_keys: KeyWatch,
    pub(crate) inbox: Arc<InboxStatus>,
}

/// Alarms that one answer shows.
const ALARMS_MAX: usize = 100;

/// The alarms that concern the caller's tenants, oldest first.
fn alarms(door: &Door, caller: &Caller) -> Vec<v1::Alarm> {
    let tenants: BTreeSet<_> = caller.tenants().collect();
    let sees_all = tenants.contains(TenantId::platform().as_str());
    let concerns = |alarm: &Alarm| sees_all || tenants.contains(alarm.tenant.as_str());
    let mut all = Vec::new();
    for partition in door.node.partitions() {
        let of_partition = partition.read(|state, _| {
            alarm::raised(state).filter_map(Result::ok).filter(concerns).take(ALARMS_MAX).collect::<Vec<_>>()
        });
        // A partition that cannot be read says so itself.
        all.extend(of_partition.unwrap_or_default());
    }
    all.sort_by(|a, b| (a.raised_at, &a.tenant, &a.id).cmp(&(b.raised_at, &b.tenant, &b.id)));
    all.truncate(ALARMS_MAX);
    let show = |alarm: Alarm| v1::Alarm {
        tenant_id: alarm.tenant,
        domain: alarm.domain,
        alarm_id: alarm.id,
        text: alarm.text,
        raised_at: Some(alarm.raised_at.to_proto()),
    };
    all.into_iter().map(show).collect()
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
            NodeMethod::GetStatus => self.status_for(door, caller).await?.encode_to_vec(),
            NodeMethod::GetCommand => self.command(door, caller, decode(&request)?).await?.encode_to_vec(),
            NodeMethod::ListProjections => self.projections(door, caller)?.encode_to_vec(),
            NodeMethod::RebuildProjection => self.rebuild(door, caller, decode(&request)?).await?.encode_to_vec(),
            NodeMethod::GetStateDigest => self.state_digest(door, caller, decode(&request)?).await?.encode_to_vec(),
            NodeMethod::ExportDecisions => {
                export::decisions(door, &self.log, caller, decode(&request)?).await?.encode_to_vec()
            }
            NodeMethod::TakeSnapshots => self.take_snapshots(door, caller, decode(&request)?).await?.encode_to_vec(),
        };
        Ok(response.into())
    }

    /// Where the log lies, how full the disk is, which nodes there are and where each chain ends is for those who have to do
    /// with Daybook. Whoever has a token of the same identity provider, and no role, is told whether it answers.
    async fn status_for(&self, door: &Door, caller: &Caller) -> Result<v1::GetStatusResponse, CallError> {
        let status = self.status(door, caller).await?;
        if caller.has_a_role() {
            return Ok(status);
        }
        let v1::GetStatusResponse { version, ready, development, .. } = status;
        Ok(v1::GetStatusResponse { version, ready, development, ..Default::default() })
    }

    async fn status(&self, door: &Door, caller: &Caller) -> Result<v1::GetStatusResponse, CallError> {
        let peers = door.cluster.as_ref().map(|cluster| cluster.peers()).unwrap_or_default();
        let mut partitions = Vec::new();
        let mut ready = true;
        // Side by side: a log that does not answer is waited for once.
        for status in join_all(door.node.partitions().iter().map(|partition| partition.status())).await {
            let status = status?;
            ready &= status.is_healthy();
            // What is left to others is known from them.
            let elsewhere = elsewhere(&peers, status.partition).filter(|_| status.role == Role::Rest);
            let next_command = elsewhere.map_or(status.head.next_command.0, |there| there.next_command);
            let owner = door.node.routes().owner(status.partition);
            let standbys = self.standbys(&peers, &status, next_command);
            partitions.push(v1::PartitionStatus {
                partition: status.partition.0,
                state: state(status.state).into(),
                apply_lag: status.command_tail.0.saturating_sub(next_command),
                detail: status.detail,
                owner_node_id: owner.as_ref().map_or(status.head.owner, |owner| owner.node_id.clone()),
                epoch: owner.map_or(status.head.epoch, |owner| owner.epoch).0,
                command_tail: status.command_tail.0,
                next_command,
                next_decision: elsewhere.map_or(status.head.next_record.0, |there| there.next_decision),
                head_hash: status.head.hash.to_hex(),
                dropped_records: status.dropped_records,
                parked_streams: status.waiting.parked,
                open_effects: status.waiting.effects,
                timers: status.waiting.timers,
                alarms: status.waiting.alarms,
                log_time: (status.head.epoch.0 > 0).then(|| status.head.now.to_proto()),
                since_applied: Some(duration_to_proto(status.since_applied)),
                standbys,
                newest_snapshot_at: self.newest_snapshot(status.partition).map(Timestamp::to_proto),
            });
        }
        let refuses_commands = door.problem().map_or_else(String::new, |why| format!("{}: {}", why.code, why.message));
        Ok(v1::GetStatusResponse {
            node_id: self.node_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            log: self.log.describe(),
            ready: ready && refuses_commands.is_empty(),
            development: self.development,
            started_at: Some(self.started_at.to_proto()),
            partitions,
            disk_free_bytes: free_bytes(&self.data_dir).unwrap_or_default(),
            nodes: peers.into_iter().map(cluster_node).collect(),
            feature_level: feature_level(door)?.0,
            newest_feature_level: self.decider.understands().0,
            refuses_commands,
            alarms: alarms(door, caller),
            token_keys: self.token_keys.status().map(|keys| v1::TokenKeysStatus {
                age: Some(duration_to_proto(keys.age)),
                problem: keys.failure.unwrap_or_default(),
            }),
            inbox: self.inbox.partitions(),
            inbox_detail: self.inbox.group_problem().unwrap_or_default(),
        })
    }

    fn newest_snapshot(&self, partition: PartitionId) -> Option<Timestamp> {
        self.snapshots.as_ref()?.newest(partition)
    }

    async fn take_snapshots(
        &self,
        door: &Door,
        caller: &Caller,
        request: v1::TakeSnapshotsRequest,
    ) -> Result<v1::TakeSnapshotsResponse, CallError> {
        let question = Authorisation::new("Platform", "TakeSnapshots", "Installation", "this");
        self.authorise(door, caller, &question)?;
        let count = u32::try_from(door.node.partitions().len()).unwrap_or(u32::MAX);
        if request.partitions.iter().any(|partition| *partition >= count) {
            return Err(CallError::field("partitions", "names one that this log does not have"));
        }
        let keeper = self.snapshots.as_ref().ok_or_else(|| {
            let message = "snapshots.url is not set on this node: there is no place for snapshots; nothing was changed";
            CallError::new(codes::CONFIG_INVALID, message)
        })?;
        let wanted = |partition: &&Arc<Partition>| {
            let named = request.partitions.is_empty() || request.partitions.contains(&partition.id().0);
            named && partition.role() != Role::Rest
        };
        let mut snapshots = Vec::new();
        for partition in door.node.partitions().iter().filter(wanted) {
            let taken = keeper.take(&door.node, partition).await;
            let Some(kept) = taken.map_err(|error| CallError::new(error.code(), error.to_string()))? else { continue };
            let Ok(manifest) = kept.manifest else { continue };
            snapshots.push(v1::TakenSnapshot {
                partition: partition.id().0,
                name: kept.name,
                taken_at: Some(Timestamp::from_micros(manifest.taken_at_us).to_proto()),
                next_decision: manifest.next_record,
            });
        }
        Ok(v1::TakeSnapshotsResponse { snapshots })
    }

    /// Who follows a partition, and by how much they are behind its owner.
    fn standbys(&self, peers: &BTreeMap<String, Seen>, status: &PartitionStatus, next: u64) -> Vec<v1::Standby> {
        let others = peers.iter().filter_map(|(node_id, seen)| {
            let there = of(seen, status.partition).filter(|there| there.follows)?;
            Some(v1::Standby { node_id: node_id.clone(), lag: next.saturating_sub(there.next_command) })
        });
        let follows_here = status.state == PartitionState::Following;
        let here = follows_here.then(|| {
            let owner_has = elsewhere(peers, status.partition).map_or(next, |there| there.next_command);
            v1::Standby { node_id: self.node_id.clone(), lag: owner_has.saturating_sub(next) }
        });
        let mut standbys: Vec<_> = others.chain(here).collect();
        standbys.sort_by(|a, b| a.node_id.cmp(&b.node_id));
        standbys
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
                let rows = partition.store().estimated_rows(projection.id).map_err(ReadError::from)?;
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

/// What another node said of a partition.
fn of(seen: &Seen, partition: PartitionId) -> Option<&NodePartition> {
    seen.says.as_ref()?.partitions.iter().find(|there| there.partition == partition.0)
}

/// What the node that leads a partition said of it, if that is another node.
fn elsewhere(peers: &BTreeMap<String, Seen>, partition: PartitionId) -> Option<&NodePartition> {
    peers.values().filter_map(|seen| of(seen, partition)).filter(|there| there.leads).max_by_key(|there| there.epoch)
}

fn cluster_node((node_id, seen): (String, Seen)) -> v1::ClusterNode {
    let says = seen.says.unwrap_or_default();
    let count = |is: fn(&NodePartition) -> bool| {
        u32::try_from(says.partitions.iter().filter(|partition| is(partition)).count()).unwrap_or(u32::MAX)
    };
    v1::ClusterNode {
        node_id,
        address: seen.address,
        version: says.version.clone(),
        reachable: seen.unanswered == 0 && !says.node_id.is_empty(),
        leaving: says.leaving,
        leads: count(|partition| partition.leads),
        follows: count(|partition| partition.follows),
        newest_feature_level: says.newest_feature_level,
    }
}

/// The highest feature level that a partition of this node has reached.
fn feature_level(door: &Door) -> Result<FeatureLevel, CallError> {
    let mut highest = FeatureLevel(0);
    for partition in door.node.partitions() {
        // Of a store that nothing was applied to yet as well.
        let level = governance::feature_level(&*partition.store().live()).map_err(ReadError::from)?;
        highest = highest.max(level);
    }
    Ok(highest)
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
