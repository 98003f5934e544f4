//! The metrics of product analytics once more, in the slowest and plainest way: what the engine is compared with.
//!
//! | file | what it says again |
//! | --- | --- |
//! | [`funnel`] | every attempt of every actor, walked through |
//! | [`calendar`] | days, weeks and months of a zone |
//! | [`mod@actors`] | usage, lifecycle and retention, actor by actor |
//! | [`sessions`] | sessions, paths, times to insight |
//! | [`copilot`] | every event, every outcome against every answer |
//!
//! It is written from what the metrics are defined to be, and shares nothing with the engine, not even the types of what
//! goes in. Everything is computed from the whole log.

pub mod actors;
pub mod calendar;
pub mod copilot;
pub mod funnel;
pub mod sessions;

use std::collections::BTreeSet;

/// One event as it was recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Whose.
    pub actor: u32,
    /// When, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Bit `i` is set when selector `i` means it.
    pub marks: u64,
    /// The number of its name.
    pub name: u32,
    /// The number of its value of the breakdown.
    pub value: u32,
    /// The number it carries.
    pub number: i64,
    /// Its place in the log.
    pub seq: u64,
}

impl Recorded {
    /// Whether selector `mark` means it.
    pub fn has(&self, mark: u8) -> bool {
        (self.marks >> mark) % 2 == 1
    }
}

/// Everybody in a log.
pub fn actors(log: &[Recorded]) -> BTreeSet<u32> {
    log.iter().map(|event| event.actor).collect()
}

/// One actor's events, by time and place in the log.
pub fn events_of(log: &[Recorded], actor: u32) -> Vec<Recorded> {
    let mut events: Vec<Recorded> = log.iter().copied().filter(|event| event.actor == actor).collect();
    events.sort_by_key(|event| (event.time_ms, event.seq));
    events
}

/// The period that a time lies in; period `i` reaches from `bounds[i]` until just before `bounds[i + 1]`.
pub fn period_of(bounds: &[i64], time_ms: i64) -> Option<usize> {
    bounds.windows(2).position(|period| period[0] <= time_ms && time_ms < period[1])
}

/// The smallest value that is not less than `percent` of 100 of all.
pub fn percentile(values: &[u64], percent: u64) -> Option<u64> {
    let not_greater = |bound: u64| values.iter().filter(|value| **value <= bound).count() as u64;
    values.iter().copied().filter(|value| not_greater(*value) * 100 >= percent * values.len() as u64).min()
}
