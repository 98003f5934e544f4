//! What becomes of a copilot's answers, and which share of outcomes had one used before it.
//!
//! An event names an answer by an id. The answer that it names is the one that was shown last to the same actor under
//! that id, at the event's time or before ([`named`]). What was used or edited takes an answer: the one that it names or,
//! where one of the two has no id, the last one shown before it that nothing took yet. So the share of answers that were
//! used counts answers, each once, in the row in which they were shown; it is never more than all of them.

use std::collections::BTreeMap;

use super::Event;
use super::periods::Periods;

/// Which marks mean what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopilotMarks {
    /// An answer was shown.
    pub shown: u8,
    /// It was used as it is.
    pub used: u8,
    /// It was ignored.
    pub ignored: u8,
    /// It was used with changes.
    pub edited: u8,
    /// Feedback; its score is the event's number.
    pub feedback: u8,
    /// An outcome.
    pub outcome: u8,
}

/// One event as this metric sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopilotEvent {
    /// The event. Its marks say what it is.
    pub event: Event,
    /// Those of its marks under which it counts: it passes their filters.
    pub counts: u64,
    /// The id by which it names an answer, as a number among those of the actor; 0: by none.
    pub answer: u32,
}

impl CopilotEvent {
    fn counts_as(&self, mark: u8) -> bool {
        self.counts & super::bit(mark) != 0
    }
}

/// One period and value of the breakdown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopilotRow {
    /// The period.
    pub period: usize,
    /// The value; 0 is none.
    pub value: u32,
    /// Answers shown.
    pub shown: u64,
    /// Of these, how many were used or edited, be it in a later period; each once.
    pub taken: u64,
    /// How often an answer was used as it is.
    pub used: u64,
    /// How often one was ignored.
    pub ignored: u64,
    /// How often one was used with changes.
    pub edited: u64,
    /// How often there was feedback.
    pub feedback: u64,
    /// The sum of its scores.
    pub feedback_sum: i128,
    /// Outcomes.
    pub outcomes: u64,
    /// Outcomes with an answer used or edited by the same actor, of any value, at their time or at most the window
    /// before.
    pub outcomes_with_answer: u64,
    /// Actors with any event that counts here.
    pub actors: u64,
}

impl CopilotRow {
    /// The mean score. `None` without feedback.
    pub fn feedback_mean(&self) -> Option<f64> {
        (self.feedback > 0).then(|| self.feedback_sum as f64 / self.feedback as f64)
    }
}

/// For each event of one actor, in order, the place of the answer that it names. An answer that is shown names none.
pub fn named(shown: u8, events: &[CopilotEvent]) -> Vec<Option<usize>> {
    let mut last_shown: BTreeMap<u32, usize> = BTreeMap::new();
    let mut named = Vec::with_capacity(events.len());
    for_each_instant(events, |instant| {
        for (place, event) in instant.clone().filter(|(_, event)| event.answer != 0 && event.event.has(shown)) {
            last_shown.insert(event.answer, place);
        }
        let of = |(_, event): (usize, &CopilotEvent)| match event.event.has(shown) {
            true => None,
            false => last_shown.get(&event.answer).copied(),
        };
        named.extend(instant.map(of));
    });
    named
}

/// Calls for the events of each instant with their places. What is of one instant happened at once: times can be coarse,
/// and the log has such events in any order.
fn for_each_instant<'a>(
    events: &'a [CopilotEvent],
    mut each: impl FnMut(std::iter::Zip<std::ops::RangeFrom<usize>, std::slice::Iter<'a, CopilotEvent>>),
) {
    let mut before = 0;
    for instant in events.chunk_by(|one, other| one.event.time_ms == other.event.time_ms) {
        each((before..).zip(instant));
        before += instant.len();
    }
}

/// Counts what becomes of answers.
#[derive(Debug, Clone)]
pub struct Copilot {
    marks: CopilotMarks,
    periods: Periods,
    window_ms: i64,
    /// By period and value, with the number of the actor that was counted last.
    rows: BTreeMap<(usize, u32), (CopilotRow, u64)>,
    added: u64,
}

impl Copilot {
    /// Of nobody yet. `window_ms` is how long before an outcome an answer counts, bound included.
    pub fn new(marks: CopilotMarks, periods: Periods, window_ms: i64) -> Self {
        Self { marks, periods, window_ms, rows: BTreeMap::new(), added: 0 }
    }

    /// One actor: its events with any of the marks, until the end of the range; from the window before the range, and
    /// earlier ones for the answers that events of the range name.
    pub fn add(&mut self, events: &[CopilotEvent]) {
        self.added = self.added.saturating_add(1);
        let marks = self.marks;
        let taken = self.taken(events);
        let mut answered_ms: Option<i64> = None;
        // An answer counts for outcomes of the same instant, in whichever order the log has them.
        for_each_instant(events, |instant| {
            let is_answer =
                |(_, event): &(usize, &CopilotEvent)| event.counts_as(marks.used) || event.counts_as(marks.edited);
            answered_ms = instant.clone().find(is_answer).map(|(_, answer)| answer.event.time_ms).or(answered_ms);
            for (place, event) in instant {
                let since = answered_ms.map(|answered_ms| event.event.time_ms.saturating_sub(answered_ms));
                let has_answer = since.is_some_and(|since| since <= self.window_ms);
                self.count(event, has_answer, taken.get(place).copied().unwrap_or_default());
            }
        });
    }

