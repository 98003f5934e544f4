//! The embedded log: RocksDB on a local disk, with fsync and group commit.
//!
//! Both topics share one write-ahead log. Every append is written to it at once and without a sync, in the thread that
//! appends. One thread syncs: it takes all appends that wait for durability, syncs once, and completes them. While it
//! syncs, other appends are written; the next sync covers them all. So a single caller waits for one sync, and many
//! callers share one. Nothing is ever delayed to form a larger group.
//!
//! RocksDB's own sync (`WriteOptions::sync`) is not used, because it holds up every other write until it is done.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_rocks::{
    Db, Family, FamilyRef, Memory, ReadOptions, RocksError, Spec, Wal, WriteBatch, WriteOptions, family,
};
use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{oneshot, watch};

use crate::LogError;
use crate::recent::Recent;
use crate::topic::{Appended, Bounds, Durability, Log, LogReader, RECORD_BYTES_MAX, Record, Topic};

const META: &str = "meta";
const META_SHAPE: &[u8] = b"shape";

/// What to do about damage in the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recovery {
    /// An incomplete record at the end is what a crash leaves, and is dropped; any other damage refuses to open.
    #[default]
    Strict,
    /// Whatever follows the damage is dropped. An operator's decision: it may drop what was acknowledged.
    TruncateDamage,
}

/// How to open an embedded log.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// Where it lies.
    pub folder: PathBuf,
    /// Its name; must be the one it was created with.
    pub name: String,
    /// How many partitions it has; must be as many as it was created with.
    pub partitions: u32,
    /// What to do about damage.
    pub recovery: Recovery,
}

/// A log on a local disk.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    syncer: Option<JoinHandle<()>>,
}

struct Shared {
    db: Db,
    options: EmbeddedOptions,
    lanes: Vec<[Lane; 2]>,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    failed: AtomicBool,
    /// Why, once it has failed.
    failure: OnceLock<LogError>,
}

/// One partition of one topic.
struct Lane {
    /// The offset that the next append gets. Held while the record is written, so that offsets have no gaps.
    next: Mutex<u64>,
    first: AtomicU64,
    recent: Mutex<Recent>,
    /// What readers may see: up to here.
    visible: watch::Sender<u64>,
}

/// Where an append stands, and who waits for it.
type WaitingAppend = (Topic, PartitionId, u64, oneshot::Sender<Result<Offset, LogError>>);

/// Appends that wait for a sync.
#[derive(Default)]
struct Waiting {
    appends: Vec<WaitingAppend>,
    closed: bool,
}

impl EmbeddedLog {
    /// Opens the log, creating it if there is none.
    pub fn open(options: EmbeddedOptions, memory: &Memory) -> Result<Self, LogError> {
        let wal = match options.recovery {
            Recovery::Strict => Wal::Kept,
            Recovery::TruncateDamage => Wal::KeptTruncatingDamage,
        };
        let db = spec(&options, wal).open(memory)?;
        let shape = shape(&options);
        {
            let meta = family(&db, META)?;
            match db.get_cf(&meta, META_SHAPE).map_err(RocksError::from)? {
                Some(found) if found == shape.as_bytes() => {}
                Some(found) => {
                    let found = String::from_utf8_lossy(&found).into_owned();
                    return Err(LogError::ShapeDiffers { found, wanted: shape });
                }
                None => {
                    db.put_cf(&meta, META_SHAPE, &shape).map_err(RocksError::from)?;
                    db.flush_wal(true).map_err(RocksError::from)?;
                }
            }
        }
        let shared = Arc::new(Shared::new(db, options)?);
        let syncing = Arc::clone(&shared);
        let syncer = std::thread::Builder::new()
            .name("log-sync".into())
            .spawn(move || syncing.sync_until_closed())
            .map_err(|error| LogError::Unavailable { what: error.to_string() })?;
        Ok(Self { shared, syncer: Some(syncer) })
    }

    /// Opens a log to read it as it is now, whether or not a node has it open. Its name and shape are its own.
    pub fn open_to_read(folder: PathBuf, scratch: PathBuf, memory: &Memory) -> Result<Self, LogError> {
        let db = read_spec(&folder).open_to_read(memory, &scratch)?;
        Self::of_read(db, folder)
    }

    /// Opens a log that nobody has open, to read it, and changes no byte of it. It is checked as strictly as at a start.
    pub fn open_read_only(folder: PathBuf, memory: &Memory) -> Result<Self, LogError> {
        let db = read_spec(&folder).open_read_only(memory)?;
        Self::of_read(db, folder)
    }

