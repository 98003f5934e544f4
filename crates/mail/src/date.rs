//! Dates as mail has them. What is read is beyond doubt; everything else is not read at all, because retention counts from
//! it.
//!
//! | form | example |
//! | --- | --- |
//! | RFC 5322, obsolete forms included | `Fri, 3 Jan 03 12:34 EST (winter)`, `3-Jan-2003 12:34:56 -0500` |
//! | `asctime`, `date` | `Fri Jan  3 12:34:56 2003`, `Fri Jan 3 12:34:56 EST 2003` |
//! | JavaScript | `Fri Jan 03 2003 12:34:56 GMT-0500 (EST)` |
//! | ISO 8601, calendar dates | `2003-01-03T12:34:56Z`, `20030103T123456-0500`, `2003-01-03 12:34:56 +01:00` |
//!
//! A clock of twelve hours says so (`02:27:13 PM`). Years of two and three digits are those of RFC 5322, section 4.3. Dates
//! in numbers, such as `09/21/2002`, are not read: which number is the month is a custom of the place.

use std::ops::Range;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::Offset;

/// Times that a message can have, in seconds since 1970: up to 2100. What lies outside comes from a clock that was not
/// set. The bounds are fixed, so that importing again gives the same item whenever it is done.
const TIMES: Range<i64> = 0..4_102_444_800;
/// No clock of the world is further from UTC.
const OFFSET_MINUTES_MAX: i64 = 15 * 60;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
/// Hours east of UTC of the zones that RFC 5322, section 4.3, names.
const ZONES: [(&str, i64); 12] = [
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("z", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
];

/// A date that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Seconds since 1970.
    pub(crate) seconds: i64,
    /// There is a time of the day; if not, it is the day's beginning.
    pub(crate) has_time: bool,
    /// There is a zone that is known; if not, the time is taken as UTC, as RFC 5322 says.
    pub(crate) has_zone: bool,
    /// The day of the week is that of the date, or is not given.
    pub(crate) weekday_fits: bool,
}

/// Reads a date, if it is one that a message can have.
pub(crate) fn read(text: &str) -> Option<Reading> {
    let text = without_comments(text);
    let text = text.trim();
    let parts = |text: &str| {
        let words: Vec<&str> = text.split([' ', '\t', '\r', '\n', ',']).filter(|word| !word.is_empty()).collect();
        iso_8601(&words).or_else(|| day_first(&words)).or_else(|| month_first(&words))
    };
    let (weekday, rest) = weekday(text);
    // The first word may be a month: `mar, 3 Jun` is a Tuesday in France, `Mar 3` is in spring.
    let (weekday, (date, time, zone)) = match parts(rest) {
        Some(parts) => (weekday, parts),
        None => (None, parts(text)?),
    };
    let seconds = Offset::UTC.to_timestamp(DateTime::from_parts(date, time.unwrap_or(Time::midnight()))).ok()?;
    let seconds = seconds.as_second() - zone.unwrap_or(0) * 60;
    TIMES.contains(&seconds).then_some(Reading {
        seconds,
        has_time: time.is_some(),
        has_zone: zone.is_some(),
        weekday_fits: weekday.is_none_or(|day| day == date.weekday()),
    })
}

/// A date, a time of the day, and minutes east of UTC.
type Parts = (Date, Option<Time>, Option<i64>);

/// Comments, one inside the other, become white space. One that does not end goes to the end.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut depth = 0_usize;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                kept.push(' ');
            }
            '\\' if depth > 0 => drop(chars.next()),
            _ if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// The day of the week in front. One in another language is known by its comma.
fn weekday(text: &str) -> (Option<Weekday>, &str) {
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let day = DAYS.iter().find(|(name, _)| is_short_for(word, name)).map(|(_, day)| *day);
    let is_day = day.is_some() || (!word.is_empty() && rest.starts_with(','));
    if is_day { (day, rest) } else { (None, text) }
}

/// Whether a word is the name of a day of the week, or short for one.
pub(crate) fn is_weekday(word: &str) -> bool {
    DAYS.iter().any(|(name, _)| is_short_for(word.trim_end_matches([',', '.']), name))
}

/// Whether a word is the name of a month, or short for one.
pub(crate) fn is_month(word: &str) -> bool {
    month(word).is_some()
}

