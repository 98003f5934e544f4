//! AES-256-GCM-SIV (RFC 8452): authenticated encryption that survives a repeated nonce.
//!
//! Content is sealed with a nonce that follows from its place, so that sealing the same content at the same place again
//! (a retry) gives the same bytes and so the same command. With GCM-SIV a repeated nonce reveals nothing but that two
//! plaintexts under the same key are equal.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use daybook_kernel::hash::Hash;
use zeroize::Zeroizing;

use crate::PrivacyError;

/// Length of a key, in bytes.
pub(crate) const KEY_BYTES: usize = 32;

/// A key of 256 bits. Wiped from memory when it is dropped. Only this crate can use it.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub(crate) fn generate() -> Result<Self, PrivacyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random(&mut bytes[..])?;
        Ok(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Encrypts content at a place. The place is authenticated with it.
    pub(crate) fn seal_at(&self, place: &Place<'_>, content: &[u8]) -> Result<Vec<u8>, PrivacyError> {
        self.seal(place.nonce(), &place.bytes(), content)
    }

    /// Decrypts content that was sealed at a place; `None` if it was not.
    pub(crate) fn open_at(&self, place: &Place<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.open(place.nonce(), &place.bytes(), sealed)
    }

    pub(crate) fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], content: &[u8]) -> Result<Vec<u8>, PrivacyError> {
        let mut sealed = content.to_vec();
        let failed = |_| PrivacyError::Unavailable("encryption failed".to_owned());
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.cipher()?.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed).map_err(failed)?;
        Ok(sealed)
    }

    pub(crate) fn open(&self, nonce: [u8; NONCE_LEN], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut content = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = self.cipher().ok()?.open_in_place(nonce, Aad::from(aad), &mut content).ok()?.len();
        content.truncate(length);
        Some(content)
    }

    fn cipher(&self) -> Result<LessSafeKey, PrivacyError> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, &self.0[..]);
        key.map(LessSafeKey::new).map_err(|_| PrivacyError::Unavailable("the cipher refused the key".to_owned()))
    }
}

/// Where content stands: what it is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) key_id: &'a str,
    pub(crate) message: &'a str,
}

impl Place<'_> {
    fn bytes(&self) -> [u8; 32] {
        let parts = [&b"daybook seal 1"[..], self.tenant.as_bytes(), self.key_id.as_bytes(), self.message.as_bytes()];
        *Hash::of_parts(&parts).as_bytes()
    }

    fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&self.bytes()[..NONCE_LEN]);
        nonce
    }
}

/// Fills with bytes from the system's source of randomness.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), PrivacyError> {
    rand::fill(bytes).map_err(|_| PrivacyError::Unavailable("the system has no randomness".to_owned()))
}
