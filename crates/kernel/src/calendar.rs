//! Spans of calendar time: years, months and days, as retention rules and contracts state them.
//!
//! "Ten years" from 2020-01-01 end on 2030-01-01, not after 3,650 days, which would be 2029-12-29: evidence would be
//! destroyed before its time. The calendar is the Gregorian one, in UTC.
//!
//! **Where the day does not exist**, a span ends with the last day of that month, so at the first instant of the
//! next: one year after 2024-02-29 is 2025-03-01T00:00:00Z, one month after 2025-01-31 the same. Nothing ever ends
//! before its period is over. (The rule of § 188 (3) of the German Civil Code; most date libraries go back to the last
//! day of the month instead, which ends up to three days early.)

use std::fmt;

use chrono::{DateTime, Datelike, Months, NaiveTime, TimeDelta};

use crate::time::Timestamp;

/// A span of calendar time. Years and months are added first, then days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CalendarPeriod {
    months: u32,
    days: u32,
}

/// A period that is empty, or longer than 200 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be more than nothing and at most 200 years")]
pub struct InvalidPeriod;

impl CalendarPeriod {
    const MONTHS_MAX: u32 = 200 * 12;
    const DAYS_MAX: u32 = 200 * 366;

    /// A period of so many years, months and days.
    ///
    /// # Errors
    /// When all are zero, or when it is longer than 200 years.
    pub fn new(years: u32, months: u32, days: u32) -> Result<Self, InvalidPeriod> {
        let months = years.checked_mul(12).and_then(|of_years| of_years.checked_add(months)).ok_or(InvalidPeriod)?;
        let in_range = months <= Self::MONTHS_MAX && days <= Self::DAYS_MAX && (months, days) != (0, 0);
        if in_range { Ok(Self { months, days }) } else { Err(InvalidPeriod) }
    }

    /// Whole years, months beyond them (0 to 11), days.
    pub fn parts(self) -> (u32, u32, u32) {
        (self.months / 12, self.months % 12, self.days)
    }

    /// When a period that begins at `start` is over; at most [`Timestamp::MAX`]. Later starts never end earlier.
    pub fn after(self, start: Timestamp) -> Timestamp {
        self.checked_after(start).unwrap_or(Timestamp::MAX).min(Timestamp::MAX)
    }

    fn checked_after(self, start: Timestamp) -> Option<Timestamp> {
        let start = DateTime::from_timestamp_micros(start.as_micros())?.naive_utc();
        let date = start.date().checked_add_months(Months::new(self.months))?;
        let end = if date.day() == start.date().day() {
            date.and_time(start.time())
        } else {
            // chrono went back to the last day of the month.
            date.succ_opt()?.and_time(NaiveTime::MIN)
        };
        let end = end.checked_add_signed(TimeDelta::try_days(i64::from(self.days))?)?;
        Some(Timestamp::from_micros(end.and_utc().timestamp_micros()))
    }
}

impl fmt::Display for CalendarPeriod {
    /// In words: `10 years`, `1 year 6 months`, `90 days`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (years, months, days) = self.parts();
        let mut separator = "";
        for (count, unit) in [(years, "year"), (months, "month"), (days, "day")] {
            if count > 0 {
                write!(f, "{separator}{count} {unit}{}", if count == 1 { "" } else { "s" })?;
                separator = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_micros())
    }

    fn period(years: u32, months: u32, days: u32) -> CalendarPeriod {
        CalendarPeriod::new(years, months, days).unwrap()
    }

    #[test]
    fn ten_years_end_on_the_same_day_of_the_year() {
        assert_eq!(period(10, 0, 0).after(time("2020-01-01T00:00:00Z")), time("2030-01-01T00:00:00Z"));
        assert_eq!(period(10, 0, 0).after(time("2020-06-30T11:22:33Z")), time("2030-06-30T11:22:33Z"));
        assert_eq!(period(0, 18, 0).after(time("2024-12-15T00:00:00Z")), time("2026-06-15T00:00:00Z"));
        assert_eq!(period(1, 1, 1).after(time("2024-01-30T00:00:00Z")), time("2025-03-02T00:00:00Z"));
    }

    #[test]
    fn a_day_that_does_not_exist_is_the_end_of_its_month() {
        assert_eq!(period(1, 0, 0).after(time("2024-02-29T23:30:00Z")), time("2025-03-01T00:00:00Z"));
        assert_eq!(period(4, 0, 0).after(time("2024-02-29T23:30:00Z")), time("2028-02-29T23:30:00Z"), "a leap year");
        assert_eq!(period(0, 1, 0).after(time("2025-01-31T08:00:00Z")), time("2025-03-01T00:00:00Z"));
        assert_eq!(period(0, 1, 0).after(time("2025-03-31T08:00:00Z")), time("2025-05-01T00:00:00Z"));
    }

    #[test]
    fn limits_and_words() {
        assert_eq!(CalendarPeriod::new(0, 0, 0), Err(InvalidPeriod));
        assert_eq!(CalendarPeriod::new(201, 0, 0), Err(InvalidPeriod));
        assert_eq!(CalendarPeriod::new(u32::MAX, 0, 0), Err(InvalidPeriod));
        assert_eq!(CalendarPeriod::new(0, 0, u32::MAX), Err(InvalidPeriod));
        assert_eq!(period(1, 18, 2).to_string(), "2 years 6 months 2 days");
        assert_eq!(period(0, 1, 0).to_string(), "1 month");
        assert_eq!(period(200, 0, 0).after(Timestamp::MAX), Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn a_period_is_never_shorter_than_its_days_and_keeps_the_order(
            (a, b) in (0_i64..4_000_000_000, 0_i64..4_000_000_000), years in 0_u32..30, months in 0_u32..30, days in 1_u32..40,
        ) {
            let period = period(years, months, days);
            let (first, second) = (Timestamp::from_micros(a.min(b) * 1_000_000), Timestamp::from_micros(a.max(b) * 1_000_000));
            prop_assert!(period.after(first) <= period.after(second), "retention queues rely on it");
            let span = period.after(first).since(first).as_secs();
            let least = u64::from(years * 12 + months) * 28 + u64::from(days);
            prop_assert!(span >= least * 86_400, "{span}");
        }
    }
}