    /// For each event, whether it is an answer that something took which counts.
    fn taken(&self, events: &[CopilotEvent]) -> Vec<bool> {
        let marks = self.marks;
        let named = named(marks.shown, events);
        let mut taken = vec![false; events.len()];
        let mut waiting = Waiting { gone: vec![false; events.len()], with_id: Vec::new(), without_id: Vec::new() };
        for_each_instant(events, |instant| {
            for (place, event) in instant.clone().filter(|(_, event)| event.event.has(marks.shown)) {
                let waiting = if event.answer == 0 { &mut waiting.without_id } else { &mut waiting.with_id };
                waiting.push(place);
            }
            let takes =
                |(_, event): &(usize, &CopilotEvent)| event.event.has(marks.used) || event.event.has(marks.edited);
            for (place, event) in instant.filter(takes) {
                let by_id = named.get(place).copied().flatten();
                let Some(answer) = by_id.or_else(|| waiting.last(event.answer != 0)) else { continue };
                if let Some(gone) = waiting.gone.get_mut(answer) {
                    *gone = true;
                }
                if let Some(taken) = taken.get_mut(answer) {
                    *taken |= event.counts_as(marks.used) || event.counts_as(marks.edited);
                }
            }
        });
        taken
    }

    fn count(&mut self, event: &CopilotEvent, has_answer: bool, is_taken: bool) {
        let marks = self.marks;
        let counted = [marks.shown, marks.used, marks.ignored, marks.edited, marks.feedback, marks.outcome];
        if !counted.iter().any(|mark| event.counts_as(*mark)) {
            return;
        }
        let Some(period) = self.periods.index_of(event.event.time_ms) else { return };
        let value = event.event.value;
        let new = || (CopilotRow { period, value, ..CopilotRow::default() }, 0);
        let (row, last) = self.rows.entry((period, value)).or_insert_with(new);
        let plus = |count: &mut u64, is_meant: bool| *count = count.saturating_add(u64::from(is_meant));
        plus(&mut row.shown, event.counts_as(marks.shown));
        plus(&mut row.taken, event.counts_as(marks.shown) && is_taken);
        plus(&mut row.used, event.counts_as(marks.used));
        plus(&mut row.ignored, event.counts_as(marks.ignored));
        plus(&mut row.edited, event.counts_as(marks.edited));
        if event.counts_as(marks.feedback) {
            plus(&mut row.feedback, true);
            row.feedback_sum = row.feedback_sum.saturating_add(i128::from(event.event.number));
        }
        plus(&mut row.outcomes, event.counts_as(marks.outcome));
        plus(&mut row.outcomes_with_answer, event.counts_as(marks.outcome) && has_answer);
        plus(&mut row.actors, *last != self.added);
        *last = self.added;
    }

    /// Of the actors of both, which have the same periods.
    pub fn merge(&mut self, other: Self) {
        for (key, (theirs, _)) in other.rows {
            let new = || (CopilotRow { period: theirs.period, value: theirs.value, ..CopilotRow::default() }, 0);
            let (row, _) = self.rows.entry(key).or_insert_with(new);
            row.shown = row.shown.saturating_add(theirs.shown);
            row.taken = row.taken.saturating_add(theirs.taken);
            row.used = row.used.saturating_add(theirs.used);
            row.ignored = row.ignored.saturating_add(theirs.ignored);
            row.edited = row.edited.saturating_add(theirs.edited);
            row.feedback = row.feedback.saturating_add(theirs.feedback);
            row.feedback_sum = row.feedback_sum.saturating_add(theirs.feedback_sum);
            row.outcomes = row.outcomes.saturating_add(theirs.outcomes);
            row.outcomes_with_answer = row.outcomes_with_answer.saturating_add(theirs.outcomes_with_answer);
            row.actors = row.actors.saturating_add(theirs.actors);
        }
    }

    /// The numbers, by period and value. A row is there when any event counts in it.
    pub fn finish(self) -> Vec<CopilotRow> {
        self.rows.into_values().map(|(row, _)| row).collect()
    }
}

/// Answers shown that nothing took yet, the last one on top. One that was taken by its id stays until it is met.
struct Waiting {
    gone: Vec<bool>,
    with_id: Vec<usize>,
    without_id: Vec<usize>,
}

