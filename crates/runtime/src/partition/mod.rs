//! One partition: what callers see of it, and the task that runs it.
//!
//! | file | what it does |
//! | --- | --- |
//! | `term` | does what the role asks for: catch up, take over, lead; follow; rest; and what to do when that ends |
//! | `catch_up` | applies decisions that were made before |
//! | `lead` | decides commands and applies what is acknowledged |
//! | `follow` | applies what another node decides |
//! | `own_commands` | commands of Daybook's own: timers and outcomes of effects |
//! | `rebuild` | folds a projection again beside the live one |

mod catch_up;
mod follow;
mod lead;
mod own_commands;
mod rebuild;
mod term;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::chain::Head;
use daybook_kernel::code::Code;
use daybook_kernel::decide::{Decider, Place, fingerprint};
use daybook_kernel::id::{CommandId, Offset, PartitionId, Position, StreamKey, TenantId};
use daybook_kernel::record::{DecisionRecord, RecordBody};
use daybook_kernel::state::{Fault, Read};
use daybook_kernel::system;
use daybook_kernel::table::View;
use daybook_kernel::time::Timestamp;
use daybook_log::{Durability, Log, LogError, Topic};
use daybook_proto::log::v1;
use daybook_store::Store;
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::mpsc;

use crate::admission::{Admission, Limits};
use crate::assignment::Role;
use crate::clock::Clock;
use crate::deciding::DecidingWatch;
use crate::effect::EffectHandlers;
use crate::error::{ReadError, SubmitError};
use crate::routes::{Owner, Routes};
use crate::status::{PartitionState, PartitionStatus};
use crate::waiters::{Outcome, Waiters};
use crate::watched::Watched;

pub use rebuild::Rebuilt;
pub(crate) use rebuild::SwapRequest;

/// One partition of this node.
pub struct Partition {
    pub(crate) id: PartitionId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) decider: Decider,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) node_id: String,
    pub(crate) address: String,
    pub(crate) effects: EffectHandlers,
    deciding: Arc<dyn DecidingWatch>,
    role: Arc<Watched<Role>>,
    routes: Arc<Routes>,
    waiters: Waiters,
    admission: Admission,
    /// What the partition is doing, with the reason where it needs one.
    state: Watched<(PartitionState, String)>,
    /// Why it stopped for good.
    broken: Watched<Option<Broken>>,
    /// The first command that is not applied.
    applied: Watched<Offset>,
    progress: Mutex<Progress>,
    dropped: AtomicU64,
    swaps: mpsc::Sender<SwapRequest>,
}

struct Progress {
    head: Head,
    applied_at: Timestamp,
}

/// What a partition is made of.
pub(crate) struct Parts {
    pub(crate) id: PartitionId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) head: Head,
    pub(crate) decider: Decider,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) node_id: String,
    pub(crate) address: String,
    pub(crate) effects: EffectHandlers,
    pub(crate) deciding: Arc<dyn DecidingWatch>,
    pub(crate) role: Arc<Watched<Role>>,
    pub(crate) routes: Arc<Routes>,
}

impl Partition {
    pub(crate) fn new(parts: Parts) -> (Arc<Self>, mpsc::Receiver<SwapRequest>) {
        let (swaps, swap_requests) = mpsc::channel(1);
        let applied_at = parts.clock.now();
        let partition = Self {
            id: parts.id,
            log: parts.log,
            store: parts.store,
            decider: parts.decider,
            clock: parts.clock,
            limits: parts.limits,
            node_id: parts.node_id,
            address: parts.address,
            effects: parts.effects,
            deciding: parts.deciding,
            role: parts.role,
            routes: parts.routes,
            waiters: Waiters::default(),
            admission: Admission::default(),
            state: Watched::new((PartitionState::Starting, String::new())),
            broken: Watched::new(None),
            applied: Watched::new(parts.head.next_command),
            progress: Mutex::new(Progress { head: parts.head, applied_at }),
            dropped: AtomicU64::new(0),
            swaps,
        };
        partition.learn_route();
        (Arc::new(partition), swap_requests)
    }