/// Whether a word is a name, or at least its first three letters.
fn is_short_for(word: &str, name: &str) -> bool {
    word.len() >= 3 && name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn month(word: &str) -> Option<i8> {
    let word = word.strip_suffix('.').unwrap_or(word);
    let index = MONTHS.iter().position(|name| is_short_for(word, name))?;
    i8::try_from(index + 1).ok()
}

fn number<T: std::str::FromStr>(word: &str, digits: Range<usize>) -> Option<T> {
    let is_number = digits.contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| word.parse().ok())?
}

/// A year of RFC 5322: 02 is 2002, 98 and 098 are 1998, 102 is 2002.
fn year(word: &str) -> Option<i16> {
    let year = number::<i16>(word, 2..5)?;
    Some(match (word.len(), year) {
        (2, 0..=49) => 2000 + year,
        (2 | 3, _) => 1900 + year,
        _ => year,
    })
}

/// `3 Jan 2003 12:34:56 -0500`, the form of RFC 5322.
fn day_first(words: &[&str]) -> Option<Parts> {
    let dashed: Vec<&str>;
    let (date, rest) = match words {
        [date, rest @ ..] if date.contains('-') => {
            dashed = date.split('-').collect();
            (dashed.as_slice(), rest)
        }
        words => words.split_at_checked(3)?,
    };
    let [day, month_name, year_number] = date else { return None };
    let date = Date::new(year(year_number)?, month(month_name)?, number(day, 1..3)?).ok()?;
    let (time, zone) = time_and_zone(rest)?;
    Some((date, time, zone))
}

/// `Jan 3 12:34:56 2003`, with the zone before or after the year, and `Jan 3 2003 12:34:56`. The year has four digits: two
/// could be anything there.
fn month_first(words: &[&str]) -> Option<Parts> {
    let [month_name, day, rest @ ..] = words else { return None };
    let (month, day) = (month(month_name)?, number(day, 1..3)?);
    let at = rest.iter().position(|word| number::<i16>(word, 4..5).is_some())?;
    let (before, after) = (&rest[..at], &rest[at + 1..]);
    let date = Date::new(number(rest[at], 4..5)?, month, day).ok()?;
    let (time, zone) = time_and_zone(before)?;
    if time.is_none() {
        let (time, zone) = time_and_zone(after)?;
        return Some((date, time, zone));
    }
    match (zone, after) {
        (zone, []) => Some((date, time, zone)),
        (None, after) if before.len() == time_words(before) => Some((date, time, offset(after)?)),
        _ => None,
    }
}

/// `2003-01-03T12:34:56+01:00`, `20030103T123456Z`, and with spaces.
fn iso_8601(words: &[&str]) -> Option<Parts> {
    let (first, rest) = words.split_first()?;
    let (day, clock) = first.split_once(['T', 't']).map_or((*first, None), |(day, clock)| (day, Some(clock)));
    let date = match day.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] => Date::new(number(year, 4..5)?, number(month, 2..3)?, number(day, 2..3)?),
        [all] if number::<u32>(all, 8..9).is_some() => {
            Date::new(number(&all[..4], 4..5)?, number(&all[4..6], 2..3)?, number(&all[6..], 2..3)?)
        }
        _ => return None,
    };
    let clock = clock.or_else(|| rest.first().copied());
    let rest = if first.len() > day.len() { rest } else { rest.get(1..).unwrap_or_default() };
    let Some(clock) = clock else { return Some((date.ok()?, None, None)) };
    let end = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, attached) = clock.split_at(end);
    let zone = match (attached, rest) {
        ("", rest) => offset(rest)?,
        (attached, []) => offset(&[attached])?,
        _ => return None,
    };
    let basic = |clock: &str| match clock.len() {
        4 => Some(format!("{}:{}", &clock[..2], &clock[2..])),
        6 => Some(format!("{}:{}:{}", &clock[..2], &clock[2..4], &clock[4..])),
        _ => None,
    };
    let is_basic = clock.bytes().all(|byte| byte.is_ascii_digit());
    let time = if is_basic { time(&basic(clock)?)? } else { time(clock)? };
    Some((date.ok()?, Some(time), zone))
}

