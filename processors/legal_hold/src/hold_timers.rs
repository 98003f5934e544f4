//! Times that a hold has: its start, its end, the end of a release's delay.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, Hold, HoldStarted, HoldState, ReleaseCause};
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::hold_rules::released;
use crate::other_tenants::governing_updates;

fn parse_hold_id(hold_id: String) -> Result<String, Violations> {
    let mut fields = Fields::new();
    let hold_id = fields.identifier("hold_id", hold_id);
    fields.finish(hold_id)
}

/// A scheduled hold starts.
#[derive(Debug, Clone)]
pub struct StartHold(String);

impl Command for StartHold {
    type Request = v1::StartHold;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "StartHold";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        parse_hold_id(request.hold_id).map(Self)
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = tables.holds().get((&self.0,))?.filter(|hold| hold.state() == HoldState::Scheduled);
        let Some(hold) = hold else { return Ok(Vec::new()) };
        let after = Hold { state: HoldState::Active.into(), ..hold };
        let governing_updates = governing_updates(ctx, &after)?;
        Ok(vec![Event::HoldStarted(HoldStarted { hold_id: self.0.clone(), governing_updates })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// A hold's end time has come.
#[derive(Debug, Clone)]
pub struct EndHold(String);

impl Command for EndHold {
    type Request = v1::EndHold;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "EndHold";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        parse_hold_id(request.hold_id).map(Self)
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = tables.holds().get((&self.0,))?.filter(|hold| hold.state() != HoldState::Released);
        // One that stands for a hold of another tenant ends when that tenant says so: until then it shows as in force
        // there, and clocks differ.
        let Some(hold) = hold.filter(|hold| hold.governed_by_tenant_id.is_empty()) else { return Ok(Vec::new()) };
        Ok(vec![released(ctx, &hold, ReleaseCause::Ended, "its end time has come")?])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// The delay of an approved release is over.
#[derive(Debug, Clone)]
pub struct FinishRelease(String);

impl Command for FinishRelease {
    type Request = v1::FinishRelease;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "FinishRelease";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        parse_hold_id(request.hold_id).map(Self)
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = tables.holds().get((&self.0,))?.filter(|hold| hold.state() == HoldState::Releasing);
        let Some(hold) = hold else { return Ok(Vec::new()) };
        let reason = "the delay of the approved release is over";
        Ok(vec![released(ctx, &hold, ReleaseCause::Released, reason)?])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