    /// The partition's number.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The store, for those who maintain it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Appends a command and waits for its decision.
    pub async fn submit(
        &self,
        tenant: &TenantId,
        stream_key: &StreamKey,
        id: CommandId,
        record: &v1::CommandRecord,
    ) -> Result<Outcome, SubmitError> {
        let started = self.clock.now();
        let bytes = Bytes::from(record.encode_to_vec());
        let _admitted = self.admission.admit(&self.limits, tenant, stream_key, bytes.len())?;
        self.wait_until_leading().await?;
        let mut waiting = self.waiters.wait(id, fingerprint(record));
        let appended = self.log.append(Topic::Commands, self.id, bytes, Durability::WithNextSync);
        appended.await.map_err(|error| self.append_failed(error))?;
        let left = self.limits.decision_wait_max.saturating_sub(self.clock.now().since(started));
        let decided = select(&mut waiting.outcome, self.clock.sleep(left)).await;
        match decided {
            Either::Left((Ok(outcome), _)) => self.first_outcome(tenant, id, outcome).await,
            Either::Left((Err(_), _)) | Either::Right(_) => {
                Err(SubmitError::OutcomeUnknown { waited: self.limits.decision_wait_max })
            }
        }
    }

    /// Whether a command whose content is not sealed yet may be asked for at all; see [`Decider::rehearse`]. `None`: as far
    /// as is known here, or this node does not lead the partition and cannot tell.
    pub fn rehearse(&self, record: &v1::CommandRecord) -> Result<Option<v1::Rejected>, ReadError> {
        if self.state.get().0 != PartitionState::Leading {
            return Ok(None);
        }
        let live = self.store.live();
        let head = self.progress.lock().head.clone();
        let place = Place {
            partition: self.id,
            command: head.next_command,
            record: head.next_record,
            index: 0,
            now: self.log_time(&*live, &head)?,
        };
        Ok(self.decider.rehearse(&*live, record, place)?)
    }

    /// A log that has failed takes nothing more until a restart has read it back: the partition says so, instead of
    /// looking well while it refuses one caller after the other.
    fn append_failed(&self, error: LogError) -> SubmitError {
        let has_failed = matches!(error, LogError::Full { .. } | LogError::Damaged { .. } | LogError::Closed);
        if has_failed && self.state.get().0 == PartitionState::Leading {
            self.set_state(PartitionState::Broken, format!("{}: {error}", error.code()));
        }
        SubmitError::Log(error)
    }

    /// For a command that was decided before, the decision that it got then.
    async fn first_outcome(&self, tenant: &TenantId, id: CommandId, outcome: Outcome) -> Result<Outcome, SubmitError> {
        if !matches!(outcome.decision.outcome, Some(v1::decision::Outcome::Duplicate(_))) {
            return Ok(outcome);
        }
        let first = self.find(tenant, id).await?;
        first.ok_or_else(|| SubmitError::Read(Fault::Damaged(format!("command {id} has no decision")).into()))
    }

    /// The decision that a command got, by its id.
    pub async fn find(&self, tenant: &TenantId, id: CommandId) -> Result<Option<Outcome>, ReadError> {
        let row = {
            let live = self.store.live();
            system::Tables::from(View::new(&*live, tenant)).dedup().get((id.as_bytes(),))?
        };
        let Some(row) = row else { return Ok(None) };
        let damaged = |what: &str| LogError::Damaged { what: format!("decision record {}: {what}", row.record_offset) };
        let mut reader = self.log.reader(Topic::Decisions, self.id, Offset(row.record_offset))?;
        let record = reader.next().await?.into_iter().next().ok_or_else(|| damaged("it is missing"))?;
        let record = DecisionRecord::read(record.bytes).map_err(|error| damaged(&error.to_string()))?;
        let RecordBody::Batch { decided_at, decisions, .. } = record.body else {
            return Err(damaged("it holds no decisions").into());
        };
        let decision = decisions.get(row.index as usize).ok_or_else(|| damaged("it holds fewer decisions"))?;
        let decision = v1::Decision::decode(decision.clone()).map_err(|error| damaged(&error.to_string()))?;
        let place = Place {
            partition: self.id,
            command: Offset(row.command_offset),
            record: Offset(row.record_offset),
            index: row.index,
            now: decided_at,
        };
        Ok(Some(Outcome { place, decision, duplicate: true, response: None }))
    }

