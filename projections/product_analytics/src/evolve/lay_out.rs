//! Lays recent events into segments, and counts them in rollups.
//!
//! Done by whoever folds the batch that makes it due, so every node and every replay does it at the same place of the log.
//! A batch is one row until then: folding it costs the same however much there is already.

use std::collections::BTreeMap;

use bytes::Bytes;
use daybook_kernel::key::{All, First};
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{EventStateRow, RollupRow, SegmentRow};
use roaring::RoaringBitmap;

use crate::segment::{ACTORS, NAMES, PROPERTIES, Run, TIMES};
use crate::{DAY_MS, TablesMut};

/// Events that wait at most.
const EVENTS_MAX: u32 = 65_536;
/// Batches that wait at most: a question reads each of them.
const BATCHES_MAX: u32 = 1_024;
/// A segment of fewer events is small.
const SMALL: u32 = 32_768;
/// Small segments that a day may end with; then they become one.
const SMALL_MAX: usize = 8;

pub(super) fn is_due(state: &EventStateRow) -> bool {
    state.recent_events >= EVENTS_MAX || state.recent_batches >= BATCHES_MAX
}

/// Lays out what waits, without the actors that were just erased.
pub(super) fn lay_out(
    tables: &mut TablesMut<'_>,
    state: &mut EventStateRow,
    without: Option<(&RoaringBitmap, Timestamp)>,
) -> Result<(), Fault> {
    let (keys, runs): (Vec<_>, Vec<_>) = tables
        .read(|tables| {
            let rows = tables.recent().scan(All);
            rows.map(|row| row.map(|(key, row)| (key, Run::of_recent(row)))).collect::<Result<Vec<_>, Fault>>()
        })?
        .into_iter()
        .unzip();
    let mut all = Run::concatenated(runs)?;
    if let Some((erased, now)) = without {
        let (kept, gone) = all.parted(|actor| erased.contains(actor));
        for (day, run) in gone.by_day() {
            count_erased(tables, day, &run, now)?;
        }
        all = kept;
    }
    for (day, run) in all.by_day() {
        count(tables, day, &run)?;
        put_segment(tables, state, day, &run);
        merge_small(tables, state, day)?;
    }
    for (offset, index) in keys {
        tables.recent().delete((offset, index));
    }
    state.recent_events = 0;
    state.recent_batches = 0;
    Ok(())
}

fn put_segment(tables: &mut TablesMut<'_>, state: &mut EventStateRow, day: i64, run: &Run) {
    state.segments = state.segments.saturating_add(1);
    write_segment(tables, (day, state.segments), run);
}

pub(super) fn write_segment(tables: &mut TablesMut<'_>, (day, number): (i64, u64), run: &Run) {
    let encoded = run.encode();
    tables.segments().put((day, number), &encoded.row);
    for (column, row) in &encoded.columns {
        tables.segment_columns().put((day, number, *column), row);
    }
}

/// Makes one of the small segments that a day ends with, once there are several. Only neighbours: what was recorded later
/// stays later.
fn merge_small(tables: &mut TablesMut<'_>, state: &mut EventStateRow, day: i64) -> Result<(), Fault> {
    let small: Vec<((i64, u64), SegmentRow)> = tables.read(|tables| {
        let rows = tables.segments().scan_back(First(day));
        rows.take_while(|row| !matches!(row, Ok((_, row)) if row.count >= SMALL)).collect::<Result<_, Fault>>()
    })?;
    if small.len() < SMALL_MAX {
        return Ok(());
    }
    let all = tables.read(|tables| {
        Run::concatenated(small.iter().rev().map(|((day, number), row)| Run::of_segment(&tables, *day, *number, row)))
    })?;
    for (key, row) in small {
        delete_segment(tables, key, &row);
    }
    for run in all.by_day().values() {
        put_segment(tables, state, day, run);
    }
    Ok(())
}

pub(super) fn delete_segment(tables: &mut TablesMut<'_>, (day, number): (i64, u64), row: &SegmentRow) {
    tables.segments().delete((day, number));
    let properties = row.properties.iter().map(|property| property.saturating_add(PROPERTIES));
    for column in [ACTORS, TIMES, NAMES].into_iter().chain(properties) {
        tables.segment_columns().delete((day, number, column));
    }
}

