//! One pass over a text: where something can begin, everything that it could be is tried.

use std::collections::BTreeMap;
use std::ops::Range;

use super::context::Context;
use super::number::{self, GROUPS_MAX, Group};
use super::phone::{self, Evidence};
use super::{
    Encoding, Finding, Kind, Sensitivity, calendar, card, email, encoded, iban, national_id, network, secret, uuid,
};

/// How many encodings may lie around a value.
const ENCODINGS_MAX: usize = 3;
/// Fewer digits than any number that is looked for has, but for addresses of machines.
const DIGITS_MIN: usize = 8;

/// Looks through a text that `before` introduces.
pub(super) fn scan(text: &str, before: &str, sensitivity: Sensitivity, encodings: usize) -> Vec<Finding> {
    let bytes = text.as_bytes();
    let context = Context { before, text: bytes };
    let mut scan = Scan {
        text,
        bytes,
        context,
        sensitivity,
        encodings,
        candidates: Vec::new(),
        no_text_to: 0,
        groups: Vec::new(),
        calendar: Vec::new(),
    };
    scan.look();
    let mut candidates = scan.candidates;
    candidates.sort_by_key(|(rank, candidate)| (candidate.encoding.is_some(), *rank, candidate.range.start));
    // The best evidence first; what overlaps with it was part of it. By where they begin: there may be very many.
    let mut counted: BTreeMap<usize, Finding> = BTreeMap::new();
    for (_, candidate) in candidates {
        let before = counted.range(..candidate.range.end).next_back();
        if before.is_none_or(|(_, other)| other.range.end <= candidate.range.start) {
            counted.insert(candidate.range.start, candidate);
        }
    }
    counted.into_values().collect()
}

/// How good the evidence for something is, from the best on: of two that overlap, the better one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It says what it is.
    Named,
    /// Two check digits, or a date and one.
    Checked,
    /// One check digit, and a network or a grouping.
    Card,
    /// A structure of its own.
    Structure,
    /// A grouping, or a word nearby.
    Grouped,
    /// A word nearby, and nothing else.
    Word,
    /// It could be something else.
    Uncertain,
    /// It could be something else, and has no check digit.
    Unchecked,
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    context: Context<'a>,
    sensitivity: Sensitivity,
    encodings: usize,
    candidates: Vec<(Rank, Finding)>,
    /// Before this, what is escaped stands for no text.
    no_text_to: usize,
    /// Kept for the next number.
    groups: Vec<Group>,
    /// Which of them are parts of a date or a time.
    calendar: Vec<bool>,
}