    /// What the node is to do with this partition now.
    pub fn role(&self) -> Role {
        self.role.get()
    }

    /// Whether it has stopped for good because of its store. Another node, with a store of its own, may go on.
    pub fn has_failed_here(&self) -> bool {
        self.broken.get().is_some_and(|broken| broken.only_here)
    }

    /// Waits until the partition takes commands; not for long, and not at all when another node is to lead it.
    async fn wait_until_leading(&self) -> Result<(), SubmitError> {
        const WAIT_MAX: Duration = Duration::from_secs(5);
        // Every command passes here: nothing is set up to wait with while there is nothing to wait for.
        if self.state.get().0 == PartitionState::Leading {
            return Ok(());
        }
        let settled = std::pin::pin!(self.state.wait_for(|(state, _)| {
            let is_final = matches!(state, PartitionState::Leading | PartitionState::Broken | PartitionState::Stopped);
            is_final || self.role.get() != Role::Lead
        }));
        let (state, detail) = match select(settled, self.clock.sleep(WAIT_MAX)).await {
            Either::Left((settled, _)) => settled,
            Either::Right(_) => self.state.get(),
        };
        let not_leading = |detail: String| Err(SubmitError::NotLeading { partition: self.id, detail });
        match state {
            PartitionState::Leading => Ok(()),
            PartitionState::Broken if self.role.get() != Role::Lead => not_leading("another node leads it".to_owned()),
            PartitionState::Broken => Err(SubmitError::Broken { partition: self.id, detail }),
            PartitionState::Stopped => not_leading("the node is stopping".to_owned()),
            _ if self.role.get() != Role::Lead => not_leading("another node leads it".to_owned()),
            _ if detail.is_empty() => not_leading(format!("{state:?}")),
            _ => not_leading(detail),
        }
    }

    /// Whether this node answers queries that name `min_position`. Whoever leads always does. Whoever follows may be
    /// behind what was acknowledged elsewhere, so it does only if the query says how new the answer must be.
    pub fn may_answer(&self, min_position: Option<Position>) -> bool {
        self.role() == Role::Lead || (min_position.is_some() && self.state.get().0 == PartitionState::Following)
    }

    /// Waits until the state has reached `min_position`, and until this node may speak for the partition at all, see
    /// [`Partition::may_answer`].
    pub async fn wait_to_read(&self, min_position: Option<Position>, wait_max: Duration) -> Result<(), ReadError> {
        let unavailable = |detail: String| ReadError::Unavailable { partition: self.id, detail };
        if self.role() == Role::Lead || !self.may_answer(min_position) {
            self.wait_until_leading().await.map_err(|error| match error {
                SubmitError::Broken { partition, detail } => ReadError::Broken { partition, detail },
                SubmitError::NotLeading { detail, .. } => unavailable(detail),
                error => unavailable(error.to_string()),
            })?;
        }
        let Some(position) = min_position else { return Ok(()) };
        let reached = std::pin::pin!(self.applied.wait_for(|next| *next > position.offset));
        match select(reached, self.clock.sleep(wait_max)).await {
            Either::Left(_) => Ok(()),
            Either::Right(_) => Err(ReadError::NotReached { position, waited: wait_max }),
        }
    }

    /// The next record of the decisions topic that will be applied.
    pub fn next_record(&self) -> Offset {
        self.progress.lock().head.next_record
    }

    /// The first command that is not applied.
    pub fn next_command(&self) -> Offset {
        self.applied.get()
    }

    /// The first command that is not applied, and every change of it.
    pub fn applied(&self) -> &Watched<Offset> {
        &self.applied
    }

