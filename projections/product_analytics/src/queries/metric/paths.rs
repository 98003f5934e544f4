//! Paths: which events follow each other within a session. Split, a session counts under the value of its first event.

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, PathsMetric};

use super::by_value::{ByValue, by_value};
use super::split::OTHERS;
use super::table::{Table, integer, may_show, nothing, share, shown, text};
use super::{Answer, Question, names};
use crate::metrics::paths::{PathCount, Paths, PathsResult};
use crate::metrics::sessions::{LENGTH_MS_MAX, begins};

pub(super) fn answer(question: &Question<'_>, metric: &PathsMetric) -> Result<Answer, Refusal> {
    let events = metric.events.clone().unwrap_or_default();
    let starting_with = metric.starting_with.iter().map(|name| question.catalogue.number(name));
    let or = |number: u32, default: usize| if number == 0 { default } else { number as usize };
    let asked = Paths {
        starting_with: starting_with.collect::<Result<_, _>>()?,
        length: or(metric.length, 5),
        limit: or(metric.limit, 20),
        start_ms: question.start_ms,
        end_ms: question.end_ms,
    };
    let mut pass = question.pass(&[&events])?;
    pass.from_ms = question.start_ms.saturating_sub(LENGTH_MS_MAX);
    pass.to_ms = question.end_ms.saturating_add(LENGTH_MS_MAX);
    let range = question.start_ms..question.end_ms;
    let ByValue { ranked, counted, events_read } = by_value(
        &mut pass,
        |events| begins(events, &range).copied().collect(),
        || PathCount::new(asked.clone()),
        |paths, events, passes| paths.add_where(events, passes),
    )?;
    let results: Vec<PathsResult> = counted.into_iter().map(PathCount::finish).collect();
    let k = question.suppress_below;
    let actors: Vec<u64> = results.iter().map(|result| result.actors).collect();
    let may_show = Counts::from_rows(&[&actors]).map(|counts| suppress(&counts, k));
    let mut columns = Vec::new();
    columns.extend(pass.split.column());
    columns.extend([
        ("path", ColumnType::Text),
        ("sessions", ColumnType::Integer),
        ("actors", ColumnType::Integer),
        ("share", ColumnType::Share),
    ]);
    let mut table = Table::new(&columns);
    let mut all_rest = 0u64;
    for (place, result) in results.into_iter().enumerate() {
        let is_told = may_show.as_ref().is_some_and(|may_show| may_show.cell(0, place));
        let all = result.rows.iter().fold(result.rest_sessions, |sum, row| sum.saturating_add(row.sessions));
        // Which way a few people went is theirs: those paths are told together with the rest.
        let (told, few): (Vec<_>, Vec<_>) =
            result.rows.into_iter().partition(|row| is_told && may_show_all(row.actors, k));
        let rest_sessions = few.iter().fold(result.rest_sessions, |sum, row| sum.saturating_add(row.sessions));
        let rest_paths = result.rest_paths.saturating_add(few.len() as u64);
        for row in told {
            let names: Vec<_> = row.names.iter().map(|name| question.catalogue.name(*name)).collect();
            let mut cells: Vec<_> = ranked.cell(place, &pass.split).into_iter().collect();
            let path = text(&names.join(" > "));
            cells.extend([path, integer(row.sessions), integer(row.actors), share(row.sessions, all)]);
            table.add(cells);
        }
        if rest_paths > 0 {
            // Of the rest only sessions are known for certain: an actor can be in it more than once.
            let is_shown = is_told && may_show_all(rest_sessions, k);
            let (sessions, share) = (integer(rest_sessions), share(rest_sessions, all));
            let mut cells: Vec<_> = ranked.cell(place, &pass.split).into_iter().collect();
            cells.extend([text(OTHERS), shown(is_shown, sessions), nothing(), shown(is_shown, share)]);
            table.add(cells);
            all_rest = all_rest.saturating_add(rest_paths);
        }
    }
    if all_rest > 0 {
        table.notes.push(format!("{OTHERS}: {all_rest} paths, less frequent ones and those of fewer than {k} actors"));
    }
    table.notes.extend(ranked.note());
    Ok(Answer { table, events_read, names: names(&pass), looked_at: pass.from_ms..pass.to_ms })
}

fn may_show_all(count: u64, k: u64) -> bool {
    may_show(count, count, k)
}
