//! A batch as it stands on the log, put together. The one place in which readable text comes into it, and it takes only
//! [`StorableName`]s and the [`Id`]s that were looked at.

use std::collections::{BTreeMap, BTreeSet};

use daybook_event_rules::profile::Profile;
use daybook_privacy::EpochKey;
use daybook_proto::product_analytics::v1::{DroppedProperty, Event, EventBatch, PropertyColumn, Refusal, RefusedEvent};

use crate::known::StorableName;
use crate::value::Value;

/// An event that passed.
pub(crate) struct Kept<'a> {
    pub(crate) index: u32,
    pub(crate) name: StorableName<'a>,
    /// Cut to the granularity.
    pub(crate) time_ms: i64,
    /// As it was sent: seconds and nanoseconds.
    pub(crate) sent_time: (i64, i32),
    pub(crate) event: &'a Event,
    pub(crate) values: Vec<(StorableName<'a>, Value<'a>)>,
}

/// Why an event does not pass, and what may be said of it.
pub(crate) struct Refused<'a> {
    pub(crate) index: u32,
    pub(crate) reason: Refusal,
    pub(crate) name: StorableName<'a>,
    pub(crate) property: StorableName<'a>,
}

/// What was left out: by name and reason, how often.
pub(crate) type Dropped<'a> = BTreeMap<(StorableName<'a>, Refusal), u32>;

/// A batch under a registry, without events.
pub(crate) fn empty(registry_hash: bytes::Bytes) -> EventBatch {
    EventBatch { registry_hash, ..Default::default() }
}

/// Adds what does not count, in the order of the request.
pub(crate) fn add_refused(batch: &mut EventBatch, mut refused: Vec<Refused<'_>>, dropped: &Dropped<'_>) {
    refused.sort_by_key(|one| one.index);
    batch.refused = refused
        .iter()
        .map(|one| RefusedEvent {
            index: one.index,
            reason: one.reason.into(),
            name: one.name.as_str().to_owned(),
            property: one.property.as_str().to_owned(),
        })
        .collect();
    let dropped = dropped.iter().map(|((name, reason), count)| DroppedProperty {
        name: name.as_str().to_owned(),
        reason: (*reason).into(),
        count: *count,
    });
    batch.dropped = dropped.collect();
}

/// Lays events into columns, in the order of their times as they were sent; those of one instant in that of the request.
/// Cutting times to a granularity makes many of them equal: then this order is all that says what came first.
pub(crate) fn add_events(
    batch: &mut EventBatch,
    mut kept: Vec<Kept<'_>>,
    keys: &BTreeMap<i64, EpochKey>,
    profile: &Profile,
) {
    kept.sort_by_key(|one| one.sent_time);
    let mut names: BTreeMap<StorableName<'_>, u32> = BTreeMap::new();
    let mut actors: BTreeMap<[u8; 16], u32> = BTreeMap::new();
    let mut pseudonyms: BTreeMap<(i64, &str), u32> = BTreeMap::new();
    let mut columns: BTreeMap<StorableName<'_>, (PropertyColumn, BTreeMap<&str, i64>)> = BTreeMap::new();
    let (mut actor_bytes, mut id_bytes, mut before) = (Vec::new(), Vec::new(), 0i64);
    let mut epochs = BTreeSet::new();
    for (place, one) in (0u32..).zip(&kept) {
        let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let name = *names.entry(one.name).or_insert_with(|| {
            batch.names.push(one.name.as_str().to_owned());
            next
        });
        batch.name.push(name);
        batch.index.push(one.index);
        batch.time_delta_ms.push(one.time_ms.wrapping_sub(before));
        before = one.time_ms;
        let epoch = profile.epoch_of(one.time_ms);
        epochs.insert(epoch);
        let key = keys.get(&epoch);
        let id = match key {
            Some(key) if !one.event.event_id.is_empty() => key.event(&one.event.event_id),
            _ => [0; 16],
        };
        id_bytes.extend_from_slice(&id);
        let actor = match key {
            Some(key) if !one.event.actor.is_empty() => {
                *pseudonyms.entry((epoch, &one.event.actor)).or_insert_with(|| {
                    let pseudonym = key.actor(&one.event.actor);
                    let next = u32::try_from(actors.len() + 1).unwrap_or(u32::MAX);
                    *actors.entry(pseudonym).or_insert_with(|| {
                        actor_bytes.extend_from_slice(&pseudonym);
                        next
                    })
                })
            }
            _ => 0,
        };
        batch.actor.push(actor);
        for (property, value) in &one.values {
            let (column, ids) = columns.entry(*property).or_default();
            let value = match value {
                Value::Number(number) => *number,
                Value::Id(id) => {
                    let next = i64::try_from(ids.len()).unwrap_or(i64::MAX);
                    *ids.entry(id.as_str()).or_insert_with(|| {
                        column.ids.push(id.as_str().to_owned());
                        next
                    })
                }
            };
            column.events.push(place);
            column.values.push(value);
        }
    }
    batch.epochs = epochs.into_iter().collect();
    batch.actors = actor_bytes.into();
    if kept.iter().any(|one| !one.event.event_id.is_empty()) {
        batch.event_ids = id_bytes.into();
    }
    let columns = columns.into_iter();
    batch.properties =
        columns.map(|(name, (column, _))| PropertyColumn { name: name.as_str().to_owned(), ..column }).collect();
}
