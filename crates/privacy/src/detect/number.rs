//! Numbers as people write them: groups of digits with something between them.

use std::ops::Range;

/// More digits than any number that is looked for has.
pub(super) const DIGITS_MAX: usize = 24;
/// And more groups.
pub(super) const GROUPS_MAX: usize = 8;

/// Digits in groups: `+49 (0) 30 1234`, `4111-1111-1111-1111`, `12345`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// Where it stands.
    pub(super) range: Range<usize>,
    digits: [u8; DIGITS_MAX],
    digits_len: usize,
    groups: [usize; GROUPS_MAX],
    groups_len: usize,
    /// What stands between two groups, where it is the same between all of them.
    pub(super) separator: Option<u8>,
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

/// The groups of digits from `at` on, as long as one separator and no more stands between two of them.
pub(super) fn groups(text: &[u8], at: usize, groups: &mut Vec<Group>) {
    groups.clear();
    let mut start = at;
    loop {
        let end = start + text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        groups.push(Group { start, end });
        let next = end + 1;
        let goes_on =
            text.get(end).is_some_and(|byte| b" -./".contains(byte)) && text.get(next).is_some_and(u8::is_ascii_digit);
        if !goes_on {
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
    };
    for group in of {
        *number.groups.get_mut(number.groups_len)? = group.end - group.start;
        if number.groups_len > 0 && Some(text[group.start - 1]) != number.separator {
            number.separator = None;
        }
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
    fn digits_belong_together_when_one_separator_is_between_them() {
        let text = b"12 345-6  78";
        let mut groups = Vec::new();
        super::groups(text, 0, &mut groups);
        assert_eq!(groups.len(), 3, "two spaces end it");
        let all = number(text, &groups).unwrap();
        assert_eq!((all.range.clone(), all.separator, all.groups()), (0..8, None, &[2, 3, 1][..]));
        let two = number(text, &groups[..2]).unwrap();
        assert!(two.is_grouped(&[2, 3], b" ") && !two.is_grouped(&[2, 3], b"-"));
        assert_eq!(two.digits(), [1, 2, 3, 4, 5]);
        super::groups(&[b'1'; 25], 0, &mut groups);
        assert_eq!(number(&[b'1'; 25], &groups), None);
    }
}
