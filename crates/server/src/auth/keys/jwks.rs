//! The keys of a JSON Web Key Set (RFC 7517) that can check tokens.
//!
//! Providers publish other keys beside them: for encryption, of kinds that this release does not know, or broken. As
//! RFC 7517, section 5, asks, those are passed over; a set in which nothing is left is refused, because it would lock
//! every caller out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::super::ALGORITHMS;

/// Lengths of RSA moduli that signatures are checked with, in bytes: 2048 to 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1_024;

/// How many keys that cannot be used are named.
const NAMED_MAX: usize = 10;

/// The keys of a set that can check tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Jwks {
    /// The keys.
    pub usable: Vec<Jwk>,
    /// Keys for signatures that cannot be used: which, and why. The first of them.
    pub passed_over: Vec<String>,
    /// How many there are.
    pub passed_over_count: usize,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Jwks {
    /// Reads a set. It must hold at least one key that can check tokens.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(text).map_err(|error| format!("it is no JWKS: {error}"))?;
        let mut set = Self::default();
        for (index, key) in document.keys.into_iter().enumerate() {
            let name = name(&key, index);
            match serde_json::from_value::<Jwk>(key).map_err(|error| error.to_string()) {
                Ok(key) if !is_for_signatures(&key) => {}
                Ok(key) => match unusable(&key) {
                    None => set.usable.push(key),
                    Some(why) => set.pass_over(&name, &why),
                },
                Err(why) => set.pass_over(&name, &why),
            }
        }
        if set.usable.is_empty() {
            let why = set.why_passed_over().map(|why| format!(" ({why})")).unwrap_or_default();
            return Err(format!("it holds no key that tokens can be checked with{why}"));
        }
        Ok(set)
    }

    fn pass_over(&mut self, name: &str, why: &str) {
        self.passed_over_count += 1;
        if self.passed_over.len() < NAMED_MAX {
            self.passed_over.push(format!("{name}: {}", shortened(why, 200)));
        }
    }

    /// Which keys cannot be used, and why, if there are any.
    pub fn why_passed_over(&self) -> Option<String> {
        let more = self.passed_over_count - self.passed_over.len();
        let and_more = if more > 0 { format!("; and {more} more") } else { String::new() };
        (!self.passed_over.is_empty()).then(|| format!("{}{and_more}", self.passed_over.join("; ")))
    }

    /// The key that a token names and that fits its algorithm. A token without a key id is good when only one key fits.
    pub(super) fn select(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.usable.iter().filter(|key| fits(key, algorithm));
        let key = match kid {
            Some(kid) => fitting.find(|key| key.common.key_id.as_deref() == Some(kid))?,
            None => {
                let only = fitting.next()?;
                if fitting.next().is_some() {
                    return None;
                }
                only
            }
        };
        DecodingKey::from_jwk(key).ok()
    }

    /// The ids of the keys, for a person to read.
    pub fn names(&self) -> Vec<String> {
        self.usable.iter().enumerate().map(|(index, key)| named(key.common.key_id.as_deref(), index)).collect()
    }
}

impl From<JwkSet> for Jwks {
    /// Keys that the node itself has made: all of them are used.
    fn from(set: JwkSet) -> Self {
        Self { usable: set.keys, ..Self::default() }
    }
}

fn name(key: &Value, index: usize) -> String {
    named(key.get("kid").and_then(Value::as_str), index)
}

fn named(kid: Option<&str>, index: usize) -> String {
    match kid {
        Some(kid) => format!("key {:?}", shortened(kid, 80)),
        None => format!("key number {}", index + 1),
    }
}

/// The beginning of a text that somebody else wrote, for logs and messages.
fn shortened(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

fn is_for_signatures(key: &Jwk) -> bool {
    let is_for_encryption = matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let operations = key.common.key_operations.as_deref();
    !is_for_encryption && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

/// Why no token can be checked with a key, if that is so.
fn unusable(key: &Jwk) -> Option<String> {
    if !ALGORITHMS.iter().any(|algorithm| fits(key, *algorithm)) {
        return Some("its type, curve or algorithm is none that tokens may be signed with".to_owned());
    }
    let length = |text: &str| URL_SAFE_NO_PAD.decode(text).map(|bytes| bytes.len()).unwrap_or_default();
    let is_whole = match &key.algorithm {
        AlgorithmParameters::RSA(rsa) => RSA_BYTES.contains(&length(&rsa.n)) && length(&rsa.e) > 0,
        AlgorithmParameters::EllipticCurve(point) => {
            let bytes = if point.curve == EllipticCurve::P384 { 48 } else { 32 };
            length(&point.x) == bytes && length(&point.y) == bytes
        }
        AlgorithmParameters::OctetKeyPair(pair) => length(&pair.x) == 32,
        _ => false,
    };
    if !is_whole {
        return Some("it is damaged, too short or too long".to_owned());
    }
    DecodingKey::from_jwk(key).err().map(|error| error.to_string())
}

/// Whether a key may check signatures of an algorithm: a key is never used for another one than it is made for.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let says_so =
        key.common.key_algorithm.is_none_or(|named| Algorithm::try_from(named).is_ok_and(|named| named == algorithm));
    let is_of_the_kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => matches!(
            algorithm,
            Algorithm::RS256
                | Algorithm::RS384
                | Algorithm::RS512
                | Algorithm::PS256
                | Algorithm::PS384
                | Algorithm::PS512
        ),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => algorithm == Algorithm::ES256,
            EllipticCurve::P384 => algorithm == Algorithm::ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(_) => algorithm == Algorithm::EdDSA,
        _ => false,
    };
    is_for_signatures(key) && says_so && is_of_the_kind
}
