//! The header of a message, or of a part of one: which fields it has (RFC 5322, section 2.2). Each is read by itself, so that
//! a broken one spoils no other.

use std::ops::Range;

use mail_parser::ContentType;
use mail_parser::parsers::MessageStream;

use super::encoded_word::{text_of, unstructured};

/// Bytes of a field that are read, except where it names people. The parser of content types can take time that grows with
/// the square.
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

    /// The values of the fields of a name.
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |field: &&(&'a [u8], &'a [u8])| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).map(|(_, value)| *value)
    }

    /// The text of the fields of a name, as it is written, of each the first few thousand bytes.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = String> {
        self.all(name).map(|value| text_of(&value[..value.len().min(VALUE_BYTES_MAX)]))
    }

    /// The same, all of it.
    pub(crate) fn whole_values(&self, name: &str) -> impl Iterator<Item = String> {
        self.all(name).map(text_of)
    }

    /// The text of a field, for people.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.values(name).next().map(|value| unstructured(&value))
    }

    /// What sort of content follows, or how it is meant to be shown.
    pub(crate) fn content(&self, name: &str) -> Option<ContentType<'static>> {
        let value = self.all(name).next()?;
        let value = &value[..value.len().min(VALUE_BYTES_MAX)];
        // The last line of a file may lack its end, which the parser wants.
        let line = [value.trim_ascii_end(), b"\n"].concat();
        MessageStream::new(&line).parse_content_type().into_owned().into_content_type()
    }
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

/// The name of the field that a line starts, if it starts one.
pub(crate) fn field_name(line: &[u8]) -> Option<&[u8]> {
    split_field(line).map(|(name, _)| name)
}

/// Whether a line starts a header field.
pub(crate) fn starts_field(line: &[u8]) -> bool {
    field_name(line).is_some()
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
    fn values_as_they_are_written() {
        let fields = Fields::of(b"To: a@b,\n c@d\nX: 1\nTO: J\xf6rg\nto : \n");
        assert_eq!(fields.values("to").collect::<Vec<_>>(), [" a@b,\n c@d\n", " J\u{f6}rg\n", " \n"]);
        let long = [b"A: ".as_slice(), &[b'x'; 10_000]].concat();
        let fields = Fields::of(&long);
        assert_eq!(fields.values("A").next().map(|value| value.len()), Some(VALUE_BYTES_MAX));
        assert_eq!(fields.whole_values("A").next().map(|value| value.len()), Some(10_001));
    }

    #[test]
    fn blank_starts() {
        assert_eq!(without_blank_start(b"\xef\xbb\xbf\r\n\nA: 1"), b"A: 1");
        assert_eq!(without_blank_start(b"\r\n"), b"");
    }
}
