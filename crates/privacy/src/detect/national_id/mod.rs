//! Numbers by which countries know people. Each is checked as the authority that gives it out says: check digits, dates
//! of birth, ranges that are in use. Only that of the United States has no check digit; there it is the ranges.

mod dates;
mod forms;
mod rules;

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use super::Sensitivity;
use super::context::Context;
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
    /// `#` is a digit, `A` a letter, `*` either; anything else is itself.
    pattern: &'static str,
    /// Whether letters and digits, in upper case and without what is between them, are such a number.
    is_valid: fn(&[u8]) -> bool,
    weight: Weight,
    /// Words that say what it is, in lower case.
    words: &'static [&'static str],
}

/// What it says that a number has such a form, and is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It is hardly ever something else.
    Certain,
    /// It may be something else.
    Likely,
    /// It is as often something else: nothing is checked but ranges.
    Word,
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

impl Form {
    /// Whether it is not a part of a longer number, whose groups are separated as its own are.
    fn stands_alone(&self, text: &[u8], range: Range<usize>) -> bool {
        let separates = |byte: u8| b"-./".contains(&byte) || self.pattern.as_bytes().contains(&byte);
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

    /// Where such a number ends that begins at a place.
    fn end_from(&self, text: &[u8], start: usize) -> Option<usize> {
        let pattern = self.pattern.as_bytes();
        let written = text.get(start..start + pattern.len())?;
        let mut characters = [0; CHARACTERS_MAX];
        let mut count = 0;
        for (byte, wanted) in written.iter().zip(pattern) {
            let fits = match wanted {
                b'#' => byte.is_ascii_digit(),
                b'A' => byte.is_ascii_alphabetic(),
                b'*' => byte.is_ascii_alphanumeric(),
                other => byte == other,
            };
            if !fits {
                return None;
            }
            if byte.is_ascii_alphanumeric() {
                characters[count] = byte.to_ascii_uppercase();
                count += 1;
            }
        }
        let end = start + pattern.len();
        (self.stands_alone(text, start..end) && (self.is_valid)(&characters[..count])).then_some(end)
    }
}

/// The forms whose first group has so many letters and digits.
fn forms_of(first_group: usize) -> &'static [&'static Form] {
    static BY_GROUP: LazyLock<[Vec<&'static Form>; CHARACTERS_MAX + 1]> = LazyLock::new(|| {
        std::array::from_fn(|length| {
            let group = |form: &&Form| {
                let separator = form.pattern.bytes().position(|byte| b" -+./".contains(&byte));
                separator.unwrap_or(form.pattern.len()) == length
            };
            FORMS.iter().filter(group).collect()
        })
    });
    BY_GROUP.get(first_group).map_or(&[], Vec::as_slice)
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
    for form in forms_of(word.len()) {
        let Some(end) = form.end_from(text, start) else { continue };
        let identity = Identity { country: form.country, end, is_uncertain: form.weight != Weight::Certain };
        if context.says(start, form.words) {
            return Some(Identity { is_uncertain: false, ..identity });
        }
        let is_better =
            best.as_ref().is_none_or(|(weight, _)| form.weight == Weight::Certain && *weight != Weight::Certain);
        if is_better && form.weight != Weight::Word {
            best = Some((form.weight, identity));
        }
    }
    let (weight, identity) = best?;
    (weight == Weight::Certain || sensitivity == Sensitivity::Strict).then_some(identity)
}
