//! The key ring on a local disk: RocksDB, each key wrapped by the master key.
//!
//! | row | value |
//! | --- | --- |
//! | `key/<tenant>/<key id>` | `01`, 12 bytes of nonce, the wrapped key |
//! | the same, once destroyed | `02`, time in microseconds, whether there was a key |
//! | `check` | a known text under the master key: tells a wrong one |
//!
//! A destroyed key is overwritten by its tombstone; then the files that held it are rewritten and deleted, and the
//! write-ahead log with them. What a file system or a disk keeps of deleted files is outside of our reach: encrypt the
//! disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::id::TenantId;
use daybook_rocks::rocksdb::{BottommostLevelCompaction, CompactOptions, FlushOptions};
use daybook_rocks::{Db, Family, IteratorMode, Memory, RocksError, Spec, Wal, WriteBatch, WriteOptions, family};
use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::row::{CHECK, Gone, Row, now, of_place, place};
use super::{Destroyed, KeyId, KeyRing, MasterKey, fingerprint};
use crate::PrivacyError;
use crate::cipher::Key;

const KEYS: &str = "keys";

/// A key ring on a local disk.
pub struct EmbeddedKeyRing {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    master: MasterKey,
    /// Held while keys are made, so that two callers do not make the same key twice.
    making: Mutex<()>,
    destroying: Mutex<Queue>,
}

/// When a key was destroyed, and whether there was one.
type Outcome = Result<Gone, PrivacyError>;

/// Keys that wait to be destroyed. Whoever finds nobody at work destroys all that wait, at once.
#[derive(Default)]
struct Queue {
    waiting: Vec<(String, oneshot::Sender<Outcome>)>,
    at_work: bool,
}

impl EmbeddedKeyRing {
    /// Whether a key ring lies in a folder.
    pub fn is_there(folder: &Path) -> bool {
        // RocksDB's pointer to its current manifest; every database has one.
        folder.join("CURRENT").exists()
    }

