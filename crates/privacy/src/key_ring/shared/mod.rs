//! The key ring of several nodes: a keyed log that all of them follow, each with an index in memory.
//!
//! ```text
//!   get_or_create --- put key/<tenant>/<id>/<maker> ---> keyed log ---> every node: the first maker counts
//!         ^                                                  |
//!         +-------------- reads its own record back ---------+
//!
//!   destroy --- put gone/<tenant>/<id>/<maker>, then tombstones for every key of that name
//! ```
//!
//! Why that is enough: whether a key counts follows from the records and their order alone (`index.rs`), and that order
//! is the same for everybody. A node hands out no key before it has read that the key counts. So two nodes that make the
//! same key at once agree on one, and a key that was made while it was destroyed is never handed out.

mod follow;
mod import;
mod index;
mod inspect;
mod record;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::id::{Offset, TenantId};
use daybook_log::{Appended, KeyedLog};
use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::row::{Gone, now, place};
use super::{Destroyed, EmbeddedKeyRing, KeyId, KeyRing, MasterKey, fingerprint};
use crate::PrivacyError;
use crate::cipher::Key;

use follow::{Followed, from_log};
use index::Known;
use record::{Maker, Name, RecordKey};

pub use import::Imported;
pub use inspect::InspectedRing;

/// A key ring that several nodes share, on a keyed log.
///
/// **When a destruction is physical.** When `destroy` returns, a marker that the key is gone is durable, and so are the
/// tombstones of its records. From then on no node that has [caught up](KeyRing::caught_up) hands it out, and no content
/// is opened with it, since opening catches up first. The wrapped key itself leaves the files of the log later, when the
/// log cleans up: within [`leaves_disk_within`](KeyRing::leaves_disk_within), as long as one node runs and the brokers
/// do. If none runs, it goes on counting at the next start. Until then, who has the brokers' disks *and* the master key
/// could unwrap it.
///
/// A node that has not caught up may still return an existing key from `get_or_create` for a moment after another node
/// destroyed it, as it would have a moment earlier. It never makes a key anew.
///
/// **Memory.** Every key is held, wrapped, about 250 bytes each, and of every destroyed one its name and time.
pub struct SharedKeyRing {
    log: Arc<dyn KeyedLog>,
    master: MasterKey,
    followed: Arc<Followed>,
    /// Names that a caller of this node is making a key for; a second caller waits for the first.
    making: Mutex<HashSet<Name>>,
    /// Moved when names are let go of.
    made: watch::Sender<()>,
    following: AbortHandle,
    imported: Imported,
}

/// What to do if the log holds no ring yet.
pub enum Start<'a> {
    /// Refuse: there must be one.
    Existing,
    /// Make one.
    New,
    /// Make one that has the keys of an older ring on a local disk, under the same master key. If there is one already,
    /// what is missing in it is added.
    Import(&'a EmbeddedKeyRing),
}

impl SharedKeyRing {
    /// Reads the log to its end and checks the master key.
    ///
    /// # Errors
    /// [`PrivacyError::Missing`] when there is no ring and none may be made, [`PrivacyError::WrongMasterKey`],
    /// [`PrivacyError::Differs`] when the older ring has another key for a name, [`PrivacyError::Unavailable`] when the
    /// log cannot be read or written.
    pub async fn open(log: Arc<dyn KeyedLog>, master: MasterKey, start: Start<'_>) -> Result<Self, PrivacyError> {
        let followed = Followed::new();
        let reader = log.follow().map_err(from_log)?;
        let following = tokio::spawn(Arc::clone(&followed).follow(reader)).abort_handle();
        let (making, made) = (Mutex::default(), watch::Sender::new(()));
        let mut ring = Self { log, master, followed, making, made, following, imported: Imported::default() };
        ring.caught_up().await?;
        let is_there = ring.followed.index.read().check().is_some();
        if is_there {
            ring.check()?;
        }
        match start {
            Start::Existing if !is_there => return Err(PrivacyError::Missing(ring.log.describe())),
            Start::Existing | Start::New => {}
            Start::Import(older) => ring.imported = ring.import(older).await?,
        }
        if !is_there {
            // Last of all: before it is there, no other node starts on a ring that is half taken over.
            let put = ring
                .log
                .put(RecordKey::Check(Maker::new()?).to_string().as_bytes(), Some(ring.master.check_row()?.into()));
            ring.followed.reach(put.await.map_err(from_log)?.next()).await?;
            // It may have been another node's that came first.
            ring.check()?;
        }
        let debris = ring.followed.index.read().debris();
        ring.withdraw(debris).await;
        Ok(ring)
    }

