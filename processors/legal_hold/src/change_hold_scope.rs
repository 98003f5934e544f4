//! Changing what a hold covers or when it ends. Covering more happens at once; covering less, or ending earlier, waits
//! for a second person unless the policy lets the caller do it alone.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{
    self, Hold, HoldChangeRequested, HoldScopeChanged, PendingChange, ScopeChange, TenantHold, TenantHoldState,
    pending_change::Change,
};
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::hold_rules::{
    about_hold, about_hold_id, after_change, check_other_tenants, governing_updates, hold_of, only_widens, settled_hold,
};
use crate::{codes, parse};

/// Changes what a hold covers.
#[derive(Debug, Clone)]
pub struct ChangeHoldScope {
    hold_id: String,
    change: ScopeChange,
    reason: String,
}

impl Command for ChangeHoldScope {
    type Request = v1::ChangeHoldScopeRequest;
    type Response = v1::ChangeHoldScopeResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "ChangeHoldScope";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let hold_id = fields.identifier("hold_id", request.hold_id);
        let reason = parse::reason(&mut fields, request.reason);
        let mut change = fields.required("change", request.change);
        change.scope = change.scope.map(|scope| fields.inside("change.scope", parse::scope(scope)));
        if change.replace_other_tenants {
            let tenants = std::mem::take(&mut change.other_tenants);
            change.other_tenants = parse::other_tenants(&mut fields, "change.other_tenants", tenants);
        } else {
            fields.check("change.other_tenants", change.other_tenants.is_empty(), "needs replace_other_tenants");
        }
        fields.time("change.end_time", change.end_time);
        let end_is_meant = change.replace_end_time || change.end_time.is_none();
        fields.check("change.end_time", end_is_meant, "needs replace_end_time");
        let says_something = change.scope.is_some() || change.replace_other_tenants || change.replace_end_time;
        fields.check("change", says_something, "must change something");
        fields.finish(Self { hold_id, change, reason })
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        about_hold_id(tables, Self::KIND, &self.hold_id)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = settled_hold(tables, &self.hold_id)?;
        let after = after_change(&hold, &self.change);
        if self.change.replace_end_time
            && let Some(end) = &self.change.end_time
            && (end.seconds, end.nanos) <= (ctx.now.to_proto().seconds, ctx.now.to_proto().nanos)
        {
            let problem = "lies in the past: release the hold instead";
            return Err(Violations::one("change.end_time", problem).into());
        }
        if after.scope.is_none() && after.other_tenants.is_empty() {
            return Err(Violations::one("change", "leaves nothing to hold: release the hold instead").into());
        }
        let covered = |hold: &Hold| {
            let others = hold.other_tenants.iter().map(|tenant| tenant.target.clone()).collect::<Vec<_>>();
            (hold.scope.clone(), hold.end_time, others)
        };
        // A tenant that refused the hold (it was unknown or suspended then) is asked again by naming it again.
        let was_refused = |other: &TenantHold| other.state() == TenantHoldState::Refused;
        let asks_again = self.change.replace_other_tenants && hold.other_tenants.iter().any(was_refused);
        if !asks_again && covered(&after) == covered(&hold) {
            let message = format!("hold {} covers just that already; nothing was changed", hold.hold_id);
            return Err(Rejection::new(codes::HOLD_UNCHANGED, message).with("hold_id", &hold.hold_id).into());
        }
        if self.change.replace_other_tenants {
            check_other_tenants(ctx, &hold, &self.change.other_tenants)?;
        }
        let alone = only_widens(&hold, &self.change) || ctx.permits(&about_hold("NarrowHoldAlone", &hold))?;
        if alone {
            return Ok(vec![scope_changed(&hold, &self.change, &self.reason)]);
        }
        let change = PendingChange {
            change_id: ctx.derive_id("change"),
            change: Some(Change::Scope(self.change.clone())),
            requested_by: ctx.actor.id.clone(),
            requested_at: Some(ctx.now.to_proto()),
            reason: self.reason.clone(),
        };
        Ok(vec![Event::HoldChangeRequested(HoldChangeRequested { hold_id: hold.hold_id, change: Some(change) })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::ChangeHoldScopeResponse { receipt: None, hold: hold_of(tables, events)? })
    }
}

/// The event of a change that is made.
pub(crate) fn scope_changed(hold: &Hold, change: &ScopeChange, reason: &str) -> Event {
    let after = after_change(hold, change);
    let concerns_others = change.replace_other_tenants || change.replace_end_time;
    let updates = if concerns_others { governing_updates(Some(hold), Some(&after)) } else { Vec::new() };
    Event::HoldScopeChanged(HoldScopeChanged {
        hold_id: hold.hold_id.clone(),
        change: Some(change.clone()),
        reason: reason.to_owned(),
        governing_updates: updates,
        revision: 0,
    })
}
