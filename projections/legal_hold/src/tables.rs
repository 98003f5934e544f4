//! The tables. Kinds are frozen.

use daybook_proto::legal_hold::v1::{AuditEntry, CompiledScope, Hold, ItemRow, PostingCounts, RetentionClassRow};
use daybook_proto::privacy::v1::Sealed;
use daybook_proto::system::v1::Mark;

use crate::LEGAL_HOLD;

daybook_kernel::tables! {
    /// Tables of legal holds, of one tenant.
    projection LEGAL_HOLD;
    /// Items by id, without their content.
    items: 1, (String,) => ItemRow;
    /// Sealed content by item id. Gone when the item is deleted.
    item_content: 2, (String,) => Sealed;
    /// The sealed readable form of pseudonyms.
    entities: 3, (String,) => Sealed;
    /// Items by case.
    items_by_case: 4, (String, String) => Mark;
    /// Items by pseudonym.
    items_by_entity: 5, (String, String) => Mark;
    /// Items that are deferred or wait for a review, by state.
    items_by_state: 6, (u32, String) => Mark;
    /// Retention classes by id.
    retention_classes: 7, (String,) => RetentionClassRow;
    /// Items that wait for their retention: class, created at (microseconds since 1970), item id. The first of a class
    /// is the next to fall due, whatever its period is.
    retention_queue: 8, (String, i64, String) => Mark;
    /// Holds by id.
    holds: 9, (String,) => Hold;
    /// Holds by matter.
    holds_by_matter: 10, (String, String) => Mark;
    /// The hold index: dimension, value, piece of time, hold id. See `hold_index`.
    hold_postings: 11, (u8, String, u32, String) => CompiledScope;
    /// How many postings a dimension has for a value.
    hold_posting_counts: 12, (u8, String) => PostingCounts;
    /// Deletions that are put off: the hold whose end brings the item up again, item id.
    deferred: 13, (String, String) => Mark;
    /// The audit by command offset and event index.
    audit: 14, (u64, u32) => AuditEntry;
    /// Audit entries by what they concern: dimension, value, command offset, event index.
    audit_index: 15, (u8, String, u64, u32) => Mark;
}