/// The time of the day and the zone in words; `None` if they are anything else.
fn time_and_zone(words: &[&str]) -> Option<(Option<Time>, Option<i64>)> {
    let [clock, rest @ ..] = words else { return Some((None, None)) };
    let length = time_words(words);
    let half = if length == 2 { half_of_day(rest.first()?) } else { None };
    let lower = clock.to_ascii_lowercase();
    let (clock, half) = match (half, lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (None, Some(clock), _) => (clock, Some(Half::Am)),
        (None, _, Some(clock)) => (clock, Some(Half::Pm)),
        (half, ..) => (*clock, half),
    };
    let time = time(clock)?;
    let hour = match (half, time.hour()) {
        (None, hour) => hour,
        (Some(Half::Am), 12) => 0,
        (Some(Half::Am), hour @ 0..12) => hour,
        (Some(Half::Pm), hour @ 1..12) => hour + 12,
        (Some(Half::Pm), hour @ 12..) => hour,
        _ => return None,
    };
    let time = Time::new(hour, time.minute(), time.second(), 0).ok()?;
    Some((Some(time), offset(&words[length..])?))
}

#[derive(Clone, Copy)]
enum Half {
    Am,
    Pm,
}

fn half_of_day(word: &str) -> Option<Half> {
    match word.replace('.', "").to_ascii_lowercase().as_str() {
        "am" => Some(Half::Am),
        "pm" => Some(Half::Pm),
        _ => None,
    }
}

/// How many words the time of the day has.
fn time_words(words: &[&str]) -> usize {
    match words {
        [_, half, ..] if half_of_day(half).is_some() => 2,
        [_, ..] => 1,
        [] => 0,
    }
}

/// `12:34`, `12:34:56`, `12:34:56.789`, `12.34.56`. A leap second counts as the one before it.
fn time(clock: &str) -> Option<Time> {
    let parts: Vec<&str> = if clock.contains(':') {
        let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, "0"));
        number::<u64>(fraction, 1..19)?;
        clock.split(':').collect()
    } else {
        clock.split('.').collect()
    };
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (hour, minute, &"0"),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let second = number::<i8>(second, 1..3)?;
    Time::new(number(hour, 1..3)?, number(minute, 1..3)?, if second == 60 { 59 } else { second }, 0).ok()
}

/// Minutes east of UTC; `Some(None)` for no zone and for names that RFC 5322 does not know, which it takes for UTC without
/// a zone; `None` for what is no zone.
fn offset(words: &[&str]) -> Option<Option<i64>> {
    match words {
        [] => Some(None),
        [one] => {
            if one.starts_with(['+', '-']) {
                return numeric(one).map(Some);
            }
            // `GMT+0200`, `UTC-5`.
            if let Some(at) = one.find(['+', '-']) {
                let (name, digits) = one.split_at(at);
                return (named(name) == Some(0)).then(|| numeric(digits).map(Some))?;
            }
            one.chars().all(char::is_alphabetic).then(|| named(one))
        }
        // `+0200 CEST`, `GMT +0200`, `Eastern Daylight Time`.
        [digits, names @ ..] if digits.starts_with(['+', '-']) => {
            all_alphabetic(names).then(|| numeric(digits).map(Some))?
        }
        [name, digits] if digits.starts_with(['+', '-']) => {
            (named(name) == Some(0)).then(|| numeric(digits).map(Some))?
        }
        names => all_alphabetic(names).then_some(None),
    }
}

fn all_alphabetic(words: &[&str]) -> bool {
    words.iter().all(|word| word.chars().all(char::is_alphabetic))
}

fn named(name: &str) -> Option<i64> {
    ZONES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, hours)| hours * 60)
}

