//! A node: one task for each partition, and the way to the right one.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::chain::Head;
use daybook_kernel::code::{Code, RELEASE_TOO_OLD};
use daybook_kernel::decide::Decider;
use daybook_kernel::domain::stream_actor;
use daybook_kernel::id::{CommandId, PartitionId, StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::system::Effect;
use daybook_kernel::time::Timestamp;
use daybook_log::Log;
use daybook_proto::log::v1;
use daybook_proto::system::v1::{Forward, ForwardReply};
use daybook_store::codes::STORE_OUT_OF_FILES;
use daybook_store::{ProjectionVersion, Store, StoreError, Stores};
use futures_util::future::{BoxFuture, Either, FutureExt, join_all, select, select_all};
use prost::Message;
use tokio::task::JoinHandle;

use crate::admission::Limits;
use crate::assignment::{Orders, Role, Roles};
use crate::clock::Clock;
use crate::deciding::DecidingWatch;
use crate::effect::{EffectFailed, EffectHandler, EffectHandlers, RequestedEffect};
use crate::error::SubmitError;
use crate::partition::{Broken, Partition, Parts};
use crate::peers::Peers;
use crate::routes::Routes;
use crate::status::PartitionState;
use crate::waiters::Outcome;
use crate::watched::Watched;

/// How to run a node.
pub struct NodeOptions {
    /// The node's id, written into takeover records.
    pub node_id: String,
    /// Where other nodes reach it.
    pub address: String,
    /// Where the stores lie.
    pub stores: Arc<dyn Stores>,
    /// What it does with each partition. May change while it runs.
    pub roles: Roles,
    /// The way to the other nodes of this log.
    pub peers: Arc<dyn Peers>,
    /// Limits of each partition.
    pub limits: Limits,
    /// Effects that the node can carry out, beside forwarding commands between streams.
    pub effects: EffectHandlers,
    /// Who watches over deciding.
    pub deciding: Arc<dyn DecidingWatch>,
}

/// A running node.
pub struct Node {
    partitions: OnceLock<Vec<Arc<Partition>>>,
    decider: Decider,
    id: String,
    clock: Arc<dyn Clock>,
    roles: Roles,
    routes: Arc<Routes>,
    peers: Arc<dyn Peers>,
    stop: Arc<Watched<bool>>,
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
        let stop = Arc::new(Watched::new(false));
        let node = Arc::new(Self {
            partitions: OnceLock::new(),
            decider: decider.clone(),
            id: options.node_id.clone(),
            clock: Arc::clone(&clock),
            roles: options.roles.clone(),
            routes: Arc::new(Routes::new(log.partitions())),
            peers: options.peers,
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
            let missing = || StoreError::Failed(format!("partition {id} has no role"));
            let role = options.roles.watch(id).ok_or_else(missing)?;
            let (store, head) = options.stores.open(id, &genesis, &projections)?;
            decider.check_release(&*store.live())?;
            let (partition, swaps) = Partition::new(Parts {
                id,
                log: Arc::clone(&log),
                store,
                head: head.clone(),
                decider: decider.clone(),
                clock: Arc::clone(&clock),
                limits: options.limits.clone(),
                node_id: options.node_id.clone(),
                address: options.address.clone(),
                effects: effects.clone(),
                deciding: Arc::clone(&options.deciding),
                role: role.clone(),
                routes: Arc::clone(&node.routes),
            });
            runs.push(Arc::clone(&partition).run(head, swaps, Orders::new(role, Arc::clone(&node.stop))));
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

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who leads which partition, as far as this node knows.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Has a command decided, here or by the node that leads its partition, and waits for its decision. While the
    /// partition changes hands it is asked again, for a few seconds.
    pub async fn submit(&self, record: &v1::CommandRecord) -> Result<Outcome, SubmitError> {
        const HAND_OVER_MAX: Duration = Duration::from_secs(10);
        const RETRY_AFTER: Duration = Duration::from_millis(50);
        let asked = self.addressed(record)?;
        let started = self.clock.now();
        loop {
            let leads = asked.partition.role() == Role::Lead;
            let outcome = if leads { asked.submit_here(record).await } else { self.submit_there(&asked, record).await };
            let Err(error) = outcome else { return outcome };
            let changes_hands = !leads || asked.partition.role() != Role::Lead;
            let may_be_answered =
                self.leaves_to_others(asked.partition) || changes_hands && error.may_be_asked_elsewhere();
            if !may_be_answered || self.now().since(started) >= HAND_OVER_MAX {
                return Err(error);
            }
            self.clock.sleep(RETRY_AFTER).await;
        }
    }

    /// Whether a partition has stopped here only, and there are other nodes that go on with it.
    pub fn leaves_to_others(&self, partition: &Partition) -> bool {
        partition.has_failed_here() && self.peers.are_there()
    }

    /// Has a command decided by this node or not at all: what another node passes on goes no further.
    pub async fn submit_here(&self, record: &v1::CommandRecord) -> Result<Outcome, SubmitError> {
        let asked = self.addressed(record)?;
        asked.submit_here(record).await.map_err(|error| match error {
            SubmitError::Broken { partition, detail } if asked.partition.has_failed_here() => {
                SubmitError::NotLeading { partition, detail }
            }
            error => error,
        })
    }

    async fn submit_there(&self, asked: &Addressed<'_>, record: &v1::CommandRecord) -> Result<Outcome, SubmitError> {
        let partition = asked.partition.id();
        match self.routes.owner(partition).filter(|owner| owner.node_id != self.id) {
            Some(owner) => {
                let answer = self.peers.submit(&owner, partition, record);
                // An owner that stands still does not answer. Whoever took over from it has the same command, or gets it.
                let replaced = std::pin::pin!(self.routes.taken_over_after(partition, owner.epoch));
                match select(answer, replaced).await {
                    Either::Left((answer, _)) => answer,
                    Either::Right(_) => {
                        let detail = format!("{} has lost it to another node", owner.node_id);
                        Err(SubmitError::NotLeading { partition, detail })
                    }
                }
            }
            None => Err(SubmitError::NotLeading { partition, detail: "no node is known to lead it".to_owned() }),
        }
    }

    /// Whether a command whose content is not sealed yet may be asked for at all; see [`Decider::rehearse`].
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn rehearse(&self, record: &v1::CommandRecord) -> Result<Option<v1::Rejected>, SubmitError> {
        let asked = self.addressed(record)?;
        Ok(asked.partition.rehearse(record)?)
    }

    fn addressed(&self, record: &v1::CommandRecord) -> Result<Addressed<'_>, SubmitError> {
        let malformed = |what: String| SubmitError::NotLeading { partition: PartitionId(0), detail: what };
        let id = CommandId::from_slice(&record.command_id).map_err(|error| malformed(error.to_string()))?;
        let tenant = TenantId::parse(&record.tenant_id).map_err(|error| malformed(error.to_string()))?;
        let stream_key = StreamKey::parse(&record.stream_key).map_err(|error| malformed(error.to_string()))?;
        let partition = self.partition_of(&tenant, &stream_key);
        let partition = partition.ok_or_else(|| malformed("the node has no partitions".to_owned()))?;
        Ok(Addressed { partition, tenant, stream_key, id })
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits until every partition does what its role asks for, or until one of them has stopped for good, whose reason
    /// is the error.
    pub async fn ready(&self) -> Result<(), String> {
        for partition in self.partitions() {
            let settled = partition.state().wait_for(|(state, _)| {
                *state == wanted_state(partition.role())
                    || matches!(state, PartitionState::Broken | PartitionState::Stopped)
            });
            if let (PartitionState::Broken | PartitionState::Stopped, detail) = settled.await {
                return Err(format!("partition {}: {detail}", partition.id()));
            }
        }
        Ok(())
    }

    /// What a partition said that met a feature level which this release does not understand.
    pub fn outdated(&self) -> Option<String> {
        self.broken_by(RELEASE_TOO_OLD)
    }

    /// Waits until [`Node::outdated`] has an answer.
    pub async fn until_outdated(&self) -> String {
        self.until_broken_by(RELEASE_TOO_OLD).await
    }

    /// Waits until a partition has stopped because its store could not open a file, and returns what it said.
    pub async fn until_out_of_files(&self) -> String {
        self.until_broken_by(STORE_OUT_OF_FILES).await
    }

    fn broken_by(&self, code: Code) -> Option<String> {
        self.partitions().iter().find_map(|partition| {
            let broken = partition.broken().get().filter(|broken| broken.code == code)?;
            Some(format!("partition {}: {broken}", partition.id()))
        })
    }

    async fn until_broken_by(&self, code: Code) -> String {
        let broken = |partition: &Arc<Partition>| {
            let partition = Arc::clone(partition);
            async move {
                let is_it = |broken: &Option<Broken>| broken.as_ref().is_some_and(|broken| broken.code == code);
                partition.broken().wait_for(is_it).await
            }
            .boxed()
        };
        let all: Vec<_> = self.partitions().iter().map(broken).collect();
        if !all.is_empty() {
            select_all(all).await;
        }
        match self.broken_by(code) {
            Some(broken) => broken,
            None => std::future::pending().await,
        }
    }

    /// Gives up every partition that this node leads, and goes on following it: what is appended is waited for, nothing
    /// new is decided. Whoever takes over next finds nothing under way.
    pub async fn resign(&self) {
        for partition in self.partitions().iter().filter(|partition| partition.role() == Role::Lead) {
            self.roles.set(partition.id(), Role::Follow);
        }
        for partition in self.partitions() {
            partition.state().wait_for(|(state, _)| *state != PartitionState::Leading).await;
        }
    }

    /// Stops every partition: what is appended is waited for, the stores are flushed. Gives up after `deadline`.
    pub async fn stop(&self, deadline: Duration) {
        self.stop.set(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        let all = std::pin::pin!(join_all(tasks));
        if let Either::Right(_) = select(all, self.clock.sleep(deadline)).await {
            tracing::warn!("some partitions did not stop in time");
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.set(true);
    }
}

/// A command with where it belongs.
struct Addressed<'a> {
    partition: &'a Arc<Partition>,
    tenant: TenantId,
    stream_key: StreamKey,
    id: CommandId,
}

impl Addressed<'_> {
    async fn submit_here(&self, record: &v1::CommandRecord) -> Result<Outcome, SubmitError> {
        self.partition.submit(&self.tenant, &self.stream_key, self.id, record).await
    }
}

/// What a partition does once it is where its role wants it.
fn wanted_state(role: Role) -> PartitionState {
    match role {
        Role::Lead => PartitionState::Leading,
        Role::Follow => PartitionState::Following,
        Role::Rest => PartitionState::Resting,
    }
}

/// The effect "forward": a command to another stream, and how it was answered.
struct ForwardHandler {
    node: Weak<Node>,
}

impl EffectHandler for ForwardHandler {
    fn run<'a>(
        &'a self,
        effect: &'a RequestedEffect,
        _: &'a Arc<dyn Store>,
    ) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>> {
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
                actor: Some(stream_actor(&effect.row.tenant_id, &effect.row.stream_key)),
                received_at: Some(node.now().to_proto()),
                domain: forward.domain,
                kind: forward.kind,
                payload: forward.payload,
                trace_context: None,
                origin: None,
            };
            let outcome = node.submit(&record).await.map_err(|error| EffectFailed(error.to_string()))?;
            let outcome = node.decider.forward_outcome(outcome.place, outcome.decision, forward.correlation);
            let outcome = outcome.map_err(|fault| EffectFailed(fault.to_string()))?;
            Ok(ForwardReply { outcome: Some(outcome) }.encode_to_vec())
        }
        .boxed()
    }
}
