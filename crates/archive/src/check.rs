//! Is an archive what was exported? Every file, every record, every link of the chain.

use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Log, LogError, Topic};
use daybook_replay::{Progress, walk};

use crate::{Archive, ArchiveError};

impl Archive {
    /// Reads all of it: the checksum of every file, every record, the chain of every partition from its first record to
    /// the head that the manifest names, and every command against its decision. Of a partition whose beginning was
    /// trimmed away only files and records can be checked.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] with the first thing that is wrong.
    pub async fn check(&self, progress: &dyn Progress) -> Result<(), ArchiveError> {
        for partition in (0..self.partitions()).map(PartitionId) {
            match self.head_hash(partition)? {
                Some(hash) => {
                    let walked = walk(self, partition, None, progress).await.map_err(damaged)?;
                    if walked.is_suspicious() {
                        let what = format!("partition {partition} holds what no correct writer leaves");
                        return Err(ArchiveError::damaged(what));
                    }
                    if walked.head.hash != hash {
                        let what = format!(
                            "the chain of partition {partition} ends in {}, and the manifest says {hash}",
                            walked.head.hash
                        );
                        return Err(ArchiveError::damaged(what));
                    }
                    // The walk has read everything but the commands that are not decided yet.
                    self.read_to_the_end(Topic::Commands, partition, walked.head.next_command).await?;
                }
                None => {
                    for topic in Topic::ALL {
                        let first = self.bounds(topic, partition).await?.first;
                        self.read_to_the_end(topic, partition, first).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn read_to_the_end(&self, topic: Topic, partition: PartitionId, from: Offset) -> Result<(), ArchiveError> {
        let end = self.bounds(topic, partition).await?.next;
        let mut next = from;
        let mut reader = if next < end { self.reader(topic, partition, next)? } else { return Ok(()) };
        while next < end {
            let records = reader.next().await.map_err(|error| damaged(error.into()))?;
            next = records.last().map_or(end, |record| record.offset.next());
        }
        Ok(())
    }
}

/// A file that is not what it was is damage of the archive, not of a log.
fn damaged(error: daybook_replay::ReplayError) -> ArchiveError {
    match error {
        daybook_replay::ReplayError::Log(LogError::Damaged { what }) => ArchiveError::Damaged { what },
        error => error.into(),
    }
}
