//! The audit: an entry for every event that a hold, a matter, an item or an actor could be asked about.

use daybook_kernel::domain::{EventSet, Moment};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{AuditAction, AuditEntry, TenantHoldRecorded};
use daybook_proto::system::v1::Mark;

use crate::{Event, TablesMut};

/// What audit entries are found by.
pub(crate) const BY_HOLD: u8 = 1;
pub(crate) const BY_MATTER: u8 = 2;
pub(crate) const BY_ITEM: u8 = 3;
pub(crate) const BY_ACTOR: u8 = 4;

/// Writes the entry of an event, if it has one.
pub(crate) fn record(tables: &mut TablesMut<'_>, event: &Event, moment: &Moment<'_>) -> Result<(), Fault> {
    let Some(mut entry) = entry(event) else { return Ok(()) };
    if !entry.hold_id.is_empty() {
        entry.matter_id = tables.holds().get((&entry.hold_id,))?.map(|hold| hold.matter_id).unwrap_or_default();
    }
    entry.position = Some(moment.position.into());
    entry.event_index = moment.event_index;
    entry.decided_at = Some(moment.now.to_proto());
    entry.actor_id = moment.actor_id.to_owned();
    entry.actor_kind = moment.actor_kind.into();
    entry.command_hash = moment.command_hash.to_hex();

    let (offset, index) = (moment.position.offset.0, moment.event_index);
    let mut find_by = |dimension: u8, value: &str| {
        if !value.is_empty() {
            tables.audit_index().put((dimension, value, offset, index), &Mark {});
        }
    };
    find_by(BY_HOLD, &entry.hold_id);
    find_by(BY_MATTER, &entry.matter_id);
    find_by(BY_ACTOR, &entry.actor_id);
    entry.item_ids.iter().for_each(|item| find_by(BY_ITEM, item));
    // The holds that put a deletion off are asked about as well.
    if entry.action() == AuditAction::ItemsDeferred {
        entry.related_ids.iter().for_each(|hold| find_by(BY_HOLD, hold));
    }
    tables.audit().put((offset, index), &entry);
    Ok(())
}

/// What the audit says of an event of the log, as far as the event alone tells: without position, actor, time and
/// matter. `None`: nothing. Whoever checks an export of the audit compares with this.
pub fn audit_entry(event: &daybook_proto::log::v1::Event) -> Result<Option<AuditEntry>, Fault> {
    Ok(entry(&<Event as EventSet>::decode(event)?))
}

/// The hold that an event of the log places, with its matter: what shows to which matter the later entries of that hold
/// belong.
pub fn placed_hold(event: &daybook_proto::log::v1::Event) -> Result<Option<(String, String)>, Fault> {
    Ok(match <Event as EventSet>::decode(event)? {
        Event::HoldPlaced(event) => event.hold.map(|hold| (hold.hold_id, hold.matter_id)),
        _ => None,
    })
}

