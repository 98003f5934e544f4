//! Keys for signing checkpoints, and for checking them.
//!
//! A signing key is read from a file: PKCS#8 in PEM (as `openssl genpkey -algorithm ed25519` writes it), or the 32 bytes
//! of the seed, raw or as 64 hexadecimal digits. A public key is 64 hexadecimal digits, or a file that holds them or a
//! PEM public key.

use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::CheckpointError;

const PRIVATE: (&str, &str) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
const PUBLIC: (&str, &str) = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----");
/// What comes before the 32 bytes in the X.509 form of an Ed25519 public key (RFC 8410).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that signs.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Makes a key and writes it into a file that only its owner can read. A file that is there is not overwritten.
    pub fn create(file: &Path) -> Result<Self, CheckpointError> {
        let failed = |error: &dyn ToString| CheckpointError::key(file, error.to_string());
        let key = Ed25519KeyPair::generate().map_err(|error| failed(&error))?;
        let pkcs8 = key.to_pkcs8v1().map_err(|error| failed(&error))?;
        let encoded = Zeroizing::new(STANDARD.encode(pkcs8.as_ref()));
        let pem = Zeroizing::new(format!("{}\n{}\n{}\n", PRIVATE.0, &*encoded, PRIVATE.1));
        let write = || {
            let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
            out.write_all(pem.as_bytes())?;
            out.sync_all()
        };
        write().map_err(|error: std::io::Error| failed(&error))?;
        Ok(Self(key))
    }

    /// Reads a key.
    pub fn from_file(file: &Path) -> Result<Self, CheckpointError> {
        let wrong = || CheckpointError::key(file, "it holds no Ed25519 key (PKCS#8 in PEM, or a seed of 32 bytes)");
        let bytes = fs::read(file).map(Zeroizing::new).map_err(|error| CheckpointError::key(file, error))?;
        if bytes.len() == 32 {
            return Ed25519KeyPair::from_seed_unchecked(&bytes).map(Self).map_err(|_| wrong());
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
        if let Some(seed) = from_hex(text.trim()) {
            return Ed25519KeyPair::from_seed_unchecked(&seed[..]).map(Self).map_err(|_| wrong());
        }
        let pkcs8 = Zeroizing::new(from_pem(text, PRIVATE).ok_or_else(wrong)?);
        Ed25519KeyPair::from_pkcs8(&pkcs8).map(Self).map_err(|_| wrong())
    }

    /// The key to check with.
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.0.sign(text).as_ref());
        bytes
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey of {}", self.public_key())
    }
}

/// A key that checks signatures. Shown as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(|bytes| Self(*bytes))
    }

    /// From 64 hexadecimal digits, or from a file.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        if let Some(key) = Self::from_hex(text.trim()) {
            return Ok(key);
        }
        let file = Path::new(text);
        let read = fs::read_to_string(file).map_err(|error| {
            CheckpointError::key(file, format!("neither 64 hexadecimal digits nor a file that can be read: {error}"))
        })?;
        if let Some(key) = Self::from_hex(read.trim()) {
            return Ok(key);
        }
        let key = from_pem(&read, PUBLIC).and_then(|der| der.strip_prefix(&PUBLIC_PREFIX)?.try_into().ok().map(Self));
        key.ok_or_else(|| CheckpointError::key(file, "it holds no Ed25519 public key (64 hexadecimal digits, or PEM)"))
    }

    pub(crate) fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0[..]).verify(text, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn from_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn from_pem(text: &str, (begin, end): (&str, &str)) -> Option<Vec<u8>> {
    let (_, after) = text.split_once(begin)?;
    let (body, _) = after.split_once(end)?;
    let body: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    STANDARD.decode(body.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.3 and 10.1.
    const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
                               MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                               -----END PRIVATE KEY-----\n";
    const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
                              MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                              -----END PUBLIC KEY-----\n";
    const SEED: &str = "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";

    #[test]
    fn every_form_of_a_key_is_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let file = folder.path().join(name);
            fs::write(&file, content).unwrap();
            file
        };
        let public = PublicKey::parse(write("public.pem", RFC_PUBLIC.as_bytes()).to_str().unwrap()).unwrap();
        assert_eq!(public.to_string(), "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
        assert_eq!(PublicKey::parse(&public.to_string()), Ok(public));
        let raw: Vec<u8> = from_hex(SEED).unwrap().to_vec();
        for file in [
            write("private.pem", RFC_PRIVATE.as_bytes()),
            write("seed.hex", format!("{SEED}\n").as_bytes()),
            write("seed", &raw),
        ] {
            assert_eq!(SigningKey::from_file(&file).unwrap().public_key(), public, "{}", file.display());
        }
    }

    #[test]
    fn a_new_key_is_for_its_owner_only_and_overwrites_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let made = SigningKey::create(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::from_file(&file).unwrap().public_key(), made.public_key());
        assert_eq!(SigningKey::create(&file).unwrap_err().code().name, "CHECKPOINT_KEY_INVALID");
        assert_eq!(SigningKey::from_file(&file).unwrap().public_key(), made.public_key(), "it is still there");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        for content in ["", "nonsense", &SEED[1..], "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            fs::write(&file, content).unwrap();
            assert_eq!(SigningKey::from_file(&file).unwrap_err().code().name, "CHECKPOINT_KEY_INVALID");
            assert_eq!(PublicKey::parse(file.to_str().unwrap()).unwrap_err().code().name, "CHECKPOINT_KEY_INVALID");
        }
        assert!(SigningKey::from_file(&folder.path().join("nowhere")).is_err());
    }
}
