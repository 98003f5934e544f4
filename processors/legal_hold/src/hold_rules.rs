//! What may be done to a hold in which state, who may do it alone, and what other tenants are told.

use std::collections::BTreeSet;
use std::time::Duration;

use daybook_kernel::authorisation::{Attribute, Authorisation};
use daybook_kernel::domain::Context;
use daybook_kernel::rejection::{Refusal, Rejection};
use daybook_kernel::state::Fault;
use daybook_kernel::time::{duration_from_proto, duration_to_proto};
use daybook_proto::legal_hold::v1::{
    GoverningUpdate, Hold, HoldReleaseScheduled, HoldReleased, HoldState, ReleaseCause, ScopeChange, TenantHold,
    TenantHoldState, TenantScope,
};
use legal_hold_projection::scope::{compile, covers};
use legal_hold_projection::{Event, NAMESPACE, Tables};

use crate::codes;

/// How long a hold goes on after an approved release, unless it says otherwise.
pub const RELEASE_DELAY_DEFAULT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A hold that must be there.
pub(crate) fn existing_hold(tables: &Tables<'_>, hold_id: &str) -> Result<Hold, Refusal> {
    let missing = || {
        let message = format!("there is no hold {hold_id:?} in this tenant; nothing was changed");
        Rejection::new(legal_hold_projection::codes::HOLD_NOT_FOUND, message).with("hold_id", hold_id)
    };
    Ok(tables.holds().get((hold_id,))?.ok_or_else(missing)?)
}

/// A hold that can still be changed, and from here.
pub(crate) fn changeable_hold(tables: &Tables<'_>, hold_id: &str) -> Result<Hold, Refusal> {
    let hold = existing_hold(tables, hold_id)?;
    if hold.state() == HoldState::Released {
        let message = format!("hold {hold_id} is over already; nothing was changed");
        return Err(Rejection::new(codes::HOLD_ALREADY_RELEASED, message).with("hold_id", hold_id).into());
    }
    if !hold.governed_by_tenant_id.is_empty() {
        let message = format!(
            "hold {hold_id} stands here for a hold of tenant {}; nothing was changed; change it there",
            hold.governed_by_tenant_id
        );
        return Err(Rejection::new(codes::HOLD_GOVERNED_ELSEWHERE, message).with("hold_id", hold_id).into());
    }
    Ok(hold)
}

/// A hold that can be changed and of which no change is under way.
pub(crate) fn settled_hold(tables: &Tables<'_>, hold_id: &str) -> Result<Hold, Refusal> {
    let hold = changeable_hold(tables, hold_id)?;
    if let Some(change) = &hold.pending_change {
        let message = format!(
            "a change of hold {hold_id} that {} asked for waits for approval; nothing was changed; approve or decline \
             change {} first",
            change.requested_by, change.change_id
        );
        let rejection = Rejection::new(codes::HOLD_CHANGE_PENDING, message);
        return Err(rejection.with("hold_id", hold_id).with("change_id", &change.change_id).into());
    }
    if hold.state() == HoldState::Releasing {
        let message = format!("the release of hold {hold_id} is approved and waits for its delay; cancel that first");
        return Err(Rejection::new(codes::HOLD_RELEASE_SCHEDULED, message).with("hold_id", hold_id).into());
    }
    Ok(hold)
}

/// What policies may look at when a command is about a hold.
pub(crate) fn about_hold(action: &'static str, hold: &Hold) -> Authorisation {
    let empty = Default::default();
    let scope = hold.scope.as_ref().unwrap_or(&empty);
    let others = hold.other_tenants.iter().filter_map(|tenant| tenant.target.as_ref()?.scope.as_ref());
    let scopes: Vec<_> = std::iter::once(scope).chain(others).collect();
    let categories: BTreeSet<_> = scopes.iter().flat_map(|scope| scope.data_categories.iter().cloned()).collect();
    Authorisation::new(NAMESPACE, action, "Hold", &hold.hold_id)
        .attribute("matter", hold.matter_id.as_str())
        .attribute("owner", hold.owner.as_str())
        .attribute("categories", Attribute::Texts(categories))
        .attribute("everything", scopes.iter().any(|scope| scope.everything))
        .attribute("across_tenants", !hold.other_tenants.is_empty())
}

