//! Import: an archive into an empty log, at the same offsets.
//!
//! Nothing is appended before all of the archive was read and found whole. What stands on the log already must be the
//! beginning of the archive, which is what an interrupted import leaves; then it goes on from there.

use std::collections::VecDeque;

use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Appended, Durability, Log, LogError, Topic};
use daybook_replay::{Progress, walk};

use crate::patience::bounds;
use crate::{Archive, ArchiveError};

/// Appends under way at once, and their bytes.
const APPENDS_MAX: usize = 1_000;
const APPEND_BYTES_MAX: usize = 8 << 20;

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Records that were appended.
    pub appended: u64,
    /// Records that stood there already.
    pub already: u64,
}

/// An import that can begin: the archive is whole, and the log holds nothing but the beginning of it.
pub struct Import<'a> {
    archive: &'a Archive,
    log: &'a dyn Log,
    /// Each lane, with the offset from which on records are missing.
    left: Vec<(Topic, PartitionId, Offset)>,
    records_left: u64,
}

impl<'a> Import<'a> {
    /// Reads all of the archive and compares what the log holds already. Appends nothing.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`], [`ArchiveError::Trimmed`], [`ArchiveError::ShapeDiffers`], [`ArchiveError::NotEmpty`].
    pub async fn prepare(
        archive: &'a Archive,
        log: &'a dyn Log,
        progress: &dyn Progress,
    ) -> Result<Self, ArchiveError> {
        is_same_shape(archive, log)?;
        if let Some(lane) = archive.manifest().trimmed() {
            let topic = if lane.topic == Topic::Commands.name() { Topic::Commands } else { Topic::Decisions };
            let (partition, first) = (PartitionId(lane.partition), Offset(lane.first));
            return Err(ArchiveError::Trimmed { topic, partition, first });
        }
        archive.check(progress).await?;
        let (mut left, mut records_left) = (Vec::new(), 0);
        for (topic, partition) in lanes(log) {
            let from = is_beginning(archive, log, topic, partition).await?;
            records_left += archive.bounds(topic, partition).await?.next.0 - from.0;
            left.push((topic, partition, from));
        }
        Ok(Self { archive, log, left, records_left })
    }

    /// How many records are missing on the log.
    pub fn records_left(&self) -> u64 {
        self.records_left
    }

    /// Appends what is missing, then follows the log's chain to its end, which must be the archive's.
    ///
    /// # Errors
    /// [`ArchiveError::Log`]: the import can be started again and goes on where it ended.
    pub async fn run(self, progress: &dyn Progress) -> Result<Imported, ArchiveError> {
        let mut imported = Imported::default();
        for (topic, partition, from) in self.left {
            imported.already += from.0;
            imported.appended += append(self.archive, self.log, topic, partition, from, progress).await?;
        }
        for partition in (0..self.log.partitions()).map(PartitionId) {
            let walked = walk(self.log, partition, None, progress).await?;
            if Some(walked.head.hash) != self.archive.head_hash(partition)? || walked.is_suspicious() {
                let what = format!("after the import, partition {partition} does not end where the archive ends");
                return Err(LogError::Damaged { what }.into());
            }
        }
        Ok(imported)
    }
}

/// Copies an archive into a log: [`Import::prepare`], then [`Import::run`].
pub async fn import(archive: &Archive, log: &dyn Log, progress: &dyn Progress) -> Result<Imported, ArchiveError> {
    Import::prepare(archive, log, progress).await?.run(progress).await
}

fn lanes(log: &dyn Log) -> impl Iterator<Item = (Topic, PartitionId)> {
    (0..log.partitions()).flat_map(|partition| Topic::ALL.map(|topic| (topic, PartitionId(partition))))
}

fn is_same_shape(archive: &Archive, log: &dyn Log) -> Result<(), ArchiveError> {
    let shape = |log: &dyn Log| format!("{:?} with {} partitions", log.name(), log.partitions());
    let (archived, configured) = (shape(archive), shape(log));
    if archived == configured { Ok(()) } else { Err(ArchiveError::ShapeDiffers { archived, configured }) }
}

/// Where a lane of the log ends, if what it holds is the beginning of the archive's.
async fn is_beginning(
    archive: &Archive,
    log: &dyn Log,
    topic: Topic,
    partition: PartitionId,
) -> Result<Offset, ArchiveError> {
    let bounds = bounds(log, topic, partition).await?;
    let archived = archive.bounds(topic, partition).await?;
    let not_empty = |what: String| Err(ArchiveError::NotEmpty { what });
    if bounds.first > Offset(0) {
        // On Kafka a topic keeps counting after its records were deleted: offsets would not be the archive's.
        return not_empty(format!("{topic} of partition {partition} begin at offset {}", bounds.first));
    }
    if bounds.next > archived.next {
        return not_empty(format!("{topic} of partition {partition} have {} records", bounds.next));
    }
    let mut next = Offset(0);
    let (mut here, mut there) = (log.reader(topic, partition, next)?, archive.reader(topic, partition, next)?);
    let mut archived = VecDeque::new();
    while next < bounds.next {
        for record in here.next().await? {
            if archived.is_empty() {
                archived.extend(there.next().await?);
            }
            if archived.pop_front().as_ref() != Some(&record) {
                return not_empty(format!("{topic} of partition {partition} differ at offset {}", record.offset));
            }
            next = record.offset.next();
        }
    }
    Ok(next)
}

/// Appends what is left of a lane. Returns how many records that were.
async fn append(
    archive: &Archive,
    log: &dyn Log,
    topic: Topic,
    partition: PartitionId,
    from: Offset,
    progress: &dyn Progress,
) -> Result<u64, ArchiveError> {
    let end = archive.bounds(topic, partition).await?.next;
    progress.starts(end.0 - from.0);
    let mut under_way = UnderWay { topic, partition, appends: VecDeque::new(), bytes: 0 };
    let (mut next, mut reader) = (from, archive.reader(topic, partition, from)?);
    while next < end {
        let records = reader.next().await?;
        for record in records {
            next = record.offset.next();
            let bytes = record.bytes.len();
            let appended = log.append(topic, partition, record.bytes, Durability::Synced);
            under_way.add(record.offset, bytes, appended);
            while under_way.is_full() {
                under_way.finish_one().await?;
                progress.advances(1, 0);
            }
        }
    }
    while !under_way.appends.is_empty() {
        under_way.finish_one().await?;
        progress.advances(1, 0);
    }
    Ok(end.0 - from.0)
}

/// Appends that were started, in the order of their offsets.
struct UnderWay {
    topic: Topic,
    partition: PartitionId,
    appends: VecDeque<(Offset, usize, Appended)>,
    bytes: usize,
}

impl UnderWay {
    fn add(&mut self, offset: Offset, bytes: usize, appended: Appended) {
        self.appends.push_back((offset, bytes, appended));
        self.bytes += bytes;
    }

    fn is_full(&self) -> bool {
        self.appends.len() >= APPENDS_MAX || self.bytes >= APPEND_BYTES_MAX
    }

    /// Waits for the first. It must get the offset that it has in the archive.
    async fn finish_one(&mut self) -> Result<(), ArchiveError> {
        let Some((expected, bytes, appended)) = self.appends.pop_front() else { return Ok(()) };
        self.bytes -= bytes;
        let found = appended.await?;
        if found == expected {
            return Ok(());
        }
        let (topic, partition) = (self.topic, self.partition);
        Err(ArchiveError::Raced { topic, partition, expected, found })
    }
}
