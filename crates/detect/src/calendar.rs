//! Dates and times among groups of digits: `2024-11-24`, `24.11.2024 15:04`, `20241124_150405.123`. Their groups are those
//! of many a telephone number.

use super::number::{Group, between};

/// Marks the groups that are parts of a date or a time.
pub(super) fn mark(text: &[u8], groups: &[Group], marked: &mut Vec<bool>) {
    marked.clear();
    marked.resize(groups.len(), false);
    let mut at = 0;
    while at < groups.len() {
        let date = date_at(text, groups, at);
        let time = if date > 0 { time_behind(text, groups, at + date) } else { time_at(text, groups, at) };
        let length = date + time;
        marked[at..at + length].fill(true);
        at += length.max(1);
    }
}

fn value(text: &[u8], group: Group) -> u32 {
    text[group.start..group.end].iter().take(9).fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

fn is_month(value: u32) -> bool {
    (1..=12).contains(&value)
}

fn is_day(value: u32) -> bool {
    (1..=31).contains(&value)
}

fn is_year(value: u32) -> bool {
    (1900..=2099).contains(&value)
}

/// How many groups from a place on are a date.
fn date_at(text: &[u8], groups: &[Group], at: usize) -> usize {
    let of = |offset: usize| groups.get(at + offset).map(|group| (group.end - group.start, value(text, *group)));
    match (of(0), of(1), of(2)) {
        (Some((4, year)), Some((1 | 2, month)), Some((1 | 2, day)))
            if is_year(year) && is_month(month) && is_day(day) =>
        {
            3
        }
        (Some((1 | 2, a)), Some((1 | 2, b)), Some((4, year)))
            if is_year(year) && (is_month(a) && is_day(b) || is_day(a) && is_month(b)) =>
        {
            3
        }
        (Some((8, all)), ..) if is_year(all / 10_000) && is_month(all / 100 % 100) && is_day(all % 100) => 1,
        _ => 0,
    }
}

/// How many groups behind a date are its time: `150405`, `15.04`, `15:04:05.123`.
fn time_behind(text: &[u8], groups: &[Group], at: usize) -> usize {
    match groups.get(at).map(|group| (group.end - group.start, value(text, *group))) {
        Some((4, all)) if all / 100 < 24 && all % 100 < 60 => 1,
        Some((6, all)) if all / 10_000 < 24 && all / 100 % 100 < 60 && all % 100 <= 60 => {
            1 + fraction(text, groups, at + 1)
        }
        Some((2, _)) => pairs(text, groups, at, |_| true),
        _ => 0,
    }
}

/// How many groups from a place on are a time by themselves: two or three pairs with colons between them and not beside
/// them.
fn time_at(text: &[u8], groups: &[Group], at: usize) -> usize {
    let is_behind_colon = at.checked_sub(1).is_some_and(|before| is_colon(text, groups, before));
    if is_behind_colon { 0 } else { pairs(text, groups, at, |place| is_colon(text, groups, place)) }
}

/// Whether one colon stands behind a group, before the next.
fn is_colon(text: &[u8], groups: &[Group], at: usize) -> bool {
    let (Some(group), Some(next)) = (groups.get(at), groups.get(at + 1)) else { return false };
    text.get(group.end..next.start) == Some(b":")
}

/// Hours, minutes and perhaps seconds in pairs, with a fraction of a second behind these.
fn pairs(text: &[u8], groups: &[Group], at: usize, joins: impl Fn(usize) -> bool) -> usize {
    let is_pair = |at: usize, most: u32| {
        groups.get(at).is_some_and(|group| group.end - group.start == 2 && value(text, *group) <= most)
    };
    if !(is_pair(at, 23) && is_pair(at + 1, 59) && joins(at)) {
        return 0;
    }
    let has_seconds = is_pair(at + 2, 60) && joins(at + 1);
    let length = if has_seconds { 3 } else { 2 };
    // More pairs that are joined the same way: it is something else.
    if is_colon(text, groups, at + length - 1) {
        return 0;
    }
    length + if has_seconds { fraction(text, groups, at + 3) } else { 0 }
}

/// Whether a group is the fraction of the second before it.
fn fraction(text: &[u8], groups: &[Group], at: usize) -> usize {
    let Some(before) = at.checked_sub(1).and_then(|before| groups.get(before)) else { return 0 };
    let is_fraction = groups.get(at).is_some_and(|group| (1..=9).contains(&(group.end - group.start)));
    usize::from(is_fraction && text[before.end] == b'.' && between(text, before.end) == 1)
}

#[cfg(test)]
mod tests {
    use super::super::number;
    use super::*;

    /// The groups of a text that are no parts of dates and times.
    fn left(text: &str) -> Vec<&str> {
        let (mut groups, mut marked) = (Vec::new(), Vec::new());
        number::groups(text.as_bytes(), 0, &mut groups);
        mark(text.as_bytes(), &groups, &mut marked);
        let left = groups.iter().zip(&marked).filter(|(_, marked)| !**marked);
        left.map(|(group, _)| &text[group.start..group.end]).collect()
    }

    #[test]
    fn dates_and_times_are_known_by_their_values() {
        for text in [
            "2024-11-24",
            "24.11.2024 15:04",
            "11/24/2024",
            "2024.11.24_15.04.05",
            "20241124_150405.123",
            "20241124-1504",
            "15:04",
            "15:04:05.123456",
            "2024-11-24 15:04:60",
        ] {
            assert_eq!(left(text), [""; 0], "{text}");
        }
        assert_eq!(left("06:12:34:56:78"), ["06", "12", "34", "56", "78"], "as many pairs no time has");
        assert_eq!(left("2024-13-24"), ["2024", "13", "24"]);
        assert_eq!(left("030 12:34 5678"), ["030", "5678"]);
        assert_eq!(left("25:04:05"), ["25", "04", "05"]);
    }
}
