//! The product analytics domain: what may be recorded of the use of a product, the recording of it, and the metrics.
//!
//! Everything of a tenant is decided in one stream: an event id is remembered in one place, and an actor has one number.
//!
//! | command | file |
//! | --- | --- |
//! | `SetEventSchemas` | [`set_event_schemas`] |
//! | `SetMinimisationProfile` | [`set_minimisation_profile`] |
//! | `RecordEvents` | [`record_events`] |
//! | `DefineMetric` | [`define_metric`] |
//! | `ExportEvents`, `SetEventExportSchedule` | [`export_events`] |
//! | `EraseActor` | [`erase_actor`] |
//! | the end of an epoch, by a timer | [`pseudonym_epochs`] |
//!
//! What people do with a product decides about nobody's access: a command of this domain asks policies with the tenant and
//! the name of what it is about, and no command of another domain can read its tables.
//!
//! Architecture invariant: pure. Reads the domain's tables, the command and the context; `../clippy.toml` holds that.

pub mod define_metric;
pub mod erase_actor;
pub mod export_events;
pub mod pseudonym_epochs;
pub mod record_events;
pub mod set_event_schemas;
pub mod set_minimisation_profile;

use daybook_kernel::code::Code;
use daybook_kernel::domain::{Domain, Moment};
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::registry::QueryEntry;
use daybook_kernel::system::Effect;
use product_analytics_projection::{
    DOMAIN, Event, GetEventExport, GetEventRegistry, ListEventExports, ListMetricDefinitions, ListRefusedEvents,
    QueryMetric,
};

/// Nodes that do not understand this level do not know these events.
const LEVEL: FeatureLevel = FeatureLevel(2);

daybook_kernel::commands! {
    /// Commands of the product analytics domain.
    pub enum Command for product_analytics_projection::ProductAnalytics {
        SetEventSchemas(set_event_schemas::SetEventSchemas),
        SetMinimisationProfile(set_minimisation_profile::SetMinimisationProfile),
        RecordEvents(record_events::RecordEvents),
        DefineMetric(define_metric::DefineMetric),
        ExportEvents(export_events::ExportEvents),
        SetEventExportSchedule(export_events::SetEventExportSchedule),
        EraseActor(erase_actor::EraseActor),
        StartScheduledExport(export_events::StartScheduledExport),
        FinishEventExport(export_events::FinishEventExport),
        PurgeErasedActors(erase_actor::PurgeErasedActors),
        EndPseudonymEpoch(pseudonym_epochs::EndPseudonymEpoch),
        RecordEpochKeyDestruction(pseudonym_epochs::RecordEpochKeyDestruction),
    }
}

/// The product analytics domain.
pub struct ProductAnalytics;

impl Domain for ProductAnalytics {
    const NAME: &'static str = DOMAIN;
    const SERVICE: &'static str = "daybook.product_analytics.v1.ProductAnalyticsService";
    const POLICY_NAMESPACE: &'static str = product_analytics_projection::NAMESPACE;
    const DECIDER_VERSION: u32 = 1;
    const CEDAR_SCHEMA: &'static str = include_str!("../policy/schema.cedarschema");
    const CEDAR_POLICIES: &'static str = include_str!("../policy/default.cedar");
    const CODES: &'static [Code] = codes::EVERY;
    type Projection = product_analytics_projection::ProductAnalytics;
    type Command = Command;

    fn stream_key(tenant: &TenantId, _: &Command, _: u32) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn effects(event: &Event, moment: &Moment<'_>) -> Vec<Effect> {
        match event {
            Event::EventExportRequested(event) => vec![export_events::write(event, moment)],
            Event::PseudonymEpochEnded(event) => vec![pseudonym_epochs::destroy_key(event, moment)],
            _ => Vec::new(),
        }
    }

    fn queries() -> Vec<QueryEntry> {
        vec![
            QueryEntry::of::<GetEventRegistry>(),
            QueryEntry::of::<ListRefusedEvents>(),
            QueryEntry::of::<ListMetricDefinitions>(),
            QueryEntry::of::<QueryMetric>(),
            QueryEntry::of::<GetEventExport>(),
            QueryEntry::of::<ListEventExports>(),
        ]
    }
}

/// Error codes of the product analytics domain.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// A schema takes something away that its predecessor has.
        EVENT_SCHEMA_BREAKS: FailedPrecondition;
        /// There would be more schemas than a tenant may have.
        TOO_MANY_EVENT_SCHEMAS: FailedPrecondition;
        /// The events were minimised under a registry that is not in force any more.
        EVENT_REGISTRY_CHANGED: FailedPrecondition;
    }

    use product_analytics_projection::codes::{
        EVENT_EXPORT_NOT_FOUND, EVENT_NOT_REGISTERED, METRIC_NOT_FOUND, METRIC_TOO_LARGE,
    };

    /// Every code of this domain.
    pub const EVERY: &[daybook_kernel::code::Code] = &[
        EVENT_SCHEMA_BREAKS,
        TOO_MANY_EVENT_SCHEMAS,
        EVENT_REGISTRY_CHANGED,
        METRIC_NOT_FOUND,
        EVENT_NOT_REGISTERED,
        METRIC_TOO_LARGE,
        EVENT_EXPORT_NOT_FOUND,
    ];
}
