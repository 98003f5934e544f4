//! Telephone numbers: international ones by their form (ITU-T E.164), national ones by how they are grouped.
//!
//! | written | what tells it from other numbers |
//! | --- | --- |
//! | `+49 30 901820` | the plus sign and the code of a country |
//! | `0049 30 901820`, `00 49 ...` | two zeros and the code of a country |
//! | `49 30 901820`, `4915112345678` | the code, and the length and first digits that numbers of that country have ([`plans`]) |
//! | `030/901820`, `06 12 34 56 78` | the zero in front, and the grouping ([`national`]) |
//! | `612 345 678`, `(415) 555-0132` | the grouping, and the first digits that such numbers have |
//!
//! Without a plus sign a telephone number has no check digit and looks like many another number. Groups say most; dates
//! and times, whose groups are alike, were taken out before.

mod national;
mod plans;

use std::ops::Range;

use super::context::Context;
use super::number::{self, Number};

/// Words that say that a number is one of a telephone.
const WORDS: &[&str] = &[
    "phone",
    "tel",
    "mobile",
    "mobil",
    "cell",
    "call",
    "fax",
    "whatsapp",
    "sms",
    "handy",
    "fon",
    "portable",
    "celular",
    "teléfono",
    "msisdn",
];

/// Of those, the ones that leave no doubt, also about digits without groups.
const NOUNS: &[&str] =
    &["phone", "telephone", "telefon", "teléfono", "tel$", "mobile", "mobil$", "fax", "whatsapp", "msisdn"];

/// The most digits that a number has, with its country's code.
const DIGITS_MAX: usize = 15;
/// The fewest.
const DIGITS_MIN: usize = 8;

/// What it says that a number is written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    /// As many another number is: a word nearby must say that it is a telephone's.
    Word,
    /// It may be something else.
    Likely,
    /// It is hardly ever something else.
    Certain,
}

/// What says that a number, without a plus sign, is one of a telephone, if anything does.
pub(super) fn evidence(number: &Number, text: &[u8], context: Context<'_>) -> Option<Evidence> {
    if is_round(number.digits()) {
        return None;
    }
    let evidence = national::evidence(number).max(without_plus(number))?;
    let in_threes = number.groups().iter().all(|group| *group == 3);
    if (evidence < Evidence::Certain || in_threes) && is_cut_out(number, text) {
        return None;
    }
    // Words are read only where they can matter.
    let is_said = match evidence {
        Evidence::Certain => true,
        Evidence::Likely => context.says(number.range.start, WORDS),
        Evidence::Word => context.says(number.range.start, NOUNS),
    };
    Some(if is_said { Evidence::Certain } else { evidence })
}

/// One digit only, or millions: a number to count with.
fn is_round(digits: &[u8]) -> bool {
    digits.iter().all(|digit| Some(digit) == digits.first()) || digits.ends_with(&[0; 6])
}

/// Whether it is a piece of a longer row of groups with one separator between all of them (`1_612_345_678`).
fn is_cut_out(number: &Number, text: &[u8]) -> bool {
    let Some(separator) = number.separator else { return false };
    let after = matches!(text.get(number.range.end..), Some([next, digit, ..])
        if *next == separator && digit.is_ascii_digit());
    let before = matches!(&text[..number.range.start], [.., digit, last]
        if *last == separator && digit.is_ascii_digit());
    before || after
}

/// The number that begins with the plus sign at a place.
pub(super) fn international(text: &[u8], plus: usize) -> Option<Range<usize>> {
    let (digits, end) = written_from(text, plus + 1)?;
    // `now + 10_000_000` is a sum.
    let is_sum = text[plus + 1] == b' ' && text[plus..end].iter().any(|byte| b"_:".contains(byte));
    let fits = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && has_country(&digits) && !is_sum;
    fits.then_some(plus..end)
}

