//! Deletions: done, deferred, taken back, proven.

use daybook_kernel::domain::Moment;
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, ItemRow, ItemState, KeyDestruction};
use daybook_proto::system::v1::Mark;

use super::items::{created_us, list_state, stop_waiting};
use super::lacking;
use crate::{TablesMut, retention};

pub(super) fn disposed(
    tables: &mut TablesMut<'_>,
    event: &v1::ItemsDisposed,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    for disposition in &event.items {
        let id = &disposition.item_id;
        let row = leave_lists(tables, id)?;
        // Without content there is nothing to destroy: the deletion is complete.
        let state = if disposition.has_content { ItemState::Disposed } else { ItemState::Purged };
        let nothing_to_destroy = KeyDestruction { had_no_content: true, ..Default::default() };
        list_state(tables, id, row.state(), state);
        tables.item_content().delete((id,));
        let entities = row.item.as_ref().map_or(0, |item| item.entities.len());
        for place in (0_u32..).take(entities) {
            tables.item_entities().delete((id, place));
        }
        let row = ItemRow {
            state: state.into(),
            cause: disposition.cause,
            disposition_asked_at_us: asked_at(&row, moment),
            disposed_at_us: moment.now.as_micros(),
            watched_hold_id: String::new(),
            key_destruction: (!disposition.has_content).then_some(nothing_to_destroy),
            ..row
        };
        tables.items().put((id,), &row);
    }
    Ok(())
}

pub(super) fn deferred(
    tables: &mut TablesMut<'_>,
    event: &v1::ItemsDeferred,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    for disposition in &event.items {
        let id = &disposition.item_id;
        let watched = disposition.hold_ids.first().ok_or_else(|| lacking("the holds of a deferral"))?;
        let row = leave_lists(tables, id)?;
        list_state(tables, id, row.state(), ItemState::Deferred);
        tables.deferred().put((watched, id), &Mark {});
        tables.count_deferred(watched, |count| count + 1)?;
        let row = ItemRow {
            state: ItemState::Deferred.into(),
            cause: disposition.cause,
            disposition_asked_at_us: asked_at(&row, moment),
            watched_hold_id: watched.clone(),
            ..row
        };
        tables.items().put((id,), &row);
    }
    Ok(())
}

pub(super) fn returned(
    tables: &mut TablesMut<'_>,
    event: &v1::ItemsReturned,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    for id in &event.item_ids {
        let row = leave_lists(tables, id)?;
        list_state(tables, id, row.state(), ItemState::Active);
        let item = row.item.clone().ok_or_else(|| lacking("its item"))?;
        let created_us = created_us(&item)?;
        tables.retention_queue().put((&item.retention_class_id, created_us, id), &Mark {});
        let class = tables.retention_classes().update((&item.retention_class_id,), |class| class.waiting_items += 1)?;
        let row = ItemRow {
            state: ItemState::Active.into(),
            cause: 0,
            disposition_asked_at_us: 0,
            watched_hold_id: String::new(),
            ..row
        };
        tables.items().put((id,), &row);
        retention::note_item(tables, &class.retention_class.unwrap_or_default(), created_us, moment)?;
    }
    Ok(())
}

pub(super) fn keys_destroyed(tables: &mut TablesMut<'_>, event: &v1::ItemKeysDestroyed) -> Result<(), Fault> {
    for key in &event.keys {
        tables.items().update((&key.item_id,), |row| {
            row.set_state(ItemState::Purged);
            row.key_destruction.clone_from(&key.destruction);
        })?;
    }
    Ok(())
}

/// Takes an item out of the lists that its state put it in, and returns its row.
fn leave_lists(tables: &mut TablesMut<'_>, id: &str) -> Result<ItemRow, Fault> {
    let row = tables.items().get((id,))?.ok_or_else(|| lacking("an item that is registered"))?;
    stop_waiting(tables, &row)?;
    if row.state() == ItemState::Deferred {
        tables.deferred().delete((&row.watched_hold_id, id));
        tables.count_deferred(&row.watched_hold_id, |count| count.saturating_sub(1))?;
    }
    Ok(row)
}

/// When the deletion first came up.
fn asked_at(row: &ItemRow, moment: &Moment<'_>) -> i64 {
    if row.state() == ItemState::Deferred { row.disposition_asked_at_us } else { moment.now.as_micros() }
}
