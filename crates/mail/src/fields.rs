//! The header of a message, or of a part of one: which fields it has (RFC 5322, section 2.2). What they say is read by
//! `mail-parser`, each field by itself, so that a broken one spoils no other.

use std::borrow::Cow;
use std::ops::Range;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, ContentType};

/// Times that a message can have, in seconds since 1970: up to 2100. What lies outside comes from a clock that was not
/// set. The bounds are fixed, so that importing again gives the same item whenever it is done.
const TIMES: Range<i64> = 0..4_102_444_800;

/// Bytes of a field that are read, except where it names people. The parsers can take time that grows with the square.
const VALUE_BYTES_MAX: usize = 8 << 10;

/// The header of a message or part.
pub(crate) struct Fields<'a> {
    fields: Vec<(&'a [u8], &'a [u8])>,
    /// The header's bytes.
    pub(crate) header: &'a [u8],
    /// The bytes after the empty line.
    pub(crate) body: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Takes a message or part apart at its first empty line. Lines that belong to no field are passed over.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let (header, body) = split(bytes);
        let mut fields: Vec<(&[u8], Range<usize>)> = Vec::new();
        let (mut end, mut in_field) = (0, false);
        for line in header.split_inclusive(|&byte| byte == b'\n') {
            end += line.len();
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                if in_field && let Some((_, value)) = fields.last_mut() {
                    value.end = end;
                }
            } else if let Some((name, value)) = split_field(line) {
                fields.push((name, end - value.len()..end));
                in_field = true;
            } else {
                in_field = false;
            }
        }
        let fields = fields.into_iter().map(|(name, value)| (name, &header[value])).collect();
        Self { fields, header, body }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// What the fields of a name say in their first `bytes_max` bytes.
    fn all<T>(&self, name: &str, bytes_max: usize, parse: impl Fn(&[u8]) -> Option<T>) -> impl Iterator<Item = T> {
        let named = move |field: &&(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).filter_map(move |(_, value)| {
            let value = &value[..value.len().min(bytes_max)];
            // The last line of a file may lack its end, which the parsers want.
            parse(&[value.trim_ascii_end(), b"\n"].concat())
        })
    }

    /// The text of a field.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.all(name, VALUE_BYTES_MAX, |line| {
            MessageStream::new(line).parse_unstructured().into_text().map(Cow::into_owned)
        })
        .next()
    }

    /// What sort of content follows, or how it is meant to be shown.
    pub(crate) fn content(&self, name: &str) -> Option<ContentType<'static>> {
        self.all(name, VALUE_BYTES_MAX, |line| {
            MessageStream::new(line).parse_content_type().into_owned().into_content_type()
        })
        .next()
    }

    /// The addresses in the fields of a name, those in groups included.
    pub(crate) fn addresses(&self, name: &str) -> impl Iterator<Item = Addr<'static>> {
        let lists =
            self.all(name, usize::MAX, |line| MessageStream::new(line).parse_address().into_owned().into_address());
        lists.flat_map(|addresses| addresses.into_list())
    }

    /// The time in a field, in seconds since 1970, if a message can have it. Without a zone it is in UTC.
    pub(crate) fn time(&self, name: &str) -> Option<i64> {
        let parse = |line: &[u8]| MessageStream::new(line).parse_date().into_datetime();
        let or_in_utc = |line: &[u8]| parse(line).or_else(|| parse(&[line.trim_ascii_end(), b" +0000\n"].concat()));
        self.all(name, VALUE_BYTES_MAX, or_in_utc).find_map(|time| {
            let part = |number: u8| i8::try_from(number).ok();
            let civil = DateTime::new(
                i16::try_from(time.year).ok()?,
                part(time.month)?,
                part(time.day)?,
                part(time.hour)?,
                part(time.minute)?,
                // A leap second counts as the one before it.
                part(time.second).map(|second| if second == 60 { 59 } else { second })?,
                0,
            );
            let east = i64::from(time.tz_hour) * 3_600 + i64::from(time.tz_minute) * 60;
            usable(civil.ok()?, if time.tz_before_gmt { -east } else { east })
        })
    }
}

