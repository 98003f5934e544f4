//! Paths: which events follow each other within a session.

use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, PathsMetric};

use super::split::OTHERS;
use super::table::{Table, integer, may_show, share, shown, text};
use super::{Answer, Question, names};
use crate::metrics::paths::{PathCount, Paths};
use crate::metrics::sessions::LENGTH_MS_MAX;

pub(super) fn answer(question: &Question<'_>, metric: &PathsMetric) -> Result<Answer, Refusal> {
    question.no_breakdown("paths")?;
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
    let mut count = PathCount::new(asked);
    let events_read = pass.run(|actor, events| {
        if actor != 0 {
            count.add(events);
        }
    })?;
    let result = count.finish();
    let k = question.suppress_below;
    let all = result.rows.iter().fold(result.rest_sessions, |sum, row| sum.saturating_add(row.sessions));
    let mut table = Table::new(&[
        ("path", ColumnType::Text),
        ("sessions", ColumnType::Integer),
        ("actors", ColumnType::Integer),
        ("share", ColumnType::Share),
    ]);
    // Which way a few people went is theirs: those paths are told together with the rest.
    let (told, few): (Vec<_>, Vec<_>) = result.rows.into_iter().partition(|row| may_show(row.actors, row.actors, k));
    let rest_sessions = few.iter().fold(result.rest_sessions, |sum, row| sum.saturating_add(row.sessions));
    let rest_paths = result.rest_paths.saturating_add(few.len() as u64);
    for row in told {
        let names: Vec<_> = row.names.iter().map(|name| question.catalogue.name(*name)).collect();
        table.add(vec![text(&names.join(" > ")), integer(row.sessions), integer(row.actors), share(row.sessions, all)]);
    }
    if rest_paths > 0 {
        // Of the rest only sessions are known for certain: an actor can be in it more than once.
        let is_shown = may_show(rest_sessions, rest_sessions, k);
        table.add(vec![
            text(OTHERS),
            shown(is_shown, integer(rest_sessions)),
            super::table::nothing(),
            shown(is_shown, share(rest_sessions, all)),
        ]);
        table
            .notes
            .push(format!("{OTHERS}: {rest_paths} paths, less frequent ones and those of fewer than {k} actors"));
    }
    Ok(Answer { table, events_read, names: names(&pass) })
}
