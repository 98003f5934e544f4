//! A log in memory. Reopening it is sharing it: a clone reads and writes the same records.

use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::id::{Offset, PartitionId};
use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::LogError;
use crate::topic::{Appended, Bounds, Durability, Log, LogReader, RECORD_BYTES_MAX, Record, Topic};

/// A log in memory.
#[derive(Clone)]
pub struct MemoryLog(Arc<Inner>);

struct Inner {
    name: String,
    partitions: Vec<[Arc<Lane>; 2]>,
}

/// One partition of one topic.
struct Lane {
    records: Mutex<Records>,
    next: watch::Sender<u64>,
}

#[derive(Default)]
struct Records {
    first: u64,
    kept: Vec<Bytes>,
}

impl MemoryLog {
    /// A new log.
    pub fn new(name: &str, partitions: u32) -> Self {
        let lane = || Arc::new(Lane { records: Mutex::default(), next: watch::Sender::new(0) });
        Self(Arc::new(Inner { name: name.to_owned(), partitions: (0..partitions).map(|_| [lane(), lane()]).collect() }))
    }

    fn lane(&self, topic: Topic, partition: PartitionId) -> Result<&Arc<Lane>, LogError> {
        let lanes = self.0.partitions.get(partition.0 as usize).ok_or_else(|| LogError::ShapeDiffers {
            found: format!("{} partitions", self.0.partitions.len()),
            wanted: format!("partition {partition}"),
        })?;
        Ok(match topic {
            Topic::Commands => &lanes[0],
            Topic::Decisions => &lanes[1],
        })
    }
}

impl Log for MemoryLog {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn partitions(&self) -> u32 {
        u32::try_from(self.0.partitions.len()).unwrap_or(u32::MAX)
    }

    fn describe(&self) -> String {
        "in memory".to_owned()
    }

    fn append(&self, topic: Topic, partition: PartitionId, record: Bytes, _: Durability) -> Appended {
        let lane = match self.lane(topic, partition) {
            Ok(lane) => lane,
            Err(error) => return Appended::done(Err(error)),
        };
        if record.len() > RECORD_BYTES_MAX {
            return Appended::done(Err(LogError::TooLarge { bytes: record.len(), max: RECORD_BYTES_MAX }));
        }
        let mut records = lane.records.lock();
        let offset = records.first + records.kept.len() as u64;
        records.kept.push(record);
        lane.next.send_replace(offset + 1);
        Appended::done(Ok(Offset(offset)))
    }

    fn reader(&self, topic: Topic, partition: PartitionId, from: Offset) -> Result<Box<dyn LogReader>, LogError> {
        let lane = self.lane(topic, partition)?;
        let changes = lane.next.subscribe();
        let next = Offset(*changes.borrow());
        if from > next {
            return Err(LogError::BeyondEnd { topic, partition, asked: from, next });
        }
        Ok(Box::new(MemoryReader { topic, partition, lane: Arc::clone(lane), changes, at: from.0 }))
    }

    fn bounds(&self, topic: Topic, partition: PartitionId) -> BoxFuture<'_, Result<Bounds, LogError>> {
        let bounds = self.lane(topic, partition).map(|lane| {
            let records = lane.records.lock();
            let first = records.first;
            Bounds { first: Offset(first), next: Offset(first + records.kept.len() as u64) }
        });
        ready(bounds).boxed()
    }

    fn trim(&self, topic: Topic, partition: PartitionId, before: Offset) -> BoxFuture<'_, Result<(), LogError>> {
        let trimmed = self.lane(topic, partition).map(|lane| {
            let mut records = lane.records.lock();
            let next = records.first + records.kept.len() as u64;
            let before = before.0.clamp(records.first, next);
            let gone = before - records.first;
            records.kept.drain(..usize::try_from(gone).unwrap_or(usize::MAX));
            records.first = before;
        });
        ready(trimmed).boxed()
    }
}

struct MemoryReader {
    topic: Topic,
    partition: PartitionId,
    lane: Arc<Lane>,
    changes: watch::Receiver<u64>,
    at: u64,
}

impl MemoryReader {
    const AT_ONCE: usize = 1_000;

    fn read(&mut self) -> Result<Vec<Record>, LogError> {
        let records = self.lane.records.lock();
        if self.at < records.first {
            let (topic, partition) = (self.topic, self.partition);
            return Err(LogError::Trimmed { topic, partition, first: Offset(records.first) });
        }
        let skip = usize::try_from(self.at - records.first).unwrap_or(usize::MAX);
        let ready = records.kept.iter().skip(skip).take(Self::AT_ONCE).cloned();
        let ready: Vec<_> =
            ready.zip(self.at..).map(|(bytes, offset)| Record { offset: Offset(offset), bytes }).collect();
        self.at += ready.len() as u64;
        Ok(ready)
    }
}

impl LogReader for MemoryReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Record>, LogError>> {
        async move {
            loop {
                self.changes.mark_unchanged();
                let ready = self.read()?;
                if !ready.is_empty() {
                    return Ok(ready);
                }
                self.changes.changed().await.map_err(|_| LogError::Closed)?;
            }
        }
        .boxed()
    }
}
