//! The second person: approving a pending change of a retention class, or declining it.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, PendingRetentionChange, RetentionChangeApproved, RetentionChangeDeclined};
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::codes;
use crate::second_person::{RETENTION_AS_SERVICE, may_approve};
use crate::set_retention_class::{about_class, accepted_due_items, class_of, set};

#[derive(Debug, Clone)]
struct Settlement {
    class_id: String,
    change_id: String,
    comment: String,
}

impl Settlement {
    fn parse(class_id: String, change_id: String, comment: String) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let class_id = fields.identifier("retention_class_id", class_id);
        let change_id = fields.identifier("change_id", change_id);
        let comment = fields.text("comment", comment, 2_000);
        fields.finish(Self { class_id, change_id, comment })
    }

    /// The change that is meant: the approver names the one that was looked at.
    fn pending(&self, tables: &Tables<'_>) -> Result<PendingRetentionChange, Refusal> {
        let pending = tables.retention_classes().get((&self.class_id,))?.and_then(|row| row.pending_change);
        match pending {
            Some(change) if change.change_id == self.change_id => Ok(change),
            other => {
                let now = other.map_or("none waits".to_owned(), |now| format!("{} waits", now.change_id));
                let message = format!(
                    "change {} of retention class {} does not wait for approval ({now}); nothing was changed",
                    self.change_id, self.class_id
                );
                let rejection = Rejection::new(codes::RETENTION_CHANGE_NOT_PENDING, message);
                Err(rejection.with("retention_class_id", &self.class_id).into())
            }
        }
    }
}

/// Approves a pending change.
#[derive(Debug, Clone)]
pub struct ApproveRetentionChange {
    settlement: Settlement,
    accept_due_items: u64,
}

impl Command for ApproveRetentionChange {
    type Request = v1::ApproveRetentionChangeRequest;
    type Response = v1::ApproveRetentionChangeResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "ApproveRetentionChange";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let settlement = Settlement::parse(request.retention_class_id, request.change_id, request.comment)?;
        Ok(Self { settlement, accept_due_items: request.accept_due_items })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(about_class(Self::KIND, &self.settlement.class_id)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let pending = self.settlement.pending(tables)?;
        let change = (pending.change_id.as_str(), pending.requested_by.as_str());
        may_approve(ctx, change, &about_class(RETENTION_AS_SERVICE, &self.settlement.class_id))?;
        let says_nothing = || Fault::Damaged(format!("change {} says nothing", pending.change_id));
        let class = pending.retention_class.as_ref().ok_or_else(says_nothing)?;
        let due = accepted_due_items(tables, ctx, class, self.accept_due_items)?;
        let approved = Event::RetentionChangeApproved(RetentionChangeApproved {
            retention_class_id: self.settlement.class_id.clone(),
            change_id: self.settlement.change_id.clone(),
            comment: self.settlement.comment.clone(),
        });
        Ok(vec![approved, set(class, due)])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let (retention_class, due_items) = class_of(tables, events)?;
        Ok(v1::ApproveRetentionChangeResponse { receipt: None, retention_class, due_items })
    }
}

/// Declines a pending change, or withdraws it.
#[derive(Debug, Clone)]
pub struct DeclineRetentionChange(Settlement);

impl Command for DeclineRetentionChange {
    type Request = v1::DeclineRetentionChangeRequest;
    type Response = v1::DeclineRetentionChangeResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "DeclineRetentionChange";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Settlement::parse(request.retention_class_id, request.change_id, request.comment).map(Self)
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(about_class(Self::KIND, &self.0.class_id)))
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        self.0.pending(tables)?;
        Ok(vec![Event::RetentionChangeDeclined(RetentionChangeDeclined {
            retention_class_id: self.0.class_id.clone(),
            change_id: self.0.change_id.clone(),
            comment: self.0.comment.clone(),
        })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::DeclineRetentionChangeResponse { receipt: None, retention_class: class_of(tables, events)?.0 })
    }
}
