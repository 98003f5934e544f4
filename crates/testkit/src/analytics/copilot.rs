//! Every event, and every outcome against every answer.

use std::collections::{BTreeMap, BTreeSet};

use super::{Recorded, actors, events_of, period_of};

/// Marks 0 to 5 are: shown, used, ignored, edited, feedback, outcome.
pub const MARKS: u8 = 6;

/// One period and value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// How many events have each of the marks.
    pub counts: [u64; MARKS as usize],
    /// The scores of feedback, summed.
    pub feedback_sum: i128,
    /// Outcomes with an answer.
    pub outcomes_with_answer: u64,
    /// Who.
    pub actors: BTreeSet<u32>,
}

/// By period and value.
pub fn copilot(bounds: &[i64], window_ms: i64, log: &[Recorded]) -> BTreeMap<(usize, u32), Row> {
    let mut rows: BTreeMap<(usize, u32), Row> = BTreeMap::new();
    for actor in actors(log) {
        let events = events_of(log, actor);
        for event in &events {
            let Some(period) = period_of(bounds, event.time_ms) else { continue };
            if !(0..MARKS).any(|mark| event.has(mark)) {
                continue;
            }
            let row = rows.entry((period, event.value)).or_default();
            row.actors.insert(actor);
            for mark in 0..MARKS {
                row.counts[usize::from(mark)] += u64::from(event.has(mark));
            }
            if event.has(4) {
                row.feedback_sum += i128::from(event.number);
            }
            let is_in_time = |answer: &&Recorded| (0..=window_ms).contains(&(event.time_ms - answer.time_ms));
            let answers = events.iter().filter(|answer| answer.has(1) || answer.has(3));
            if event.has(5) && answers.filter(is_in_time).count() > 0 {
                row.outcomes_with_answer += 1;
            }
        }
    }
    rows
}
