//! Times and durations as people write them.

use std::time::Duration;

use daybook_kernel::hash::Hash;
use daybook_proto::product_analytics::v1::PropertyFilter;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A duration: a number and a unit (s, m, h, d, w, y), or several; "0" is none. A year has 365 days.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || format!("{text:?} is not a duration; write for example 30d, 7y, 36h or 1d12h");
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = after.chars().next().ok_or_else(wrong)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            'y' => 365 * 86_400,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &after[unit.len_utf8()..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

/// A point in time: 2026-03-01T12:00:00Z, or 2026-03-01 for its first instant in UTC.
pub(crate) fn time(text: &str) -> Result<prost_types::Timestamp, String> {
    time_in(text, "")
}

/// A time zone by its IANA name; empty is UTC.
fn zone(name: &str) -> Result<TimeZone, String> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|error| format!("{name:?} is no time zone: {error}"))
}

/// The same with days of a time zone.
pub(crate) fn time_in(text: &str, zone_name: &str) -> Result<prost_types::Timestamp, String> {
    let zone = zone(zone_name)?;
    let wrong = || format!("{text:?} is not a time; write for example 2026-03-01 or 2026-03-01T12:00:00Z");
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let civil =
                text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0)));
            let zoned = civil.ok_or_else(wrong)?.to_zoned(zone).map_err(|_| wrong())?;
            zoned.timestamp()
        }
    };
    Ok(prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
}

/// A filter on a property: property=value,value or property!=value,value or property>=number or property<=number.
pub(crate) fn filter(text: &str) -> Result<PropertyFilter, String> {
    let wrong = || format!("{text:?} is no filter; write for example format=pdf,csv or format!=pdf or pages>=10");
    let (at, operator) = ["!=", ">=", "<=", "="]
        .iter()
        .filter_map(|operator| Some((text.find(operator)?, *operator)))
        .min_by_key(|(at, operator)| (*at, std::cmp::Reverse(operator.len())))
        .ok_or_else(wrong)?;
    let (property, value) = (text[..at].trim().to_owned(), text[at + operator.len()..].trim());
    if property.is_empty() || value.is_empty() {
        return Err(wrong());
    }
    let number = || value.parse::<i64>().map(Some).map_err(|_| wrong());
    let words = || value.split(',').map(|word| word.trim().to_owned()).collect();
    Ok(match operator {
        ">=" => PropertyFilter { property, minimum: number()?, ..Default::default() },
        "<=" => PropertyFilter { property, maximum: number()?, ..Default::default() },
        _ => PropertyFilter { property, any_of: words(), negated: operator == "!=", ..Default::default() },
    })
}

/// A time in a time zone: its day alone where that begins then.
pub(crate) fn show_time_in(time: &prost_types::Timestamp, zone_name: &str) -> String {
    let at = Timestamp::new(time.seconds, time.nanos);
    let (Ok(at), Ok(zone)) = (at, zone(zone_name)) else { return show_time(Some(time)) };
    let zoned = at.to_zoned(zone);
    match zoned.start_of_day() {
        Ok(start) if start == zoned => zoned.date().to_string(),
        _ => zoned.strftime("%Y-%m-%d %H:%M:%S%:z").to_string(),
    }
}

/// A hash: 64 hexadecimal digits.
pub(crate) fn hash(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text).ok_or_else(|| format!("{text:?} is not a hash of 64 hexadecimal digits"))
}

/// A position: partition/offset.
pub(crate) fn position(text: &str) -> Result<(u32, u64), String> {
    let parts =
        text.split_once('/').and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)));
    parts.ok_or_else(|| format!("{text:?} is not a position; write partition/offset, for example 3/1042"))
}

/// A point in time for a table: to the second, in UTC.
pub(crate) fn show_time(time: Option<&prost_types::Timestamp>) -> String {
    let Some(time) = time else { return String::new() };
    match Timestamp::new(time.seconds, 0) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => time.to_string(),
    }
}

/// A duration for a table: its two largest units.
pub(crate) fn show_duration(duration: Option<&prost_types::Duration>) -> String {
    let Some(duration) = duration else { return String::new() };
    let seconds = duration.seconds;
    if seconds == 0 {
        return if duration.nanos == 0 { "0".to_owned() } else { format!("{}ms", duration.nanos / 1_000_000) };
    }
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, size) in [("y", 365 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    parts.truncate(2);
    parts.concat()
}

/// The protobuf form of a duration.
pub(crate) fn proto_duration(duration: Duration) -> prost_types::Duration {
    daybook_kernel::time::duration_to_proto(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1d12h"), Ok(Duration::from_secs(129_600)));
        assert_eq!(duration("7y"), Ok(Duration::from_secs(7 * 365 * 86_400)));
        for wrong in ["", "7", "y", "-1d", "1.5d", "7 years", "999999999999999999999y", "3ä"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        let show = |text: &str| show_duration(Some(&proto_duration(duration(text).unwrap())));
        assert_eq!((show("90s").as_str(), show("400d").as_str(), show("0").as_str()), ("1m30s", "1y35d", "0"));
    }

    #[test]
    fn days_of_a_zone() {
        let at = time_in("2026-11-24", "Europe/Berlin").unwrap();
        assert_eq!(at, time("2026-11-23T23:00:00Z").unwrap());
        assert_eq!(show_time_in(&at, "Europe/Berlin"), "2026-11-24");
        assert_eq!(show_time_in(&at, ""), "2026-11-23 23:00:00+00:00");
        assert!(time_in("2026-11-24", "Atlantis").is_err());
    }

    #[test]
    fn filters() {
        let found = filter("format = pdf, csv").unwrap();
        assert_eq!(
            (found.property.as_str(), found.any_of, found.negated),
            ("format", vec!["pdf".into(), "csv".into()], false)
        );
        assert!(filter("format!=pdf").unwrap().negated);
        assert_eq!(filter("pages>=-10").unwrap().minimum, Some(-10));
        assert_eq!(filter("pages<=10").unwrap().maximum, Some(10));
        for wrong in ["", "format", "=pdf", "format=", "pages>=many"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(time("1970-01-02").unwrap().seconds, 86_400);
        assert_eq!(time("1970-01-01T00:00:01Z").unwrap().seconds, 1);
        assert_eq!(time("1970-01-01T01:00:00+01:00").unwrap().seconds, 0);
        assert!(time("yesterday").is_err());
        assert_eq!(show_time(Some(&time("2026-03-01T12:00:00Z").unwrap())), "2026-03-01 12:00:00Z");
    }
}
