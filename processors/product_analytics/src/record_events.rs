//! Recording events. The door has minimised them; here is decided which of them count: those that are registered, not too
//! late, not in the future, and not recorded before.

use std::collections::{BTreeMap, BTreeSet};

use daybook_event_rules::EVENTS_MAX;
use daybook_event_rules::profile::Profile;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{self, EventBatch, EventSchema, PropertyType, RefusedEvent};
use product_analytics_projection::segment::id16;
use product_analytics_projection::{Event, NAMESPACE, ProductAnalytics, Tables, registry};

use crate::codes;

/// Records events.
#[derive(Debug, Clone)]
pub struct RecordEvents {
    batch: EventBatch,
}

impl Command for RecordEvents {
    type Request = v1::RecordEventsRequest;
    type Response = v1::RecordEventsResponse;
    type Projection = ProductAnalytics;
    const KIND: &'static str = "RecordEvents";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        fields.check("events", request.events.is_empty(), "must not reach the log: the door minimises them");
        let batch = fields.required("batch", request.batch);
        let total = batch.name.len().saturating_add(batch.refused.len());
        fields.check("events", (1..=EVENTS_MAX).contains(&total), "must have 1 to 2000 entries");
        if let Some(problem) = shape_problem(&batch) {
            fields.wrong("batch", problem);
        }
        fields.finish(Self { batch })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Events", "events")))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        ctx.requires(crate::LEVEL)?;
        let hash = self.batch.registry_hash.first_chunk().filter(|_| self.batch.registry_hash.len() == 32);
        if !hash.map_or(Ok(false), |hash| registry::is_known(tables, hash, ctx.now))? {
            let message = "the events were minimised under a registry of events that is not in force any more; nothing was \
                           recorded; send them again under a new command id";
            return Err(Rejection::new(codes::EVENT_REGISTRY_CHANGED, message).into());
        }
        let mut schemas: BTreeMap<&str, Option<EventSchema>> = BTreeMap::new();
        for name in &self.batch.names {
            schemas.insert(name, tables.schemas().get((name,))?.and_then(|row| row.schema));
        }
        let wrong_values = self.wrong_values(&schemas);
        let profile = Profile::of(&tables.profile().get(())?.unwrap_or_default());
        let mut seen = BTreeSet::new();
        let mut refused = Vec::new();
        let mut deprecated = BTreeSet::new();
        let mut time_ms = 0i64;
        for (place, (name, delta)) in self.batch.name.iter().zip(&self.batch.time_delta_ms).enumerate() {
            time_ms = time_ms.wrapping_add(*delta);
            let name = self.batch.names.get(*name as usize).map_or("", String::as_str);
            let reason = match schemas.get(name).and_then(Option::as_ref) {
                None => Some(v1::Refusal::UnknownEvent),
                Some(schema) if has_come(&schema.refused_after, ctx.now) => Some(v1::Refusal::RetiredEvent),
                Some(_) if wrong_values.contains(&place) => Some(v1::Refusal::WrongValue),
                Some(schema) => {
                    if has_come(&schema.deprecated_at, ctx.now) {
                        deprecated.insert(name);
                    }
                    match time_problem(time_ms, ctx.now, &profile) {
                        None if self.is_repeated(tables, place, &mut seen)? => Some(v1::Refusal::Duplicate),
                        reason => reason,
                    }
                }
            };
            if let Some(reason) = reason {
                let index = self.batch.index.get(place).copied().unwrap_or_default();
                let property = String::new();
                refused.push(RefusedEvent { index, reason: reason.into(), name: name.to_owned(), property });
            }
        }
        let deprecated_names = deprecated.into_iter().map(str::to_owned).collect();
        Ok(vec![Event::EventsRecorded(v1::EventsRecorded {
            batch: Some(self.batch.clone()),
            refused,
            deprecated_names,
        })])
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let [Event::EventsRecorded(event)] = events else { return Ok(v1::RecordEventsResponse::default()) };
        let batch = event.batch.clone().unwrap_or_default();
        let accepted = batch.name.len().saturating_sub(event.refused.len());
        let mut refused: Vec<_> = batch.refused.into_iter().chain(event.refused.clone()).take(EVENTS_MAX).collect();
        refused.sort_by_key(|refused| refused.index);
        Ok(v1::RecordEventsResponse {
            receipt: None,
            accepted_count: u32::try_from(accepted).unwrap_or(u32::MAX),
            refused,
            deprecated_names: event.deprecated_names.clone(),
        })
    }
}