/// Digits with separators and parentheses between them, and where they end.
fn written_from(text: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    const BETWEEN_MAX: usize = 3;
    let (mut digits, mut end, mut at, mut between) = (Vec::new(), start, start, 0);
    while let Some(byte) = text.get(at) {
        let length = match byte {
            b'(' | b')' => 1,
            _ => number::separator(text, at),
        };
        if byte.is_ascii_digit() {
            digits.push(byte - b'0');
            between = 0;
            at += 1;
            end = at;
        } else if length > 0 && between < BETWEEN_MAX {
            between += 1;
            at += length;
        } else {
            break;
        }
        // What has more digits is several numbers in a row, or none.
        if digits.len() > DIGITS_MAX + 1 {
            return None;
        }
    }
    let next = text.get(end);
    (!digits.is_empty() && next.is_none_or(|byte| !byte.is_ascii_alphanumeric())).then_some((digits, end))
}

/// Whether digits begin with a country's calling code (ITU-T E.164, list of assigned codes).
fn has_country(digits: &[u8]) -> bool {
    match digits {
        [1 | 7, ..] => true,
        [2, 0 | 7, ..] | [3, 0..=4 | 6 | 9, ..] | [4, 0 | 1 | 3..=9, ..] | [5, 1..=8, ..] => true,
        [6, 0..=6, ..] | [8, 1 | 2 | 4 | 6, ..] | [9, 0..=5 | 8, ..] => true,
        [2, 1..=6 | 9, ..] | [3, 5 | 7 | 8, ..] | [4, 2, ..] | [5, 0 | 9, ..] => digits.len() > 3,
        [6, 7..=9, ..] | [8, 0 | 5 | 7 | 8, ..] | [9, 6 | 7, ..] | [9, 9, 2..=6 | 8, ..] => digits.len() > 3,
        _ => false,
    }
}

/// A number with its area code in parentheses: `(415) 555-0132`, `(030) 123456`, `(11) 91234-5678`.
pub(super) fn in_parentheses(text: &[u8], open: usize) -> Option<Range<usize>> {
    let area = text[open + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let closed = (2..=5).contains(&area) && text.get(open + 1 + area) == Some(&b')');
    if !closed {
        return None;
    }
    let (digits, end) = written_from(text, open + 1)?;
    let fits = match digits.as_slice() {
        [0, ..] => (8..=12).contains(&digits.len()),
        [2..=9, _, _, exchange, ..] if area == 3 => digits.len() == 10 && matches!(exchange, 2..=9),
        // Brazil: an area of two digits, and a mobile number of nine that begins with 9.
        [1..=9, 1..=9, 9, ..] if area == 2 => digits.len() == 11,
        _ => false,
    };
    fits.then_some(open..end)
}

/// `00` and the code of a country, as it is dialled; or the code alone.
fn without_plus(number: &Number) -> Option<Evidence> {
    let digits = number.digits();
    if let [0, 0, country @ ..] = digits {
        let fits = (DIGITS_MIN..=DIGITS_MAX).contains(&country.len()) && has_country(country) && number.groups()[0] > 1;
        let is_certain = !number.is_one_group() && number.groups()[0] >= 3 && number.is_written_plainly();
        return fits.then_some(if is_certain { Evidence::Certain } else { Evidence::Likely });
    }
    let plan = plans::of(digits)?;
    let of_country = &digits[plan.code_len()..];
    match number.groups() {
        [_] if plan.is_mobile(of_country) => Some(Evidence::Likely),
        [_] => plan.fits(of_country).then_some(Evidence::Word),
        // The code stands alone, and what follows is no year.
        [code, rest @ ..] if *code == plan.code_len() && plan.fits(of_country) => {
            let is_year = rest[0] == 4 && matches!(of_country, [1, 9, 9, _, ..] | [2, 0, 0..=4, _, ..]);
            // Groups of three are as often thousands.
            let is_grouped = rest.len() > 1 && rest.iter().any(|group| *group != 3) || plan.is_mobile(of_country);
            (is_grouped && !is_year && rest.iter().all(|group| *group > 1)).then_some(Evidence::Likely)
        }
        _ => None,
    }
}
