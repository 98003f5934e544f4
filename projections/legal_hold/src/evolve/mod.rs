//! What each event changes.

mod dispositions;
mod hold_timers;
mod holds;
mod items;
mod retention_classes;
mod tenant_holds;

pub use items::digest as item_digest;

use daybook_kernel::domain::Moment;
use daybook_kernel::state::Fault;
use daybook_proto::system::v1::Mark;

use crate::{Event, TablesMut};

pub(crate) fn evolve(tables: &mut TablesMut<'_>, event: &Event, moment: &Moment<'_>) -> Result<(), Fault> {
    match event {
        Event::ItemsRegistered(event) => items::registered(tables, event, moment),
        Event::RetentionClassSet(event) => retention_classes::set(tables, event, moment),
        Event::RetentionChangeRequested(event) => retention_classes::change_requested(tables, event),
        Event::RetentionChangeApproved(event) => retention_classes::change_settled(tables, &event.retention_class_id),
        Event::RetentionChangeDeclined(event) => retention_classes::change_settled(tables, &event.retention_class_id),
        Event::RetentionRun(event) => retention_classes::run(tables, event, moment),
        Event::ItemsDueForReview(event) => items::due_for_review(tables, event),
        Event::ItemReviewed(event) => items::reviewed(tables, event),
        Event::HoldPlaced(event) => holds::placed(tables, event, moment),
        Event::HoldStarted(event) => holds::started(tables, event, moment),
        Event::HoldUpdated(event) => holds::updated(tables, event),
        Event::HoldChangeRequested(event) => holds::change_requested(tables, event),
        Event::HoldChangeApproved(event) => holds::change_settled(tables, &event.hold_id),
        Event::HoldChangeDeclined(event) => holds::change_settled(tables, &event.hold_id),
        Event::HoldScopeChanged(event) => holds::scope_changed(tables, event, moment),
        Event::HoldReleaseScheduled(event) => holds::release_scheduled(tables, event, moment),
        Event::HoldReleaseCancelled(event) => holds::release_cancelled(tables, event),
        Event::HoldReleased(event) => holds::released(tables, event, moment),
        Event::HoldSwept(event) => holds::swept(tables, event, moment),
        Event::TenantHoldRecorded(event) => tenant_holds::recorded(tables, event, moment),
        Event::TenantHoldsAsked(event) => tenant_holds::asked(tables, event, moment),
        Event::GoverningHoldApplied(event) => tenant_holds::applied(tables, event),
        Event::ItemsDisposed(event) => dispositions::disposed(tables, event, moment),
        Event::ItemsDeferred(event) => dispositions::deferred(tables, event, moment),
        Event::ItemsReturned(event) => dispositions::returned(tables, event, moment),
        Event::ItemKeysDestroyed(event) => dispositions::keys_destroyed(tables, event),
        Event::ItemKeysDiscarded(event) => {
            event.item_ids.iter().for_each(|id| tables.discarded_items().put((id,), &Mark {}));
            Ok(())
        }
        // Facts for the audit alone.
        Event::DispositionRepeated(_) | Event::ItemRevealed(_) | Event::EntitiesRevealed(_) => Ok(()),
    }
}

/// An event lacks what its kind must have.
fn lacking(what: &str) -> Fault {
    Fault::Damaged(format!("an event of legal holds lacks {what}"))
}
