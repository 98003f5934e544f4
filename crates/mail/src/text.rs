//! The text of a message as a person would read it (RFC 2045, 2046), without attachments.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use mail_parser::parsers::MessageStream;

use super::fields::Fields;

/// Parts of a message that are looked at.
const PARTS_MAX: usize = 1_000;
/// Parts inside parts.
const DEPTH_MAX: usize = 16;
/// Bytes of one part that are decoded: with markup and encoding, several times the text that is kept.
const ENCODED_BYTES_MAX: usize = 1 << 20;
/// Bytes of the header of one part. A longer one is no header.
const PART_HEADER_BYTES_MAX: usize = 1 << 14;

/// The text of a message, the first `bytes_max` bytes of it.
pub(crate) fn text(message: &Fields<'_>, bytes_max: usize) -> String {
    let mut reader = Reader { parts_left: PARTS_MAX, bytes_max };
    let mut text = String::new();
    reader.read(message, DEPTH_MAX, &mut text);
    text.truncate(cut(&text, bytes_max).len());
    text
}

/// The beginning of a text, so many bytes at most, no character in pieces.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

struct Reader {
    parts_left: usize,
    bytes_max: usize,
}

impl Reader {
    /// Appends the text of a part.
    fn read(&mut self, part: &Fields<'_>, depth_left: usize, text: &mut String) {
        if text.len() >= self.bytes_max || self.parts_left == 0 {
            return;
        }
        self.parts_left -= 1;
        let is_message = depth_left == DEPTH_MAX;
        let is_attachment = part.content("Content-Disposition").is_some_and(|shown| shown.is_attachment());
        if is_attachment && !is_message {
            return;
        }
        let content = part.content("Content-Type");
        let attribute = |name| content.as_ref().and_then(|content| content.attribute(name));
        let kind = content
            .as_ref()
            .map_or(("text", "plain"), |content| (content.ctype(), content.subtype().unwrap_or_default()));
        let parts = attribute("boundary").and_then(|boundary| Parts::of(part.body, boundary));
        match (kind, parts) {
            (("multipart", kind), Some(parts)) if depth_left > 0 => {
                let parts = parts.map(Fields::of).filter(|part| part.header.len() <= PART_HEADER_BYTES_MAX);
                if kind == "alternative" {
                    self.read_best(parts.take(self.parts_left).collect(), depth_left - 1, text);
                } else {
                    parts.for_each(|part| self.read(&part, depth_left - 1, text));
                }
            }
            (("text", "html"), _) => append(text, &html_to_text(&decode(part, attribute("charset")))),
            (("text", "plain"), _) => append(text, &decode(part, attribute("charset"))),
            // What is no attachment by its place is shown as well as it can be.
            (("text" | "multipart", _), _) if is_message => append(text, &decode(part, attribute("charset"))),
            _ => {}
        }
    }

    /// Of several forms of the same text the plain one, else the first that has text.
    fn read_best(&mut self, mut forms: Vec<Fields<'_>>, depth_left: usize, text: &mut String) {
        let is_plain = |form: &Fields<'_>| {
            form.content("Content-Type")
                .is_none_or(|content| content.ctype() == "text" && content.subtype() == Some("plain"))
        };
        forms.sort_by_cached_key(|form| !is_plain(form));
        let before = text.len();
        for form in &forms {
            self.read(form, depth_left, text);
            if text.len() > before {
                return;
            }
        }
    }
}

