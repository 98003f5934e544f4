//! The legal hold domain: governed items, their retention, and the holds that stop their deletion.
//!
//! Everything of a tenant is decided in one stream, so there is no gap: a hold placed by one command stops a deletion
//! asked for by the next.
//!
//! | command | file |
//! | --- | --- |
//! | `RegisterItem`, `RegisterItems` | [`register_items`] |
//! | `SetRetentionClass` | [`set_retention_class`] |
//! | `ApproveRetentionChange`, `DeclineRetentionChange` | [`retention_change`] |
//! | `PlaceHold` | [`place_hold`] |
//! | `UpdateHold` | [`update_hold`] |
//! | `ChangeHoldScope` | [`change_hold_scope`] |
//! | `ReleaseHold`, `CancelRelease` | [`release_hold`] |
//! | `ApproveHoldChange`, `DeclineHoldChange` | [`settle_hold_change`] |
//! | `ConfirmHold` | [`other_tenants`] |
//! | `DisposeItems` | [`dispose_items`] |
//! | `CompleteReview` | [`complete_review`] |
//! | `RevealItem`, `RevealEntities` | [`reveal`] |
//! | timers: `RunRetention`, `StartHold`, `EndHold`, `FinishRelease`, `SweepHold`, `ConfirmTenantHolds` | [`run_retention`], [`hold_timers`], [`sweep_hold`], [`other_tenants`] |
//! | outcomes of effects: `RecordKeyDestruction`, `RecordTenantHold` | [`record_key_destruction`], [`other_tenants`] |
//! | from another tenant's stream: `ApplyGoverningHold` | [`governing_hold`] |
//! | from the door: `DiscardKeys` | [`discard_keys`] |
//!
//! Shared rules: [`disposition`] (deleted or deferred), [`hold_rules`] (what may be done to a hold in which state),
//! [`other_tenants`] (who may reach into another tenant, and what that tenant is sent), [`parse`] (fields that several
//! commands have).
//!
//! Architecture invariant: pure. Reads the domain's tables, the command and the context; `../clippy.toml` holds that.

pub mod change_hold_scope;
pub mod complete_review;
pub mod discard_keys;
pub mod dispose_items;
pub mod disposition;
pub mod governing_hold;
pub mod hold_rules;
pub mod hold_timers;
pub mod other_tenants;
pub mod parse;
pub mod place_hold;
pub mod record_key_destruction;
pub mod register_items;
pub mod release_hold;
pub mod retention_change;
pub mod reveal;
pub mod run_retention;
mod second_person;
pub mod set_retention_class;
pub mod settle_hold_change;
pub mod sweep_hold;
pub mod update_hold;

use daybook_kernel::code::Code;
use daybook_kernel::domain::{Domain, Moment};
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::registry::QueryEntry;
use daybook_kernel::system::Effect;
use legal_hold_projection::{
    CheckDisposition, DOMAIN, Event, GetHold, GetItem, ListAuditEntries, ListHolds, ListItems, ListRetentionClasses,
    PreviewRetentionClass, PreviewScope,
};

daybook_kernel::commands! {
    /// Commands of the legal hold domain.
    pub enum Command for legal_hold_projection::LegalHold {
        RegisterItem(register_items::RegisterItem),
        RegisterItems(register_items::RegisterItems),
        SetRetentionClass(set_retention_class::SetRetentionClass),
        PlaceHold(place_hold::PlaceHold),
        UpdateHold(update_hold::UpdateHold),
        ChangeHoldScope(change_hold_scope::ChangeHoldScope),
        ReleaseHold(release_hold::ReleaseHold),
        CancelRelease(release_hold::CancelRelease),
        ApproveHoldChange(settle_hold_change::ApproveHoldChange),
        DeclineHoldChange(settle_hold_change::DeclineHoldChange),
        DisposeItems(dispose_items::DisposeItems),
        CompleteReview(complete_review::CompleteReview),
        RevealItem(reveal::RevealItem),
        RevealEntities(reveal::RevealEntities),
        RunRetention(run_retention::RunRetention),
        StartHold(hold_timers::StartHold),
        EndHold(hold_timers::EndHold),
        FinishRelease(hold_timers::FinishRelease),
        SweepHold(sweep_hold::SweepHold),
        RecordKeyDestruction(record_key_destruction::RecordKeyDestruction),
        ApplyGoverningHold(governing_hold::ApplyGoverningHold),
        RecordTenantHold(other_tenants::RecordTenantHold),
        ConfirmTenantHolds(other_tenants::ConfirmTenantHolds),
        ConfirmHold(other_tenants::ConfirmHold),
        DiscardKeys(discard_keys::DiscardKeys),
        ApproveRetentionChange(retention_change::ApproveRetentionChange),
        DeclineRetentionChange(retention_change::DeclineRetentionChange),
    }
}

/// The legal hold domain.
pub struct LegalHold;

