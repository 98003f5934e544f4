//! The mailboxes in a header field (RFC 5322, section 3.4): lists and groups, and what is to be made of those that no
//! grammar has.
//!
//! | written | read as |
//! | --- | --- |
//! | `Name <a@b> <c@d>`, `<a@b> c@d`, `a@b c@d`, `a@b; c@d` | both addresses |
//! | `<@relay,@other:a@b>`, `<mailto:a@b>`, `Name [mailto:a@b]`, `"a@b"`, `'a@b'` | `a@b` |
//! | `Maria Keller/HR/ACME@b` (Lotus Notes) | one address with the local part `Maria Keller/HR/ACME` |
//! | `Maria Keller maria@b` | two: `maria@b`, and the one with the local part `Maria Keller maria`; that is told |
//! | `@b`, `a@`, `a@b@c` | nothing; that is told |

use crate::address::Grammar;
use crate::token::{Token, Tokens, phrase};
use crate::{Address, NotAnAddress};

/// Tokens of one mailbox. What has more is none.
const TOKENS_MAX: usize = 4_000;
/// Addresses inside what looks like a name are looked for so deep.
const DEPTH_MAX: usize = 2;

/// Who is named in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, with what stands in comments; empty if there is none.
    pub name: String,
    /// Whose mailbox it is.
    pub identity: Identity,
}

/// Whose a mailbox is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// That of an address.
    Address(Address),
    /// That of a name without an address, as in mail that never left a machine. Never empty.
    Name(String),
}

/// What is wrong with an entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Something that should be an address is none.
    Unreadable(NotAnAddress),
    /// It could be either of two addresses; both were read.
    Ambiguous,
}

/// What stands at one place of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Somebody.
    Mailbox(Mailbox),
    /// Something that has a problem.
    Problem(Problem),
}

type Decode<'a> = &'a dyn Fn(&str) -> Option<String>;
type Spaced<'a> = (Token<'a>, bool);

/// The mailboxes in the value of an address field, those in groups included. The names of groups are nobody's. `decode`
/// gives the text of encoded words, one or several with white space between them.
pub fn mailboxes<'a>(field: &'a str, decode: Decode<'a>) -> impl Iterator<Item = Entry> + 'a {
    Segments { tokens: Tokens::of(field) }.flat_map(move |segment| {
        let mut entries = Vec::new();
        match segment {
            Some(segment) => read(&segment, decode, DEPTH_MAX, &mut entries),
            None => entries.push(unreadable(NotAnAddress::TooLong)),
        }
        entries
    })
}

/// The pieces of a list between its commas and semicolons, without the names of groups. `None` for one with too many
/// tokens.
struct Segments<'a> {
    tokens: Tokens<'a>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Option<Vec<Spaced<'a>>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut segment: Vec<Spaced<'a>> = Vec::new();
        let (mut count, mut in_angle, mut in_route) = (0_usize, false, false);
        loop {
            let Some((token, spaced)) = self.tokens.next() else {
                return (count > 0).then(|| (count <= TOKENS_MAX).then_some(segment));
            };
            match token {
                Token::Special('<') => (in_angle, in_route) = (true, false),
                Token::Special('>') => in_angle = false,
                Token::Special('@') if in_angle && matches!(segment.last(), Some((Token::Special('<'), _))) => {
                    in_route = true;
                }
                Token::Special(':') if in_angle => in_route = false,
                Token::Special(',') if in_route => {}
                Token::Special(',' | ';') if count == 0 => continue,
                Token::Special(',' | ';') => return Some((count <= TOKENS_MAX).then_some(segment)),
                Token::Special(':') => {
                    let is_group_name = segment.iter().all(|(token, _)| !matches!(token, Token::Special('<' | '@')));
                    if is_group_name && count <= TOKENS_MAX {
                        segment.clear();
                        count = 0;
                        continue;
                    }
                    return Some((count <= TOKENS_MAX).then_some(segment));
                }
                _ => {}
            }
            count += 1;
            if count <= TOKENS_MAX {
                segment.push((token, spaced));
            }
        }
    }
}

fn unreadable(reason: NotAnAddress) -> Entry {
    Entry::Problem(Problem::Unreadable(reason))
}

