//! A small domain to try the loop with: notes by key, reminders (timers), questions to the outside (effects), and
//! commands that misbehave.
#![allow(missing_docs, clippy::panic, reason = "a domain for tests; one of its commands panics when it is decided")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::code::Code;
use daybook_kernel::domain::{Command, Context, Domain, Moment, Projection};
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::registry::{QueryEntry, Registry};
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::{Fault, ProjectionId};
use daybook_kernel::system::{Effect, TimerCommand};
use daybook_runtime::{EffectFailed, EffectHandler, RequestedEffect};
use daybook_store::Store;
use futures_util::future::{BoxFuture, FutureExt};
use prost::Message;

/// The domain.
pub struct Notes;
/// Its tables.
pub struct NotesProjection;

const NOTES: ProjectionId = ProjectionId(99);

daybook_kernel::tables! {
    /// Notes.
    projection NOTES;
    /// Text by key.
    notes: 1, (String,) => String;
    /// How often a reminder rang.
    rings: 2, (String,) => u64;
    /// What an effect answered.
    answers: 3, (u64,) => String;
    /// Counters.
    sums: 4, (String,) => u64;
}

daybook_kernel::events! {
    /// Events.
    pub enum Event {
        Written(String) = 1;
        Reminded(String) = 1;
        Rang(String) = 1;
        Asked(String) = 1;
        Answered(String) = 1;
        Added(String) = 1;
    }
}

impl Projection for NotesProjection {
    const ID: ProjectionId = NOTES;
    const NAME: &'static str = "notes";
    const VERSION: u32 = 1;
    type Event = Event;
    type Tables<'a> = Tables<'a>;
    type TablesMut<'a> = TablesMut<'a>;

    fn evolve(tables: &mut TablesMut<'_>, event: &Event, moment: &Moment<'_>) -> Result<(), Fault> {
        match event {
            Event::Written(text) => {
                let (key, value) = text.split_once('=').unwrap_or((text, ""));
                tables.notes().put((key,), &value.to_owned());
            }
            // "key/milliseconds": rings after that time, and again at the same time if the key starts with "twice".
            Event::Reminded(text) => {
                let (key, after) = text.split_once('/').unwrap_or((text, "0"));
                let due = moment.now.saturating_add(Duration::from_millis(after.parse().unwrap_or(0)));
                remind(tables, key, due, moment)?;
            }
            Event::Rang(key) => {
                let rings = tables.rings().get((key,))?.unwrap_or(0) + 1;
                tables.rings().put((key,), &rings);
                if key.starts_with("twice") && rings < 2 {
                    remind(tables, key, moment.now, moment)?;
                }
            }
            Event::Asked(_) => {}
            // "key=amount": a counter, so that what is decided twice shows.
            Event::Added(text) => {
                let (key, amount) = text.split_once('=').unwrap_or((text, "1"));
                let sum = tables.sums().get((key,))?.unwrap_or(0) + amount.parse::<u64>().unwrap_or(0);
                tables.sums().put((key,), &sum);
            }
            Event::Answered(text) => tables.answers().put((moment.position.offset.0,), text),
        }
        Ok(())
    }
}

fn remind(
    tables: &mut TablesMut<'_>,
    key: &str,
    due: daybook_kernel::time::Timestamp,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let stream_key = StreamKey::of_tenant(moment.tenant);
    let payload = key.to_owned().encode_to_vec();
    let command = TimerCommand { domain: "notes", stream_key: &stream_key, kind: "Ring", payload };
    tables.timers().set(key, due, moment, command)
}

macro_rules! command {
    ($name:ident, $internal:literal, $decide:expr) => {
        #[derive(Debug, Clone)]
        pub struct $name(pub String);

        impl Command for $name {
            type Request = String;
            type Response = ();
            type Projection = NotesProjection;
            const KIND: &'static str = stringify!($name);
            const INTERNAL: bool = $internal;

            fn parse(request: String) -> Result<Self, Violations> {
                if request.starts_with('!') {
                    Err(Violations::one("text", "must not start with !"))
                } else {
                    Ok(Self(request))
                }
            }

            fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
                Ok((!$internal).then(|| Authorisation::new("Notes", "Use", "Notes", "all")))
            }

            fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
                let decide: fn(&str, &Tables<'_>) -> Result<Vec<Event>, Refusal> = $decide;
                decide(&self.0, tables)
            }

            fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
                Ok(())
            }
        }
    };
}

