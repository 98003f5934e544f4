//! What must be true. The oracle reads the log by itself, decides every command again on a state of its own, and is
//! shown everything that nodes write to their disks, answer and do.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::chain::{Dropped, Head};
use daybook_kernel::decide::{Decider, Place};
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::governance;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::RecordBody;
use daybook_kernel::registry::Registry;
use daybook_kernel::sabotage;
use daybook_kernel::state::{Layered, MemoryState, WriteSet};
use daybook_kernel::system::{Touched, open_effects};
use daybook_proto::log::v1::{Decision, decision::Outcome as Decided};
use daybook_runtime::{Outcome, RequestedEffect};
use prost::Message;

use super::broker::Records;
use super::holds::{self, Deleted};

pub(super) struct Oracle {
    decider: Decider,
    partitions: Vec<Chain>,
    /// Every effect that was asked for, by token.
    effects: BTreeMap<String, (PartitionId, Offset, u32)>,
    /// What is wrong.
    pub(super) violations: Vec<String>,
    /// How many effects were carried out, repetitions included.
    pub(super) effects_done: u64,
    /// How many items were deleted, and how many deletions a hold deferred.
    pub(super) deleted: u64,
    pub(super) held: u64,
}

/// What the log says of one partition.
struct Chain {
    head: Head,
    state: MemoryState,
    /// After each record of the decisions topic: the head, and what the record changed.
    steps: Vec<(Head, WriteSet)>,
    /// By command offset.
    decisions: Vec<(Place, Decision)>,
    /// First decisions by tenant and command id.
    first: BTreeMap<(String, Bytes), Offset>,
    dropped: u64,
    /// The first record with the feature level that only the newer release understands.
    raised_at: Option<Offset>,
}

/// What the older release of a run understands, and the newer one.
pub(super) const OLDER: FeatureLevel = FeatureLevel::NEWEST;
pub(super) const NEWER: FeatureLevel = FeatureLevel(OLDER.0 + 1);

impl Oracle {
    pub(super) fn new(decider: Decider, log_name: &str, partitions: u32) -> Self {
        let chain = |id| Chain {
            head: Head::genesis(log_name, partitions, PartitionId(id)),
            state: MemoryState::default(),
            steps: Vec::new(),
            decisions: Vec::new(),
            first: BTreeMap::new(),
            dropped: 0,
            raised_at: None,
        };
        Self {
            decider: decider.understanding(NEWER),
            partitions: (0..partitions).map(chain).collect(),
            effects: BTreeMap::new(),
            violations: Vec::new(),
            effects_done: 0,
            deleted: 0,
            held: 0,
        }
    }

    fn wrong(&mut self, what: String) {
        self.violations.push(what);
    }

    pub(super) fn head(&self, partition: PartitionId) -> &Head {
        &self.partitions[partition.0 as usize].head
    }

    pub(super) fn state(&self, partition: PartitionId) -> &MemoryState {
        &self.partitions[partition.0 as usize].state
    }