    fn of_read(db: Db, folder: PathBuf) -> Result<Self, LogError> {
        let damaged = |what: &str| LogError::Damaged { what: what.to_owned() };
        let shape = {
            let meta = family(&db, META)?;
            let shape = db.get_cf(&meta, META_SHAPE).map_err(RocksError::from)?;
            String::from_utf8(shape.ok_or_else(|| damaged("it does not say its shape"))?)
                .map_err(|_| damaged("its shape is no text"))?
        };
        let (name, partitions) = parse_shape(&shape).ok_or_else(|| damaged("its shape cannot be read"))?;
        let options = EmbeddedOptions { folder, name, partitions, recovery: Recovery::default() };
        let shared = Shared::new(db, options)?;
        shared.failed.store(true, Ordering::Release);
        Ok(Self { shared: Arc::new(shared), syncer: None })
    }

    /// Takes in what a node wrote since, in a log opened by [`EmbeddedLog::open_to_read`].
    pub fn catch_up(&self) -> Result<(), LogError> {
        self.shared.db.try_catch_up_with_primary().map_err(RocksError::from)?;
        for partition in 0..self.shared.options.partitions {
            for topic in Topic::ALL {
                let lane = self.shared.lane(topic, PartitionId(partition))?;
                let (first, next) = stored_bounds(&self.shared.db, topic, PartitionId(partition))?;
                lane.first.store(first, Ordering::Release);
                *lane.next.lock() = next;
                lane.visible.send_replace(next);
            }
        }
        Ok(())
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.shared.waiting.lock().closed = true;
        self.shared.wake.notify_all();
        if let Some(syncer) = self.syncer.take() {
            // The syncer ends by itself once it is told so; a panic in it has been reported already.
            let _ = syncer.join();
        }
    }
}

fn spec(options: &EmbeddedOptions, wal: Wal) -> Spec {
    Spec::new(&options.folder, wal)
        .family(Family::append_only(Topic::Commands.name()))
        .family(Family::append_only(Topic::Decisions.name()))
        .family(Family::new(META))
}

fn read_spec(folder: &std::path::Path) -> Spec {
    let (folder, name) = (folder.to_owned(), String::new());
    spec(&EmbeddedOptions { folder, name, partitions: 0, recovery: Recovery::default() }, Wal::Kept)
}

fn shape(options: &EmbeddedOptions) -> String {
    format!("name {:?}, {} partitions", options.name, options.partitions)
}

fn parse_shape(shape: &str) -> Option<(String, u32)> {
    let (name, rest) = shape.strip_prefix("name \"")?.rsplit_once("\", ")?;
    Some((name.to_owned(), rest.strip_suffix(" partitions")?.parse().ok()?))
}

/// Key of a record: partition, then offset, both big-endian.
fn key(partition: PartitionId, offset: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&partition.0.to_be_bytes());
    key[4..].copy_from_slice(&offset.to_be_bytes());
    key
}

fn offset_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(4..)?.try_into().ok()?))
}

fn trim_key(topic: Topic, partition: PartitionId) -> Vec<u8> {
    format!("first/{topic}/{partition}").into_bytes()
}

fn stored_bounds(db: &Db, topic: Topic, partition: PartitionId) -> Result<(u64, u64), LogError> {
    let first = match db.get_cf(&family(db, META)?, trim_key(topic, partition)).map_err(RocksError::from)? {
        None => 0,
        Some(first) => {
            let what = || LogError::Damaged { what: format!("the start of {topic}/{partition} is not 8 bytes") };
            u64::from_be_bytes(first.try_into().map_err(|_| what())?)
        }
    };
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(key(partition, 0));
    options.set_iterate_upper_bound(key(PartitionId(partition.0 + 1), 0));
    let mut rows = db.raw_iterator_cf_opt(&family(db, topic.name())?, options);
    rows.seek_to_last();
    let last = rows.key().and_then(offset_of);
    rows.status().map_err(RocksError::from)?;
    Ok((first, last.map_or(first, |last| last + 1)))
}

