//! Reading a topic from an offset to a fixed end, in chunks.

use std::collections::VecDeque;

use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Log, LogError, LogReader, Record, Topic};

/// Records of one topic of one partition, up to where it ended when reading began.
pub(crate) struct Chunks {
    reader: Box<dyn LogReader>,
    next: Offset,
    end: Offset,
}

impl Chunks {
    /// Reads from `from`, which must not have been trimmed away, to before `end`.
    pub(crate) fn new(
        log: &dyn Log,
        topic: Topic,
        partition: PartitionId,
        from: Offset,
        end: Offset,
    ) -> Result<Self, LogError> {
        Ok(Self { reader: log.reader(topic, partition, from)?, next: from, end })
    }

    /// The next records; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        if self.next >= self.end {
            return Ok(Vec::new());
        }
        let mut records = self.reader.next().await?;
        records.retain(|record| record.offset < self.end);
        self.next = records.last().map_or(self.end, |record| record.offset.next());
        Ok(records)
    }
}

/// The same, record by record.
pub(crate) struct OneByOne {
    chunks: Chunks,
    waiting: VecDeque<Record>,
}

impl OneByOne {
    pub(crate) fn new(chunks: Chunks) -> Self {
        Self { chunks, waiting: VecDeque::new() }
    }

    /// The next record; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Record>, LogError> {
        if self.waiting.is_empty() {
            self.waiting.extend(self.chunks.next().await?);
        }
        Ok(self.waiting.pop_front())
    }
}