/// Reads one piece of a list.
fn read(segment: &[Spaced<'_>], decode: Decode<'_>, depth_left: usize, entries: &mut Vec<Entry>) {
    let comments = segment.iter().filter_map(|(token, _)| match token {
        Token::Comment(text) if !text.trim().is_empty() => Some(decode(text).unwrap_or_else(|| text.trim().to_owned())),
        _ => None,
    });
    let comment = comments.collect::<Vec<_>>().join(" ");
    let words: Vec<_> = segment.iter().filter(|(token, _)| !matches!(token, Token::Comment(_))).cloned().collect();
    let mut reader = Reader { decode, depth_left, comment, entries };
    match words.iter().position(|(token, _)| *token == Token::Special('<')) {
        _ if words.is_empty() => {}
        Some(first) => reader.in_angles(&words[..first], &words[first..]),
        None => reader.bare(&words),
    }
}

struct Reader<'a> {
    decode: Decode<'a>,
    depth_left: usize,
    comment: String,
    entries: &'a mut Vec<Entry>,
}

impl Reader<'_> {
    fn push(&mut self, name: &str, address: Address) {
        self.push_identity(name, Identity::Address(address));
    }

    fn push_identity(&mut self, name: &str, identity: Identity) {
        let name = match (name, self.comment.as_str()) {
            (name, "") => name.to_owned(),
            ("", comment) => comment.to_owned(),
            (name, comment) => format!("{name} ({comment})"),
        };
        self.entries.push(Entry::Mailbox(Mailbox { name, identity }));
    }

    /// Addresses in angle brackets, after a name.
    fn in_angles(&mut self, before: &[Spaced<'_>], rest: &[Spaced<'_>]) {
        let name = phrase(before.iter(), self.decode);
        let mut rest = rest;
        let mut found = false;
        while let Some(open) = rest.iter().position(|(token, _)| *token == Token::Special('<')) {
            let (between, after) = (&rest[..open], &rest[open + 1..]);
            if has_at(between) {
                self.bare(between);
                found = true;
            }
            let ends = |(token, _): &Spaced<'_>| matches!(token, Token::Special('<' | '>'));
            let close = after.iter().position(ends).unwrap_or(after.len());
            found |= self.angle(&name, &after[..close], before);
            rest = &after[close..];
            if let [(Token::Special('>'), _), more @ ..] = rest {
                rest = more;
            }
        }
        if has_at(rest) {
            self.bare(rest);
            found = true;
        }
        // The address stands where the name should, and nothing in the brackets.
        if !found && !before.is_empty() {
            self.bare(before);
        }
    }

    /// What stands between two angle brackets; whether it says who is meant.
    fn angle(&mut self, name: &str, content: &[Spaced<'_>], before: &[Spaced<'_>]) -> bool {
        let is_at = |token: Option<&Spaced<'_>>| matches!(token, Some((Token::Special('@'), _)));
        let colon = content.iter().position(|(token, _)| *token == Token::Special(':'));
        let content = match (content, colon) {
            ([(Token::Atom(scheme), _), ..], Some(1)) if is_scheme(scheme) => &content[2..],
            // An obsolete route says how to get there.
            (_, Some(colon)) if is_at(content.first()) => &content[colon + 1..],
            _ => content,
        };
        if content.is_empty() {
            return false;
        }
        if !has_at(content) {
            if let Some(inner) = self.inner(content) {
                return self.read_again(&inner, name);
            }
            // A name of a mailbox of this machine; if an address stands in front, that is meant.
            if has_at(before) || content.iter().any(|(token, _)| !token.is_word() && *token != Token::Special('.')) {
                return false;
            }
            let local = phrase(content.iter(), self.decode);
            let says_something = !local.is_empty();
            if says_something {
                self.push_identity(name, Identity::Name(local));
            }
            return says_something;
        }
        match Address::of_tokens(content, Grammar::Lenient, self.decode) {
            Ok(address) => self.push(name, address),
            Err(reason) => self.entries.push(unreadable(reason)),
        }
        true
    }

    /// Words without angle brackets: addresses, or a name.
    fn bare(&mut self, words: &[Spaced<'_>]) {
        if !has_at(words) {
            self.name_only(words);
            return;
        }
        // A control character may stand for anything: what is left and right of it is no address of its own.
        let spoils = |(token, _): &Spaced<'_>| matches!(token, Token::Stray(c) if c.is_control() || *c == '\\');
        if let Some((Token::Stray(c), _)) = words.iter().find(|token| spoils(token)) {
            let reason = if c.is_control() { NotAnAddress::Control } else { NotAnAddress::Misplaced(*c) };
            self.entries.push(unreadable(reason));
            return;
        }
        let mut rest = words;
        while let Some(at) = rest.iter().position(|(token, _)| *token == Token::Special('@')) {
            let domain = domain_length(&rest[at + 1..]);
            let end = at + 1 + domain;
            if matches!(rest.get(end), Some((Token::Special('@'), _))) {
                // One more @, as in `a@b@c`: whose mailbox that is cannot be known.
                self.entries.push(unreadable(NotAnAddress::SeveralAts));
                let next = end + 1 + domain_length(&rest[end + 1..]);
                rest = &rest[next..];
                continue;
            }
            self.one(&rest[..at], &rest[at..end]);
            rest = &rest[end..];
        }
    }

    /// One address without brackets. More words in front of the `@` than one are its name or a part of it.
    fn one(&mut self, before: &[Spaced<'_>], at_domain: &[Spaced<'_>]) {
        let is_part = |(token, _): &Spaced<'_>| token.is_word() || *token == Token::Special('.');
        let start = before.iter().rposition(|token| !is_part(token)).map_or(0, |last| last + 1);
        let local = &before[start..];
        let all = [local, at_domain].concat();
        // Where the last word begins: the last one that follows another without a dot.
        let last = (1..local.len()).rev().find(|&i| local[i].0.is_word() && local[i - 1].0.is_word()).unwrap_or(0);
        let (name, word) = local.split_at(last);
        let is_name =
            !name.is_empty() && name.iter().all(|(token, _)| matches!(token, Token::Quoted(_) | Token::Encoded(_)));
        let is_notes = local.iter().any(|(token, _)| matches!(token, Token::Atom(text) if text.contains('/')));
        let whole = Address::of_tokens(&all, Grammar::Lenient, self.decode);
        let is_torn = local.get(last).is_some_and(|(_, spaced)| last > 0 && !spaced);
        if name.is_empty() || is_torn || (is_notes && !is_name) {
            match whole {
                Ok(address) => self.push("", address),
                Err(reason) => self.entries.push(unreadable(reason)),
            }
            return;
        }
        let shown = phrase(name.iter(), self.decode);
        match Address::of_tokens(&[word, at_domain].concat(), Grammar::Lenient, self.decode) {
            Ok(address) => self.push(if is_name { &shown } else { "" }, address),
            Err(reason) => return self.entries.push(unreadable(reason)),
        }
        if !is_name {
            if let Ok(address) = whole {
                self.push("", address);
            }
            self.entries.push(Entry::Problem(Problem::Ambiguous));
        }
    }

    /// Words without any `@`: an address in quotes or in an encoded word, or a name.
    fn name_only(&mut self, words: &[Spaced<'_>]) {
        if let Some(inner) = self.inner(words)
            && self.read_again(&inner, "")
        {
            return;
        }
        if let Some((Token::Stray(c), _)) = words.iter().find(|(token, _)| matches!(token, Token::Stray(_))) {
            let reason = if c.is_control() { NotAnAddress::Control } else { NotAnAddress::Misplaced(*c) };
            self.entries.push(unreadable(reason));
            return;
        }
        let name = phrase(words.iter(), self.decode);
        if !name.is_empty() && words.iter().any(|(token, _)| token.is_word()) {
            let shown = if self.comment.is_empty() { name.as_str() } else { "" };
            self.push_identity(shown, Identity::Name(name.clone()));
        }
    }

    /// The text in which an address may be hidden: of the last bracket, quoted string or encoded word that has an `@`.
    fn inner(&self, words: &[Spaced<'_>]) -> Option<String> {
        if self.depth_left == 0 {
            return None;
        }
        let hidden = |token: &Token<'_>| match token {
            Token::Literal(text) => {
                let scheme = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme.trim()));
                Some(scheme.map_or(text.as_str(), |(_, rest)| rest).to_owned())
            }
            Token::Quoted(text) if text.contains("=?") => (self.decode)(text),
            Token::Quoted(text) => Some(text.clone()),
            Token::Encoded(text) => (self.decode)(text),
            _ => None,
        };
        words.iter().rev().find_map(|(token, _)| hidden(token).filter(|text| text.contains('@')))
    }

    fn read_again(&mut self, inner: &str, name: &str) -> bool {
        let mut found = Vec::new();
        for segment in (Segments { tokens: Tokens::of(inner) }).flatten() {
            read(&segment, self.decode, self.depth_left - 1, &mut found);
        }
        let before = self.entries.len();
        for entry in found {
            match entry {
                Entry::Mailbox(Mailbox { name: shown, identity: Identity::Address(address) }) => {
                    self.push(if shown.is_empty() { name } else { &shown }, address);
                }
                // It only looked like an address.
                Entry::Mailbox(_) => {}
                problem @ Entry::Problem(_) => self.entries.push(problem),
            }
        }
        self.entries.len() > before
    }
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("mailto") || word.eq_ignore_ascii_case("smtp")
}

