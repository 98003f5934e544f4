//! Who was active when: actors and events by label and day or other period. What usage, retention and lifecycle are made of.
//!
//! Where names alone decide and every period is made of whole days of UTC, this comes from rollups and the events that are
//! in no segment yet; everywhere else from the events themselves.

use std::collections::{BTreeMap, BTreeSet};

use daybook_kernel::key::All;
use daybook_kernel::rejection::Refusal;
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use roaring::RoaringBitmap;

use super::pass::{Pass, rollups_of};
use super::ranked::Ranked;
use super::selector::Selector;
use crate::evolve::{Counted, Counts, read_bitmap};
use crate::metrics::periods::Periods;
use crate::segment::Run;
use crate::{DAY_MS, Tables, day_of};

/// What happened under one label in one period.
#[derive(Debug, Clone, Default)]
pub(super) struct Active {
    pub(super) events: u64,
    pub(super) actors: RoaringBitmap,
}

/// Who was active when.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// By selector, label and period.
    pub(super) cells: BTreeMap<(usize, u32, usize), Active>,
    pub(super) events_read: u64,
}

impl Activity {
    /// The actors of one selector with their value.
    pub(super) fn by_value(&self, selector: usize) -> impl Iterator<Item = (u32, &RoaringBitmap)> {
        self.of(selector).map(|(value, _, actors)| (value, actors))
    }

    /// The actors of each period, of one selector, all values together.
    pub(super) fn actors(&self, selector: usize, periods: usize) -> Vec<RoaringBitmap> {
        let mut actors = vec![RoaringBitmap::new(); periods];
        for (_, period, active) in self.of(selector) {
            if let Some(actors) = actors.get_mut(period) {
                *actors |= active;
            }
        }
        actors
    }

    /// The same for the values of each place.
    pub(super) fn actors_by_place(&self, selector: usize, periods: usize, ranked: &Ranked) -> Vec<Vec<RoaringBitmap>> {
        let mut actors = vec![vec![RoaringBitmap::new(); periods]; ranked.len()];
        for (value, period, active) in self.of(selector) {
            let place = ranked.place(value).and_then(|place| actors.get_mut(place));
            if let Some(actors) = place.and_then(|periods| periods.get_mut(period)) {
                *actors |= active;
            }
        }
        actors
    }

    fn of(&self, selector: usize) -> impl Iterator<Item = (u32, usize, &RoaringBitmap)> {
        let cells = self.cells.range((selector, 0, 0)..(selector.saturating_add(1), 0, 0));
        cells.map(|((_, value, period), active)| (*value, *period, &active.actors))
    }
}

/// Counts who is active in which of the periods.
pub(super) fn activity(pass: &mut Pass<'_>, periods: &Periods) -> Result<Activity, Refusal> {
    let are_whole_days =
        periods.as_slice().iter().all(|period| period.start_ms % DAY_MS == 0 && period.end_ms % DAY_MS == 0);
    if pass.is_of_names() && are_whole_days {
        return Ok(from_rollups(pass, periods)?);
    }
    let mut cells: BTreeMap<(usize, u32, usize), Active> = BTreeMap::new();
    let selectors = pass.selectors.len();
    let events_read = pass.run(|actor, events| {
        for event in events {
            let Some(period) = periods.index_of(event.time_ms) else { continue };
            for selector in (0..selectors).filter(|bit| event.marks >> bit & 1 == 1) {
                let cell = cells.entry((selector, event.value, period)).or_default();
                cell.events += 1;
                if actor != 0 {
                    cell.actors.insert(actor);
                }
            }
        }
    })?;
    Ok(Activity { cells, events_read })
}

/// Who was ever active before a time, by value.
pub(super) type Seen = BTreeMap<u32, RoaringBitmap>;

