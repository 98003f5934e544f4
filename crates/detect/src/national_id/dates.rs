//! Dates of birth inside numbers.

/// The value of two characters that are digits.
pub(super) fn two(characters: &[u8]) -> u32 {
    characters.iter().take(2).fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

/// Whether there is such a day in such a month of some year.
pub(super) fn is_day(month: u32, day: u32) -> bool {
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 29,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Whether four characters are a month and a day.
pub(super) fn is_month_and_day(characters: &[u8]) -> bool {
    is_day(two(characters), two(&characters[2..]))
}

/// Whether four characters are a day and a month.
pub(super) fn is_day_and_month(characters: &[u8]) -> bool {
    is_day(two(&characters[2..]), two(characters))
}
