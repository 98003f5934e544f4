//! Leading: deciding commands ahead of the acknowledgements, and applying what is acknowledged.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::chain::Head;
use daybook_kernel::decide::{Decided, Place};
use daybook_kernel::governance;
use daybook_kernel::id::Offset;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::remembered::Remembered;
use daybook_kernel::sabotage::{self, Mistake};
use daybook_kernel::state::{Fault, Layered, Read, WriteSet};
use daybook_kernel::system::Touched;
use daybook_kernel::time::Timestamp;
use daybook_log::{Appended, Bounds, Durability, LogError, Record, Topic};
use daybook_proto::log::v1;
use futures_util::future::{BoxFuture, FutureExt};
use prost::Message;
use tokio::sync::mpsc;

use super::own_commands::OwnCommands;
use super::term::Ended;
use super::{Partition, SwapRequest};
use crate::assignment::{Orders, Role};
use crate::status::PartitionState;

/// A record that is appended and not yet acknowledged.
struct Pending {
    writes: WriteSet,
    decisions: Vec<(Place, v1::Decision)>,
    /// The head once it is applied.
    head: Head,
    appended: Appended,
}

/// What the owner of a partition keeps in memory during a term. All of it can be thrown away.
struct Term<'a> {
    partition: &'a Partition,
    /// The head of the store.
    head: &'a mut Head,
    /// The head once everything pending is applied.
    tip: Head,
    pending: VecDeque<Pending>,
    /// Commands that were read and are not yet decided.
    backlog: VecDeque<Record>,
    own: OwnCommands<'a>,
    /// By how much the log's clock is ahead, once everything pending is applied.
    clock_ahead_us: i64,
}

impl Partition {
    /// Decides commands until the term ends.
    pub(super) async fn lead(
        &self,
        head: &mut Head,
        swaps: &mut mpsc::Receiver<SwapRequest>,
        orders: &Orders,
    ) -> Ended {
        let mut commands = match self.log.reader(Topic::Commands, self.id, head.next_command) {
            Ok(commands) => commands,
            Err(error @ LogError::BeyondEnd { .. }) => {
                // Decisions for commands that the log does not have: it has lost them.
                let LogError::BeyondEnd { next, .. } = error else { return error.into() };
                return self.store_ahead_of_log(head, next);
            }
            Err(error) => return error.into(),
        };
        let clock_ahead_us = match governance::clock_ahead_us(&*self.store.live()) {
            Ok(ahead) => ahead,
            Err(fault) => return fault.into(),
        };
        let mut term = Term {
            partition: self,
            tip: head.clone(),
            head,
            pending: VecDeque::new(),
            backlog: VecDeque::new(),
            own: OwnCommands::new(self),
            clock_ahead_us,
        };
        if let Err(ended) = term.own.start(term.clock_ahead_us) {
            return ended;
        }
        self.set_state(PartitionState::Leading, "");
        let mut look = self.look_around();
        loop {
            let step = tokio::select! {
                biased;
                () = orders.other_than(Role::Lead) => return term.finish().await,
                acknowledged = next_acknowledged(&mut term.pending) => term.acknowledged(acknowledged),
                Some(swap) = swaps.recv() => self.swap(term.head, swap).await,
                step = term.own.next() => term.own.handle(step),
                bounds = &mut look => {
                    look = self.look_around();
                    term.looked(bounds)
                }
                records = commands.next(), if term.backlog.is_empty() => {
                    records.map(|records| term.backlog.extend(records)).map_err(Ended::from)
                }
            };
            if let Err(ended) = step.and_then(|()| term.decide_backlog()) {
                return ended;
            }
        }
    }
}

impl Partition {
    /// Decides a command under the eyes of whoever watches, or parks the one that must not be decided again.
    fn decide(&self, state: &dyn Read, record: &Bytes, place: Place) -> Result<Decided, Fault> {
        if let Some(parked) = self.deciding.stopped(self.id, place.command) {
            let (partition, command) = (self.id.0, place.command.0);
            tracing::error!(partition, command, reason = parked.reason, "a command is parked without being decided");
            return self.decider.park(state, record, place, &parked);
        }
        self.deciding.begins(self.id, place.command);
        let decided = self.decider.decide(state, record, place);
        self.deciding.ended(self.id);
        decided
    }

    /// Where the decisions end, in a while. An owner that has nothing to append would not notice otherwise that it was
    /// replaced, and would go on answering queries.
    fn look_around(&self) -> BoxFuture<'static, Result<Bounds, LogError>> {
        const EVERY: Duration = Duration::from_secs(1);
        let (log, clock, id) = (Arc::clone(&self.log), Arc::clone(&self.clock), self.id);
        async move {
            clock.sleep(EVERY).await;
            log.bounds(Topic::Decisions, id).await
        }
        .boxed()
    }
}

/// The acknowledgement of the oldest pending record. Never ready while nothing is pending.
async fn next_acknowledged(pending: &mut VecDeque<Pending>) -> Result<Offset, LogError> {
    poll_fn(|cx| match pending.front_mut() {
        Some(oldest) => Pin::new(&mut oldest.appended).poll(cx),
        None => Poll::Pending,
    })
    .await
}

