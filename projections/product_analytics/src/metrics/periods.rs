//! Days, weeks and months of a time zone.
//!
//! A period begins at local midnight of its first day. Across a change of the clocks a day has 23 or 25 hours. Where
//! midnight does not exist, because the clocks go forward over it, the day begins at the first instant that does; where
//! it exists twice, at the first of the two. A day that a zone leaves out altogether (Samoa, 2011-12-30) is no period.
//! The first and the last period are cut to the range that was asked for.

use std::fmt;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// A range may be this long.
pub const RANGE_DAYS_MAX: i64 = 400;
/// A range may have this many periods.
pub const PERIODS_MAX: usize = 1_000;

const DAY_MS: i64 = 86_400_000;

/// How long the periods are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// One period: the whole range.
    Whole,
    /// Local days.
    Day,
    /// Local weeks, Monday to Sunday (ISO 8601).
    Week,
    /// Local months.
    Month,
}

/// Why there are no periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeriodsError {
    /// The end is not after the start.
    Empty,
    /// More than [`RANGE_DAYS_MAX`] days.
    TooLong,
    /// More than [`PERIODS_MAX`] periods.
    TooMany,
    /// Not a name of the IANA time zone database.
    UnknownZone,
    /// A time that no calendar holds.
    OutOfCalendar,
}

impl fmt::Display for PeriodsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the end is not after the start"),
            Self::TooLong => write!(f, "the range is longer than {RANGE_DAYS_MAX} days"),
            Self::TooMany => write!(f, "the range has more than {PERIODS_MAX} periods"),
            Self::UnknownZone => write!(f, "unknown time zone: use a name of the IANA database, such as Europe/Berlin"),
            Self::OutOfCalendar => write!(f, "the range is outside of the calendar"),
        }
    }
}

impl std::error::Error for PeriodsError {}

/// One period, `[start_ms, end_ms)` in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first millisecond.
    pub start_ms: i64,
    /// The first millisecond after it.
    pub end_ms: i64,
}

/// The periods of a range: at least one, none empty, each beginning where the one before ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Periods {
    periods: Vec<Period>,
}

impl Periods {
    /// The periods of `[start_ms, end_ms)` in a zone of the IANA database; an empty name is UTC.
    pub fn new(start_ms: i64, end_ms: i64, zone: &str, granularity: Granularity) -> Result<Self, PeriodsError> {
        if end_ms <= start_ms {
            return Err(PeriodsError::Empty);
        }
        if end_ms.saturating_sub(start_ms) > RANGE_DAYS_MAX.saturating_mul(DAY_MS) {
            return Err(PeriodsError::TooLong);
        }
        let zone: Tz = match zone {
            "" => Tz::UTC,
            name => name.parse().map_err(|_| PeriodsError::UnknownZone)?,
        };
        let mut bounds = vec![start_ms];
        if granularity != Granularity::Whole {
            let start = DateTime::from_timestamp_millis(start_ms).ok_or(PeriodsError::OutOfCalendar)?;
            let mut day = first_day(start.with_timezone(&zone).date_naive(), granularity);
            loop {
                day = day.and_then(|day| next_first_day(day, granularity));
                let at_ms = start_of_day_ms(zone, day.ok_or(PeriodsError::OutOfCalendar)?);
                let at_ms = at_ms.ok_or(PeriodsError::OutOfCalendar)?;
                if at_ms >= end_ms {
                    break;
                }
                // Not later than the one before: a day that the zone leaves out.
                if bounds.last().is_some_and(|last| at_ms > *last) {
                    bounds.push(at_ms);
                }
                if bounds.len() > PERIODS_MAX {
                    return Err(PeriodsError::TooMany);
                }
            }
        }
        let ends = bounds.iter().skip(1).copied().chain([end_ms]);
        let periods = bounds.iter().zip(ends).map(|(start_ms, end_ms)| Period { start_ms: *start_ms, end_ms });
        Ok(Self { periods: periods.collect() })
    }

    /// In order.
    pub fn as_slice(&self) -> &[Period] {
        &self.periods
    }

