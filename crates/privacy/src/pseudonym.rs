//! Pseudonyms: what stands on the log in place of an identifier of a person.
//!
//! A pseudonym is `psn_` and 32 characters: the first 20 bytes, in base32, of HMAC-SHA-256 over the identifier, in the form in
//! which identifiers are compared, under a key of the tenant. The same identifier always becomes the same pseudonym inside a
//! tenant, so that scopes match; without the key nobody can tell whose it is, or try out whose it might be.
//!
//! That form is [`compared`]: mail addresses are the same in whatever letters, quotes and labels of the domain they are
//! written. Earlier releases compared domains and quotes as they were written; what stands on a log under such a pseudonym is
//! found by [`former_pseudonyms`].

use aws_lc_rs::hmac;
use daybook_mail_address::compared;

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
    if is_pseudonym(id) { id.to_owned() } else { of_form(tenant_key, &compared(id).form) }
}

/// Other pseudonyms that earlier releases may have made for the same person. None for nearly everybody.
pub(crate) fn former_pseudonyms(tenant_key: &Key, id: &str) -> Vec<String> {
    let former = if is_pseudonym(id) { Vec::new() } else { compared(id).former };
    former.iter().map(|form| of_form(tenant_key, form)).collect()
}

fn of_form(tenant_key: &Key, form: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, tenant_key.bytes());
    let tag = hmac::sign(&key, form.as_bytes());
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

    /// Computed with another implementation, as releases made them that did not know of A-labels.
    #[test]
    fn one_mailbox_is_one_pseudonym_and_its_former_ones_are_known() {
        let key = key(7);
        let (a, u) = ("eva@xn--bcher-kva.example", "eva@bücher.example");
        assert_eq!(pseudonym(&key, a), "psn_jazjhx2mvoegafveifx7wo7vdhgd6qxn");
        assert_eq!(pseudonym(&key, u), pseudonym(&key, a));
        assert_eq!(pseudonym(&key, "\"EVA\"@BÜCHER.example"), pseudonym(&key, a));
        assert_eq!(former_pseudonyms(&key, a), ["psn_jxucumysp47zwdpe2yahtbyiwoqc4rdx"]);
        assert_eq!(former_pseudonyms(&key, u), ["psn_jxucumysp47zwdpe2yahtbyiwoqc4rdx"]);
        assert_eq!(former_pseudonyms(&key, "ada@example.org"), Vec::<String>::new());
        assert_eq!(former_pseudonyms(&key, "psn_jxucumysp47zwdpe2yahtbyiwoqc4rdx"), Vec::<String>::new());
        assert_ne!(pseudonym(&key, "\"john doe\"@example.org"), pseudonym(&key, "\"jane doe\"@example.org"));
    }

    #[test]
    fn what_only_looks_like_a_pseudonym_is_an_identifier() {
        for id in ["psn_", "psn_short", "psn_ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abcdefghijklmnopqrstuvwxyz234567"] {
            assert!(!is_pseudonym(id), "{id}");
        }
    }
}
