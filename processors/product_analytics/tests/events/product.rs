//! A tenant that records events.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::domain::EventSet;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::TenantId;
use daybook_kernel::registry::Registry;
use daybook_proto::log::v1::decision::Outcome;
use daybook_proto::product_analytics::v1::*;
use daybook_testkit::solo::Solo;
use product_analytics_projection::{Event, Tables, registry};
use prost::Message;

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) struct Product {
    pub(crate) solo: Solo,
    pub(crate) tenant: TenantId,
}

pub(crate) fn property(name: &str, of: PropertyType) -> PropertySchema {
    PropertySchema { name: name.into(), r#type: of.into(), ..Default::default() }
}

pub(crate) fn schema() -> EventSchema {
    EventSchema {
        name: "case.exported".into(),
        version: 1,
        purpose: "product".into(),
        properties: vec![
            PropertySchema { values: vec!["pdf".into(), "csv".into()], ..property("format", PropertyType::Enum) },
            PropertySchema { maximum: 100, ..property("pages", PropertyType::Integer) },
            property("case_id", PropertyType::OpaqueId),
        ],
        ..Default::default()
    }
}

impl Product {
    pub(crate) fn new() -> Self {
        let registry = Registry::new().with::<platform_processor::Platform>();
        let registry = registry.with::<product_analytics_processor::ProductAnalytics>();
        let mut product =
            Self { solo: Solo::new(Arc::new(registry), &["acme"]), tenant: TenantId::parse("acme").unwrap() };
        let registered = product.register(schema());
        assert_eq!(registered, "ACCEPTED");
        product
    }

    pub(crate) fn tables(&self) -> Tables<'_> {
        self.solo.tables(&self.tenant)
    }

    pub(crate) fn ask(&mut self, kind: &str, request: &impl Message, role: &str) -> Result<Vec<Event>, String> {
        let decision = self.solo.ask("acme", "product_analytics", kind, request, "pia", &[role]);
        match decision.outcome {
            Some(Outcome::Accepted(accepted)) => {
                Ok(accepted.events.iter().map(|event| Event::decode(event).unwrap()).collect())
            }
            Some(Outcome::Rejected(rejected)) => Err(rejected.code),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn register(&mut self, schema: EventSchema) -> String {
        let request = SetEventSchemasRequest { schemas: vec![schema], ..Default::default() };
        self.ask("SetEventSchemas", &request, "product").map_or_else(|code| code, |_| "ACCEPTED".to_owned())
    }

    /// Events without properties, as many milliseconds before now as said, each with an id of one byte; 0 is none.
    pub(crate) fn batch(&self, events: &[(i64, u8)]) -> EventBatch {
        let now = self.solo.log_time().as_micros() / 1_000;
        let mut before = 0;
        let deltas = events.iter().map(|(ago, _)| {
            let at = now - ago;
            std::mem::replace(&mut before, at).wrapping_neg().wrapping_add(at)
        });
        EventBatch {
            registry_hash: Hash::from_hex(&registry::registry(&self.tables()).unwrap().hash).unwrap().to_bytes(),
            names: vec!["case.exported".into()],
            name: vec![0; events.len()],
            index: (0..events.len() as u32).collect(),
            time_delta_ms: deltas.collect(),
            actors: Bytes::from(vec![7; 16]),
            actor: vec![1; events.len()],
            event_ids: events.iter().flat_map(|(_, id)| [*id; 16]).collect::<Vec<u8>>().into(),
            epochs: vec![now.div_euclid(90 * 86_400_000) * 90],
            ..Default::default()
        }
    }

    pub(crate) fn record(&mut self, batch: EventBatch) -> Result<EventsRecorded, String> {
        let request = RecordEventsRequest { batch: Some(batch), ..Default::default() };
        match self.ask("RecordEvents", &request, "service")?.remove(0) {
            Event::EventsRecorded(recorded) => Ok(recorded),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn refused(&mut self, batch: EventBatch) -> Vec<(u32, Refusal)> {
        let recorded = self.record(batch).unwrap();
        recorded.refused.iter().map(|refused| (refused.index, refused.reason())).collect()
    }
}
