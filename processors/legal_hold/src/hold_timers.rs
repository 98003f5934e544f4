//! Times that a hold has: its start, its end, the end of a release's delay.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, HoldStarted, HoldState, ReleaseCause};
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::hold_rules::released;

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

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = tables.holds().get((&self.0,))?;
        let is_scheduled = hold.is_some_and(|hold| hold.state() == HoldState::Scheduled);
        let started = Event::HoldStarted(HoldStarted { hold_id: self.0.clone() });
        Ok(is_scheduled.then_some(started).into_iter().collect())
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

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = tables.holds().get((&self.0,))?.filter(|hold| hold.state() != HoldState::Released);
        Ok(hold.map(|hold| released(&hold, ReleaseCause::Ended, "its end time has come")).into_iter().collect())
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

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = tables.holds().get((&self.0,))?.filter(|hold| hold.state() == HoldState::Releasing);
        let reason = "the delay of the approved release is over";
        Ok(hold.map(|hold| released(&hold, ReleaseCause::Released, reason)).into_iter().collect())
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
