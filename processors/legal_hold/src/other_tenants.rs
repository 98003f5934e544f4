//! Holds over several tenants, from the home's side: who may reach into another tenant, and what that tenant is sent.
//!
//! The hold is changed only at home. Each other tenant's stream is sent, by an effect, what is wanted in it under a
//! revision that only grows; it decides that like any command and answers what is in force in it. Home records that
//! answer and nothing else, and asks again until the answer is what it wanted, then once a day.

use std::collections::BTreeSet;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context, Moment};
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::fields::Fields;
use daybook_kernel::id::{Offset, PartitionId, Position};
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::system::Effect;
use daybook_proto::legal_hold::v1::{
    self, GoverningUpdate, Hold, HoldState, TenantHold, TenantHoldCorrelation, TenantHoldRecorded, TenantHoldState,
    TenantHoldsAsked,
};
use daybook_proto::log::v1::ForwardOutcome;
use daybook_proto::system::v1::Forward;
use legal_hold_projection::transition::{confirmed_state, in_tenant, is_confirmed, tenant_of, wanted};
use legal_hold_projection::{DOMAIN, Event, LegalHold, Tables};
use prost::Message;

use crate::codes;
use crate::governing_hold::{ApplyGoverningHold, HOLD_ID_MAX};
use crate::hold_rules::{about_hold, about_hold_id, existing_hold, hold_of};