fn has_at(words: &[Spaced<'_>]) -> bool {
    words.iter().any(|(token, _)| *token == Token::Special('@'))
}

/// How many tokens a domain has at the beginning of some.
fn domain_length(tokens: &[Spaced<'_>]) -> usize {
    if let [(Token::Literal(_), _), ..] = tokens {
        return 1;
    }
    let mut length = 0;
    let mut wants_label = true;
    for (token, _) in tokens {
        let fits = match token {
            Token::Atom(_) | Token::Encoded(_) => wants_label,
            Token::Special('.') => !wants_label,
            _ => false,
        };
        if !fits {
            break;
        }
        wants_label = !wants_label;
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough of RFC 2047 for these tests: `=?u?q?text?=` is `text`.
    fn decode(text: &str) -> Option<String> {
        let words = text.split_whitespace().map(|word| word.strip_prefix("=?u?q?")?.strip_suffix("?="));
        words.collect::<Option<Vec<_>>>().map(|words| words.concat().replace('_', " "))
    }

    /// Each entry in short: `name|address`.
    fn of(field: &str) -> Vec<String> {
        let shown = |entry| match entry {
            Entry::Mailbox(Mailbox { name, identity: Identity::Address(address) }) => format!("{name}|{address}"),
            Entry::Mailbox(Mailbox { name, identity: Identity::Name(id) }) => format!("{name}|{id}"),
            Entry::Problem(Problem::Unreadable(reason)) => format!("!{reason}"),
            Entry::Problem(Problem::Ambiguous) => "!ambiguous".to_owned(),
        };
        mailboxes(field, &decode).map(shown).collect()
    }

    #[track_caller]
    fn check(cases: &[(&str, &[&str])]) {
        for (field, expected) in cases {
            assert_eq!(of(field), *expected, "{field}");
        }
    }

    #[test]
    fn lists_groups_names_and_comments() {
        check(&[
            ("a@b", &["|a@b"]),
            ("Maria Keller <a@b>,\r\n \"Keller, Hans\" <c@d>", &["Maria Keller|a@b", "Keller, Hans|c@d"]),
            ("a@b (Maria Keller)", &["Maria Keller|a@b"]),
            ("Maria (the boss) Keller <a@b> (Inc.)", &["Maria Keller (the boss Inc.)|a@b"]),
            ("Maria.Keller <a@b>", &["Maria.Keller|a@b"]),
            ("friends: a@b, Hans <c@d>;, e@f", &["|a@b", "Hans|c@d", "|e@f"]),
            ("friends: a@b; others: c@d;", &["|a@b", "|c@d"]),
            ("friends: a@b", &["|a@b"]),
            ("undisclosed-recipients:;", &[]),
            ("unlisted-recipients:; (no To-header on input)", &[]),
            ("(no To-header on input)", &[]),
            (",,;, ,", &[]),
            ("", &[]),
            ("=?u?q?Maria?= =?u?q?_Keller?= <a@b>", &["Maria Keller|a@b"]),
            ("\"=?u?q?Maria?=\" <a@b>", &["Maria|a@b"]),
            ("a@b (=?u?q?Maria?=)", &["Maria|a@b"]),
            ("=?x?q?no?= such <a@b>", &["=?x?q?no?= such|a@b"]),
        ]);
    }

    #[test]
    fn every_address_has_its_local_part() {
        check(&[
            ("\"john doe\"@example.com", &["|\"john doe\"@example.com"]),
            ("\"Maria Keller/HR/ACME\"@notes.example.com", &["|\"Maria Keller/HR/ACME\"@notes.example.com"]),
            ("Maria Keller/HR/ACME@ACME", &["|\"Maria Keller/HR/ACME\"@ACME"]),
            ("CN=Maria Keller/OU=HR/O=ACME@ACME", &["|\"CN=Maria Keller/OU=HR/O=ACME\"@ACME"]),
            ("Maria <Maria Keller/HR/ACME@ACME>", &["Maria|\"Maria Keller/HR/ACME\"@ACME"]),
            ("a @ b . c", &["|a@b.c"]),
            ("<@relay:a@b>, <@r1,@r2 , @r3:c@d>, e@f", &["|a@b", "|c@d", "|e@f"]),
            ("Name <a@b> <a@b>", &["Name|a@b", "Name|a@b"]),
            ("<a@b> <c@d>, <e@f> g@h", &["|a@b", "|c@d", "|e@f", "|g@h"]),
            ("a@b c@d; e@f", &["|a@b", "|c@d", "|e@f"]),
            ("\"a@b\", 'c@d', \"Hans <e@f>\"", &["|a@b", "|c@d", "Hans|e@f"]),
            ("<\"a@b\">, <'c@d'>, <mailto:e@f>, mailto:g@h", &["|a@b", "|c@d", "|e@f", "|g@h"]),
            ("Maria [mailto:a@b], Hans [SMTP:c@d]", &["|a@b", "|c@d"]),
            ("=?u?q?maria?=@b, =?u?q?maria.keller?=@b", &["|maria@b", "|maria.keller@b"]),
            ("=?u?q?Maria_<a@b>?=, =?u?q?c@d?=", &["Maria|a@b", "|c@d"]),
            ("a@b <a@b>, a@b <>, c@d <Name>", &["a@b|a@b", "|a@b", "|c@d"]),
            ("ceo@bank <mallory@evil>, =?u?q?ceo@bank?= <m@evil>", &["ceo@bank|mallory@evil", "ceo@bank|m@evil"]),
            ("a@[192.0.2.1]", &["|a@[192.0.2.1]"]),
            ("jörg@bücher.example", &["|jörg@bücher.example"]),
            ("a@b., c..d@e", &["|a@b", "|c..d@e"]),
            ("<a@b, c@d", &["|a@b", "|c@d"]),
            ("\"x <a@b>", &["\"x|a@b"]),
            ("\"Keller, Maria\" a@b", &["Keller, Maria|a@b"]),
        ]);
    }

    #[test]
    fn names_without_an_address() {
        check(&[
            ("root", &["root|root"]),
            ("root (Charlie Root)", &["Charlie Root|root"]),
            ("<root>, Name <root>", &["|root", "Name|root"]),
            ("\"MAILER-DAEMON\" <>", &["MAILER-DAEMON|MAILER-DAEMON"]),
            ("Maria Keller/HR/ACME", &["Maria Keller/HR/ACME|Maria Keller/HR/ACME"]),
            ("<>, \"\" <>", &[]),
        ]);
    }

    #[test]
    fn what_could_be_two_addresses_is_both() {
        check(&[
            ("Maria Keller maria@b", &["|maria@b", "|\"Maria Keller maria\"@b", "!ambiguous"]),
            ("john smith@b (John)", &["John|smith@b", "John|\"john smith\"@b", "!ambiguous"]),
        ]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        check(&[
            ("@example.com, a@b", &["!has nothing before the @", "|a@b"]),
            ("<@example.com>", &["!has nothing before the @"]),
            ("\"\"@example.com", &["!has nothing before the @"]),
            ("maria@", &["!has nothing after the @"]),
            ("a@b@c, d@e", &["!has more than one @ outside quotes", "|d@e"]),
            ("<a@b@c>", &["!has more than one @ outside quotes"]),
            ("ma\0ria@b", &["!has a control character"]),
            ("maria@b\0example.com", &["!has a control character"]),
            ("<maria@b\0example.com>", &["!has a control character"]),
            ("maria\\ keller@b", &["!has a \"\\\\\" where an address cannot have one"]),
            ("unlisted (no To-header", &["!has a \"(\" where an address cannot have one"]),
            ("\"a\"b@c", &["!has words beside the address; quote a local part that has spaces"]),
        ]);
    }

    #[test]
    fn long_fields_take_time_in_proportion() {
        let repeats: [&dyn Fn(usize) -> String; 12] = [
            &|n| "a@b,".repeat(n),
            &|n| "(".repeat(n),
            &|n| format!("{}{}", "(".repeat(n), ")".repeat(n)),
            &|n| "\"\\\"".repeat(n),
            &|n| "\"".repeat(n | 1),
            &|n| "[".repeat(n),
            &|n| "<".repeat(n),
            &|n| "@".repeat(n),
            &|n| "a ".repeat(n),
            &|n| "=?u?q?".repeat(n),
            &|n| "<@a,".repeat(n),
            &|n| "a b@c ".repeat(n),
        ];
        for repeat in repeats {
            // Were it the square, it would not come to an end.
            mailboxes(&repeat(400_000), &decode).count();
        }
    }
}
