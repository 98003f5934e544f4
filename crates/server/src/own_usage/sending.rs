//! Sending what was noted: every few seconds, or as soon as there is a batch of it, to each tenant that wants it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use daybook_proto::log::v1::{Actor, actor::Kind};
use daybook_proto::product_analytics::v1::{
    Event, EventRegistry, EventSchema, GetEventRegistryRequest, GetEventRegistryResponse, RecordEventsRequest,
    RecordEventsResponse,
};
use prost::Message;
use prost_types::value::Kind as ValueKind;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Note, count_dropped};
use crate::auth::Caller;
use crate::door::{Call, Incoming};
use crate::error::{CallError, codes};
use crate::http::App;

/// How long a note waits at most.
const EVERY: Duration = Duration::from_secs(5);
/// Notes that are sent at once.
const BATCH_EVENTS: usize = 500;
/// How long the door may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long is believed what a tenant wants, unless a command at this node may have changed it.
const KNOWN_FOR_MAX: Duration = Duration::from_secs(30);
/// Tenants of which is remembered what they want.
const TENANTS_MAX: usize = 10_000;

const SERVICE: &str = "/daybook.product_analytics.v1.ProductAnalyticsService";
const DOMAIN: &str = "product_analytics";
const COMMAND_SENT: &str = "daybook.command_sent";
const QUERY_ASKED: &str = "daybook.query_asked";
/// The version of both schemas that ships.
const SCHEMA_VERSION: u32 = 1;

/// Which of the events a tenant takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wanted {
    commands: bool,
    queries: bool,
}

impl Wanted {
    /// Those that are registered, not refused by now, and need nobody's consent: nobody was asked for one.
    fn by(registry: &EventRegistry, now: Timestamp) -> Self {
        let free =
            registry.profile.as_ref().map(|profile| profile.purposes_without_consent.as_slice()).unwrap_or_default();
        let takes = |schema: &EventSchema| {
            let refused_after = schema.refused_after.as_ref().and_then(|time| Timestamp::from_proto(time).ok());
            free.contains(&schema.purpose) && refused_after.is_none_or(|refused_after| now <= refused_after)
        };
        let has = |name: &str| registry.schemas.iter().any(|schema| schema.name == name && takes(schema));
        Self { commands: has(COMMAND_SENT), queries: has(QUERY_ASKED) }
    }

    fn takes(self, note: &Note) -> bool {
        if note.is_query { self.queries } else { self.commands }
    }
}

/// The task that sends.
pub(crate) struct Sending {
    notes: mpsc::Receiver<Note>,
    wanted: BTreeMap<TenantId, (Instant, Wanted)>,
}

impl Sending {
    pub(super) fn new(notes: mpsc::Receiver<Note>) -> Self {
        Self { notes, wanted: BTreeMap::new() }
    }

    /// Sends until the task is dropped. What waits then is lost.
    pub(crate) async fn send_for_ever(mut self, app: Arc<App>) {
        let mut waiting = Vec::new();
        let mut due = Instant::now() + EVERY;
        loop {
            let room = BATCH_EVENTS - waiting.len();
            let more = self.notes.recv_many(&mut waiting, room);
            match tokio::time::timeout_at(due, more).await {
                Ok(0) => return,
                Ok(_) if waiting.len() < BATCH_EVENTS => {}
                _ => {
                    self.send(&app, std::mem::take(&mut waiting)).await;
                    due = Instant::now() + EVERY;
                }
            }
        }
    }

    async fn send(&mut self, app: &App, notes: Vec<Note>) {
        let mut by_tenant: BTreeMap<TenantId, Vec<Note>> = BTreeMap::new();
        for note in notes {
            if note.domain == DOMAIN && !note.is_query {
                self.wanted.remove(&note.tenant);
            }
            by_tenant.entry(note.tenant.clone()).or_default().push(note);
        }
        for (tenant, mut notes) in by_tenant {
            let wanted = self.wanted(app, &tenant).await;
            notes.retain(|note| wanted.takes(note));
            if !notes.is_empty() {
                record(app, &tenant, &notes).await;
            }
        }
    }

