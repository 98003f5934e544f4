//! Usage: events and active actors of each period.

use std::collections::{BTreeMap, BTreeSet};

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, Granularity, UsageMetric};
use roaring::RoaringBitmap;

use super::activity::{Active, activity};
use super::ranked::Ranked;
use super::table::{Table, integer, nothing, number, shown, time};
use super::{Answer, Question, names};
use crate::metrics::periods::{Period, Periods};

/// What is told of one label in one period.
#[derive(Default)]
struct Told {
    events: u64,
    actors: RoaringBitmap,
    /// The actors of each day, added up.
    daily: u64,
}

pub(super) fn answer(question: &Question<'_>, metric: &UsageMetric) -> Result<Answer, Refusal> {
    let events = metric.events.clone().unwrap_or_default();
    let mut pass = question.pass(&[&events])?;
    let days = question.periods(Granularity::Day)?;
    let activity = activity(&mut pass, &days)?;
    let periods = question.periods(question.granularity)?;
    let ranked = Ranked::of_actors(activity.by_value(0), pass.split.limit);
    let told = told(&activity.cells, &days, &periods, &ranked);
    let has_periods = question.granularity != Granularity::Unspecified;

    let mut columns = Vec::new();
    columns.extend(has_periods.then_some(("period_start", ColumnType::Time)));
    columns.extend(pass.split.column());
    columns.extend([
        ("events", ColumnType::Integer),
        ("actors", ColumnType::Integer),
        ("daily_actors", ColumnType::Number),
        ("stickiness", ColumnType::Share),
    ]);
    let mut table = Table::new(&columns);
    let mut add = |period: Option<Period>, rows: &[Vec<&Told>], days: &dyn Fn(usize) -> usize, starts: &[Period]| {
        let counts: Vec<Vec<u64>> = rows.iter().map(|row| row.iter().map(|told| told.actors.len()).collect()).collect();
        let counts: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
        let may_show = Counts::from_rows(&counts).map(|counts| suppress(&counts, question.suppress_below));
        for (at, row) in rows.iter().enumerate() {
            for (place, told) in row.iter().enumerate() {
                let is_shown = may_show.as_ref().is_some_and(|may_show| may_show.cell(at, place));
                let mut cells = Vec::new();
                if has_periods {
                    let start = period.or_else(|| starts.get(at).copied()).map(|period| time(period.start_ms));
                    cells.push(if period.is_some() { nothing() } else { start.unwrap_or_else(nothing) });
                }
                cells.extend(ranked.cell(place, &pass.split));
                let mean = told.daily as f64 / days(at).max(1) as f64;
                let stickiness =
                    if told.actors.is_empty() { nothing() } else { number(mean / told.actors.len() as f64) };
                cells.push(shown(is_shown, integer(told.events)));
                cells.push(shown(is_shown, integer(told.actors.len())));
                cells.push(shown(is_shown, number(mean)));
                cells.push(shown(is_shown, stickiness));
                table.add(cells);
            }
        }
    };
    // A day that has not begun says nothing of how many use it daily. Clocks differ, so events can be ahead of one.
    let with_events: BTreeSet<usize> = activity.cells.keys().map(|(_, _, day)| *day).collect();
    let counts = |(at, day): &(usize, &Period)| day.start_ms <= question.now_ms || with_events.contains(at);
    let days_of = |period: &Period| {
        let inside = |(_, day): &(usize, &Period)| (period.start_ms..period.end_ms).contains(&day.start_ms);
        days.as_slice().iter().enumerate().filter(counts).filter(inside).count()
    };
    if has_periods {
        let rows: Vec<Vec<&Told>> = told.by_period.iter().map(|row| row.iter().collect()).collect();
        let days = |at: usize| periods.as_slice().get(at).map_or(1, days_of);
        add(None, &rows, &days, periods.as_slice());
    }
    let whole = Period { start_ms: question.start_ms, end_ms: question.end_ms };
    let all_days = days_of(&whole);
    add(Some(whole), &[told.whole.iter().collect()], &|_| all_days, &[]);
    table.notes.extend(ranked.note());
    Ok(Answer { table, events_read: activity.events_read, names: names(&pass), looked_at: question.range() })
}

struct AllTold {
    by_period: Vec<Vec<Told>>,
    whole: Vec<Told>,
}

fn told(cells: &BTreeMap<(usize, u32, usize), Active>, days: &Periods, periods: &Periods, ranked: &Ranked) -> AllTold {
    let empty = || (0..ranked.len()).map(|_| Told::default()).collect::<Vec<_>>();
    let mut all = AllTold { by_period: (0..periods.len()).map(|_| empty()).collect(), whole: empty() };
    // Those beyond the limit are one label: whoever was active under several of them counts once a day.
    let mut by_day: BTreeMap<(usize, usize), Active> = BTreeMap::new();
    for ((_, label, day), active) in cells {
        let Some(column) = ranked.place(*label) else { continue };
        let cell = by_day.entry((column, *day)).or_default();
        cell.events = cell.events.saturating_add(active.events);
        cell.actors |= &active.actors;
    }
    for ((column, day), active) in by_day {
        let start_ms = days.as_slice().get(day).map_or(i64::MIN, |day| day.start_ms);
        let of_period = periods.index_of(start_ms).and_then(|period| all.by_period.get_mut(period)?.get_mut(column));
        for told in of_period.into_iter().chain(all.whole.get_mut(column)) {
            told.events = told.events.saturating_add(active.events);
            told.daily = told.daily.saturating_add(active.actors.len());
            told.actors |= &active.actors;
        }
    }
    all
}
