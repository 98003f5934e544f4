//! Verify: every command is decided again, in the state it was decided in, under the policy set that was in force then,
//! and at the recorded time. What is recorded must be what comes out.

use std::path::Path;
use std::sync::Arc;

use daybook_kernel::chain::Head;
use daybook_kernel::code::DECIDER_STOPPED;
use daybook_kernel::decide::{Decider, Place};
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::RecordBody;
use daybook_kernel::remembered::Remembered;
use daybook_kernel::state::{Layered, WriteSet};
use daybook_log::{Log, Record, Topic};
use daybook_proto::log::v1::{self, decision::Outcome};
use daybook_rocks::Memory;
use daybook_store::RocksStore;
use prost::Message;

use crate::chunk::{Chunks, OneByOne};
use crate::rebuild::open_store;
use crate::{Progress, ReplayError};

/// Rows that are written to the replay's store at once.
const ROWS_AT_ONCE: usize = 1_000;
/// Differences that are described.
const DESCRIBED_MAX: usize = 100;

/// What verifying found.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The partition.
    pub partition: PartitionId,
    /// Records that count.
    pub records: u64,
    /// Decisions that were made again.
    pub decisions: u64,
    /// Decisions of an older version of the deciding code, which were taken as they are.
    pub other_version: u64,
    /// Records that do not count.
    pub dropped: u64,
    /// Decisions that came out differently, the first hundred of them.
    pub differences: Vec<Difference>,
    /// How many came out differently.
    pub difference_count: u64,
    /// Commands that are not decided yet.
    pub undecided: u64,
    /// Where the chain ends.
    pub head: Head,
}

/// A decision that came out differently.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The command.
    pub command: Offset,
    /// What is recorded, in short.
    pub recorded: String,
    /// What comes out now, in short.
    pub decided: String,
}

/// Verifies a partition. `scratch` is a folder for the state that is built on the way.
pub async fn verify(
    log: &dyn Log,
    decider: &Decider,
    partition: PartitionId,
    scratch: &Path,
    memory: &Memory,
    progress: &dyn Progress,
) -> Result<Verified, ReplayError> {
    let end = log.bounds(Topic::Decisions, partition).await?.next;
    let commands_end = log.bounds(Topic::Commands, partition).await?.next;
    progress.starts(end.0);
    let (store, mut head) = open_store(log, decider, partition, scratch, memory)?;
    let mut commands = OneByOne::new(Chunks::new(log, Topic::Commands, partition, Offset(0), commands_end)?);
    let mut again = Again {
        decider,
        store,
        pending: WriteSet::default(),
        remembered: Remembered::default(),
        verified: Verified {
            partition,
            records: 0,
            decisions: 0,
            other_version: 0,
            dropped: 0,
            differences: Vec::new(),
            difference_count: 0,
            undecided: 0,
            head: head.clone(),
        },
    };
    let mut chunks = Chunks::new(log, Topic::Decisions, partition, Offset(0), end)?;
    loop {
        let records = chunks.next().await?;
        if records.is_empty() {
            break;
        }
        let (count, before) = (records.len() as u64, again.verified.decisions);
        for record in records {
            again.record(&mut head, record, &mut commands).await?;
        }
        progress.advances(count, again.verified.decisions - before);
    }
    again.verified.undecided = commands_end.0.saturating_sub(head.next_command.0);
    again.verified.head = head;
    Ok(again.verified)
}

struct Again<'a> {
    decider: &'a Decider,
    store: Arc<RocksStore>,
    pending: WriteSet,
    remembered: Remembered,
    verified: Verified,
}