    /// How many decisions there are, how many of them are takeovers' terms, and how many records did not count.
    pub(super) fn totals(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&Chain) -> u64| self.partitions.iter().map(of).sum();
        (sum(|chain| chain.decisions.len() as u64), sum(|chain| chain.head.epoch.0), sum(|chain| chain.dropped))
    }

    /// A record of the decisions topic is durable.
    pub(super) fn durable(
        &mut self,
        partition: PartitionId,
        offset: Offset,
        bytes: Bytes,
        author: usize,
        commands: &Records,
    ) {
        let found = sabotage::off(|| {
            let chain = &mut self.partitions[partition.0 as usize];
            chain.offer(&self.decider, partition, offset, bytes, &format!("n{author}"), commands)
        });
        match found {
            Ok(taken) => {
                self.held += taken.held;
                self.deleted += taken.deleted.len() as u64;
                for item in &taken.deleted {
                    self.check_deletion(partition, item);
                }
                for (command, index, token) in taken.asked {
                    let place = (partition, command, index);
                    if self.effects.insert(token.clone(), place).is_some_and(|other| other != place) {
                        self.wrong(format!("two effects have the token {token}"));
                    }
                }
            }
            Err(what) => self.wrong(format!("partition {partition}, record {offset}: {what}")),
        }
    }

    /// No hold of a tenant in another partition may show what is deleted here as held.
    fn check_deletion(&mut self, here: PartitionId, item: &Deleted) {
        for other in (0..).map(PartitionId).zip(&self.partitions).filter(|(id, _)| *id != here).map(|(_, it)| it) {
            match holds::covering(&other.state, item) {
                Ok(covering) if covering.is_empty() => {}
                Ok(covering) => self.violations.push(deleted_under(item, &covering)),
                Err(fault) => self.violations.push(fault.to_string()),
            }
        }
    }

    /// When everything has come through, every tenant has confirmed what is wanted in it.
    pub(super) fn check_settled(&mut self) {
        for chain in &self.partitions {
            match holds::unsettled(&chain.state) {
                Ok(unsettled) => self.violations.extend(unsettled),
                Err(fault) => self.violations.push(fault.to_string()),
            }
        }
    }

    /// A node writes to its disk what decisions changed.
    pub(super) fn committed(
        &mut self,
        node: usize,
        understands: FeatureLevel,
        partition: PartitionId,
        before: &Head,
        after: &Head,
        writes: &WriteSet,
    ) {
        let chain = &self.partitions[partition.0 as usize];
        if understands < NEWER && chain.raised_at.is_some_and(|raised_at| raised_at < after.next_record) {
            return self
                .wrong(format!("n{node} reads on in partition {partition} where it does not understand the log"));
        }
        let upto = usize::try_from(after.next_record.0).unwrap_or(usize::MAX);
        let from = usize::try_from(before.next_record.0).unwrap_or(usize::MAX);
        let Some(steps) = chain.steps.get(from..upto) else {
            let end = chain.steps.len();
            return self.wrong(format!(
                "n{node} applies partition {partition} up to {} when {end} records are durable",
                after.next_record
            ));
        };
        let mut expected = WriteSet::default();
        for (_, writes) in steps {
            expected.merge(writes.clone());
        }
        let differs = expected != *writes;
        let other_head = steps.last().is_some_and(|(head, _)| head.hash != after.hash);
        if differs || other_head {
            self.wrong(format!(
                "n{node} applies to partition {partition} at {} what the log does not say",
                after.next_record
            ));
        }
    }

    /// A caller is told how a command was decided.
    pub(super) fn answered(&mut self, outcome: &Outcome) {
        let Place { partition, command, record, index, now } = outcome.place;
        let chain = &self.partitions[partition.0 as usize];
        let place = usize::try_from(command.0).unwrap_or(usize::MAX);
        let on_chain = chain.decisions.get(place);
        let is_it = on_chain.is_some_and(|(at, decision)| {
            *decision == outcome.decision && (at.record, at.index, at.now) == (record, index, now)
        });
        if !is_it {
            self.wrong(format!(
                "somebody was told of {partition}/{command} what is not on the chain: {:?}; there is {:?}",
                outcome.decision.outcome,
                on_chain.map(|(_, decision)| &decision.outcome)
            ));
        }
        if matches!(outcome.decision.outcome, Some(Decided::Duplicate(_)) | None) {
            self.wrong(format!("somebody was told nothing about {partition}/{command}"));
        }
    }

    /// An effect is carried out.
    pub(super) fn effect(&mut self, node: usize, effect: &RequestedEffect) {
        self.effects_done += 1;
        let place = (effect.partition, effect.command, effect.index);
        if self.effects.get(&effect.token()) != Some(&place) {
            self.wrong(format!("n{node} carries out an effect of {}/{} that is not durable", place.0, place.1));
        }
    }
}

