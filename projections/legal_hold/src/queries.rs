//! The questions that the tables of legal holds answer, one file each.

mod audit;
mod check_disposition;
mod holds;
mod items;
mod preview_scope;
mod retention_classes;

use daybook_kernel::id::{Offset, Position};
use daybook_kernel::rejection::Violations;

pub use audit::ListAuditEntries;
pub use check_disposition::CheckDisposition;
pub use holds::{GetHold, ListHolds};
pub use items::{GetItem, ListItems};
pub use preview_scope::{PreviewScope, count_matches};
pub use retention_classes::{ListRetentionClasses, PreviewRetentionClass};

/// Holds that are listed for one item.
const HOLDS_LISTED_MAX: usize = 100;

/// A page token that this list did not give out.
fn wrong_token() -> Violations {
    Violations::one("page_token", "is not one that this list gave out")
}

/// The position of another command of the same partition.
fn position_of(offset: u64, asked: &daybook_kernel::domain::Asked<'_>) -> Option<daybook_proto::log::v1::Position> {
    Some(Position { partition: asked.partition, offset: Offset(offset) }.into())
}
