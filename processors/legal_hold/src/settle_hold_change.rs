//! The second person: approving a pending change of a hold, or turning it down.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{
    self, Hold, HoldChangeApproved, HoldChangeDeclined, PendingChange, pending_change::Change,
};
use legal_hold_projection::transition::wanted;
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::change_hold_scope::{check_reach, scope_changed};
use crate::codes;
use crate::hold_rules::{ReleaseDelay, about_hold, about_hold_id, changeable_hold, hold_of, release};
use crate::other_tenants::check_tokens;
use crate::second_person::{HOLD_AS_SERVICE, may_approve};

#[derive(Debug, Clone)]
struct Settlement {
    hold_id: String,
    change_id: String,
    comment: String,
}

impl Settlement {
    fn parse(hold_id: String, change_id: String, comment: String) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let hold_id = fields.identifier("hold_id", hold_id);
        let change_id = fields.identifier("change_id", change_id);
        let comment = fields.text("comment", comment, 2_000);
        fields.finish(Self { hold_id, change_id, comment })
    }

    /// The hold, and the change that is meant: the approver names what he has seen.
    fn pending(&self, tables: &Tables<'_>) -> Result<(Hold, PendingChange), Refusal> {
        let hold = changeable_hold(tables, &self.hold_id)?;
        match &hold.pending_change {
            Some(change) if change.change_id == self.change_id => Ok((hold.clone(), change.clone())),
            other => {
                let now = other.as_ref().map_or("none waits".to_owned(), |now| format!("{} waits", now.change_id));
                let message = format!(
                    "change {} of hold {} does not wait for approval ({now}); nothing was changed",
                    self.change_id, self.hold_id
                );
                let rejection = Rejection::new(codes::HOLD_CHANGE_NOT_PENDING, message);
                Err(rejection.with("hold_id", &self.hold_id).into())
            }
        }
    }
}

/// Approves a pending change.
#[derive(Debug, Clone)]
pub struct ApproveHoldChange(Settlement);

impl Command for ApproveHoldChange {
    type Request = v1::ApproveHoldChangeRequest;
    type Response = v1::ApproveHoldChangeResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "ApproveHoldChange";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Settlement::parse(request.hold_id, request.change_id, request.comment).map(Self)
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        about_hold_id(tables, Self::KIND, &self.0.hold_id)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let (hold, pending) = self.0.pending(tables)?;
        let change = (pending.change_id.as_str(), pending.requested_by.as_str());
        may_approve(ctx, change, &about_hold(HOLD_AS_SERVICE, &hold))?;
        let approved = Event::HoldChangeApproved(HoldChangeApproved {
            hold_id: hold.hold_id.clone(),
            change_id: pending.change_id.clone(),
            comment: self.0.comment.clone(),
        });
        let made = match &pending.change {
            Some(Change::Release(change)) => {
                check_tokens(ctx, wanted(&hold).map(|target| target.tenant_id.as_str()))?;
                let delay = ReleaseDelay::of(change.delay.as_ref(), change.calendar_delay.as_ref());
                release(ctx, &hold, delay, &pending.reason)?
            }
            Some(Change::Scope(change)) => {
                check_reach(ctx, &hold, change)?;
                scope_changed(ctx, &hold, change, &pending.reason)?
            }
            None => return Err(Fault::Damaged(format!("change {} says nothing", pending.change_id)).into()),
        };
        Ok(vec![approved, made])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::ApproveHoldChangeResponse { receipt: None, hold: hold_of(tables, events)? })
    }
}

/// Turns a pending change down, or withdraws it.
#[derive(Debug, Clone)]
pub struct DeclineHoldChange(Settlement);

impl Command for DeclineHoldChange {
    type Request = v1::DeclineHoldChangeRequest;
    type Response = v1::DeclineHoldChangeResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "DeclineHoldChange";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Settlement::parse(request.hold_id, request.change_id, request.comment).map(Self)
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        about_hold_id(tables, Self::KIND, &self.0.hold_id)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let (hold, pending) = self.0.pending(tables)?;
        Ok(vec![Event::HoldChangeDeclined(HoldChangeDeclined {
            hold_id: hold.hold_id,
            change_id: pending.change_id,
            comment: self.0.comment.clone(),
        })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::DeclineHoldChangeResponse { receipt: None, hold: hold_of(tables, events)? })
    }
}
