//! Days, weeks and months of a time zone.
//!
//! A period of the calendar begins at local midnight of its first day. Across a change of the clocks a day has 23 or 25
//! hours. Where midnight does not exist, because the clocks go forward over it, the day begins at the first instant that
//! does; where it exists twice, at the first of the two. A day that a zone leaves out altogether (Samoa, 2011-12-30) is
//! no period.
//!
//! [`Periods::new`] cuts the first and the last period to the range that was asked for: they bound who is counted.
//! [`Periods::whole`] cuts none: what somebody is counted *as* (new, returning, come back) depends on whole periods, so
//! that it does not depend on where in its first period a range begins.

use std::fmt;

use chrono::{Datelike, Days, Months, NaiveDate};
use daybook_time_zone::{UnknownZone, Zone};

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
    UnknownZone(UnknownZone),
    /// A time that no calendar holds.
    OutOfCalendar,
}

impl fmt::Display for PeriodsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the end is not after the start"),
            Self::TooLong => write!(f, "the range is longer than {RANGE_DAYS_MAX} days"),
            Self::TooMany => write!(f, "the range has more than {PERIODS_MAX} periods"),
            Self::UnknownZone(error) => error.fmt(f),
            Self::OutOfCalendar => write!(f, "the range is outside of the calendar"),
        }
    }
}

impl std::error::Error for PeriodsError {}

/// Days, weeks or months as a zone's calendar has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    zone: Zone,
    granularity: Granularity,
}

impl Calendar {
    /// Of a zone of the IANA database; an empty name is UTC.
    pub fn new(zone: &str, granularity: Granularity) -> Result<Self, PeriodsError> {
        Ok(Self { zone: Zone::parse(zone).map_err(PeriodsError::UnknownZone)?, granularity })
    }

    /// The first instant of the period that an instant lies in. With [`Granularity::Whole`] the instant itself.
    pub fn start_of(&self, at_ms: i64) -> Result<i64, PeriodsError> {
        match self.granularity {
            Granularity::Whole => Ok(at_ms),
            _ => Ok(self.around(at_ms)?.1),
        }
    }

    /// The first day of the period that an instant lies in, and when it begins.
    fn around(&self, at_ms: i64) -> Result<(NaiveDate, i64), PeriodsError> {
        let date = self.zone.date_at(at_ms).ok_or(PeriodsError::OutOfCalendar)?;
        let mut day = first_day(date, self.granularity).ok_or(PeriodsError::OutOfCalendar)?;
        let mut start_ms = self.start_of_day(day)?;
        // Where the clocks are set back over midnight, its date comes twice, and the second time it is over already.
        loop {
            let (next, next_ms) = self.next(day)?;
            if next_ms > at_ms {
                return Ok((day, start_ms));
            }
            (day, start_ms) = (next, next_ms);
        }
    }

    fn next(&self, first: NaiveDate) -> Result<(NaiveDate, i64), PeriodsError> {
        let next = next_first_day(first, self.granularity).ok_or(PeriodsError::OutOfCalendar)?;
        Ok((next, self.start_of_day(next)?))
    }