    async fn wanted(&mut self, app: &App, tenant: &TenantId) -> Wanted {
        let before = self.wanted.get(tenant).copied();
        if let Some((asked_at, wanted)) = before
            && asked_at.elapsed() < KNOWN_FOR_MAX
        {
            return wanted;
        }
        let request = GetEventRegistryRequest { tenant_id: tenant.as_str().to_owned(), min_position: None };
        let wanted = match ask::<GetEventRegistryResponse>(app, tenant, "GetEventRegistry", &request).await {
            Ok(answer) => Wanted::by(&answer.registry.unwrap_or_default(), app.door.node.now()),
            Err(error) => {
                tracing::debug!(%tenant, error.code, error.message, "what the tenant wants cannot be asked");
                before.map(|(_, wanted)| wanted).unwrap_or_default()
            }
        };
        if self.wanted.len() >= TENANTS_MAX {
            self.wanted.clear();
        }
        self.wanted.insert(tenant.clone(), (Instant::now(), wanted));
        wanted
    }
}

async fn record(app: &App, tenant: &TenantId, notes: &[Note]) {
    let events = notes.iter().map(event).collect();
    let request = RecordEventsRequest { tenant_id: tenant.as_str().to_owned(), events, ..Default::default() };
    match ask::<RecordEventsResponse>(app, tenant, "RecordEvents", &request).await {
        Ok(answer) if answer.refused.is_empty() => {}
        // The schema of the tenant is not the one that ships.
        Ok(answer) => count_dropped("refused", answer.refused.len()),
        Err(error) => {
            count_dropped("not_recorded", notes.len());
            tracing::debug!(%tenant, error.code, error.message, "own use was not recorded");
        }
    }
}

/// Asks this node's own door, as a program of the tenant.
async fn ask<R: Message + Default>(
    app: &App,
    tenant: &TenantId,
    method: &str,
    request: &impl Message,
) -> Result<R, CallError> {
    let missing = || CallError::new(codes::METHOD_UNKNOWN, "events of product use are not part of this release");
    let defect = |error: prost::DecodeError| CallError::new(codes::INTERNAL_ERROR, error.to_string());
    let method = app.methods.get(&format!("{SERVICE}/{method}")).ok_or_else(missing)?;
    let incoming = Incoming::decode(method, request.encode_to_vec().into(), &app.decoding.memory)?;
    let actor = Actor {
        kind: Kind::Service.into(),
        id: format!("daybook:{}", app.door.node.id()),
        roles: vec!["service".to_owned()],
        tenant_ids: vec![tenant.as_str().to_owned()],
    };
    let call = Call { caller: Caller::passed_on(&actor), trace: None };
    let answered = tokio::time::timeout(ANSWER_WAIT_MAX, app.door.call_unnoted(method, &call, incoming)).await;
    let too_late = |_| CallError::new(daybook_runtime::codes::OUTCOME_UNKNOWN, "the door did not answer in time");
    let answer: Bytes = answered.map_err(too_late)??;
    R::decode(answer).map_err(defect)
}