    /// What opening it took over from an older ring.
    pub fn imported(&self) -> Imported {
        self.imported
    }

    fn check(&self) -> Result<(), PrivacyError> {
        let check = self.followed.index.read().check().cloned();
        self.master.passes(&check.unwrap_or_default())
    }

    /// All keys, or the names of those that are missing.
    fn known(&self, tenant: &TenantId, ids: &[KeyId]) -> Result<Result<Vec<Key>, Vec<Name>>, PrivacyError> {
        self.followed.is_followed()?;
        let (mut keys, mut missing) = (Vec::with_capacity(ids.len()), Vec::new());
        for id in ids {
            let name = Name::new(tenant, id);
            let known = self.followed.index.read().known(&name);
            match known {
                Known::Key(_, row) => keys.push(self.master.key_in(&place(tenant, id), &row)?),
                Known::Gone(_) => return Err(PrivacyError::Destroyed { key_id: id.to_string() }),
                Known::Nothing => missing.push(name),
            }
        }
        Ok(if missing.is_empty() { Ok(keys) } else { Err(missing) })
    }

    /// Makes keys, and returns when it is known whose keys count.
    async fn make(&self, names: &[Name]) -> Result<(), PrivacyError> {
        let mut puts = Vec::new();
        for name in names {
            if self.followed.index.read().known(name) != Known::Nothing {
                continue;
            }
            let maker = Maker::new()?;
            let row = self.master.wrap(&place(&name.tenant, &name.id), Key::generate()?.bytes())?;
            let key = RecordKey::Key(name.clone(), maker);
            puts.push((maker, name, self.log.put(key.to_string().as_bytes(), Some(row.into()))));
        }
        let (mut end, mut own) = (Offset(0), Vec::new());
        for (maker, name, put) in puts {
            // A put that failed may be on the log and count nevertheless: nothing is taken back. Whoever asks next finds it.
            end = end.max(put.await.map_err(from_log)?.next());
            own.push((maker, name));
        }
        self.followed.reach(end).await?;
        let lost = own.into_iter().filter(|(maker, name)| {
            let known = self.followed.index.read().known(name);
            !matches!(known, Known::Key(winner, _) if winner == *maker)
        });
        let lost = lost.map(|(maker, name)| RecordKey::Key(name.clone(), maker)).collect();
        self.withdraw(lost).await;
        Ok(())
    }

    /// Takes keys off the log that do not count. If that fails, whoever opens the ring next does it.
    async fn withdraw(&self, keys: Vec<RecordKey>) {
        if let Err(error) = self.take_off(&keys).await {
            tracing::warn!(%error, "keys that nobody uses are left on the log until the next start");
        }
    }

    async fn take_off(&self, keys: &[RecordKey]) -> Result<Offset, PrivacyError> {
        for key in keys {
            let RecordKey::Key(name, _) = key else { continue };
            let unsaid = self.followed.index.read().unsaid(name);
            if let Some(gone) = unsaid {
                self.followed.reach(self.put_marker(name, gone)?.await.map_err(from_log)?.next()).await?;
            }
        }
        let puts: Vec<_> = keys.iter().map(|key| self.log.put(key.to_string().as_bytes(), None)).collect();
        let mut end = Offset(0);
        for put in puts {
            end = end.max(put.await.map_err(from_log)?.next());
        }
        Ok(end)
    }

    /// Says that a key is gone. Always a record of its own: see `index.rs`.
    fn put_marker(&self, name: &Name, gone: Gone) -> Result<Appended, PrivacyError> {
        let key = RecordKey::Gone(name.clone(), Maker::new()?);
        Ok(self.log.put(key.to_string().as_bytes(), Some(gone.to_row().into())))
    }