    fn start_of_day(&self, day: NaiveDate) -> Result<i64, PeriodsError> {
        self.zone.start_of_day_ms(day).ok_or(PeriodsError::OutOfCalendar)
    }
}

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
    /// The periods of `[start_ms, end_ms)` in a zone of the IANA database, an empty name being UTC; the first and the last
    /// are cut to the range.
    pub fn new(start_ms: i64, end_ms: i64, zone: &str, granularity: Granularity) -> Result<Self, PeriodsError> {
        if end_ms <= start_ms {
            return Err(PeriodsError::Empty);
        }
        if end_ms.saturating_sub(start_ms) > RANGE_DAYS_MAX.saturating_mul(DAY_MS) {
            return Err(PeriodsError::TooLong);
        }
        let whole = Self::whole(start_ms, end_ms, &Calendar::new(zone, granularity)?)?;
        if whole.len() > PERIODS_MAX {
            return Err(PeriodsError::TooMany);
        }
        let cut =
            |period: Period| Period { start_ms: period.start_ms.max(start_ms), end_ms: period.end_ms.min(end_ms) };
        Ok(Self { periods: whole.periods.into_iter().map(cut).collect() })
    }

    /// The periods that `[start_ms, end_ms)` touches, none of them cut. They can be more than [`PERIODS_MAX`].
    pub fn whole(start_ms: i64, end_ms: i64, calendar: &Calendar) -> Result<Self, PeriodsError> {
        if end_ms <= start_ms {
            return Err(PeriodsError::Empty);
        }
        if calendar.granularity == Granularity::Whole {
            return Ok(Self { periods: vec![Period { start_ms, end_ms }] });
        }
        let (mut day, first_ms) = calendar.around(start_ms)?;
        let mut periods: Vec<Period> = Vec::new();
        let mut start_ms = first_ms;
        while start_ms < end_ms {
            let (next, next_ms) = calendar.next(day)?;
            // Not later than the one before: a day that the zone leaves out.
            if next_ms > start_ms {
                periods.push(Period { start_ms, end_ms: next_ms });
                start_ms = next_ms;
            }
            day = next;
        }
        Ok(Self { periods })
    }

    /// Those of them from the first on that end by a time, and at least so many.
    #[must_use]
    pub fn until(mut self, end_ms: i64, at_least: usize) -> Self {
        let ending = self.over(end_ms).max(at_least);
        self.periods.truncate(ending);
        self
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;

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
    fn whole_periods_are_those_of_the_calendar_wherever_the_range_begins_and_ends() {
        let zones = ["", "Europe/Berlin", "America/Sao_Paulo", "America/St_Johns", "Australia/Lord_Howe"];
        let starts = ["2018-11-03T22:00:00Z", "2010-11-07T02:31:00Z", "2026-03-29T01:30:00Z", "2026-10-25T00:30:00Z"];
        for (zone, start) in zones.into_iter().flat_map(|zone| starts.map(|start| (zone, ms(start)))) {
            for granularity in [Granularity::Day, Granularity::Week, Granularity::Month] {
                let calendar = Calendar::new(zone, granularity).unwrap();
                let cut = Periods::new(start, start + 100 * DAY_MS + 12_345, zone, granularity).unwrap();
                let whole = Periods::whole(cut.start_ms(), cut.end_ms(), &calendar).unwrap();
                assert_eq!(whole.len(), cut.len());
                for (whole, cut) in whole.as_slice().iter().zip(cut.as_slice()) {
                    assert_eq!(calendar.start_of(cut.start_ms), Ok(whole.start_ms));
                    assert_eq!(calendar.start_of(cut.end_ms - 1), Ok(whole.start_ms));
                    assert_eq!(calendar.start_of(whole.end_ms), Ok(whole.end_ms));
                    let again = Periods::whole(whole.start_ms, whole.end_ms, &calendar).unwrap();
                    assert_eq!(again.as_slice(), [*whole], "{zone} {granularity:?}");
                }
            }
        }
    }

    #[test]
    fn periods_that_end_too_late_are_left_out_but_for_the_first() {
        let days = |end_ms: i64, at_least| {
            let days = Periods::whole(5, 4 * DAY_MS, &Calendar::new("", Granularity::Day).unwrap()).unwrap();
            days.until(end_ms, at_least).len()
        };
        assert_eq!([days(2 * DAY_MS, 0), days(2 * DAY_MS - 1, 0), days(0, 1), days(9 * DAY_MS, 1)], [2, 1, 1, 4]);
    }

    #[test]
    fn what_has_no_periods_says_why() {
        let of = |start_ms, end_ms, zone| Periods::new(start_ms, end_ms, zone, Granularity::Day).map(|all| all.len());
        assert_eq!(of(5, 5, ""), Err(PeriodsError::Empty));
        assert_eq!(of(0, RANGE_DAYS_MAX * DAY_MS, ""), Ok(400));
        assert_eq!(of(0, RANGE_DAYS_MAX * DAY_MS + 1, ""), Err(PeriodsError::TooLong));
        assert_eq!(of(i64::MIN, i64::MAX, ""), Err(PeriodsError::TooLong));
        assert_eq!(
            of(0, 1, "Europe/Atlantis"),
            Err(PeriodsError::UnknownZone(UnknownZone { name: "Europe/Atlantis".to_owned(), suggestion: None }))
        );
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
            let zone = Zone::parse(name).unwrap();
            let (start, end) = (ms("2018-01-01T05:00:00Z"), ms("2019-01-20T07:00:00Z"));
            for granularity in [Granularity::Day, Granularity::Week, Granularity::Month] {
                let periods = Periods::new(start, end, name, granularity).unwrap();
                let key = |at: i64| {
                    let date = zone.date_at(at).unwrap();
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