impl Again<'_> {
    async fn record(&mut self, head: &mut Head, record: Record, commands: &mut OneByOne) -> Result<(), ReplayError> {
        let offset = record.offset;
        let Ok(counted) = head.offer(offset, record.bytes) else {
            self.verified.dropped += 1;
            return Ok(());
        };
        self.verified.records += 1;
        let RecordBody::Batch { first_command, decided_at, decisions } = counted.body else { return Ok(()) };
        for (index, recorded) in (0..).zip(decisions) {
            let place = Place {
                partition: self.verified.partition,
                command: Offset(first_command.0 + u64::from(index)),
                record: offset,
                index,
                now: decided_at,
            };
            let command = commands.next().await?;
            self.decision(place, &recorded, command)?;
        }
        if self.pending.len() >= ROWS_AT_ONCE {
            self.store.commit([&self.pending], head)?;
            self.pending = WriteSet::default();
            self.remembered.forget();
        }
        Ok(())
    }

    fn decision(&mut self, place: Place, recorded: &[u8], command: Option<Record>) -> Result<(), ReplayError> {
        self.verified.decisions += 1;
        let Some(command) = command.filter(|command| command.offset == place.command) else {
            self.differs(place, "a decision".to_owned(), "the command is missing".to_owned());
            return self.take(place, recorded);
        };
        let live = self.store.live();
        let base = self.remembered.of(&live);
        let state = Layered::new(&base).over(&self.pending);
        // How long deciding took, and that it ended a process, follows from no record: what was parked for it is not
        // decided again. Everything that comes before the domain is.
        let decided = match parked_without_deciding(recorded) {
            Some(parked) => self.decider.park(&state, &command.bytes, place, &parked)?,
            None => self.decider.decide(&state, &command.bytes, place)?,
        };
        if decided.decision.encode_to_vec() == recorded {
            self.pending.merge(decided.writes);
            return Ok(());
        }
        match v1::Decision::decode(recorded) {
            // Before the version, which is the one of whatever the changed command now says.
            Ok(recorded) if recorded.command_hash != decided.decision.command_hash => {
                self.differs(place, in_short(&recorded), format!("another command: {}", in_short(&decided.decision)));
            }
            Ok(recorded) if recorded.decider_version != decided.decision.decider_version => {
                self.verified.other_version += 1;
            }
            Ok(recorded) if recorded == decided.decision => {}
            Ok(recorded) => self.differs(place, in_short(&recorded), in_short(&decided.decision)),
            Err(error) => self.differs(place, format!("unreadable: {error}"), in_short(&decided.decision)),
        }
        self.take(place, recorded)
    }

    /// Goes on with what is recorded, so that one difference does not make all that follows differ.
    fn take(&mut self, place: Place, recorded: &[u8]) -> Result<(), ReplayError> {
        let Ok(recorded) = v1::Decision::decode(recorded) else { return Ok(()) };
        let live = self.store.live();
        let writes = self.decider.fold(&Layered::new(&live).over(&self.pending), &recorded, place)?;
        self.pending.merge(writes);
        Ok(())
    }

    fn differs(&mut self, place: Place, recorded: String, decided: String) {
        self.verified.difference_count += 1;
        if self.verified.differences.len() < DESCRIBED_MAX {
            self.verified.differences.push(Difference { command: place.command, recorded, decided });
        }
    }
}

/// The outcome of a recorded decision that says that deciding did not come to an end.
fn parked_without_deciding(recorded: &[u8]) -> Option<v1::Parked> {
    match v1::Decision::decode(recorded).ok()?.outcome? {
        Outcome::Parked(parked) if parked.code == DECIDER_STOPPED.name => Some(parked),
        _ => None,
    }
}

/// A decision in a few words.
fn in_short(decision: &v1::Decision) -> String {
    let policies = decision.determining_policies.join(", ");
    let outcome = match &decision.outcome {
        Some(Outcome::Accepted(accepted)) => {
            let events: Vec<_> = accepted.events.iter().map(|event| event.kind.as_str()).collect();
            format!("accepted [{}]", events.join(", "))
        }
        Some(Outcome::Rejected(rejected)) => format!("rejected {}", rejected.code),
        Some(Outcome::Parked(parked)) => format!("parked {}", parked.code),
        Some(Outcome::Duplicate(duplicate)) => format!("duplicate of {}", duplicate.command_offset),
        None => "nothing".to_owned(),
    };
    format!("{}.{} {outcome} by [{policies}]", decision.domain, decision.kind)
}
