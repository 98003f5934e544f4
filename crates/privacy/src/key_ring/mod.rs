//! The key ring: the keys of items, people and tenants, outside log and store, wrapped by a master key.

mod embedded;
mod master;
mod memory;

use std::fmt;

use aws_lc_rs::digest;
use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use futures_util::future::BoxFuture;

use crate::PrivacyError;
use crate::cipher::Key;

pub use embedded::EmbeddedKeyRing;
pub use master::MasterKey;
pub use memory::MemoryKeyRing;

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
    /// When its bytes had left the files of the key ring.
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
/// - Whoever asks for the same key gets the same key, until it is destroyed.
/// - A destroyed key never comes back: it is not made anew under the same id.
/// - When `destroy` returns, no file of the key ring holds the key any more, wrapped or not.
pub trait KeyRing: Send + Sync + 'static {
    /// The keys, in the order asked for; those that are missing are made.
    fn get_or_create<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Key>, PrivacyError>>;

    /// A key; `None` when it was destroyed or never made.
    fn get(&self, tenant: &TenantId, id: &KeyId) -> Result<Option<Key>, PrivacyError>;

    /// Destroys keys. Safe to repeat: a key that is gone is reported with the time at which it went.
    fn destroy<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Destroyed>, PrivacyError>>;
}

/// Names a key without being it.
fn fingerprint(tenant: &TenantId, id: &KeyId) -> String {
    let named = format!("{tenant}\n{id}");
    let hash = digest::digest(&digest::SHA256, named.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