/// `+0200`, `+02:00`, `+2`.
fn numeric(word: &str) -> Option<i64> {
    let (sign, digits) = word.split_at_checked(1)?;
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (number::<i64>(hours, 1..3)?, number::<i64>(minutes, 2..3)?),
        None if digits.len() <= 2 => (number::<i64>(digits, 1..3)?, 0),
        None => {
            let all = number::<i64>(digits, 4..5)?;
            (all / 100, all % 100)
        }
    };
    let east = hours * 60 + minutes;
    let is_zone = minutes < 60 && east <= OFFSET_MINUTES_MAX;
    is_zone.then_some(if sign == "-" { -east } else { east })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ISO 8601, with marks for what is missing: `d` no time of the day, `z` no zone, `w` another day of the week.
    fn of(text: &str) -> String {
        let Some(reading) = read(text) else { return "no".to_owned() };
        let time = jiff::Timestamp::from_second(reading.seconds).unwrap().to_string();
        let marks = [(reading.has_time, "d"), (reading.has_zone, "z"), (reading.weekday_fits, "w")];
        marks.iter().filter(|(holds, _)| !holds).fold(time, |time, (_, mark)| time + mark)
    }

    #[track_caller]
    fn check(cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(of(text), *expected, "{text}");
        }
    }

    #[test]
    fn rfc_5322_and_its_obsolete_forms() {
        check(&[
            ("Sat, 21 Sep 2002 08:18:08 +0000", "2002-09-21T08:18:08Z"),
            ("Sat, 21 Sep 2002 08:18:08 -0400", "2002-09-21T12:18:08Z"),
            ("21 Sep 2002 08:18 +0530", "2002-09-21T02:48:00Z"),
            ("Sat,21 Sep 2002\r\n 08:18:08 -0000", "2002-09-21T08:18:08Z"),
            ("Sat, 21 Sep 2002 08:18:08 -0400 (EDT (summer))", "2002-09-21T12:18:08Z"),
            ("Sat, (a) 21 (b) Sep (c) 2002 (d) 08:18:08 (e) -0400", "2002-09-21T12:18:08Z"),
            ("Sat, 21 Sep 02 08:18:08 GMT", "2002-09-21T08:18:08Z"),
            ("21 Sep 98 08:18:08 UT", "1998-09-21T08:18:08Z"),
            ("21 Sep 49 08:18:08 Z", "2049-09-21T08:18:08Z"),
            ("21 Sep 102 08:18:08 GMT", "2002-09-21T08:18:08Z"),
            ("Sat, 21 Sep 2002 08:18:08 EDT", "2002-09-21T12:18:08Z"),
            ("Sat, 21 Sep 2002 08:18:08 cst", "2002-09-21T14:18:08Z"),
            ("Sat, 21 Sep 2002 08:18:08 PdT", "2002-09-21T15:18:08Z"),
            ("Sat, 31 Dec 2016 23:59:60 +0000", "2016-12-31T23:59:59Z"),
            ("sat, 21 SEP 2002 08:18:08 gmt", "2002-09-21T08:18:08Z"),
            ("Saturday, 21-Sep-02 08:18:08 GMT", "2002-09-21T08:18:08Z"),
            ("21-Sep-2002 08:18:08 +0200", "2002-09-21T06:18:08Z"),
            ("Sat, 21 September 2002 08:18:08 +0000", "2002-09-21T08:18:08Z"),
            ("Sa, 21 Sep 2002 08:18:08 +0000", "2002-09-21T08:18:08Z"),
            ("mar, 24 Sep 2002 08:18:08 +0000", "2002-09-24T08:18:08Z"),
        ]);
    }

    #[test]
    fn other_forms_that_leave_no_doubt() {
        check(&[
            ("Sat Sep 21 08:18:08 2002", "2002-09-21T08:18:08Zz"),
            ("Fri Jan  3 12:34:56 2003", "2003-01-03T12:34:56Zz"),
            ("Sat Sep 21 08:18:08 EDT 2002", "2002-09-21T12:18:08Z"),
            ("Sat Sep 21 08:18:08 2002 -0400", "2002-09-21T12:18:08Z"),
            ("Sat Sep 21 08:18:08 +0200 2002", "2002-09-21T06:18:08Z"),
            ("Sat Sep 21 2002 08:18:08 GMT+0200 (CEST)", "2002-09-21T06:18:08Z"),
            ("Sep 21, 2002 8:18 AM EDT", "2002-09-21T12:18:00Z"),
            ("Sep, 21 2002 08:18:08 GMT", "2002-09-21T08:18:08Z"),
            ("Fri, 3 Jan 2003 02:27:13 PM -0500", "2003-01-03T19:27:13Z"),
            ("Fri, 3 Jan 2003 02:27:13PM -0500", "2003-01-03T19:27:13Z"),
            ("Fri Jan 3 02:27:13 p.m. EST 2003", "2003-01-03T19:27:13Z"),
            ("Fri, 3 Jan 2003 12:00:00 AM GMT", "2003-01-03T00:00:00Z"),
            ("Fri, 3 Jan 2003 12:00:00 PM GMT", "2003-01-03T12:00:00Z"),
            ("Fri, 3 Jan 2003 14:27:13 PM GMT", "2003-01-03T14:27:13Z"),
            ("2002-09-21T08:18:08Z", "2002-09-21T08:18:08Z"),
            ("2002-09-21T08:18:08.123+02:00", "2002-09-21T06:18:08Z"),
            ("2002-09-21 08:18:08 +0200", "2002-09-21T06:18:08Z"),
            ("2002-09-21 08:18", "2002-09-21T08:18:00Zz"),
            ("20020921T081808Z", "2002-09-21T08:18:08Z"),
            ("20020921T0818-0400", "2002-09-21T12:18:00Z"),
            ("Sat, 21 Sep 2002 08:18:08 +02:00", "2002-09-21T06:18:08Z"),
            ("Sat, 21 Sep 2002 08:18:08 GMT +0200", "2002-09-21T06:18:08Z"),
            ("Sat, 21 Sep 2002 08:18:08 +0200 CEST", "2002-09-21T06:18:08Z"),
            ("Sat, 21 Sep 2002 08.18.08 +0200", "2002-09-21T06:18:08Z"),
        ]);
    }

    #[test]
    fn what_is_missing_is_told() {
        check(&[
            ("Sat, 21 Sep 2002 08:18:08", "2002-09-21T08:18:08Zz"),
            ("Sat, 21 Sep 2002 08:18:08 CEST", "2002-09-21T08:18:08Zz"),
            ("Sat, 21 Sep 2002 08:18:08 A", "2002-09-21T08:18:08Zz"),
            ("Sat, 21 Sep 2002 08:18:08 Eastern Daylight Time", "2002-09-21T08:18:08Zz"),
            ("Sat, 21 Sep 2002", "2002-09-21T00:00:00Zdz"),
            ("2002-09-21", "2002-09-21T00:00:00Zdz"),
            ("Mon, 21 Sep 2002 08:18:08 +0000", "2002-09-21T08:18:08Zw"),
        ]);
    }

    #[test]
    fn what_leaves_a_doubt_is_not_read() {
        for text in [
            "",
            "yesterday",
            "09/21/2002",
            "09/21/2002 08:18:08",
            "21.09.2002 08:18:08",
            "21/09/02",
            "2002/09/21",
            "21 09 2002 08:18:08 +0000",
            "1032596288",
            "00.00.0000 00:00",
            "Sat Sep 21 08:18:08 02",
            "Sat, 21 Sep 2 08:18:08 +0000",
            "Sat, 21 Sep 20002 08:18:08 +0000",
            "Mon, 30 Feb 2024 10:00:00 +0000",
            "Mon, 29 Feb 2023 10:00:00 +0000",
            "Mon, 1 Jan 2024 25:00:00 +0000",
            "Mon, 1 Jan 2024 10:61:00 +0000",
            "Mon, 1 Jan 2024 13:00:00 AM +0000",
            "Mon, 1 Jan 2024 10:00:00 +9959",
            "Mon, 1 Jan 2024 10:00:00 +0160",
            "Mon, 1 Jan 2024 10:00:00 0100",
            "Mon, 1 Jan 2024 10:00:00 +0100 tomorrow at 5",
            "Mon, 1 Jan 2024 +0100",
            "Wed, 31 Dec 1969 23:59:59 +0000",
            "Fri, 1 Jan 2100 00:00:00 +0000",
            "Sep 21 2002 Sep 22 2003",
            "1 Janeiro 2024 10:00:00 +0000",
            "2002-09-21T08:18:08Z extra",
            "2002-13-21T08:18:08Z",
            "2002-09-21T8",
            "20020921T08180",
            "é, ü Sep 2002",
            "Sat Sep 21 é8:18:08 200é",
        ] {
            assert_eq!(of(text), "no", "{text}");
        }
    }
}
