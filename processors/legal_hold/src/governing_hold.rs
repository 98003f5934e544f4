//! A hold over several tenants: one matter, with its state in each.
//!
//! The hold itself stands in its home tenant and is changed only there. Each other tenant's stream is told by an effect
//! what shall stand in it, and decides that like any command; how it answered comes back and is kept with the hold.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context, Moment};
use daybook_kernel::fields::Fields;
use daybook_kernel::id::{Offset, PartitionId, Position};
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::system::Effect;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{
    self, GoverningUpdate, Hold, HoldPlaced, HoldScopeChanged, HoldState, ReleaseCause, ScopeChange,
    TenantHoldCorrelation, TenantHoldRecorded, TenantHoldState,
};
use daybook_proto::log::v1::ForwardOutcome;
use daybook_proto::system::v1::Forward;
use legal_hold_projection::{DOMAIN, Event, LegalHold, Tables};
use prost::Message;

use crate::hold_rules::released;

/// The effects that tell other tenants.
pub(crate) fn tell(updates: &[GoverningUpdate], moment: &Moment<'_>) -> Vec<Effect> {
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

/// The id under which a hold stands in another tenant.
fn id_elsewhere(home: &str, hold_id: &str) -> String {
    format!("{home}:{hold_id}")
}

/// From another tenant's stream: what shall stand here for its hold.
#[derive(Debug, Clone)]
pub struct ApplyGoverningHold {
    home: String,
    hold: Hold,
    release: bool,
    revision: u64,
}

impl ApplyGoverningHold {
    fn placed(&self, id: String, ctx: &Context<'_>) -> Event {
        let time =
            |time: &Option<prost_types::Timestamp>| time.as_ref().and_then(|time| Timestamp::from_proto(time).ok());
        let is_later = time(&self.hold.start_time).is_some_and(|start| start > ctx.now);
        let state = if is_later { HoldState::Scheduled } else { HoldState::Active };
        let hold = Hold {
            hold_id: id,
            governed_by_tenant_id: self.home.clone(),
            state: state.into(),
            placed_at: Some(ctx.position.into()),
            revision: self.revision,
            ..self.hold.clone()
        };
        Event::HoldPlaced(HoldPlaced { hold: Some(hold), governing_updates: Vec::new() })
    }

    fn changed(&self, id: String) -> Event {
        let change = ScopeChange {
            scope: self.hold.scope.clone(),
            end_time: self.hold.end_time,
            replace_end_time: true,
            ..Default::default()
        };
        Event::HoldScopeChanged(HoldScopeChanged {
            hold_id: id,
            change: Some(change),
            reason: format!("as the hold of tenant {} that it stands for", self.home),
            governing_updates: Vec::new(),
            revision: self.revision,
        })
    }
}

impl Command for ApplyGoverningHold {
    type Request = v1::ApplyGoverningHold;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "ApplyGoverningHold";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let home = fields.identifier("governed_by_tenant_id", request.governed_by_tenant_id);
        let hold = fields.required("hold", request.hold);
        fields.check("hold.scope", request.release || hold.scope.is_some(), "must be set");
        fields.finish(Self { home, hold, release: request.release, revision: request.revision })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let id = id_elsewhere(&self.home, &self.hold.hold_id);
        let standing = tables.holds().get((&id,))?;
        Ok(match standing {
            // Two updates may arrive in either order; the later one stands.
            Some(hold) if hold.revision >= self.revision || hold.state() == HoldState::Released => Vec::new(),
            Some(hold) if self.release => {
                let reason = format!("the hold of tenant {} that it stands for", self.home);
                vec![released(&hold, ReleaseCause::GoverningHold, &reason)]
            }
            Some(_) => vec![self.changed(id)],
            None if self.release => Vec::new(),
            None => vec![self.placed(id, ctx)],
        })
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
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

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        // The answer to an update that a later one has overtaken says nothing about how the hold stands now.
        let current =
            tables.holds().get((&self.about.hold_id,))?.is_some_and(|hold| hold.revision == self.about.revision);
        if !current {
            return Ok(Vec::new());
        }
        let state = match (self.outcome.accepted, self.about.release) {
            (true, false) => TenantHoldState::Active,
            (true, true) => TenantHoldState::Released,
            (false, _) => TenantHoldState::Refused,
        };
        let position = Position { partition: PartitionId(self.outcome.partition), offset: Offset(self.outcome.offset) };
        Ok(vec![Event::TenantHoldRecorded(TenantHoldRecorded {
            hold_id: self.about.hold_id.clone(),
            tenant_id: self.about.tenant_id.clone(),
            state: state.into(),
            code: self.outcome.code.clone(),
            position: Some(position.into()),
        })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
