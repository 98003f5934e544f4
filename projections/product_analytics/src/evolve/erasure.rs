//! Actors that are erased.
//!
//! ```text
//! ActorErased         pseudonym -> number is forgotten; the number is masked in every answer and export from here on
//! ErasedActorsPurged  some more segments are written anew without them, and counted out of the rollups; again and again
//!                     by a timer, until the last segment
//! ```
//!
//! In steps, so that whoever records events beside it does not wait for long.

use std::collections::BTreeMap;

use daybook_kernel::domain::Moment;
use daybook_kernel::key::All;
use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{self, ErasedRow, PurgeErasedActors, SegmentRow};
use roaring::RoaringBitmap;

use super::{lacking, lay_out};
use crate::segment::{Run, occurs};
use crate::{Tables, TablesMut};

/// Events in segments that one step looks at.
const LOOKED_AT_MAX: u64 = 4_000_000;
/// Events in segments that one step writes anew.
const WRITTEN_MAX: u64 = 500_000;

/// The actors that were erased and are still in segments and rollups.
pub(crate) fn erased(tables: &Tables<'_>) -> Result<RoaringBitmap, Fault> {
    tables.erased().get(())?.map_or_else(|| Ok(RoaringBitmap::new()), |row| lay_out::read_bitmap(&row.actors))
}

pub(super) fn actor_erased(
    tables: &mut TablesMut<'_>,
    event: &v1::ActorErased,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let mut erased = tables.read(|tables| erased(&tables))?;
    let before = erased.len();
    for pseudonym in &event.pseudonyms {
        let pseudonym: &[u8; 16] = pseudonym.first_chunk().ok_or_else(|| lacking("a whole pseudonym"))?;
        if let Some(row) = tables.actors().get((pseudonym,))? {
            // Whoever comes back under this pseudonym is somebody new.
            tables.actors().delete((pseudonym,));
            erased.insert(row.number);
        }
    }
    if erased.len() == before {
        return Ok(());
    }
    // Events that are in no segment yet go at once.
    let mut state = tables.state().get(())?.unwrap_or_default();
    lay_out::lay_out(tables, &mut state, Some((&erased, moment.now)))?;
    tables.state().put((), &state);
    let row = ErasedRow { actors: lay_out::written_bitmap(&erased)?, next_day: i64::MIN, next_segment: 0 };
    tables.erased().put((), &row);
    set_timer(tables, moment)
}

/// One more step.
pub(super) fn purge(tables: &mut TablesMut<'_>, moment: &Moment<'_>) -> Result<(), Fault> {
    let Some(row) = tables.erased().get(())? else { return Ok(()) };
    let erased = lay_out::read_bitmap(&row.actors)?;
    let step = tables.read(|tables| Step::from(&tables, &erased, (row.next_day, row.next_segment)))?;
    for ((day, number), segment) in step.concerned {
        write_anew(tables, (day, number), &segment, &erased, moment)?;
    }
    match step.next {
        Some((next_day, next_segment)) => {
            tables.erased().put((), &ErasedRow { next_day, next_segment, ..row });
            set_timer(tables, moment)
        }
        None => {
            tables.erased().delete(());
            Ok(())
        }
    }
}

type Key = (i64, u64);

/// Segments that are looked at in one step.
#[derive(Default)]
struct Step {
    /// Those in which erased actors occur.
    concerned: Vec<(Key, SegmentRow)>,
    /// Where to go on.
    next: Option<Key>,
}

impl Step {
    fn from(tables: &Tables<'_>, erased: &RoaringBitmap, from: Key) -> Result<Self, Fault> {
        let (mut looked_at, mut to_write) = (0u64, 0u64);
        let mut step = Self::default();
        for row in tables.segments().scan_from(All, from) {
            let (key, row) = row?;
            if looked_at >= LOOKED_AT_MAX || to_write >= WRITTEN_MAX {
                step.next = Some(key);
                break;
            }
            looked_at = looked_at.saturating_add(u64::from(row.count));
            if occurs(tables, key, &row, erased)? {
                to_write = to_write.saturating_add(u64::from(row.count));
                step.concerned.push((key, row));
            }
        }
        Ok(step)
    }
}

fn write_anew(
    tables: &mut TablesMut<'_>,
    (day, number): Key,
    row: &SegmentRow,
    erased: &RoaringBitmap,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let run = tables.read(|tables| Run::of_segment(&tables, day, number, row))?;
    let (kept, gone) = run.parted(|actor| erased.contains(actor));
    lay_out::delete_segment(tables, (day, number), row);
    if !kept.is_empty() {
        lay_out::write_segment(tables, (day, number), &kept);
    }
    let mut by_name: BTreeMap<u32, u64> = BTreeMap::new();
    for name in gone.names {
        *by_name.entry(name).or_default() += 1;
    }
    for (name, events) in by_name {
        let Some(mut row) = tables.rollups().get((name, day))? else { continue };
        let actors = lay_out::read_bitmap(&row.actors)? - erased;
        row.actors = lay_out::written_bitmap(&actors)?;
        row.events = row.events.saturating_sub(events);
        row.late_events = row.late_events.min(row.events);
        row.erased_events = row.erased_events.saturating_add(events);
        row.last_erased_at_us = moment.now.as_micros();
        tables.rollups().put((name, day), &row);
    }
    Ok(())
}

fn set_timer(tables: &mut TablesMut<'_>, moment: &Moment<'_>) -> Result<(), Fault> {
    super::set_timer(tables, "purge-erased-actors", moment.now, moment, &PurgeErasedActors {})
}