impl Waiting {
    /// The last of those that an event may mean: one with an id means none with another id.
    fn last(&mut self, has_id: bool) -> Option<usize> {
        let gone = &self.gone;
        let is_gone = |place: usize| gone.get(place).copied().unwrap_or(true);
        for waiting in [&mut self.with_id, &mut self.without_id] {
            while waiting.last().is_some_and(|place| is_gone(*place)) {
                waiting.pop();
            }
        }
        let without_id = self.without_id.last().copied();
        if has_id { without_id } else { self.with_id.last().copied().max(without_id) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::periods::Granularity;
    use super::*;

    const MARKS: CopilotMarks = CopilotMarks { shown: 0, used: 1, ignored: 2, edited: 3, feedback: 4, outcome: 5 };
    const SHOWN: u64 = 1;
    const USED: u64 = 2;
    const EDITED: u64 = 8;

    fn rows(events: &[(i64, u64, i64, u32)]) -> Vec<CopilotRow> {
        let mut copilot = Copilot::new(MARKS, Periods::new(0, 1_000, "", Granularity::Whole).unwrap(), 100);
        let event = |(time_ms, marks, number, answer): &(i64, u64, i64, u32)| CopilotEvent {
            event: Event { time_ms: *time_ms, marks: *marks, number: *number, ..Event::default() },
            counts: *marks,
            answer: *answer,
        };
        copilot.add(&events.iter().map(event).collect::<Vec<_>>());
        copilot.finish()
    }

    fn count(events: &[(i64, u64, i64)]) -> CopilotRow {
        let events: Vec<_> = events.iter().map(|(time_ms, marks, number)| (*time_ms, *marks, *number, 0)).collect();
        rows(&events).first().copied().unwrap_or_default()
    }

    fn taken(events: &[(i64, u64, u32)]) -> (u64, u64) {
        let events: Vec<_> = events.iter().map(|(time_ms, marks, answer)| (*time_ms, *marks, 0, *answer)).collect();
        rows(&events).first().map_or((0, 0), |row| (row.taken, row.shown))
    }

    #[test]
    fn an_answer_counts_until_exactly_the_window_after_it() {
        let with_answer = |events: &[(i64, u64, i64)]| count(events).outcomes_with_answer;
        assert_eq!(with_answer(&[(-50, 2, 0), (50, 32, 0)]), 1, "also one from before the range");
        assert_eq!(with_answer(&[(-50, 2, 0), (51, 32, 0)]), 0);
        assert_eq!(with_answer(&[(7, 32, 0), (7, 8, 0)]), 1, "in the same instant, in any order");
        assert_eq!(with_answer(&[(7, 32, 0), (8, 8, 0)]), 0, "not one from after it");
        assert_eq!(with_answer(&[(7, 1 | 4, 0), (8, 32, 0)]), 0, "shown and ignored is not used");
    }

    #[test]
    fn the_mean_of_feedback_is_exact_for_any_scores() {
        let row = count(&[(1, 16, i64::MAX), (2, 16, i64::MAX), (3, 16, -5), (4, 16, -5)]);
        assert_eq!((row.feedback, row.feedback_sum, row.actors), (4, 2 * i128::from(i64::MAX) - 10, 1));
        assert_eq!(count(&[(1, 1, 9)]).feedback_mean(), None);
        assert_eq!(count(&[(1, 16, 3), (2, 16, 4)]).feedback_mean(), Some(3.5));
    }

    #[test]
    fn an_answer_is_taken_once_however_often_it_is_used() {
        assert_eq!(taken(&[(1, SHOWN, 1), (2, USED, 1), (3, EDITED, 1), (4, USED, 1), (5, SHOWN, 2)]), (1, 2));
        assert_eq!(taken(&[(-5, SHOWN, 1), (2, USED, 1), (3, SHOWN, 2)]), (0, 1), "one shown before the range");
        assert_eq!(taken(&[(1, USED, 1), (2, SHOWN, 1)]), (0, 1), "not one that is shown later");
        assert_eq!(taken(&[(2, USED, 1), (2, SHOWN, 1)]), (1, 1), "in one instant, in any order");
        assert_eq!(taken(&[(1, SHOWN, 1), (2, SHOWN, 1), (3, USED, 1)]), (1, 2), "of one id, the last");
    }

    #[test]
    fn without_an_id_the_last_answer_is_taken_that_is_not() {
        assert_eq!(taken(&[(1, SHOWN, 0), (2, SHOWN, 0), (3, USED, 0), (4, USED, 0), (5, USED, 0)]), (2, 2));
        assert_eq!(taken(&[(1, SHOWN, 1), (2, SHOWN, 2), (3, USED, 2), (4, USED, 0)]), (2, 2));
        assert_eq!(taken(&[(1, SHOWN, 0), (2, SHOWN, 2), (3, USED, 7)]), (1, 2), "an id that no other answer has");
        assert_eq!(taken(&[(1, SHOWN, 2), (3, USED, 7)]), (0, 1), "another id is another answer");
    }

    #[test]
    fn an_event_names_the_answer_shown_last_under_its_id() {
        let event = |(time_ms, marks, answer): (i64, u64, u32)| CopilotEvent {
            event: Event { time_ms, marks, ..Event::default() },
            counts: 0,
            answer,
        };
        let events = [(1, USED, 1), (2, SHOWN, 1), (3, USED, 1), (3, SHOWN, 1), (3, USED, 2), (4, USED, 0)].map(event);
        assert_eq!(named(0, &events), [None, None, Some(3), None, None, None]);
    }
}
