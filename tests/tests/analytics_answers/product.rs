//! A tenant whose events are recorded, and the same events for the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use daybook_kernel::apply::{Fold, apply_record};
use daybook_kernel::chain::Head;
use daybook_kernel::decide::Decider;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::id::{Offset, PartitionId, TenantId};
use daybook_kernel::state::MemoryState;
use daybook_kernel::time::Timestamp;
use daybook_minimise::{Minimiser, Sent};
use daybook_policy::Cedar;
use daybook_privacy::{EpochKeys, MemoryKeyRing};
use daybook_proto::log::v1::decision::Outcome;
use daybook_proto::product_analytics::v1::cell::Value;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, Event, PropertySchema, PropertyType};
use daybook_testkit::analytics::Recorded;
use daybook_testkit::solo::Solo;
use product_analytics_projection::{QueryMetric, Tables, registry};

pub const MINUTE_MS: i64 = 60_000;
pub const DAY_MS: i64 = 86_400_000;
pub const NAMES: [&str; 4] = ["page.viewed", "filters.applied", "answer.used", "insight.accepted"];
pub const KINDS: [&str; 3] = ["red", "green", "blue"];

/// A tenant whose events are recorded, and the same events for the oracle.
pub struct Product {
    pub solo: Solo,
    pub tenant: TenantId,
    pub keys: EpochKeys,
    runtime: tokio::runtime::Runtime,
    minimiser: Minimiser,
    pub recorded: Vec<Recorded>,
    seen: BTreeSet<String>,
}

/// An event as the test makes it.
#[derive(Debug, Clone)]
pub struct Made {
    pub id: u16,
    pub actor: u8,
    pub name: usize,
    /// Before now.
    pub minutes_ago: i64,
    /// Into that minute, to which times are cut.
    pub ms: i64,
    pub kind: Option<u8>,
}

impl Product {
    /// With four events that have a kind.
    pub fn new() -> Self {
        Self::with_kinds(v1::MinimisationProfile::default())
    }

    /// The same, minimised as this profile says.
    pub fn with_kinds(profile: v1::MinimisationProfile) -> Self {
        let kind = PropertySchema {
            name: "kind".into(),
            r#type: PropertyType::Enum.into(),
            values: KINDS.map(String::from).to_vec(),
            ..Default::default()
        };
        let schema = |name: &&str| v1::EventSchema {
            name: (*name).to_owned(),
            properties: vec![kind.clone()],
            ..Default::default()
        };
        Self::with(NAMES.iter().map(schema).collect(), profile)
    }

