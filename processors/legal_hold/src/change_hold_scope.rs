//! Changing what a hold covers or when it ends. Covering more happens at once; covering less, or ending earlier, waits
//! for a second person unless the policy lets the caller do it alone.

use std::collections::BTreeMap;

use bytes::Bytes;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{
    self, Hold, HoldChangeRequested, HoldScopeChanged, PendingChange, ScopeChange, TenantScope, pending_change::Change,
};
use legal_hold_projection::transition::{after_scope_change, is_confirmed, scope_digest, wanted};
use legal_hold_projection::{Event, LegalHold, Tables, scope};

use crate::hold_rules::{about_hold, about_hold_id, hold_of, only_widens, settled_hold};
use crate::other_tenants::{check_change, governing_updates};
use crate::second_person::{HOLD_AS_SERVICE, is_a_person};
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
        change.scope = change.scope.map(|scope| fields.inside("change.scope", scope::parse(scope)));
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
        let after = after_scope_change(&hold, &self.change);
        if self.change.replace_end_time
            && let Some(end) = &self.change.end_time
            && (end.seconds, end.nanos) <= (ctx.now.to_proto().seconds, ctx.now.to_proto().nanos)
        {
            let problem = "lies in the past: release the hold instead";
            return Err(Violations::one("change.end_time", problem).into());
        }
        if after.scope.is_none() && wanted(&after).next().is_none() {
            return Err(Violations::one("change", "leaves nothing to hold: release the hold instead").into());
        }
        check_reach(ctx, &hold, &self.change)?;
        let covered = |hold: &Hold| {
            let others: BTreeMap<_, _> =
                wanted(hold).map(|target| (target.tenant_id.clone(), scope_of(target))).collect();
            (hold.scope.as_ref().map(scope_digest), hold.end_time, others)
        };
        // A tenant that has not confirmed (it was unknown then, or suspended) is asked again by naming it again.
        let asks_again =
            self.change.replace_other_tenants && hold.other_tenants.iter().any(|other| !is_confirmed(&hold, other));
        if !asks_again && covered(&after) == covered(&hold) {
            let message = format!("hold {} covers just that already; nothing was changed", hold.hold_id);
            return Err(Rejection::new(codes::HOLD_UNCHANGED, message).with("hold_id", &hold.hold_id).into());
        }
        let alone = only_widens(&hold, &self.change) || ctx.permits(&about_hold("NarrowHoldAlone", &hold))?;
        if alone {
            return Ok(vec![scope_changed(ctx, &hold, &self.change, &self.reason)?]);
        }
        is_a_person(ctx, &about_hold(HOLD_AS_SERVICE, &hold))?;
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

fn scope_of(target: &TenantScope) -> Option<Bytes> {
    target.scope.as_ref().map(scope_digest)
}

/// Whether a change reaches into other tenants: into those that the hold is wanted in now, or will be.
fn concerns_others(hold: &Hold, change: &ScopeChange) -> bool {
    change.replace_other_tenants || (change.replace_end_time && wanted(hold).next().is_some())
}

/// Asked of whoever asks for a change, and of whoever approves it.
pub(crate) fn check_reach(ctx: &Context<'_>, hold: &Hold, change: &ScopeChange) -> Result<(), Refusal> {
    if !concerns_others(hold, change) {
        return Ok(());
    }
    check_change(ctx, Some(hold), &after_scope_change(hold, change))
}

/// The event of a change that is made.
pub(crate) fn scope_changed(
    ctx: &Context<'_>,
    hold: &Hold,
    change: &ScopeChange,
    reason: &str,
) -> Result<Event, Fault> {
    let after = after_scope_change(hold, change);
    let updates = if concerns_others(hold, change) { governing_updates(ctx, &after)? } else { Vec::new() };
    Ok(Event::HoldScopeChanged(HoldScopeChanged {
        hold_id: hold.hold_id.clone(),
        change: Some(change.clone()),
        reason: reason.to_owned(),
        governing_updates: updates,
        revision: 0,
    }))
}
