//! Sessions of each period. Split, a session counts under the value of its first event.

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, Granularity, SessionsMetric};

use super::by_value::{ByValue, by_value};
use super::table::{Table, integer, maybe, nothing, number, shown, time};
use super::{Answer, Question, names};
use crate::metrics::percentiles::percentile;
use crate::metrics::sessions::{LENGTH_MS_MAX, Sessions, SessionsResult, SessionsRow, begins};

pub(super) fn answer(question: &Question<'_>, metric: &SessionsMetric) -> Result<Answer, Refusal> {
    let events = metric.events.clone().unwrap_or_default();
    let periods = question.periods(question.granularity)?;
    let mut pass = question.pass(&[&events])?;
    // Sessions that cross the bounds of the question are whole sessions.
    pass.from_ms = question.start_ms.saturating_sub(LENGTH_MS_MAX);
    pass.to_ms = question.end_ms.saturating_add(LENGTH_MS_MAX);
    let range = question.start_ms..question.end_ms;
    let ByValue { ranked, counted, events_read } = by_value(
        &mut pass,
        |events| begins(events, &range).copied().collect(),
        || Sessions::new(periods.clone()),
        |sessions, events, passes| sessions.add_where(events, passes),
    )?;
    let results: Vec<SessionsResult> = counted.into_iter().map(Sessions::finish).collect();
    let has_periods = question.granularity != Granularity::Unspecified;
    let mut columns = Vec::new();
    columns.extend(has_periods.then_some(("period_start", ColumnType::Time)));
    columns.extend(pass.split.column());
    columns.extend([
        ("sessions", ColumnType::Integer),
        ("actors", ColumnType::Integer),
        ("events", ColumnType::Integer),
        ("events_per_session", ColumnType::Number),
        ("median_ms", ColumnType::Milliseconds),
        ("p90_ms", ColumnType::Milliseconds),
    ]);
    let mut table = Table::new(&columns);
    // Rows of places: first those of each period, then those of all.
    let of_period = |at: usize| results.iter().filter_map(|result| result.periods.get(at)).collect();
    let by_period: Vec<Vec<&SessionsRow>> = (0..periods.len()).map(of_period).collect();
    let wholes: Vec<SessionsRow> = results.iter().map(whole).collect();
    let mut add = |rows: &[Vec<&SessionsRow>], starts: &[Option<i64>]| {
        let counts: Vec<Vec<u64>> = rows.iter().map(|row| row.iter().map(|cell| cell.actors).collect()).collect();
        let counts: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
        let may_show = Counts::from_rows(&counts).map(|counts| suppress(&counts, question.suppress_below));
        for (at, (row, start)) in rows.iter().zip(starts).enumerate() {
            for (place, told) in row.iter().enumerate() {
                let is_shown = may_show.as_ref().is_some_and(|may_show| may_show.cell(at, place));
                let mut cells = Vec::new();
                cells.extend(has_periods.then(|| start.map_or_else(nothing, time)));
                cells.extend(ranked.cell(place, &pass.split));
                let per_session = (told.sessions > 0).then(|| number(told.events as f64 / told.sessions as f64));
                let numbers = [
                    integer(told.sessions),
                    integer(told.actors),
                    integer(told.events),
                    per_session.unwrap_or_else(nothing),
                    maybe(percentile(&told.durations_ms, 50)),
                    maybe(percentile(&told.durations_ms, 90)),
                ];
                cells.extend(numbers.map(|cell| shown(is_shown, cell)));
                table.add(cells);
            }
        }
    };
    if has_periods {
        let starts: Vec<_> = periods.as_slice().iter().map(|period| Some(period.start_ms)).collect();
        add(&by_period, &starts);
    }
    add(&[wholes.iter().collect()], &[None]);
    table.notes.extend(ranked.note());
    Ok(Answer { table, events_read, names: names(&pass), looked_at: pass.from_ms..pass.to_ms })
}

/// All periods together.
fn whole(result: &SessionsResult) -> SessionsRow {
    let mut whole = SessionsRow { actors: result.actors, ..Default::default() };
    for row in &result.periods {
        whole.sessions = whole.sessions.saturating_add(row.sessions);
        whole.events = whole.events.saturating_add(row.events);
        whole.durations_ms.extend(&row.durations_ms);
    }
    whole.durations_ms.sort_unstable();
    whole
}
