//! Time to insight: from the start of an actor's first session to the first accepted insight.

use daybook_kernel::rejection::{Refusal, Violations};
use daybook_proto::product_analytics::v1::{ColumnType, EventMeaning, EventSelector, TimeToInsightMetric};

use super::table::{Table, integer, may_show, maybe, shown};
use super::{Answer, Question, names};
use crate::metrics::sessions::LENGTH_MS_MAX;
use crate::metrics::time_to_insight::TimeToInsight;

pub(super) fn answer(question: &Question<'_>, metric: &TimeToInsightMetric) -> Result<Answer, Refusal> {
    question.no_breakdown("time to insight")?;
    let insight = match &metric.insight {
        Some(insight) => insight.clone(),
        None => question.meaning(EventMeaning::InsightAccepted, "time_to_insight.insight")?,
    };
    let mut pass = question.pass(&[&EventSelector::default(), &insight])?;
    pass.from_ms = question.start_ms.saturating_sub(LENGTH_MS_MAX);
    pass.to_ms = question.now_ms.saturating_add(1).max(question.end_ms);
    let mut times = TimeToInsight::new(1, question.start_ms, question.end_ms, question.now_ms);
    let events_read = pass.run(|actor, events| {
        if actor != 0 {
            times.add(events);
        }
    })?;
    let result = times.finish();
    let k = question.suppress_below;
    let actors_shown = may_show(result.actors(), result.actors(), k);
    let is_shown = actors_shown && may_show(result.reached(), result.actors(), k);
    let mut table = Table::new(&[
        ("actors", ColumnType::Integer),
        ("reached", ColumnType::Integer),
        ("censored", ColumnType::Integer),
        ("p25_ms", ColumnType::Milliseconds),
        ("p50_ms", ColumnType::Milliseconds),
        ("p75_ms", ColumnType::Milliseconds),
        ("p90_ms", ColumnType::Milliseconds),
    ]);
    let mut cells = vec![
        shown(actors_shown, integer(result.actors())),
        shown(is_shown, integer(result.reached())),
        shown(is_shown, integer(result.censored())),
    ];
    cells.extend([25, 50, 75, 90].map(|percent| shown(is_shown, maybe(result.percentile(percent)))));
    table.add(cells);
    if result.percentile(90).is_none() {
        table.notes.push("an empty percentile is not reached yet: too many have no insight so far".to_owned());
    }
    Ok(Answer { table, events_read, names: names(&pass) })
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