command!(Write, false, |text, _| Ok(vec![Event::Written(text.to_owned())]));
command!(Once, false, |text, tables| {
    let (key, _) = text.split_once('=').unwrap_or((text, ""));
    if tables.notes().contains((key,))? {
        return Err(Rejection::new(daybook_kernel::code::INVALID_ARGUMENT, "it is written already").into());
    }
    Ok(vec![Event::Written(text.to_owned())])
});
command!(Panic, false, |text, _| panic!("asked to: {text}"));
command!(ReadTooMuch, false, |_, tables| {
    for i in 0..u64::MAX {
        tables.answers().get((i,))?;
    }
    Ok(vec![])
});
command!(Remind, false, |text, _| Ok(vec![Event::Reminded(text.to_owned())]));
command!(Ring, true, |text, _| Ok(vec![Event::Rang(text.to_owned())]));
command!(Ask, false, |text, _| Ok(vec![Event::Asked(text.to_owned())]));
command!(Add, false, |text, _| Ok(vec![Event::Added(text.to_owned())]));
command!(Answer, true, |text, _| Ok(vec![Event::Answered(text.to_owned())]));

daybook_kernel::commands! {
    /// Commands.
    pub enum AnyCommand for NotesProjection {
        Write(Write),
        Once(Once),
        Panic(Panic),
        ReadTooMuch(ReadTooMuch),
        Remind(Remind),
        Ring(Ring),
        Ask(Ask),
        Answer(Answer),
        Add(Add),
    }
}

impl Domain for Notes {
    const NAME: &'static str = "notes";
    const SERVICE: &'static str = "none";
    const POLICY_NAMESPACE: &'static str = "Notes";
    const DECIDER_VERSION: u32 = 7;
    const CEDAR_SCHEMA: &'static str = "namespace Notes { entity Notes { tenant: String };
        action Use appliesTo { principal: [User, Service], resource: Notes }; }";
    const CEDAR_POLICIES: &'static str = "@id(\"notes\") permit (principal in Role::\"writer\", action, resource);";
    const CODES: &'static [Code] = &[];
    type Projection = NotesProjection;
    type Command = AnyCommand;

    fn stream_key(tenant: &TenantId, _: &AnyCommand, _: u32) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn effects(event: &Event, _: &Moment<'_>) -> Vec<Effect> {
        match event {
            Event::Asked(text) => vec![Effect { kind: "echo", payload: text.clone().into_bytes(), reply: "Answer" }],
            _ => vec![],
        }
    }

    fn queries() -> Vec<QueryEntry> {
        vec![]
    }
}

/// The effect "echo": fails as often as its text says ("2:text"), then answers with its token and the text.
#[derive(Default)]
pub struct Echo {
    pub runs: AtomicU32,
}

impl EffectHandler for Echo {
    fn run<'a>(
        &'a self,
        effect: &'a RequestedEffect,
        _: &'a Arc<dyn Store>,
    ) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>> {
        async move {
            let run = self.runs.fetch_add(1, Ordering::SeqCst);
            let text = String::from_utf8_lossy(&effect.row.payload).into_owned();
            let (failures, text) = text.split_once(':').unwrap_or(("0", &text));
            if run < failures.parse().unwrap_or(0) {
                return Err(EffectFailed("not yet".to_owned()));
            }
            Ok(format!("{} {text}", effect.token()).encode_to_vec())
        }
        .boxed()
    }
}

/// The platform and this domain.
pub fn registry() -> std::sync::Arc<Registry> {
    std::sync::Arc::new(Registry::new().with::<platform_processor::Platform>().with::<Notes>())
}
