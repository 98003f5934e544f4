//! Copilot contribution: what becomes of answers, and which share of outcomes had one used before it. What is said of an
//! answer has the properties of the answer that it names.

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, CopilotMetric, EventMeaning, EventSelector, Granularity};

use super::answers::AnswerIds;
use super::table::{Table, integer, nothing, number, share, shown, text, time};
use super::{Answer, Question, duration_ms, names};
use crate::DAY_MS;
use crate::metrics::copilot::{Copilot, CopilotMarks};

/// The property of feedback that says how good an answer was.
const SCORE: &str = "score";
/// An answer that is named may have been shown this long before the range.
const SHOWN_BEFORE_MS_MAX: i64 = 30 * DAY_MS;

pub(super) fn answer(question: &Question<'_>, metric: &CopilotMetric) -> Result<Answer, Refusal> {
    // A name that nothing has: what no event means is counted as never.
    let meaning = |meaning| match question.catalogue.meaning(meaning) {
        names if names.is_empty() => None,
        names => Some(EventSelector { names, r#where: Vec::new() }),
    };
    let outcomes = match &metric.outcomes {
        Some(outcomes) => outcomes.clone(),
        None => question.meaning(EventMeaning::InsightAccepted, "copilot.outcomes")?,
    };
    let answers = [
        EventMeaning::CopilotShown,
        EventMeaning::CopilotUsed,
        EventMeaning::CopilotIgnored,
        EventMeaning::CopilotEdited,
        EventMeaning::Feedback,
    ]
    .map(meaning);
    let mut marks = [u8::MAX; 6];
    let mut selectors = Vec::new();
    for (slot, selector) in marks.iter_mut().zip(answers.iter().map(Option::as_ref).chain([Some(&outcomes)])) {
        if let Some(selector) = selector {
            *slot = u8::try_from(selectors.len()).unwrap_or(u8::MAX);
            selectors.push(selector);
        }
    }
    let [shown_mark, used, ignored, edited, feedback, outcome] = marks;
    let window_ms = duration_ms(&metric.attribution_window, 3_600_000);
    let mut pass = question.pass(&selectors)?;
    pass.from_ms = question.start_ms.saturating_sub(window_ms.max(SHOWN_BEFORE_MS_MAX));
    if let Ok(score) = question.catalogue.property_number(SCORE) {
        pass.number = Some(pass.slot_of(score));
    }
    let periods = question.periods(question.granularity)?;
    let marks = CopilotMarks { shown: shown_mark, used, ignored, edited, feedback, outcome };
    let mut copilot = Copilot::new(marks, periods.clone(), window_ms);
    let ids = AnswerIds::new(&question.catalogue, &mut pass);
    let events_read = pass.run_with_answers(shown_mark, ids.as_ref(), |events| copilot.add(events))?;
    let rows = copilot.finish();

    let has_periods = question.granularity != Granularity::Unspecified;
    let has_breakdown = pass.split.is_asked();
    let mut columns = Vec::new();
    columns.extend(has_periods.then_some(("period_start", ColumnType::Time)));
    columns.extend(pass.split.column());
    columns.extend([
        ("shown", ColumnType::Integer),
        ("used", ColumnType::Integer),
        ("edited", ColumnType::Integer),
        ("ignored", ColumnType::Integer),
        ("used_share", ColumnType::Share),
        ("feedback_count", ColumnType::Integer),
        ("feedback_mean", ColumnType::Number),
        ("outcomes", ColumnType::Integer),
        ("assisted_outcomes", ColumnType::Integer),
        ("assisted_share", ColumnType::Share),
        ("actors", ColumnType::Integer),
    ]);
    let mut table = Table::new(&columns);
    let counts: Vec<[u64; 1]> = rows.iter().map(|row| [row.actors]).collect();
    let counts: Vec<&[u64]> = counts.iter().map(<[u64; 1]>::as_slice).collect();
    let may_show = Counts::from_rows(&counts).map(|counts| suppress(&counts, question.suppress_below));
    for (at, row) in rows.iter().enumerate() {
        let is_shown = may_show.as_ref().is_some_and(|may_show| may_show.cell(at, 0));
        let mut cells = Vec::new();
        if has_periods {
            cells.push(periods.as_slice().get(row.period).map_or_else(nothing, |period| time(period.start_ms)));
        }
        if has_breakdown {
            cells.push(text(pass.split.labels.text(row.value)));
        }
        // Where nothing is said of what became of answers, no share of them is known.
        let is_known = row.used.saturating_add(row.edited).saturating_add(row.ignored).saturating_add(row.taken) > 0;
        // So few answers or judgements are those of few people.
        let count = |number: u64| shown(!(1..question.suppress_below).contains(&number), integer(number));
        let of_enough = |number: u64, cell| shown(!(1..question.suppress_below).contains(&number), cell);
        let numbers = [
            count(row.shown),
            count(row.used),
            count(row.edited),
            count(row.ignored),
            if is_known { of_enough(row.taken, share(row.taken, row.shown)) } else { nothing() },
            count(row.feedback),
            of_enough(row.feedback, row.feedback_mean().map_or_else(nothing, number)),
            count(row.outcomes),
            count(row.outcomes_with_answer),
            of_enough(row.outcomes_with_answer, share(row.outcomes_with_answer, row.outcomes)),
            integer(row.actors),
        ];
        cells.extend(numbers.into_iter().map(|cell| shown(is_shown, cell)));
        table.add(cells);
    }
    if has_breakdown {
        let note = "an event that names an answer by its answer_id has the properties of that answer, where it lacks them; \
                    every other event counts under its own value";
        table.notes.push(note.to_owned());
    }
    Ok(Answer {
        table,
        events_read,
        names: names(&pass),
        looked_at: question.start_ms.saturating_sub(window_ms)..question.end_ms,
    })
}