    /// Opens the key ring, creating it if there is none.
    pub fn open(folder: &Path, master: MasterKey, memory: &Memory) -> Result<Self, PrivacyError> {
        let db = Spec::new(folder, Wal::Kept).family(Family::new(KEYS).with_small_files()).open(memory)?;
        let inner = Inner { db, master, making: Mutex::default(), destroying: Mutex::default() };
        match inner.db.get_cf(&family(&inner.db, KEYS)?, CHECK).map_err(RocksError::from)? {
            Some(check) => inner.master.passes(&check)?,
            None => {
                let check = inner.master.check_row()?;
                let mut batch = WriteBatch::default();
                batch.put_cf(&family(&inner.db, KEYS)?, CHECK, check);
                inner.write(batch)?;
            }
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Everything that it holds, keys and what is left of destroyed ones.
    pub(super) fn rows(&self) -> Result<Vec<(TenantId, KeyId, Row)>, PrivacyError> {
        let mut rows = Vec::new();
        for row in self.inner.db.iterator_cf(&family(&self.inner.db, KEYS)?, IteratorMode::Start) {
            let (place, row) = row.map_err(RocksError::from)?;
            let place = String::from_utf8_lossy(&place);
            match of_place(&place) {
                Some((tenant, id)) => rows.push((tenant, id, self.inner.master.read(&place, &row)?)),
                None if place == CHECK => {}
                None => return Err(PrivacyError::Damaged(format!("nobody knows what the row {place} is"))),
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
impl EmbeddedKeyRing {
    /// What lies on disk for a key.
    pub(crate) fn inner_row(&self, tenant: &TenantId, id: &KeyId) -> Vec<u8> {
        let keys = family(&self.inner.db, KEYS).unwrap();
        self.inner.db.get_cf(&keys, place(tenant, id)).unwrap().unwrap()
    }
}

impl Inner {
    fn read(&self, place: &str) -> Result<Option<Row>, PrivacyError> {
        let row = self.db.get_cf(&family(&self.db, KEYS)?, place).map_err(RocksError::from)?;
        row.map(|row| self.master.read(place, &row)).transpose()
    }

    fn write(&self, batch: WriteBatch) -> Result<(), PrivacyError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(batch, &options).map_err(RocksError::from)?)
    }

    fn get_or_create(&self, tenant: &TenantId, ids: &[KeyId]) -> Result<Vec<Key>, PrivacyError> {
        if let Some(keys) = self.get_all(tenant, ids)? {
            return Ok(keys);
        }
        let _making = self.making.lock();
        let mut batch = WriteBatch::default();
        // A caller may name a key twice.
        let mut made = BTreeMap::new();
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            let place = place(tenant, id);
            if let Some(key) = made.get(id) {
                keys.push(Key::clone(key));
                continue;
            }
            keys.push(match self.read(&place)? {
                Some(Row::Present(key)) => key,
                Some(Row::Destroyed(_)) => return Err(PrivacyError::Destroyed { key_id: id.to_string() }),
                None => {
                    let key = Key::generate()?;
                    batch.put_cf(&family(&self.db, KEYS)?, &place, self.master.wrap(&place, key.bytes())?);
                    made.insert(id, key.clone());
                    key
                }
            });
        }
        if !batch.is_empty() {
            self.write(batch)?;
        }
        Ok(keys)
    }

    /// All keys if none is missing.
    fn get_all(&self, tenant: &TenantId, ids: &[KeyId]) -> Result<Option<Vec<Key>>, PrivacyError> {
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            match self.read(&place(tenant, id))? {
                Some(Row::Present(key)) => keys.push(key),
                Some(Row::Destroyed(_)) => return Err(PrivacyError::Destroyed { key_id: id.to_string() }),
                None => return Ok(None),
            }
        }
        Ok(Some(keys))
    }

    /// Destroys all that wait, again and again until nothing waits.
    fn destroy_waiting(&self) {
        loop {
            let waiting = {
                let mut queue = self.destroying.lock();
                if queue.waiting.is_empty() {
                    queue.at_work = false;
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            let places: Vec<_> = waiting.iter().map(|(place, _)| place.clone()).collect();
            let result = self.destroy(&places);
            for (i, (_, done)) in waiting.into_iter().enumerate() {
                // Someone who went away does not want to know.
                let _ = done.send(result.clone().map(|destroyed| destroyed[i]));
            }
        }
    }

    /// Overwrites keys, then rewrites the files that held them.
    fn destroy(&self, places: &[String]) -> Result<Vec<Gone>, PrivacyError> {
        let keys = family(&self.db, KEYS)?;
        let _making = self.making.lock();
        let mut destroyed = Vec::with_capacity(places.len());
        let mut batch = WriteBatch::default();
        for place in places {
            destroyed.push(match self.read(place)? {
                Some(Row::Destroyed(gone)) => gone,
                present => {
                    let gone = Gone { at: now(), existed: present.is_some() };
                    batch.put_cf(&keys, place, gone.to_row());
                    gone
                }
            });
        }
        if !batch.is_empty() {
            self.write(batch)?;
        }
        // From memory into a new file, which ends the write-ahead log that held the key; then this file and the older
        // ones that overlap it into new ones, which hold only the tombstones.
        let mut flush = FlushOptions::default();
        flush.set_wait(true);
        let default = family(&self.db, "default")?;
        self.db.flush_cfs_opt(&[&keys, &default], &flush).map_err(RocksError::from)?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        let (first, last) = (places.iter().min(), places.iter().max());
        self.db.compact_range_cf_opt(&keys, first, last, &options);
        Ok(destroyed)
    }
}

impl KeyRing for EmbeddedKeyRing {
    fn get_or_create<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Key>, PrivacyError>> {
        async move {
            if let Some(keys) = self.inner.get_all(tenant, ids)? {
                return Ok(keys);
            }
            let (inner, tenant, ids) = (Arc::clone(&self.inner), tenant.clone(), ids.to_vec());
            let made = tokio::task::spawn_blocking(move || inner.get_or_create(&tenant, &ids)).await;
            made.map_err(|error| PrivacyError::Unavailable(error.to_string()))?
        }
        .boxed()
    }

    fn get(&self, tenant: &TenantId, id: &KeyId) -> Result<Option<Key>, PrivacyError> {
        match self.inner.read(&place(tenant, id))? {
            Some(Row::Present(key)) => Ok(Some(key)),
            Some(Row::Destroyed(_)) | None => Ok(None),
        }
    }

    fn leaves_disk_within(&self) -> Duration {
        // `destroy` returns when the files are rewritten.
        Duration::ZERO
    }

    fn destroy<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Destroyed>, PrivacyError>> {
        async move {
            let mut results = Vec::with_capacity(ids.len());
            let start = {
                let mut queue = self.inner.destroying.lock();
                for id in ids {
                    let (done, result) = oneshot::channel();
                    queue.waiting.push((place(tenant, id), done));
                    results.push(result);
                }
                !std::mem::replace(&mut queue.at_work, true)
            };
            if start {
                let inner = Arc::clone(&self.inner);
                tokio::task::spawn_blocking(move || inner.destroy_waiting());
            }
            let mut destroyed = Vec::with_capacity(ids.len());
            for (id, result) in ids.iter().zip(results) {
                let gone = |_| PrivacyError::Unavailable("the key ring was closed".to_owned());
                let Gone { at, existed } = result.await.map_err(gone)??;
                destroyed.push(Destroyed { key_id: id.clone(), at, fingerprint: fingerprint(tenant, id), existed });
            }
            Ok(destroyed)
        }
        .boxed()
    }
}
