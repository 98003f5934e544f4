//! Releasing a hold: asked for by one, approved by another, effective after a delay in which it can be cancelled.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{
    self, HoldChangeRequested, HoldReleaseCancelled, HoldState, PendingChange, ReleaseChange, pending_change::Change,
};
use legal_hold_projection::transition::wanted;
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::hold_rules::{ReleaseDelay, about_hold, about_hold_id, changeable_hold, hold_of, release, settled_hold};
use crate::other_tenants::check_tokens;
use crate::second_person::{HOLD_AS_SERVICE, is_a_person};
use crate::{codes, parse};

/// Asks for the release of a hold.
#[derive(Debug, Clone)]
pub struct ReleaseHold {
    hold_id: String,
    reason: String,
    delay: Option<ReleaseDelay>,
}

impl Command for ReleaseHold {
    type Request = v1::ReleaseHoldRequest;
    type Response = v1::ReleaseHoldResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "ReleaseHold";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let hold_id = fields.identifier("hold_id", request.hold_id);
        let reason = parse::reason(&mut fields, request.reason);
        let delay =
            ReleaseDelay::parse(&mut fields, ("delay", request.delay), ("calendar_delay", request.calendar_delay));
        fields.finish(Self { hold_id, reason, delay })
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        about_hold_id(tables, Self::KIND, &self.hold_id)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = settled_hold(tables, &self.hold_id)?;
        check_tokens(ctx, wanted(&hold).map(|target| target.tenant_id.as_str()))?;
        if matches!(self.delay, Some(ReleaseDelay::Calendar(_))) {
            ctx.requires(FeatureLevel::CONFIRMED_HOLDS)?;
        }
        if ctx.permits(&about_hold("ReleaseHoldAlone", &hold))? {
            return Ok(vec![release(ctx, &hold, self.delay, &self.reason)?]);
        }
        is_a_person(ctx, &about_hold(HOLD_AS_SERVICE, &hold))?;
        let own = (hold.release_delay, hold.calendar_release_delay);
        let (delay, calendar_delay) = self.delay.map_or(own, ReleaseDelay::to_proto);
        let change = PendingChange {
            change_id: ctx.derive_id("change"),
            change: Some(Change::Release(ReleaseChange { delay, calendar_delay })),
            requested_by: ctx.actor.id.clone(),
            requested_at: Some(ctx.now.to_proto()),
            reason: self.reason.clone(),
        };
        Ok(vec![Event::HoldChangeRequested(HoldChangeRequested { hold_id: hold.hold_id, change: Some(change) })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::ReleaseHoldResponse { receipt: None, hold: hold_of(tables, events)? })
    }
}

/// Stops an approved release during its delay.
#[derive(Debug, Clone)]
pub struct CancelRelease {
    hold_id: String,
    reason: String,
}

impl Command for CancelRelease {
    type Request = v1::CancelReleaseRequest;
    type Response = v1::CancelReleaseResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "CancelRelease";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let hold_id = fields.identifier("hold_id", request.hold_id);
        let reason = parse::reason(&mut fields, request.reason);
        fields.finish(Self { hold_id, reason })
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        about_hold_id(tables, Self::KIND, &self.hold_id)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = changeable_hold(tables, &self.hold_id)?;
        if hold.state() != HoldState::Releasing {
            let message = format!("no release of hold {} is under way; nothing was changed", hold.hold_id);
            let rejection = Rejection::new(codes::HOLD_RELEASE_NOT_SCHEDULED, message);
            return Err(rejection.with("hold_id", &hold.hold_id).into());
        }
        let reason = self.reason.clone();
        Ok(vec![Event::HoldReleaseCancelled(HoldReleaseCancelled { hold_id: hold.hold_id, reason })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::CancelReleaseResponse { receipt: None, hold: hold_of(tables, events)? })
    }
}
