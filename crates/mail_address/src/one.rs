//! The one address that a person typed.

use crate::{Address, Entry, Identity, Mailbox, NotAnAddress, mailboxes};

/// The address in a text that a person typed or pasted: `a@b`, `Name <a@b>`, `mailto:a@b`, `"a@b"`. It must be one beyond
/// doubt, as a hold on another one would hold nothing.
///
/// # Errors
/// Why it is not.
pub fn one_address(text: &str) -> Result<Address, NotAnAddress> {
    let text = text.trim();
    let bare = match text.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto:") => rest,
        _ => text,
    };
    let reason = match Address::parse(bare) {
        Ok(address) if is_in_apostrophes(bare) => return Address::parse_lenient(bare).or(Ok(address)),
        Ok(address) => return Ok(address),
        Err(reason) => reason,
    };
    // A name in front, brackets or quotes around it: what mail has. Anything but one address is told as it was found.
    let entries: Vec<_> = mailboxes(bare, &|_| None).take(3).collect();
    match entries.as_slice() {
        [Entry::Mailbox(Mailbox { identity: Identity::Address(address), .. })] if is_wrapped(bare) => {
            // The lenient reading of mail is not for what somebody types.
            Address::parse(&address.to_string())
        }
        [
            Entry::Mailbox(Mailbox { identity: Identity::Address(_), .. }),
            Entry::Mailbox(Mailbox { identity: Identity::Address(_), .. }),
            ..,
        ] if !matches!(reason, NotAnAddress::SeveralWords) => Err(NotAnAddress::SeveralAddresses),
        _ => Err(reason),
    }
}

/// Whether something stands around an address that says where it begins and ends.
fn is_wrapped(text: &str) -> bool {
    text.ends_with('>') || text.ends_with('"') || text.ends_with(']')
}

fn is_in_apostrophes(text: &str) -> bool {
    text.starts_with('\'') && text.ends_with('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_types() {
        for text in [
            "maria@example.com",
            " maria@example.com ",
            "Maria Keller <maria@example.com>",
            "\"Keller, Maria\" <maria@example.com>",
            "<maria@example.com>",
            "mailto:maria@example.com",
            "MAILTO:maria@example.com",
            "<mailto:maria@example.com>",
            "\"maria@example.com\"",
            "'maria@example.com'",
            "Maria [mailto:maria@example.com]",
        ] {
            assert_eq!(one_address(text).map(|one| one.to_string()).as_deref(), Ok("maria@example.com"), "{text}");
        }
        let notes = one_address("\"Maria Keller/HR/ACME\"@notes.example.com").unwrap();
        assert_eq!(notes.local_part(), "Maria Keller/HR/ACME");
    }

    #[test]
    fn what_could_hold_nothing_is_refused() {
        for (text, reason) in [
            ("", NotAnAddress::Empty),
            ("Maria Keller", NotAnAddress::NoAt),
            ("@example.com", NotAnAddress::NothingBeforeAt),
            ("maria@example,com", NotAnAddress::Misplaced(',')),
            ("maria,keller@example.com", NotAnAddress::Misplaced(',')),
            ("maria@example.com, hans@example.com", NotAnAddress::SeveralAddresses),
            ("maria@example.com;hans@example.com", NotAnAddress::SeveralAddresses),
            ("Maria <maria@example.com>, Hans <hans@example.com>", NotAnAddress::SeveralAddresses),
            ("Maria Keller maria@example.com", NotAnAddress::SeveralWords),
            ("maria@example.com hans@example.com", NotAnAddress::SeveralAddresses),
            ("maria@example..com", NotAnAddress::Dots),
            ("<maria..keller@example.com>", NotAnAddress::Dots),
            ("Maria <maria@example.com", NotAnAddress::Misplaced('<')),
        ] {
            assert_eq!(one_address(text), Err(reason), "{text}");
        }
    }
}
