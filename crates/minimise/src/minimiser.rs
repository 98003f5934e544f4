//! From events as programs send them to a batch as it stands on the log.

use std::collections::{BTreeMap, BTreeSet};

use daybook_event_rules::profile::Profile;
use daybook_event_rules::schema_rules::{event_name_problem, name_problem};
use daybook_kernel::hash::Hash;
use daybook_kernel::time::Timestamp;
use daybook_privacy::EpochKey;
use daybook_proto::product_analytics::v1::{
    DroppedProperty, Event, EventBatch, EventRegistry, PropertyColumn, Refusal, RefusedEvent,
};

use crate::known::{KnownEvent, KnownProperty};
use crate::value::{self, Value};

/// Minimises events as one registry has it.
#[derive(Debug)]
pub struct Minimiser {
    hash: bytes::Bytes,
    profile: Profile,
    events: BTreeMap<String, KnownEvent>,
}

/// An event that passed.
struct Kept<'a> {
    index: u32,
    name: &'a str,
    time_ms: i64,
    event: &'a Event,
    values: Vec<(&'a str, Value<'a>)>,
}

/// Why an event does not pass.
struct Refused<'a> {
    reason: Refusal,
    property: &'a str,
}

impl Minimiser {
    /// For a registry. `None` if it has no hash.
    pub fn new(registry: &EventRegistry) -> Option<Self> {
        let profile = Profile::of(&registry.profile.clone().unwrap_or_default());
        let events = registry.schemas.iter().map(|schema| (schema.name.clone(), KnownEvent::new(schema, &profile)));
        Some(Self { hash: Hash::from_hex(&registry.hash)?.to_bytes(), events: events.collect(), profile })
    }

    /// The epochs whose keys are needed, each by the day on which it begins, counted from 1970. Never many: no key is made
    /// for a time at which no event can count.
    pub fn epochs(&self, events: &[Event], now: Timestamp) -> BTreeSet<i64> {
        let times =
            events.iter().filter_map(|event| time_ms(event, now)).map(|time_ms| self.profile.coarsened(time_ms));
        times
            .filter(|time_ms| self.out_of_reach(*time_ms, now).is_none())
            .map(|time_ms| self.profile.epoch_of(time_ms))
            .collect()
    }

    /// Why an event of this time cannot count, whatever the log's clock says: that may be ahead of this node's, but not by
    /// years. What is late by less is decided by the log.
    fn out_of_reach(&self, time_ms: i64, now: Timestamp) -> Option<Refusal> {
        const CLOCKS_APART_MAX_MS: i64 = 400 * 86_400_000;
        let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let before_now = now.as_micros().div_euclid(1_000).saturating_sub(time_ms);
        let late =
            ms(self.profile.late_max).saturating_add(self.profile.granularity_ms).saturating_add(CLOCKS_APART_MAX_MS);
        let early = ms(self.profile.future_max).saturating_add(CLOCKS_APART_MAX_MS);
        if before_now > late {
            Some(Refusal::TooLate)
        } else if before_now < -early {
            Some(Refusal::InTheFuture)
        } else {
            None
        }
    }

    /// What is left of events. `keys` are those of [`Minimiser::epochs`]: where one is missing, because it was destroyed,
    /// the events of that epoch are too late.
    pub fn minimise(&self, events: &[Event], now: Timestamp, keys: &BTreeMap<i64, EpochKey>) -> EventBatch {
        let mut batch = EventBatch { registry_hash: self.hash.clone(), ..Default::default() };
        let mut dropped: BTreeMap<&str, u32> = BTreeMap::new();
        let mut kept = Vec::with_capacity(events.len());
        for (index, event) in (0u32..).zip(events) {
            let looked_at = self.look_at(index, event, now, &mut dropped).and_then(|one| {
                let has_key = keys.contains_key(&self.profile.epoch_of(one.time_ms));
                match self.out_of_reach(one.time_ms, now).or((!has_key).then_some(Refusal::TooLate)) {
                    Some(reason) => Err(Refused { reason, property: "" }),
                    None => Ok(one),
                }
            });
            match looked_at {
                Ok(one) => kept.push(one),
                Err(why) => batch.refused.push(refused(index, event, &why)),
            }
        }
        self.lay_out(&kept, keys, &mut batch);
        let dropped = dropped.into_iter();
        batch.dropped = dropped
            .map(|(name, count)| DroppedProperty { name: name.to_owned(), reason: Refusal::NoConsent.into(), count })
            .collect();
        batch
    }

