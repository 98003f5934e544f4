//! What a key ring stores for a key, on whatever it lies.
//!
//! | value | says |
//! | --- | --- |
//! | `01`, 12 bytes of nonce, the key wrapped by the master key | there is a key |
//! | `02`, time in microseconds (8 bytes), whether there was a key (1 byte) | it was destroyed |

use std::time::SystemTime;

use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use zeroize::Zeroizing;

use super::{KeyId, MasterKey};
use crate::PrivacyError;
use crate::cipher::{Key, random};

const PRESENT: u8 = 1;
const DESTROYED: u8 = 2;
const NONCE_LEN: usize = 12;

/// Where a known text lies under the master key, which tells a wrong one.
pub(super) const CHECK: &str = "check";
const CHECK_TEXT: &[u8] = b"daybook key ring 1";

/// What a row says.
pub(super) enum Row {
    Present(Key),
    Destroyed(Gone),
}

/// When a key was destroyed, and whether there was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) at: Timestamp,
    pub(super) existed: bool,
}

impl Gone {
    pub(super) fn to_row(self) -> Vec<u8> {
        [&[DESTROYED][..], &self.at.as_micros().to_be_bytes(), &[u8::from(self.existed)]].concat()
    }

    pub(super) fn from_row(row: &[u8]) -> Option<Self> {
        let (at, existed) = row.strip_prefix(&[DESTROYED])?.split_first_chunk::<8>()?;
        Some(Self { at: Timestamp::from_micros(i64::from_be_bytes(*at)), existed: existed == [1] })
    }
}

/// The place of a key. It is authenticated with the key, so that rows cannot be exchanged.
pub(super) fn place(tenant: &TenantId, id: &KeyId) -> String {
    format!("key/{tenant}/{id}")
}

/// The key that a place names, if it names one.
pub(super) fn of_place(place: &str) -> Option<(TenantId, KeyId)> {
    let (tenant, id) = place.strip_prefix("key/")?.split_once('/')?;
    Some((TenantId::parse(tenant).ok()?, KeyId::from_log(id)))
}

impl MasterKey {
    /// The row of a key.
    pub(super) fn wrap(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, PrivacyError> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let wrapped = self.key().seal(nonce, place.as_bytes(), secret)?;
        Ok([&[PRESENT][..], &nonce, &wrapped].concat())
    }

    fn unwrap(&self, place: &str, row: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, wrapped) = row.strip_prefix(&[PRESENT])?.split_first_chunk::<NONCE_LEN>()?;
        self.key().open(*nonce, place.as_bytes(), wrapped)
    }

    /// The key in a row.
    pub(super) fn key_in(&self, place: &str, row: &[u8]) -> Result<Key, PrivacyError> {
        let key = self.unwrap(place, row).and_then(|key| Key::from_slice(&key));
        key.ok_or_else(|| PrivacyError::Damaged(format!("the row {place} cannot be read")))
    }

    /// What a row says.
    pub(super) fn read(&self, place: &str, row: &[u8]) -> Result<Row, PrivacyError> {
        if row.first() != Some(&DESTROYED) {
            return self.key_in(place, row).map(Row::Present);
        }
        let gone = Gone::from_row(row).map(Row::Destroyed);
        gone.ok_or_else(|| PrivacyError::Damaged(format!("the row {place} cannot be read")))
    }

    /// The row that tells this master key from another.
    pub(super) fn check_row(&self) -> Result<Vec<u8>, PrivacyError> {
        self.wrap(CHECK, CHECK_TEXT)
    }

    /// Whether a ring with this check was made under this master key.
    pub(super) fn passes(&self, check: &[u8]) -> Result<(), PrivacyError> {
        match self.unwrap(CHECK, check) {
            Some(text) if text[..] == *CHECK_TEXT => Ok(()),
            _ => Err(PrivacyError::WrongMasterKey),
        }
    }
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().saturating_add(since)
}
