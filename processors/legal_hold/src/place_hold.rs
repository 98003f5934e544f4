//! Placing a hold. From the next command on, nothing that it matches is deleted.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{
    self, Hold, HoldPlaced, HoldState, Scope, TenantHold, TenantHoldState, TenantScope,
};
use legal_hold_projection::{Event, LegalHold, Tables, count_matches, scope};

use crate::governing_hold::GOVERNED_ID;
use crate::hold_rules::{RELEASE_DELAY_DEFAULT, ReleaseDelay, about_hold, hold_of};
use crate::other_tenants::{check_change, governing_updates};
use crate::{codes, parse};

/// Items that are looked at to say how many match.
const COUNTED_MAX: u64 = 10_000;

/// Places a hold.
#[derive(Debug, Clone)]
pub struct PlaceHold {
    hold_id: Option<String>,
    name: String,
    matter_id: Option<String>,
    owner: Option<String>,
    reason: String,
    scope: Option<Scope>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    release_delay: ReleaseDelay,
    other_tenants: Vec<TenantScope>,
}

impl PlaceHold {
    fn hold(&self, ctx: &Context<'_>) -> Hold {
        let hold_id = self.hold_id.clone().unwrap_or_else(|| ctx.derive_id("hold"));
        let others = self.other_tenants.iter().map(|target| TenantHold {
            target: Some(target.clone()),
            state: TenantHoldState::Pending.into(),
            ..Default::default()
        });
        let is_later = self.start.is_some_and(|start| start > ctx.now);
        let state = if is_later { HoldState::Scheduled } else { HoldState::Active };
        let (release_delay, calendar_release_delay) = self.release_delay.to_proto();
        Hold {
            matter_id: self.matter_id.clone().unwrap_or_else(|| hold_id.clone()),
            hold_id,
            name: self.name.clone(),
            owner: self.owner.clone().unwrap_or_else(|| ctx.actor.id.clone()),
            reason: self.reason.clone(),
            scope: self.scope.clone(),
            start_time: Some(self.start.unwrap_or(ctx.now).to_proto()),
            end_time: self.end.map(Timestamp::to_proto),
            release_delay,
            calendar_release_delay,
            state: state.into(),
            placed_at: Some(ctx.position.into()),
            placed_by: ctx.actor.id.clone(),
            other_tenants: others.collect(),
            ..Default::default()
        }
    }
}

impl Command for PlaceHold {
    type Request = v1::PlaceHoldRequest;
    type Response = v1::PlaceHoldResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "PlaceHold";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let hold_id = fields.optional_identifier("hold_id", request.hold_id);
        let is_free = hold_id.as_ref().is_none_or(|id| !id.starts_with(GOVERNED_ID));
        fields.check("hold_id", is_free, "must not begin with @: such ids stand for holds of other tenants");
        let name = fields.required_text("name", request.name, 200);
        let matter_id = fields.optional_identifier("matter_id", request.matter_id);
        let owner = fields.optional_identifier("owner", request.owner);
        let reason = parse::reason(&mut fields, request.reason);
        let scope = request.scope.map(|scope| fields.inside("scope", scope::parse(scope)));
        let start = fields.time("start_time", request.start_time);
        let end = fields.time("end_time", request.end_time);
        let is_range = start.zip(end).is_none_or(|(start, end)| start < end);
        fields.check("end_time", is_range, "must be after start_time");
        let release_delay = ReleaseDelay::parse(
            &mut fields,
            ("release_delay", request.release_delay),
            ("calendar_release_delay", request.calendar_release_delay),
        );
        let other_tenants = parse::other_tenants(&mut fields, "other_tenants", request.other_tenants);
        let covers_something = scope.is_some() || !other_tenants.is_empty();
        fields.check("scope", covers_something, "must be set: name what to hold, or set `everything`");
        fields.finish(Self {
            hold_id,
            name,
            matter_id,
            owner,
            reason,
            scope,
            start,
            end,
            release_delay: release_delay.unwrap_or(ReleaseDelay::Exact(RELEASE_DELAY_DEFAULT)),
            other_tenants,
        })
    }

    fn authorisation(&self, _: &Tables<'_>, ctx: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(about_hold(Self::KIND, &self.hold(ctx))))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = self.hold(ctx);
        if tables.holds().contains((&hold.hold_id,))? {
            let message = format!("a hold {} exists already; nothing was placed; choose another id", hold.hold_id);
            return Err(Rejection::new(codes::HOLD_ALREADY_EXISTS, message).with("hold_id", &hold.hold_id).into());
        }
        if self.end.is_some_and(|end| end <= ctx.now) {
            return Err(Violations::one("end_time", "lies in the past").into());
        }
        if matches!(self.release_delay, ReleaseDelay::Calendar(_)) {
            ctx.requires(FeatureLevel::CONFIRMED_HOLDS)?;
        }
        if !self.other_tenants.is_empty() {
            check_change(ctx, None, &hold)?;
        }
        let governing_updates = governing_updates(ctx, &hold)?;
        Ok(vec![Event::HoldPlaced(HoldPlaced { hold: Some(hold), governing_updates })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let hold = hold_of(tables, events)?;
        let scope = hold.as_ref().and_then(|hold| hold.scope.as_ref());
        let counted = scope.map(|scope| count_matches(tables, scope, COUNTED_MAX)).transpose()?;
        let (matching_items, matching_items_truncated) = counted.unwrap_or_default();
        Ok(v1::PlaceHoldResponse { receipt: None, hold, matching_items, matching_items_truncated })
    }
}