/// The same for a hold by its id; one that is not there has no attributes, and the command is rejected later.
pub(crate) fn about_hold_id(
    tables: &Tables<'_>,
    action: &'static str,
    hold_id: &str,
) -> Result<Option<Authorisation>, Refusal> {
    let hold = tables.holds().get((hold_id,))?;
    let hold = hold.unwrap_or_else(|| Hold { hold_id: hold_id.to_owned(), ..Default::default() });
    Ok(Some(about_hold(action, &hold)))
}

/// A hold in other tenants needs a token that speaks for each of them, and a permission of its own.
pub(crate) fn check_other_tenants(ctx: &Context<'_>, hold: &Hold, tenants: &[TenantScope]) -> Result<(), Refusal> {
    if tenants.is_empty() {
        return Ok(());
    }
    for (i, target) in tenants.iter().enumerate() {
        let tenant = &target.tenant_id;
        if tenant == ctx.tenant.as_str() {
            let problem = "is the hold's own tenant: its scope goes into `scope`";
            let field = format!("other_tenants[{i}].tenant_id");
            return Err(daybook_kernel::rejection::Violations::one(field, problem).into());
        }
        if !ctx.actor.tenant_ids.contains(tenant) {
            let message = format!(
                "the token of {} does not speak for tenant {tenant}; nothing was changed; use one that names every \
                 tenant of the hold",
                ctx.actor.id
            );
            return Err(Rejection::new(daybook_kernel::code::TENANT_NOT_IN_TOKEN, message)
                .with("tenant_id", tenant)
                .into());
        }
    }
    let question = about_hold("PlaceHoldAcrossTenants", hold).attribute("across_tenants", true);
    if ctx.permits(&question)? {
        return Ok(());
    }
    Err(daybook_kernel::decide::denied(ctx.actor, &question).into())
}

/// Whether a change covers at least what the hold covers now, for at least as long, in every tenant.
pub(crate) fn only_widens(hold: &Hold, change: &ScopeChange) -> bool {
    let wider = |before: Option<&daybook_proto::legal_hold::v1::Scope>,
                 after: &daybook_proto::legal_hold::v1::Scope| {
        before.is_none_or(|before| covers(&compile(after), &compile(before)))
    };
    let own = change.scope.as_ref().is_none_or(|after| wider(hold.scope.as_ref(), after));
    let later = !change.replace_end_time
        || match (&hold.end_time, &change.end_time) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(before), Some(after)) => (after.seconds, after.nanos) >= (before.seconds, before.nanos),
        };
    let others = !change.replace_other_tenants
        || hold.other_tenants.iter().filter_map(|tenant| tenant.target.as_ref()).all(|before| {
            let after = change.other_tenants.iter().find(|after| after.tenant_id == before.tenant_id);
            after.and_then(|after| after.scope.as_ref()).is_some_and(|after| wider(before.scope.as_ref(), after))
        });
    own && later && others
}

/// The hold after a change.
pub(crate) fn after_change(hold: &Hold, change: &ScopeChange) -> Hold {
    let mut after = hold.clone();
    if let Some(scope) = &change.scope {
        after.scope = Some(scope.clone());
    }
    if change.replace_end_time {
        after.end_time = change.end_time;
    }
    if change.replace_other_tenants {
        let tenants = change.other_tenants.iter();
        after.other_tenants = tenants
            .map(|target| TenantHold {
                target: Some(target.clone()),
                state: TenantHoldState::Pending.into(),
                ..Default::default()
            })
            .collect();
    }
    after
}

