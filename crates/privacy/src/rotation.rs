//! Pseudonyms that change: keyed per tenant and epoch.
//!
//! Where somebody only counts people, one pseudonym for ever is more than is needed: it lets a life be put together from
//! what was recorded over years. These change at the end of every epoch. Inside one the same identifier is the same
//! pseudonym; across two nobody can tell without the keys of both. Once the key of an epoch is destroyed, nobody can tell
//! any more whose a pseudonym of it was, though they may still be counted.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use daybook_mail_address::{as_written, compared};
use parking_lot::Mutex;

use crate::PrivacyError;
use crate::cipher::Key;
use crate::key_ring::{Destroyed, KeyId, KeyRing};
use crate::pseudonym::pseudonym;

/// How often pseudonyms change. Epochs are counted from 1970 on, in UTC: every node finds the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    every_us: i64,
}

impl Rotation {
    /// Every so often; in whole days, one at least.
    pub fn days(days: u16) -> Self {
        Self { every_us: i64::from(days.max(1)) * 86_400_000_000 }
    }

    /// The epoch that a moment falls into.
    pub fn epoch_at(self, at: Timestamp) -> i64 {
        at.as_micros().div_euclid(self.every_us)
    }

    /// When an epoch begins.
    pub fn begins_at(self, epoch: i64) -> Timestamp {
        Timestamp::from_micros(epoch.saturating_mul(self.every_us))
    }
}

/// Keys that are kept in memory: of the latest tenants and epochs.
const KEYS_MAX: usize = 10_000;
/// A destroyed key is forgotten after this long at the latest, on nodes that did not destroy it.
const KEY_AGE_MAX: Duration = Duration::from_secs(60);

/// The keys of epochs, of all tenants.
pub struct EpochKeys {
    ring: Arc<dyn KeyRing>,
    keys: Mutex<BTreeMap<(TenantId, i64), (std::time::Instant, EpochKey)>>,
}

/// The key of one tenant's epoch.
#[derive(Clone)]
pub struct EpochKey {
    key: Key,
    mac: hmac::Key,
}

impl std::fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EpochKey(..)")
    }
}

impl EpochKey {
    fn new(key: Key) -> Self {
        Self { mac: hmac::Key::new(hmac::HMAC_SHA256, key.bytes()), key }
    }

    /// The pseudonym of an identifier, in text.
    pub fn pseudonym(&self, id: &str) -> String {
        pseudonym(&self.key, id)
    }

    /// The short pseudonym of somebody who does something: the first 16 bytes of HMAC-SHA-256 over `actor`, a zero byte and
    /// the identifier as it is written, but for case, surrounding space and compatible forms of characters.
    pub fn actor(&self, id: &str) -> [u8; 16] {
        self.tag(b"actor\0", as_written(id).as_bytes())
    }

    /// What stands for the id of an event, which may say more than it should: the same with `event` and the id as it is.
    pub fn event(&self, id: &str) -> [u8; 16] {
        self.tag(b"event\0", id.as_bytes())
    }

    fn tag(&self, what: &[u8], id: &[u8]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(what);
        context.update(id);
        let mut short = [0; 16];
        let tag = context.sign();
        short.copy_from_slice(tag.as_ref().get(..16).unwrap_or(&[0; 16]));
        short
    }
}

impl EpochKeys {
    /// Of a ring.
    pub fn new(ring: Arc<dyn KeyRing>) -> Self {
        Self { ring, keys: Mutex::default() }
    }

    /// The key of an epoch; made if there is none.
    ///
    /// # Errors
    /// [`PrivacyError::Destroyed`] when the epoch was forgotten, [`PrivacyError::Unavailable`] when its key cannot be had.
    pub async fn get(&self, tenant: &TenantId, epoch: i64) -> Result<EpochKey, PrivacyError> {
        let name = (tenant.clone(), epoch);
        if let Some((read_at, key)) = self.keys.lock().get(&name)
            && read_at.elapsed() < KEY_AGE_MAX
        {
            return Ok(key.clone());
        }
        let made = self.ring.get_or_create(tenant, &[KeyId::actors(epoch)]).await?;
        let missing = || PrivacyError::Unavailable(format!("the key of epoch {epoch} was not made"));
        let key = EpochKey::new(made.into_iter().next().ok_or_else(missing)?);
        let mut keys = self.keys.lock();
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(name, (std::time::Instant::now(), key.clone()));
        Ok(key)
    }

    /// The short pseudonyms that an identifier has in those of these epochs whose keys exist, in every way to write it that
    /// an address has. Makes no key.
    ///
    /// # Errors
    /// [`PrivacyError::Unavailable`] when it cannot be known which keys there are, [`PrivacyError::Damaged`].
    pub async fn of_actor(
        &self,
        tenant: &TenantId,
        id: &str,
        epochs: RangeInclusive<i64>,
    ) -> Result<Vec<[u8; 16]>, PrivacyError> {
        self.ring.caught_up().await?;
        let compared = compared(id);
        let mut spellings = [vec![as_written(id), compared.form], compared.former].concat();
        spellings.sort();
        spellings.dedup();
        let mut pseudonyms = Vec::new();
        for epoch in epochs {
            if let Some(key) = self.ring.get(tenant, &KeyId::actors(epoch))? {
                let key = EpochKey::new(key);
                pseudonyms.extend(spellings.iter().map(|spelling| key.actor(spelling)));
            }
        }
        Ok(pseudonyms)
    }

    /// Destroys the key of an epoch: its pseudonyms are nobody's from then on.
    ///
    /// # Errors
    /// [`PrivacyError::Unavailable`] when it is not certain that it is destroyed. Repeat it.
    pub async fn forget(&self, tenant: &TenantId, epoch: i64) -> Result<Destroyed, PrivacyError> {
        let destroyed = self.ring.destroy(tenant, &[KeyId::actors(epoch)]).await?;
        self.keys.lock().remove(&(tenant.clone(), epoch));
        let unsaid = || PrivacyError::Unavailable(format!("the destruction of epoch {epoch} does not show"));
        destroyed.into_iter().next().ok_or_else(unsaid)
    }
}

/// Makes pseudonyms that change.
pub struct RotatingPseudonyms {
    keys: EpochKeys,
    rotation: Rotation,
}

impl RotatingPseudonyms {
    /// Under keys of a ring.
    pub fn new(ring: Arc<dyn KeyRing>, rotation: Rotation) -> Self {
        Self { keys: EpochKeys::new(ring), rotation }
    }

    /// How often they change.
    pub fn rotation(&self) -> Rotation {
        self.rotation
    }

    /// The pseudonyms that identifiers have at a moment, in their order. What is a pseudonym already stays as it is.
    ///
    /// # Errors
    /// As [`EpochKeys::get`].
    pub async fn of(&self, tenant: &TenantId, at: Timestamp, ids: &[&str]) -> Result<Vec<String>, PrivacyError> {
        let key = self.keys.get(tenant, self.rotation.epoch_at(at)).await?;
        Ok(ids.iter().map(|id| key.pseudonym(id)).collect())
    }

    /// Destroys the key of an epoch: its pseudonyms are nobody's from then on.
    ///
    /// # Errors
    /// As [`EpochKeys::forget`].
    pub async fn forget(&self, tenant: &TenantId, epoch: i64) -> Result<Destroyed, PrivacyError> {
        self.keys.forget(tenant, epoch).await
    }
}
