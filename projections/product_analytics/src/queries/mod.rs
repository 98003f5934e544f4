//! The questions that the tables of product analytics answer.

mod definitions;
mod event_registry;
mod exports;
mod metric;
mod refused;

use daybook_kernel::rejection::Violations;

pub use definitions::ListMetricDefinitions;
pub use event_registry::GetEventRegistry;
pub use exports::{GetEventExport, ListEventExports};
pub use metric::{QueryMetric, check_definition};
pub use refused::ListRefusedEvents;

/// A page token that this list did not give out.
fn wrong_token() -> Violations {
    Violations::one("page_token", "is not one that this list gave out")
}
