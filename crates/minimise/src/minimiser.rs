//! From events as programs send them to a batch as it stands on the log.

use std::collections::{BTreeMap, BTreeSet};

use daybook_event_rules::profile::Profile;
use daybook_kernel::hash::Hash;
use daybook_kernel::time::Timestamp;
use daybook_privacy::EpochKey;
use daybook_proto::product_analytics::v1::{Event, EventBatch, EventRegistry, Refusal};

use crate::batch::{self, Dropped, Kept, Refused};
use crate::known::{KnownEvent, KnownProperty, StorableName, Vocabulary};
use crate::sent::{Sent, Unmapped};
use crate::value::{self, Value};

/// Minimises events as one registry has it.
#[derive(Debug)]
pub struct Minimiser {
    hash: bytes::Bytes,
    profile: Profile,
    events: BTreeMap<String, KnownEvent>,
    vocabulary: Vocabulary,
}

impl Minimiser {
    /// For a registry. `None` if it has no hash.
    pub fn new(registry: &EventRegistry) -> Option<Self> {
        let profile = Profile::of(&registry.profile.clone().unwrap_or_default());
        let events = registry.schemas.iter().map(|schema| (schema.name.clone(), KnownEvent::new(schema, &profile)));
        Some(Self {
            hash: Hash::from_hex(&registry.hash)?.to_bytes(),
            events: events.collect(),
            vocabulary: Vocabulary::new(registry),
            profile,
        })
    }

    /// The epochs whose keys are needed, each by the day on which it begins, counted from 1970. Never many: no key is made
    /// for a time at which no event can count.
    pub fn epochs(&self, sent: &Sent, now: Timestamp) -> BTreeSet<i64> {
        let events = sent.events.iter().map(|(_, event)| event);
        let times = events.filter_map(|event| time_ms(event, now)).map(|time_ms| self.profile.coarsened(time_ms));
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
    pub fn minimise(&self, sent: &Sent, now: Timestamp, keys: &BTreeMap<i64, EpochKey>) -> EventBatch {
        let mut dropped = self.left_out(sent);
        let mut refused: Vec<Refused<'_>> = sent.unmapped.iter().map(|unmapped| self.unmapped(unmapped)).collect();
        let mut kept = Vec::with_capacity(sent.events.len());
        let mut ids = BTreeSet::new();
        for (index, event) in &sent.events {
            let looked_at = self.look_at(*index, event, now, &mut dropped).and_then(|one| {
                let epoch = self.profile.epoch_of(one.time_ms);
                let too_late = || (!keys.contains_key(&epoch)).then_some(Refusal::TooLate);
                // Of two with one id the first of the request counts: the log sees them in the order of their times.
                let mut repeated = || {
                    let is_first = event.event_id.is_empty() || ids.insert((epoch, event.event_id.as_str()));
                    (!is_first).then_some(Refusal::Duplicate)
                };
                match self.out_of_reach(one.time_ms, now).or_else(too_late).or_else(&mut repeated) {
                    Some(reason) => {
                        Err(Refused { index: *index, reason, name: one.name, property: StorableName::NONE })
                    }
                    None => Ok(one),
                }
            });
            match looked_at {
                Ok(one) => kept.push(one),
                Err(why) => refused.push(why),
            }
        }
        // A command holds one entry at least: of inputs that are none of events, one stands among what was refused.
        let is_all = kept.is_empty() && refused.is_empty();
        let first = sent.no_events.keys().next().filter(|_| is_all);
        if let Some(reason) = first {
            let (name, property) = (StorableName::NONE, StorableName::NONE);
            refused.push(Refused { index: 0, reason: *reason, name, property });
        }
        for (reason, count) in &sent.no_events {
            let count = count.saturating_sub(u32::from(first == Some(reason)));
            if count > 0 {
                *dropped.entry((StorableName::NONE, *reason)).or_default() += count;
            }
        }
        let mut batch = batch::empty(self.hash.clone());
        batch::add_refused(&mut batch, refused, &dropped);
        batch::add_events(&mut batch, kept, keys, &self.profile);
        batch
    }

    /// Properties that a source left out.
    fn left_out<'a>(&self, sent: &'a Sent) -> Dropped<'a> {
        let mut dropped = Dropped::new();
        for ((name, reason), count) in &sent.left_out {
            let name = self.vocabulary.storable(name).or(StorableName::SOME);
            *dropped.entry((name, *reason)).or_default() += count;
        }
        dropped
    }

    fn unmapped<'a>(&self, unmapped: &'a Unmapped) -> Refused<'a> {
        let (index, reason) = (unmapped.index, unmapped.reason);
        Refused { index, reason, name: self.vocabulary.storable(&unmapped.name), property: StorableName::NONE }
    }

    fn look_at<'a>(
        &'a self,
        index: u32,
        event: &'a Event,
        now: Timestamp,
        dropped: &mut Dropped<'a>,
    ) -> Result<Kept<'a>, Refused<'a>> {
        let Some(known) = self.events.get(&event.name) else {
            let name = self.vocabulary.storable(&event.name);
            return Err(Refused { index, reason: Refusal::UnknownEvent, name, property: StorableName::NONE });
        };
        let name = known.name();
        let of_property = |property, reason| Refused { index, reason, name, property };
        let whole = |reason| of_property(StorableName::NONE, reason);
        if event.schema_version > known.version {
            return Err(whole(Refusal::UnknownVersion));
        }
        if !agrees(event, &known.needs_consent) {
            return Err(whole(Refusal::NoConsent));
        }
        let time_ms = time_ms(event, now).ok_or(whole(Refusal::NoTime))?;
        let mut values: Vec<(StorableName<'a>, Value<'a>)> = Vec::new();
        for (property, value) in event.properties.iter().flat_map(|properties| &properties.fields) {
            let unknown = || of_property(self.vocabulary.storable(property), Refusal::UnknownProperty);
            let known = known.properties.get(property).ok_or_else(unknown)?;
            if !agrees(event, &known.needs_consent) {
                *dropped.entry((known.name(), Refusal::NoConsent)).or_default() += 1;
                continue;
            }
            if let Some(value) = read(value, known).map_err(|reason| of_property(known.name(), reason))? {
                values.push((known.name(), value));
            }
        }
        let is_missing = |required: &&KnownProperty| {
            agrees(event, &required.needs_consent) && values.iter().all(|(name, _)| *name != required.name())
        };
        if let Some(required) = known.required().find(is_missing) {
            return Err(of_property(required.name(), Refusal::MissingProperty));
        }
        let sent_time = event.time.unwrap_or_else(|| now.to_proto());
        let sent_time = (sent_time.seconds, sent_time.nanos);
        Ok(Kept { index, name, time_ms: self.profile.coarsened(time_ms), sent_time, event, values })
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
