//! Spans of time as people write and read them. `m` stands for nothing: it would be minutes to one and months to
//! another, and retention takes both.

use std::fmt;
use std::time::Duration;

use daybook_kernel::calendar::CalendarPeriod;
use daybook_kernel::time::duration_to_proto;
use daybook_proto::legal_hold::v1;

/// The units, for help texts.
pub(crate) const UNITS: &str = "y (years), mo (months), w, d, h, min, s";

/// A span of calendar time or an exact one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    /// Years, months and days of the calendar.
    Calendar(CalendarPeriod),
    /// An exact time.
    Exact(Duration),
}

impl Period {
    /// The exact form and the calendar form, of which messages have one each.
    pub(crate) fn to_proto(self) -> (Option<prost_types::Duration>, Option<v1::CalendarPeriod>) {
        match self {
            Self::Exact(exact) => (Some(duration_to_proto(exact)), None),
            Self::Calendar(period) => {
                let (years, months, days) = period.parts();
                (None, Some(v1::CalendarPeriod { years, months, days }))
            }
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calendar(period) => period.fmt(f),
            Self::Exact(exact) => f.write_str(&show_duration(Some(&duration_to_proto(*exact)))),
        }
    }
}

/// What a number is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Years,
    Months,
    Seconds(u64),
}

/// A number and a unit, or several: years and months with weeks and days, or weeks and days with hours, minutes and
/// seconds.
fn parts(text: &str) -> Result<Vec<(u64, Unit)>, String> {
    let wrong =
        || format!("{text:?} is no span of time; write for example 30d, 7y, 18mo, 36h or 1d12h; units: {UNITS}");
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, next) = after.split_at_checked(letters).ok_or_else(wrong)?;
        let unit = match unit {
            "y" => Unit::Years,
            "mo" => Unit::Months,
            "w" => Unit::Seconds(7 * 86_400),
            "d" => Unit::Seconds(86_400),
            "h" => Unit::Seconds(3_600),
            "min" => Unit::Seconds(60),
            "s" => Unit::Seconds(1),
            "m" | "M" => {
                return Err(format!("{text:?} may mean minutes or months; write {number}min or {number}mo"));
            }
            _ => return Err(wrong()),
        };
        parts.push((number, unit));
        rest = next;
    }
    if parts.is_empty() { Err(wrong()) } else { Ok(parts) }
}

/// A period of calendar time (7y, 18mo, 1y6mo) or an exact one (30d, 36h). "0" is none.
pub(crate) fn period(text: &str) -> Result<Period, String> {
    if text == "0" {
        return Ok(Period::Exact(Duration::ZERO));
    }
    let parts = parts(text)?;
    let is_calendar = parts.iter().any(|(_, unit)| matches!(unit, Unit::Years | Unit::Months));
    if !is_calendar {
        return duration(text).map(Period::Exact);
    }
    let too_long = || format!("{text:?} is longer than 200 years");
    let (mut months, mut days) = (0_u64, 0_u64);
    for (number, unit) in parts {
        let (of_months, of_days) = match unit {
            Unit::Years => (number.checked_mul(12).ok_or_else(too_long)?, 0),
            Unit::Months => (number, 0),
            Unit::Seconds(seconds) if seconds % 86_400 == 0 => {
                (0, number.checked_mul(seconds / 86_400).ok_or_else(too_long)?)
            }
            Unit::Seconds(_) => {
                return Err(format!("{text:?} mixes calendar time and hours; write for example 1y6mo or 36h"));
            }
        };
        months = months.checked_add(of_months).ok_or_else(too_long)?;
        days = days.checked_add(of_days).ok_or_else(too_long)?;
    }
    let (months, days) = (u32::try_from(months).map_err(|_| too_long())?, u32::try_from(days).map_err(|_| too_long())?);
    let period = CalendarPeriod::new(0, months, days).map_err(|error| format!("{text:?} {error}"))?;
    Ok(Period::Calendar(period))
}

/// An exact duration: weeks, days, hours, minutes, seconds. "0" is none.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let too_long = || format!("{text:?} is too long");
    let mut total = 0_u64;
    for (number, unit) in parts(text)? {
        let Unit::Seconds(seconds) = unit else {
            return Err(format!("{text:?}: an exact time has no years or months, whose lengths differ; write days"));
        };
        let part = number.checked_mul(seconds).ok_or_else(too_long)?;
        total = total.checked_add(part).ok_or_else(too_long)?;
    }
    Ok(Duration::from_secs(total))
}

/// A period as a message has it, in words; empty where it has none.
pub(crate) fn show_period(exact: Option<&prost_types::Duration>, calendar: Option<&v1::CalendarPeriod>) -> String {
    let calendar = calendar.and_then(|period| CalendarPeriod::new(period.years, period.months, period.days).ok());
    calendar.map_or_else(|| show_duration(exact), |period| period.to_string())
}

/// An exact duration for a table: its two largest units. Years and months are left out, since their lengths differ.
pub(crate) fn show_duration(duration: Option<&prost_types::Duration>) -> String {
    let Some(duration) = duration else { return String::new() };
    let seconds = duration.seconds;
    if seconds == 0 {
        return if duration.nanos == 0 { "0".to_owned() } else { format!("{}ms", duration.nanos / 1_000_000) };
    }
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)] {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    parts.truncate(2);
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_durations() {
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1d12h"), Ok(Duration::from_secs(129_600)));
        assert_eq!(duration("2w"), Ok(Duration::from_secs(14 * 86_400)));
        for wrong in
            ["", "7", "y", "-1d", "1.5d", "7 days", "999999999999999999999d", "3ä", "7y", "2mo", "99999999999999w"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        let show = |text: &str| show_duration(Some(&duration_to_proto(duration(text).unwrap())));
        assert_eq!((show("90s").as_str(), show("400d").as_str(), show("0").as_str()), ("1min30s", "400d", "0"));
    }

    #[test]
    fn m_is_neither_minutes_nor_months() {
        let refused = period("12m").unwrap_err();
        assert!(refused.contains("12min") && refused.contains("12mo"), "{refused}");
        assert!(duration("12m").is_err() && period("1y6m").is_err() && period("12M").is_err());
        let shown = |text: &str| period(text).unwrap().to_string();
        assert_eq!((shown("12min").as_str(), shown("12mo").as_str()), ("12min", "1 year"));
    }

    #[test]
    fn years_and_months_are_calendar_time() {
        let calendar = |years, months, days| Ok(Period::Calendar(CalendarPeriod::new(years, months, days).unwrap()));
        assert_eq!(period("10y"), calendar(10, 0, 0));
        assert_eq!(period("1y6mo"), calendar(1, 6, 0));
        assert_eq!(period("1y2w3d"), calendar(1, 0, 17));
        assert_eq!(period("30d"), Ok(Period::Exact(Duration::from_secs(30 * 86_400))));
        assert_eq!(period("0"), Ok(Period::Exact(Duration::ZERO)));
        for wrong in ["1y12h", "201y", "0y", "99999999999y", "y", "1mo30min"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
        assert_eq!(period("1y6mo").unwrap().to_string(), "1 year 6 months");
        let (exact, calendar) = period("7y").unwrap().to_proto();
        assert_eq!((exact, calendar.map(|period| period.years)), (None, Some(7)));
    }
}
