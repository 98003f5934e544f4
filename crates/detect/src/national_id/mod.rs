//! Numbers by which countries know people. Each is checked as the authority that gives it out says: check digits, dates
//! of birth, ranges that are in use. Only that of the United States has no check digit; there it is the ranges.

mod dates;
mod forms;
mod rules;

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use super::context::Context;
use super::{Sensitivity, number};
use forms::FORMS;

/// A country whose numbers are known, by its code (ISO 3166-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the code of a country, and says nothing else")]
pub enum Country {
    Be,
    Br,
    Ca,
    Ch,
    Cn,
    De,
    Es,
    Fi,
    Fr,
    Gb,
    In,
    It,
    Kr,
    Mx,
    Nl,
    No,
    Pl,
    Ro,
    Se,
    Tr,
    Us,
    Za,
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_uppercase())
    }
}

/// How a number is written, and what it must be.
struct Form {
    country: Country,
    /// `#` is a digit, `A` a letter, `*` either; a space, hyphen, dot or slash is what the authority writes there; anything
    /// else is itself.
    pattern: &'static str,
    /// Whether letters and digits, in upper case and without what is between them, are such a number.
    is_valid: fn(&[u8]) -> bool,
    weight: Weight,
    /// Words that say what it is, in lower case.
    words: &'static [&'static str],
}

/// What it says that a number has such a form, and is valid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// It is as often something else: nothing is checked but ranges.
    Word,
    /// It may be something else.
    Likely,
    /// It is hardly ever something else, written as the authority writes it.
    Certain,
    /// It is hardly ever something else, whatever stands between its groups: two check digits, or a date and one.
    Strong,
}

/// A number, with how sure that is.
pub(super) struct Identity {
    pub(super) country: Country,
    pub(super) end: usize,
    /// It could be something else, and no word says what it is.
    pub(super) is_uncertain: bool,
}

/// More letters and digits than any form has.
const CHARACTERS_MAX: usize = 18;

/// Whether a character of a pattern separates groups.
fn separates(wanted: u8) -> bool {
    b" -./".contains(&wanted)
}

/// Letters and digits of a text, in upper case and without what is between them.
#[derive(Default)]
struct Characters {
    characters: [u8; CHARACTERS_MAX],
    count: usize,
}

impl Characters {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.characters.get_mut(self.count) {
            *slot = byte.to_ascii_uppercase();
            self.count += 1;
        }
    }

    fn all(&self) -> &[u8] {
        &self.characters[..self.count]
    }
}

/// Where a number ends, and how it is written.
struct Written {
    end: usize,
    /// As the authority writes it.
    as_given: bool,
}

impl Form {
    /// Whether it is not a part of a longer number, whose groups are separated as its own are.
    fn stands_alone(&self, text: &[u8], range: Range<usize>, used: Option<u8>) -> bool {
        let separates =
            |byte: u8| b"-./".contains(&byte) || self.pattern.as_bytes().contains(&byte) || used == Some(byte);
        let after = match text.get(range.end..) {
            Some([next, digit, ..]) if digit.is_ascii_digit() => !separates(*next),
            _ => true,
        };
        let before = match &text[..range.start] {
            [.., digit, last] if digit.is_ascii_digit() => !separates(*last),
            _ => true,
        };
        before && after && text.get(range.end).is_none_or(|next| !next.is_ascii_alphanumeric())
    }

    /// Where such a number ends that begins with a word, in the groups of the pattern, whatever stands between them.
    fn from(&self, text: &[u8], start: usize) -> Option<Written> {
        let mut characters = Characters::default();
        let (mut at, mut as_given, mut used) = (start, true, None);
        for wanted in self.pattern.bytes() {
            let byte = *text.get(at)?;
            if separates(wanted) {
                let between = number::between(text, at);
                if between == 0 {
                    return None;
                }
                as_given &= between == 1 && byte == wanted;
                used = Some(byte);
                at += between;
                continue;
            }
            if !fits(byte, wanted) {
                return None;
            }
            if byte.is_ascii_alphanumeric() {
                characters.push(byte);
            }
            at += 1;
        }
        let is_one = (self.is_valid)(characters.all()) && self.stands_alone(text, start..at, used);
        is_one.then_some(Written { end: at, as_given })
    }

    /// Whether characters are such a number; for a pattern without separators.
    fn is(&self, characters: &[u8]) -> bool {
        characters.len() == self.pattern.len()
            && characters.iter().zip(self.pattern.bytes()).all(|(byte, wanted)| fits(*byte, wanted))
            && (self.is_valid)(characters)
    }

    /// What it says that a number was written so.
    fn weight(&self, written: &Written) -> Weight {
        match self.weight {
            weight if written.as_given => weight,
            Weight::Certain => Weight::Likely,
            other => other,
        }
    }
}