    fn look_at<'a>(
        &'a self,
        index: u32,
        event: &'a Event,
        now: Timestamp,
        dropped: &mut BTreeMap<&'a str, u32>,
    ) -> Result<Kept<'a>, Refused<'a>> {
        let whole = |reason| Refused { reason, property: "" };
        let (name, known) = self.events.get_key_value(&event.name).ok_or(whole(Refusal::UnknownEvent))?;
        if event.schema_version > known.version {
            return Err(whole(Refusal::UnknownVersion));
        }
        if !agrees(event, &known.needs_consent) {
            return Err(whole(Refusal::NoConsent));
        }
        let time_ms = time_ms(event, now).ok_or(whole(Refusal::NoTime))?;
        let mut values = Vec::new();
        for (property, value) in event.properties.iter().flat_map(|properties| &properties.fields) {
            let of_property = |reason| Refused { reason, property };
            let (property, known) =
                known.properties.get_key_value(property).ok_or(of_property(Refusal::UnknownProperty))?;
            if !agrees(event, &known.needs_consent) {
                *dropped.entry(property).or_default() += 1;
                continue;
            }
            if let Some(value) = read(value, known).map_err(of_property)? {
                values.push((property.as_str(), value));
            }
        }
        let is_missing = |required: &&String| !values.iter().any(|(property, _)| property == *required);
        let may_be_dropped = |required: &String| {
            known.properties.get(required).is_some_and(|known| !agrees(event, &known.needs_consent))
        };
        if let Some(property) = known.required.iter().filter(|required| !may_be_dropped(required)).find(is_missing) {
            return Err(Refused { reason: Refusal::MissingProperty, property });
        }
        Ok(Kept { index, name, time_ms: self.profile.coarsened(time_ms), event, values })
    }

    fn lay_out(&self, kept: &[Kept<'_>], keys: &BTreeMap<i64, EpochKey>, batch: &mut EventBatch) {
        let mut names: BTreeMap<&str, u32> = BTreeMap::new();
        let mut actors: BTreeMap<[u8; 16], u32> = BTreeMap::new();
        let mut pseudonyms: BTreeMap<(i64, &str), u32> = BTreeMap::new();
        let mut columns: BTreeMap<&str, (PropertyColumn, BTreeMap<&str, i64>)> = BTreeMap::new();
        let (mut actor_bytes, mut id_bytes, mut before) = (Vec::new(), Vec::new(), 0i64);
        let mut epochs = BTreeSet::new();
        for (place, one) in (0u32..).zip(kept) {
            let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
            let name = *names.entry(one.name).or_insert_with(|| {
                batch.names.push(one.name.to_owned());
                next
            });
            batch.name.push(name);
            batch.index.push(one.index);
            batch.time_delta_ms.push(one.time_ms.wrapping_sub(before));
            before = one.time_ms;
            let epoch = self.profile.epoch_of(one.time_ms);
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
                let (column, ids) = columns.entry(property).or_default();
                let value = match value {
                    Value::Number(number) => *number,
                    Value::Id(id) => {
                        let next = i64::try_from(ids.len()).unwrap_or(i64::MAX);
                        *ids.entry(id).or_insert_with(|| {
                            column.ids.push((*id).to_owned());
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
            columns.map(|(name, (column, _))| PropertyColumn { name: name.to_owned(), ..column }).collect();
    }
}

fn read<'a>(value: &'a prost_types::Value, known: &KnownProperty) -> Result<Option<Value<'a>>, Refusal> {
    match &value.kind {
        Some(kind) => value::read(kind, known),
        None => Ok(None),
    }
}

fn agrees(event: &Event, needed: &Option<String>) -> bool {
    needed.as_ref().is_none_or(|purpose| event.consents.contains(purpose))
}

/// When an event happened, in milliseconds since 1970. `None`: at no time that there is.
fn time_ms(event: &Event, now: Timestamp) -> Option<i64> {
    let at = match &event.time {
        Some(time) => Timestamp::from_proto(time).ok()?,
        None => now,
    };
    Some(at.as_micros().div_euclid(1_000))
}

/// An event that is refused, with the names that may be said of it.
fn refused(index: u32, event: &Event, why: &Refused<'_>) -> RefusedEvent {
    let name = match why.reason {
        Refusal::UnknownEvent if event_name_problem(&event.name).is_some() || !may_be_said(&event.name) => "",
        _ => &event.name,
    };
    let property = match why.reason {
        Refusal::UnknownProperty if name_problem(why.property).is_some() || !may_be_said(why.property) => "",
        _ => why.property,
    };
    RefusedEvent { index, reason: why.reason.into(), name: name.to_owned(), property: property.to_owned() }
}

/// Whether a name that nobody has registered may be repeated: it is made of words, with two digits at the end at most, and
/// the detectors see nothing in it. They do not know a key or an address that a program has turned into small letters.
fn may_be_said(name: &str) -> bool {
    const LETTERS_MAX: usize = 20;
    const DIGITS_MAX: usize = 2;
    let is_word = |word: &str| {
        let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = word.len() - letters.len();
        (1..=LETTERS_MAX).contains(&letters.len())
            && digits <= DIGITS_MAX
            && letters.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    name.split(['.', '_']).all(is_word) && !value::is_personal(name)
}