impl RecordEvents {
    /// Whether an event with this id was recorded before, or stands in this batch before.
    fn is_repeated<'a>(
        &'a self,
        tables: &Tables<'_>,
        place: usize,
        seen: &mut BTreeSet<&'a [u8; 16]>,
    ) -> Result<bool, Fault> {
        match id16(&self.batch.event_ids, place).filter(|id| **id != [0; 16]) {
            Some(id) => Ok(!seen.insert(id) || tables.event_ids().contains((id,))?),
            None => Ok(false),
        }
    }

    /// Events with a value that their schema does not have. The door lets none through; a log outlives its doors.
    fn wrong_values(&self, schemas: &BTreeMap<&str, Option<EventSchema>>) -> BTreeSet<usize> {
        let mut wrong = BTreeSet::new();
        for column in &self.batch.properties {
            // For each name of the batch, what the property may hold.
            let of = |name: &String| {
                let schema = schemas.get(name.as_str()).and_then(Option::as_ref)?;
                schema.properties.iter().find(|property| property.name == column.name)
            };
            let properties: Vec<_> = self.batch.names.iter().map(of).collect();
            for (event, value) in column.events.iter().zip(&column.values) {
                let place = *event as usize;
                let name = self.batch.name.get(place).map_or(usize::MAX, |name| *name as usize);
                let fits = properties.get(name).copied().flatten().is_some_and(|property| match property.r#type() {
                    PropertyType::Unspecified => false,
                    PropertyType::Enum => is_place(*value, property.values.len()),
                    PropertyType::Boolean => is_place(*value, 2),
                    PropertyType::OpaqueId => is_place(*value, column.ids.len()),
                    PropertyType::Integer | PropertyType::Duration | PropertyType::Money => {
                        (property.minimum..=property.maximum).contains(value)
                    }
                });
                if !fits {
                    wrong.insert(place);
                }
            }
        }
        wrong
    }
}

fn is_place(value: i64, count: usize) -> bool {
    usize::try_from(value).is_ok_and(|value| value < count)
}

fn has_come(time: &Option<prost_types::Timestamp>, now: Timestamp) -> bool {
    time.as_ref().and_then(|time| Timestamp::from_proto(time).ok()).is_some_and(|time| time <= now)
}

fn time_problem(time_ms: i64, now: Timestamp, profile: &Profile) -> Option<v1::Refusal> {
    let at = Timestamp::from_micros(time_ms.saturating_mul(1_000));
    if at > now {
        return (at.since(now) > profile.future_max).then_some(v1::Refusal::InTheFuture);
    }
    // A time that was cut to its granularity is earlier than it was by less than that.
    let granularity = std::time::Duration::from_millis(profile.granularity_ms.unsigned_abs());
    (now.since(at) > profile.late_max.saturating_add(granularity)).then_some(v1::Refusal::TooLate)
}

/// Why the columns of a batch do not go together, if they do not.
fn shape_problem(batch: &EventBatch) -> Option<&'static str> {
    let count = batch.name.len();
    let actors = batch.actors.len() / 16;
    let ascends = |events: &[u32]| events.windows(2).all(|two| two.first() < two.last());
    if [batch.index.len(), batch.time_delta_ms.len(), batch.actor.len()].iter().any(|len| *len != count) {
        Some("its columns are not equally long")
    } else if !batch.actors.len().is_multiple_of(16)
        || !matches!(batch.event_ids.len(), len if len == 0 || len == count * 16)
    {
        Some("its ids are not 16 bytes each")
    } else if batch.name.iter().any(|name| *name as usize >= batch.names.len()) {
        Some("a name is none of its names")
    } else if batch.actor.iter().any(|actor| *actor as usize > actors) {
        Some("an actor is none of its actors")
    } else if batch.properties.iter().any(|column| column.events.len() != column.values.len()) {
        Some("a property has not as many values as events")
    } else if batch
        .properties
        .iter()
        .any(|column| !ascends(&column.events) || column.events.last().is_some_and(|event| *event as usize >= count))
    {
        Some("a property is of events that are not there")
    } else if !batch.properties.windows(2).all(|two| two.first().map(|a| &a.name) < two.last().map(|b| &b.name)) {
        Some("a property stands there twice")
    } else {
        None
    }
}