/// Whether a character is what a pattern asks for.
#[inline]
fn fits(byte: u8, wanted: u8) -> bool {
    match wanted {
        b'#' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_alphabetic(),
        b'*' => byte.is_ascii_alphanumeric(),
        other => byte == other,
    }
}

/// Forms by how they begin.
#[derive(Default)]
struct Forms {
    /// A word, and nothing else.
    whole: Vec<&'static Form>,
    /// A word and more groups.
    grouped: Vec<&'static Form>,
}

/// The forms whose first group has so many letters and digits.
fn forms_of(first_group: usize) -> Option<&'static Forms> {
    static BY_GROUP: LazyLock<[Forms; CHARACTERS_MAX + 1]> = LazyLock::new(|| {
        let mut by_group: [Forms; CHARACTERS_MAX + 1] = std::array::from_fn(|_| Forms::default());
        for form in FORMS {
            let separator = form.pattern.bytes().position(|byte| separates(byte) || byte == b'+');
            let first_group = separator.unwrap_or(form.pattern.len());
            if let Some(forms) = by_group.get_mut(first_group) {
                if separator.is_some() { forms.grouped.push(form) } else { forms.whole.push(form) }
            }
        }
        by_group
    });
    BY_GROUP.get(first_group)
}

/// Whether a word without digits can begin a number: `RSS MRA 85T10 A562S`, `HEGG 560427 ...`, `X 1234567 L`.
#[inline]
pub(super) fn begins(word: &[u8], rest: &[u8]) -> bool {
    if !matches!(word.len(), 1 | 3 | 4) || number::separator(rest, 0) == 0 {
        return false;
    }
    let next = rest.get(number::between(rest, 0)..).unwrap_or_default();
    if word.len() != 3 {
        return next.first().is_some_and(u8::is_ascii_digit);
    }
    let letters = next.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let after = &next[letters..];
    let after = after.get(number::between(after, 0)..).unwrap_or_default();
    letters == 3 && after.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count() == 5
}

/// The number that begins with a word.
pub(super) fn from(
    text: &[u8],
    word: Range<usize>,
    context: Context<'_>,
    sensitivity: Sensitivity,
) -> Option<Identity> {
    let start = word.start;
    let mut best: Option<(Weight, Identity)> = None;
    let forms = forms_of(word.len())?;
    let goes_on = number::between(text, word.end) > 0 || text.get(word.end) == Some(&b'+');
    let grouped = if goes_on { forms.grouped.as_slice() } else { &[] };
    for form in forms.whole.iter().chain(grouped) {
        let Some(written) = form.from(text, start) else { continue };
        // Where the country writes it so as well, that form says how much it means.
        let is_given = |other: &&Form| {
            other.country == form.country && other.from(text, start).is_some_and(|written| written.as_given)
        };
        if !written.as_given && grouped.iter().any(is_given) {
            continue;
        }
        let weight = form.weight(&written);
        let identity = Identity { country: form.country, end: written.end, is_uncertain: weight < Weight::Certain };
        if context.says(start, form.words) {
            return Some(Identity { is_uncertain: false, ..identity });
        }
        let is_better = best.as_ref().is_none_or(|(other, _)| weight >= Weight::Certain && *other < Weight::Certain);
        if is_better && weight != Weight::Word {
            best = Some((weight, identity));
        }
    }
    match best {
        Some((weight, identity)) if weight >= Weight::Certain || sensitivity == Sensitivity::Strict => Some(identity),
        None if sensitivity == Sensitivity::Strict && goes_on => cut_anywhere(text, word),
        _ => None,
    }
}

/// The forms without separators whose check digits are good enough for a number in any groups. Not those with as many
/// letters as digits: words are cut into groups as well.
fn strong_forms() -> &'static [&'static Form] {
    static STRONG: LazyLock<Vec<&'static Form>> = LazyLock::new(|| {
        let is_one_group = |form: &&Form| !form.pattern.bytes().any(separates);
        let has_digits = |form: &&Form| form.pattern.bytes().filter(|byte| *byte == b'A').count() <= 2;
        FORMS.iter().filter(|form| form.weight == Weight::Strong).filter(is_one_group).filter(has_digits).collect()
    });
    &STRONG
}

/// A number whose check digits are good enough, cut into groups of two and more.
fn cut_anywhere(text: &[u8], word: Range<usize>) -> Option<Identity> {
    let mut characters = Characters::default();
    let (start, mut at) = (word.start, word.start);
    loop {
        let group = text[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let end = at + group;
        if group < 2 || characters.count + group > CHARACTERS_MAX {
            return None;
        }
        text[at..end].iter().for_each(|byte| characters.push(*byte));
        let is_one = |form: &&&Form| form.is(characters.all()) && form.stands_alone(text, start..end, None);
        if let Some(form) = strong_forms().iter().find(is_one).filter(|_| end > word.end) {
            return Some(Identity { country: form.country, end, is_uncertain: true });
        }
        at = end + number::between(text, end);
        if at == end || !text.get(at).is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
    }
}