/// Who was ever active before a time, and how many events were read for that.
pub(super) fn seen_before(pass: &mut Pass<'_>, time_ms: i64) -> Result<(Seen, u64), Refusal> {
    let mut seen = Seen::new();
    if pass.is_of_names() && time_ms % DAY_MS == 0 {
        let last_day = day_of(time_ms).saturating_sub(1);
        for name in pass.selectors.iter().flat_map(Selector::names).collect::<BTreeSet<_>>() {
            let seen = seen.entry(pass.split.of_name(name).unwrap_or_default()).or_default();
            for row in rollups_of(pass.tables, name, i64::MIN, last_day) {
                *seen |= read_bitmap(&row?.1.actors)? - &*pass.erased;
            }
            for counted in pass.recent.range(..=last_day).filter_map(|(_, counted)| counted.get(&name)) {
                *seen |= &counted.actors;
            }
        }
        return Ok((seen, 0));
    }
    (pass.from_ms, pass.to_ms) = (i64::MIN, time_ms);
    let read = pass.run(|actor, events| {
        for event in events.iter().filter(|_| actor != 0) {
            seen.entry(event.value).or_default().insert(actor);
        }
    })?;
    Ok((seen, read))
}

fn from_rollups(pass: &Pass<'_>, periods: &Periods) -> Result<Activity, Fault> {
    let Pass { tables, selectors, split, recent, .. } = pass;
    let mut activity = Activity::default();
    let (first_day, last_day) = (day_of(periods.start_ms()), day_of(periods.end_ms().saturating_sub(1)));
    let names: Vec<BTreeSet<u32>> = selectors.iter().map(Selector::names).collect();
    let all: BTreeSet<u32> = names.iter().flatten().copied().collect();
    for name in all {
        let label = split.of_name(name).unwrap_or_default();
        let mut add = |day: i64, events: u64, actors: &RoaringBitmap| {
            let Some(period) = periods.index_of(day.saturating_mul(DAY_MS)) else { return };
            for (selector, _) in names.iter().enumerate().filter(|(_, names)| names.contains(&name)) {
                let cell = activity.cells.entry((selector, label, period)).or_default();
                cell.events = cell.events.saturating_add(events);
                cell.actors |= actors;
            }
        };
        for row in rollups_of(tables, name, first_day, last_day) {
            let (day, row) = row?;
            add(day, row.events, &(read_bitmap(&row.actors)? - &*pass.erased));
        }
        for (day, counted) in recent.iter() {
            if let Some(counted) = counted.get(&name) {
                add(*day, counted.events, &counted.actors);
            }
        }
    }
    Ok(activity)
}

/// What happened lately, by day and name: events that are in no rollup yet.
pub(super) type Recent = BTreeMap<i64, BTreeMap<u32, Counted>>;

/// Counts what happened lately.
pub(super) fn recent(tables: &Tables<'_>) -> Result<Recent, Fault> {
    let mut counts = Counts::default();
    for row in tables.recent().scan(All) {
        counts.add(&Run::without_properties(row?.1)?.0);
    }
    Ok(counts.finish())
}

/// What changed numbers of past days.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Events that were recorded after the day of their time had ended.
    pub(super) late_events: u64,
    /// Events that went with erased actors.
    pub(super) erased_events: u64,
    last_late_us: i64,
    last_erased_us: i64,
}

impl Changes {
    /// When the last late event was recorded.
    pub(super) fn last_late_at(&self) -> Option<Timestamp> {
        (self.late_events > 0).then(|| Timestamp::from_micros(self.last_late_us))
    }

    /// When the last erased actor's events went.
    pub(super) fn last_erased_at(&self) -> Option<Timestamp> {
        (self.erased_events > 0).then(|| Timestamp::from_micros(self.last_erased_us))
    }
}

/// What changed the numbers of these events on these days.
pub(super) fn changes(
    tables: &Tables<'_>,
    recent: &Recent,
    names: &BTreeSet<u32>,
    first_day: i64,
    last_day: i64,
) -> Result<Changes, Fault> {
    let mut changes = Changes::default();
    for name in names {
        for row in rollups_of(tables, *name, first_day, last_day) {
            let (_, row) = row?;
            changes.late_events = changes.late_events.saturating_add(row.late_events);
            changes.last_late_us = changes.last_late_us.max(row.last_late_at_us);
            changes.erased_events = changes.erased_events.saturating_add(row.erased_events);
            changes.last_erased_us = changes.last_erased_us.max(row.last_erased_at_us);
        }
        for (_, counted) in recent.range(first_day..=last_day) {
            if let Some(counted) = counted.get(name) {
                changes.late_events = changes.late_events.saturating_add(counted.late_events);
                changes.last_late_us = changes.last_late_us.max(counted.last_late_us);
            }
        }
    }
    Ok(changes)
}
