//! Walking the chain: every record, its hash, what it names.

use daybook_kernel::chain::{Dropped, Head};
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::RecordBody;
use daybook_log::{Log, Topic};

use crate::chunk::Chunks;
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
    /// Where the chain ends.
    pub head: Head,
}

impl Walked {
    /// Whether something is there that no correct writer leaves: a record that cannot be read, or one that names the
    /// head and does not continue it.
    pub fn is_suspicious(&self) -> bool {
        self.dropped.iter().any(|(_, reason)| *reason != Dropped::NotTheHead)
    }
}

/// Walks the chain of a partition, from its first record to its last.
pub async fn walk(log: &dyn Log, partition: PartitionId, progress: &dyn Progress) -> Result<Walked, ReplayError> {
    const LISTED_MAX: usize = 100;
    let end = log.bounds(Topic::Decisions, partition).await?.next;
    let mut head = Head::genesis(log.name(), log.partitions(), partition);
    progress.starts(end.0);
    let mut walked = Walked {
        partition,
        records: 0,
        decisions: 0,
        takeovers: 0,
        dropped: Vec::new(),
        dropped_count: 0,
        head: head.clone(),
    };
    let mut chunks = Chunks::new(log, Topic::Decisions, partition, Offset(0), end)?;
    loop {
        let records = chunks.next().await?;
        if records.is_empty() {
            break;
        }
        let (count, before) = (records.len() as u64, walked.decisions);
        for record in records {
            match head.offer(record.offset, record.bytes) {
                Ok(counted) => {
                    walked.records += 1;
                    match counted.body {
                        RecordBody::Takeover { .. } => walked.takeovers += 1,
                        RecordBody::Batch { decisions, .. } => walked.decisions += decisions.len() as u64,
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
    walked.head = head;
    Ok(walked)
}
