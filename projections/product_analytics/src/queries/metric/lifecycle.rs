//! Lifecycle: new, returning, resurrecting and dormant actors of each period.

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, Granularity, LifecycleMetric};

use super::activity::{activity, seen_before};
use super::table::{Table, integer, shown, time};
use super::{Answer, Question, names};
use crate::DAY_MS;
use crate::metrics::lifecycle::{LifecycleRow, lifecycle};

/// The clock of a zone may be set back by this much within a day.
const CLOCK_CHANGE_MS: i64 = 2 * 3_600_000;

pub(super) fn answer(question: &Question<'_>, metric: &LifecycleMetric) -> Result<Answer, Refusal> {
    question.no_breakdown("lifecycle")?;
    let granularity = question.granularity_or_day();
    let events = metric.events.clone().unwrap_or_default();
    let periods = question.periods(granularity)?;
    let mut pass = question.pass(&[&events])?;
    let active = activity(&mut pass, &periods)?;
    let names = names(&pass);

    let longest = match granularity {
        Granularity::Month => 31 * DAY_MS,
        Granularity::Week => 7 * DAY_MS,
        Granularity::Day | Granularity::Unspecified => DAY_MS,
    };
    let before_ms = question.start_ms.saturating_sub(longest).saturating_sub(CLOCK_CHANGE_MS);
    let before = question.periods_of(before_ms, question.start_ms, granularity)?;
    let last = before.as_slice().last().map_or(before_ms, |period| period.start_ms);
    let before = question.periods_of(last, question.start_ms, Granularity::Unspecified)?;
    (pass.from_ms, pass.to_ms) = (last, question.start_ms);
    let active_before = activity(&mut pass, &before)?;
    let (seen, read_before) = seen_before(&mut pass, question.start_ms)?;

    let active_before_actors = active_before.actors(0, 1).into_iter().next().unwrap_or_default();
    let rows = lifecycle(&active.actors(0, periods.len()), &seen, &active_before_actors);
    let mut table = Table::new(&[
        ("period_start", ColumnType::Time),
        ("new", ColumnType::Integer),
        ("returning", ColumnType::Integer),
        ("resurrecting", ColumnType::Integer),
        ("dormant", ColumnType::Integer),
    ]);
    // The numbers of neighbouring periods are bound together: active ones are those who return in the next or are dormant
    // in it; and all new ones together are everybody. So a period is shown whole or not at all, and never is one alone not.
    let news: Vec<[u64; 1]> = rows.iter().map(|row| [row.new]).collect();
    let news: Vec<&[u64]> = news.iter().map(<[u64; 1]>::as_slice).collect();
    let may_show = Counts::from_rows(&news).map(|counts| suppress(&counts, question.suppress_below));
    let few = |count: u64| (1..question.suppress_below).contains(&count);
    let has_few = |row: &LifecycleRow| [row.new, row.returning, row.resurrecting, row.dormant].into_iter().any(few);
    let mut is_shown: Vec<bool> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| !has_few(row) && may_show.as_ref().is_some_and(|may_show| may_show.cell(at, 0)))
        .collect();
    if is_shown.iter().filter(|shown| !**shown).count() == 1
        && let Some((_, smallest)) =
            rows.iter().zip(&mut is_shown).filter(|(_, shown)| **shown).min_by_key(|(row, _)| row.new)
    {
        *smallest = false;
    }
    for ((period, row), is_shown) in periods.as_slice().iter().zip(rows).zip(is_shown) {
        table.add(vec![
            time(period.start_ms),
            shown(is_shown, integer(row.new)),
            shown(is_shown, integer(row.returning)),
            shown(is_shown, integer(row.resurrecting)),
            shown(is_shown, integer(row.dormant)),
        ]);
    }
    let events_read = active.events_read.saturating_add(active_before.events_read).saturating_add(read_before);
    Ok(Answer { table, events_read, names })
}
