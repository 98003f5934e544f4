//! Events that were recorded: a row for the batch, numbers for its actors, ids to remember, counts of what was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use daybook_event_rules::profile::Profile;
use daybook_kernel::domain::Moment;
use daybook_kernel::key::All;
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{self, EventBatch, EventIdsRow, EventStateRow, NumberRow, RecentRow};
use daybook_proto::product_analytics::v1::{RefusedRow, ValueColumn};
use daybook_proto::system::v1::Mark;

use super::{epochs, lacking, lay_out};
use crate::columns::Writer;
use crate::{TablesMut, segment};

/// Batches whose ids are forgotten with each one that comes in. More than one, so that the table becomes smaller.
const FORGOTTEN_AT_ONCE: usize = 2;

/// Names under which refused events are counted.
const REFUSED_ROWS_MAX: u32 = 10_000;

pub(super) fn recorded(
    tables: &mut TablesMut<'_>,
    event: &v1::EventsRecorded,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let batch = event.batch.as_ref().ok_or_else(|| lacking("its batch"))?;
    let mut state = tables.state().get(())?.unwrap_or_default();
    count_refused(tables, &mut state, event, moment)?;
    let refused: BTreeSet<u32> = event.refused.iter().map(|refused| refused.index).collect();
    let kept: Vec<usize> = (0..batch.name.len())
        .filter(|place| batch.index.get(*place).is_some_and(|index| !refused.contains(index)))
        .collect();
    if !kept.is_empty() {
        let row = row_of(tables, &mut state, batch, &kept, moment)?;
        state.recent_events = state.recent_events.saturating_add(row.count);
        state.recent_batches = state.recent_batches.saturating_add(1);
        tables.recent().put((moment.position.offset.0, moment.event_index), &row);
        remember_ids(tables, batch, &kept, moment)?;
    }
    let profile = Profile::of(&tables.profile().get(())?.unwrap_or_default());
    epochs::recorded(tables, &batch.epochs, &profile, moment)?;
    forget_ids(tables, &mut state, profile.deduplication_window, moment)?;
    if lay_out::is_due(&state) {
        lay_out::lay_out(tables, &mut state, None)?;
    }
    super::changed(&mut state, moment);
    tables.state().put((), &state);
    Ok(())
}

/// The batch as it is kept: numbers in place of names and pseudonyms.
fn row_of(
    tables: &mut TablesMut<'_>,
    state: &mut EventStateRow,
    batch: &EventBatch,
    kept: &[usize],
    moment: &Moment<'_>,
) -> Result<RecentRow, Fault> {
    let mut names = Vec::with_capacity(batch.names.len());
    for name in &batch.names {
        names.push(tables.schemas().get((name,))?.map(|row| row.number));
    }
    let mut times = Vec::with_capacity(batch.time_delta_ms.len());
    batch.time_delta_ms.iter().fold(0i64, |before, delta| {
        times.push(before.wrapping_add(*delta));
        before.wrapping_add(*delta)
    });
    let mut actors: BTreeMap<u32, u32> = BTreeMap::new();
    let (mut actor_column, mut name_column, mut time_column) =
        (Writer::default(), Writer::default(), Writer::default());
    let mut places = vec![None; batch.name.len()];
    for (place, at) in kept.iter().enumerate() {
        let name = batch.name.get(*at).and_then(|name| names.get(*name as usize).copied().flatten());
        let actor = batch.actor.get(*at).ok_or_else(|| lacking("an actor"))?;
        let number = match (*actor, actors.get(actor)) {
            (0, _) => 0,
            (_, Some(number)) => *number,
            (actor, None) => {
                let number = number_of(tables, state, &batch.actors, actor)?;
                actors.insert(actor, number);
                number
            }
        };
        actor_column.unsigned(u64::from(number));
        name_column.unsigned(u64::from(name.ok_or_else(|| lacking("a registered name"))?));
        time_column.difference(*times.get(*at).ok_or_else(|| lacking("a time"))?);
        if let Some(slot) = places.get_mut(*at) {
            *slot = Some(place);
        }
    }
    let mut properties = Vec::with_capacity(batch.properties.len());
    for column in &batch.properties {
        let number = tables.properties().get((&column.name,))?.ok_or_else(|| lacking("a registered property"))?.number;
        let (mut at, mut values) = (Writer::default(), Writer::default());
        for (event, value) in column.events.iter().zip(&column.values) {
            if let Some(place) = places.get(*event as usize).copied().flatten() {
                at.difference(i64::try_from(place).unwrap_or(i64::MAX));
                values.signed(*value);
            }
        }
        let ids = column.ids.clone();
        properties.push(ValueColumn { property: number, places: at.finish(), values: values.finish(), ids });
    }
    Ok(RecentRow {
        count: u32::try_from(kept.len()).unwrap_or(u32::MAX),
        actors: actor_column.finish(),
        names: name_column.finish(),
        times: time_column.finish(),
        properties,
        recorded_at_us: moment.now.as_micros(),
    })
}

