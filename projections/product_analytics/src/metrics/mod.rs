//! The metrics of the domain: what is counted, and how, from events that somebody else has read.
//!
//! | file | what it counts |
//! | --- | --- |
//! | [`periods`] | days, weeks and months of a time zone |
//! | [`funnel`] | how many actors take one step after the other |
//! | `funnel_search` | which of an actor's attempts gets furthest |
//! | [`retention`] | how many come back |
//! | [`lifecycle`] | new, returning, resurrecting and dormant actors |
//! | [`usage`] | active actors, and how often they are active |
//! | [`sessions`] | events without a long pause between them |
//! | [`paths`] | which events follow each other in a session |
//! | [`time_to_insight`] | how long it takes until the first insight |
//! | [`copilot`] | what becomes of a copilot's answers |
//! | [`percentiles`] | the one definition of a percentile |
//!
//! Never does IO, never reads a clock, never fails on what an event holds. A metric over events is an accumulator:
//! `add` once for each actor, with all events of that actor in order; `merge` of two that saw different actors gives
//! what one would hold that saw them all; `finish` gives plain numbers. Metrics over active actors are functions of
//! bitmaps, one for each period.
//!
//! crates/testkit/src/analytics says the same again in the slowest and plainest way, and
//! tests/tests/analytics_metrics.rs compares the two.

pub mod copilot;
pub mod funnel;
mod funnel_search;
#[cfg(test)]
mod funnel_tests;
pub mod lifecycle;
pub mod paths;
pub mod percentiles;
pub mod periods;
pub mod retention;
pub mod sessions;
pub mod time_to_insight;
pub mod usage;

/// One event of one actor, as a metric sees it. Slices of them are ordered by time, then by place in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Event {
    /// When it happened, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Bit `i` is set when selector `i` of the metric means the event.
    pub marks: u64,
    /// The number of its name.
    pub name: u32,
    /// The number of its value of the breakdown; 0 is none.
    pub value: u32,
    /// A number that it carries, such as the score of feedback.
    pub number: i64,
}

impl Event {
    /// Whether selector `mark` means it. Marks from 64 on mean nothing.
    pub fn has(&self, mark: u8) -> bool {
        self.marks & bit(mark) != 0
    }
}

/// The mask of one mark; empty from 64 on.
pub(crate) fn bit(mark: u8) -> u64 {
    1_u64.checked_shl(u32::from(mark)).unwrap_or(0)
}

/// The milliseconds from one time to a later one; 0 when it is not later.
pub(crate) fn elapsed_ms(from_ms: i64, to_ms: i64) -> u64 {
    u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0)
}
