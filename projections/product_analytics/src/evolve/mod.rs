//! What each event changes.

mod epochs;
mod erasure;
mod exports;
mod lay_out;
mod recorded;

use daybook_kernel::domain::Moment;
use daybook_kernel::id::StreamKey;
use daybook_kernel::state::Fault;
use daybook_kernel::system::TimerCommand;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{self, EventSchemaRow, EventStateRow, NumberRow};
use prost::{Message, Name};

pub(crate) use erasure::erased;
pub(crate) use lay_out::{Counted, Counts, read_bitmap};

use crate::{DOMAIN, Event, TablesMut, registry};

pub(crate) fn evolve(tables: &mut TablesMut<'_>, event: &Event, moment: &Moment<'_>) -> Result<(), Fault> {
    match event {
        Event::EventSchemasSet(event) => schemas_set(tables, event, moment)?,
        Event::MinimisationProfileSet(event) => {
            tables.profile().put((), &event.profile.clone().ok_or_else(|| lacking("its profile"))?);
            registry::changed(tables, moment.now)?;
            epochs::profile_set(tables, moment)?;
        }
        // Has the state in hand: it is read and written once for each batch.
        Event::EventsRecorded(event) => return recorded::recorded(tables, event, moment),
        Event::MetricDefined(event) => {
            let definition = event.definition.as_ref().ok_or_else(|| lacking("its definition"))?;
            tables.metrics().put((&definition.name, definition.version), definition);
        }
        Event::ActorErased(event) => erasure::actor_erased(tables, event, moment)?,
        Event::ErasedActorsPurged(_) => erasure::purge(tables, moment)?,
        // What follows changes nothing that an export holds.
        Event::EventExportRequested(event) => return exports::requested(tables, event, moment),
        Event::EventExportFinished(event) => return exports::finished(tables, event, moment),
        Event::EventExportScheduleSet(event) => return exports::schedule_set(tables, event, moment),
        Event::PseudonymEpochEnded(event) => return epochs::ended(tables, event.epoch),
        Event::EpochKeysDestroyed(event) => return epochs::keys_destroyed(tables, event),
    }
    let mut state = tables.state().get(())?.unwrap_or_default();
    changed(&mut state, moment);
    tables.state().put((), &state);
    Ok(())
}

/// Notes where something was changed that an export holds.
fn changed(state: &mut EventStateRow, moment: &Moment<'_>) {
    state.changed_at_offset = moment.position.offset.0;
    state.changed_at_us = moment.now.as_micros();
}

/// Sets a timer that becomes a command of this domain, named after its message.
fn set_timer<M: Message + Name>(
    tables: &mut TablesMut<'_>,
    id: &str,
    due: Timestamp,
    moment: &Moment<'_>,
    command: &M,
) -> Result<(), Fault> {
    let stream_key = StreamKey::of_tenant(moment.tenant);
    let command =
        TimerCommand { domain: DOMAIN, stream_key: &stream_key, kind: M::NAME, payload: command.encode_to_vec() };
    tables.timers().set(id, due, moment, command)
}

fn schemas_set(tables: &mut TablesMut<'_>, event: &v1::EventSchemasSet, moment: &Moment<'_>) -> Result<(), Fault> {
    if event.schemas.is_empty() {
        return Ok(());
    }
    let mut state = tables.state().get(())?.unwrap_or_default();
    for schema in &event.schemas {
        let number = match tables.schemas().get((&schema.name,))? {
            Some(row) => row.number,
            None => {
                state.event_numbers += 1;
                state.event_numbers
            }
        };
        for property in &schema.properties {
            if tables.properties().get((&property.name,))?.is_none() {
                state.property_numbers += 1;
                tables.properties().put((&property.name,), &NumberRow { number: state.property_numbers });
            }
        }
        tables.schemas().put((&schema.name,), &EventSchemaRow { schema: Some(schema.clone()), number });
    }
    tables.state().put((), &state);
    registry::changed(tables, moment.now)
}

/// An event lacks what its kind must have.
fn lacking(what: &str) -> Fault {
    Fault::Damaged(format!("an event of product analytics lacks {what}"))
}