impl Chain {
    /// Takes in a record.
    fn offer(
        &mut self,
        decider: &Decider,
        partition: PartitionId,
        offset: Offset,
        bytes: Bytes,
        author: &str,
        commands: &Records,
    ) -> Result<Taken, String> {
        if offset != self.head.next_record {
            return Err(format!("the log goes on at {offset}, not at {}", self.head.next_record));
        }
        let record = match self.head.offer(offset, bytes) {
            Ok(record) => record,
            Err(Dropped::NotTheHead) => {
                self.dropped += 1;
                self.steps.push((self.head.clone(), WriteSet::default()));
                return Ok(Taken::default());
            }
            Err(dropped) => return Err(format!("no correct node writes that: {dropped:?}")),
        };
        let (mut writes, mut taken) = (WriteSet::default(), Taken::default());
        if self.head.owner != author {
            return Err(format!("{author} wrote a record that counts, in the term of {}", self.head.owner));
        }
        if let RecordBody::Batch { first_command, decided_at, decisions } = record.body {
            for (index, bytes) in (0..).zip(decisions) {
                let command = Offset(first_command.0 + u64::from(index));
                let place = Place { partition, command, record: offset, index, now: decided_at };
                self.decide_again(decider, place, &bytes, commands, &mut writes, &mut taken)?;
            }
        }
        self.state.apply(&writes);
        if self.raised_at.is_none() && governance::feature_level(&self.state).is_ok_and(|level| level == NEWER) {
            self.raised_at = Some(offset);
        }
        self.steps.push((self.head.clone(), writes));
        let touched = Touched::of(&self.steps[self.steps.len() - 1].1);
        if !touched.outbox {
            return Ok(taken);
        }
        let open = open_effects(&self.state, None, usize::MAX).map_err(|fault| fault.to_string())?;
        let asked = open.into_iter().map(|((command, index), row)| {
            let token = RequestedEffect { partition, command, index, row }.token();
            (command, index, token)
        });
        taken.asked = asked.collect();
        Ok(taken)
    }

    fn decide_again(
        &mut self,
        decider: &Decider,
        place: Place,
        bytes: &Bytes,
        commands: &Records,
        writes: &mut WriteSet,
        taken: &mut Taken,
    ) -> Result<(), String> {
        let recorded = Decision::decode(bytes.clone()).map_err(|error| error.to_string())?;
        let command = {
            let commands = commands.lock();
            let index = usize::try_from(place.command.0).unwrap_or(usize::MAX);
            commands.get(index).map(|(bytes, _)| bytes.clone())
        };
        let command = command.ok_or_else(|| format!("command {} was decided and is not in the log", place.command))?;
        let again = {
            let state = Layered::new(&self.state).over(writes);
            decider.decide(&state, &command, place).map_err(|fault| fault.to_string())?
        };
        if again.decision != recorded {
            return Err(format!(
                "command {} was decided as {:?}, and should have been {:?}",
                place.command, recorded.outcome, again.decision.outcome
            ));
        }
        let before = Layered::new(&self.state).over(writes);
        let (deleted, held) = holds::deletions(&before, &recorded).map_err(|fault| fault.to_string())?;
        for item in &deleted {
            let covering = holds::covering(&before, item).map_err(|fault| fault.to_string())?;
            if !covering.is_empty() {
                return Err(deleted_under(item, &covering));
            }
        }
        taken.deleted.extend(deleted);
        taken.held += held;
        let is_first = !matches!(recorded.outcome, Some(Decided::Duplicate(_) | Decided::Rejected(_)));
        if is_first && !recorded.command_id.is_empty() {
            let id = (recorded.tenant_id.clone(), recorded.command_id.clone());
            if let Some(before) = self.first.insert(id, place.command) {
                return Err(format!("the command at {before} was decided a second time at {}", place.command));
            }
        }
        writes.merge(again.writes);
        if self.decisions.len() as u64 != place.command.0 {
            return Err(format!("command {} was decided after {} others", place.command, self.decisions.len()));
        }
        self.decisions.push((place, recorded));
        Ok(())
    }
}

/// What a record of the decisions topic came to.
#[derive(Default)]
struct Taken {
    /// Effects that it asks for.
    asked: Vec<(Offset, u32, String)>,
    /// Items that it deletes.
    deleted: Vec<Deleted>,
    /// Deletions that holds defer.
    held: u64,
}

fn deleted_under(item: &Deleted, covering: &[String]) -> String {
    format!("item {} of {} was deleted under {}", item.item_id, item.tenant, covering.join(", "))
}

/// The domains of every run.
pub(super) fn registry() -> Arc<Registry> {
    let registry = Registry::new().with::<platform_processor::Platform>().with::<crate::notes::Notes>();
    Arc::new(registry.with::<legal_hold_processor::LegalHold>())
}

/// What is the same for every run, and costs time to make.
#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) decider: Decider,
}

impl Fixture {
    pub(super) fn new(partitions: u32) -> Self {
        let authority = Arc::new(daybook_policy::Cedar::new());
        Self { decider: Decider::new(registry(), authority, partitions) }
    }
}