/// A point in time as seconds since 1970, from what a clock so many seconds east of UTC showed; `None` when no message
/// can have it.
pub(crate) fn usable(clock: DateTime, seconds_east: i64) -> Option<i64> {
    let seconds = Offset::UTC.to_timestamp(clock).ok()?.as_second() - seconds_east;
    TIMES.contains(&seconds).then_some(seconds)
}

/// Header and body.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            return (&bytes[..end], &bytes[end + line.len()..]);
        }
        end += line.len();
    }
    (bytes, &[])
}

/// Name and value of a line that starts a field: printable ASCII, perhaps white space, and a colon.
fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = line[..colon].trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then(|| (name, &line[colon + 1..]))
}

/// Whether a line starts a header field.
pub(crate) fn starts_field(line: &[u8]) -> bool {
    split_field(line).is_some()
}

/// Without a byte order mark and empty lines, which some programs put first.
pub(crate) fn without_blank_start(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    &bytes[blank..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(fields: &Fields<'_>, name: &str) -> Vec<String> {
        fields.addresses(name).filter_map(|one| one.address.map(Cow::into_owned)).collect()
    }

    #[test]
    fn header_and_body() {
        let fields = Fields::of(b"A: 1\r\nnot a field\r\n b\r\nB : 2\r\n\tand 3\r\n\r\nC: 4\r\n");
        assert_eq!(fields.text("a").as_deref(), Some("1"));
        assert_eq!(fields.text("b").as_deref(), Some("2 and 3"));
        assert_eq!(fields.text("c"), None);
        assert_eq!(fields.body, b"C: 4\r\n");
        assert!(Fields::of(b"").is_empty() && Fields::of(b"\nA: 1\n").is_empty() && Fields::of(b": 1\n").is_empty());
        assert_eq!(Fields::of(b"A: cut o").text("A").as_deref(), Some("cut o"));
    }

    #[test]
    fn one_field_does_not_spoil_the_next() {
        let fields = Fields::of(
            b"Date: Mon, 1 Jan 2024 10:00:00 Z\nTo: a@example.com\nFrom: \"x <b@example.com>\nCc: c@example.com\n",
        );
        assert_eq!(fields.time("Date"), Some(1_704_103_200));
        assert_eq!(
            (ids(&fields, "To"), ids(&fields, "Cc")),
            (vec!["a@example.com".to_owned()], vec!["c@example.com".to_owned()])
        );
    }

    #[test]
    fn addresses_of_all_fields_and_groups() {
        let fields = Fields::of(
            b"To: A <a@example.com>,\n b@example.com\nX: 1\nTO: friends: c@example.com, d@example.com;, e@example.com\n",
        );
        assert_eq!(
            ids(&fields, "To"),
            ["a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com"]
        );
    }

    #[test]
    fn times() {
        let time = |value: &str| Fields::of(format!("Date: {value}\n").as_bytes()).time("date");
        for (value, seconds) in [
            ("Mon, 1 Jan 2024 10:00:00 +0000", 1_704_103_200),
            ("1 Jan 2024 11:00:00 +0100", 1_704_103_200),
            ("Mon, 1 Jan 2024 05:00:00 EST (winter)", 1_704_103_200),
            ("Mon, 01 Jan 24 10:00 GMT", 1_704_103_200),
            ("Mon, 1 Jan 2024\n 10:00:00 -0000", 1_704_103_200),
            ("Mon, 1 Jan 2024 10:00:00", 1_704_103_200),
            ("Sat, 31 Dec 2016 23:59:60 +0000", 1_483_228_799),
        ] {
            assert_eq!(time(value), Some(seconds), "{value}");
        }
        for value in [
            "",
            "yesterday",
            "00.00.0000 00:00",
            "Mon, 30 Feb 2024 10:00:00 +0000",
            "Mon, 1 Jan 2024 25:00:00 +0000",
            "Wed, 31 Dec 1969 23:59:59 +0000",
            "Fri, 1 Jan 2100 00:00:00 +0000",
            "Mon, 1 Jan 99999 10:00:00 +0000",
        ] {
            assert_eq!(time(value), None, "{value}");
        }
    }

    #[test]
    fn blank_starts() {
        assert_eq!(without_blank_start(b"\xef\xbb\xbf\r\n\nA: 1"), b"A: 1");
        assert_eq!(without_blank_start(b"\r\n"), b"");
    }
}
