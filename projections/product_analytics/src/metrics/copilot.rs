//! What becomes of a copilot's answers, and which share of outcomes had one used before it.

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

/// One period and value of the breakdown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopilotRow {
    /// The period.
    pub period: usize,
    /// The value; 0 is none.
    pub value: u32,
    /// Answers shown.
    pub shown: u64,
    /// Answers used as they are.
    pub used: u64,
    /// Answers ignored.
    pub ignored: u64,
    /// Answers used with changes.
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

    /// One actor: its events with any of the marks, from the window before the range until its end.
    pub fn add(&mut self, events: &[Event]) {
        self.added = self.added.saturating_add(1);
        let marks = self.marks;
        let mut answered_ms: Option<i64> = None;
        // An answer counts for outcomes of the same instant, in whichever order the log has them.
        for instant in events.chunk_by(|one, other| one.time_ms == other.time_ms) {
            let answer = instant.iter().find(|event| event.has(marks.used) || event.has(marks.edited));
            answered_ms = answer.map(|answer| answer.time_ms).or(answered_ms);
            for event in instant {
                let since = answered_ms.map(|answered_ms| event.time_ms.saturating_sub(answered_ms));
                self.count(event, since.is_some_and(|since| since <= self.window_ms));
            }
        }
    }

    fn count(&mut self, event: &Event, has_answer: bool) {
        let marks = self.marks;
        let counted = [marks.shown, marks.used, marks.ignored, marks.edited, marks.feedback, marks.outcome];
        if !counted.iter().any(|mark| event.has(*mark)) {
            return;
        }
        let Some(period) = self.periods.index_of(event.time_ms) else { return };
        let value = event.value;
        let new = || (CopilotRow { period, value, ..CopilotRow::default() }, 0);
        let (row, last) = self.rows.entry((period, value)).or_insert_with(new);
        let plus = |count: &mut u64, is_meant: bool| *count = count.saturating_add(u64::from(is_meant));
        plus(&mut row.shown, event.has(marks.shown));
        plus(&mut row.used, event.has(marks.used));
        plus(&mut row.ignored, event.has(marks.ignored));
        plus(&mut row.edited, event.has(marks.edited));
        if event.has(marks.feedback) {
            plus(&mut row.feedback, true);
            row.feedback_sum = row.feedback_sum.saturating_add(i128::from(event.number));
        }
        plus(&mut row.outcomes, event.has(marks.outcome));
        plus(&mut row.outcomes_with_answer, event.has(marks.outcome) && has_answer);
        plus(&mut row.actors, *last != self.added);
        *last = self.added;
    }

    /// Of the actors of both, which have the same periods.
    pub fn merge(&mut self, other: Self) {
        for (key, (theirs, _)) in other.rows {
            let new = || (CopilotRow { period: theirs.period, value: theirs.value, ..CopilotRow::default() }, 0);
            let (row, _) = self.rows.entry(key).or_insert_with(new);
            row.shown = row.shown.saturating_add(theirs.shown);
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

#[cfg(test)]
mod tests {
    use super::super::periods::Granularity;
    use super::*;

    const MARKS: CopilotMarks = CopilotMarks { shown: 0, used: 1, ignored: 2, edited: 3, feedback: 4, outcome: 5 };

    fn count(events: &[(i64, u64, i64)]) -> CopilotRow {
        let mut copilot = Copilot::new(MARKS, Periods::new(0, 1_000, "", Granularity::Whole).unwrap(), 100);
        let event = |(time_ms, marks, number): &(i64, u64, i64)| Event {
            time_ms: *time_ms,
            marks: *marks,
            number: *number,
            ..Event::default()
        };
        copilot.add(&events.iter().map(event).collect::<Vec<_>>());
        copilot.finish().first().copied().unwrap_or_default()
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
}
