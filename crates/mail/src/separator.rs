//! The line that starts a message in an mbox: `From address date`.

use super::date::{self, Reading};
use super::fields::field_name;

/// Words in front of the date. Most have one, the address.
const WORDS_MAX: usize = 30;

/// Fields of which every message has at least one, whatever else it lacks. Prose with colons has none of them.
const FIELDS: [&str; 7] = ["from", "sender", "date", "received", "return-path", "message-id", "delivered-to"];

/// Whether a line could be one at all.
pub(crate) fn is_like(line: &[u8]) -> bool {
    line.starts_with(b"From ")
}

/// The date in such a line. Its form is that of `asctime`, `Sat Jan  3 01:05:34 1996`, in UTC (RFC 4155); a zone may stand
/// before or after the year.
pub(crate) fn date(line: &[u8]) -> Option<Reading> {
    let text = String::from_utf8_lossy(line.strip_prefix(b"From ")?);
    let mut words: Vec<&str> = text.split_ascii_whitespace().take(WORDS_MAX + 10).collect();
    // UUCP says which machine it came from.
    if let [before @ .., "remote", "from", _] = words.as_slice() {
        words.truncate(before.len());
    }
    let starts = |i: &usize| date::is_weekday(words[*i]) && words.get(i + 1).is_some_and(|word| date::is_month(word));
    let start = (0..words.len().min(WORDS_MAX)).find(starts)?;
    // Behind the year there is a zone, and not the rest of a sentence.
    let year = words.iter().rposition(|word| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit()))?;
    let is_zone = |reading: &Reading| reading.has_zone || year + 2 >= words.len();
    date::read(&words[start..].join(" ")).filter(|reading| reading.has_time && is_zone(reading))
}

/// Whether a line without such a date may be one all the same: only an address follows, or what has an `@`.
pub(crate) fn has_address(line: &[u8]) -> bool {
    let mut words =
        line.strip_prefix(b"From ").unwrap_or_default().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    match (words.next(), words.next()) {
        (Some(_), None) => true,
        (Some(address), Some(_)) => address.contains(&b'@'),
        (None, _) => false,
    }
}

/// Whether lines are the header of a message: told by the first that is none, or by the empty one behind it.
#[derive(Debug, Default)]
pub(crate) struct HeaderCheck {
    lines: usize,
    has_known_field: bool,
}

impl HeaderCheck {
    /// Looks at the next line; `None` as long as it is not known.
    pub(crate) fn line(&mut self, line: &[u8]) -> Option<bool> {
        let continues = self.lines > 0 && matches!(line.first(), Some(b' ' | b'\t')) && !line.trim_ascii().is_empty();
        self.lines += 1;
        if matches!(line, b"\n" | b"\r\n") {
            return Some(self.has_known_field);
        }
        if continues {
            return None;
        }
        let Some(name) = field_name(line) else { return Some(false) };
        self.has_known_field |= FIELDS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        None
    }

    /// At the end of the file.
    pub(crate) fn end(&self) -> bool {
        self.has_known_field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<i64> {
        date(line.as_bytes()).map(|reading| reading.seconds)
    }

    #[test]
    fn dates() {
        for (line, seconds) in [
            ("From god@heaven.af.mil Sat Jan  3 01:05:34 1996\n", 820_631_134),
            ("From a@example.com Sat Jan 3 01:05 1996\r\n", 820_631_100),
            ("From - Sat Jan 3 01:05:34 EST 1996", 820_649_134),
            ("From 17@xxx Sat Jan 03 01:05:34 +0000 1996", 820_631_134),
            ("From x Sat Jan 3 02:05:34 1996 +0100", 820_631_134),
            ("From x Fri Jan 2 20:05:34 1996 -0500", 820_631_134),
            ("From mar Sat Jan 3 01:05:34 1996", 820_631_134),
            ("From MAILER-DAEMON Sat Jan 3 01:05:60 1996", 820_631_159),
            ("From \"Maria Keller/HR\"@notes.example.com Sat Jan  3 01:05:34 1996", 820_631_134),
            ("From ???@??? Sat Jan 03 01:05:34 1996", 820_631_134),
            ("From x Sat Jan  3 01:05:34 CET 1996", 820_631_134),
            ("From x Sat Jan  3 01:05:34 1996 CET", 820_631_134),
            ("From x!y Sat Jan  3 01:05:34 1996 remote from z", 820_631_134),
        ] {
            assert_eq!(of(line), Some(seconds), "{line}");
        }
    }

    #[test]
    fn lines_without_a_date() {
        for line in [
            "From ",
            "From the harbour",
            "From Jan",
            "From Jan 3 to Feb 5 it rained",
            "From Rotterdam, 3 Jan 1996 01:05:34",
            "From x Sat Jan 3 01:05:34",
            "From x Sat Jan 3 1996",
            "From x Sat Feb 30 01:05:34 1996",
            "From x Sat Jan 3 25:05:34 1996",
            "From x Sat Jan 3 01:05:34 1969",
            "From x Sat Jan 3 01:05:34 2100",
            "From x Sat Jan 3 01:05:34 1996 we met",
            "From x Sat Jan 3 é:05:34 199é",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
        assert_eq!(date(b"From \xff\xff Sat Jan 3 \xff:\xff 1996"), None);
    }

    #[test]
    fn addresses_without_a_date() {
        for line in ["From nobody\n", "From a@b\r\n", "From -\n", "From a@b Saturday\n"] {
            assert!(has_address(line.as_bytes()), "{line}");
        }
        for line in ["From \n", "From the harbour\n", "From Rotterdam to Hamburg by barge.\n"] {
            assert!(!has_address(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn headers_and_prose() {
        let of = |text: &str| {
            let mut check = HeaderCheck::default();
            text.split_inclusive('\n').find_map(|line| check.line(line.as_bytes())).unwrap_or_else(|| check.end())
        };
        for header in ["Date: x\n\n", "Subject: a\n b\nX: y\nfrom : z\r\n\r\n", "Message-ID: <x>\n"] {
            assert!(of(header), "{header}");
        }
        for prose in [
            "ETA: Tuesday\n\n",
            "ETA: Tuesday\n",
            "",
            "\n",
            " folded: nothing\n\n",
            "Date: today\nwe met.\n\n",
            "a b: c\n",
        ] {
            assert!(!of(prose), "{prose}");
        }
    }
}
