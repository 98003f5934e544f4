//! How a hold goes from one form to the next: what the processor plans with, and what the projection writes.
//!
//! A hold over several tenants is in force in each of them as a hold of that tenant's own, placed by that tenant's
//! stream. The home keeps, for each other tenant, what it **wants** there (the target's scope; none once the hold is to
//! end there) and what that tenant **confirmed** (the state). The two are told apart so that home never shows a state
//! that the other side did not reach:
//!
//! ```text
//!   wanted: a scope      PENDING --confirmed--> SCHEDULED, ACTIVE      (a change goes back to PENDING)
//!                           `----refused-----> REFUSED  ----asked again----> ...
//!                           `----otherwise---> DIFFERS  ----asked again under a new revision----> ...
//!   wanted: nothing      RELEASING --confirmed--> RELEASED
//! ```

use bytes::Bytes;
use daybook_kernel::domain::Moment;
use daybook_kernel::hash::Hash;
use daybook_proto::legal_hold::v1::{
    GoverningHoldStanding, GoverningUpdate, Hold, HoldState, Scope, ScopeChange, TenantHold, TenantHoldRecorded,
    TenantHoldState, TenantScope,
};
use prost::Message;

use crate::scope::compile;

/// The tenants, beside its own, in which a hold is wanted, with the scope in each.
pub fn wanted(hold: &Hold) -> impl Iterator<Item = &TenantScope> {
    hold.other_tenants.iter().filter_map(|other| other.target.as_ref()).filter(|target| target.scope.is_some())
}

/// The entry of one of a hold's other tenants.
pub fn in_tenant<'a>(hold: &'a Hold, tenant: &str) -> Option<&'a TenantHold> {
    hold.other_tenants.iter().find(|other| tenant_of(other) == tenant)
}

/// The tenant that an entry is about.
pub fn tenant_of(other: &TenantHold) -> &str {
    other.target.as_ref().map_or("", |target| target.tenant_id.as_str())
}

/// Whether a tenant has confirmed what is wanted in it.
pub fn is_confirmed(hold: &Hold, other: &TenantHold) -> bool {
    let is_wanted = other.target.as_ref().is_some_and(|target| target.scope.is_some());
    match other.state() {
        TenantHoldState::Active => is_wanted,
        TenantHoldState::Scheduled => is_wanted && hold.state() == HoldState::Scheduled,
        TenantHoldState::Released => !is_wanted,
        _ => false,
    }
}

/// What a tenant's answer means for the hold that asked.
pub fn confirmed_state(hold: &Hold, other: &TenantHold, standing: &GoverningHoldStanding) -> TenantHoldState {
    let stands = !standing.hold_id.is_empty();
    let Some(scope) = other.target.as_ref().and_then(|target| target.scope.as_ref()) else {
        return if stands { TenantHoldState::Differs } else { TenantHoldState::Released };
    };
    let covers_that = stands && standing.scope_digest == scope_digest(scope);
    match standing.state() {
        HoldState::Active if covers_that => TenantHoldState::Active,
        HoldState::Scheduled if covers_that && hold.state() == HoldState::Scheduled => TenantHoldState::Scheduled,
        _ => TenantHoldState::Differs,
    }
}

/// Names what a scope matches: equal for scopes that match the same items by the same conditions.
pub fn scope_digest(scope: &Scope) -> Bytes {
    Hash::of(&compile(scope).encode_to_vec()).to_bytes().slice(..16)
}

/// A hold after its scope or end has changed. What other tenants were sent is added by [`asked`].
pub fn after_scope_change(hold: &Hold, change: &ScopeChange) -> Hold {
    let mut after = hold.clone();
    if let Some(scope) = &change.scope {
        after.scope = Some(scope.clone());
    }
    if change.replace_end_time {
        after.end_time = change.end_time;
    }
    if change.replace_other_tenants {
        for other in &mut after.other_tenants {
            let stays = change.other_tenants.iter().any(|target| target.tenant_id == tenant_of(other));
            if !stays {
                unwant(other);
            }
        }
        for target in &change.other_tenants {
            want(&mut after, target);
        }
    }
    after
}

/// A hold that is over.
pub fn after_release(hold: &Hold) -> Hold {
    let mut after = hold.clone();
    after.set_state(HoldState::Released);
    after.pending_change = None;
    after.release_effective_at = None;
    after.other_tenants.iter_mut().for_each(unwant);
    after
}

fn want(hold: &mut Hold, target: &TenantScope) {
    let known = hold.other_tenants.iter_mut().find(|other| tenant_of(other) == target.tenant_id);
    let state = TenantHoldState::Pending.into();
    match known {
        Some(known) => {
            known.target = Some(target.clone());
            known.state = state;
            known.code.clear();
        }
        None => hold.other_tenants.push(TenantHold { target: Some(target.clone()), state, ..Default::default() }),
    }
}

fn unwant(other: &mut TenantHold) {
    if other.state() != TenantHoldState::Released {
        other.set_state(TenantHoldState::Releasing);
        other.code.clear();
    }
    if let Some(target) = &mut other.target {
        target.scope = None;
    }
}

/// Notes what other tenants were sent because the hold changed: none has confirmed it yet.
pub fn changed(hold: &mut Hold, updates: &[GoverningUpdate], moment: &Moment<'_>) {
    for update in updates {
        let scope = update.hold.as_ref().and_then(|hold| hold.scope.clone());
        let target = TenantScope { tenant_id: update.tenant_id.clone(), scope };
        if !update.release {
            want(hold, &target);
        } else if let Some(other) = entry(hold, &update.tenant_id) {
            unwant(other);
        }
    }
    asked(hold, updates, moment);
}

/// Notes that other tenants were asked. What they have confirmed until now stays as it is.
pub fn asked(hold: &mut Hold, updates: &[GoverningUpdate], moment: &Moment<'_>) {
    for update in updates {
        hold.revision = hold.revision.max(update.revision);
        if let Some(other) = entry(hold, &update.tenant_id) {
            other.revision = update.revision;
            other.sent_at = Some(moment.now.to_proto());
        }
    }
}

/// Takes in how a tenant answered.
pub fn recorded(hold: &mut Hold, event: &TenantHoldRecorded, moment: &Moment<'_>) {
    let is_over = hold.state() == HoldState::Released;
    // A home whose log lost its end would otherwise send what that tenant has heard before.
    let heard = event.standing.as_ref().map_or(0, |standing| standing.revision);
    hold.revision = hold.revision.max(heard);
    let Some(other) = entry(hold, &event.tenant_id) else { return };
    other.state = match (event.state(), &event.standing) {
        // Before tenants told what is in force in them, "accepted" was taken for it, and could be wrong.
        (TenantHoldState::Active, None) => TenantHoldState::Pending.into(),
        _ => event.state,
    };
    other.code.clone_from(&event.code);
    other.position = event.position;
    other.hold_id = event.standing.as_ref().map(|standing| standing.hold_id.clone()).unwrap_or_default();
    other.answered_at = Some(moment.now.to_proto());
    if other.state() == TenantHoldState::Released && !is_over {
        hold.other_tenants.retain(|other| tenant_of(other) != event.tenant_id);
    }
}

fn entry<'a>(hold: &'a mut Hold, tenant: &str) -> Option<&'a mut TenantHold> {
    hold.other_tenants.iter_mut().find(|other| tenant_of(other) == tenant)
}
