//! The tables. Kinds are frozen.

use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{
    AuditEntry, CompiledScope, GoverningHoldRow, Hold, HoldCounts, HoldState, ItemRow, PostingCounts, RetentionClassRow,
};
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
    /// The sealed readable form of pseudonyms, as the first item or scope had it.
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
    /// Holds by id, without what they count: see `hold_counts`.
    holds: 9, (String,) => Hold;
    /// Holds by matter.
    holds_by_matter: 10, (String, String) => Mark;
    /// The hold index: dimension, value, piece of time, hold id. See `hold_index`. (11 was the same with the whole scope in
    /// each row.)
    hold_postings: 16, (u8, String, u32, String) => Mark;
    /// Scopes of the holds in force, by hold.
    hold_scopes: 17, (String,) => CompiledScope;
    /// How many postings a dimension has for a value.
    hold_posting_counts: 12, (u8, String) => PostingCounts;
    /// Deferred deletions: the hold whose end brings the item up again, item id.
    deferred: 13, (String, String) => Mark;
    /// What holds count, by hold.
    hold_counts: 18, (String,) => HoldCounts;
    /// What was heard from holds of other tenants: that tenant, its hold.
    governing_holds: 19, (String, String) => GoverningHoldRow;
    /// Items whose keys were destroyed before they were registered: their ids are not used again.
    discarded_items: 20, (String,) => Mark;
    /// The audit by command offset and event index.
    audit: 14, (u64, u32) => AuditEntry;
    /// Audit entries by what they concern: dimension, value, command offset, event index.
    audit_index: 15, (u8, String, u64, u32) => Mark;
    /// The sealed readable form of an entity of an item, where the item has another one than `entities`: item id, place
    /// among its entities. The name that somebody has in one message is not the one in another. Gone when the item is
    /// deleted.
    item_entities: 21, (String, u32) => Sealed;
}

impl Tables<'_> {
    /// A hold with what it counts.
    pub fn hold(&self, hold_id: &str) -> Result<Option<Hold>, Fault> {
        let Some(mut hold) = self.holds().get((hold_id,))? else { return Ok(None) };
        hold.deferred_items = self.deferred_items(hold_id)?;
        Ok(Some(hold))
    }

    /// How many deletions wait for the end of a hold.
    pub fn deferred_items(&self, hold_id: &str) -> Result<u64, Fault> {
        Ok(self.hold_counts().get((hold_id,))?.map_or(0, |counts| counts.deferred_items))
    }

    /// The hold that is in force here, or will be, for a hold of another tenant, and the latest revision that was heard.
    pub fn governed_hold(&self, home: &str, governing_hold_id: &str) -> Result<(Option<Hold>, u64), Fault> {
        let row = self.governing_holds().get((home, governing_hold_id))?.unwrap_or_default();
        let hold = if row.hold_id.is_empty() { None } else { self.holds().get((&row.hold_id,))? };
        Ok((hold.filter(|hold| hold.state() != HoldState::Released), row.revision))
    }
}

impl TablesMut<'_> {
    /// Counts a deferral of a hold, or takes it back.
    pub(crate) fn count_deferred(&mut self, hold_id: &str, change: impl FnOnce(u64) -> u64) -> Result<(), Fault> {
        let mut counts = self.hold_counts().get((hold_id,))?.unwrap_or_default();
        counts.deferred_items = change(counts.deferred_items);
        match counts.deferred_items {
            0 => self.hold_counts().delete((hold_id,)),
            _ => self.hold_counts().put((hold_id,), &counts),
        }
        Ok(())
    }
}
