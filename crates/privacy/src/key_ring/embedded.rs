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

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use daybook_rocks::rocksdb::{BottommostLevelCompaction, CompactOptions, FlushOptions};
use daybook_rocks::{Db, Family, Memory, RocksError, Spec, Wal, WriteBatch, WriteOptions, family};
use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Destroyed, KeyId, KeyRing, MasterKey, fingerprint};
use crate::PrivacyError;
use crate::cipher::{Key, random};

const KEYS: &str = "keys";
const CHECK: &[u8] = b"check";
const CHECK_TEXT: &[u8] = b"daybook key ring 1";
const PRESENT: u8 = 1;
const DESTROYED: u8 = 2;
const NONCE_LEN: usize = 12;

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
type Outcome = Result<(Timestamp, bool), PrivacyError>;

/// Keys that wait to be destroyed. Whoever finds nobody at work destroys all that wait, at once.
#[derive(Default)]
struct Queue {
    waiting: Vec<(Vec<u8>, oneshot::Sender<Outcome>)>,
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
            Some(check) => {
                let opened = inner.unwrap(CHECK, &check);
                if opened.is_none_or(|text| text[..] != *CHECK_TEXT) {
                    return Err(PrivacyError::WrongMasterKey);
                }
            }
            None => {
                let check = inner.wrap(CHECK, CHECK_TEXT)?;
                let mut batch = WriteBatch::default();
                batch.put_cf(&family(&inner.db, KEYS)?, CHECK, check);
                inner.write(batch)?;
            }
        }
        Ok(Self { inner: Arc::new(inner) })
    }
}

#[cfg(test)]
impl EmbeddedKeyRing {
    /// What lies on disk for a key.
    pub(crate) fn inner_row(&self, tenant: &TenantId, id: &KeyId) -> Vec<u8> {
        let keys = family(&self.inner.db, KEYS).unwrap();
        self.inner.db.get_cf(&keys, row_key(tenant, id)).unwrap().unwrap()
    }
}

fn row_key(tenant: &TenantId, id: &KeyId) -> Vec<u8> {
    format!("key/{tenant}/{id}").into_bytes()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().saturating_add(since)
}

/// What a row says.
enum Row {
    Present(Key),
    Destroyed { at: Timestamp, existed: bool },
}

impl Inner {
    /// The row's place is authenticated with the key, so that rows cannot be exchanged.
    fn wrap(&self, row_key: &[u8], secret: &[u8]) -> Result<Vec<u8>, PrivacyError> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let wrapped = self.master.key().seal(nonce, row_key, secret)?;
        Ok([&[PRESENT][..], &nonce, &wrapped].concat())
    }

    fn unwrap(&self, row_key: &[u8], row: &[u8]) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        let (nonce, wrapped) = row.strip_prefix(&[PRESENT])?.split_first_chunk::<NONCE_LEN>()?;
        self.master.key().open(*nonce, row_key, wrapped)
    }

    fn read(&self, row_key: &[u8]) -> Result<Option<Row>, PrivacyError> {
        let row = self.db.get_cf(&family(&self.db, KEYS)?, row_key).map_err(RocksError::from)?;
        let Some(row) = row else { return Ok(None) };
        let damaged = || PrivacyError::Damaged(format!("the row {} cannot be read", String::from_utf8_lossy(row_key)));
        match row.split_first() {
            Some((&DESTROYED, rest)) => {
                let (at, existed) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
                let at = Timestamp::from_micros(i64::from_be_bytes(*at));
                Ok(Some(Row::Destroyed { at, existed: existed == [1] }))
            }
            _ => {
                let key = self.unwrap(row_key, &row).and_then(|key| Key::from_slice(&key));
                Ok(Some(Row::Present(key.ok_or_else(damaged)?)))
            }
        }
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
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            let row_key = row_key(tenant, id);
            keys.push(match self.read(&row_key)? {
                Some(Row::Present(key)) => key,
                Some(Row::Destroyed { .. }) => return Err(PrivacyError::Destroyed { key_id: id.to_string() }),
                None => {
                    let key = Key::generate()?;
                    batch.put_cf(&family(&self.db, KEYS)?, &row_key, self.wrap(&row_key, key.bytes())?);
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
            match self.read(&row_key(tenant, id))? {
                Some(Row::Present(key)) => keys.push(key),
                Some(Row::Destroyed { .. }) => return Err(PrivacyError::Destroyed { key_id: id.to_string() }),
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
            let row_keys: Vec<_> = waiting.iter().map(|(row_key, _)| row_key.clone()).collect();
            let result = self.destroy(&row_keys);
            for (i, (_, done)) in waiting.into_iter().enumerate() {
                // Someone who went away does not want to know.
                let _ = done.send(result.clone().map(|destroyed| destroyed[i]));
            }
        }
    }

    /// Overwrites keys, then rewrites the files that held them.
    fn destroy(&self, row_keys: &[Vec<u8>]) -> Result<Vec<(Timestamp, bool)>, PrivacyError> {
        let keys = family(&self.db, KEYS)?;
        let _making = self.making.lock();
        let mut destroyed = Vec::with_capacity(row_keys.len());
        let mut batch = WriteBatch::default();
        for row_key in row_keys {
            let (at, existed) = match self.read(row_key)? {
                Some(Row::Destroyed { at, existed }) => (at, existed),
                present => {
                    let (at, existed) = (now(), present.is_some());
                    let tombstone = [&[DESTROYED][..], &at.as_micros().to_be_bytes(), &[u8::from(existed)]].concat();
                    batch.put_cf(&keys, row_key, tombstone);
                    (at, existed)
                }
            };
            destroyed.push((at, existed));
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
        let (first, last) = (row_keys.iter().min(), row_keys.iter().max());
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
        match self.inner.read(&row_key(tenant, id))? {
            Some(Row::Present(key)) => Ok(Some(key)),
            Some(Row::Destroyed { .. }) | None => Ok(None),
        }
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
                    queue.waiting.push((row_key(tenant, id), done));
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
                let (at, existed) = result.await.map_err(gone)??;
                destroyed.push(Destroyed { key_id: id.clone(), at, fingerprint: fingerprint(tenant, id), existed });
            }
            Ok(destroyed)
        }
        .boxed()
    }
}
