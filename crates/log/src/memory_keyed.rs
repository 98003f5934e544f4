//! A keyed log in memory. A clone reads and writes the same records.
//!
//! It forgets as fast as a keyed log may: a superseded record is gone at once. Whoever works on this log does not depend
//! on records that a real one keeps for a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::id::Offset;
use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::LogError;
use crate::keyed::{KeyedLog, KeyedReader, KeyedRecord, KeyedRecords, check};
use crate::topic::Appended;

/// A keyed log in memory.
#[derive(Clone, Default)]
pub struct MemoryKeyedLog(Arc<Inner>);

#[derive(Default)]
struct Inner {
    kept: Mutex<Kept>,
    next: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    records: BTreeMap<u64, (Bytes, Option<Bytes>)>,
    last: BTreeMap<Bytes, u64>,
}

impl MemoryKeyedLog {
    /// A new one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets go of the tombstones, as a real log does when their time is over. The last record stays, whatever it is.
    pub fn forget_tombstones(&self) {
        let next = *self.0.next.borrow();
        let mut kept = self.0.kept.lock();
        let Kept { records, last } = &mut *kept;
        records.retain(|offset, (key, value)| {
            let stays = value.is_some() || offset + 1 == next;
            if !stays {
                last.remove(key);
            }
            stays
        });
    }
}

impl KeyedLog for MemoryKeyedLog {
    fn describe(&self) -> String {
        "in memory".to_owned()
    }

    fn put(&self, key: &[u8], value: Option<Bytes>) -> Appended {
        if let Err(refused) = check(key, value.as_ref()) {
            return Appended::done(Err(refused));
        }
        let key = Bytes::copy_from_slice(key);
        let mut kept = self.0.kept.lock();
        let offset = *self.0.next.borrow();
        if let Some(superseded) = kept.last.insert(key.clone(), offset) {
            kept.records.remove(&superseded);
        }
        kept.records.insert(offset, (key, value));
        self.0.next.send_replace(offset + 1);
        Appended::done(Ok(Offset(offset)))
    }

    fn follow(&self) -> Result<Box<dyn KeyedReader>, LogError> {
        let changes = self.0.next.subscribe();
        Ok(Box::new(MemoryKeyedReader { log: Arc::clone(&self.0), changes, at: 0 }))
    }

    fn end(&self) -> BoxFuture<'_, Result<Offset, LogError>> {
        ready(Ok(Offset(*self.0.next.borrow()))).boxed()
    }

    fn forgets_within(&self) -> Duration {
        Duration::ZERO
    }
}

struct MemoryKeyedReader {
    log: Arc<Inner>,
    changes: watch::Receiver<u64>,
    at: u64,
}

impl MemoryKeyedReader {
    const AT_ONCE: usize = 1_000;

    /// What is there; `None` at the end.
    fn read(&mut self) -> Option<KeyedRecords> {
        let kept = self.log.kept.lock();
        let next = *self.changes.borrow_and_update();
        if self.at >= next {
            return None;
        }
        let records: Vec<_> = kept
            .records
            .range(self.at..next)
            .take(Self::AT_ONCE)
            .map(|(offset, (key, value))| KeyedRecord {
                offset: Offset(*offset),
                key: key.clone(),
                value: value.clone(),
            })
            .collect();
        self.at = match records.last() {
            Some(last) if records.len() == Self::AT_ONCE => last.offset.0 + 1,
            _ => next,
        };
        Some(KeyedRecords { records, read_to: Offset(self.at) })
    }
}

impl KeyedReader for MemoryKeyedReader {
    fn next(&mut self) -> BoxFuture<'_, Result<KeyedRecords, LogError>> {
        async move {
            loop {
                if let Some(records) = self.read() {
                    return Ok(records);
                }
                self.changes.changed().await.map_err(|_| LogError::Closed)?;
            }
        }
        .boxed()
    }
}
