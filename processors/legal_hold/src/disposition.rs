//! Deleted or deferred: the one rule that every deletion goes through.

use daybook_kernel::domain::Moment;
use daybook_kernel::state::Fault;
use daybook_kernel::system::Effect;
use daybook_proto::legal_hold::v1::{DispositionCause, Item, ItemDisposition, ItemsDeferred, ItemsDisposed};
use daybook_proto::privacy::v1::DestroyKeys;
use legal_hold_projection::hold_index::matching_holds;
use legal_hold_projection::scope::ItemFacts;
use legal_hold_projection::{Event, Tables};

/// Holds that are named for a deferred deletion.
const HOLDS_NAMED_MAX: usize = 20;

/// Collects the answers to a run of deletions.
#[derive(Debug, Default)]
pub(crate) struct Dispositions {
    disposed: Vec<ItemDisposition>,
    deferred: Vec<ItemDisposition>,
}

impl Dispositions {
    /// Deletes an item unless a hold matches it.
    pub(crate) fn decide(&mut self, tables: &Tables<'_>, item: &Item, cause: DispositionCause) -> Result<(), Fault> {
        let hold_ids = matching_holds(tables, &ItemFacts::of_item(item), HOLDS_NAMED_MAX)?;
        let has_content = tables.item_content().contains((&item.item_id,))?;
        let is_held = !hold_ids.is_empty();
        let answer = ItemDisposition { item_id: item.item_id.clone(), cause: cause.into(), hold_ids, has_content };
        if is_held {
            self.deferred.push(answer)
        } else {
            self.disposed.push(answer)
        }
        Ok(())
    }

    /// The answers as events.
    pub(crate) fn into_events(self, reason: &str) -> Vec<Event> {
        let mut events = Vec::new();
        let reason = reason.to_owned();
        if !self.disposed.is_empty() {
            events.push(Event::ItemsDisposed(ItemsDisposed { items: self.disposed, reason: reason.clone() }));
        }
        if !self.deferred.is_empty() {
            events.push(Event::ItemsDeferred(ItemsDeferred { items: self.deferred, reason }));
        }
        events
    }
}

/// The key of an item, as seals name it.
pub(crate) fn item_key_id(item_id: &str) -> String {
    format!("item/{item_id}")
}

/// The item that a key belongs to.
pub(crate) fn item_of_key(key_id: &str) -> Option<&str> {
    key_id.strip_prefix("item/")
}

/// What was deleted logically is deleted physically: its keys are destroyed.
pub(crate) fn destroy_keys(event: &ItemsDisposed, moment: &Moment<'_>) -> Vec<Effect> {
    destroy_keys_of(event.items.iter().filter(|item| item.has_content).map(|item| item.item_id.as_str()), moment)
}

/// The effect that destroys the keys of items.
pub(crate) fn destroy_keys_of<'a>(items: impl Iterator<Item = &'a str>, moment: &Moment<'_>) -> Vec<Effect> {
    let key_ids: Vec<_> = items.map(item_key_id).collect();
    if key_ids.is_empty() {
        return Vec::new();
    }
    let keys = DestroyKeys { tenant_id: moment.tenant.as_str().to_owned(), key_ids };
    vec![Effect::destroy_keys(&keys, "RecordKeyDestruction")]
}