/// Nobody reaches into a tenant that his token does not speak for: not to hold something there, and not to end a hold.
pub(crate) fn check_tokens<'a>(ctx: &Context<'_>, tenants: impl IntoIterator<Item = &'a str>) -> Result<(), Refusal> {
    for tenant in tenants {
        if !ctx.actor.tenant_ids.iter().any(|spoken_for| spoken_for == tenant) {
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
    Ok(())
}

/// What a hold covers in other tenants may be changed by a token that speaks for each of them, old and new, and with a
/// permission of its own.
pub(crate) fn check_change(ctx: &Context<'_>, before: Option<&Hold>, after: &Hold) -> Result<(), Refusal> {
    ctx.requires(FeatureLevel::CONFIRMED_HOLDS)?;
    let tenants = |hold| wanted(hold).map(|target| target.tenant_id.as_str());
    let concerned: BTreeSet<_> = before.into_iter().flat_map(tenants).chain(tenants(after)).collect();
    if concerned.contains(ctx.tenant.as_str()) {
        let problem = "names the hold's own tenant: its scope goes into `scope`";
        return Err(Violations::one("other_tenants", problem).into());
    }
    let id_max = HOLD_ID_MAX.saturating_sub(ctx.tenant.as_str().len());
    if after.hold_id.len() > id_max {
        let problem = format!("must have at most {id_max} characters for a hold over several tenants");
        return Err(Violations::one("hold_id", problem).into());
    }
    check_tokens(ctx, concerned)?;
    let question = about_hold("PlaceHoldAcrossTenants", after).attribute("across_tenants", true);
    if ctx.permits(&question)? {
        return Ok(());
    }
    Err(daybook_kernel::decide::denied(ctx.actor, &question).into())
}

/// What other tenants are sent when a hold has changed: what is wanted there, or that nothing is.
pub(crate) fn governing_updates(ctx: &Context<'_>, after: &Hold) -> Result<Vec<GoverningUpdate>, Fault> {
    let confirmed = ctx.feature_level()? >= FeatureLevel::CONFIRMED_HOLDS;
    let open =
        after.other_tenants.iter().filter(|other| other.state() != TenantHoldState::Released || is_wanted(other));
    Ok(open.map(|other| update_of(after, other, after.revision + 1, confirmed)).collect())
}

fn is_wanted(other: &TenantHold) -> bool {
    other.target.as_ref().is_some_and(|target| target.scope.is_some())
}

fn update_of(hold: &Hold, other: &TenantHold, revision: u64, confirmed: bool) -> GoverningUpdate {
    let scope = other.target.as_ref().and_then(|target| target.scope.clone());
    // What is in force at home is in force there, whatever that tenant's clock says of its start.
    let state = if hold.state() == HoldState::Scheduled { HoldState::Scheduled } else { HoldState::Active };
    GoverningUpdate {
        tenant_id: tenant_of(other).to_owned(),
        release: scope.is_none(),
        revision,
        confirmed,
        hold: Some(Hold {
            hold_id: hold.hold_id.clone(),
            name: hold.name.clone(),
            matter_id: hold.matter_id.clone(),
            owner: hold.owner.clone(),
            reason: hold.reason.clone(),
            scope,
            start_time: hold.start_time,
            end_time: hold.end_time,
            placed_by: hold.placed_by.clone(),
            state: state.into(),
            ..Default::default()
        }),
    }
}

/// The effects that send updates.
pub(crate) fn send(updates: &[GoverningUpdate], moment: &Moment<'_>) -> Vec<Effect> {
    let one = |update: &GoverningUpdate| {
        let command = v1::ApplyGoverningHold {
            governed_by_tenant_id: moment.tenant.as_str().to_owned(),
            hold: update.hold.clone(),
            release: update.release,
            revision: update.revision,
        };
        let correlation = TenantHoldCorrelation {
            hold_id: update.hold.as_ref().map(|hold| hold.hold_id.clone()).unwrap_or_default(),
            tenant_id: update.tenant_id.clone(),
            release: update.release,
            revision: update.revision,
        };
        let forward = Forward {
            tenant_id: update.tenant_id.clone(),
            stream_key: update.tenant_id.clone(),
            domain: DOMAIN.to_owned(),
            kind: ApplyGoverningHold::KIND.to_owned(),
            payload: command.encode_to_vec().into(),
            correlation: correlation.encode_to_vec().into(),
        };
        Effect::forward(&forward, RecordTenantHold::KIND)
    };
    updates.iter().map(one).collect()
}

/// How another tenant's stream answered.
#[derive(Debug, Clone)]
pub struct RecordTenantHold {
    outcome: ForwardOutcome,
    about: TenantHoldCorrelation,
}

impl Command for RecordTenantHold {
    type Request = v1::RecordTenantHold;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "RecordTenantHold";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let outcome = fields.required("outcome", request.outcome);
        let about = TenantHoldCorrelation::decode(outcome.correlation.clone());
        let about = about.map_err(|error| Violations::one("correlation", error.to_string()));
        let about = fields.inside("outcome", about);
        fields.finish(Self { outcome, about })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let Some(hold) = tables.holds().get((&self.about.hold_id,))? else { return Ok(Vec::new()) };
        let Some(other) = in_tenant(&hold, &self.about.tenant_id) else { return Ok(Vec::new()) };
        // The answer to an update that a later one has overtaken says nothing about what is in force now; nor does one
        // that was decided before the answer that came last.
        let is_newer = other.position.as_ref().is_none_or(|last| last.offset <= self.outcome.offset);
        if other.revision != self.about.revision || !is_newer {
            return Ok(Vec::new());
        }
        let understood = ctx.feature_level()? >= FeatureLevel::CONFIRMED_HOLDS;
        let response = v1::ApplyGoverningHoldResponse::decode(self.outcome.response.clone());
        let standing = response.ok().and_then(|response| response.standing).filter(|_| understood);
        let state = match (self.outcome.accepted, &standing) {
            (true, Some(standing)) => confirmed_state(&hold, other, standing),
            // A stream that does not tell what is in force in it yet: it has been asked and no more is known.
            (true, None) if is_wanted(other) => TenantHoldState::Pending,
            (true, None) => TenantHoldState::Released,
            (false, _) if is_wanted(other) => TenantHoldState::Refused,
            // It may still be in force.
            (false, _) => TenantHoldState::Releasing,
        };
        let position = Position { partition: PartitionId(self.outcome.partition), offset: Offset(self.outcome.offset) };
        let known = standing.as_ref().is_some_and(|standing| standing.hold_id == other.hold_id);
        let unchanged = known && state == other.state() && self.outcome.code == other.code;
        Ok(vec![Event::TenantHoldRecorded(TenantHoldRecorded {
            hold_id: self.about.hold_id.clone(),
            tenant_id: self.about.tenant_id.clone(),
            state: state.into(),
            code: self.outcome.code.clone(),
            position: Some(position.into()),
            standing,
            revision: if understood { self.about.revision } else { 0 },
            unchanged,
        })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Asks tenants again: those that have not confirmed, or all of them where all have. A tenant in which something else is
/// in force gets a new revision, so that it acts and does not only answer.
fn ask(hold: &Hold, only_open: bool, attempt: u32) -> Option<Event> {
    let is_open = |other: &&TenantHold| !is_confirmed(hold, other);
    let some_open = hold.other_tenants.iter().any(|other| is_open(&other));
    let asked = hold.other_tenants.iter().filter(|other| !(only_open && some_open) || is_open(other));
    let mut newest = hold.revision;
    let updates: Vec<_> = asked
        .map(|other| {
            let revision = match other.state() {
                TenantHoldState::Differs => {
                    newest += 1;
                    newest
                }
                _ => other.revision,
            };
            update_of(hold, other, revision, true)
        })
        .collect();
    if updates.is_empty() {
        return None;
    }
    let attempt = if some_open { attempt.max(1) } else { 0 };
    let hold_id = hold.hold_id.clone();
    Some(Event::TenantHoldsAsked(TenantHoldsAsked { hold_id, governing_updates: updates, attempt }))
}

/// Timer: asks other tenants again what is in force in them.
#[derive(Debug, Clone)]
pub struct ConfirmTenantHolds {
    hold_id: String,
    attempt: u32,
}

impl Command for ConfirmTenantHolds {
    type Request = v1::ConfirmTenantHolds;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "ConfirmTenantHolds";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let hold_id = fields.identifier("hold_id", request.hold_id);
        fields.finish(Self { hold_id, attempt: request.attempt })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let Some(hold) = tables.holds().get((&self.hold_id,))? else { return Ok(Vec::new()) };
        Ok(ask(&hold, true, self.attempt).into_iter().collect())
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Somebody asks other tenants what is in force in them.
#[derive(Debug, Clone)]
pub struct ConfirmHold {
    hold_id: String,
}

impl Command for ConfirmHold {
    type Request = v1::ConfirmHoldRequest;
    type Response = v1::ConfirmHoldResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "ConfirmHold";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let hold_id = fields.identifier("hold_id", request.hold_id);
        fields.finish(Self { hold_id })
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        about_hold_id(tables, Self::KIND, &self.hold_id)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        ctx.requires(FeatureLevel::CONFIRMED_HOLDS)?;
        let hold = existing_hold(tables, &self.hold_id)?;
        let nobody = || {
            let message = format!("hold {} is in no other tenant; nobody was asked", self.hold_id);
            Rejection::new(codes::HOLD_UNCHANGED, message).with("hold_id", &self.hold_id)
        };
        Ok(vec![ask(&hold, false, 1).ok_or_else(nobody)?])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::ConfirmHoldResponse { receipt: None, hold: hold_of(tables, events)? })
    }
}