    /// How many; never 0.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.periods.len()
    }

    /// Where the range begins.
    pub fn start_ms(&self) -> i64 {
        self.periods.first().map_or(0, |period| period.start_ms)
    }

    /// Where the range ends.
    pub fn end_ms(&self) -> i64 {
        self.periods.last().map_or(0, |period| period.end_ms)
    }

    /// The period that a time lies in; `None` outside of the range.
    pub fn index_of(&self, time_ms: i64) -> Option<usize> {
        let at = self.periods.partition_point(|period| period.start_ms <= time_ms).checked_sub(1)?;
        self.periods.get(at).filter(|period| time_ms < period.end_ms).map(|_| at)
    }

    /// How many of the periods, from the first, are over at a time.
    pub fn over(&self, now_ms: i64) -> usize {
        self.periods.partition_point(|period| period.end_ms <= now_ms)
    }
}

/// The first day of the day, week or month that a day lies in.
fn first_day(day: NaiveDate, granularity: Granularity) -> Option<NaiveDate> {
    match granularity {
        Granularity::Whole | Granularity::Day => Some(day),
        Granularity::Week => day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())),
        Granularity::Month => day.with_day(1),
    }
}

fn next_first_day(first: NaiveDate, granularity: Granularity) -> Option<NaiveDate> {
    match granularity {
        Granularity::Whole | Granularity::Day => first.succ_opt(),
        Granularity::Week => first.checked_add_days(Days::new(7)),
        Granularity::Month => first.checked_add_months(Months::new(1)),
    }
}

/// The first instant of a local day, or of the first day after it that exists.
fn start_of_day_ms(zone: Tz, day: NaiveDate) -> Option<i64> {
    let midnight = day.and_time(NaiveTime::MIN);
    if let Some(start) = zone.from_local_datetime(&midnight).earliest() {
        return Some(start.timestamp_millis());
    }
    // The clocks jump over midnight. Between two days around it the local time only grows past it once.
    let (mut before, mut after) = (midnight.checked_sub_days(Days::new(2))?, midnight.checked_add_days(Days::new(2))?);
    while after - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if local(zone, middle) >= midnight {
            after = middle;
        } else {
            before = middle;
        }
    }
    Some(after.and_utc().timestamp_millis())
}

