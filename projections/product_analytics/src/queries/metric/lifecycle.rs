//! Lifecycle: new, returning, resurrecting and dormant actors of each period. Split, each value has a lifecycle of its own:
//! whoever has it for the first time is new to it.

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, LifecycleMetric};
use roaring::RoaringBitmap;

use super::activity::{activity, seen_before};
use super::ranked::Ranked;
use super::table::{Table, integer, shown, time};
use super::{Answer, Question, names, no_periods};
use crate::metrics::lifecycle::{Before, LifecycleRow, lifecycle};

pub(super) fn answer(question: &Question<'_>, metric: &LifecycleMetric) -> Result<Answer, Refusal> {
    let granularity = question.granularity_or_day();
    let events = metric.events.clone().unwrap_or_default();
    let periods = question.periods(granularity)?;
    let mut pass = question.pass(&[&events])?;
    let active = activity(&mut pass, &periods)?;
    let names = names(&pass);

    // The whole period before the first, and what lies before the range of the first.
    let calendar = question.calendar(granularity)?;
    let start_of = |at_ms: i64| calendar.start_of(at_ms).map_err(no_periods);
    let first_ms = start_of(question.start_ms)?;
    let before_ms = start_of(first_ms.saturating_sub(1))?;
    let before = question.periods_of(before_ms, question.start_ms, granularity)?;
    (pass.from_ms, pass.to_ms) = (before_ms, question.start_ms);
    let active_before = activity(&mut pass, &before)?;
    let (seen, read_before) = seen_before(&mut pass, first_ms)?;

    let ranked = Ranked::of_actors(active.by_value(0).chain(active_before.by_value(0)), pass.split.limit);
    let by_place = active.actors_by_place(0, periods.len(), &ranked).into_iter();
    let before_by_place = active_before.actors_by_place(0, 2, &ranked);
    let seen_by_place = ranked.sets(seen.iter().map(|(value, actors)| (*value, actors)));
    let nobody = RoaringBitmap::new();
    let of_place = |((active, before), seen): ((Vec<RoaringBitmap>, &Vec<RoaringBitmap>), &RoaringBitmap)| {
        let of = |at: usize| before.get(at).unwrap_or(&nobody);
        let before = Before { ever: seen, last_period: of(0), cut_off: of(1) };
        OfPlace {
            rows: lifecycle(&active, &before),
            only_cut_off: before.cut_off.difference_len(active.first().unwrap_or(&nobody)),
        }
    };
    let places: Vec<OfPlace> = by_place.zip(&before_by_place).zip(&seen_by_place).map(of_place).collect();
    let is_shown = told(&places, periods.len(), question.suppress_below);
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
        for (place, (of_place, is_shown)) in places.iter().zip(&is_shown).enumerate() {
            let (Some(row), Some(is_shown)) = (of_place.rows.get(at), is_shown.get(at)) else { continue };
            let mut cells = vec![time(period.start_ms)];
            cells.extend(ranked.cell(place, &pass.split));
            let counts = [row.new, row.returning, row.resurrecting, row.dormant];
            cells.extend(counts.map(|count| shown(*is_shown, integer(count))));
            table.add(cells);
        }
    }
    table.notes.extend(ranked.note());
    let events_read = active.events_read.saturating_add(active_before.events_read).saturating_add(read_before);
    Ok(Answer { table, events_read, names, looked_at: before_ms..question.end_ms })
}

/// The lifecycle of one value.
struct OfPlace {
    rows: Vec<LifecycleRow>,
    /// Actors of the first period who were active in it before the range only.
    only_cut_off: u64,
}

/// Which periods of each place are shown. The numbers of neighbouring periods are bound together: active ones are those who
/// return in the next or are dormant in it; and all new ones together are everybody. So a period is shown whole or not at
/// all, and never is one alone not. Of a first period that is cut, those who return or are dormant in the second one are
/// more than those active: the difference is a number as well.
fn told(places: &[OfPlace], periods: usize, k: u64) -> Vec<Vec<bool>> {
    let of_period = |at: usize| places.iter().map(|place| place.rows.get(at).map_or(0, |row| row.new)).collect();
    let news: Vec<Vec<u64>> = (0..periods).map(of_period).collect();
    let news: Vec<&[u64]> = news.iter().map(Vec::as_slice).collect();
    let may_show = Counts::from_rows(&news).map(|counts| suppress(&counts, k));
    let is_few = |count: u64| (1..k).contains(&count);
    let has_few = |row: &LifecycleRow| [row.new, row.returning, row.resurrecting, row.dormant].into_iter().any(is_few);
    let of_place = |(at_place, place): (usize, &OfPlace)| {
        let may_show = |at: usize| may_show.as_ref().is_some_and(|may_show| may_show.cell(at, at_place));
        let differs_by_few = |at: usize| at == 0 && is_few(place.only_cut_off);
        let rows = place.rows.iter().enumerate();
        let mut is_shown: Vec<bool> =
            rows.map(|(at, row)| !has_few(row) && !differs_by_few(at) && may_show(at)).collect();
        if is_shown.iter().filter(|shown| !**shown).count() == 1
            && let Some((_, smallest)) =
                place.rows.iter().zip(&mut is_shown).filter(|(_, shown)| **shown).min_by_key(|(row, _)| row.new)
        {
            *smallest = false;
        }
        is_shown
    };
    places.iter().enumerate().map(of_place).collect()
}