    /// Reads the state as it is now.
    pub fn read<T>(&self, with: impl FnOnce(&dyn Read, &Head) -> T) -> Result<T, ReadError> {
        let (snapshot, head) = self.store.snapshot()?;
        Ok(with(&*snapshot, &head))
    }

    /// The log's time now: never before that of the last decision.
    pub fn log_time(&self, state: &dyn Read, head: &Head) -> Result<Timestamp, Fault> {
        let ahead = daybook_kernel::governance::clock_ahead_us(state)?;
        let now = Timestamp::from_micros(self.clock.now().as_micros().saturating_add(ahead));
        Ok(now.max(head.now))
    }

    /// How the partition stands.
    pub async fn status(&self) -> Result<PartitionStatus, ReadError> {
        const COUNTED_MAX: usize = 10_000;
        const TAIL_WAIT_MAX: Duration = Duration::from_secs(2);
        let bounds = self.log.bounds(Topic::Commands, self.id);
        let tail = match select(bounds, self.clock.sleep(TAIL_WAIT_MAX)).await {
            Either::Left((Ok(bounds), _)) => Ok(bounds.next),
            Either::Left((Err(error), _)) if !error.is_transient() => return Err(error.into()),
            Either::Left((Err(error), _)) => Err(error.to_string()),
            Either::Right(_) => Err("the log does not say where it ends".to_owned()),
        };
        let (state, detail) = self.state.get();
        let waiting = system::counts(&*self.store.live(), COUNTED_MAX);
        let progress = self.progress.lock();
        let detail = match &tail {
            Err(why) if detail.is_empty() => why.clone(),
            _ => detail,
        };
        Ok(PartitionStatus {
            partition: self.id,
            role: self.role(),
            state,
            detail,
            head: progress.head.clone(),
            log_answers: tail.is_ok(),
            command_tail: tail.unwrap_or(progress.head.next_command),
            dropped_records: self.dropped.load(Ordering::Relaxed),
            waiting,
            since_applied: self.clock.now().since(progress.applied_at),
        })
    }

    /// What the partition is doing, with the reason where it needs one; and every change of it.
    pub fn state(&self) -> &Watched<(PartitionState, String)> {
        &self.state
    }

    /// Why the partition stopped for good, if it did.
    pub fn broken(&self) -> &Watched<Option<Broken>> {
        &self.broken
    }

    pub(crate) fn set_state(&self, state: PartitionState, detail: impl Into<String>) {
        let detail = detail.into();
        match state {
            PartitionState::Broken => tracing::error!(partition = self.id.0, detail, "the partition is broken"),
            _ if !detail.is_empty() => tracing::warn!(partition = self.id.0, ?state, detail, "the partition waits"),
            _ => tracing::debug!(partition = self.id.0, ?state, "the partition goes on"),
        }
        self.state.set((state, detail));
    }

    /// Makes the owner that the head names known to whoever looks for it.
    fn learn_route(&self) {
        let progress = self.progress.lock();
        let Head { epoch, owner, owner_address, .. } = &progress.head;
        if epoch.0 > 0 && self.routes.owner(self.id).is_none_or(|known| known.epoch < *epoch) {
            let owner = Owner { epoch: *epoch, node_id: owner.clone(), address: owner_address.clone() };
            self.routes.learn(self.id, &owner);
        }
    }

    /// Notes what was committed and tells everybody who waits.
    fn committed(&self, head: &Head, decisions: impl IntoIterator<Item = (Place, v1::Decision)>) {
        {
            let mut progress = self.progress.lock();
            progress.head.clone_from(head);
            progress.applied_at = self.clock.now();
        }
        self.learn_route();
        self.applied.set(head.next_command);
        for (place, decision) in decisions {
            self.waiters.resolve(place, decision);
        }
        metrics::gauge!("daybook_waiting_callers", "partition" => self.id.to_string()).set(self.waiters.len() as f64);
    }
}

/// Why a partition stops for good.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The stable code.
    pub code: Code,
    /// What happened, what was kept, what to do.
    pub detail: String,
    /// The reason is this node's store. What other nodes have is not touched by it.
    pub only_here: bool,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}