/// What other tenants are told when a hold goes from one form to another. `None` before: it is new; `None` after: it
/// is over.
pub(crate) fn governing_updates(before: Option<&Hold>, after: Option<&Hold>) -> Vec<GoverningUpdate> {
    let targets = |hold: Option<&Hold>| -> Vec<TenantScope> {
        hold.into_iter().flat_map(|hold| hold.other_tenants.iter().filter_map(|tenant| tenant.target.clone())).collect()
    };
    let (gone, standing) = (targets(before), targets(after));
    let Some(hold) = after.or(before) else { return Vec::new() };
    let revision = hold.revision + 1;
    let there = |scope: Option<daybook_proto::legal_hold::v1::Scope>| Hold {
        hold_id: hold.hold_id.clone(),
        name: hold.name.clone(),
        matter_id: hold.matter_id.clone(),
        owner: hold.owner.clone(),
        reason: hold.reason.clone(),
        scope,
        start_time: hold.start_time,
        end_time: hold.end_time,
        placed_by: hold.placed_by.clone(),
        ..Default::default()
    };
    let releases = gone
        .into_iter()
        .filter(|target| standing.iter().all(|other| other.tenant_id != target.tenant_id))
        .map(|target| (target.tenant_id, None, true))
        .collect::<Vec<_>>();
    let placements = standing.iter().map(|target| (target.tenant_id.clone(), target.scope.clone(), false));
    releases
        .into_iter()
        .chain(placements)
        .map(|(tenant_id, scope, release)| GoverningUpdate { tenant_id, hold: Some(there(scope)), release, revision })
        .collect()
}

/// The events of an approved release: at once, or after its delay.
pub(crate) fn release(
    ctx: &Context<'_>,
    hold: &Hold,
    delay: Option<&prost_types::Duration>,
    reason: &str,
) -> Result<Event, Fault> {
    let delay = delay.or(hold.release_delay.as_ref()).and_then(|delay| duration_from_proto(delay).ok());
    let delay = delay.unwrap_or(RELEASE_DELAY_DEFAULT);
    if delay.is_zero() {
        return Ok(released(hold, ReleaseCause::Released, reason));
    }
    Ok(Event::HoldReleaseScheduled(HoldReleaseScheduled {
        hold_id: hold.hold_id.clone(),
        effective_at: Some(ctx.now.saturating_add(delay).to_proto()),
        reason: reason.to_owned(),
        delay: Some(duration_to_proto(delay)),
    }))
}

/// The event of a hold's end.
pub(crate) fn released(hold: &Hold, cause: ReleaseCause, reason: &str) -> Event {
    Event::HoldReleased(HoldReleased {
        hold_id: hold.hold_id.clone(),
        cause: cause.into(),
        reason: reason.to_owned(),
        governing_updates: governing_updates(Some(hold), None),
    })
}

/// The hold that events were about, for the answer.
pub(crate) fn hold_of(tables: &Tables<'_>, events: &[Event]) -> Result<Option<Hold>, Fault> {
    let hold_id = events.iter().find_map(|event| match event {
        Event::HoldPlaced(event) => event.hold.as_ref().map(|hold| hold.hold_id.as_str()),
        Event::HoldUpdated(event) => Some(event.hold_id.as_str()),
        Event::HoldChangeRequested(event) => Some(event.hold_id.as_str()),
        Event::HoldChangeApproved(event) => Some(event.hold_id.as_str()),
        Event::HoldChangeDeclined(event) => Some(event.hold_id.as_str()),
        Event::HoldScopeChanged(event) => Some(event.hold_id.as_str()),
        Event::HoldReleaseScheduled(event) => Some(event.hold_id.as_str()),
        Event::HoldReleaseCancelled(event) => Some(event.hold_id.as_str()),
        Event::HoldReleased(event) => Some(event.hold_id.as_str()),
        _ => None,
    });
    match hold_id {
        Some(hold_id) => tables.holds().get((hold_id,)),
        None => Ok(None),
    }
}