impl Shared {
    fn new(db: Db, options: EmbeddedOptions) -> Result<Self, LogError> {
        let lane = |topic, partition| -> Result<Lane, LogError> {
            let (first, next) = stored_bounds(&db, topic, PartitionId(partition))?;
            let (first, recent) = (AtomicU64::new(first), Mutex::default());
            Ok(Lane { next: Mutex::new(next), first, recent, visible: watch::Sender::new(next) })
        };
        let lanes = (0..options.partitions)
            .map(|partition| Ok([lane(Topic::Commands, partition)?, lane(Topic::Decisions, partition)?]))
            .collect::<Result<_, LogError>>()?;
        let (waiting, wake, failed) = (Mutex::default(), Condvar::new(), AtomicBool::new(false));
        Ok(Self { db, options, lanes, waiting, wake, failed, failure: OnceLock::new() })
    }

    fn lane(&self, topic: Topic, partition: PartitionId) -> Result<&Lane, LogError> {
        let lanes = self.lanes.get(partition.0 as usize).ok_or_else(|| LogError::ShapeDiffers {
            found: shape(&self.options),
            wanted: format!("partition {partition}"),
        })?;
        Ok(match topic {
            Topic::Commands => &lanes[0],
            Topic::Decisions => &lanes[1],
        })
    }

    fn family(&self, topic: Topic) -> Result<FamilyRef<'_>, LogError> {
        Ok(family(&self.db, topic.name())?)
    }

    /// Writes a record at the end of its lane, without a sync.
    fn write(&self, topic: Topic, partition: PartitionId, record: &Bytes) -> Result<u64, LogError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(LogError::Closed);
        }
        if record.len() > RECORD_BYTES_MAX {
            return Err(LogError::TooLarge { bytes: record.len(), max: RECORD_BYTES_MAX });
        }
        let lane = self.lane(topic, partition)?;
        let family = self.family(topic)?;
        let mut next = lane.next.lock();
        let offset = *next;
        self.db
            .put_cf_opt(&family, key(partition, offset), record, &WriteOptions::default())
            .map_err(|error| self.fail("write", &error))?;
        *next += 1;
        if topic == Topic::Commands {
            lane.recent.lock().push(Record { offset: Offset(offset), bytes: record.clone() });
            lane.visible.send_replace(offset + 1);
        }
        Ok(offset)
    }

    /// After a failed write or sync nobody knows what is on the disk: nothing more is appended until a restart has
    /// read it back.
    fn fail(&self, what: &str, error: &daybook_rocks::rocksdb::Error) -> LogError {
        let failure = LogError::from(RocksError::from(error.clone()));
        if !self.failed.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "the log cannot be written any more: {what} failed");
            let _ = self.failure.set(failure.clone());
        }
        failure
    }

    fn sync_until_closed(&self) {
        loop {
            let appends = {
                let mut waiting = self.waiting.lock();
                while waiting.appends.is_empty() && !waiting.closed {
                    self.wake.wait(&mut waiting);
                }
                if waiting.appends.is_empty() {
                    return;
                }
                std::mem::take(&mut waiting.appends)
            };
            let synced = self.db.flush_wal(true).map_err(|error| self.fail("sync", &error));
            for (topic, partition, offset, done) in appends {
                let result = synced.clone().and_then(|()| {
                    // Appends of one lane wait in the order of their offsets.
                    self.lane(topic, partition)?.visible.send_if_modified(|visible| {
                        let moved = *visible < offset + 1;
                        *visible = (*visible).max(offset + 1);
                        moved
                    });
                    Ok(Offset(offset))
                });
                // A caller that went away does not want to know.
                let _ = done.send(result);
            }
        }
    }
}

impl Log for EmbeddedLog {
    fn name(&self) -> &str {
        &self.shared.options.name
    }

    fn partitions(&self) -> u32 {
        self.shared.options.partitions
    }

    fn describe(&self) -> String {
        format!("embedded, {}", self.shared.options.folder.display())
    }

    fn failure(&self) -> Option<LogError> {
        self.shared.failure.get().cloned()
    }

    fn append(&self, topic: Topic, partition: PartitionId, record: Bytes, durability: Durability) -> Appended {
        let written = self.shared.write(topic, partition, &record);
        let offset = match (written, durability) {
            (Ok(offset), Durability::Synced) => offset,
            (written, _) => return Appended::done(written.map(Offset)),
        };
        let (done, result) = oneshot::channel();
        let mut waiting = self.shared.waiting.lock();
        if waiting.closed {
            return Appended::done(Err(LogError::Closed));
        }
        waiting.appends.push((topic, partition, offset, done));
        drop(waiting);
        self.shared.wake.notify_one();
        Appended::waiting(result)
    }

