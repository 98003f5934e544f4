//! What may name a person or program. The name stands in decisions, in the audit and in policies, and people compare it by
//! eye: two names that look alike must be one name, and nobody may look like Daybook itself.
//!
//! What this does not prevent: letters of different scripts that look alike (Latin `a`, Cyrillic `а`). An identity provider
//! that lets people choose their subject must prevent that itself.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::is_nfc;

/// A name, in bytes.
const BYTES_MAX: usize = 200;

/// Names of Daybook itself, in decisions and in what starts it.
const RESERVED: [&str; 6] = ["timer", "effect", "bootstrap", "daybook", "development-node", "system"];
/// What such names begin with: "stream/" is what another stream has sent.
const RESERVED_PREFIXES: [&str; 2] = ["stream/", "daybook:"];

/// Control characters, format characters (among them those that turn the direction of writing round), unassigned and
/// private ones, line and paragraph separators, spaces other than the plain one, and everything that a font shows as
/// nothing.
#[expect(clippy::expect_used, reason = "a constant that a test compiles")]
static UNSEEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u{2800}]|[\p{Zs}--\x20]").expect("a pattern")
});

/// Whether somebody may be called so.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(subject: &str) -> Result<(), &'static str> {
    if subject.is_empty() || subject.len() > BYTES_MAX {
        return Err("its subject is empty or longer than 200 bytes");
    }
    if UNSEEN.is_match(subject) {
        return Err("its subject has characters that cannot be seen, or that change the direction of writing");
    }
    if subject.starts_with(' ') || subject.ends_with(' ') || subject.contains("  ") {
        return Err("its subject begins or ends with a space, or has two in a row");
    }
    if !is_nfc(subject) {
        return Err("its subject is not in Unicode's normal form C: the same letters can be written in another way");
    }
    let lower = subject.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err("its subject is a name of Daybook itself");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_providers_give_are_taken() {
        for name in [
            "ada",
            "auth0|507f1f77bcf86cd799439011",
            "ada@example.com",
            "CN=Ada Lovelace, O=Example",
            "spiffe://example.org/ns/prod/sa/web",
            "3f0c2e6a-6a1f-4d0e-9d53-0e7a2f7c3b11",
            "Žaneta Nováková",
            "山田太郎",
            "timer-service",
            "streams/x",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_cannot_be_told_apart_are_refused() {
        let unseen = [
            "al\u{200b}ice",
            "al\u{202e}ice",
            "\u{2066}alice",
            "alice\u{feff}",
            "al\u{ad}ice",
            "al\u{0}ice",
            "alice\n",
            "al\u{7f}ice",
            "al\u{34f}ice",
            "al\u{115f}ice",
            "al\u{3164}ice",
            "al\u{fe0f}ice",
            "al\u{e0001}ice",
            "al\u{2028}ice",
            "al\u{a0}ice",
            "al\u{3000}ice",
            "al\u{2800}ice",
            "al\u{180e}ice",
            "al\u{e000}ice",
        ];
        for name in unseen {
            assert!(check(name).is_err_and(|why| why.contains("cannot be seen")), "{}", name.escape_unicode());
        }
        for name in [" alice", "alice ", "al  ice", "a\u{301}lice"] {
            assert!(check(name).is_err(), "{}", name.escape_unicode());
        }
        assert!(check("").is_err() && check(&"x".repeat(201)).is_err() && check(&"x".repeat(200)).is_ok());
    }

    #[test]
    fn nobody_is_called_like_daybook_itself() {
        for name in ["timer", "Timer", "effect", "bootstrap", "development-node", "stream/acme/acme", "daybook:export"]
        {
            assert_eq!(check(name), Err("its subject is a name of Daybook itself"), "{name}");
        }
    }
}