impl Domain for LegalHold {
    const NAME: &'static str = DOMAIN;
    const SERVICE: &'static str = "daybook.legal_hold.v1.LegalHoldService";
    const POLICY_NAMESPACE: &'static str = legal_hold_projection::NAMESPACE;
    const DECIDER_VERSION: u32 = 2;
    const CEDAR_SCHEMA: &'static str = include_str!("../policy/schema.cedarschema");
    const CEDAR_POLICIES: &'static str = include_str!("../policy/default.cedar");
    const CODES: &'static [Code] = codes::EVERY;
    type Projection = legal_hold_projection::LegalHold;
    type Command = Command;

    fn stream_key(tenant: &TenantId, _: &Command, _: u32) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn effects(event: &Event, moment: &Moment<'_>) -> Vec<Effect> {
        let updates = match event {
            Event::ItemsDisposed(event) => return disposition::destroy_keys(event, moment),
            Event::ItemKeysDiscarded(event) => {
                return disposition::destroy_keys_of(event.item_ids.iter().map(String::as_str), moment);
            }
            Event::HoldPlaced(event) => &event.governing_updates,
            Event::HoldStarted(event) => &event.governing_updates,
            Event::HoldScopeChanged(event) => &event.governing_updates,
            Event::HoldReleased(event) => &event.governing_updates,
            Event::TenantHoldsAsked(event) => &event.governing_updates,
            _ => return Vec::new(),
        };
        other_tenants::send(updates, moment)
    }

    fn discard_keys(key_ids: &[String]) -> Option<(&'static str, Vec<u8>)> {
        discard_keys::DiscardKeys::of_keys(key_ids)
    }

    fn queries() -> Vec<QueryEntry> {
        vec![
            QueryEntry::of::<CheckDisposition>(),
            QueryEntry::of::<GetItem>(),
            QueryEntry::of::<ListItems>(),
            QueryEntry::of::<ListRetentionClasses>(),
            QueryEntry::of::<PreviewRetentionClass>(),
            QueryEntry::of::<GetHold>(),
            QueryEntry::of::<ListHolds>(),
            QueryEntry::of::<PreviewScope>(),
            QueryEntry::of::<ListAuditEntries>(),
        ]
    }
}

/// Error codes of the legal hold domain.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// Another item is registered under this id.
        ITEM_CONFLICT: AlreadyExists;
        /// The item was deleted.
        ITEM_DISPOSED: FailedPrecondition;
        /// The item has no content, or not any more.
        CONTENT_NOT_AVAILABLE: FailedPrecondition;
        /// The item does not wait for a review.
        REVIEW_NOT_DUE: FailedPrecondition;
        /// A hold with this id exists.
        HOLD_ALREADY_EXISTS: AlreadyExists;
        /// The hold is over.
        HOLD_ALREADY_RELEASED: FailedPrecondition;
        /// The hold's release is approved already and waits for its delay.
        HOLD_RELEASE_SCHEDULED: FailedPrecondition;
        /// The hold's release is not under way.
        HOLD_RELEASE_NOT_SCHEDULED: FailedPrecondition;
        /// A change of the hold waits for approval already.
        HOLD_CHANGE_PENDING: FailedPrecondition;
        /// No such change waits for approval.
        HOLD_CHANGE_NOT_PENDING: FailedPrecondition;
        /// A change of a retention class lets more items fall due than the caller accepted.
        RETENTION_DUE_NOT_ACCEPTED: FailedPrecondition;
        /// A change of the retention class waits for approval already.
        RETENTION_CHANGE_PENDING: FailedPrecondition;
        /// No such change of the retention class waits for approval.
        RETENTION_CHANGE_NOT_PENDING: FailedPrecondition;
        /// An item is past the end of its retention and was not to be registered then.
        RETENTION_ALREADY_OVER: FailedPrecondition;
        /// The principal who asked for a change cannot approve it.
        SECOND_PERSON_REQUIRED: PermissionDenied;
        /// The hold stands for one of another tenant and is changed only from there.
        HOLD_GOVERNED_ELSEWHERE: FailedPrecondition;
        /// The change changes nothing.
        HOLD_UNCHANGED: FailedPrecondition;
    }

    use legal_hold_projection::codes::{HOLD_NOT_FOUND, ITEM_NOT_FOUND, RETENTION_CLASS_NOT_FOUND};

    /// Every code of this domain.
    pub const EVERY: &[daybook_kernel::code::Code] = &[
        ITEM_CONFLICT,
        ITEM_DISPOSED,
        CONTENT_NOT_AVAILABLE,
        REVIEW_NOT_DUE,
        HOLD_ALREADY_EXISTS,
        HOLD_ALREADY_RELEASED,
        HOLD_RELEASE_SCHEDULED,
        HOLD_RELEASE_NOT_SCHEDULED,
        HOLD_CHANGE_PENDING,
        HOLD_CHANGE_NOT_PENDING,
        RETENTION_DUE_NOT_ACCEPTED,
        RETENTION_CHANGE_PENDING,
        RETENTION_CHANGE_NOT_PENDING,
        RETENTION_ALREADY_OVER,
        SECOND_PERSON_REQUIRED,
        HOLD_GOVERNED_ELSEWHERE,
        HOLD_UNCHANGED,
        ITEM_NOT_FOUND,
        HOLD_NOT_FOUND,
        RETENTION_CLASS_NOT_FOUND,
    ];
}
