//! Changing what a hold is called, who answers for it, or why it was placed. What it covers stays as it is.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, HoldUpdated};
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::hold_rules::{about_hold_id, changeable_hold, hold_of};

/// Changes a hold's details.
#[derive(Debug, Clone)]
pub struct UpdateHold {
    hold_id: String,
    name: Option<String>,
    owner: Option<String>,
    reason: Option<String>,
}

impl Command for UpdateHold {
    type Request = v1::UpdateHoldRequest;
    type Response = v1::UpdateHoldResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "UpdateHold";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let hold_id = fields.identifier("hold_id", request.hold_id);
        let name = request.name.map(|name| fields.required_text("name", name, 200));
        let owner = request.owner.map(|owner| fields.identifier("owner", owner));
        let reason = request.reason.map(|reason| fields.required_text("reason", reason, 2_000));
        let changes_something = name.is_some() || owner.is_some() || reason.is_some();
        fields.check("name", changes_something, "set at least one of name, owner and reason");
        fields.finish(Self { hold_id, name, owner, reason })
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        about_hold_id(tables, Self::KIND, &self.hold_id)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = changeable_hold(tables, &self.hold_id)?;
        Ok(vec![Event::HoldUpdated(HoldUpdated {
            hold_id: hold.hold_id,
            name: self.name.clone().unwrap_or(hold.name),
            owner: self.owner.clone().unwrap_or(hold.owner),
            reason: self.reason.clone().unwrap_or(hold.reason),
        })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::UpdateHoldResponse { receipt: None, hold: hold_of(tables, events)? })
    }
}
