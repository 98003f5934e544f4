//! Every event, every use against every answer, and every outcome against every use.

use std::collections::{BTreeMap, BTreeSet};

use super::{Recorded, actors};

/// Marks 0 to 5 are: shown, used, ignored, edited, feedback, outcome.
pub const MARKS: u8 = 6;

/// An event, and what it says of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The event.
    pub recorded: Recorded,
    /// The id by which it names an answer.
    pub answer: Option<String>,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// The marks under which it counts.
    pub counts: u64,
}

impl Said {
    fn is_shown(&self) -> bool {
        self.recorded.has(0)
    }

    fn is_use(&self) -> bool {
        self.recorded.has(1) || self.recorded.has(3)
    }

    fn counts_as(&self, mark: u8) -> bool {
        (self.counts >> mark) % 2 == 1
    }

    /// Later in the log of its actor.
    fn place(&self) -> (i64, u64) {
        (self.recorded.time_ms, self.recorded.seq)
    }
}

/// The answer that an event names: of those shown to the same actor under its id, at its time or before, the last.
pub fn named<'a>(event: &Said, log: &'a [Said]) -> Option<&'a Said> {
    let is_meant = |answer: &&Said| {
        answer.is_shown()
            && answer.recorded.actor == event.recorded.actor
            && answer.answer == event.answer
            && answer.recorded.time_ms <= event.recorded.time_ms
    };
    let is_a_reference = event.answer.is_some() && !event.is_shown();
    log.iter().filter(|_| is_a_reference).filter(is_meant).max_by_key(|answer| answer.place())
}

/// What an event has of a property: its own value, or that of the answer that it names.
pub fn property<'a>(event: &'a Said, log: &'a [Said], property: &str) -> Option<&'a str> {
    let own = event.properties.get(property);
    own.or_else(|| named(event, log)?.properties.get(property)).map(String::as_str)
}

/// One period and value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// How many events have each of the marks.
    pub counts: [u64; MARKS as usize],
    /// How many of the answers shown were used or edited.
    pub taken: u64,
    /// The scores of feedback, summed.
    pub feedback_sum: i128,
    /// Outcomes with an answer.
    pub outcomes_with_answer: u64,
    /// Who.
    pub actors: BTreeSet<u32>,
}

/// By period and value; period `i` reaches from `bounds[i]` until just before `bounds[i + 1]`.
pub fn copilot(bounds: &[i64], window_ms: i64, log: &[Said]) -> BTreeMap<(usize, u32), Row> {
    let mut rows: BTreeMap<(usize, u32), Row> = BTreeMap::new();
    let taken = taken(log);
    for event in log.iter().filter(|event| event.counts % (1 << MARKS) != 0) {
        let recorded = event.recorded;
        let Some(period) = super::period_of(bounds, recorded.time_ms) else { continue };
        let row = rows.entry((period, recorded.value)).or_default();
        row.actors.insert(recorded.actor);
        for mark in 0..MARKS {
            row.counts[usize::from(mark)] += u64::from(event.counts_as(mark));
        }
        row.taken += u64::from(event.counts_as(0) && taken.contains(&(recorded.actor, event.place())));
        if event.counts_as(4) {
            row.feedback_sum += i128::from(recorded.number);
        }
        let is_in_time = |answer: &&Said| {
            answer.recorded.actor == recorded.actor
                && (0..=window_ms).contains(&(recorded.time_ms - answer.recorded.time_ms))
        };
        let answers = log.iter().filter(|answer| answer.counts_as(1) || answer.counts_as(3));
        if event.counts_as(5) && answers.filter(is_in_time).count() > 0 {
            row.outcomes_with_answer += 1;
        }
    }
    rows
}

/// The answers that were taken by something that counts, by actor, time and place in the log.
fn taken(log: &[Said]) -> BTreeSet<(u32, (i64, u64))> {
    let mut taken = BTreeSet::new();
    let everybody: Vec<Recorded> = log.iter().map(|event| event.recorded).collect();
    for actor in actors(&everybody) {
        let mut uses: Vec<&Said> = log.iter().filter(|event| event.recorded.actor == actor && event.is_use()).collect();
        uses.sort_by_key(|event| event.place());
        let mut gone: BTreeSet<(i64, u64)> = BTreeSet::new();
        for event in uses {
            let may_be_meant = |answer: &&Said| {
                answer.is_shown()
                    && answer.recorded.actor == actor
                    && answer.recorded.time_ms <= event.recorded.time_ms
                    && !gone.contains(&answer.place())
                    && (answer.answer.is_none() || event.answer.is_none())
            };
            let untaken = || log.iter().filter(may_be_meant).max_by_key(|answer| answer.place());
            let Some(answer) = named(event, log).or_else(untaken) else { continue };
            gone.insert(answer.place());
            if event.counts_as(1) || event.counts_as(3) {
                taken.insert((actor, answer.place()));
            }
        }
    }
    taken
}