/// The number of an actor, a new one for one that was never seen.
fn number_of(tables: &mut TablesMut<'_>, state: &mut EventStateRow, actors: &[u8], actor: u32) -> Result<u32, Fault> {
    let pseudonym = segment::id16(actors, actor as usize - 1).ok_or_else(|| lacking("an actor's pseudonym"))?;
    if let Some(row) = tables.actors().get((pseudonym,))? {
        return Ok(row.number);
    }
    state.actor_numbers = state.actor_numbers.checked_add(1).ok_or_else(|| lacking("room for more actors"))?;
    tables.actors().put((pseudonym,), &NumberRow { number: state.actor_numbers });
    Ok(state.actor_numbers)
}

fn remember_ids(
    tables: &mut TablesMut<'_>,
    batch: &EventBatch,
    kept: &[usize],
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let mut ids = Vec::with_capacity(batch.event_ids.len());
    for id in kept.iter().filter_map(|place| segment::id16(&batch.event_ids, *place)) {
        if *id != [0; 16] {
            tables.event_ids().put((id,), &Mark {});
            ids.extend_from_slice(id);
        }
    }
    if !ids.is_empty() {
        let row = EventIdsRow { recorded_at_us: moment.now.as_micros(), event_ids: ids.into() };
        tables.event_ids_by_batch().put((moment.position.offset.0,), &row);
    }
    Ok(())
}

/// Forgets the oldest ids whose window is over.
fn forget_ids(
    tables: &mut TablesMut<'_>,
    state: &mut EventStateRow,
    window: Duration,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let oldest: Vec<_> = tables.read(|tables| {
        let rows = tables.event_ids_by_batch().scan_from(All, (state.forget_ids_from,));
        rows.take(FORGOTTEN_AT_ONCE).collect::<Result<_, Fault>>()
    })?;
    for ((offset,), row) in oldest {
        if moment.now.since(Timestamp::from_micros(row.recorded_at_us)) <= window {
            break;
        }
        for id in row.event_ids.chunks_exact(16).filter_map(|id| id.first_chunk()) {
            tables.event_ids().delete((id,));
        }
        tables.event_ids_by_batch().delete((offset,));
        state.forget_ids_from = offset.saturating_add(1);
    }
    Ok(())
}

fn count_refused(
    tables: &mut TablesMut<'_>,
    state: &mut EventStateRow,
    event: &v1::EventsRecorded,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let batch = event.batch.as_ref().ok_or_else(|| lacking("its batch"))?;
    let mut counts: BTreeMap<(&str, &str, i32), u64> = BTreeMap::new();
    for refused in batch.refused.iter().chain(&event.refused) {
        *counts.entry((&refused.name, &refused.property, refused.reason)).or_default() += 1;
    }
    for dropped in &batch.dropped {
        *counts.entry(("", &dropped.name, dropped.reason)).or_default() += u64::from(dropped.count);
    }
    for ((name, property, reason), count) in counts {
        let reason = reason.cast_unsigned();
        let mut key = (name, property, reason);
        let mut row = tables.refused().get(key)?;
        if row.is_none() && state.refused_rows >= REFUSED_ROWS_MAX {
            // Callers choose the names: what is beyond the limit is counted together.
            key = ("", "", reason);
            row = tables.refused().get(key)?;
        }
        if row.is_none() {
            state.refused_rows = state.refused_rows.saturating_add(1);
        }
        let before = row.map_or(0, |row| row.count);
        let row = RefusedRow { count: before.saturating_add(count), last_seen_us: moment.now.as_micros() };
        tables.refused().put(key, &row);
    }
    Ok(())
}
