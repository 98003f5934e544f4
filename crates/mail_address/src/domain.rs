//! Domains: names as A-labels (RFC 5890, by the mapping of UTS 46), and literals.

use std::net::Ipv6Addr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

/// Bytes of a name that has labels to be converted: no longer one exists, and encoding a label takes time that grows with
/// the square of its length.
const NAME_BYTES_MAX: usize = 1_000;

const UTS46: Uts46 = Uts46::new();

/// A domain name in the form in which it is compared: A-labels, small letters. What is not a name that the DNS could have
/// stays as it is, in small letters.
pub(crate) fn a_labels(name: &str) -> String {
    if !has_labels_to_map(name) {
        return as_it_is(name);
    }
    let mapped = UTS46.to_ascii(name.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
    match mapped {
        Ok(mapped) if !mapped.is_empty() => mapped.to_ascii_lowercase(),
        _ => as_it_is(name),
    }
}

/// The same name with U-labels, as people write it.
pub(crate) fn u_labels(name: &str) -> String {
    if !has_labels_to_map(name) {
        return as_it_is(name);
    }
    match UTS46.to_unicode(name.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow) {
        (mapped, Ok(())) => mapped.into_owned(),
        _ => as_it_is(name),
    }
}

fn as_it_is(name: &str) -> String {
    if name.is_ascii() { name.to_ascii_lowercase() } else { name.nfkc().collect::<String>().to_lowercase() }
}

fn has_labels_to_map(name: &str) -> bool {
    let is_encoded = |label: &str| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    name.len() <= NAME_BYTES_MAX && (!name.is_ascii() || name.split('.').any(is_encoded))
}

/// A domain literal in the form in which it is compared (RFC 5321, section 4.1.3).
pub(crate) fn literal(content: &str) -> String {
    let small = content.trim().to_lowercase();
    let address = small.strip_prefix("ipv6:").and_then(|address| address.parse::<Ipv6Addr>().ok());
    match address {
        Some(address) => format!("[ipv6:{address}]"),
        None => format!("[{small}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, a, u) in [
            ("Example.COM", "example.com", "example.com"),
            ("BÜCHER.example", "xn--bcher-kva.example", "bücher.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example", "bücher.example"),
            ("XN--bcher-KVA.example", "xn--bcher-kva.example", "bücher.example"),
            ("straße.example", "xn--strae-oqa.example", "straße.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah", "例え.テスト"),
            // Not names that the DNS could have: compared as they are.
            ("xn--zzzzzzzzzzz\u{e9}.example", "xn--zzzzzzzzzzz\u{e9}.example", "xn--zzzzzzzzzzz\u{e9}.example"),
            ("xn--\u{fc}", "xn--\u{fc}", "xn--\u{fc}"),
            ("_dmarc.example.com", "_dmarc.example.com", "_dmarc.example.com"),
        ] {
            assert_eq!((a_labels(name).as_str(), u_labels(name).as_str()), (a, u), "{name}");
        }
        assert_eq!(a_labels(&"ü".repeat(600)), "ü".repeat(600), "no name is so long");
    }

    #[test]
    fn literals() {
        for (content, expected) in [
            ("192.0.2.1", "[192.0.2.1]"),
            (" IPv6:2001:0DB8:0:0::1 ", "[ipv6:2001:db8::1]"),
            ("IPv6:nonsense", "[ipv6:nonsense]"),
        ] {
            assert_eq!(literal(content), expected);
        }
    }
}
