//! Numbers as people write them: groups of digits with something between them.

use std::ops::Range;

/// More digits than any number that is looked for has.
pub(super) const DIGITS_MAX: usize = 24;
/// And more groups.
pub(super) const GROUPS_MAX: usize = 10;
/// Separators between two groups, at most: ` - ` has three.
const BETWEEN_MAX: usize = 3;

/// The length in bytes of the separator at a place; 0 if there is none. People and programs write the same number with
/// spaces, hyphens, dots, slashes, underscores and colons, and word processors put in the spaces and dashes of Unicode.
#[inline]
pub(super) fn separator(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(b' ' | b'-' | b'.' | b'/' | b'_' | b':') => 1,
        Some(0xC2 | 0xE2) => match text.get(at..).unwrap_or_default() {
            // U+00A0, no-break space.
            [0xC2, 0xA0, ..] => 2,
            // U+2000 to U+200B, spaces; U+2010 to U+2015, hyphens and dashes; U+202F, narrow no-break space; U+2212, minus.
            [0xE2, 0x80, 0x80..=0x8B | 0x90..=0x95 | 0xAF, ..] | [0xE2, 0x88, 0x92, ..] => 3,
            _ => 0,
        },
        _ => 0,
    }
}

/// The length in bytes of all that separates two groups at a place; 0 if nothing does, or more than separators.
#[inline]
pub(super) fn between(text: &[u8], at: usize) -> usize {
    let mut length = 0;
    for _ in 0..BETWEEN_MAX {
        match separator(text, at + length) {
            0 => break,
            one => length += one,
        }
    }
    if separator(text, at + length) == 0 { length } else { 0 }
}

/// Digits in groups: `+49 (0) 30 1234`, `4111-1111-1111-1111`, `12345`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// Where it stands.
    pub(super) range: Range<usize>,
    digits: [u8; DIGITS_MAX],
    digits_len: usize,
    groups: [usize; GROUPS_MAX],
    groups_len: usize,
    /// What stands between two groups, where it is one character and the same between all of them.
    pub(super) separator: Option<u8>,
    /// One space, hyphen or slash stands between any two groups.
    is_plain: bool,
}

impl Number {
    /// The digits, as values from 0 to 9.
    pub(super) fn digits(&self) -> &[u8] {
        &self.digits[..self.digits_len]
    }

    /// How many digits each group has.
    pub(super) fn groups(&self) -> &[usize] {
        &self.groups[..self.groups_len]
    }

    /// Whether it has groups of these lengths, with one of the separators between all of them.
    pub(super) fn is_grouped(&self, groups: &[usize], separators: &[u8]) -> bool {
        self.groups() == groups && self.separator.is_some_and(|separator| separators.contains(&separator))
    }

    /// Whether it has groups of these lengths, whatever is between them.
    pub(super) fn has_groups(&self, groups: &[usize]) -> bool {
        self.groups() == groups
    }

    /// Whether it was cut into pieces of one length, the last of which may be shorter.
    pub(super) fn is_cut_evenly(&self) -> bool {
        match self.groups() {
            [first, middle @ .., last] => {
                (2..=8).contains(first) && middle.iter().all(|group| group == first) && last <= first
            }
            _ => false,
        }
    }

    /// Whether spaces, hyphens and slashes stand between its groups, or dots between all of three and more.
    pub(super) fn is_written_plainly(&self) -> bool {
        self.is_plain || self.separator == Some(b'.') && self.groups_len > 2
    }

    pub(super) fn is_one_group(&self) -> bool {
        self.groups_len == 1
    }
}

/// A run of digits in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The groups of digits from `at` on, as long as separators and nothing else stand between two of them.
pub(super) fn groups(text: &[u8], at: usize, groups: &mut Vec<Group>) {
    groups.clear();
    let mut start = at;
    loop {
        let end = start + text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        groups.push(Group { start, end });
        let next = end + between(text, end);
        if next == end || !text.get(next).is_some_and(u8::is_ascii_digit) {
            return;
        }
        start = next;
    }
}

/// Some of the groups as one number; `None` if it is longer than any that is looked for.
pub(super) fn number(text: &[u8], of: &[Group]) -> Option<Number> {
    let (first, last) = (of.first()?, of.last()?);
    let mut number = Number {
        range: first.start..last.end,
        digits: [0; DIGITS_MAX],
        digits_len: 0,
        groups: [0; GROUPS_MAX],
        groups_len: 0,
        separator: of.get(1).map(|second| text[second.start - 1]),
        is_plain: true,
    };
    let mut before = first.end;
    for group in of {
        *number.groups.get_mut(number.groups_len)? = group.end - group.start;
        if number.groups_len > 0 {
            let is_one = group.start == before + 1;
            number.is_plain &= is_one && b" -/".contains(&text[before]);
            if !is_one || Some(text[before]) != number.separator {
                number.separator = None;
            }
        }
        before = group.end;
        number.groups_len += 1;
        for digit in &text[group.start..group.end] {
            *number.digits.get_mut(number.digits_len)? = digit - b'0';
            number.digits_len += 1;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_belong_together_when_few_separators_are_between_them() {
        let text = b"12 345-6 -- 78";
        let mut groups = Vec::new();
        super::groups(text, 0, &mut groups);
        assert_eq!(groups.len(), 3, "four separators end it");
        let all = number(text, &groups).unwrap();
        assert_eq!((all.range.clone(), all.separator, all.groups()), (0..8, None, &[2, 3, 1][..]));
        let two = number(text, &groups[..2]).unwrap();
        assert!(two.is_grouped(&[2, 3], b" ") && !two.is_grouped(&[2, 3], b"-"));
        assert_eq!(two.digits(), [1, 2, 3, 4, 5]);
        let dashes = "12\u{a0}34\u{2013}56 - 78, 90";
        super::groups(dashes.as_bytes(), 0, &mut groups);
        let all = number(dashes.as_bytes(), &groups).unwrap();
        assert_eq!((all.digits(), all.separator), (&[1, 2, 3, 4, 5, 6, 7, 8][..], None), "a comma ends it");
        super::groups(&[b'1'; 25], 0, &mut groups);
        assert_eq!(number(&[b'1'; 25], &groups), None);
    }
}