    /// With these events; what the profile leaves open is such that every event counts, once, and every number is shown.
    pub fn with(schemas: Vec<v1::EventSchema>, profile: v1::MinimisationProfile) -> Self {
        let mut solo = Solo::new(daybook_domains::registry(), &["acme"]);
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let profile = v1::MinimisationProfile {
            time_granularity: seconds(60),
            late_max: profile.late_max.or(seconds(30 * 86_400)),
            // Longer than the test: an id counts once.
            deduplication_window: seconds(30 * 86_400),
            suppress_below: profile.suppress_below.max(1),
            purposes_without_consent: vec!["product".into()],
            ..profile
        };
        let request = v1::SetMinimisationProfileRequest { profile: Some(profile), ..Default::default() };
        accepted(&mut solo, "SetMinimisationProfile", &request, "privacy");
        let of_product = |schema| v1::EventSchema { version: 1, purpose: "product".into(), ..schema };
        let schemas = schemas.into_iter().map(of_product).collect();
        let request = v1::SetEventSchemasRequest { schemas, ..Default::default() };
        accepted(&mut solo, "SetEventSchemas", &request, "product");
        let tenant = TenantId::parse("acme").unwrap();
        let minimiser = Minimiser::new(&registry::registry(&solo.tables(&tenant)).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let keys = EpochKeys::new(Arc::new(MemoryKeyRing::default()));
        Self { solo, tenant, keys, runtime, minimiser, recorded: Vec::new(), seen: BTreeSet::new() }
    }

    pub fn now_ms(&self) -> i64 {
        self.solo.log_time().as_micros() / 1_000
    }

    /// Records a batch, and the same for the oracle: an id counts once, and in a minute the events of a batch stand in the
    /// order of their times.
    pub fn record(&mut self, made: &[Made]) {
        let now_ms = self.now_ms();
        let mut events = Vec::new();
        let mut recorded = Vec::new();
        for one in made {
            let time_ms = (now_ms - one.minutes_ago * MINUTE_MS).div_euclid(MINUTE_MS) * MINUTE_MS;
            let event_id = format!("event-{}", one.id);
            let kind = one.kind.map(|kind| prost_types::Struct {
                fields: BTreeMap::from([("kind".to_owned(), word(KINDS[usize::from(kind)]))]),
            });
            events.push(Event {
                event_id: event_id.clone(),
                name: NAMES[one.name].to_owned(),
                actor: format!("user-{}@example.org", one.actor),
                time: Some(Timestamp::from_micros((time_ms + one.ms) * 1_000).to_proto()),
                properties: kind,
                ..Default::default()
            });
            if self.seen.insert(event_id) {
                let event = Recorded {
                    actor: u32::from(one.actor),
                    time_ms,
                    marks: 1 << one.name,
                    name: one.name as u32,
                    value: one.kind.map_or(0, |kind| u32::from(kind) + 1),
                    number: 0,
                    seq: 0,
                };
                recorded.push((time_ms + one.ms, event));
            }
        }
        recorded.sort_by_key(|(sent_ms, _)| *sent_ms);
        for (_, event) in recorded {
            let seq = self.recorded.last().map_or(0, |last| last.seq + 1);
            self.recorded.push(Recorded { seq, ..event });
        }
        self.send(&events);
    }

    /// Records a batch, which the oracle is told of by the caller.
    pub fn send(&mut self, events: &[Event]) {
        let now = self.solo.log_time();
        let events = Sent::from(events.to_vec());
        let epochs = self.minimiser.epochs(&events, now);
        let key = |epoch| (epoch, self.runtime.block_on(self.keys.get(&self.tenant, epoch)).unwrap());
        let keys = epochs.into_iter().map(key).collect();
        let batch = self.minimiser.minimise(&events, now, &keys);
        let request = v1::RecordEventsRequest { batch: Some(batch), ..Default::default() };
        accepted(&mut self.solo, "RecordEvents", &request, "service");
    }

    /// Erases an actor, here and for the oracle: as though they had never been.
    pub fn erase(&mut self, actor: u8) {
        let today = self.now_ms().div_euclid(DAY_MS);
        let id = format!("User-{actor}@example.org ");
        let pseudonyms = self.runtime.block_on(self.keys.of_actor(&self.tenant, &id, today - 400..=today)).unwrap();
        let pseudonyms = pseudonyms.iter().map(|pseudonym| bytes::Bytes::copy_from_slice(pseudonym)).collect();
        let request = v1::EraseActorRequest { pseudonyms, ..Default::default() };
        accepted(&mut self.solo, "EraseActor", &request, "privacy");
        self.recorded.retain(|event| event.actor != u32::from(actor));
    }

    /// The rows of an answer that shows every number.
    pub fn ask(
        &self,
        metric: Metric,
        start_ms: i64,
        end_ms: i64,
        more: impl FnOnce(&mut v1::QueryMetricRequest),
    ) -> Vec<Vec<String>> {
        let response = self.answer(metric, start_ms, end_ms, more);
        assert_eq!(response.suppressed_cells, 0);
        let cell = |cell: &v1::Cell| match &cell.value {
            None => "-".to_owned(),
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Number(number)) => format!("{number:.6}"),
            Some(Value::Time(time)) => (time.seconds * 1_000).to_string(),
            Some(Value::Suppressed(_)) => "*".to_owned(),
        };
        response.rows.iter().map(|row| row.cells.iter().map(cell).collect()).collect()
    }

    /// An answer.
    pub fn answer(
        &self,
        metric: Metric,
        start_ms: i64,
        end_ms: i64,
        more: impl FnOnce(&mut v1::QueryMetricRequest),
    ) -> v1::QueryMetricResponse {
        let time = |ms: i64| Some(Timestamp::from_micros(ms * 1_000).to_proto());
        let mut request = v1::QueryMetricRequest {
            metric: Some(v1::MetricDefinition { metric: Some(metric), ..Default::default() }),
            start_time: time(start_ms),
            end_time: time(end_ms),
            ..Default::default()
        };
        more(&mut request);
        let asked = Asked {
            tenant: &self.tenant,
            now: self.solo.log_time(),
            partition: PartitionId(0),
            partitions: 1,
            next_command: Offset(self.solo.commands.len() as u64),
            reveals: true,
        };
        let tables: Tables<'_> = self.solo.tables(&self.tenant);
        QueryMetric::answer(&tables, request, &asked).unwrap()
    }

    /// Folding the log again gives the same state.
    pub fn check_rebuild(&self) {
        let decider = Decider::new(daybook_domains::registry(), Arc::new(Cedar::new()), 1);
        let (mut state, mut head) = (MemoryState::default(), Head::genesis("solo", 1, PartitionId(0)));
        for (offset, bytes) in (0..).zip(&self.solo.records) {
            let record =
                apply_record(&decider, &state, &mut head, PartitionId(0), Offset(offset), bytes.clone(), Fold::All);
            let writes = record.unwrap().unwrap().writes;
            state.apply(&writes);
        }
        assert!(state == self.solo.state, "the state is what the log says");
    }
}

fn accepted(solo: &mut Solo, kind: &str, request: &impl prost::Message, role: &str) {
    let decision = solo.ask("acme", "product_analytics", kind, request, "ada", &[role]);
    assert!(matches!(decision.outcome, Some(Outcome::Accepted(_))), "{decision:?}");
}

/// A text as the value of a property.
pub fn word(word: &str) -> prost_types::Value {
    prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(word.to_owned())) }
}
