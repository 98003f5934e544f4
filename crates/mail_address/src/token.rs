//! The tokens of a structured header field (RFC 5322, section 3.2; RFC 6532 for characters beyond ASCII; RFC 2047 for
//! encoded words).

use std::borrow::Cow;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Characters without a special meaning.
    Atom(&'a str),
    /// An encoded word, as it is written. It is one token, whatever special characters stand in it.
    Encoded(&'a str),
    /// What stands in a quoted string, without quotes, escapes and line ends.
    Quoted(String),
    /// What stands in a comment, likewise; comments inside keep their parentheses.
    Comment(String),
    /// What stands between brackets, likewise.
    Literal(String),
    /// One of `<>@,;:.`
    Special(char),
    /// A character that has no place there: the end of what never began, the beginning of what never ends, a control
    /// character.
    Stray(char),
}

impl Token<'_> {
    /// Whether it is a word of a phrase or of a local part.
    pub(crate) fn is_word(&self) -> bool {
        matches!(self, Self::Atom(_) | Self::Encoded(_) | Self::Quoted(_))
    }
}

/// Splits a text into tokens. Each character is looked at a fixed number of times, whatever the text is.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    text: &'a str,
    /// Nothing that begins after this ends: what was found to be unclosed once is not looked for again.
    quotes_end: bool,
    comments_end: bool,
}

impl<'a> Tokens<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, quotes_end: true, comments_end: true }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.text.split_at(bytes);
        self.text = rest;
        taken
    }

    fn quoted(&mut self) -> Token<'a> {
        if self.quotes_end
            && let Some((content, bytes)) = delimited(self.text, &|c| c == '"')
        {
            self.take(bytes);
            return Token::Quoted(content);
        }
        self.quotes_end = false;
        self.take(1);
        Token::Stray('"')
    }

    fn comment(&mut self) -> Token<'a> {
        if self.comments_end
            && let Some((content, bytes)) = comment(self.text)
        {
            self.take(bytes);
            return Token::Comment(content);
        }
        self.comments_end = false;
        self.take(1);
        Token::Stray('(')
    }

    fn literal(&mut self) -> Token<'a> {
        // A bracket inside ends the search, so that it is short.
        match delimited(self.text, &|c| c == ']' || c == '[') {
            Some((content, bytes)) if self.text[..bytes].ends_with(']') => {
                self.take(bytes);
                Token::Literal(content)
            }
            _ => {
                self.take(1);
                Token::Stray('[')
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    /// A token, and whether white space stands in front of it.
    type Item = (Token<'a>, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.trim_start();
        let spaced = rest.len() < self.text.len();
        self.text = rest;
        let first = rest.chars().next()?;
        let token = match first {
            '"' => self.quoted(),
            '(' => self.comment(),
            '[' => self.literal(),
            '<' | '>' | '@' | ',' | ';' | ':' | '.' => {
                self.take(1);
                Token::Special(first)
            }
            _ if let Some(bytes) = encoded_word(rest) => Token::Encoded(self.take(bytes)),
            _ if is_atext(first) => {
                let bytes = rest.find(|c| !is_atext(c)).unwrap_or(rest.len());
                Token::Atom(self.take(bytes))
            }
            _ => {
                self.take(first.len_utf8());
                Token::Stray(first)
            }
        };
        Some((token, spaced))
    }
}

/// Whether a character may stand in an atom (RFC 5322, section 3.2.3; RFC 6532, section 3.2).
pub(crate) fn is_atext(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
    } else {
        !c.is_whitespace() && !c.is_control()
    }
}

/// What stands between the first character and the next one that ends it, and how many bytes all of it has.
fn delimited(text: &str, ends: &dyn Fn(char) -> bool) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            _ if ends(c) => return Some((content, at + c.len_utf8())),
            '\\' => content.extend(chars.next().map(|(_, c)| c)),
            '\r' | '\n' => {}
            _ => content.push(c),
        }
    }
    None
}

/// The same for a comment, in which others can stand.
fn comment(text: &str) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut depth = 0_usize;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        match c {
            ')' if depth == 0 => return Some((content, at + 1)),
            '(' if depth == 1 => {}
            '\\' => content.extend(chars.next().map(|(_, c)| c)),
            '\r' | '\n' => {}
            _ => content.push(c),
        }
    }
    None
}

