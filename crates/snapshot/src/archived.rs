//! The archived beginning of a log: segments and a manifest in the format of `docs/log-format.md`.

use std::sync::Arc;

use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Record, Topic};
use daybook_segments::{MANIFEST, Manifest, Segment};
use parking_lot::Mutex;

use crate::{Objects, SnapshotError};

/// The archived beginning of a log in an object store. On a local folder, `<folder>/<log>/log` is what
/// `daybook log verify --archive` reads.
#[derive(Debug, Clone)]
pub struct ArchivedLog {
    objects: Objects,
    log: String,
    partitions: u32,
    known: Arc<Mutex<Option<Arc<Manifest>>>>,
}

impl ArchivedLog {
    /// That of a log. Asks nothing yet.
    pub fn new(objects: Objects, log: &str, partitions: u32) -> Self {
        Self { objects, log: log.to_owned(), partitions, known: Arc::default() }
    }

    /// Where it is, for people.
    pub fn url(&self) -> String {
        format!("{}/{}/log", self.objects.url(), self.log)
    }

    fn name(&self, file: &str) -> String {
        format!("{}/log/{file}", self.log)
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> SnapshotError {
        SnapshotError::ArchiveDamaged { url: self.url(), what: what.into() }
    }

    /// What was known when it was last asked for; `None` before that.
    pub(crate) fn known(&self) -> Option<Arc<Manifest>> {
        self.known.lock().clone()
    }

    /// Reads what there is. Of a log of which nothing is archived yet the manifest is empty.
    pub async fn manifest(&self) -> Result<Arc<Manifest>, SnapshotError> {
        // Listing tells an archive that was not begun from a bucket that is not there.
        let names = self.objects.list(self.name("").trim_end_matches('/')).await?;
        let manifest = if names.contains(&self.name(MANIFEST)) {
            let text = self.objects.get(&self.name(MANIFEST)).await?.unwrap_or_default();
            let text = std::str::from_utf8(&text).map_err(|_| self.damaged(format!("{MANIFEST} is no text")))?;
            Manifest::parse(text).map_err(|error| SnapshotError::of_manifest(&self.url(), error))?
        } else {
            Manifest::new(&self.log, self.partitions)
        };
        if manifest.log != self.log || manifest.partitions != self.partitions {
            return Err(SnapshotError::OfAnotherLog {
                name: self.name(MANIFEST),
                found: format!("{} with {} partitions", manifest.log, manifest.partitions),
                wanted: format!("{} with {} partitions", self.log, self.partitions),
            });
        }
        let manifest = Arc::new(manifest);
        *self.known.lock() = Some(Arc::clone(&manifest));
        Ok(manifest)
    }

    /// The segment that holds a record; `None` when it is not archived.
    pub(crate) async fn segment(
        &self,
        topic: Topic,
        partition: PartitionId,
        at: Offset,
    ) -> Result<Option<Segment>, SnapshotError> {
        if let Some(found) = self.known().and_then(|known| find(&known, topic, partition, at)) {
            return Ok(Some(found));
        }
        // More may have been archived since.
        Ok(find(&*self.manifest().await?, topic, partition, at))
    }

    /// The records of a segment, once its length and its hash are what the manifest says.
    pub async fn read(&self, segment: &Segment) -> Result<Vec<Record>, SnapshotError> {
        match self.objects.get(&self.name(&segment.file)).await? {
            None => Err(self.damaged(format!("{} is missing", segment.file))),
            Some(bytes) => segment.read(bytes).map_err(|what| self.damaged(what)),
        }
    }

    /// Puts a segment and reads it back.
    pub(crate) async fn put(&self, segment: &Segment, bytes: bytes::Bytes) -> Result<(), SnapshotError> {
        self.objects.put(&self.name(&segment.file), bytes).await?;
        self.read(segment).await.map(|_| ())
    }

    /// Puts the manifest and reads it back.
    pub(crate) async fn put_manifest(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        let text = manifest.to_text().map_err(|error| SnapshotError::of_manifest(&self.url(), error))?;
        self.objects.put(&self.name(MANIFEST), text.into()).await?;
        if *self.manifest().await? == *manifest {
            return Ok(());
        }
        Err(self.damaged(format!("{MANIFEST} is not what was just written: somebody else archives the same log")))
    }
}

fn find(manifest: &Manifest, topic: Topic, partition: PartitionId, at: Offset) -> Option<Segment> {
    let lane = manifest.lane(topic, partition.0)?;
    let holds = |segment: &&Segment| segment.first <= at.0 && at.0 < segment.next();
    lane.segments.iter().find(holds).cloned()
}
