//! Pseudonyms: what stands on the log in place of an identifier of a person.
//!
//! A pseudonym is `psn_` and 32 characters: the first 20 bytes, in base32, of HMAC-SHA-256 over the normalised
//! identifier under a key of the tenant. The same identifier always becomes the same pseudonym inside a tenant, so that
//! scopes match; without the key nobody can tell whose it is, or try out whose it might be.

use aws_lc_rs::hmac;
use unicode_normalization::UnicodeNormalization;

use crate::cipher::Key;

const PREFIX: &str = "psn_";
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const DIGITS_LEN: usize = 32;

/// Whether a string has the form of a pseudonym. Such a string is taken for one that Daybook gave out.
pub fn is_pseudonym(id: &str) -> bool {
    let digits = id.strip_prefix(PREFIX);
    digits.is_some_and(|digits| digits.len() == DIGITS_LEN && digits.bytes().all(|digit| DIGITS.contains(&digit)))
}

/// The pseudonym of an identifier. One that is a pseudonym already stays as it is.
pub(crate) fn pseudonym(tenant_key: &Key, id: &str) -> String {
    if is_pseudonym(id) {
        return id.to_owned();
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, tenant_key.bytes());
    let tag = hmac::sign(&key, normalise(id).as_bytes());
    // 20 bytes are 160 bits, which are 32 digits of 5 bits without a remainder.
    let mut bits: u32 = 0;
    let mut held = 0;
    let mut text = PREFIX.to_owned();
    for byte in &tag.as_ref()[..20] {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(DIGITS[(bits >> held) as usize & 31]));
        }
    }
    text
}

/// Case, surrounding space and compatible forms of characters do not tell people apart.
pub(crate) fn normalise(id: &str) -> String {
    id.trim().nfkc().collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_slice(&[byte; 32]).unwrap()
    }

    /// Part of the log's format: pseudonyms of one release must match those of the next. Computed with another
    /// implementation.
    #[test]
    fn frozen() {
        assert_eq!(pseudonym(&key(7), "Ada@Example.ORG "), "psn_bulyyfndmtj7ou2o62ca2m5h6qa2zgby");
    }

    #[test]
    fn one_person_is_one_pseudonym() {
        let of = |id: &str| pseudonym(&key(1), id);
        assert_eq!(of("ada@example.org"), of("  ADA@EXAMPLE.ORG"));
        assert_eq!(of("Zoë"), of("Zoe\u{308}"), "composed or not");
        assert_ne!(of("ada@example.org"), of("bob@example.org"));
        assert_ne!(of("ada@example.org"), pseudonym(&key(2), "ada@example.org"), "another tenant");
        assert!(is_pseudonym(&of("ada@example.org")));
        assert_eq!(of(&of("ada@example.org")), of("ada@example.org"), "a pseudonym stays as it is");
    }

    #[test]
    fn what_only_looks_like_a_pseudonym_is_an_identifier() {
        for id in ["psn_", "psn_short", "psn_ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abcdefghijklmnopqrstuvwxyz234567"] {
            assert!(!is_pseudonym(id), "{id}");
        }
    }
}
