//! Time to insight: from the start of an actor's first session to the first accepted insight. Split, an actor counts under
//! the value of the first event of that session.

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_proto::product_analytics::v1::{ColumnType, EventMeaning, EventSelector, TimeToInsightMetric};

use super::by_value::{ByValue, by_value};
use super::table::{Table, integer, may_show, maybe, shown};
use super::{Answer, Question, names};
use crate::metrics::sessions::{LENGTH_MS_MAX, begins};
use crate::metrics::time_to_insight::{TimeToInsight, TimeToInsightResult};

pub(super) fn answer(question: &Question<'_>, metric: &TimeToInsightMetric) -> Result<Answer, Refusal> {
    let insight = match &metric.insight {
        Some(insight) => insight.clone(),
        None => question.meaning(EventMeaning::InsightAccepted, "time_to_insight.insight")?,
    };
    let mut pass = question.pass(&[&EventSelector::default(), &insight])?;
    pass.from_ms = question.start_ms.saturating_sub(LENGTH_MS_MAX);
    pass.to_ms = question.now_ms.saturating_add(1).max(question.end_ms);
    let range = question.start_ms..question.end_ms;
    let ByValue { ranked, counted, events_read } = by_value(
        &mut pass,
        |events| begins(events, &range).take(1).copied().collect(),
        || TimeToInsight::new(1, question.start_ms, question.end_ms, question.now_ms),
        |times, events, _| times.add(events),
    )?;
    let results: Vec<TimeToInsightResult> = counted.into_iter().map(TimeToInsight::finish).collect();
    let k = question.suppress_below;
    let actors: Vec<u64> = results.iter().map(TimeToInsightResult::actors).collect();
    let may_show_actors = Counts::from_rows(&[&actors]).map(|counts| suppress(&counts, k));
    let mut columns = Vec::new();
    columns.extend(pass.split.column());
    columns.extend([
        ("actors", ColumnType::Integer),
        ("reached", ColumnType::Integer),
        ("censored", ColumnType::Integer),
        ("p25_ms", ColumnType::Milliseconds),
        ("p50_ms", ColumnType::Milliseconds),
        ("p75_ms", ColumnType::Milliseconds),
        ("p90_ms", ColumnType::Milliseconds),
    ]);
    let mut table = Table::new(&columns);
    for (place, result) in results.iter().enumerate() {
        let actors_shown = may_show_actors.as_ref().is_some_and(|may_show| may_show.cell(0, place));
        let is_shown = actors_shown && may_show(result.reached(), result.actors(), k);
        let mut cells = Vec::new();
        cells.extend(ranked.cell(place, &pass.split));
        cells.extend([
            shown(actors_shown, integer(result.actors())),
            shown(is_shown, integer(result.reached())),
            shown(is_shown, integer(result.censored())),
        ]);
        cells.extend([25, 50, 75, 90].map(|percent| shown(is_shown, maybe(result.percentile(percent)))));
        table.add(cells);
    }
    if results.iter().any(|result| result.percentile(90).is_none()) {
        table.notes.push("an empty percentile is not reached yet: too many have no insight so far".to_owned());
    }
    table.notes.extend(ranked.note());
    Ok(Answer { table, events_read, names: names(&pass), looked_at: pass.from_ms..pass.to_ms })
}

impl Question<'_> {
    /// The events that mean something; the question must say which, where none does.
    pub(super) fn meaning(&self, meaning: EventMeaning, field: &str) -> Result<EventSelector, Violations> {
        let names = self.catalogue.meaning(meaning);
        if names.is_empty() {
            let problem = format!("must be set: no registered event has the meaning {}", meaning.as_str_name());
            return Err(Violations::one(format!("metric.{field}"), problem));
        }
        Ok(EventSelector { names, r#where: Vec::new() })
    }
}