    fn reader(&self, topic: Topic, partition: PartitionId, from: Offset) -> Result<Box<dyn LogReader>, LogError> {
        let changes = self.shared.lane(topic, partition)?.visible.subscribe();
        let next = Offset(*changes.borrow());
        if from > next {
            return Err(LogError::BeyondEnd { topic, partition, asked: from, next });
        }
        Ok(Box::new(EmbeddedReader { shared: Arc::clone(&self.shared), topic, partition, changes, at: from.0 }))
    }

    fn bounds(&self, topic: Topic, partition: PartitionId) -> BoxFuture<'_, Result<Bounds, LogError>> {
        let bounds = self.shared.lane(topic, partition).map(|lane| Bounds {
            first: Offset(lane.first.load(Ordering::Acquire)),
            next: Offset(*lane.visible.borrow()),
        });
        ready(bounds).boxed()
    }

    fn trim(&self, topic: Topic, partition: PartitionId, before: Offset) -> BoxFuture<'_, Result<(), LogError>> {
        ready(self.shared.trim(topic, partition, before)).boxed()
    }
}

impl Shared {
    fn trim(&self, topic: Topic, partition: PartitionId, before: Offset) -> Result<(), LogError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(LogError::Closed);
        }
        let lane = self.lane(topic, partition)?;
        let before = before.0.min(*lane.visible.borrow());
        let first = lane.first.load(Ordering::Acquire);
        if before <= first {
            return Ok(());
        }
        let family_ref = self.family(topic)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(&family(&self.db, META)?, trim_key(topic, partition), before.to_be_bytes());
        batch.delete_range_cf(&family_ref, key(partition, first), key(partition, before));
        self.db.write(batch).map_err(|error| self.fail("write", &error))?;
        self.db.flush_wal(true).map_err(|error| self.fail("sync", &error))?;
        lane.first.store(before, Ordering::Release);
        // Files that hold nothing else go at once; the rest goes with the next compaction.
        self.db
            .delete_file_in_range_cf(&family_ref, key(partition, first), key(partition, before))
            .map_err(RocksError::from)?;
        Ok(())
    }
}

struct EmbeddedReader {
    shared: Arc<Shared>,
    topic: Topic,
    partition: PartitionId,
    changes: watch::Receiver<u64>,
    at: u64,
}

impl EmbeddedReader {
    const RECORDS_AT_ONCE: usize = 1_000;
    const BYTES_AT_ONCE: usize = 2 << 20;

    fn read(&mut self, end: u64) -> Result<Vec<Record>, LogError> {
        let (topic, partition) = (self.topic, self.partition);
        let first = self.shared.lane(topic, partition)?.first.load(Ordering::Acquire);
        if self.at < first {
            return Err(LogError::Trimmed { topic, partition, first: Offset(first) });
        }
        let recent = self.shared.lane(topic, partition)?.recent.lock().from(self.at, end, Self::RECORDS_AT_ONCE);
        if let Some(last) = recent.last() {
            self.at = last.offset.0 + 1;
            return Ok(recent);
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(key(partition, end));
        let family = self.shared.family(topic)?;
        let mut rows = self.shared.db.raw_iterator_cf_opt(&family, options);
        rows.seek(key(partition, self.at));
        let (mut records, mut bytes) = (Vec::new(), 0);
        while let Some((key, value)) = rows.item() {
            let offset = offset_of(key);
            if offset != Some(self.at) {
                return Err(self.gap());
            }
            records.push(Record { offset: Offset(self.at), bytes: Bytes::copy_from_slice(value) });
            self.at += 1;
            bytes += value.len();
            if records.len() == Self::RECORDS_AT_ONCE || bytes >= Self::BYTES_AT_ONCE {
                break;
            }
            rows.next();
        }
        rows.status().map_err(RocksError::from)?;
        if records.is_empty() { Err(self.gap()) } else { Ok(records) }
    }

    fn gap(&self) -> LogError {
        let what = format!("{} of partition {} has no record at offset {}", self.topic, self.partition, self.at);
        LogError::Damaged { what }
    }
}

impl LogReader for EmbeddedReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Record>, LogError>> {
        async move {
            loop {
                let end = *self.changes.borrow_and_update();
                if self.at < end {
                    return self.read(end);
                }
                self.changes.changed().await.map_err(|_| LogError::Closed)?;
            }
        }
        .boxed()
    }
}