fn local(zone: Tz, utc: NaiveDateTime) -> NaiveDateTime {
    utc + TimeDelta::seconds(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn ms(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn periods(start: &str, end: &str, zone: &str, granularity: Granularity) -> Periods {
        Periods::new(ms(start), ms(end), zone, granularity).unwrap()
    }

    fn hours(periods: &Periods) -> Vec<i64> {
        periods.as_slice().iter().map(|period| (period.end_ms - period.start_ms) / HOUR_MS).collect()
    }

    #[test]
    fn the_day_on_which_clocks_go_forward_in_berlin_has_23_hours() {
        let days = periods("2026-03-28T00:00:00+01:00", "2026-03-31T00:00:00+02:00", "Europe/Berlin", Granularity::Day);
        assert_eq!(hours(&days), [24, 23, 24]);
        assert_eq!(days.index_of(ms("2026-03-28T23:59:59.999+01:00")), Some(0));
        assert_eq!(days.index_of(ms("2026-03-29T00:00:00+01:00")), Some(1));
        assert_eq!(days.index_of(ms("2026-03-29T23:59:59.999+02:00")), Some(1));
        assert_eq!(days.index_of(ms("2026-03-30T00:00:00+02:00")), Some(2));
    }

    #[test]
    fn the_day_on_which_clocks_go_back_in_berlin_has_25_hours() {
        let days = periods("2026-10-24T00:00:00+02:00", "2026-10-27T00:00:00+01:00", "Europe/Berlin", Granularity::Day);
        assert_eq!(hours(&days), [24, 25, 24]);
        assert_eq!(days.index_of(ms("2026-10-25T02:30:00+02:00")), Some(1));
        assert_eq!(days.index_of(ms("2026-10-25T02:30:00+01:00")), Some(1));
        assert_eq!(days.index_of(ms("2026-10-26T00:00:00+01:00")), Some(2));
    }

    #[test]
    fn a_midnight_that_does_not_exist_is_the_first_instant_that_does() {
        let days =
            periods("2018-11-03T00:00:00-03:00", "2018-11-06T00:00:00-02:00", "America/Sao_Paulo", Granularity::Day);
        assert_eq!(hours(&days), [24, 23, 24]);
        assert_eq!(days.as_slice()[1].start_ms, ms("2018-11-04T01:00:00-02:00"));
        assert_eq!(days.index_of(ms("2018-11-04T03:00:00Z") - 1), Some(0));
        assert_eq!(days.index_of(ms("2018-11-04T03:00:00Z")), Some(1));
    }

    #[test]
    fn a_midnight_that_exists_twice_is_the_first_of_the_two() {
        let days =
            periods("2026-10-31T00:00:00-04:00", "2026-11-03T00:00:00-05:00", "America/Havana", Granularity::Day);
        assert_eq!(hours(&days), [24, 25, 24]);
        assert_eq!(days.as_slice()[1].start_ms, ms("2026-11-01T00:00:00-04:00"));
    }

    #[test]
    fn a_day_that_a_zone_leaves_out_is_no_period() {
        let days = periods("2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00", "Pacific/Apia", Granularity::Day);
        assert_eq!(hours(&days), [24, 24]);
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first_and_both_are_cut_to_the_range() {
        let weeks = periods("2026-01-01T12:00:00Z", "2026-01-13T00:00:00Z", "", Granularity::Week);
        assert_eq!(hours(&weeks), [84, 168, 24]);
        let months =
            periods("2026-02-10T00:00:00+01:00", "2026-04-02T00:00:00+02:00", "Europe/Berlin", Granularity::Month);
        assert_eq!(hours(&months), [19 * 24, 31 * 24 - 1, 24]);
        assert_eq!(periods("2026-02-10T00:00:00Z", "2026-04-02T00:00:00Z", "", Granularity::Whole).len(), 1);
    }

    #[test]
    fn what_has_no_periods_says_why() {
        let of = |start_ms, end_ms, zone| Periods::new(start_ms, end_ms, zone, Granularity::Day).map(|all| all.len());
        assert_eq!(of(5, 5, ""), Err(PeriodsError::Empty));
        assert_eq!(of(0, RANGE_DAYS_MAX * DAY_MS, ""), Ok(400));
        assert_eq!(of(0, RANGE_DAYS_MAX * DAY_MS + 1, ""), Err(PeriodsError::TooLong));
        assert_eq!(of(i64::MIN, i64::MAX, ""), Err(PeriodsError::TooLong));
        assert_eq!(of(0, 1, "Europe/Atlantis"), Err(PeriodsError::UnknownZone));
        assert_eq!(of(i64::MAX - 1, i64::MAX, ""), Err(PeriodsError::OutOfCalendar));
        assert_eq!(of(i64::MIN, i64::MIN + 1, ""), Err(PeriodsError::OutOfCalendar));
    }

    #[test]
    fn outside_of_the_range_is_no_period() {
        let days = Periods::new(10, 2 * DAY_MS, "", Granularity::Day).unwrap();
        assert_eq!(
            [9, 10, DAY_MS, 2 * DAY_MS - 1, 2 * DAY_MS].map(|at| days.index_of(at)),
            [None, Some(0), Some(1), Some(1), None]
        );
        assert_eq!([0, DAY_MS - 1, DAY_MS, 2 * DAY_MS].map(|now| days.over(now)), [0, 0, 1, 2]);
    }

    #[test]
    fn every_quarter_of_an_hour_lies_in_the_period_of_its_local_date() {
        for name in ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana"] {
            let zone: Tz = name.parse().unwrap();
            let (start, end) = (ms("2018-01-01T05:00:00Z"), ms("2019-01-20T07:00:00Z"));
            for granularity in [Granularity::Day, Granularity::Week, Granularity::Month] {
                let periods = Periods::new(start, end, name, granularity).unwrap();
                let key = |at: i64| {
                    let date = DateTime::from_timestamp_millis(at).unwrap().with_timezone(&zone).date_naive();
                    match granularity {
                        Granularity::Month => (date.year(), date.month()),
                        Granularity::Week => (date.iso_week().year(), date.iso_week().week()),
                        _ => (date.year(), date.ordinal()),
                    }
                };
                let mut last = (key(start), 0);
                for at in (start..end).step_by(900_000) {
                    let index = periods.index_of(at).unwrap();
                    let expected = if key(at) == last.0 { last.1 } else { last.1 + 1 };
                    assert_eq!(index, expected, "{name} {at}");
                    last = (key(at), index);
                }
                assert_eq!(last.1 + 1, periods.len());
            }
        }
    }
}