fn count(tables: &mut TablesMut<'_>, day: i64, run: &Run) -> Result<(), Fault> {
    for (name, counted) in counted(run, day) {
        let mut row = tables.rollups().get((name, day))?.unwrap_or_default();
        let actors = read_bitmap(&row.actors)? | counted.actors;
        add_counts(&mut row, counted.events, counted.late_events, counted.last_late_us);
        row.actors = written_bitmap(&actors)?;
        tables.rollups().put((name, day), &row);
    }
    Ok(())
}

/// Events of a day that went before they were counted.
fn count_erased(tables: &mut TablesMut<'_>, day: i64, run: &Run, now: Timestamp) -> Result<(), Fault> {
    for (name, counted) in counted(run, day) {
        let mut row = tables.rollups().get((name, day))?.unwrap_or_default();
        row.erased_events = row.erased_events.saturating_add(counted.events);
        row.last_erased_at_us = now.as_micros();
        tables.rollups().put((name, day), &row);
    }
    Ok(())
}

fn add_counts(row: &mut RollupRow, events: u64, late_events: u64, last_late_us: i64) {
    row.events = row.events.saturating_add(events);
    row.late_events = row.late_events.saturating_add(late_events);
    row.last_late_at_us = row.last_late_at_us.max(last_late_us);
}

/// A set of actors as it stands in a row.
pub(crate) fn read_bitmap(actors: &[u8]) -> Result<RoaringBitmap, Fault> {
    if actors.is_empty() {
        return Ok(RoaringBitmap::new());
    }
    RoaringBitmap::deserialize_from(actors)
        .map_err(|error| Fault::Damaged(format!("a set of actors cannot be read: {error}")))
}

pub(super) fn written_bitmap(actors: &RoaringBitmap) -> Result<Bytes, Fault> {
    let mut actors = actors.clone();
    actors.optimize();
    let mut bytes = Vec::with_capacity(actors.serialized_size());
    actors.serialize_into(&mut bytes).map_err(|error| Fault::Damaged(error.to_string()))?;
    Ok(bytes.into())
}

/// What happened under one name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    pub(crate) events: u64,
    pub(crate) actors: RoaringBitmap,
    pub(crate) late_events: u64,
    pub(crate) last_late_us: i64,
}

/// What happened on a day, by name.
pub(crate) fn counted(run: &Run, day: i64) -> BTreeMap<u32, Counted> {
    let mut counts = Counts::default();
    counts.add(run);
    counts.finish().remove(&day).unwrap_or_default()
}

/// Counts what happens, by day and name.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    by_name: BTreeMap<(i64, u32), (Counted, Vec<u32>)>,
}

impl Counts {
    pub(crate) fn add(&mut self, run: &Run) {
        for (place, ((actor, time), name)) in run.actors.iter().zip(&run.times).zip(&run.names).enumerate() {
            let day = crate::day_of(*time);
            let (counted, actors) = self.by_name.entry((day, *name)).or_default();
            counted.events += 1;
            if *actor != 0 {
                actors.push(*actor);
            }
            let recorded_us = run.recorded_us.get(place).copied().unwrap_or_default();
            if recorded_us >= day.saturating_add(1).saturating_mul(DAY_MS * 1_000) {
                counted.late_events += 1;
                counted.last_late_us = counted.last_late_us.max(recorded_us);
            }
        }
    }

    /// By day, then by name.
    pub(crate) fn finish(self) -> BTreeMap<i64, BTreeMap<u32, Counted>> {
        let mut by_day: BTreeMap<i64, BTreeMap<u32, Counted>> = BTreeMap::new();
        for ((day, name), (mut counted, mut actors)) in self.by_name {
            actors.sort_unstable();
            actors.dedup();
            // Sorted, so none is refused.
            counted.actors = RoaringBitmap::from_sorted_iter(actors).unwrap_or_default();
            by_day.entry(day).or_default().insert(name, counted);
        }
        by_day
    }
}
