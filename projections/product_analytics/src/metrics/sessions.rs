//! Sessions: events of one actor without a long pause between them.

use std::ops::Range;

use super::periods::Periods;
use super::{Event, elapsed_ms};

/// A pause this long or longer ends a session.
pub const IDLE_MS: i64 = 30 * 60 * 1_000;
/// No event of a session is later than this after its first.
pub const LENGTH_MS_MAX: i64 = 24 * 60 * 60 * 1_000;

/// The sessions of one actor, from its events in order. They hang on what is before: where the events are cut off
/// within a session, the rest of it is taken for one of its own.
pub fn split(events: &[Event]) -> Split<'_> {
    Split { rest: events }
}

/// What [`split`] returns.
#[derive(Debug, Clone)]
pub struct Split<'a> {
    rest: &'a [Event],
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [Event];

    fn next(&mut self) -> Option<&'a [Event]> {
        let first = self.rest.first()?;
        let begins_another = |before: &Event, event: &Event| {
            event.time_ms.saturating_sub(before.time_ms) >= IDLE_MS
                || event.time_ms.saturating_sub(first.time_ms) > LENGTH_MS_MAX
        };
        let pairs = self.rest.iter().zip(self.rest.iter().skip(1));
        let length = pairs.take_while(|(before, event)| !begins_another(before, event)).count() + 1;
        let (session, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(session)
    }
}

/// The first events of those sessions of one actor that start within a range.
pub fn begins<'a>(events: &'a [Event], range: &'a Range<i64>) -> impl Iterator<Item = &'a Event> {
    split(events).filter_map(<[Event]>::first).filter(|first| range.contains(&first.time_ms))
}

/// The sessions of one period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionsRow {
    /// Sessions that start in it.
    pub sessions: u64,
    /// Actors with such a session.
    pub actors: u64,
    /// Events of these sessions, also those after the end of the period.
    pub events: u64,
    /// From the first to the last event of each session, in milliseconds, ascending; 0 for a single event. See
    /// [`percentile`](super::percentiles::percentile).
    pub durations_ms: Vec<u64>,
}

/// Sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionsResult {
    /// By period.
    pub periods: Vec<SessionsRow>,
    /// Actors with a session that starts in the range. Not the sum of those of the periods.
    pub actors: u64,
}

/// Counts sessions.
#[derive(Debug, Clone)]
pub struct Sessions {
    periods: Periods,
    rows: Vec<SessionsRow>,
    actors: u64,
}

impl Sessions {
    /// Of nobody yet.
    pub fn new(periods: Periods) -> Self {
        let rows = vec![SessionsRow::default(); periods.len()];
        Self { periods, rows, actors: 0 }
    }

    /// One actor: its events that make up sessions, with those before and after the range that belong to sessions which
    /// cross its bounds.
    pub fn add(&mut self, events: &[Event]) {
        self.add_where(events, |_| true);
    }

    /// The same, and only sessions whose first event passes count.
    pub fn add_where(&mut self, events: &[Event], passes: impl Fn(&Event) -> bool) {
        let mut last = None;
        for session in split(events) {
            let (Some(first), Some(end)) = (session.first(), session.last()) else { continue };
            if !passes(first) {
                continue;
            }
            let Some(period) = self.periods.index_of(first.time_ms) else { continue };
            let Some(row) = self.rows.get_mut(period) else { continue };
            // Sessions are in order, so those of one period follow one another.
            row.actors = row.actors.saturating_add(u64::from(last != Some(period)));
            self.actors = self.actors.saturating_add(u64::from(last.is_none()));
            last = Some(period);
            row.sessions = row.sessions.saturating_add(1);
            row.events = row.events.saturating_add(session.len() as u64);
            row.durations_ms.push(elapsed_ms(first.time_ms, end.time_ms));
        }
    }

    /// Of the actors of both, which have the same periods.
    pub fn merge(&mut self, other: Self) {
        self.actors = self.actors.saturating_add(other.actors);
        for (row, mut theirs) in self.rows.iter_mut().zip(other.rows) {
            row.sessions = row.sessions.saturating_add(theirs.sessions);
            row.actors = row.actors.saturating_add(theirs.actors);
            row.events = row.events.saturating_add(theirs.events);
            row.durations_ms.append(&mut theirs.durations_ms);
        }
    }

    /// The numbers.
    pub fn finish(mut self) -> SessionsResult {
        self.rows.iter_mut().for_each(|row| row.durations_ms.sort_unstable());
        SessionsResult { periods: self.rows, actors: self.actors }
    }
}

#[cfg(test)]
mod tests {
    use super::super::periods::Granularity;
    use super::*;

    fn events(times_ms: &[i64]) -> Vec<Event> {
        times_ms.iter().map(|time_ms| Event { time_ms: *time_ms, ..Event::default() }).collect()
    }

    fn lengths(times_ms: &[i64]) -> Vec<usize> {
        split(&events(times_ms)).map(<[Event]>::len).collect()
    }

    #[test]
    fn thirty_minutes_of_nothing_end_a_session() {
        assert_eq!(lengths(&[0, IDLE_MS - 1, 2 * IDLE_MS - 1]), [2, 1]);
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[i64::MIN, i64::MAX]), [1, 1]);
    }

    #[test]
    fn a_session_is_at_most_a_day_long() {
        let step_ms = 20 * 60 * 1_000;
        let times_ms: Vec<i64> = (0..80).map(|at| at * step_ms).collect();
        assert_eq!(lengths(&times_ms), [73, 7], "its last event may be exactly a day after its first");
    }

    #[test]
    fn a_session_counts_where_it_starts() {
        let day_ms = 86_400_000;
        let periods = Periods::new(day_ms, 3 * day_ms, "", Granularity::Day).unwrap();
        let mut sessions = Sessions::new(periods);
        sessions.add(&events(&[day_ms - 1, day_ms + 1, 2 * day_ms - 1, 2 * day_ms + 5]));
        let result = sessions.finish();
        let row = SessionsRow { sessions: 1, actors: 1, events: 2, durations_ms: vec![6] };
        assert_eq!((result.periods, result.actors), (vec![row, SessionsRow::default()], 1));
    }
}