fn entry(event: &Event) -> Option<AuditEntry> {
    let of_hold = |action: AuditAction, hold_id: &str, reason: &str| {
        Some(AuditEntry {
            action: action.into(),
            hold_id: hold_id.to_owned(),
            reason: reason.to_owned(),
            ..Default::default()
        })
    };
    let of_items = |action: AuditAction, item_ids: Vec<String>, reason: &str| {
        Some(AuditEntry { action: action.into(), item_ids, reason: reason.to_owned(), ..Default::default() })
    };
    let of_class = |action: AuditAction, class_id: &str, reason: &str| {
        let (action, related_ids) = (action.into(), vec![class_id.to_owned()]);
        Some(AuditEntry { action, related_ids, reason: reason.to_owned(), ..Default::default() })
    };
    match event {
        Event::ItemsRegistered(_) | Event::RetentionRun(_) | Event::HoldSwept(_) | Event::DispositionRepeated(_) => {
            None
        }
        // What it changed here has an event of its own.
        Event::GoverningHoldApplied(_) => None,
        Event::TenantHoldsAsked(event) if event.attempt == 0 => None,
        Event::TenantHoldsAsked(event) => {
            let tenants = event.governing_updates.iter().map(|update| update.tenant_id.clone());
            let reason = format!("not confirmed after {} times", event.attempt);
            let entry = of_hold(AuditAction::TenantHoldsAsked, &event.hold_id, &reason)?;
            Some(AuditEntry { related_ids: tenants.collect(), ..entry })
        }
        Event::RetentionClassSet(event) => {
            let class = event.retention_class.as_ref()?;
            of_class(AuditAction::RetentionClassSet, &class.retention_class_id, "")
        }
        Event::RetentionChangeRequested(event) => {
            let change = event.change.as_ref()?;
            let class = change.retention_class.as_ref()?;
            of_class(AuditAction::RetentionChangeRequested, &class.retention_class_id, "")
        }
        Event::RetentionChangeApproved(event) => {
            of_class(AuditAction::RetentionChangeApproved, &event.retention_class_id, &event.comment)
        }
        Event::RetentionChangeDeclined(event) => {
            of_class(AuditAction::RetentionChangeDeclined, &event.retention_class_id, &event.comment)
        }
        Event::HoldPlaced(event) => {
            let hold = event.hold.as_ref()?;
            of_hold(AuditAction::HoldPlaced, &hold.hold_id, &hold.reason)
        }
        Event::HoldStarted(event) => of_hold(AuditAction::HoldStarted, &event.hold_id, ""),
        Event::HoldUpdated(event) => of_hold(AuditAction::HoldUpdated, &event.hold_id, &event.reason),
        Event::HoldChangeRequested(event) => {
            let reason = event.change.as_ref().map_or("", |change| change.reason.as_str());
            of_hold(AuditAction::ChangeRequested, &event.hold_id, reason)
        }
        Event::HoldChangeApproved(event) => of_hold(AuditAction::ChangeApproved, &event.hold_id, &event.comment),
        Event::HoldChangeDeclined(event) => of_hold(AuditAction::ChangeDeclined, &event.hold_id, &event.comment),
        Event::HoldScopeChanged(event) => of_hold(AuditAction::HoldScopeChanged, &event.hold_id, &event.reason),
        Event::HoldReleaseScheduled(event) => of_hold(AuditAction::ReleaseScheduled, &event.hold_id, &event.reason),
        Event::HoldReleaseCancelled(event) => of_hold(AuditAction::ReleaseCancelled, &event.hold_id, &event.reason),
        Event::HoldReleased(event) => of_hold(AuditAction::HoldReleased, &event.hold_id, &event.reason),
        // A tenant that confirms once a day what it confirmed before is no news.
        Event::TenantHoldRecorded(event) if event.unchanged => None,
        Event::TenantHoldRecorded(event) => {
            let entry = of_hold(AuditAction::TenantHoldRecorded, &event.hold_id, &answer(event))?;
            Some(AuditEntry { related_ids: vec![event.tenant_id.clone()], ..entry })
        }
        Event::ItemsDisposed(event) => {
            let items = event.items.iter().map(|item| item.item_id.clone()).collect();
            of_items(AuditAction::ItemsDisposed, items, &event.reason)
        }
        Event::ItemsDeferred(event) => {
            let items = event.items.iter().map(|item| item.item_id.clone()).collect();
            let mut holds: Vec<_> = event.items.iter().flat_map(|item| item.hold_ids.clone()).collect();
            holds.sort();
            holds.dedup();
            let entry = of_items(AuditAction::ItemsDeferred, items, &event.reason)?;
            Some(AuditEntry { related_ids: holds, ..entry })
        }
        Event::ItemsDueForReview(event) => of_items(AuditAction::ItemsDueForReview, event.item_ids.clone(), ""),
        Event::ItemsReturned(event) => of_items(AuditAction::ItemsReturned, event.item_ids.clone(), ""),
        Event::ItemReviewed(event) => of_items(AuditAction::ItemReviewed, vec![event.item_id.clone()], &event.reason),
        Event::ItemKeysDestroyed(event) => {
            let items = event.keys.iter().map(|key| key.item_id.clone()).collect();
            of_items(AuditAction::KeysDestroyed, items, "")
        }
        Event::ItemKeysDiscarded(event) => {
            of_items(AuditAction::KeysDestroyed, event.item_ids.clone(), "their registration was denied")
        }
        Event::ItemRevealed(event) => {
            of_items(AuditAction::ContentRevealed, vec![event.item_id.clone()], &event.purpose)
        }
        Event::EntitiesRevealed(event) => {
            let entry = of_items(AuditAction::ContentRevealed, Vec::new(), &event.purpose)?;
            Some(AuditEntry { related_ids: event.pseudonyms.clone(), ..entry })
        }
    }
}

/// How a tenant answered, in words: what it confirmed, or why not.
fn answer(event: &TenantHoldRecorded) -> String {
    // Entries of before tenants told what is in force in them had the code alone, and stay as they were.
    if event.revision == 0 {
        return event.code.clone();
    }
    let state = event.state().as_str_name().trim_start_matches("TENANT_HOLD_STATE_").to_ascii_lowercase();
    if event.code.is_empty() { state } else { format!("{state}: {}", event.code) }
}