impl Term<'_> {
    /// Decides what was read, as far as the pipeline has room.
    fn decide_backlog(&mut self) -> Result<(), Ended> {
        while !self.backlog.is_empty() && self.pending.len() < self.partition.limits.pipeline_max {
            self.decide_batch()?;
        }
        Ok(())
    }

    /// Decides one batch and appends it. A batch ends where the commands that were read end: nothing waits for more.
    fn decide_batch(&mut self) -> Result<(), Ended> {
        let Partition { limits, clock, store, id, .. } = self.partition;
        let started = clock.now();
        let now = Timestamp::from_micros(started.as_micros().saturating_add(self.clock_ahead_us)).max(self.tip.now);
        let (first, record) = (self.tip.next_command, self.tip.next_record);
        let live = store.live();
        let mut below = Layered::new(&*live);
        for pending in &self.pending {
            below = below.over(&pending.writes);
        }
        let remembered = Remembered::default();
        let below = remembered.of(&below);
        let mut writes = WriteSet::default();
        let mut decisions = Vec::new();
        let mut encoded: Vec<Bytes> = Vec::new();
        let mut bytes = 0;
        while let Some(command) = self.backlog.pop_front() {
            let index = u32::try_from(decisions.len()).unwrap_or(u32::MAX);
            assert_eq!(command.offset.0, first.0 + u64::from(index), "commands are read in order and without gaps");
            let place = Place { partition: *id, command: command.offset, record, index, now };
            let decided = self.partition.decide(&Layered::new(&below).over(&writes), &command.bytes, place)?;
            writes.merge(decided.writes);
            let decision = Bytes::from(decided.decision.encode_to_vec());
            bytes += decision.len();
            encoded.push(decision);
            decisions.push((place, decided.decision));
            let full = decisions.len() >= limits.batch_commands_max
                || bytes >= limits.batch_bytes_max
                || clock.now().since(started) >= limits.batch_time_max;
            if full {
                break;
            }
        }
        let record = DecisionRecord::batch(self.tip.hash, self.tip.epoch, first, now, encoded);
        self.tip.advance(self.tip.next_record, &record);
        let offset = self.tip.record.unwrap_or_default();
        let mut appended = self.partition.log.append(Topic::Decisions, *id, record.bytes, Durability::Synced);
        if sabotage::makes(Mistake::ApplyBeforeDurable) {
            appended = Appended::done(Ok(offset));
        }
        if sabotage::makes(Mistake::EffectBeforeCommit) {
            self.own.start_early(&Layered::new(&below).over(&writes))?;
        }
        metrics::histogram!("daybook_batch_commands").record(decisions.len() as f64);
        let touches_clock = writes.touches_projection(governance::PLATFORM);
        self.pending.push_back(Pending { writes, decisions, head: self.tip.clone(), appended });
        if touches_clock {
            let mut state = Layered::new(&*live);
            for pending in &self.pending {
                state = state.over(&pending.writes);
            }
            self.clock_ahead_us = governance::clock_ahead_us(&state)?;
        }
        Ok(())
    }

    /// Nobody else should have appended. A log that cannot be asked says nothing; the next append does.
    fn looked(&self, bounds: Result<Bounds, LogError>) -> Result<(), Ended> {
        match bounds {
            Ok(bounds) if bounds.next > self.tip.next_record => {
                let why = format!("the decisions end at {}, not at {}", bounds.next, self.tip.next_record);
                Err(Ended::LostTheHead(why))
            }
            _ => Ok(()),
        }
    }

    /// The oldest pending record is durable. It counts if it stands right after the head: nothing got in between.
    fn acknowledged(&mut self, acknowledged: Result<Offset, LogError>) -> Result<(), Ended> {
        let Some(oldest) = self.pending.pop_front() else { return Ok(()) };
        let offset = match acknowledged {
            Ok(offset) => offset,
            // It may be in the log nevertheless: reading on tells.
            Err(error) if error.is_transient() => return Err(Ended::LostTheHead(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        if offset != self.head.next_record {
            let why = format!("a record of this owner stands at {offset}, not at {}", self.head.next_record);
            return Err(Ended::LostTheHead(why));
        }
        self.partition.store.commit(&[&oldest.writes], &oldest.head)?;
        *self.head = oldest.head;
        count_outcomes(&oldest.decisions);
        self.own.decided(&oldest.decisions);
        let mut touched = Touched::of(&oldest.writes);
        // When the clock moved, timers may be due that were not.
        touched.timers |= oldest.writes.touches_projection(governance::PLATFORM);
        self.partition.committed(self.head, oldest.decisions);
        self.own.look_for_work(touched, self.clock_ahead_us)
    }

    /// The node stops, or others get the partition: what is pending is waited for, nothing new is decided.
    async fn finish(&mut self) -> Ended {
        while !self.pending.is_empty() {
            let acknowledged = next_acknowledged(&mut self.pending).await;
            if let Err(ended) = self.acknowledged(acknowledged) {
                tracing::warn!(
                    partition = self.partition.id.0,
                    ?ended,
                    "not everything could be applied before the end of the term"
                );
                break;
            }
        }
        Ended::Relieved
    }
}

fn count_outcomes(decisions: &[(Place, v1::Decision)]) {
    let (mut accepted, mut rejected, mut parked, mut duplicate) = (0, 0, 0, 0);
    for (_, decision) in decisions {
        for policy in &decision.failed_policies {
            metrics::counter!("daybook_policies_failed_total").increment(1);
            tracing::warn!(policy, action = decision.kind, "a policy failed while it was evaluated");
        }
        match decision.outcome {
            Some(v1::decision::Outcome::Accepted(_)) => accepted += 1,
            Some(v1::decision::Outcome::Parked(_)) => parked += 1,
            Some(v1::decision::Outcome::Duplicate(_)) => duplicate += 1,
            Some(v1::decision::Outcome::Rejected(_)) | None => rejected += 1,
        }
    }
    for (outcome, count) in
        [("accepted", accepted), ("rejected", rejected), ("parked", parked), ("duplicate", duplicate)]
    {
        if count > 0 {
            metrics::counter!("daybook_decisions_total", "outcome" => outcome).increment(count);
        }
    }
}