    /// Claims those names that nobody on this node is making a key for.
    fn claim(&self, names: Vec<Name>) -> Claim<'_> {
        let mut making = self.making.lock();
        Claim { ring: self, names: names.into_iter().filter(|name| making.insert(name.clone())).collect() }
    }

    async fn destroy_names(&self, names: &[Name]) -> Result<Vec<Gone>, PrivacyError> {
        // What others have made is to be found, and to be reported as having existed.
        self.caught_up().await?;
        let mut markers = Vec::new();
        for name in names {
            let known = self.followed.index.read().known(name);
            if !matches!(known, Known::Gone(_)) {
                let gone = Gone { at: now(), existed: matches!(known, Known::Key(..)) };
                markers.push(self.put_marker(name, gone)?);
            }
        }
        let mut end = Offset(0);
        for marker in markers {
            end = end.max(marker.await.map_err(from_log)?.next());
        }
        self.followed.reach(end).await?;
        // Also those that an earlier attempt has left.
        let made: Vec<_> = names.iter().flat_map(|name| self.followed.index.read().made_for(name)).collect();
        let end = self.take_off(&made).await?;
        self.followed.reach(end).await?;
        let gone = |name| match self.followed.index.read().known(name) {
            Known::Gone(gone) => Ok(gone),
            _ => Err(PrivacyError::Unavailable(format!("the destruction of {} does not show", name.id))),
        };
        names.iter().map(gone).collect()
    }
}

impl Drop for SharedKeyRing {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// Names that one caller is making keys for. Let go of when it is dropped.
struct Claim<'a> {
    ring: &'a SharedKeyRing,
    names: Vec<Name>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let mut making = self.ring.making.lock();
        self.names.iter().for_each(|name| {
            making.remove(name);
        });
        drop(making);
        self.ring.made.send_replace(());
    }
}

impl KeyRing for SharedKeyRing {
    fn get_or_create<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Key>, PrivacyError>> {
        async move {
            let mut made = self.made.subscribe();
            loop {
                made.mark_unchanged();
                let missing = match self.known(tenant, ids)? {
                    Ok(keys) => return Ok(keys),
                    Err(missing) => missing,
                };
                let claim = self.claim(missing);
                if claim.names.is_empty() {
                    // All of them are being made. The ring has the sender: it cannot be closed.
                    drop(claim);
                    let _ = made.changed().await;
                } else {
                    self.make(&claim.names).await?;
                }
            }
        }
        .boxed()
    }

    fn get(&self, tenant: &TenantId, id: &KeyId) -> Result<Option<Key>, PrivacyError> {
        self.followed.is_followed()?;
        let known = self.followed.index.read().known(&Name::new(tenant, id));
        match known {
            Known::Key(_, row) => self.master.key_in(&place(tenant, id), &row).map(Some),
            Known::Gone(_) | Known::Nothing => Ok(None),
        }
    }

    fn caught_up(&self) -> BoxFuture<'_, Result<(), PrivacyError>> {
        async move {
            let end = self.log.end().await.map_err(from_log)?;
            self.followed.reach(end).await
        }
        .boxed()
    }

    fn destroy<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Destroyed>, PrivacyError>> {
        async move {
            let names: Vec<_> = ids.iter().map(|id| Name::new(tenant, id)).collect();
            let gone = self.destroy_names(&names).await?;
            let proof = |(id, Gone { at, existed }): (&KeyId, Gone)| Destroyed {
                key_id: id.clone(),
                at,
                fingerprint: fingerprint(tenant, id),
                existed,
            };
            Ok(ids.iter().zip(gone).map(proof).collect())
        }
        .boxed()
    }

    fn leaves_disk_within(&self) -> Duration {
        self.log.forgets_within()
    }
}

#[cfg(test)]
impl SharedKeyRing {
    /// What lies on the log for a key.
    pub(crate) fn inner_row(&self, tenant: &TenantId, id: &KeyId) -> Vec<u8> {
        match self.followed.index.read().known(&Name::new(tenant, id)) {
            Known::Key(_, row) => row.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    /// How many records with keys are on the log that do not count.
    pub(crate) fn debris(&self) -> usize {
        self.followed.index.read().debris().len()
    }
}
