//! A small domain to try the loop with, and a node on a log in memory.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by test files, each of which uses a part of it")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::code::Code;
use daybook_kernel::decide::Decider;
use daybook_kernel::domain::{Command, Context, Domain, Moment, Projection};
use daybook_kernel::id::{CommandId, StreamKey, TenantId};
use daybook_kernel::registry::{QueryEntry, Registry};
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::{Fault, ProjectionId};
use daybook_kernel::system::{Effect, TimerCommand};
use daybook_kernel::table::View;
use daybook_log::Log;
use daybook_policy::Cedar;
use daybook_proto::log::v1;
use daybook_proto::platform::v1 as platform;
use daybook_rocks::Memory;
use daybook_runtime::{
    EffectFailed, EffectHandler, EffectHandlers, Limits, Node, NodeOptions, Outcome, RequestedEffect, SystemClock,
};
use futures_util::future::{BoxFuture, FutureExt};
use prost::Message;

/// Notes by key, of one tenant.
pub struct Notes;
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
}

daybook_kernel::events! {
    /// Events.
    pub enum Event {
        Written(String) = 1;
        Reminded(String) = 1;
        Rang(String) = 1;
        Asked(String) = 1;
        Answered(String) = 1;
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
    }
}

impl Domain for Notes {
    const NAME: &'static str = "notes";
    const SERVICE: &'static str = "none";
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
    fn run<'a>(&'a self, effect: &'a RequestedEffect) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>> {
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

pub fn registry() -> Arc<Registry> {
    Arc::new(Registry::new().with::<platform_processor::Platform>().with::<Notes>())
}

pub fn decider(partitions: u32) -> Decider {
    Decider::new(registry(), Arc::new(Cedar::new()), partitions)
}

/// A node of its own kind: with short waits, on the log given.
pub async fn start(log: Arc<dyn Log>, folder: &Path, echo: Arc<Echo>) -> Arc<Node> {
    start_with(log, folder, echo, Limits { decision_wait_max: Duration::from_secs(20), ..Limits::default() }).await
}

pub async fn start_with(log: Arc<dyn Log>, folder: &Path, echo: Arc<Echo>, limits: Limits) -> Arc<Node> {
    let options = NodeOptions {
        node_id: "n1".to_owned(),
        address: "127.0.0.1:1".to_owned(),
        store_folder: folder.to_owned(),
        limits,
        effects: EffectHandlers::new().with("echo", echo),
        memory: Memory::default(),
    };
    let decider = decider(log.partitions());
    Node::start(log, decider, Arc::new(SystemClock), options).unwrap()
}

/// A node that is set up: policies in force, tenant "acme" known everywhere.
pub async fn start_ready(log: Arc<dyn Log>, folder: &Path) -> Arc<Node> {
    let node = start(log, folder, Arc::default()).await;
    set_up(&node).await;
    node
}

pub async fn set_up(node: &Node) {
    let registry = registry();
    let payload = platform::PublishShippedPolicySet {
        policies: registry.shipped_policies(),
        schema: registry.shipped_schema(),
        description: String::new(),
    };
    let mut record = record("platform", "platform", "PublishShippedPolicySet", payload.encode_to_vec());
    record.actor = Some(v1::Actor { kind: v1::actor::Kind::System.into(), id: "test".into(), ..Default::default() });
    submit(node, &record).await;
    let create = platform::CreateTenantRequest { new_tenant_id: "acme".into(), ..Default::default() };
    let record = admin_record("CreateTenant", create.encode_to_vec());
    eventually(|| async { accepted(&submit(node, &record_with_new_id(&record)).await) }).await;
    let probe = || async { accepted(&submit(node, &write("ready=1")).await) };
    eventually(probe).await;
}

pub async fn eventually<F: Future<Output = bool>>(probe: impl Fn() -> F) {
    for _ in 0..400 {
        if probe().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("did not happen within ten seconds");
}

pub fn record_with_new_id(record: &v1::CommandRecord) -> v1::CommandRecord {
    let command_id = Bytes::copy_from_slice(CommandId::generate().as_bytes());
    v1::CommandRecord { command_id, ..record.clone() }
}

pub fn record(tenant: &str, domain: &str, kind: &str, payload: Vec<u8>) -> v1::CommandRecord {
    let actor = v1::Actor {
        kind: v1::actor::Kind::User.into(),
        id: "ada".into(),
        roles: vec!["writer".into()],
        tenant_ids: vec![tenant.into()],
    };
    record_with_new_id(&v1::CommandRecord {
        tenant_id: tenant.into(),
        stream_key: tenant.into(),
        actor: Some(actor),
        domain: domain.into(),
        kind: kind.into(),
        payload: payload.into(),
        ..Default::default()
    })
}

pub fn admin_record(kind: &str, payload: Vec<u8>) -> v1::CommandRecord {
    let mut record = record("platform", "platform", kind, payload);
    record.actor.as_mut().unwrap().roles = vec!["admin".into()];
    record
}

pub fn note(kind: &str, text: &str) -> v1::CommandRecord {
    record("acme", "notes", kind, text.to_owned().encode_to_vec())
}

pub fn write(text: &str) -> v1::CommandRecord {
    note("Write", text)
}

pub async fn submit(node: &Node, record: &v1::CommandRecord) -> Outcome {
    node.submit(record).await.expect("a decision")
}

pub fn accepted(outcome: &Outcome) -> bool {
    matches!(outcome.decision.outcome, Some(v1::decision::Outcome::Accepted(_)))
}

pub fn rejected(outcome: &Outcome) -> &str {
    match &outcome.decision.outcome {
        Some(v1::decision::Outcome::Rejected(rejected)) => &rejected.code,
        other => panic!("not rejected: {other:?}"),
    }
}

pub fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// Reads the notes of acme.
pub fn read<T>(node: &Node, with: impl FnOnce(Tables<'_>) -> T) -> T {
    let partition = node.partition_of(&acme(), &StreamKey::of_tenant(&acme())).unwrap();
    partition.read(|state, _| with(Tables::from(View::new(state, &acme())))).unwrap()
}
