//! An archive, read as a log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Appended, Bounds, Durability, Log, LogError, LogReader, Record, Topic};
use daybook_segments::{Lane, Manifest, Segment};
use futures_util::future::{BoxFuture, FutureExt, ready};

use crate::ArchiveError;
use crate::files::read_manifest;

/// An archive in a folder. A [`Log`] that is only read: appending and trimming fail, and a reader that gets to the end
/// is told that the log is closed.
#[derive(Debug, Clone)]
pub struct Archive {
    manifest: Arc<Manifest>,
    folder: PathBuf,
}

impl Archive {
    /// Opens a finished archive. Its files are checked as they are read; [`Archive::check`] reads them all.
    pub fn open(folder: &Path) -> Result<Self, ArchiveError> {
        Ok(Self::of(read_manifest(folder)?, folder))
    }

    pub(crate) fn of(manifest: Manifest, folder: &Path) -> Self {
        Self { manifest: Arc::new(manifest), folder: folder.to_owned() }
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn lane(&self, topic: Topic, partition: PartitionId) -> Result<&Lane, LogError> {
        self.manifest.lane(topic, partition.0).ok_or_else(|| LogError::ShapeDiffers {
            found: format!("{} partitions", self.manifest.partitions),
            wanted: format!("partition {partition}"),
        })
    }

    /// The records of one segment, once its length and its hash are what the manifest says.
    fn read_segment(&self, segment: &Segment) -> Result<Vec<Record>, String> {
        let file = self.folder.join(&segment.file);
        let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", segment.file))?;
        segment.read(Bytes::from(bytes))
    }

    /// Where the chain of a partition ends; `None` when its beginning was trimmed away.
    pub(crate) fn head_hash(&self, partition: PartitionId) -> Result<Option<Hash>, ArchiveError> {
        let Some(head) = self.manifest.head(partition.0) else { return Ok(None) };
        let no_hash = || ArchiveError::damaged(format!("the head of partition {partition} is no hash"));
        Hash::from_hex(&head.hash).map(Some).ok_or_else(no_hash)
    }
}

impl Log for Archive {
    fn name(&self) -> &str {
        &self.manifest.log
    }

    fn partitions(&self) -> u32 {
        self.manifest.partitions
    }

    fn describe(&self) -> String {
        format!("archive, {}", self.folder.display())
    }

    fn append(&self, _: Topic, _: PartitionId, _: Bytes, _: Durability) -> Appended {
        Appended::done(Err(LogError::Closed))
    }

    fn reader(&self, topic: Topic, partition: PartitionId, from: Offset) -> Result<Box<dyn LogReader>, LogError> {
        let lane = self.lane(topic, partition)?;
        let (first, next) = (Offset(lane.first), Offset(lane.next));
        if from < first {
            return Err(LogError::Trimmed { topic, partition, first });
        }
        if from > next {
            return Err(LogError::BeyondEnd { topic, partition, asked: from, next });
        }
        Ok(Box::new(ArchiveReader { archive: self.clone(), topic, partition, at: from }))
    }

    fn bounds(&self, topic: Topic, partition: PartitionId) -> BoxFuture<'_, Result<Bounds, LogError>> {
        let bounds = self.lane(topic, partition);
        ready(bounds.map(|lane| Bounds { first: Offset(lane.first), next: Offset(lane.next) })).boxed()
    }

    fn trim(&self, _: Topic, _: PartitionId, _: Offset) -> BoxFuture<'_, Result<(), LogError>> {
        ready(Err(LogError::Closed)).boxed()
    }
}

struct ArchiveReader {
    archive: Archive,
    topic: Topic,
    partition: PartitionId,
    at: Offset,
}

impl ArchiveReader {
    fn read(&mut self) -> Result<Vec<Record>, LogError> {
        let lane = self.archive.lane(self.topic, self.partition)?;
        let segment = lane.segments.iter().find(|segment| self.at.0 < segment.first + segment.records);
        let Some(segment) = segment else { return Err(LogError::Closed) };
        let mut records = self.archive.read_segment(segment).map_err(|what| LogError::Damaged { what })?;
        records.retain(|record| record.offset >= self.at);
        self.at = Offset(segment.first + segment.records);
        Ok(records)
    }
}

impl LogReader for ArchiveReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Record>, LogError>> {
        ready(self.read()).boxed()
    }
}
