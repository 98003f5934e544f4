//! A bell for each tenant: it rings when asked to, rings by itself after a while, and breaks when asked to.

use std::time::Duration;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::code::Code;
use daybook_kernel::domain::{Command, Context, Domain, Moment, Projection};
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::registry::QueryEntry;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::{Fault, ProjectionId};
use daybook_kernel::system::{Effect, TimerCommand};
use prost::Message;

/// The domain.
pub struct Bell;
pub struct BellProjection;

const BELL: ProjectionId = ProjectionId(98);

/// How long after it was wound up a bell rings by itself.
pub const AFTER: Duration = Duration::from_secs(600);

daybook_kernel::tables! {
    /// Bells.
    projection BELL;
    /// How often each rang.
    rings: 1, (String,) => u64;
}

daybook_kernel::events! {
    /// Events.
    pub enum Event {
        Rang(String) = 1;
        Wound(String) = 1;
    }
}

impl Projection for BellProjection {
    const ID: ProjectionId = BELL;
    const NAME: &'static str = "bell";
    const VERSION: u32 = 1;
    type Event = Event;
    type Tables<'a> = Tables<'a>;
    type TablesMut<'a> = TablesMut<'a>;

    fn evolve(tables: &mut TablesMut<'_>, event: &Event, moment: &Moment<'_>) -> Result<(), Fault> {
        match event {
            Event::Rang(name) => {
                let rings = tables.rings().get((name,))?.unwrap_or_default() + 1;
                tables.rings().put((name,), &rings);
                Ok(())
            }
            Event::Wound(name) => {
                let stream_key = StreamKey::of_tenant(moment.tenant);
                let payload = name.clone().encode_to_vec();
                let command = TimerCommand { domain: "bell", stream_key: &stream_key, kind: "RingByItself", payload };
                tables.timers().set(name, moment.now.saturating_add(AFTER), moment, command)
            }
        }
    }
}

macro_rules! command {
    ($name:ident, $internal:literal, $decide:expr) => {
        #[derive(Debug, Clone)]
        pub struct $name(String);

        impl Command for $name {
            type Request = String;
            type Response = ();
            type Projection = BellProjection;
            const KIND: &'static str = stringify!($name);
            const INTERNAL: bool = $internal;

            fn parse(name: String) -> Result<Self, Violations> {
                Ok(Self(name))
            }

            fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
                Ok((!$internal).then(|| Authorisation::new("Bell", "Use", "Bell", &self.0)))
            }

            fn decide(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
                let decide: fn(String) -> Event = $decide;
                Ok(vec![decide(self.0.clone())])
            }

            fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
                Ok(())
            }
        }
    };
}

command!(Ring, false, Event::Rang);
command!(Wind, false, Event::Wound);
command!(RingByItself, true, Event::Rang);
command!(Break, false, |name| panic!("bell {name} breaks, as it was asked to"));

daybook_kernel::commands! {
    /// Commands.
    pub enum AnyCommand for BellProjection {
        Ring(Ring),
        Wind(Wind),
        RingByItself(RingByItself),
        Break(Break),
    }
}

impl Domain for Bell {
    const NAME: &'static str = "bell";
    const SERVICE: &'static str = "none";
    const POLICY_NAMESPACE: &'static str = "Bell";
    const DECIDER_VERSION: u32 = 1;
    const CEDAR_SCHEMA: &'static str = "namespace Bell { entity Bell { tenant: String };
        action Use appliesTo { principal: [User, Service], resource: Bell }; }";
    const CEDAR_POLICIES: &'static str =
        "@id(\"ringers\") permit (principal in Role::\"ringer\", action == Bell::Action::\"Use\", resource);";
    const CODES: &'static [Code] = &[];
    type Projection = BellProjection;
    type Command = AnyCommand;

    fn stream_key(tenant: &TenantId, _: &AnyCommand, _: u32) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn effects(_: &Event, _: &Moment<'_>) -> Vec<Effect> {
        Vec::new()
    }

    fn queries() -> Vec<QueryEntry> {
        Vec::new()
    }
}
