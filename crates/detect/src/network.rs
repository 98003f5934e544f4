//! Addresses of machines.

use std::net::Ipv6Addr;

use super::context::Context;
use super::number::Number;

/// Four numbers with dots are as often the version of something.
const VERSIONS: &[&str] = &["version", "release", "ver", "build"];

/// Whether a number is an IPv4 address in dotted form.
pub(super) fn is_ipv4(number: &Number, text: &[u8], context: Context<'_>) -> bool {
    if number.groups().len() != 4 || number.separator != Some(b'.') {
        return false;
    }
    let parts = &text[number.range.clone()];
    let is_byte = |part: &[u8]| {
        let value = |part: &[u8]| part.iter().fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0'));
        part.len() <= 3 && value(part) <= 255 && (part.len() == 1 || part[0] != b'0')
    };
    parts.split(|byte| *byte == b'.').all(is_byte) && !context.says(number.range.start, VERSIONS)
}

/// Where an IPv6 address ends that begins at a place, a hexadecimal digit or a colon.
pub(super) fn ipv6_from(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || **byte == b':' || **byte == b'.';
    let mut end = start + bytes[start..].iter().take(46).take_while(is_part).count();
    // The dot of a sentence, the colon before a port's number or a text.
    while end > start && (bytes[end - 1] == b'.' || bytes[end - 1] == b':' && !bytes[..end].ends_with(b"::")) {
        end -= 1;
    }
    let written = text.get(start..end)?;
    let colons = written.bytes().filter(|byte| *byte == b':').count();
    let ends = bytes.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    // `::` and `::1` are nobody's. Shorter ones are times and ratios.
    let address: Ipv6Addr = if colons >= 2 && ends { written.parse().ok()? } else { return None };
    let is_somebodys = !address.is_unspecified() && !address.is_loopback() && written.len() > 4;
    is_somebodys.then_some(end)
}

/// Where a MAC address ends that begins at a place: six pairs with colons or hyphens, or three fours with dots.
pub(super) fn mac_from(text: &[u8], start: usize) -> Option<usize> {
    let separator = *text.get(start + 2)?;
    let (group, separator, length) = match separator {
        b':' | b'-' => (2, separator, 17),
        _ if text.get(start + 4) == Some(&b'.') => (4, b'.', 14),
        _ => return None,
    };
    let written = text.get(start..start + length)?;
    let fits = written
        .iter()
        .enumerate()
        .all(|(at, byte)| if at % (group + 1) == group { *byte == separator } else { byte.is_ascii_hexdigit() });
    let is_word = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let end = start + length;
    let goes_on = is_word(end) || text.get(end) == Some(&separator) && is_word(end + 1);
    let digits: Vec<u8> = written.iter().filter(|byte| byte.is_ascii_hexdigit()).copied().collect();
    // None, and everybody's. Only digits with dots or hyphens between are a number of another sort.
    let is_somebodys = digits.iter().any(|digit| *digit != digits[0])
        && (separator == b':' || digits.iter().any(u8::is_ascii_alphabetic));
    (fits && !goes_on && is_somebodys).then_some(end)
}
