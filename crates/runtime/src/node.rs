//! A node: one task for each partition, and the way to the right one.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::chain::Head;
use daybook_kernel::decide::Decider;
use daybook_kernel::id::{CommandId, PartitionId, StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::system::Effect;
use daybook_kernel::time::Timestamp;
use daybook_log::Log;
use daybook_proto::log::v1::{self, decision::Outcome as Decided};
use daybook_proto::system::v1::{Forward, ForwardReply};
use daybook_rocks::Memory;
use daybook_store::{ProjectionVersion, Store, StoreError};
use futures_util::future::{BoxFuture, FutureExt, join_all};
use prost::Message;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admission::Limits;
use crate::clock::Clock;
use crate::effect::{EffectFailed, EffectHandler, EffectHandlers, RequestedEffect};
use crate::error::SubmitError;
use crate::partition::{Partition, Parts};
use crate::status::PartitionState;
use crate::waiters::Outcome;

/// How to run a node.
pub struct NodeOptions {
    /// The node's id, written into takeover records.
    pub node_id: String,
    /// Where other nodes reach it.
    pub address: String,
    /// Where the stores lie: one folder each.
    pub store_folder: PathBuf,
    /// Limits of each partition.
    pub limits: Limits,
    /// Effects that the node can carry out, beside forwarding commands between streams.
    pub effects: EffectHandlers,
    /// Memory for the stores.
    pub memory: Memory,
}

/// A running node.
pub struct Node {
    partitions: OnceLock<Vec<Arc<Partition>>>,
    clock: Arc<dyn Clock>,
    stop: watch::Sender<bool>,
    tasks: parking_lot::Mutex<Vec<JoinHandle<()>>>,
}

impl Node {
    /// Opens the stores and starts the partitions on the current Tokio runtime.
    pub fn start(
        log: Arc<dyn Log>,
        decider: Decider,
        clock: Arc<dyn Clock>,
        options: NodeOptions,
    ) -> Result<Arc<Self>, StoreError> {
        let stop = watch::Sender::new(false);
        let node = Arc::new(Self {
            partitions: OnceLock::new(),
            clock: Arc::clone(&clock),
            stop,
            tasks: parking_lot::Mutex::default(),
        });
        let forward = Arc::new(ForwardHandler { node: Arc::downgrade(&node) });
        let effects = options.effects.with(Effect::FORWARD, forward);
        let projections = ProjectionVersion::of_release(decider.registry());
        let mut partitions = Vec::new();
        let mut runs = Vec::new();
        for id in (0..log.partitions()).map(PartitionId) {
            let genesis = Head::genesis(log.name(), log.partitions(), id);
            let folder = options.store_folder.join(format!("{:04}", id.0));
            let (store, head) = Store::open(&folder, &genesis, &projections, &options.memory)?;
            let (partition, swaps) = Partition::new(Parts {
                id,
                log: Arc::clone(&log),
                store: Arc::new(store),
                head: head.clone(),
                decider: decider.clone(),
                clock: Arc::clone(&clock),
                limits: options.limits.clone(),
                node_id: options.node_id.clone(),
                address: options.address.clone(),
                effects: effects.clone(),
            });
            runs.push(Arc::clone(&partition).run(head, swaps, node.stop.subscribe()));
            partitions.push(partition);
        }
        let _ = node.partitions.set(partitions);
        node.tasks.lock().extend(runs.into_iter().map(tokio::spawn));
        Ok(node)
    }

    /// The partitions of this node.
    pub fn partitions(&self) -> &[Arc<Partition>] {
        self.partitions.get().map_or(&[], Vec::as_slice)
    }

    /// The partition in which a stream's commands are decided.
    pub fn partition_of(&self, tenant: &TenantId, stream_key: &StreamKey) -> Option<&Arc<Partition>> {
        let count = u32::try_from(self.partitions().len()).ok().filter(|count| *count > 0)?;
        self.partitions().get(partition_of(tenant, stream_key, count).0 as usize)
    }

    /// Appends a command to the partition of its stream and waits for its decision.
    pub async fn submit(&self, record: &v1::CommandRecord) -> Result<Outcome, SubmitError> {
        let malformed = |what: String| SubmitError::NotLeading { partition: PartitionId(0), detail: what };
        let id = CommandId::from_slice(&record.command_id).map_err(|error| malformed(error.to_string()))?;
        let tenant = TenantId::parse(&record.tenant_id).map_err(|error| malformed(error.to_string()))?;
        let stream_key = StreamKey::parse(&record.stream_key).map_err(|error| malformed(error.to_string()))?;
        let partition = self.partition_of(&tenant, &stream_key);
        let partition = partition.ok_or_else(|| malformed("the node has no partitions".to_owned()))?;
        partition.submit(&tenant, &stream_key, id, record).await
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits until every partition leads, or until one of them has stopped for good, whose reason is the error.
    pub async fn ready(&self) -> Result<(), String> {
        for partition in self.partitions() {
            let mut state = partition.state();
            let settled = state.wait_for(|(state, _)| {
                matches!(state, PartitionState::Leading | PartitionState::Broken | PartitionState::Stopped)
            });
            match settled.await.map(|settled| settled.clone()) {
                Ok((PartitionState::Leading, _)) => {}
                Ok((_, detail)) => return Err(format!("partition {}: {detail}", partition.id())),
                Err(_) => return Err(format!("partition {}: stopped", partition.id())),
            }
        }
        Ok(())
    }

    /// Stops every partition: what is appended is waited for, the stores are flushed. Gives up after `deadline`.
    pub async fn stop(&self, deadline: Duration) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        let all = std::pin::pin!(join_all(tasks));
        if let futures_util::future::Either::Right(_) =
            futures_util::future::select(all, self.clock.sleep(deadline)).await
        {
            tracing::warn!("some partitions did not stop in time");
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}

/// The effect "forward": a command to another stream, and how it was answered.
struct ForwardHandler {
    node: Weak<Node>,
}

impl EffectHandler for ForwardHandler {
    fn run<'a>(&'a self, effect: &'a RequestedEffect) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>> {
        async move {
            let node = self.node.upgrade().ok_or_else(|| EffectFailed("the node is stopping".to_owned()))?;
            let forward =
                Forward::decode(effect.row.payload.clone()).map_err(|error| EffectFailed(error.to_string()))?;
            let asked_at = Timestamp::from_micros(effect.row.asked_at_us);
            let id = CommandId::derived(asked_at.as_unix_millis(), &[b"forward", effect.token().as_bytes()]);
            let record = v1::CommandRecord {
                command_id: Bytes::copy_from_slice(id.as_bytes()),
                tenant_id: forward.tenant_id,
                stream_key: forward.stream_key,
                actor: Some(v1::Actor {
                    kind: v1::actor::Kind::System.into(),
                    id: format!("stream/{}/{}", effect.row.tenant_id, effect.row.stream_key),
                    ..Default::default()
                }),
                received_at: Some(node.now().to_proto()),
                domain: forward.domain,
                kind: forward.kind,
                payload: forward.payload,
                trace_context: None,
                origin: None,
            };
            let outcome = node.submit(&record).await.map_err(|error| EffectFailed(error.to_string()))?;
            let (accepted, code, message) = match outcome.decision.outcome {
                Some(Decided::Accepted(_)) => (true, String::new(), String::new()),
                Some(Decided::Rejected(rejected)) => (false, rejected.code, rejected.message),
                Some(Decided::Parked(parked)) => (false, parked.code, parked.reason),
                Some(Decided::Duplicate(_)) | None => return Err(EffectFailed("no decision".to_owned())),
            };
            let outcome = v1::ForwardOutcome {
                correlation: forward.correlation,
                partition: outcome.place.partition.0,
                offset: outcome.place.command.0,
                accepted,
                code,
                message,
            };
            Ok(ForwardReply { outcome: Some(outcome) }.encode_to_vec())
        }
        .boxed()
    }
}
