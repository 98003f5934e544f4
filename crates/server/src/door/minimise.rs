//! Events of product use: minimised here, before anything of them is written down (`FILLED_IN_MINIMISED_EVENTS`).
//!
//! What may be recorded stands in the tables of the tenant's partition, which another node may have; it is asked for as any
//! caller would, and kept for a moment. An event that it does not know makes the door ask again, so that an event can be
//! recorded as soon as it is registered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_event_rules::EVENTS_MAX;
use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use daybook_minimise::{Minimiser, Sent};
use daybook_privacy::{EpochKeys, PrivacyError};
use daybook_proto::product_analytics::v1::{
    EventBatch, GetEventRegistryRequest, GetEventRegistryResponse, RecordEventsRequest, Refusal,
};
use parking_lot::Mutex;
use prost::Message;
use prost_reflect::DynamicMessage;

use super::incoming::Events;
use super::{Call, Door, Handler, Method, text_field};
use crate::error::{CallError, codes};

/// How long a registry is taken for the present one.
const KNOWN_FOR_MAX: Duration = Duration::from_secs(1);
/// Tenants whose registries are kept.
const TENANTS_MAX: usize = 10_000;
/// Where a request has the events, which never go further than this.
pub(super) const EVENTS: u32 = 3;

/// Where a request has the actor who is to be erased.
const ACTOR: u32 = 3;
const DAY_US: i64 = 86_400_000_000;
/// Days before today on which an epoch can have begun whose key still exists.
const EPOCHS_BACK_MAX: i64 = 20 * 366;
/// And after today: events may be ahead of the clock.
const EPOCHS_AHEAD_MAX: i64 = 402;

/// What the door needs for minimising.
pub(crate) struct Minimisers {
    keys: EpochKeys,
    by_tenant: Mutex<BTreeMap<TenantId, (Timestamp, Arc<Minimiser>)>>,
}

impl Minimisers {
    pub(crate) fn new(keys: EpochKeys) -> Self {
        Self { keys, by_tenant: Mutex::default() }
    }

    /// Forgets what is known of a tenant's registry, after a command that may have changed it: any of the domain that
    /// records none.
    pub(super) fn forget_after(&self, method: &Method, tenant: &TenantId) {
        if !method.records_events() && method.path.starts_with("/daybook.product_analytics.") {
            self.by_tenant.lock().remove(tenant);
        }
    }
}

impl Door {
    /// Takes the events out of a request, and returns what may be written down of them.
    pub(super) async fn minimise(
        &self,
        method: &Method,
        tenant: &TenantId,
        call: &Call,
        request: &mut DynamicMessage,
        events: Events,
    ) -> Result<EventBatch, CallError> {
        let malformed = |error: prost::DecodeError| CallError::new(codes::MALFORMED_REQUEST, error.to_string());
        let sent = match events {
            Events::Mapped(sent) => sent,
            Events::Encoded(encoded) => Sent::from(RecordEventsRequest::decode(encoded).map_err(malformed)?.events),
        };
        request.clear_field_by_number(EVENTS);
        if sent.is_empty() || sent.len() > EVENTS_MAX {
            return Err(CallError::field("events", "must have 1 to 2000 entries"));
        }
        let now = self.node.now();
        let known = self.minimisers.by_tenant.lock().get(tenant).cloned();
        if let Some((asked_at, minimiser)) = known
            && now.since(asked_at) < KNOWN_FOR_MAX
        {
            let batch = self.minimised(&minimiser, tenant, &sent, now).await?;
            if !may_be_registered_since(&batch) {
                return Ok(batch);
            }
        }
        let minimiser = self.ask_for_registry(method, tenant, call, now).await?;
        self.minimised(&minimiser, tenant, &sent, now).await
    }

    async fn minimised(
        &self,
        minimiser: &Minimiser,
        tenant: &TenantId,
        sent: &Sent,
        now: Timestamp,
    ) -> Result<EventBatch, CallError> {
        let mut keys = BTreeMap::new();
        for epoch in minimiser.epochs(sent, now) {
            match self.minimisers.keys.get(tenant, epoch).await {
                Ok(key) => drop(keys.insert(epoch, key)),
                // The epoch was forgotten: nobody can be counted in it any more.
                Err(PrivacyError::Destroyed { .. }) => {}
                Err(error) => return Err(CallError::not_sealed(error)),
            }
        }
        Ok(minimiser.minimise(sent, now, &keys))
    }

    /// Takes the actor out of a request, and returns the pseudonyms that they have in all epochs whose keys exist.
    pub(super) async fn pseudonyms_of_actor(
        &self,
        tenant: &TenantId,
        request: &mut DynamicMessage,
    ) -> Result<Vec<Bytes>, CallError> {
        let actor = text_field(request, ACTOR);
        request.clear_field_by_number(ACTOR);
        if actor.trim().is_empty() {
            return Err(CallError::field("actor", "must be set"));
        }
        let today = self.node.now().as_micros().div_euclid(DAY_US);
        let found = self.minimisers.keys.of_actor(tenant, &actor, today - EPOCHS_BACK_MAX..=today + EPOCHS_AHEAD_MAX);
        let found = found.await.map_err(CallError::not_sealed)?;
        Ok(found.iter().map(|pseudonym| Bytes::copy_from_slice(pseudonym)).collect())
    }

    async fn ask_for_registry(
        &self,
        method: &Method,
        tenant: &TenantId,
        call: &Call,
        now: Timestamp,
    ) -> Result<Arc<Minimiser>, CallError> {
        const QUERY: &str = "GetEventRegistry";
        let Handler::Command { domain, .. } = method.handler else { return Err(no_registry("no command")) };
        let query = self.domain(domain)?.queries.iter().position(|query| query.method == QUERY);
        let query = query.ok_or_else(|| no_registry("no such query"))?;
        let asked = GetEventRegistryRequest { tenant_id: tenant.as_str().to_owned(), min_position: None };
        let descriptor =
            daybook_proto::descriptors().get_message_by_name("daybook.product_analytics.v1.GetEventRegistryRequest");
        let descriptor = descriptor.ok_or_else(|| no_registry("no such message"))?;
        let request = DynamicMessage::decode(descriptor, Bytes::from(asked.encode_to_vec()));
        let request = request.map_err(|error| no_registry(&error.to_string()))?;
        let response = self.query(domain, query, call, request.into()).await?;
        let response = GetEventRegistryResponse::decode(response).map_err(|error| no_registry(&error.to_string()))?;
        let minimiser = Minimiser::new(&response.registry.unwrap_or_default());
        let minimiser = Arc::new(minimiser.ok_or_else(|| no_registry("it has no hash"))?);
        let mut by_tenant = self.minimisers.by_tenant.lock();
        if by_tenant.len() >= TENANTS_MAX {
            by_tenant.clear();
        }
        by_tenant.insert(tenant.clone(), (now, Arc::clone(&minimiser)));
        Ok(minimiser)
    }
}

/// Whether something was refused only because it was not registered.
fn may_be_registered_since(batch: &EventBatch) -> bool {
    let reasons = batch.refused.iter().map(|refused| refused.reason());
    reasons.into_iter().any(|reason| {
        matches!(
            reason,
            Refusal::UnknownEvent | Refusal::UnknownProperty | Refusal::UnknownVersion | Refusal::WrongValue
        )
    })
}

fn no_registry(why: &str) -> CallError {
    let message = format!("what may be recorded cannot be read ({why}); nothing was recorded");
    CallError::new(codes::INTERNAL_ERROR, message)
}
