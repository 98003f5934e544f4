//! Time zones of the IANA database: their names, and when their days begin.
//!
//! The CLI and the node parse names here, so that both accept the same ones: a name in any case is the name that the
//! database spells (`europe/berlin` is `Europe/Berlin`), and every other name is an error that says which one was
//! likely meant. Both also take the start of a day from here, from the same edition of the database, which is compiled
//! in: no file of the machine is read.
//!
//! Not for: formatting, calendars other than the Gregorian one, offsets without a name.
//!
//! ```
//! use daybook_time_zone::Zone;
//! assert_eq!(Zone::parse("europe/berlin").unwrap().name(), "Europe/Berlin");
//! let error = Zone::parse("Berlin").unwrap_err();
//! assert_eq!(error.to_string(), "\"Berlin\" is no time zone of the IANA database; did you mean Europe/Berlin?");
//! ```

use std::fmt;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// Not the name of a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownZone {
    /// What was written.
    pub name: String,
    /// The name that was likely meant.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no time zone of the IANA database; ", self.name)?;
        match self.suggestion {
            Some(name) => write!(f, "did you mean {name}?"),
            None => write!(f, "write a name such as Europe/Berlin"),
        }
    }
}

impl std::error::Error for UnknownZone {}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone with this name, whatever the case of its letters. An empty name is UTC.
    ///
    /// # Errors
    /// The database has no such name.
    pub fn parse(name: &str) -> Result<Self, UnknownZone> {
        if name.is_empty() {
            return Ok(Self::UTC);
        }
        let found = TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name));
        found.map(|zone| Self(*zone)).ok_or_else(|| UnknownZone { name: name.to_owned(), suggestion: nearest(name) })
    }

    /// Its name, as the database spells it.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The local date of an instant, in milliseconds since 1970 UTC. `None` outside of the calendar.
    pub fn date_at(self, instant_ms: i64) -> Option<NaiveDate> {
        Some(DateTime::from_timestamp_millis(instant_ms)?.with_timezone(&self.0).date_naive())
    }

    /// The first instant of a local day, in milliseconds since 1970 UTC. Where midnight does not exist because the
    /// clocks go forward over it, that is the first instant that does; where midnight exists twice, the first of the
    /// two. Of a day that the zone leaves out (Samoa, 2011-12-30) it is the first instant of the next day.
    pub fn start_of_day_ms(self, day: NaiveDate) -> Option<i64> {
        self.first_instant(day.and_time(NaiveTime::MIN))?.checked_mul(1_000)
    }

    /// The first instant at which the clocks of the zone show a time or, where they go forward over it, a later one. Both
    /// in seconds since 1970: the instant as UTC has it, the time as if its clocks were those of UTC. `None` outside of
    /// the calendar.
    pub fn instant_of(self, clocks_seconds: i64) -> Option<i64> {
        self.first_instant(DateTime::from_timestamp(clocks_seconds, 0)?.naive_utc())
    }

    /// Whether a local day begins at an instant, in seconds since 1970 UTC.
    pub fn is_start_of_day(self, instant_seconds: i64) -> bool {
        let at_ms = instant_seconds.checked_mul(1_000);
        at_ms.is_some_and(|at_ms| self.date_at(at_ms).and_then(|day| self.start_of_day_ms(day)) == Some(at_ms))
    }

    fn first_instant(self, local: NaiveDateTime) -> Option<i64> {
        if let Some(instant) = self.0.from_local_datetime(&local).earliest() {
            return Some(instant.timestamp());
        }
        // Between two days around it, local time only grows past it once.
        let (mut before, mut after) = (local.checked_sub_days(Days::new(2))?, local.checked_add_days(Days::new(2))?);
        while after - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
            if middle + self.offset(middle) >= local {
                after = middle;
            } else {
                before = middle;
            }
        }
        Some(after.and_utc().timestamp())
    }

    /// How many seconds the clocks of the zone are ahead of UTC at an instant, in seconds since 1970 UTC. 0 outside of
    /// the calendar.
    pub fn offset_seconds_at(self, instant_seconds: i64) -> i32 {
        let at = DateTime::from_timestamp(instant_seconds, 0);
        at.map_or(0, |at| self.0.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
    }

    fn offset(self, utc: NaiveDateTime) -> TimeDelta {
        TimeDelta::seconds(self.0.offset_from_utc_datetime(&utc).fix().local_minus_utc().into())
    }
}

/// The name that was likely meant: the one of a city that was written alone, or the one with the fewest changed letters,
/// if these are few.
fn nearest(written: &str) -> Option<&'static str> {
    /// Longer texts are no slip of a name, and comparing costs their length.
    const WRITTEN_BYTES_MAX: usize = 64;
    if written.len() > WRITTEN_BYTES_MAX {
        return None;
    }
    let written = written.trim().replace(' ', "_").to_ascii_lowercase();
    let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let city = |name: &str| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&written));
    if let Some(name) = names().find(|name| city(name) || name.eq_ignore_ascii_case(&written)) {
        return Some(name);
    }
    let changed = |name: &'static str| (strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &written), name);
    let (changes, name) = names().map(changed).min()?;
    (changes <= (name.len() / 3).min(2)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_database_is_read_in_any_case() {
        for zone in TZ_VARIANTS {
            for written in [zone.name().to_owned(), zone.name().to_lowercase(), zone.name().to_uppercase()] {
                assert_eq!(Zone::parse(&written).map(Zone::name), Ok(zone.name()), "{written}");
            }
        }
        assert_eq!(Zone::parse(""), Ok(Zone::UTC));
    }

    #[test]
    fn a_slip_gets_the_name_that_was_meant() {
        let meant = |written: &str| Zone::parse(written).unwrap_err().suggestion;
        assert_eq!(meant("Berlin"), Some("Europe/Berlin"));
        assert_eq!(meant("new york"), Some("America/New_York"));
        assert_eq!(meant("America/New York"), Some("America/New_York"));
        assert_eq!(meant("Europe/Berlni"), Some("Europe/Berlin"));
        assert_eq!(meant(" europe/prague "), Some("Europe/Prague"));
        for nothing in ["+02:00", "Mars/Olympus_Mons_Base_Camp", "Atlantis", "\u{0}", &"x".repeat(100_000)] {
            assert_eq!(meant(nothing), None, "{nothing:.20}");
        }
    }

    #[test]
    fn two_names_never_differ_in_case_only() {
        let mut names: Vec<_> = TZ_VARIANTS.iter().map(|zone| zone.name().to_lowercase()).collect();
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_the_first_that_they_show() {
        let seconds = |text: &str| text.parse::<NaiveDateTime>().unwrap().and_utc().timestamp();
        for (zone, shown, instant) in [
            ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:00:00"),
            ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00"),
            ("America/Sao_Paulo", "2018-11-04T00:00:00", "2018-11-04T03:00:00"),
            ("Pacific/Apia", "2011-12-30T00:00:00", "2011-12-30T10:00:00"),
        ] {
            assert_eq!(Zone::parse(zone).unwrap().instant_of(seconds(shown)), Some(seconds(instant)), "{zone} {shown}");
        }
        assert_eq!(Zone::parse("Asia/Kathmandu").unwrap().offset_seconds_at(1_800_000_000), 20_700);
    }
}
