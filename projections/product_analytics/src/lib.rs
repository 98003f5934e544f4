//! The tables of product analytics: schemas of events, the minimised events in columns, rollups, definitions of metrics.
//!
//! ```text
//! EventsRecorded -> recent (a batch a row) --every 65,536 events--> segments (a day each, by actor and time) + rollups
//! QueryMetric    <- rollups + recent           where whole days (UTC) of whole events are asked for
//!                <- segments + recent          everywhere else: one pass in the order of actors
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`tables`](Tables) | the tables |
//! | [`registry`] | what is registered, and the hash that names it |
//! | [`evolve`](ProductAnalytics) | what each event changes |
//! | [`columns`] | numbers as bytes |
//! | [`segment`] | events in columns: laid out, read in order of actors |
//! | [`export`] | the events one by one, for other programs |
//! | [`metrics`] | the rules of each metric, over events in order; nothing of tables |
//! | [`queries`](QueryMetric) | the questions |
//!
//! Architecture invariant: a pure function from events to rows. No IO, no clock; `../clippy.toml` holds that.

mod catalogue;
pub mod columns;
mod evolve;
pub mod export;
pub mod metrics;
mod queries;
pub mod registry;
pub mod segment;
mod tables;

use daybook_kernel::code::Code;
use daybook_kernel::domain::{Moment, Projection};
use daybook_kernel::state::{Fault, ProjectionId};
use daybook_proto::product_analytics::v1;

pub use queries::{
    GetEventExport, GetEventRegistry, ListEventExports, ListMetricDefinitions, ListRefusedEvents, QueryMetric,
    check_definition,
};
pub use tables::{Tables, TablesMut};

daybook_kernel::events! {
    /// Events of the product analytics domain.
    pub enum Event {
        EventSchemasSet(v1::EventSchemasSet) = 1;
        MinimisationProfileSet(v1::MinimisationProfileSet) = 1;
        EventsRecorded(v1::EventsRecorded) = 1;
        MetricDefined(v1::MetricDefined) = 1;
        EventExportRequested(v1::EventExportRequested) = 1;
        EventExportFinished(v1::EventExportFinished) = 1;
        EventExportScheduleSet(v1::EventExportScheduleSet) = 1;
        ActorErased(v1::ActorErased) = 1;
        ErasedActorsPurged(v1::ErasedActorsPurged) = 1;
        PseudonymEpochEnded(v1::PseudonymEpochEnded) = 1;
        EpochKeysDestroyed(v1::EpochKeysDestroyed) = 1;
    }
}

/// The projection of product analytics.
pub struct ProductAnalytics;

/// Its number; frozen.
pub const PRODUCT_ANALYTICS: ProjectionId = ProjectionId(3);

/// Name of the domain.
pub const DOMAIN: &str = "product_analytics";

/// Namespace of the domain in policies.
pub const NAMESPACE: &str = "ProductAnalytics";

impl Projection for ProductAnalytics {
    const ID: ProjectionId = PRODUCT_ANALYTICS;
    const NAME: &'static str = DOMAIN;
    const VERSION: u32 = 2;
    type Event = Event;
    type Tables<'a> = Tables<'a>;
    type TablesMut<'a> = TablesMut<'a>;

    fn evolve(tables: &mut TablesMut<'_>, event: &Event, moment: &Moment<'_>) -> Result<(), Fault> {
        evolve::evolve(tables, event, moment)
    }
}

/// Milliseconds of a day (UTC has no leap seconds here).
pub const DAY_MS: i64 = 86_400_000;

/// The day that a time falls on, counted from 1970 in UTC.
pub fn day_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS)
}

/// Error codes of what is looked for and not found, or would read too much.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// There is no such metric.
        METRIC_NOT_FOUND: NotFound;
        /// An event or property that a question names is not registered.
        EVENT_NOT_REGISTERED: NotFound;
        /// The question would read more events than one may.
        METRIC_TOO_LARGE: FailedPrecondition;
        /// There is no such export.
        EVENT_EXPORT_NOT_FOUND: NotFound;
    }
}

/// Every code of this projection.
pub const CODES: &[Code] = codes::ALL;
