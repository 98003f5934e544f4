//! Holds over several tenants, from the other side: what the hold of another tenant asks of this one's stream.
//!
//! Whatever the order in which updates arrive, the latest revision is what counts, also of one that ended the hold here.
//! Each is answered with what is in force afterwards, so that home learns it and need not assume anything.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{
    self, GoverningHoldApplied, GoverningHoldStanding, Hold, HoldPlaced, HoldScopeChanged, HoldStarted, HoldState,
    HoldUpdated, ReleaseCause, ScopeChange,
};
use legal_hold_projection::transition::scope_digest;
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::codes;
use crate::hold_rules::released;

/// Ids of holds that stand for one of another tenant begin with this. Callers cannot choose such an id.
pub(crate) const GOVERNED_ID: char = '@';

/// How long the id of a hold over several tenants may be, less the length of its tenant's id: together with both and a
/// revision it must be an identifier, which has at most 200 characters.
pub(crate) const HOLD_ID_MAX: usize = 200 - "@/18446744073709551615/".len();

/// The id under which a hold of `home` is placed in another tenant. Every placement has one of its own: a hold that is
/// over keeps its id and what the audit says of it.
fn id_here(home: &str, revision: u64, hold_id: &str) -> String {
    format!("{GOVERNED_ID}{home}/{revision}/{hold_id}")
}

/// From another tenant's stream: what is wanted here for its hold.
#[derive(Debug, Clone)]
pub struct ApplyGoverningHold {
    home: String,
    hold: Hold,
    release: bool,
    revision: u64,
}

impl ApplyGoverningHold {
    /// Whether the hold is to be in force now. A home that does not say (below feature level 3) leaves it to the time.
    fn state_wanted(&self, ctx: &Context<'_>) -> HoldState {
        let start = self.hold.start_time.as_ref().and_then(|start| Timestamp::from_proto(start).ok());
        match self.hold.state() {
            HoldState::Active => HoldState::Active,
            _ if start.is_some_and(|start| start > ctx.now) => HoldState::Scheduled,
            _ => HoldState::Active,
        }
    }

    fn placed(&self, ctx: &Context<'_>) -> Hold {
        Hold {
            hold_id: id_here(&self.home, self.revision, &self.hold.hold_id),
            governed_by_tenant_id: self.home.clone(),
            governing_hold_id: self.hold.hold_id.clone(),
            state: self.state_wanted(ctx).into(),
            placed_at: Some(ctx.position.into()),
            revision: self.revision,
            ..self.hold.clone()
        }
    }

    /// What makes the hold that is here the one that is wanted, and that hold afterwards.
    fn changes(&self, standing: &Hold, ctx: &Context<'_>) -> (Vec<Event>, Hold) {
        let (hold_id, wanted) = (standing.hold_id.clone(), &self.hold);
        let mut events = Vec::new();
        if (&standing.name, &standing.owner, &standing.reason) != (&wanted.name, &wanted.owner, &wanted.reason) {
            events.push(Event::HoldUpdated(HoldUpdated {
                hold_id: hold_id.clone(),
                name: wanted.name.clone(),
                owner: wanted.owner.clone(),
                reason: wanted.reason.clone(),
            }));
        }
        let scope = |hold: &Hold| hold.scope.as_ref().map(scope_digest);
        if scope(standing) != scope(wanted) || standing.end_time != wanted.end_time {
            let change = ScopeChange {
                scope: wanted.scope.clone(),
                end_time: wanted.end_time,
                replace_end_time: true,
                ..Default::default()
            };
            events.push(Event::HoldScopeChanged(HoldScopeChanged {
                hold_id: hold_id.clone(),
                change: Some(change),
                reason: format!("as the hold of tenant {} that it stands for", self.home),
                governing_updates: Vec::new(),
                revision: self.revision,
            }));
        }
        let mut state = standing.state();
        if state == HoldState::Scheduled && self.state_wanted(ctx) == HoldState::Active {
            events.push(Event::HoldStarted(HoldStarted { hold_id, governing_updates: Vec::new() }));
            state = HoldState::Active;
        }
        (events, Hold { scope: wanted.scope.clone(), state: state.into(), ..standing.clone() })
    }

    /// Only the stream of a tenant speaks for the holds of that tenant.
    fn check_sender(&self, ctx: &Context<'_>) -> Result<(), Refusal> {
        if ctx.sending_tenant() == Some(self.home.as_str()) {
            return Ok(());
        }
        let message = format!(
            "{} cannot speak for the holds of tenant {}; nothing was changed; a hold is changed in its own tenant",
            ctx.actor.id, self.home
        );
        Err(Rejection::new(codes::HOLD_GOVERNED_ELSEWHERE, message).with("tenant_id", &self.home).into())
    }
}

impl Command for ApplyGoverningHold {
    type Request = v1::ApplyGoverningHold;
    type Response = v1::ApplyGoverningHoldResponse;
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
        self.check_sender(ctx)?;
        let (standing, heard) = tables.governed_hold(&self.home, &self.hold.hold_id)?;
        // Two updates may arrive in either order, and one may be sent again: the latest revision counts, once.
        let is_news = self.revision > heard;
        let (mut events, standing) = match standing {
            standing if !is_news => (Vec::new(), standing),
            Some(hold) if self.release => {
                let reason = format!("the hold of tenant {} that it stands for", self.home);
                (vec![released(ctx, &hold, ReleaseCause::GoverningHold, &reason)?], None)
            }
            None if self.release => (Vec::new(), None),
            Some(hold) => {
                let (events, after) = self.changes(&hold, ctx);
                (events, Some(after))
            }
            None => {
                let hold = self.placed(ctx);
                if tables.holds().contains((&hold.hold_id,))? {
                    let message = format!("a hold {} exists already; nothing was placed", hold.hold_id);
                    return Err(Rejection::new(codes::HOLD_ALREADY_EXISTS, message).into());
                }
                let placed = HoldPlaced { hold: Some(hold.clone()), governing_updates: Vec::new() };
                (vec![Event::HoldPlaced(placed)], Some(hold))
            }
        };
        if ctx.feature_level()? >= FeatureLevel::CONFIRMED_HOLDS {
            let standing = standing.map(|hold| GoverningHoldStanding {
                state: hold.state,
                scope_digest: hold.scope.as_ref().map(scope_digest).unwrap_or_default(),
                hold_id: hold.hold_id,
                revision: 0,
            });
            let revision = self.revision.max(heard);
            events.push(Event::GoverningHoldApplied(GoverningHoldApplied {
                governed_by_tenant_id: self.home.clone(),
                governing_hold_id: self.hold.hold_id.clone(),
                standing: Some(GoverningHoldStanding { revision, ..standing.unwrap_or_default() }),
            }));
        }
        Ok(events)
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let standing = events.iter().find_map(|event| match event {
            Event::GoverningHoldApplied(event) => event.standing.clone(),
            _ => None,
        });
        Ok(v1::ApplyGoverningHoldResponse { standing })
    }
}
