//! How long it takes from the start of an actor's first session in a period until its first insight.
//!
//! Who has none when the log ends is not yet there, which is not the same as never: it has waited at least that long
//! (right-censored). Percentiles are those of the Kaplan-Meier estimate, which uses both (E. L. Kaplan, P. Meier,
//! Nonparametric Estimation from Incomplete Observations, J. Amer. Statist. Assoc. 53, 1958): the share still without
//! an insight after `t` is `S(t)`, the product over all times `t_i <= t` at which somebody got there of
//! `1 - d_i / n_i`, with `d_i` who got there at `t_i` and `n_i` who had waited until `t_i`, those who are censored at
//! `t_i` included. The percentile `p` is the first time at which `S(t) <= 1 - p / 100`; when `S` never falls that low,
//! nobody knows it yet. Without censoring it is the percentile by nearest rank.

use super::sessions::split;
use super::{Event, elapsed_ms};

/// A share is compared with this tolerance, since a product of shares is not exact.
const TOLERANCE: f64 = 1e-9;

/// Times to insight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeToInsightResult {
    /// Of those who got there, in milliseconds, ascending.
    pub reached_ms: Vec<u64>,
    /// How long those have waited who did not, in milliseconds, ascending.
    pub censored_ms: Vec<u64>,
}

impl TimeToInsightResult {
    /// Actors with a session that starts in the period.
    pub fn actors(&self) -> u64 {
        self.reached().saturating_add(self.censored())
    }

    /// Those who got there.
    pub fn reached(&self) -> u64 {
        self.reached_ms.len() as u64
    }

    /// Those who did not.
    pub fn censored(&self) -> u64 {
        self.censored_ms.len() as u64
    }

    /// The Kaplan-Meier percentile in milliseconds. 0 is the first time at which anybody got there; above 100 is taken
    /// as 100. `None` where the estimate does not reach it.
    pub fn percentile(&self, percent: u32) -> Option<u64> {
        let wanted = 1.0 - f64::from(percent.min(100)) / 100.0;
        let mut without = 1.0;
        let mut gone = 0;
        for same in self.reached_ms.chunk_by(|one, other| one == other) {
            let time_ms = same.first().copied()?;
            let left = self.censored_ms.partition_point(|censored_ms| *censored_ms < time_ms);
            let waiting = self.reached_ms.len() + self.censored_ms.len() - gone - left;
            without *= (waiting - same.len()) as f64 / waiting as f64;
            gone += same.len();
            if without <= wanted + TOLERANCE {
                return Some(time_ms);
            }
        }
        None
    }
}

/// Measures times to insight.
#[derive(Debug, Clone)]
pub struct TimeToInsight {
    insight: u8,
    start_ms: i64,
    end_ms: i64,
    now_ms: i64,
    result: TimeToInsightResult,
}

impl TimeToInsight {
    /// Of nobody yet. `insight` is the mark of insights, `[start_ms, end_ms)` the period, `now_ms` until when the log
    /// is known.
    pub fn new(insight: u8, start_ms: i64, end_ms: i64, now_ms: i64) -> Self {
        Self { insight, start_ms, end_ms, now_ms, result: TimeToInsightResult::default() }
    }

    /// One actor: all its events, with those before the period that belong to a session which crosses its start, and
    /// those after it until `now_ms`.
    pub fn add(&mut self, events: &[Event]) {
        let mut before = 0_usize;
        for session in split(events) {
            let Some(start) = session.first().filter(|first| first.time_ms >= self.start_ms) else {
                before = before.saturating_add(session.len());
                continue;
            };
            if start.time_ms >= self.end_ms {
                return;
            }
            let insight = events.iter().skip(before).find(|event| event.has(self.insight));
            match insight {
                Some(insight) => self.result.reached_ms.push(elapsed_ms(start.time_ms, insight.time_ms)),
                None => self.result.censored_ms.push(elapsed_ms(start.time_ms, self.now_ms)),
            }
            return;
        }
    }

    /// Of the actors of both.
    pub fn merge(&mut self, mut other: Self) {
        self.result.reached_ms.append(&mut other.result.reached_ms);
        self.result.censored_ms.append(&mut other.result.censored_ms);
    }

    /// The numbers.
    pub fn finish(mut self) -> TimeToInsightResult {
        self.result.reached_ms.sort_unstable();
        self.result.censored_ms.sort_unstable();
        self.result
    }
}

#[cfg(test)]
mod tests {
    use super::super::percentiles::percentile;
    use super::super::sessions::IDLE_MS;
    use super::*;

    #[test]
    fn the_estimate_is_that_of_the_textbook() {
        // The 6-MP arm of Freireich et al. 1963: S falls to 0.627 at 13, 0.538 at 22, 0.448 at 23.
        let result = TimeToInsightResult {
            reached_ms: vec![6, 6, 6, 7, 10, 13, 16, 22, 23],
            censored_ms: vec![6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35],
        };
        assert_eq!((result.actors(), result.reached(), result.censored()), (21, 9, 12));
        assert_eq!((result.percentile(25), result.percentile(50), result.percentile(75)), (Some(13), Some(23), None));
    }

    #[test]
    fn without_censoring_it_is_the_nearest_rank() {
        for count in 1..40 {
            let times: Vec<u64> = (0..count).map(|at| at * at / 3).collect();
            let result = TimeToInsightResult { reached_ms: times.clone(), censored_ms: vec![] };
            for percent in 0..=100 {
                assert_eq!(result.percentile(percent), percentile(&times, percent), "{percent} of {count}");
            }
        }
    }

    #[test]
    fn an_insight_before_the_first_session_of_the_period_does_not_count() {
        let at = |time_ms, marks| Event { time_ms, marks, ..Event::default() };
        let measured = |events: &[Event]| {
            let mut measured = TimeToInsight::new(3, 0, 10 * IDLE_MS, 20 * IDLE_MS);
            measured.add(events);
            let result = measured.finish();
            (result.reached_ms, result.censored_ms)
        };
        // A session that crosses the start began before it.
        assert_eq!(measured(&[at(-1, 1), at(1, 8), at(2 * IDLE_MS, 1)]), (vec![], vec![18 * IDLE_MS as u64]));
        assert_eq!(measured(&[at(5, 1), at(5, 8), at(9, 8)]), (vec![0], vec![]));
        assert_eq!(measured(&[at(5, 1), at(15 * IDLE_MS, 8)]), (vec![15 * IDLE_MS as u64 - 5], vec![]));
        assert_eq!(measured(&[at(11 * IDLE_MS, 8)]), (vec![], vec![]));
    }
}