fn event(note: &Note) -> Event {
    let text = |text: &str| ValueKind::StringValue(text.to_owned());
    // More than a day, the most that the schema takes, nobody waits.
    let took_ms = note.took.min(Duration::from_secs(86_400)).as_millis() as f64;
    let properties = [
        ("domain", text(note.domain)),
        ("method", text(note.method)),
        ("outcome", text(note.outcome)),
        ("caller", text(if note.by_program { "program" } else { "person" })),
        ("took", ValueKind::NumberValue(took_ms)),
    ];
    let value = |kind| prost_types::Value { kind: Some(kind) };
    Event {
        name: if note.is_query { QUERY_ASKED } else { COMMAND_SENT }.to_owned(),
        schema_version: SCHEMA_VERSION,
        actor: note.actor.clone(),
        time: Some(note.at.to_proto()),
        properties: Some(prost_types::Struct {
            fields: properties.into_iter().map(|(name, kind)| (name.to_owned(), value(kind))).collect(),
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use daybook_instrument::{files, lint};
    use daybook_kernel::hash::Hash;
    use daybook_minimise::Minimiser;
    use daybook_privacy::{EpochKeys, MemoryKeyRing};
    use daybook_proto::product_analytics::v1::MinimisationProfile;

    use super::*;

    fn shipped() -> EventRegistry {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/events-of-daybook");
        let files = files::read(&[folder]).unwrap();
        assert!(lint::lint(&files).is_empty() && lint::against(&files, &[]).is_empty());
        let purposes_without_consent = vec!["operations".to_owned()];
        EventRegistry {
            profile: Some(MinimisationProfile { purposes_without_consent, ..Default::default() }),
            schemas: files.schemas(),
            hash: Hash::of_parts(&[b"registry"]).to_hex(),
        }
    }

    /// A name of a domain or method must not look like personal data, nor an outcome or a duration be refused.
    #[tokio::test]
    async fn every_call_of_this_release_fits_the_schemas_that_ship() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let mut events = Vec::new();
        for domain in daybook_domains::registry().iter() {
            let methods = domain.public_kinds.iter().map(|kind| (*kind, false));
            let queries = domain.queries.iter().map(|query| (query.method, true));
            for (method, is_query) in methods.chain(queries) {
                for (outcome, took) in [
                    ("accepted", Duration::ZERO),
                    ("rejected", Duration::from_micros(1_500)),
                    ("denied", Duration::from_secs(3_600)),
                    ("invalid", Duration::from_secs(86_400)),
                    ("failed", Duration::from_secs(86_400 * 365)),
                ] {
                    events.push(event(&Note {
                        tenant: TenantId::parse("demo").unwrap(),
                        actor: "lea".to_owned(),
                        by_program: is_query,
                        is_query,
                        domain: domain.name,
                        method,
                        at: now,
                        outcome,
                        took,
                    }));
                }
            }
        }
        assert!(events.len() > 200);
        let minimiser = Minimiser::new(&shipped()).unwrap();
        let sent = events.clone().into();
        let ring = EpochKeys::new(Arc::new(MemoryKeyRing::new()));
        let mut keys = BTreeMap::new();
        for epoch in minimiser.epochs(&sent, now) {
            keys.insert(epoch, ring.get(&TenantId::parse("demo").unwrap(), epoch).await.unwrap());
        }
        let batch = minimiser.minimise(&sent, now, &keys);
        assert_eq!(batch.refused, []);
        assert_eq!(batch.name.len(), events.len());
    }

    #[test]
    fn a_tenant_wants_what_it_has_registered_and_nobody_need_agree_to() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let second = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let by = |change: &dyn Fn(&mut EventRegistry)| {
            let mut registry = shipped();
            change(&mut registry);
            Wanted::by(&registry, now)
        };
        assert_eq!(by(&|_| {}), Wanted { commands: true, queries: true });
        assert_eq!(by(&|registry| registry.schemas.clear()), Wanted::default());
        assert_eq!(by(&|registry| registry.profile = None), Wanted::default());
        let only_commands = Wanted { commands: true, queries: false };
        assert_eq!(by(&|registry| registry.schemas.retain(|schema| schema.name == COMMAND_SENT)), only_commands);
        let other_purpose = |registry: &mut EventRegistry| {
            let asked = registry.schemas.iter_mut().find(|schema| schema.name == QUERY_ASKED).unwrap();
            asked.purpose = "marketing".to_owned();
        };
        assert_eq!(by(&other_purpose), only_commands);
        let retired = |at: i64| move |registry: &mut EventRegistry| registry.schemas[1].refused_after = second(at);
        assert_eq!(by(&retired(1_700_000_000)), only_commands);
        assert_eq!(by(&retired(1_900_000_000)), Wanted { commands: true, queries: true });
    }
}
