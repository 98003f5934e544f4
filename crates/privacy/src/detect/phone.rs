//! Telephone numbers: international ones by their form (ITU-T E.164), national ones by how they are grouped.

use std::ops::Range;

use super::Sensitivity;
use super::context::Context;
use super::number::Number;

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

/// The most digits that a number has, with its country's code.
const DIGITS_MAX: usize = 15;
/// The fewest.
const DIGITS_MIN: usize = 8;

/// The number that begins with the plus sign at a place.
pub(super) fn international(text: &[u8], plus: usize) -> Option<Range<usize>> {
    let (digits, end) = written_from(text, plus + 1)?;
    let fits = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && has_country(&digits);
    fits.then_some(plus..end)
}

/// Digits with spaces, hyphens, dots, slashes and parentheses between them, and where they end.
fn written_from(text: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let (mut digits, mut end, mut at, mut between) = (Vec::new(), start, start, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'0'..=b'9' => {
                digits.push(byte - b'0');
                between = 0;
                end = at + 1;
            }
            b' ' | b'-' | b'.' | b'/' | b'(' | b')' if between < 2 => between += 1,
            _ => break,
        }
        // What has more digits is several numbers in a row, or none.
        if digits.len() > DIGITS_MAX + 1 {
            return None;
        }
        at += 1;
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

/// A number with its area code in parentheses: `(415) 555-0132`, `(030) 123456`.
pub(super) fn in_parentheses(text: &[u8], open: usize) -> Option<Range<usize>> {
    let area = text[open + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let closed = (2..=5).contains(&area) && text.get(open + 1 + area) == Some(&b')');
    if !closed {
        return None;
    }
    let (digits, end) = written_from(text, open + 1)?;
    let fits = match digits.first() {
        Some(0) => (8..=12).contains(&digits.len()),
        Some(2..=9) => area == 3 && digits.len() == 10 && matches!(digits[3], 2..=9),
        _ => false,
    };
    fits.then_some(open..end)
}

/// Whether a number without its country's code is one of a telephone.
pub(super) fn is_national(number: &Number, context: Context<'_>, sensitivity: Sensitivity) -> bool {
    let said = || context.says(number.range.start, WORDS);
    let digits = number.digits();
    // As in North America. With spaces it could be anything.
    if number.is_grouped(&[3, 3, 4], b"-. ") && matches!((digits[0], digits[3]), (2..=9, 2..=9)) {
        return number.separator != Some(b' ') || sensitivity == Sensitivity::Strict || said();
    }
    // `00` and a country, as it is dialled.
    if let [0, 0, country @ ..] = digits
        && (DIGITS_MIN..=DIGITS_MAX).contains(&country.len())
        && has_country(country)
        && number.groups()[0] >= 3
    {
        return !number.is_one_group() || sensitivity == Sensitivity::Strict || said();
    }
    let is_long_enough = (9..=12).contains(&digits.len()) && digits[0] == 0 && digits.get(1) != Some(&0);
    if !is_long_enough {
        return false;
    }
    if number.is_one_group() {
        return (10..=11).contains(&digits.len()) && (sensitivity == Sensitivity::Strict || said());
    }
    let in_pairs = number.groups().iter().all(|group| *group == 2) && digits.len() == 10;
    let area_first = (2..=5).contains(&number.groups()[0])
        && number.groups().len() <= 4
        && number.groups()[1..].iter().all(|group| *group >= 2)
        && matches!(number.separator, Some(b' ' | b'-' | b'/') | None);
    in_pairs || area_first
}
