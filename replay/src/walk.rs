//! Walking the chain: every record, its hash, what it names; and every command that it answers, by its hash.

use bytes::Bytes;
use daybook_kernel::chain::{Dropped, Head};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::RecordBody;
use daybook_log::{Log, Topic};
use daybook_proto::log::v1::Decision;
use prost::Message;

use crate::chunk::{Chunks, OneByOne};
use crate::{Progress, ReplayError};

/// What a walk found.
#[derive(Debug, Clone)]
pub struct Walked {
    /// The partition.
    pub partition: PartitionId,
    /// Records that count.
    pub records: u64,
    /// Decisions in them.
    pub decisions: u64,
    /// Takeovers among them.
    pub takeovers: u64,
    /// Records that do not count, the first hundred with their reason. Those of replaced owners are harmless; what
    /// nobody could have written so is not.
    pub dropped: Vec<(Offset, Dropped)>,
    /// How many do not count.
    pub dropped_count: u64,
    /// Commands that are not, byte for byte, what was decided, or are missing; the first hundred.
    pub changed_commands: Vec<Offset>,
    /// How many there are.
    pub changed_count: u64,
    /// Commands that are not decided yet.
    pub undecided: u64,
    /// Whether the chain passes through the hash that was looked for.
    pub passes_known: bool,
    /// Where the chain stood before the record that was looked for; `None` when the log ends before it.
    pub at_place: Option<Head>,
    /// Where the chain ends.
    pub head: Head,
}

impl Walked {
    /// Whether something is there that no correct writer leaves: a record that cannot be read, one that names the head
    /// and does not continue it, or a command that is not the one that was decided.
    pub fn is_suspicious(&self) -> bool {
        self.changed_count > 0 || self.dropped.iter().any(|(_, reason)| *reason != Dropped::NotTheHead)
    }
}

/// Findings that are listed one by one.
const LISTED_MAX: usize = 100;

/// What a walk looks for on its way.
#[derive(Debug, Clone, Copy, Default)]
pub struct LookFor {
    /// A hash that is known from elsewhere, wherever it stands.
    pub hash: Option<Hash>,
    /// A place in the decisions topic: where did the chain stand before that record?
    pub place: Option<Offset>,
}

/// Walks the chain of a partition, from its first record to its last, and looks for the hash `known` on the way.
pub async fn walk(
    log: &dyn Log,
    partition: PartitionId,
    known: Option<Hash>,
    progress: &dyn Progress,
) -> Result<Walked, ReplayError> {
    walk_looking(log, partition, LookFor { hash: known, place: None }, progress).await
}

/// The same, looking for more.
pub async fn walk_looking(
    log: &dyn Log,
    partition: PartitionId,
    looking: LookFor,
    progress: &dyn Progress,
) -> Result<Walked, ReplayError> {
    let end = log.bounds(Topic::Decisions, partition).await?.next;
    let commands_end = log.bounds(Topic::Commands, partition).await?.next;
    let mut head = Head::genesis(log.name(), log.partitions(), partition);
    progress.starts(end.0);
    let mut walked = Walked {
        partition,
        records: 0,
        decisions: 0,
        takeovers: 0,
        dropped: Vec::new(),
        dropped_count: 0,
        changed_commands: Vec::new(),
        changed_count: 0,
        undecided: 0,
        passes_known: false,
        at_place: None,
        head: head.clone(),
    };
    let mut commands = OneByOne::new(Chunks::new(log, Topic::Commands, partition, Offset(0), commands_end)?);
    let mut chunks = Chunks::new(log, Topic::Decisions, partition, Offset(0), end)?;
    loop {
        let records = chunks.next().await?;
        if records.is_empty() {
            break;
        }
        let (count, before) = (records.len() as u64, walked.decisions);
        for record in records {
            if looking.place == Some(record.offset) {
                walked.at_place = Some(head.clone());
            }
            match head.offer(record.offset, record.bytes) {
                Ok(counted) => {
                    walked.records += 1;
                    walked.passes_known |= looking.hash == Some(counted.hash);
                    match counted.body {
                        RecordBody::Takeover { .. } => walked.takeovers += 1,
                        RecordBody::Batch { first_command, decisions, .. } => {
                            walked.commands(first_command, &decisions, &mut commands).await?;
                        }
                    }
                }
                Err(reason) => {
                    walked.dropped_count += 1;
                    if walked.dropped.len() < LISTED_MAX {
                        walked.dropped.push((record.offset, reason));
                    }
                }
            }
        }
        progress.advances(count, walked.decisions - before);
    }
    if looking.place == Some(head.next_record) {
        walked.at_place = Some(head.clone());
    }
    walked.undecided = commands_end.0.saturating_sub(head.next_command.0);
    walked.head = head;
    Ok(walked)
}

impl Walked {
    /// Compares the commands of a batch with what its decisions say they were.
    async fn commands(
        &mut self,
        first: Offset,
        decisions: &[Bytes],
        commands: &mut OneByOne,
    ) -> Result<(), ReplayError> {
        for (offset, decision) in (first.0..).zip(decisions) {
            self.decisions += 1;
            let command = commands.next().await?;
            let command = command.filter(|command| command.offset == Offset(offset));
            let decided = Decision::decode(decision.clone()).ok().and_then(|it| Hash::from_slice(&it.command_hash));
            if command.is_none() || command.map(|command| Hash::of(&command.bytes)) != decided {
                self.changed_count += 1;
                if self.changed_commands.len() < LISTED_MAX {
                    self.changed_commands.push(Offset(offset));
                }
            }
        }
        Ok(())
    }
}
