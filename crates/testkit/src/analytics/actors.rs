//! Usage, lifecycle and retention, actor by actor and period by period, from the whole log.
//!
//! A range bounds who is counted: whoever does something within it. What somebody is counted as, new, returning,
//! resurrecting, dormant, come back, is a matter of the periods of the calendar, which are whole.

use std::collections::BTreeSet;

use super::calendar::Calendar;
use super::{Recorded, actors};

/// What a metric is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Its periods.
    pub calendar: Calendar,
    /// Of events from the first time on, before the second.
    pub range: (i64, i64),
    /// Until when the log is known.
    pub now_ms: i64,
}

impl Asked {
    fn contains(&self, time_ms: i64) -> bool {
        self.range.0 <= time_ms && time_ms < self.range.1
    }

    /// Who did something in a period, within the range.
    fn counted(&self, log: &[Recorded], period: i64) -> BTreeSet<u32> {
        let is_meant =
            |event: &&Recorded| self.contains(event.time_ms) && self.calendar.period_of(event.time_ms) == period;
        log.iter().filter(is_meant).map(|event| event.actor).collect()
    }

    /// When a period begins, or the range if that is later.
    fn start_of(&self, period: i64) -> i64 {
        self.calendar.start_of(period).max(self.range.0)
    }
}

/// One period, or the whole range.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// When it begins; `None` is the whole range.
    pub start_ms: Option<i64>,
    /// Events.
    pub events: u64,
    /// Who did something.
    pub actors: u64,
    /// How many did on a day, on average over the days that have begun.
    pub daily: f64,
}

/// Each period, then the whole range.
pub fn usage(asked: &Asked, log: &[Recorded]) -> Vec<Usage> {
    let days = asked.calendar.days();
    let of = |start_ms: Option<i64>, is_meant: &dyn Fn(i64) -> bool| {
        let events: Vec<Recorded> =
            log.iter().copied().filter(|event| asked.contains(event.time_ms) && is_meant(event.time_ms)).collect();
        let first_of = |day: i64| days.start_of(day).max(asked.range.0);
        let has_begun = |day: i64| {
            let has_events =
                log.iter().any(|event| asked.contains(event.time_ms) && days.period_of(event.time_ms) == day);
            first_of(day) <= asked.now_ms || has_events
        };
        let all = days.periods(asked.range);
        let begun: Vec<i64> = all.into_iter().filter(|day| is_meant(first_of(*day)) && has_begun(*day)).collect();
        let active_days: usize = begun.iter().map(|day| asked.days_counted(&days, &events, *day)).sum();
        Usage {
            start_ms,
            events: events.len() as u64,
            actors: actors(&events).len() as u64,
            daily: active_days as f64 / begun.len().max(1) as f64,
        }
    };
    let period = |period: i64| of(Some(asked.start_of(period)), &|time_ms| asked.calendar.period_of(time_ms) == period);
    let mut rows: Vec<Usage> = asked.calendar.periods(asked.range).into_iter().map(period).collect();
    rows.push(of(None, &|_| true));
    rows
}

impl Asked {
    fn days_counted(&self, days: &Calendar, events: &[Recorded], day: i64) -> usize {
        Self { calendar: *days, ..*self }.counted(events, day).len()
    }
}

/// When each period begins, and how many are new, returning, resurrecting and dormant in it.
pub fn lifecycle(asked: &Asked, log: &[Recorded]) -> Vec<(i64, [u64; 4])> {
    let mut rows = Vec::new();
    for period in asked.calendar.periods(asked.range) {
        let mut row = [0; 4];
        let counted = asked.counted(log, period);
        for actor in actors(log) {
            // Nothing after the range is looked at.
            let known = log.iter().filter(|event| event.actor == actor && event.time_ms < asked.range.1);
            let periods: BTreeSet<i64> = known.map(|event| asked.calendar.period_of(event.time_ms)).collect();
            let was_there_just_before = periods.contains(&(period - 1));
            let was_ever_there = periods.iter().any(|earlier| *earlier < period);
            match (counted.contains(&actor), periods.contains(&period)) {
                (true, _) if !was_ever_there => row[0] += 1,
                (true, _) if was_there_just_before => row[1] += 1,
                (true, _) => row[2] += 1,
                (false, false) if was_there_just_before => row[3] += 1,
                (false, _) => {}
            }
        }
        rows.push((asked.start_of(period), row));
    }
    rows
}

/// What is asked of retention.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// A later period counts, too.
    pub rolling: bool,
    /// Only whoever begins for the first time.
    pub first_time: bool,
    /// How many periods after the first.
    pub periods: i64,
    /// Periods that end later are not looked at, unless somebody begins in them.
    pub latest_ms: i64,
}

/// One cohort and one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// When the cohort begins.
    pub start_ms: i64,
    /// How many periods later.
    pub n: i64,
    /// How many began.
    pub began: u64,
    /// How many of them came back.
    pub came: u64,
    /// Whether the period is over.
    pub is_over: bool,
}

/// By cohort and period, as far as that has begun. `first` are the events that begin it, of which `counted` says which
/// count; `returning` are those that show that somebody came back.
pub fn retention(
    asked: &Asked,
    retention: Retention,
    first: &[Recorded],
    counted: impl Fn(&Recorded) -> bool,
    returning: &[Recorded],
) -> Vec<Retained> {
    let mut rows = Vec::new();
    let calendar = asked.calendar;
    let cohorts = calendar.periods(asked.range);
    let is_looked_at = |period: i64| cohorts.contains(&period) || calendar.start_of(period + 1) <= retention.latest_ms;
    for cohort in &cohorts {
        let of_cohort: Vec<Recorded> = first.iter().copied().filter(&counted).collect();
        let mut began = asked.counted(&of_cohort, *cohort);
        if retention.first_time {
            let is_first = |actor: &u32| {
                let times = first.iter().filter(|event| event.actor == *actor).map(|event| event.time_ms);
                let ever = times.min().unwrap_or_default();
                asked.contains(ever) && calendar.period_of(ever) == *cohort
            };
            began.retain(is_first);
        }
        for n in 0..=retention.periods {
            let (start_ms, end_ms) = (calendar.start_of(cohort + n), calendar.start_of(cohort + n + 1));
            if start_ms > asked.now_ms || !is_looked_at(cohort + n) {
                continue;
            }
            let last = if retention.rolling { retention.periods } else { n };
            let came = |actor: &&u32| {
                let is_meant = |event: &Recorded| {
                    let period = calendar.period_of(event.time_ms);
                    event.actor == **actor && (cohort + n..=cohort + last).contains(&period) && is_looked_at(period)
                };
                returning.iter().any(is_meant)
            };
            rows.push(Retained {
                start_ms: asked.start_of(*cohort),
                n,
                began: began.len() as u64,
                came: began.iter().filter(came).count() as u64,
                is_over: end_ms <= asked.now_ms,
            });
        }
    }
    rows
}
