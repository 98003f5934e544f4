//! Encoded words in header fields (RFC 2047), and text in fields without structure.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use daybook_mail_address::encoded_word;
use mail_parser::decoders::charsets::map::charset_decoder;

/// Mailers cut words off where they like: padding may be missing, and the last bits may be any.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The text of a field's bytes: UTF-8, and each byte that is not part of it as the character of that number, so that
/// different bytes stay different.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
    }
    text
}

/// The text of a field without structure: folded lines are one, encoded words are decoded.
pub(crate) fn unstructured(field: &str) -> String {
    let unfolded = unfold(field.trim());
    let mut text = String::with_capacity(unfolded.len());
    let mut rest = unfolded.as_str();
    while let Some(start) = rest.find("=?") {
        let (before, words) = rest.split_at(start);
        let length = words_length(words);
        if length == 0 {
            text.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            continue;
        }
        text.push_str(before);
        text.push_str(&decode(&words[..length]).unwrap_or_else(|| words[..length].to_owned()));
        rest = &words[length..];
    }
    text.push_str(rest);
    text
}

/// One line: the line ends and the white space after them become a space.
fn unfold(field: &str) -> String {
    let mut lines = field.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut text = lines.next().unwrap_or_default().trim_end().to_owned();
    for line in lines {
        text.push(' ');
        text.push_str(line.trim());
    }
    text
}

/// How many bytes at the beginning of a text are encoded words, with the white space between them.
fn words_length(text: &str) -> usize {
    let mut end = 0;
    let mut next = 0;
    while let Some(length) = encoded_word(&text[next..]) {
        end = next + length;
        let rest = &text[end..];
        next = end + (rest.len() - rest.trim_start().len());
    }
    end
}

/// One encoded word.
struct Word<'a> {
    /// Without the language (RFC 2231, section 5).
    charset: &'a str,
    is_base64: bool,
    content: &'a str,
}

impl<'a> Word<'a> {
    fn of(word: &'a str) -> Option<Self> {
        let mut parts = word.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
        let charset = parts.next()?.split('*').next()?;
        let is_base64 = parts.next()?.eq_ignore_ascii_case("b");
        Some(Self { charset, is_base64, content: parts.next()? })
    }

    /// Whether the text of the next word belongs to the same four characters as the end of this one.
    fn is_cut(&self) -> bool {
        self.is_base64 && !self.content.ends_with('=') && !self.content.len().is_multiple_of(4)
    }
}

/// The text of encoded words with white space between them. Words of one character set are put together before they become
/// characters: many programs cut them in the middle of one. `None` if they are not encoded words, or cannot be decoded.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (word, more) = rest.split_at(encoded_word(rest)?);
        words.push(Word::of(word)?);
        rest = more.trim_start();
    }
    let mut decoded = String::new();
    for words in words.chunk_by(|a, b| a.charset.eq_ignore_ascii_case(b.charset)) {
        let mut bytes = Vec::new();
        for words in words.chunk_by(|a, b| a.is_cut() && b.is_base64) {
            if words[0].is_base64 {
                let content: String = words.iter().map(|word| word.content).collect();
                bytes.extend(BASE64.decode(content).ok()?);
            } else {
                words.iter().for_each(|word| quoted(word.content, &mut bytes));
            }
        }
        match charset_decoder(words[0].charset.as_bytes()) {
            Some(decoder) => decoded.push_str(&decoder(&bytes)),
            None => decoded.push_str(&String::from_utf8_lossy(&bytes)),
        }
    }
    (!words.is_empty()).then_some(decoded)
}

/// The "Q" encoding (RFC 2047, section 4.2). An equals sign before anything but two digits stands for itself.
fn quoted(content: &str, bytes: &mut Vec<u8>) {
    let mut rest = content.as_bytes();
    while let Some((&byte, more)) = rest.split_first() {
        rest = more;
        let digit = |index: usize| more.get(index).and_then(|&digit| char::from(digit).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'=', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = &more[2..];
            }
            (b'_', ..) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_without_structure() {
        for (field, expected) in [
            (" plain ", "plain"),
            ("two\r\n  lines\r\n\tand three", "two lines and three"),
            ("=?utf-8?q?Caf=C3=A9_au?= lait", "Café au lait"),
            ("a =?utf-8?b?Y2Fmw6k=?= b", "a café b"),
            ("=?iso-8859-1?Q?J=F6rg?=: =?utf-8?q?x?=", "Jörg: x"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=\n =?utf-8?q?c?=", "abc"),
            ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
            ("=?utf-8*de?q?Stra=C3=9Fe?=", "Straße"),
            ("=?iso-2022-jp?B?GyRCJCIbKEI=?=", "あ"),
            ("=?nonsense?q?caf=C3=A9?=", "café"),
            ("=?utf-8?q?100_=_all?=", "100 = all"),
            // Not encoded words.
            ("1 =? 2, =?utf-8?q?a b?=", "1 =? 2, =?utf-8?q?a b?="),
            ("=?utf-8?b?!?=", "=?utf-8?b?!?="),
            ("J\u{f6}rg", "Jörg"),
            ("", ""),
        ] {
            assert_eq!(unstructured(field), expected, "{field}");
        }
    }

    #[test]
    fn characters_that_were_cut_in_the_middle() {
        for (field, expected) in [
            ("=?utf-8?b?w6k=?=", "é"),
            ("=?utf-8?b?w?= =?utf-8?b?6k=?=", "é"),
            ("=?utf-8?b?ww==?= =?utf-8?b?qQ==?=", "é"),
            ("=?utf-8?b?ww?=\r\n =?utf-8?q?=A9?=", "é"),
            ("=?utf-8?q?Kranf=C3?= =?UTF-8?q?=BChrer?=", "Kranführer"),
            ("=?gb2312?B?xA==?= =?gb2312?B?47rD?=", "你好"),
            ("=?utf-8?q?=C3?= x =?utf-8?q?=A9?=", "\u{fffd} x \u{fffd}"),
        ] {
            assert_eq!(unstructured(field), expected, "{field}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_different() {
        assert_eq!(text_of(b"J\xf6rg \xc3\xa9 \xff"), "Jörg é ÿ");
        assert_ne!(text_of(b"\xf6@example.com"), text_of(b"\xe4@example.com"));
    }

    #[test]
    fn long_fields_take_time_in_proportion() {
        let repeats: [&dyn Fn(usize) -> String; 5] = [
            &|n| "=?".repeat(n),
            &|n| "=?utf-8?q?a?= ".repeat(n),
            &|n| "=?utf-8?q?".repeat(n),
            &|n| "=?utf-8?b?w?= ".repeat(n),
            &|n| format!("=?{}", "a".repeat(n)),
        ];
        for repeat in repeats {
            // Were it the square, it would not come to an end.
            assert!(!unstructured(&repeat(400_000)).is_empty());
        }
    }
}
