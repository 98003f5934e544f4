//! Items.

use daybook_kernel::domain::Moment;
use daybook_kernel::hash::Hash;
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{self, Item, ItemRow, ItemState, ReviewOutcome};
use daybook_proto::system::v1::Mark;
use prost::Message;

use super::lacking;
use crate::{TablesMut, retention};

pub(super) fn registered(
    tables: &mut TablesMut<'_>,
    event: &v1::ItemsRegistered,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    event.items.iter().try_for_each(|item| register(tables, item, moment))
}

/// Tells an item that is registered again just as it was from one that differs. Remarks are not part of it: a later release
/// may have more to say about the same item.
pub fn digest(item: &Item) -> bytes::Bytes {
    let item = Item { remarks: Vec::new(), ..item.clone() };
    Hash::of(&item.encode_to_vec()).to_bytes().slice(..16)
}

fn register(tables: &mut TablesMut<'_>, item: &Item, moment: &Moment<'_>) -> Result<(), Fault> {
    let id = item.item_id.as_str();
    let created_us = created_us(item)?;
    let content_digest = digest(item);
    let mut kept = item.clone();
    if let Some(content) = kept.sealed.take() {
        tables.item_content().put((id,), &content);
    }
    for (place, entity) in (0_u32..).zip(&mut kept.entities) {
        tables.items_by_entity().put((&entity.id, id), &Mark {});
        // The same identifier has the same readable form nearly everywhere. Where a message gives another name, or another
        // spelling, that is kept with its item.
        let Some(readable) = entity.sealed.take() else { continue };
        match tables.entities().get((&entity.id,))? {
            None => tables.entities().put((&entity.id,), &readable),
            Some(first) if first == readable => {}
            Some(_) => tables.item_entities().put((id, place), &readable),
        }
    }
    for case in &kept.case_ids {
        tables.items_by_case().put((case, id), &Mark {});
    }
    let class_id = kept.retention_class_id.clone();
    let row = ItemRow {
        item: Some(kept),
        state: ItemState::Active.into(),
        registered_offset: moment.position.offset.0,
        content_digest,
        registered_by: moment.actor_id.to_owned(),
        ..Default::default()
    };
    tables.items().put((id,), &row);
    tables.retention_queue().put((&class_id, created_us, id), &Mark {});
    let class = tables.retention_classes().update((&class_id,), |class| class.waiting_items += 1)?;
    retention::note_item(tables, &class.retention_class.unwrap_or_default(), created_us, moment)
}

pub(super) fn created_us(item: &Item) -> Result<i64, Fault> {
    let created = item.created_at.as_ref().and_then(|time| Timestamp::from_proto(time).ok());
    created.map(Timestamp::as_micros).ok_or_else(|| lacking("the time of an item"))
}

/// Takes an item out of the line of those that wait for their retention, if it stands there.
pub(super) fn stop_waiting(tables: &mut TablesMut<'_>, row: &ItemRow) -> Result<(), Fault> {
    let item = row.item.as_ref().ok_or_else(|| lacking("its item"))?;
    let key = (item.retention_class_id.as_str(), created_us(item)?, item.item_id.as_str());
    if row.state() == ItemState::Active {
        tables.retention_queue().delete(key);
        tables
            .retention_classes()
            .update((key.0,), |class| class.waiting_items = class.waiting_items.saturating_sub(1))?;
    }
    Ok(())
}

/// Notes the states that are worth a list of their own.
pub(super) fn list_state(tables: &mut TablesMut<'_>, item_id: &str, before: ItemState, after: ItemState) {
    let listed = |state: ItemState| matches!(state, ItemState::Deferred | ItemState::ReviewDue);
    if listed(before) && before != after {
        tables.items_by_state().delete((before as u32, item_id));
    }
    if listed(after) {
        tables.items_by_state().put((after as u32, item_id), &Mark {});
    }
}

pub(super) fn due_for_review(tables: &mut TablesMut<'_>, event: &v1::ItemsDueForReview) -> Result<(), Fault> {
    for id in &event.item_ids {
        let row = tables.items().get((id,))?.ok_or_else(|| lacking("an item that is registered"))?;
        stop_waiting(tables, &row)?;
        list_state(tables, id, row.state(), ItemState::ReviewDue);
        tables.items().put((id,), &ItemRow { state: ItemState::ReviewDue.into(), ..row });
    }
    Ok(())
}

pub(super) fn reviewed(tables: &mut TablesMut<'_>, event: &v1::ItemReviewed) -> Result<(), Fault> {
    if event.outcome() == ReviewOutcome::Keep {
        let row = tables.items().get((&event.item_id,))?.ok_or_else(|| lacking("an item that is registered"))?;
        list_state(tables, &event.item_id, row.state(), ItemState::Kept);
        tables.items().put((&event.item_id,), &ItemRow { state: ItemState::Kept.into(), ..row });
    }
    Ok(())
}
