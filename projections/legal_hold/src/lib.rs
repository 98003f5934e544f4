//! The tables of legal holds: items, retention classes, holds, the index that finds the holds of an item, and the audit.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`tables`](Tables) | the tables |
//! | [`evolve`](LegalHold) | what each event changes |
//! | [`scope`] | compiled scopes: matching, covering |
//! | [`transition`] | how a hold goes from one form to the next |
//! | [`retention`] | when an item falls due, what a change of its class would do |
//! | [`hold_index`] | from an item to the holds that match it, without looking at the others |
//! | [`queries`](CheckDisposition) | the questions |
//!
//! Architecture invariant: a pure function from events to rows. No IO, no clock; `../clippy.toml` holds that.

mod audit;
mod evolve;
pub mod hold_index;
pub mod interval;
mod queries;
pub mod retention;
pub mod scope;
mod tables;
pub mod transition;

use daybook_kernel::code::Code;
use daybook_kernel::domain::{Moment, Projection};
use daybook_kernel::state::{Fault, ProjectionId};
use daybook_proto::legal_hold::v1;

pub use audit::{audit_entry, placed_hold};
pub use evolve::item_digest;
pub use queries::{
    CheckDisposition, GetHold, GetItem, ListAuditEntries, ListHolds, ListItems, ListRetentionClasses,
    PreviewRetentionClass, PreviewScope, count_matches,
};
pub use tables::{Tables, TablesMut};

daybook_kernel::events! {
    /// Events of the legal hold domain.
    pub enum Event {
        ItemsRegistered(v1::ItemsRegistered) = 1;
        RetentionClassSet(v1::RetentionClassSet) = 1;
        HoldPlaced(v1::HoldPlaced) = 1;
        HoldStarted(v1::HoldStarted) = 1;
        HoldUpdated(v1::HoldUpdated) = 1;
        HoldChangeRequested(v1::HoldChangeRequested) = 1;
        HoldChangeApproved(v1::HoldChangeApproved) = 1;
        HoldChangeDeclined(v1::HoldChangeDeclined) = 1;
        HoldScopeChanged(v1::HoldScopeChanged) = 1;
        HoldReleaseScheduled(v1::HoldReleaseScheduled) = 1;
        HoldReleaseCancelled(v1::HoldReleaseCancelled) = 1;
        HoldReleased(v1::HoldReleased) = 1;
        ItemsDisposed(v1::ItemsDisposed) = 1;
        ItemsDeferred(v1::ItemsDeferred) = 1;
        DispositionRepeated(v1::DispositionRepeated) = 1;
        ItemsDueForReview(v1::ItemsDueForReview) = 1;
        ItemsReturned(v1::ItemsReturned) = 1;
        RetentionRun(v1::RetentionRun) = 1;
        HoldSwept(v1::HoldSwept) = 1;
        ItemReviewed(v1::ItemReviewed) = 1;
        ItemKeysDestroyed(v1::ItemKeysDestroyed) = 1;
        ItemRevealed(v1::ItemRevealed) = 1;
        EntitiesRevealed(v1::EntitiesRevealed) = 1;
        TenantHoldRecorded(v1::TenantHoldRecorded) = 1;
        TenantHoldsAsked(v1::TenantHoldsAsked) = 1;
        GoverningHoldApplied(v1::GoverningHoldApplied) = 1;
        ItemKeysDiscarded(v1::ItemKeysDiscarded) = 1;
        RetentionChangeRequested(v1::RetentionChangeRequested) = 1;
        RetentionChangeApproved(v1::RetentionChangeApproved) = 1;
        RetentionChangeDeclined(v1::RetentionChangeDeclined) = 1;
    }
}

/// The projection of legal holds.
pub struct LegalHold;

/// Its number; frozen.
pub const LEGAL_HOLD: ProjectionId = ProjectionId(2);

/// Name of the domain.
pub const DOMAIN: &str = "legal_hold";

/// Namespace of the domain in policies.
pub const NAMESPACE: &str = "LegalHold";

/// What policies see of a question that names a person, in its context. Whether there is anything about somebody, and how
/// much, is an answer about that person: not everybody who may read what is listed may ask for somebody.
const BY_PERSON: &str = "by_person";

impl Projection for LegalHold {
    const ID: ProjectionId = LEGAL_HOLD;
    const NAME: &'static str = DOMAIN;
    const VERSION: u32 = 2;
    type Event = Event;
    type Tables<'a> = Tables<'a>;
    type TablesMut<'a> = TablesMut<'a>;

    fn evolve(tables: &mut TablesMut<'_>, event: &Event, moment: &Moment<'_>) -> Result<(), Fault> {
        evolve::evolve(tables, event, moment)?;
        audit::record(tables, event, moment)
    }
}

/// Error codes of what is looked for and not found.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// There is no such item.
        ITEM_NOT_FOUND: NotFound;
        /// There is no such hold.
        HOLD_NOT_FOUND: NotFound;
        /// There is no such retention class.
        RETENTION_CLASS_NOT_FOUND: NotFound;
    }
}

/// Every code of this projection.
pub const CODES: &[Code] = codes::ALL;
