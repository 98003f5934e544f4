//! Archive and log, read as one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Appended, Bounds, Durability, Log, LogError, LogReader, Record, Topic};
use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;

use crate::ArchivedLog;

/// How long nobody asks again whether more was archived.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// How long the bounds of a log wait for that answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A log together with its archived beginning: what was trimmed away is read from the archive, everything else from the
/// log. The archive is asked only for what the log does not have.
pub struct ThroughArchive {
    log: Arc<dyn Log>,
    archived: ArchivedLog,
    asked: Mutex<Option<Instant>>,
}

impl ThroughArchive {
    /// Puts both together. Asks nothing yet.
    pub fn new(log: Arc<dyn Log>, archived: ArchivedLog) -> Self {
        Self { log, archived, asked: Mutex::default() }
    }

    /// Where reading can begin, given where the log begins.
    async fn first(&self, topic: Topic, partition: PartitionId, first: Offset) -> Offset {
        let reaches = |manifest: &daybook_segments::Manifest| {
            let lane = manifest.lane(topic, partition.0)?;
            (lane.first <= first.0 && first.0 <= lane.next).then_some(Offset(lane.first))
        };
        if let Some(known) = self.archived.known().and_then(|known| reaches(&known)) {
            return known;
        }
        let is_due = {
            let mut asked = self.asked.lock();
            let is_due = asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN);
            if is_due {
                *asked = Some(Instant::now());
            }
            is_due
        };
        if !is_due {
            return first;
        }
        // Bounds are asked for by those who want to know how a node stands: an archive that does not answer must not
        // keep them. Whoever reads is told.
        match tokio::time::timeout(ANSWER_MAX, self.archived.manifest()).await {
            Ok(Ok(manifest)) => reaches(&manifest).unwrap_or(first),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the archived log cannot be read");
                first
            }
            Err(_) => first,
        }
    }
}

impl Log for ThroughArchive {
    fn name(&self) -> &str {
        self.log.name()
    }

    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn describe(&self) -> String {
        format!("{}; archived in {}", self.log.describe(), self.archived.url())
    }

    fn failure(&self) -> Option<LogError> {
        self.log.failure()
    }

    fn check_settings(&self) -> BoxFuture<'_, Result<(), LogError>> {
        self.log.check_settings()
    }

    fn append(&self, topic: Topic, partition: PartitionId, record: Bytes, durability: Durability) -> Appended {
        self.log.append(topic, partition, record, durability)
    }

    fn reader(&self, topic: Topic, partition: PartitionId, from: Offset) -> Result<Box<dyn LogReader>, LogError> {
        let (live, first) = match self.log.reader(topic, partition, from) {
            Ok(live) => (Some(live), Offset(0)),
            Err(LogError::Trimmed { first, .. }) => (None, first),
            Err(error) => return Err(error),
        };
        let (log, archived) = (Arc::clone(&self.log), self.archived.clone());
        Ok(Box::new(ThroughReader { log, archived, topic, partition, at: from, first, live }))
    }

    fn bounds(&self, topic: Topic, partition: PartitionId) -> BoxFuture<'_, Result<Bounds, LogError>> {
        async move {
            let Bounds { first, next } = self.log.bounds(topic, partition).await?;
            let first = if first == Offset(0) { first } else { self.first(topic, partition, first).await };
            Ok(Bounds { first, next })
        }
        .boxed()
    }

    fn trim(&self, topic: Topic, partition: PartitionId, before: Offset) -> BoxFuture<'_, Result<(), LogError>> {
        self.log.trim(topic, partition, before)
    }
}

struct ThroughReader {
    log: Arc<dyn Log>,
    archived: ArchivedLog,
    topic: Topic,
    partition: PartitionId,
    at: Offset,
    /// Where the log is known to begin.
    first: Offset,
    live: Option<Box<dyn LogReader>>,
}

impl ThroughReader {
    async fn read(&mut self) -> Result<Vec<Record>, LogError> {
        loop {
            let trimmed = match &mut self.live {
                Some(live) => match live.next().await {
                    Ok(records) => {
                        self.at = records.last().map_or(self.at, |record| record.offset.next());
                        return Ok(records);
                    }
                    Err(error) => error,
                },
                None if self.at < self.first => return self.read_archived().await,
                None => match self.log.reader(self.topic, self.partition, self.at) {
                    Ok(live) => {
                        self.live = Some(live);
                        continue;
                    }
                    Err(error) => error,
                },
            };
            match trimmed {
                // Trimmed while it was read, or a log that tells only then.
                LogError::Trimmed { first, .. } if first > self.at => (self.live, self.first) = (None, first),
                error => return Err(error),
            }
        }
    }

    async fn read_archived(&mut self) -> Result<Vec<Record>, LogError> {
        let trimmed = LogError::Trimmed { topic: self.topic, partition: self.partition, first: self.first };
        let segment = self.archived.segment(self.topic, self.partition, self.at).await?.ok_or(trimmed)?;
        let mut records = self.archived.read(&segment).await?;
        records.retain(|record| record.offset >= self.at);
        // Last, so that a future that is dropped has lost nothing.
        self.at = Offset(segment.next());
        Ok(records)
    }
}

impl LogReader for ThroughReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Record>, LogError>> {
        self.read().boxed()
    }
}
