//! Pseudonyms that change: keyed per tenant and epoch.
//!
//! Where somebody only counts people, one pseudonym for ever is more than is needed: it lets a life be put together from
//! what was recorded over years. These change at the end of every epoch. Inside one the same identifier is the same
//! pseudonym; across two nobody can tell without the keys of both. Once the key of an epoch is destroyed, nobody can tell
//! any more whose a pseudonym of it was, though they may still be counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
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

/// Makes pseudonyms that change.
pub struct RotatingPseudonyms {
    ring: Arc<dyn KeyRing>,
    rotation: Rotation,
    keys: Mutex<BTreeMap<(TenantId, i64), (std::time::Instant, Key)>>,
}

impl RotatingPseudonyms {
    /// Under keys of a ring.
    pub fn new(ring: Arc<dyn KeyRing>, rotation: Rotation) -> Self {
        Self { ring, rotation, keys: Mutex::default() }
    }

    /// How often they change.
    pub fn rotation(&self) -> Rotation {
        self.rotation
    }

    /// The pseudonyms that identifiers have at a moment, in their order. What is a pseudonym already stays as it is.
    ///
    /// # Errors
    /// [`PrivacyError::Destroyed`] when the epoch was forgotten, [`PrivacyError::Unavailable`] when its key cannot be had.
    pub async fn of(&self, tenant: &TenantId, at: Timestamp, ids: &[&str]) -> Result<Vec<String>, PrivacyError> {
        let key = self.key(tenant, self.rotation.epoch_at(at)).await?;
        Ok(ids.iter().map(|id| pseudonym(&key, id)).collect())
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

    async fn key(&self, tenant: &TenantId, epoch: i64) -> Result<Key, PrivacyError> {
        let name = (tenant.clone(), epoch);
        if let Some((read_at, key)) = self.keys.lock().get(&name)
            && read_at.elapsed() < KEY_AGE_MAX
        {
            return Ok(key.clone());
        }
        let made = self.ring.get_or_create(tenant, &[KeyId::actors(epoch)]).await?;
        let missing = || PrivacyError::Unavailable(format!("the key of epoch {epoch} was not made"));
        let key = made.into_iter().next().ok_or_else(missing)?;
        let mut keys = self.keys.lock();
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(name, (std::time::Instant::now(), key.clone()));
        Ok(key)
    }
}
