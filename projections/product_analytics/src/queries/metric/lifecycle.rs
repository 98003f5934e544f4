//! Lifecycle: new, returning, resurrecting and dormant actors of each period. Split, each value has a lifecycle of its own:
//! whoever has it for the first time is new to it.

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, Granularity, LifecycleMetric};

use super::activity::{activity, seen_before};
use super::ranked::Ranked;
use super::table::{Table, integer, shown, time};
use super::{Answer, Question, names};
use crate::DAY_MS;
use crate::metrics::lifecycle::{LifecycleRow, lifecycle};

/// The clock of a zone may be set back by this much within a day.
const CLOCK_CHANGE_MS: i64 = 2 * 3_600_000;

pub(super) fn answer(question: &Question<'_>, metric: &LifecycleMetric) -> Result<Answer, Refusal> {
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

    let ranked = Ranked::of_actors(active.by_value(0).chain(active_before.by_value(0)), pass.split.limit);
    let by_place = active.actors_by_place(0, periods.len(), &ranked).into_iter();
    let before_by_place = active_before.actors_by_place(0, 1, &ranked);
    let seen_by_place = ranked.sets(seen.iter().map(|(value, actors)| (*value, actors)));
    let rows: Vec<Vec<LifecycleRow>> = by_place
        .zip(&before_by_place)
        .zip(&seen_by_place)
        .map(|((active, before), seen)| before.iter().flat_map(|before| lifecycle(&active, seen, before)).collect())
        .collect();
    let is_shown = told(&rows, periods.len(), question.suppress_below);
    let mut columns = vec![("period_start", ColumnType::Time)];
    columns.extend(pass.split.column());
    columns.extend([
        ("new", ColumnType::Integer),
        ("returning", ColumnType::Integer),
        ("resurrecting", ColumnType::Integer),
        ("dormant", ColumnType::Integer),
    ]);
    let mut table = Table::new(&columns);
    for (at, period) in periods.as_slice().iter().enumerate() {
        for (place, (rows, is_shown)) in rows.iter().zip(&is_shown).enumerate() {
            let (Some(row), Some(is_shown)) = (rows.get(at), is_shown.get(at)) else { continue };
            let mut cells = vec![time(period.start_ms)];
            cells.extend(ranked.cell(place, &pass.split));
            let counts = [row.new, row.returning, row.resurrecting, row.dormant];
            cells.extend(counts.map(|count| shown(*is_shown, integer(count))));
            table.add(cells);
        }
    }
    table.notes.extend(ranked.note());
    let events_read = active.events_read.saturating_add(active_before.events_read).saturating_add(read_before);
    Ok(Answer { table, events_read, names })
}

/// Which periods of each place are shown. The numbers of neighbouring periods are bound together: active ones are those who
/// return in the next or are dormant in it; and all new ones together are everybody. So a period is shown whole or not at
/// all, and never is one alone not.
fn told(rows: &[Vec<LifecycleRow>], periods: usize, k: u64) -> Vec<Vec<bool>> {
    let of_period = |at: usize| rows.iter().map(|rows| rows.get(at).map_or(0, |row| row.new)).collect();
    let news: Vec<Vec<u64>> = (0..periods).map(of_period).collect();
    let news: Vec<&[u64]> = news.iter().map(Vec::as_slice).collect();
    let may_show = Counts::from_rows(&news).map(|counts| suppress(&counts, k));
    let has_few = |row: &LifecycleRow| {
        [row.new, row.returning, row.resurrecting, row.dormant].into_iter().any(|count| (1..k).contains(&count))
    };
    let of_place = |(place, rows): (usize, &Vec<LifecycleRow>)| {
        let may_show = |at: usize| may_show.as_ref().is_some_and(|may_show| may_show.cell(at, place));
        let mut is_shown: Vec<bool> = rows.iter().enumerate().map(|(at, row)| !has_few(row) && may_show(at)).collect();
        if is_shown.iter().filter(|shown| !**shown).count() == 1
            && let Some((_, smallest)) =
                rows.iter().zip(&mut is_shown).filter(|(_, shown)| **shown).min_by_key(|(row, _)| row.new)
        {
            *smallest = false;
        }
        is_shown
    };
    rows.iter().enumerate().map(of_place).collect()
}
