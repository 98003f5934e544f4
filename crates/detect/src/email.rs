//! E-mail addresses.

use std::ops::Range;

/// The address around an at sign.
pub(super) fn around(text: &str, at_sign: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let local = bytes[..at_sign].iter().rev().take_while(|byte| is_local(**byte)).count().min(64);
    let mut start = at_sign - local;
    // What quotes or joins it is not part of it.
    while start < at_sign && (!bytes[start].is_ascii_alphanumeric() && bytes[start] < 0x80 && bytes[start] != b'_') {
        start += 1;
    }
    while !text.is_char_boundary(start) {
        start += 1;
    }
    // A path, or a query, before it: what follows the last of these.
    let after = bytes[start..at_sign].iter().rposition(|byte| b"/=?&".contains(byte));
    start += after.map_or(0, |after| after + 1);
    let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b".-".contains(&byte);
    let mut end = at_sign + 1 + bytes[at_sign + 1..].iter().take_while(|byte| is_domain(**byte)).count();
    while end > at_sign + 1 && b".-".contains(&bytes[end - 1]) {
        end -= 1;
    }
    let (local, domain) = (&bytes[start..at_sign], text.get(at_sign + 1..end)?);
    let is_address = !local.is_empty()
        && !local.ends_with(b".")
        && !local.windows(2).any(|two| two == b"..")
        && domain.len() <= 253
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && domain.rsplit('.').next().is_some_and(is_top_level);
    is_address.then_some(start..end)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

/// Two letters at least, in whatever script, or its encoded form (RFC 5890).
fn is_top_level(label: &str) -> bool {
    label.len() >= 2 && label.chars().all(char::is_alphabetic) || label.starts_with("xn--")
}
