//! Points in time, filters and hashes as people write them.

use std::time::Duration;

use daybook_kernel::hash::Hash;
use daybook_proto::product_analytics::v1::PropertyFilter;
use daybook_time_zone::Zone;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

/// A point in time: 2026-03-01T12:00:00Z, or 2026-03-01 for its first instant in UTC.
pub(crate) fn time(text: &str) -> Result<prost_types::Timestamp, String> {
    time_in(text, "")
}

/// The text of a point in time whose zone is another argument: whether it is one at all is said before anybody is asked.
pub(crate) fn time_text(text: &str) -> Result<String, String> {
    time(text).map(|_| text.to_owned())
}

/// A time zone by its name, in any case; empty is UTC. What is returned is the name as a node knows it.
pub(crate) fn zone_name(name: &str) -> Result<String, String> {
    let zone = Zone::parse(name).map_err(|error| error.to_string())?;
    Ok(if name.is_empty() { String::new() } else { zone.name().to_owned() })
}

/// The same with days of a time zone.
pub(crate) fn time_in(text: &str, zone_name: &str) -> Result<prost_types::Timestamp, String> {
    let zone = Zone::parse(zone_name).map_err(|error| error.to_string())?;
    let wrong = || format!("{text:?} is not a time; write for example 2026-03-01 or 2026-03-01T12:00:00Z");
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let civil =
                text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0)));
            let civil = civil.ok_or_else(wrong)?;
            // As if the clocks of the zone were those of UTC; from there the zone says when they showed that.
            let wall = civil.to_zoned(TimeZone::UTC).map_err(|_| wrong())?.timestamp();
            let at = zone.instant_of(wall.as_second()).ok_or_else(wrong)?;
            Timestamp::new(at, wall.subsec_nanosecond()).map_err(|_| wrong())?
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
    let (Ok(at), Ok(zone)) = (at, Zone::parse(zone_name)) else { return show_time(Some(time)) };
    let Ok(offset) = Offset::from_seconds(zone.offset_seconds_at(at.as_second())) else { return show_time(Some(time)) };
    let zoned = at.to_zoned(offset.to_time_zone());
    let is_whole = time.nanos == 0 && zone.is_start_of_day(at.as_second());
    if is_whole { zoned.date().to_string() } else { zoned.strftime("%Y-%m-%d %H:%M:%S%:z").to_string() }
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

/// The protobuf form of a duration.
pub(crate) fn proto_duration(duration: Duration) -> prost_types::Duration {
    daybook_kernel::time::duration_to_proto(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_a_zone() {
        let at = time_in("2026-11-24", "Europe/Berlin").unwrap();
        assert_eq!(at, time("2026-11-23T23:00:00Z").unwrap());
        assert_eq!(show_time_in(&at, "Europe/Berlin"), "2026-11-24");
        assert_eq!(show_time_in(&at, ""), "2026-11-23 23:00:00+00:00");
        assert_eq!(time_in("2026-11-24", "europe/berlin"), Ok(at));
        assert_eq!(zone_name("europe/berlin").as_deref(), Ok("Europe/Berlin"));
        assert_eq!(zone_name("").as_deref(), Ok(""));
        let error = time_in("2026-11-24", "Berlin").unwrap_err();
        assert!(error.ends_with("did you mean Europe/Berlin?"), "{error}");
        assert_eq!(zone_name("Atlantis").unwrap_err(), time_in("2026-11-24", "Atlantis").unwrap_err());
    }

    #[test]
    fn a_day_begins_where_the_node_lets_it_begin() {
        let begins = |day: &str, zone: &str| show_time(Some(&time_in(day, zone).unwrap()));
        assert_eq!(begins("2018-11-04", "America/Sao_Paulo"), "2018-11-04 03:00:00Z", "midnight does not exist");
        assert_eq!(begins("2026-11-01", "America/Havana"), "2026-11-01 04:00:00Z", "midnight exists twice");
        assert_eq!(begins("2026-03-29T02:30:00", "Europe/Berlin"), "2026-03-29 01:00:00Z");
        for (day, zone) in [("2018-11-04", "America/Sao_Paulo"), ("2026-11-01", "America/Havana")] {
            assert_eq!(show_time_in(&time_in(day, zone).unwrap(), zone), day);
        }
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
