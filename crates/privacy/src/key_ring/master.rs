//! The master key: the one secret that an operator keeps. It wraps every other key.

use std::fmt;
use std::path::Path;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::PrivacyError;
use crate::cipher::{KEY_BYTES, Key, random};

/// The master key.
#[derive(Clone)]
pub struct MasterKey(Key);

impl MasterKey {
    /// Reads 64 hexadecimal digits; surrounding space does not matter.
    pub fn from_hex(text: &str) -> Result<Self, PrivacyError> {
        let wrong = || PrivacyError::NoMasterKey("it is not 64 hexadecimal digits".to_owned());
        let digits = text.trim();
        if digits.len() != 2 * KEY_BYTES || !digits.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
        }
        Key::from_slice(&bytes[..]).map(Self).ok_or_else(wrong)
    }

    /// Reads it from a file.
    pub fn from_file(path: &Path) -> Result<Self, PrivacyError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|error| PrivacyError::NoMasterKey(format!("{}: {error}", path.display())))?;
        Self::from_hex(&text)
    }

    /// A new one, as text for a file that the operator keeps.
    pub fn generate_hex() -> Result<Zeroizing<String>, PrivacyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random(&mut bytes[..])?;
        Ok(Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// A key for another purpose, which does not tell anything about this one (HMAC-SHA-256 over the purpose).
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.bytes());
        let code = hmac::sign(&key, purpose.as_bytes());
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        derived.copy_from_slice(code.as_ref());
        derived
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}
