//! Numbers as they are written within a country, by their grouping and first digits.
//!
//! The groupings are those that the numbering plans and post offices of the countries print. Numbers of different countries
//! share them: what matters here is that somebody wrote a telephone number, not whose.

use super::super::number::Number;
use super::Evidence::{self, Certain, Likely, Word};

/// A grouping, and whether the digits can be such a number.
struct Grouping {
    groups: &'static [usize],
    fits: fn(&[u8]) -> bool,
}

const fn grouping(groups: &'static [usize], fits: fn(&[u8]) -> bool) -> Grouping {
    Grouping { groups, fits }
}

/// Groupings of numbers that are dialled without a zero in front.
const GROUPINGS: &[Grouping] = &[
    // ES 612 345 678, PL 512 345 678, CZ 601 123 456, PT 912 345 678
    grouping(&[3, 3, 3], |digits| matches!(digits[0], 5..=9)),
    // ES 612 34 56 78
    grouping(&[3, 2, 2, 2], |digits| matches!(digits[0], 5..=9)),
    // PL 22 123 45 67
    grouping(&[2, 3, 2, 2], |digits| matches!(digits[0], 1..=9)),
    // IN 98765 43210
    grouping(&[5, 5], |digits| matches!(digits[0], 6..=9)),
    // CN 138 0013 8000, 138-00138000
    grouping(&[3, 4, 4], is_chinese_mobile),
    grouping(&[3, 8], is_chinese_mobile),
    // BR 11 91234-5678, 11 912345678, 11 3123-4567; MX 55 1234 5678 (the areas of two digits)
    grouping(&[2, 5, 4], |digits| digits[0] > 0 && digits[2] == 9),
    grouping(&[2, 9], |digits| digits[0] > 0 && digits[2] == 9),
    grouping(&[2, 4, 4], |digits| {
        matches!(digits, [1..=9, 1..=9, 2..=5, ..] | [3, 3, ..] | [5, 5 | 6, ..] | [8, 1, ..])
    }),
    // TR 532 123 45 67, RU 912 345-67-89
    grouping(&[3, 3, 2, 2], |digits| matches!(digits[0], 2..=9)),
    // IT 347 1234567, 347 123 456
    grouping(&[3, 7], |digits| digits[0] == 3),
    // NO 412 34 567
    grouping(&[3, 2, 3], |digits| matches!(digits[0], 4 | 9)),
    // DK and NO 22 33 44 55
    grouping(&[2, 2, 2, 2], |digits| matches!(digits[0], 2..=9)),
];

fn is_chinese_mobile(digits: &[u8]) -> bool {
    matches!(digits, [1, 3..=9, ..])
}

/// As in North America: neither area nor exchange begins with 0 or 1.
fn is_north_american(digits: &[u8]) -> bool {
    matches!((digits.first(), digits.get(3)), (Some(2..=9), Some(2..=9)))
}

/// What says that a number is one of a telephone within a country.
pub(super) fn evidence(number: &Number) -> Option<Evidence> {
    let digits = number.digits();
    if number.has_groups(&[3, 3, 4]) && is_north_american(digits) {
        // With spaces it could be anything.
        return Some(if number.is_grouped(&[3, 3, 4], b"-.") { Certain } else { Likely });
    }
    if number.has_groups(&[1, 3, 3, 4]) && digits[0] == 1 && is_north_american(&digits[1..]) {
        return Some(if number.is_grouped(&[1, 3, 3, 4], b"-.") { Certain } else { Likely });
    }
    match digits {
        [0, 0, ..] => None,
        [0, ..] => with_zero(number),
        _ if GROUPINGS.iter().any(|grouping| number.has_groups(grouping.groups) && (grouping.fits)(digits)) => {
            Some(Likely)
        }
        // ES, PL, CZ; IN, US, TR; CN; DK, NO: as many another number.
        [2..=9, ..] if number.is_one_group() && matches!(digits.len(), 8..=10) => Some(Word),
        [1, 3..=9, ..] if number.is_one_group() && digits.len() == 11 => Some(Word),
        _ => None,
    }
}

/// With the zero that most of Europe, Japan and others dial in front of the area.
fn with_zero(number: &Number) -> Option<Evidence> {
    let (digits, groups) = (number.digits(), number.groups());
    if !(9..=12).contains(&digits.len()) {
        return None;
    }
    let (first, rest) = groups.split_first()?;
    if rest.is_empty() {
        return (10..=11).contains(&digits.len()).then_some(Likely);
    }
    let in_pairs = digits.len() == 10 && groups.iter().all(|group| *group == 2);
    if in_pairs {
        return Some(Certain);
    }
    let area_first = (2..=5).contains(first) && groups.len() <= 5 && rest.iter().all(|group| *group >= 2);
    // Two digits, a dot and a fraction: the seconds of a time, whose minutes stand before it.
    let may_be_seconds = *first == 2 && rest.len() == 1 && number.separator == Some(b'.') && !matches!(rest[0], 7 | 8);
    let is_written_so = groups.len() <= 4 && number.is_written_plainly();
    match area_first && !may_be_seconds {
        true if is_written_so => Some(Certain),
        true => Some(Likely),
        false => None,
    }
}
