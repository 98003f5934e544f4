//! What may be done to a hold in which state, who may do it alone, and how it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use daybook_kernel::authorisation::{Attribute, Authorisation};
use daybook_kernel::calendar::CalendarPeriod;
use daybook_kernel::domain::Context;
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection};
use daybook_kernel::state::Fault;
use daybook_kernel::time::{Timestamp, duration_from_proto, duration_to_proto};
use daybook_proto::legal_hold::v1::{
    self, Hold, HoldReleaseScheduled, HoldReleased, HoldState, ReleaseCause, ScopeChange,
};
use legal_hold_projection::retention::calendar_period;
use legal_hold_projection::scope::{compile, covers};
use legal_hold_projection::transition::{after_release, wanted};
use legal_hold_projection::{Event, NAMESPACE, Tables};

use crate::codes;
use crate::other_tenants::governing_updates;

/// How long a release can be delayed.
const RELEASE_DELAY_MAX: Duration = Duration::from_secs(3_660 * 24 * 60 * 60);

/// How long a hold stays in force after an approved release, unless it says otherwise.
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
    let others = wanted(hold).filter_map(|target| target.scope.as_ref());
    let scopes: Vec<_> = std::iter::once(scope).chain(others).collect();
    let categories: BTreeSet<_> = scopes.iter().flat_map(|scope| scope.data_categories.iter().cloned()).collect();
    Authorisation::new(NAMESPACE, action, "Hold", &hold.hold_id)
        .attribute("matter", hold.matter_id.as_str())
        .attribute("owner", hold.owner.as_str())
        .attribute("categories", Attribute::Texts(categories))
        .attribute("everything", scopes.iter().any(|scope| scope.everything))
        .attribute("across_tenants", wanted(hold).next().is_some())
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
        || wanted(hold).all(|before| {
            let after = change.other_tenants.iter().find(|after| after.tenant_id == before.tenant_id);
            after.and_then(|after| after.scope.as_ref()).is_some_and(|after| wider(before.scope.as_ref(), after))
        });
    own && later && others
}

/// How long a hold stays in force after the approval of its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReleaseDelay {
    /// An exact time.
    Exact(Duration),
    /// Calendar time.
    Calendar(CalendarPeriod),
}

impl ReleaseDelay {
    /// The delay that two fields of a message say, of which at most one is set.
    pub(crate) fn of(exact: Option<&prost_types::Duration>, calendar: Option<&v1::CalendarPeriod>) -> Option<Self> {
        let exact = exact.and_then(|delay| duration_from_proto(delay).ok()).map(Self::Exact);
        calendar.and_then(calendar_period).map(Self::Calendar).or(exact)
    }

    /// Checks two fields of a request, of which at most one may be set.
    pub(crate) fn parse(
        fields: &mut Fields,
        (exact_field, exact): (&str, Option<prost_types::Duration>),
        (calendar_field, calendar): (&str, Option<v1::CalendarPeriod>),
    ) -> Option<Self> {
        let both = exact.is_some() && calendar.is_some();
        fields.check(calendar_field, !both, &format!("cannot be set together with {exact_field}"));
        let exact = fields.duration(exact_field, exact, RELEASE_DELAY_MAX).map(Self::Exact);
        let Some(calendar) = calendar else { return exact };
        let period = calendar_period(&calendar);
        let in_range = period
            .is_some_and(|period| period.after(Timestamp::default()).since(Timestamp::default()) <= RELEASE_DELAY_MAX);
        fields.check(calendar_field, in_range, "must be more than nothing and at most 10 years");
        period.map(Self::Calendar)
    }

    /// The exact delay and the calendar one, as messages have them.
    pub(crate) fn to_proto(self) -> (Option<prost_types::Duration>, Option<v1::CalendarPeriod>) {
        match self {
            Self::Exact(delay) => (Some(duration_to_proto(delay)), None),
            Self::Calendar(period) => {
                let (years, months, days) = period.parts();
                (None, Some(v1::CalendarPeriod { years, months, days }))
            }
        }
    }

    fn after(self, time: Timestamp) -> Timestamp {
        match self {
            Self::Exact(delay) => time.saturating_add(delay),
            Self::Calendar(period) => period.after(time),
        }
    }
}

/// The event of an approved release: at once, or after its delay.
pub(crate) fn release(
    ctx: &Context<'_>,
    hold: &Hold,
    delay: Option<ReleaseDelay>,
    reason: &str,
) -> Result<Event, Fault> {
    let own = || ReleaseDelay::of(hold.release_delay.as_ref(), hold.calendar_release_delay.as_ref());
    let delay = delay.or_else(own).unwrap_or(ReleaseDelay::Exact(RELEASE_DELAY_DEFAULT));
    if delay == ReleaseDelay::Exact(Duration::ZERO) {
        return released(ctx, hold, ReleaseCause::Released, reason);
    }
    let (exact, calendar_delay) = delay.to_proto();
    Ok(Event::HoldReleaseScheduled(HoldReleaseScheduled {
        hold_id: hold.hold_id.clone(),
        effective_at: Some(delay.after(ctx.now).to_proto()),
        reason: reason.to_owned(),
        delay: exact,
        calendar_delay,
    }))
}

/// The event of a hold's end.
pub(crate) fn released(ctx: &Context<'_>, hold: &Hold, cause: ReleaseCause, reason: &str) -> Result<Event, Fault> {
    Ok(Event::HoldReleased(HoldReleased {
        hold_id: hold.hold_id.clone(),
        cause: cause.into(),
        reason: reason.to_owned(),
        governing_updates: governing_updates(ctx, &after_release(hold))?,
    }))
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
        Event::TenantHoldsAsked(event) => Some(event.hold_id.as_str()),
        _ => None,
    });
    match hold_id {
        Some(hold_id) => tables.hold(hold_id),
        None => Ok(None),
    }
}