impl Scan<'_> {
    fn look(&mut self) {
        let mut at = 0;
        // Before this, numbers were looked through.
        let mut numbers_to = 0;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    if at >= numbers_to {
                        numbers_to = self.numbers(at);
                    }
                    at = self.word(at);
                }
                b'a'..=b'z' | b'A'..=b'Z' => {
                    let end = self.word(at);
                    if let Some(digits) = self.number_behind_word(at..end) {
                        numbers_to = self.numbers(digits);
                    }
                    at = end;
                }
                b'@' => {
                    if let Some(range) = email::around(self.text, at) {
                        self.push(Rank::Structure, Kind::Email, range);
                    }
                    at += 1;
                }
                b'+' => {
                    if self.begins(at)
                        && let Some(range) = phone::international(self.bytes, at)
                    {
                        self.push(Rank::Grouped, Kind::Phone, range);
                    }
                    at += 1;
                }
                b'(' => {
                    if let Some(range) = phone::in_parentheses(self.bytes, at) {
                        self.push(Rank::Grouped, Kind::Phone, range);
                    }
                    at += 1;
                }
                b':' => {
                    self.colon(at);
                    at += 1;
                }
                b'%' => at = self.percent(at),
                b'-' => {
                    if let Some(end) = secret::private_key(self.bytes, at) {
                        self.push(Rank::Named, Kind::ApiKey, at..end);
                        at = end;
                    }
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    /// Everything that begins where a word does. Where the word ends.
    fn word(&mut self, at: usize) -> usize {
        let length = self.bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let end = at + length;
        if !self.begins(at) {
            return end;
        }
        let word = &self.bytes[at..end];
        let has_digit = word.iter().any(u8::is_ascii_digit);
        let next = self.bytes.get(end);
        let may_be_address = length <= 4 && matches!(next, Some(b':' | b'-' | b'.'));
        if may_be_address {
            if let Some(end) = network::mac_from(self.bytes, at) {
                self.push(Rank::Structure, Kind::MacAddress, at..end);
            }
            if next == Some(&b':')
                && let Some(end) = network::ipv6_from(self.text, at)
            {
                self.push(Rank::Structure, Kind::IpAddress, at..end);
            }
        }
        if has_digit || iban::begins(word, &self.bytes[end..]) || national_id::begins(word, &self.bytes[end..]) {
            if let Some(end) = iban::from(self.bytes, at) {
                self.push(Rank::Checked, Kind::Iban, at..end);
            }
            if let Some(found) = national_id::from(self.bytes, at..end, self.context, self.sensitivity) {
                let rank = if found.is_uncertain { Rank::Uncertain } else { Rank::Checked };
                self.push(rank, Kind::NationalId(found.country), at..found.end);
            }
        }
        // A key begins with its name: `sk-`, `hvs.`; and is long, but for that.
        let may_be_secret = length >= 16 || matches!(next, Some(b'_' | b'-' | b'.'));
        if may_be_secret && let Some(secret) = secret::from(self.bytes, at, self.context) {
            let rank = if secret.is_named { Rank::Named } else { Rank::Word };
            self.push(rank, secret.kind, secret.range);
        }
        // Most words are too short, and nothing else of base64 follows.
        if length >= encoded::BASE64_MIN || matches!(next, Some(b'+' | b'/' | b'-' | b'_')) {
            self.base64(at..end);
        }
        end
    }

    /// All numbers that are made of the groups of digits from a place on. Where these end.
    fn numbers(&mut self, at: usize) -> usize {
        let mut groups = std::mem::take(&mut self.groups);
        number::groups(self.bytes, at, &mut groups);
        let end = groups.last().map_or(at + 1, |group| group.end);
        // What goes on with a letter is no number.
        if self.bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
            groups.pop();
        }
        calendar::mark(self.bytes, &groups, &mut self.calendar);
        let mut first = 0;
        while first < groups.len() {
            first = self.number(&groups, first).unwrap_or(first) + 1;
        }
        self.groups = groups;
        end
    }

    /// The longest number that begins with a group; the last group of it.
    fn number(&mut self, groups: &[Group], first: usize) -> Option<usize> {
        let most = groups.len().min(first + GROUPS_MAX);
        let mut digits: usize = groups[first..most].iter().map(|group| group.end - group.start).sum();
        for last in (first..most).rev() {
            let of = &groups[first..=last];
            let may_be = (DIGITS_MIN..=number::DIGITS_MAX).contains(&digits) || of.len() == 4;
            digits -= groups[last].end - groups[last].start;
            if !may_be {
                continue;
            }
            let Some(number) = number::number(self.bytes, of) else { continue };
            let begins = self.begins(number.range.start);
            let is_phone = || match self.calendar.get(first..=last) {
                Some(calendar) if calendar.contains(&true) => None,
                _ => phone::evidence(&number, self.bytes, self.context).filter(|_| begins),
            };
            let (rank, kind) = if card::is_card(&number, self.sensitivity) {
                (Rank::Card, Kind::PaymentCard)
            } else if begins && network::is_ipv4(&number, self.bytes, self.context) {
                (Rank::Structure, Kind::IpAddress)
            } else {
                match is_phone() {
                    Some(Evidence::Certain) => (Rank::Grouped, Kind::Phone),
                    Some(Evidence::Likely)
                        if self.sensitivity == Sensitivity::Strict && !uuid::is_inside(self.bytes, &number.range) =>
                    {
                        (Rank::Unchecked, Kind::Phone)
                    }
                    _ => continue,
                }
            };
            // An address with more numbers on either side is the version of something, or a longer number.
            let has_neighbour = |at: Option<usize>| at.is_some_and(|at| self.bytes.get(at) == Some(&b'.'));
            let is_part = kind == Kind::IpAddress
                && (has_neighbour(number.range.start.checked_sub(1))
                    || last + 1 < groups.len() && has_neighbour(Some(number.range.end)));
            if !is_part {
                self.push(rank, kind, number.range);
                return Some(last);
            }
        }
        None
    }

    /// `://` before credentials, or `::` at the beginning of an address.
    fn colon(&mut self, at: usize) {
        if self.bytes[at..].starts_with(b"://") {
            if let Some(range) = secret::url_credentials(self.bytes, at) {
                self.push(Rank::Named, Kind::UrlCredentials, range);
            }
        } else if self.bytes[at..].starts_with(b"::")
            && at.checked_sub(1).is_none_or(|before| !self.bytes[before].is_ascii_alphanumeric())
            && let Some(end) = network::ipv6_from(self.text, at)
        {
            self.push(Rank::Structure, Kind::IpAddress, at..end);
        }
    }

    /// What is escaped around a place. Where that ends.
    fn percent(&mut self, at: usize) -> usize {
        let is_escaped = self.bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        if !is_escaped || self.encodings >= ENCODINGS_MAX || at < self.no_text_to {
            return at + 1;
        }
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'<>`,;(){}[]|\\".contains(byte);
        // What separates one value of a query from the next separates two texts.
        let ends_value = |byte: &u8| ends(byte) || b"&=?#".contains(byte);
        let start = self.bytes[..at].iter().rposition(ends_value).map_or(0, |before| before + 1);
        let end = at + self.bytes[at..].iter().position(ends_value).unwrap_or(self.bytes.len() - at);
        match self.text.get(start..end).and_then(encoded::percent_decoded) {
            Some(inner) => {
                self.decoded(&inner, start..end, Encoding::Percent);
                end
            }
            // It stands for no text: what is around it is looked at as it is.
            None => {
                self.no_text_to = end;
                at + 1
            }
        }
    }

    /// What stands in base64 from a word on.
    fn base64(&mut self, word: Range<usize>) {
        if self.encodings >= ENCODINGS_MAX {
            return;
        }
        let is_between = |byte: u8| b"+/-_".contains(&byte);
        let at = word.start;
        let end = if at.checked_sub(1).is_some_and(|before| is_between(self.bytes[before])) {
            // The whole was looked at from its beginning on. It may also be a part of a path.
            word.end
        } else {
            let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || is_between(**byte);
            at + self.bytes[at..].iter().take_while(is_digit).count()
        };
        let padding = self.bytes[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
        let range = at..end + padding;
        let written = &self.bytes[range.clone()];
        if encoded::may_be_base64(written)
            && let Some(inner) = encoded::base64_decoded(written)
        {
            self.decoded(&inner, range, Encoding::Base64);
        }
    }

    fn decoded(&mut self, inner: &str, range: Range<usize>, encoding: Encoding) {
        // What stands before the encoded text introduces what is in it.
        let mut from = range.start.saturating_sub(48);
        while !self.text.is_char_boundary(from) {
            from += 1;
        }
        let before = if range.start == 0 { self.context.before } else { &self.text[from..range.start] };
        let found = scan(inner, before, self.sensitivity, self.encodings + 1);
        let encoded = |finding: Finding| Finding { kind: finding.kind, range: range.clone(), encoding: Some(encoding) };
        self.candidates.extend(found.into_iter().map(|finding| (Rank::Structure, encoded(finding))));
    }

    /// Where the number begins that a word runs into: `card4111111111111111`. Not in hexadecimal numbers, which are hashes.
    fn number_behind_word(&self, word: Range<usize>) -> Option<usize> {
        let written = &self.bytes[word.clone()];
        let digits = written.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let is_word = || written[..written.len() - digits].iter().all(u8::is_ascii_alphabetic);
        let is_hash = || written.iter().all(u8::is_ascii_hexdigit);
        let is_one = self.sensitivity == Sensitivity::Strict && digits > 3 && is_word() && !is_hash();
        is_one.then_some(word.end - digits)
    }

    /// Whether a word or a number can begin here.
    fn begins(&self, at: usize) -> bool {
        at.checked_sub(1).is_none_or(|before| !self.bytes[before].is_ascii_alphanumeric())
    }

    fn push(&mut self, rank: Rank, kind: Kind, range: Range<usize>) {
        self.candidates.push((rank, Finding { range, kind, encoding: None }));
    }
}
