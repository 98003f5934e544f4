//! UUIDs (RFC 9562): groups of digits and letters that mean nothing by themselves.

use std::ops::Range;

/// The lengths of their groups.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Whether a text is one of version 4 or 7, and so random. Others can hold the address of a network card, or be made from
/// a name.
pub(super) fn is_random(text: &str) -> bool {
    let bytes = text.as_bytes();
    has_form(bytes)
        && matches!(bytes.get(14), Some(b'4' | b'7'))
        && matches!(bytes.get(19), Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B'))
}

/// Whether a place lies in one, of whatever version.
pub(super) fn is_inside(text: &[u8], range: &Range<usize>) -> bool {
    let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || **byte == b'-';
    let before = text[..range.start].iter().rev().take(37).take_while(is_part).count();
    let start = range.start - before;
    let length = before + text[range.start..].iter().take(37).take_while(is_part).count();
    has_form(&text[start..start + length])
}

fn has_form(text: &[u8]) -> bool {
    let is_hex = |group: &[u8]| group.iter().all(u8::is_ascii_hexdigit);
    text.len() == 36
        && text.split(|byte| *byte == b'-').map(<[u8]>::len).eq(GROUPS)
        && text.split(|byte| *byte == b'-').all(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ones_are_known_by_their_version() {
        for text in ["550e8400-e29b-41d4-a716-446655440000", "018f4e7c-8b1a-7d2e-9F3A-0123456789ab"] {
            assert!(is_random(text) && is_inside(text.as_bytes(), &(24..36)), "{text}");
        }
        let named = "550e8400-e29b-31d4-a716-446655440000";
        assert!(!is_random(named) && is_inside(named.as_bytes(), &(0..8)));
        for text in ["550e8400-e29b-41d4-a716-44665544000", "550e8400-e29b-41d4-a716-4466554400zz", "12-34"] {
            assert!(!is_random(text) && !is_inside(text.as_bytes(), &(0..2)), "{text}");
        }
    }
}