/// Appends a text unless it is blank, on a line of its own.
fn append(text: &mut String, more: &str) {
    if more.trim().is_empty() {
        return;
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(more);
}

/// The content of a part as text: what cannot be decoded is shown as it is.
fn decode(part: &Fields<'_>, charset: Option<&str>) -> String {
    let encoded = start(part.body);
    let encoding = part.text("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
    let bytes = match encoding.as_str() {
        "base64" => base64(encoded),
        "quoted-printable" => quoted_printable(encoded),
        _ => None,
    };
    let bytes = bytes.unwrap_or(Cow::Borrowed(encoded));
    match charset.and_then(|charset| charset_decoder(charset.as_bytes())) {
        Some(decoder) => decoder(&bytes),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// As much of an encoded text as is decoded, up to the end of a line where there is one.
fn start(encoded: &[u8]) -> &[u8] {
    let Some((start, _)) = encoded.split_at_checked(ENCODED_BYTES_MAX) else { return encoded };
    let line_end = start.iter().rposition(|&byte| byte == b'\n');
    &start[..line_end.map_or(start.len(), |end| end + 1)]
}

/// Up to the first byte that is not base64: mailing lists append their footers to whatever they get.
fn base64(encoded: &[u8]) -> Option<Cow<'_, [u8]>> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/= \t\r\n".contains(byte);
    let length = encoded.iter().position(|byte| !is_base64(byte)).unwrap_or(encoded.len());
    base64_decode(&encoded[..length]).filter(|decoded| !decoded.is_empty()).map(Cow::Owned)
}

fn quoted_printable(encoded: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (end, decoded) = MessageStream::new(encoded).decode_quoted_printable_mime(b"");
    (end != usize::MAX).then(|| Cow::Owned(decoded.into_owned()))
}

/// The parts between the lines that separate them (RFC 2046, section 5.1.1).
struct Parts<'a> {
    delimiter: Vec<u8>,
    /// What is not looked at yet; `None` after the last part.
    rest: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// `None` when nothing separates anything.
    fn of(body: &'a [u8], boundary: &str) -> Option<Self> {
        let boundary = Some(boundary.trim_end()).filter(|boundary| !boundary.is_empty())?;
        let mut parts = Self { delimiter: [b"--", boundary.as_bytes()].concat(), rest: Some(body) };
        // What stands before the first delimiter is for programs that do not know of parts.
        let preamble = parts.next()?;
        (preamble.len() < body.len()).then_some(parts)
    }

    /// Whether a line separates, and whether it is the last that does.
    fn delimits(&self, line: &[u8]) -> Option<bool> {
        match line.trim_ascii_end().strip_prefix(self.delimiter.as_slice())? {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut start = 0;
        for line in rest.split_inclusive(|&byte| byte == b'\n') {
            let end = start + line.len();
            if let Some(is_last) = self.delimits(line) {
                self.rest = (!is_last).then(|| &rest[end..]);
                // The line end before a delimiter belongs to it.
                let part = &rest[..start];
                let part = part.strip_suffix(b"\n").unwrap_or(part);
                return Some(part.strip_suffix(b"\r").unwrap_or(part));
            }
            start = end;
        }
        // The end of the message was cut off.
        self.rest = None;
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &[u8]) -> String {
        text(&Fields::of(message), 1_000)
    }

    #[test]
    fn encodings_and_character_sets() {
        for (header, body, expected) in [
            ("X: 1", &b"plain\xff\n"[..], "plain\u{fffd}\n"),
            ("Content-Type: text/plain; charset=iso-8859-1", b"caf\xe9\n", "café\n"),
            ("Content-Type: text/plain; charset=nonsense", b"caf\xc3\xa9\n", "café\n"),
            ("Content-Type: text/plain; charset=gb2312", b"\xc4\xe3\xba\xc3\n", "你好\n"),
            ("Content-Type: text/plain; charset=iso-2022-jp", b"\x1b$B$\"\x1b(B\n", "あ\n"),
            ("Content-Transfer-Encoding: Quoted-Printable", b"caf=C3=A9 =\nau lait=\n", "café au lait"),
            ("Content-Transfer-Encoding: quoted-printable", b"100 =%\n", "100 =%\n"),
            ("Content-Transfer-Encoding: quoted-printable", b"a == b\n", "a == b\n"),
            ("Content-Transfer-Encoding: base64", b"Y2Fm\nw6k=\n", "café"),
            ("Content-Transfer-Encoding: base64", b"Y2Fmw6k=\n-- \na footer\n", "café"),
            ("Content-Transfer-Encoding: base64", b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("Content-Transfer-Encoding: nonsense", b"a", "a"),
            ("Content-Type: text/html", b"<p>a&nbsp;&lt;b</p><script>x</script>", "a\u{a0}<b\n"),
            ("Content-Type: text/calendar", b"BEGIN:VCALENDAR", "BEGIN:VCALENDAR"),
            ("Content-Type: image/png", b"\x89PNG", ""),
            ("Content-Type: ;;;", b"a", "a"),
        ] {
            let message = [header.as_bytes(), b"\n\n", body].concat();
            assert_eq!(of(&message), expected, "{header}");
        }
    }

    #[test]
    fn parts() {
        let message = b"Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n--a b\r\n\r\none\r\n\
            --a b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=x\r\n\r\nattached\r\n\
            --a b \r\nContent-Type: text/html\r\n\r\n<b>two</b>\r\n\
            --a bc\r\n--a b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x\r\n\r\nforwarded\r\n--a b--\r\nepilogue";
        assert_eq!(of(message), "one\ntwo--a bc");
    }

    #[test]
    fn the_plain_form_is_preferred_and_the_other_one_is_better_than_nothing() {
        let alternative =
            |forms: &str| of(format!("Content-Type: multipart/alternative; boundary=x\n\n{forms}").as_bytes());
        let html = "--x\nContent-Type: text/html\n\n<p>html</p>\n";
        let related =
            "--x\nContent-Type: multipart/related; boundary=y\n\n--y\nContent-Type: text/html\n\n<p>html</p>\n--y--\n";
        let plain = "--x\nContent-Type: text/plain\n\nplain\n";
        let blank = "--x\nContent-Type: text/plain\n\n \n";
        assert_eq!(alternative(&format!("{html}{plain}--x--")), "plain");
        assert_eq!(alternative(&format!("{blank}{related}--x--")), "html\n");
        // The end was cut off.
        assert_eq!(alternative(&format!("{blank}{html}")), "html\n");
        assert_eq!(alternative("no parts at all"), "no parts at all");
    }

    #[test]
    fn boundaries_that_are_none() {
        assert_eq!(of(b"Content-Type: multipart/mixed\n\n--\na"), "--\na");
        assert_eq!(of(b"Content-Type: multipart/mixed; boundary=\"\"\n\n--\na"), "--\na");
        assert_eq!(of(b"Content-Type: multipart/mixed; boundary=x\n\n--x--\na"), "");
    }

    #[test]
    fn only_the_beginning_is_kept() {
        let message = format!("X: 1\n\n{}", "é".repeat(600));
        assert_eq!(text(&Fields::of(message.as_bytes()), 999), "é".repeat(499));
        let encoded = "w6nDqcOp".repeat(ENCODED_BYTES_MAX / 8 + 1);
        let message = format!("Content-Transfer-Encoding: base64\n\n{encoded}");
        assert_eq!(text(&Fields::of(message.as_bytes()), 5), "éé");
    }

    /// Time and stack must not depend on how parts are put into parts: these take hours, or end the program, when parts
    /// are looked for again and again or one call is made for each.
    #[test]
    fn parts_in_parts_without_end() {
        let nested = "Content-Type: message/rfc822\n\n".repeat(400_000);
        assert_eq!(of(nested.as_bytes()), "");
        let mut nested = String::new();
        for i in 0..100_000 {
            nested += &format!("Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n");
        }
        assert_eq!(of(format!("{nested}\ndeep").as_bytes()), "");
        let mut flat = "Content-Type: multipart/mixed; boundary=a\n\n".to_owned();
        for i in 0..200_000 {
            flat += &format!("--a\nContent-Type: multipart/mixed; boundary=b{i}\n\nx\n");
        }
        assert_eq!(of(flat.as_bytes()), "");
    }
}