/// The length of an encoded word at the beginning of a text: `=?charset?b or q?text?=`, with nothing but another one
/// right behind it.
pub fn encoded_word(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("=?")?;
    let is_part = |c: char| !c.is_whitespace() && !c.is_control() && c != '?';
    let part = |text: &str| text.find(|c| !is_part(c)).filter(|end| text[*end..].starts_with('?'));
    let charset = part(rest).filter(|bytes| *bytes > 0)?;
    let encoding = rest.get(charset + 1..charset + 3)?;
    if !["b?", "B?", "q?", "Q?"].contains(&encoding) {
        return None;
    }
    let content = part(&rest[charset + 3..])?;
    let bytes = 2 + charset + 3 + content;
    let behind = text[bytes..].strip_prefix("?=")?;
    (behind.starts_with("=?") || !behind.starts_with(is_atext)).then_some(bytes + 2)
}

/// A phrase: its words, with one space where there was white space.
pub(crate) fn phrase<'a>(
    tokens: impl Iterator<Item = &'a (Token<'a>, bool)>,
    decode: &dyn Fn(&str) -> Option<String>,
) -> String {
    let mut phrase = String::new();
    let mut encoded = String::new();
    let flush = |encoded: &mut String, phrase: &mut String| {
        if !encoded.is_empty() {
            phrase.push_str(&decode(encoded).unwrap_or_else(|| encoded.clone()));
            encoded.clear();
        }
    };
    for (token, spaced) in tokens {
        // White space between two encoded words belongs to neither (RFC 2047, section 6.2).
        if let (Token::Encoded(word), false) = (token, encoded.is_empty()) {
            encoded.push(' ');
            encoded.push_str(word);
            continue;
        }
        flush(&mut encoded, &mut phrase);
        if *spaced && !phrase.is_empty() {
            phrase.push(' ');
        }
        let text: Cow<'_, str> = match token {
            Token::Encoded(word) => {
                encoded.push_str(word);
                continue;
            }
            Token::Atom(text) => Cow::Borrowed(text),
            // Encoded words have no place in a quoted string, and are often put there.
            Token::Quoted(text) if text.contains("=?") => Cow::Owned(decode(text).unwrap_or_else(|| text.clone())),
            Token::Quoted(text) | Token::Literal(text) => Cow::Borrowed(text.as_str()),
            Token::Comment(_) => continue,
            Token::Special(c) | Token::Stray(c) => Cow::Owned(c.to_string()),
        };
        phrase.push_str(&text);
    }
    flush(&mut encoded, &mut phrase);
    phrase.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Token<'_>> {
        Tokens::of(text).map(|(token, _)| token).collect()
    }

    #[test]
    fn every_kind_of_token() {
        let text = "Ann \"B \\\"C\\\"\r\n D\" (e (f\\)) g)<h@[1.2]>,;: =?utf-8?q?a@b?= é\0";
        let expected = [
            Token::Atom("Ann"),
            Token::Quoted("B \"C\" D".to_owned()),
            Token::Comment("e (f)) g".to_owned()),
            Token::Special('<'),
            Token::Atom("h"),
            Token::Special('@'),
            Token::Literal("1.2".to_owned()),
            Token::Special('>'),
            Token::Special(','),
            Token::Special(';'),
            Token::Special(':'),
            Token::Encoded("=?utf-8?q?a@b?="),
            Token::Atom("é"),
            Token::Stray('\0'),
        ];
        assert_eq!(of(text), expected);
    }

    #[test]
    fn what_is_not_closed_is_a_character_like_others() {
        assert_eq!(of("\"a"), [Token::Stray('"'), Token::Atom("a")]);
        assert_eq!(
            of("(a (b)"),
            [Token::Stray('('), Token::Atom("a"), Token::Stray('('), Token::Atom("b"), Token::Stray(')')]
        );
        assert_eq!(of("[a[b]"), [Token::Stray('['), Token::Atom("a"), Token::Literal("b".to_owned())]);
        assert_eq!(of("\\"), [Token::Stray('\\')]);
        assert_eq!(of("\"\\"), [Token::Stray('"'), Token::Stray('\\')]);
    }

    #[test]
    fn what_looks_like_an_encoded_word() {
        for text in [
            "=?",
            "=?utf-8",
            "=??q?a?=",
            "=?utf-8?x?a?=",
            "=?utf-8?q?a b?=",
            "=?utf-8?q?a",
            "=?utf-8?qé?=",
            "=?u?q?a?=b",
        ] {
            assert_eq!(encoded_word(text), None, "{text}");
        }
        assert_eq!(encoded_word("=?utf-8*en?Q??= x"), Some(15));
        assert_eq!(encoded_word("=?u?q?a?==?u?q?b?="), Some(9));
        assert_eq!(encoded_word("=?u?b?é?=."), Some(10));
    }
}
