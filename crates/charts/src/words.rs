//! Numbers, shares, lengths of time and dates as people read them.

/// Between groups of three digits: a thin space at which no line breaks.
const SEPARATOR: char = '\u{202f}';

/// Days by which dates of the proleptic Gregorian calendar are counted from 1970 on.
const SECONDS_PER_DAY: i64 = 86_400;

/// `12 345`, or `1.25` for what is not whole: two decimals, as far as they say something.
pub(crate) fn number(value: f64) -> String {
    let (whole, decimals) = if value.abs() >= 1000.0 || value.fract() == 0.0 {
        (format!("{:.0}", value.abs()), String::new())
    } else {
        let written = format!("{:.2}", value.abs());
        let (whole, decimals) = written.split_once('.').unwrap_or((&written, ""));
        (whole.to_owned(), decimals.trim_end_matches('0').to_owned())
    };
    let mut grouped = String::new();
    // A number too small to be told from nothing has no sign.
    if value < 0.0 && (whole != "0" || !decimals.is_empty()) {
        grouped.push('−');
    }
    grouped.push_str(&in_groups(&whole));
    if !decimals.is_empty() {
        grouped.push('.');
        grouped.push_str(&decimals);
    }
    grouped
}

/// The digits of a whole number in groups of three.
pub(crate) fn in_groups(digits: &str) -> String {
    let count = digits.chars().count();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (count - at).is_multiple_of(3) {
            grouped.push(SEPARATOR);
        }
        grouped.push(digit);
    }
    grouped
}

/// `42 %`; with a decimal below 10 %, where whole percents would hide half of it.
pub(crate) fn share(value: f64) -> String {
    format!("{}{SEPARATOR}%", percent(value))
}

/// [`share`] without its sign.
pub(crate) fn percent(value: f64) -> String {
    let percent = value * 100.0;
    if percent.abs() < 9.95 && percent.fract() != 0.0 {
        number((percent * 10.0).round() / 10.0)
    } else {
        number(percent.round())
    }
}

/// Milliseconds as `340 ms`, `1.4 s`, `12 min`, `5 h 12 min`, `3 d 4 h`.
pub(crate) fn duration(milliseconds: f64) -> String {
    let sign = if milliseconds < 0.0 { "−" } else { "" };
    let milliseconds = milliseconds.abs();
    // Each unit is left where its rounded number would be that of the next.
    let said = if milliseconds < 999.5 {
        unit(milliseconds.round(), "ms")
    } else if milliseconds < 59_950.0 {
        unit((milliseconds / 100.0).round() / 10.0, "s")
    } else if milliseconds < 599_500.0 {
        in_two(milliseconds / 1000.0, 60.0, "min", "s")
    } else if milliseconds < 3_570_000.0 {
        unit((milliseconds / 60_000.0).round(), "min")
    } else if milliseconds < 86_370_000.0 {
        in_two(milliseconds / 60_000.0, 60.0, "h", "min")
    } else if milliseconds < 8_640_000_000.0 {
        in_two(milliseconds / 3_600_000.0, 24.0, "d", "h")
    } else {
        unit((milliseconds / 86_400_000.0).round(), "d")
    };
    format!("{sign}{said}")
}

fn unit(value: f64, name: &str) -> String {
    format!("{}{SEPARATOR}{name}", number(value))
}

/// Small units, told as large ones and what is left of them.
fn in_two(small: f64, per_large: f64, large_name: &str, small_name: &str) -> String {
    let small = small.round();
    let (large, rest) = ((small / per_large).floor(), small % per_large);
    let large = unit(large, large_name);
    if rest == 0.0 { large } else { format!("{large} {}", unit(rest, small_name)) }
}

/// The day that a period starts with, `2026-03-01`.
///
/// A period starts at midnight of a time zone that the response does not name. Thirteen hours later it is the same day
/// there, and in UTC that day too, for every zone from UTC-10 to UTC+13.
pub(crate) fn day(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.saturating_add(13 * 3600).div_euclid(SECONDS_PER_DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-03-01 14:05 UTC`.
pub(crate) fn instant(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", of_day / 3600, of_day % 3600 / 60)
}

/// The date of a day since 1970 (H. Hinnant, chrono-compatible low-level date algorithms, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `1 row`, `2 rows`.
pub(crate) fn count_of(count: usize, one: &str, more: &str) -> String {
    format!("{} {}", number(count as f64), if count == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: String) -> String {
        text.replace(SEPARATOR, " ")
    }

    #[test]
    fn numbers_have_groups_of_three_digits() {
        let written = [0.0, 999.0, 1000.0, 1_234_567.0, -1234.0, 1.25, 0.004, -0.001, 12.5].map(number).map(plain);
        assert_eq!(written, ["0", "999", "1 000", "1 234 567", "−1 234", "1.25", "0", "0", "12.5"]);
    }

    #[test]
    fn shares_are_percents() {
        let written = [0.0, 1.0, 0.42, 0.0345, 0.0999, 0.05].map(share).map(plain);
        assert_eq!(written, ["0 %", "100 %", "42 %", "3.5 %", "10 %", "5 %"]);
    }

    #[test]
    fn lengths_of_time_have_the_units_that_people_use() {
        let cases = [
            (0.0, "0 ms"),
            (999.9, "1 s"),
            (1_400.0, "1.4 s"),
            (59_960.0, "1 min"),
            (200_000.0, "3 min 20 s"),
            (720_000.0, "12 min"),
            (3_599_000.0, "1 h"),
            (18_720_000.0, "5 h 12 min"),
            (86_399_000.0, "1 d"),
            (273_600_000.0, "3 d 4 h"),
            (31_536_000_000.0, "365 d"),
        ];
        for (milliseconds, said) in cases {
            assert_eq!(plain(duration(milliseconds)), said);
        }
    }

    #[test]
    fn a_period_has_the_day_of_its_zone() {
        let midnight_utc = 1_772_323_200;
        assert_eq!(day(midnight_utc), "2026-03-01");
        assert_eq!(day(midnight_utc - 3600), "2026-03-01", "midnight in Berlin");
        assert_eq!(day(midnight_utc + 8 * 3600), "2026-03-01", "midnight in Los Angeles");
        assert_eq!(day(-62_135_596_800), "0001-01-01");
        assert_eq!(instant(midnight_utc + 3661), "2026-03-01 01:01 UTC");
    }
}
