//! Days, weeks and months, by what a calendar on the wall of the zone says.

use chrono::{DateTime, Datelike, NaiveDate};
use chrono_tz::Tz;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// A day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A month.
    Month,
}

/// A calendar. Periods are numbered: the one after period `n` is `n + 1`.
#[derive(Debug, Clone, Copy)]
pub struct Calendar {
    zone: Tz,
    length: Length,
}

impl Calendar {
    /// Of a zone of the IANA database.
    ///
    /// # Panics
    /// There is no such zone.
    pub fn new(zone: &str, length: Length) -> Self {
        Self { zone: zone.parse().unwrap_or_else(|_| panic!("a zone is called {zone}")), length }
    }

    /// Its days.
    pub fn days(&self) -> Self {
        Self { length: Length::Day, ..*self }
    }

    /// The number of the period that a time, in milliseconds since 1970 UTC, lies in.
    pub fn period_of(&self, time_ms: i64) -> i64 {
        let date = DateTime::from_timestamp_millis(time_ms).map(|at| at.with_timezone(&self.zone).date_naive());
        let date = date.unwrap_or_default();
        // 1970-01-05 was a Monday.
        let monday = NaiveDate::from_ymd_opt(1970, 1, 5).unwrap_or_default();
        match self.length {
            Length::Day => (date - monday).num_days(),
            Length::Week => (date - monday).num_days().div_euclid(7),
            Length::Month => i64::from(date.year()) * 12 + i64::from(date.month0()),
        }
    }

    /// The first millisecond of a period.
    pub fn start_of(&self, period: i64) -> i64 {
        // Wherever dates only go forward, a period begins at the first time that is not before it.
        let (mut before, mut after) = (-4_000_000_000_000_i64, 4_000_000_000_000_i64);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.period_of(middle) >= period {
                after = middle;
            } else {
                before = middle;
            }
        }
        after
    }

    /// The periods that a range touches.
    pub fn periods(&self, (start_ms, end_ms): (i64, i64)) -> Vec<i64> {
        (self.period_of(start_ms)..=self.period_of(end_ms - 1)).collect()
    }
}
