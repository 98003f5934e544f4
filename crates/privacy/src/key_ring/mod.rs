//! The key ring: the keys of items, people and tenants, outside log and store, wrapped by a master key.

mod embedded;
mod master;
mod memory;
mod row;
mod shared;

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use futures_util::future::{BoxFuture, FutureExt, ready};

use crate::PrivacyError;
use crate::cipher::Key;

pub use embedded::EmbeddedKeyRing;
pub use master::MasterKey;
pub use memory::MemoryKeyRing;
pub use shared::{Imported, InspectedRing, SharedKeyRing, Start};

/// Names a key inside its tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// The key of an item.
    pub fn item(item_id: &str) -> Self {
        Self(format!("item/{item_id}"))
    }

    /// The key of a person, by pseudonym.
    pub fn person(pseudonym: &str) -> Self {
        Self(format!("person/{pseudonym}"))
    }

    /// The key under which a tenant's pseudonyms are made.
    pub fn pseudonyms() -> Self {
        Self("tenant/pseudonyms".to_owned())
    }

    /// The key under which a tenant's rotating pseudonyms of an epoch are made.
    pub fn actors(epoch: i64) -> Self {
        Self(format!("tenant/actors/{epoch}"))
    }

    /// As a seal names it.
    pub fn from_log(key_id: &str) -> Self {
        Self(key_id.to_owned())
    }

    /// As a seal names it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Proof that a key is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// The key.
    pub key_id: KeyId,
    /// When it was destroyed: from then on it is not handed out. Its bytes have left the files of the key ring
    /// [`KeyRing::leaves_disk_within`] of that.
    pub at: Timestamp,
    /// SHA-256 over tenant and key id, lower-case hex: names the key without being it.
    pub fingerprint: String,
    /// False when there was no such key.
    pub existed: bool,
}

/// Keeps keys.
///
/// What an implementation MUST do:
///
/// - When `get_or_create` returns, every key that it returns survives a crash.
/// - Whoever asks for the same key gets the same key, until it is destroyed: on every node that shares the ring.
/// - A destroyed key never comes back: it is not made anew under the same id.
/// - When `destroy` returns, the destruction survives a crash, and no node that has caught up since hands the key out.
/// - [`leaves_disk_within`](Self::leaves_disk_within) of that, no file of the key ring holds the key any more, wrapped or
///   not.
///
/// | ring | leaves disk within | one that has not caught up |
/// | --- | --- | --- |
/// | [`EmbeddedKeyRing`] | zero: `destroy` returns when the files are rewritten | there is none |
/// | [`SharedKeyRing`] | what the log below says: the brokers clean up some minutes later | can be behind for a moment |
/// | [`MemoryKeyRing`] | zero: there is no file | there is none |
pub trait KeyRing: Send + Sync + 'static {
    /// The keys, in the order asked for; those that are missing are made.
    ///
    /// # Errors
    /// [`PrivacyError::Destroyed`] when one of them was destroyed.
    fn get_or_create<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Key>, PrivacyError>>;

    /// A key; `None` when it was destroyed or never made, as far as this node knows: see [`caught_up`](Self::caught_up).
    ///
    /// # Errors
    /// [`PrivacyError::Damaged`] when there is one but it cannot be read.
    fn get(&self, tenant: &TenantId, id: &KeyId) -> Result<Option<Key>, PrivacyError>;

    /// Waits until `get` knows everything that any node had done when this was called.
    ///
    /// # Errors
    /// [`PrivacyError::Unavailable`] when that cannot be found out.
    fn caught_up(&self) -> BoxFuture<'_, Result<(), PrivacyError>> {
        ready(Ok(())).boxed()
    }

    /// Destroys keys. Safe to repeat: a key that is gone is reported with the time at which it went.
    ///
    /// # Errors
    /// [`PrivacyError::Unavailable`] when it is not certain that all of them are destroyed. Repeat it.
    fn destroy<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Destroyed>, PrivacyError>>;

    /// How long after `destroy` returned the key can still lie in a file of the ring, at most.
    fn leaves_disk_within(&self) -> Duration;
}

/// Names a key without being it.
fn fingerprint(tenant: &TenantId, id: &KeyId) -> String {
    let named = format!("{tenant}\n{id}");
    let hash = digest::digest(&digest::SHA256, named.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
