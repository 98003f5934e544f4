//! Sessions of each period.

use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, Granularity, SessionsMetric};

use super::table::{Table, integer, may_show, maybe, nothing, number, shown, time};
use super::{Answer, Question, names};
use crate::metrics::percentiles::percentile;
use crate::metrics::sessions::{LENGTH_MS_MAX, Sessions, SessionsRow};

pub(super) fn answer(question: &Question<'_>, metric: &SessionsMetric) -> Result<Answer, Refusal> {
    question.no_breakdown("sessions")?;
    let events = metric.events.clone().unwrap_or_default();
    let periods = question.periods(question.granularity)?;
    let mut pass = question.pass(&[&events])?;
    // Sessions that cross the bounds of the question are whole sessions.
    pass.from_ms = question.start_ms.saturating_sub(LENGTH_MS_MAX);
    pass.to_ms = question.end_ms.saturating_add(LENGTH_MS_MAX);
    let mut sessions = Sessions::new(periods.clone());
    let events_read = pass.run(|actor, events| {
        if actor != 0 {
            sessions.add(events);
        }
    })?;
    let result = sessions.finish();
    let has_periods = question.granularity != Granularity::Unspecified;
    let mut columns = Vec::new();
    columns.extend(has_periods.then_some(("period_start", ColumnType::Time)));
    columns.extend([
        ("sessions", ColumnType::Integer),
        ("actors", ColumnType::Integer),
        ("events", ColumnType::Integer),
        ("events_per_session", ColumnType::Number),
        ("median_ms", ColumnType::Milliseconds),
        ("p90_ms", ColumnType::Milliseconds),
    ]);
    let mut table = Table::new(&columns);
    let mut whole = SessionsRow { actors: result.actors, ..Default::default() };
    for (period, row) in periods.as_slice().iter().zip(&result.periods) {
        if has_periods {
            add(&mut table, Some(time(period.start_ms)), row, question.suppress_below);
        }
        whole.sessions = whole.sessions.saturating_add(row.sessions);
        whole.events = whole.events.saturating_add(row.events);
        whole.durations_ms.extend(&row.durations_ms);
    }
    whole.durations_ms.sort_unstable();
    add(&mut table, has_periods.then(nothing), &whole, question.suppress_below);
    Ok(Answer { table, events_read, names: names(&pass) })
}

fn add(table: &mut Table, start: Option<daybook_proto::product_analytics::v1::Cell>, row: &SessionsRow, k: u64) {
    let is_shown = may_show(row.actors, row.actors, k);
    let per_session = (row.sessions > 0).then(|| number(row.events as f64 / row.sessions as f64));
    let mut cells: Vec<_> = start.into_iter().collect();
    cells.extend([
        shown(is_shown, integer(row.sessions)),
        shown(is_shown, integer(row.actors)),
        shown(is_shown, integer(row.events)),
        shown(is_shown, per_session.unwrap_or_else(nothing)),
        shown(is_shown, maybe(percentile(&row.durations_ms, 50))),
        shown(is_shown, maybe(percentile(&row.durations_ms, 90))),
    ]);
    table.add(cells);
}
