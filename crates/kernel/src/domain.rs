//! What a domain is: its commands, its events, its tables, and the two pure functions between them.
//!
//! ```text
//! decide(&tables, command, &ctx) -> events        processors/<domain>: may read its projection's tables
//! evolve(&mut tables, event, &moment)             projections/<domain>: may write them
//! ```
//!
//! Both are pure: no clock (use `ctx.now`), no randomness, no environment, no IO, nothing whose order differs from run
//! to run. `processors/clippy.toml` and `projections/clippy.toml` hold that.
//!
//! A domain joins by one line in `crates/domains`; no other domain is touched.

use std::cell::RefCell;
use std::collections::BTreeSet;

use bytes::Bytes;
use daybook_proto::log::v1;
use prost::Message;

use crate::authorisation::{Authorisation, Authority, PolicyProblem, Verdict};
use crate::code::{self, Code};
use crate::feature_level::FeatureLevel;
use crate::governance;
use crate::hash::Hash;
use crate::id::{CommandId, Offset, PartitionId, Position, StreamKey, TenantId};
use crate::rejection::{Refusal, Rejection, Violations};
use crate::state::{Fault, ProjectionId, Read};
use crate::system::Effect;
use crate::table::{View, ViewMut};
use crate::time::Timestamp;

/// The actor of a command that one stream sends to another is this, the sending tenant, `/` and its stream key.
const STREAM_ACTOR: &str = "stream/";

/// The actor of commands that the stream `stream_key` of `tenant` sends to other streams.
pub fn stream_actor(tenant: &str, stream_key: &str) -> v1::Actor {
    let id = format!("{STREAM_ACTOR}{tenant}/{stream_key}");
    v1::Actor { kind: v1::actor::Kind::System.into(), id, ..Default::default() }
}

/// What a processor may know beside its tables and the command.
pub struct Context<'a> {
    /// The log's time. Never goes back in a partition, and is recorded.
    pub now: Timestamp,
    /// Where the command stands.
    pub position: Position,
    /// How many partitions the log has.
    pub partitions: u32,
    /// The tenant concerned.
    pub tenant: &'a TenantId,
    /// Who asks.
    pub actor: &'a v1::Actor,
    /// The command's id.
    pub command_id: CommandId,
    policy: PolicyInForce<'a>,
    state: &'a dyn Read,
}

/// The policy set under which a command is decided.
#[derive(Clone, Copy)]
pub struct PolicyInForce<'a> {
    /// Who answers.
    pub authority: &'a dyn Authority,
    /// The set; `None` on a new log.
    pub set: Option<Hash>,
    /// Collects the policies that determined answers.
    pub determining: &'a RefCell<BTreeSet<String>>,
    /// Collects the policies that failed while they were evaluated.
    pub failed: &'a RefCell<BTreeSet<String>>,
    /// Whether a policy that fails denies, which depends on the feature level that the log has reached.
    pub failures_deny: bool,
}

impl<'a> Context<'a> {
    /// A context for deciding one command.
    #[expect(clippy::too_many_arguments, reason = "one for each thing that a decision may depend on")]
    pub fn new(
        now: Timestamp,
        position: Position,
        partitions: u32,
        tenant: &'a TenantId,
        actor: &'a v1::Actor,
        command_id: CommandId,
        policy: PolicyInForce<'a>,
        state: &'a dyn Read,
    ) -> Self {
        Self { now, position, partitions, tenant, actor, command_id, policy, state }
    }

    /// The feature level that the log has reached.
    pub fn feature_level(&self) -> Result<FeatureLevel, Fault> {
        governance::feature_level(self.state)
    }

    /// The tenant whose stream sent this command to another stream. `None` for commands of callers, timers and effects.
    pub fn sending_tenant(&self) -> Option<&str> {
        let is_system = self.actor.kind() == v1::actor::Kind::System;
        self.actor.id.strip_prefix(STREAM_ACTOR).filter(|_| is_system)?.split('/').next()
    }

    /// Refuses what needs a feature level that the log has not reached: a node that does not understand it may still
    /// take part.
    pub fn requires(&self, needed: FeatureLevel) -> Result<(), Refusal> {
        let reached = self.feature_level()?;
        if reached >= needed {
            return Ok(());
        }
        let message = format!(
            "this needs feature level {needed}, and the log is at {reached}; nothing was done; raise it with `daybook \
             feature-level raise` once every node runs this release"
        );
        Err(Rejection::new(code::FEATURE_LEVEL_TOO_LOW, message).with("feature_level", needed.to_string()).into())
    }

    /// Whether the policy set in force permits the actor something. What determined the answer is recorded with the
    /// decision.
    pub fn permits(&self, question: &Authorisation) -> Result<bool, Fault> {
        Ok(self.verdict(question)?.permitted)
    }

    /// What the policy set in force says of the actor and a question. Recorded with the decision.
    pub fn verdict(&self, question: &Authorisation) -> Result<Verdict, Fault> {
        let Some(set) = self.policy.set else { return Ok(Verdict::denied()) };
        let verdict = self.ask(set, self.actor, question)?;
        self.policy.determining.borrow_mut().extend(verdict.determining.iter().cloned());
        self.policy.failed.borrow_mut().extend(verdict.failed.iter().map(|failed| failed.id.clone()));
        Ok(verdict)
    }

    /// What a policy set would say of an actor. Not recorded.
    pub fn ask(&self, set: Hash, actor: &v1::Actor, question: &Authorisation) -> Result<Verdict, Fault> {
        let verdict = self.policy.authority.ask(set, actor, self.tenant, question);
        let verdict = verdict.map_err(|error| Fault::Damaged(error.to_string()))?;
        // Where failures do not deny, nothing is said of them: the decision is what an older release would have recorded.
        let unaware = |verdict| Verdict { failed: Vec::new(), ..verdict };
        Ok(if self.policy.failures_deny { verdict.failures_deny() } else { unaware(verdict) })
    }

    /// The policy set in force; `None` on a new log.
    pub fn policy_set_in_force(&self) -> Option<Hash> {
        self.policy.set
    }

    /// Checks a policy set, and makes it ready for questions.
    pub fn load_policy_set(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>> {
        self.policy.authority.load(policies, schema)
    }

    /// Makes a policy set ready for questions that was checked when it was published.
    pub fn load_decided_policy_set(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>> {
        self.policy.authority.load_decided(policies, schema)
    }

    /// An id that no other command makes: prefix, partition and offset.
    pub fn derive_id(&self, prefix: &str) -> String {
        format!("{prefix}-{}-{}", self.position.partition, self.position.offset)
    }
}

/// What a projection may know beside its tables and the event.
#[derive(Debug, Clone)]
pub struct Moment<'a> {
    /// The log's time of the decision.
    pub now: Timestamp,
    /// Where the command stands.
    pub position: Position,
    /// Which event of the decision, from 0.
    pub event_index: u32,
    /// The tenant concerned.
    pub tenant: &'a TenantId,
    /// Who asked.
    pub actor_id: &'a str,
    /// What kind of principal asked. Unspecified where an older release decided, which did not record it.
    pub actor_kind: v1::actor::Kind,
    /// Hash of the command record.
    pub command_hash: Hash,
}

/// Facts that a projection folds.
pub trait EventSet: Sized {
    /// The form on the log.
    fn encode(&self) -> v1::Event;
    /// Reads the form on the log, of any version there ever was. What is not known fails closed.
    fn decode(event: &v1::Event) -> Result<Self, Fault>;
}

/// Tables folded from events.
pub trait Projection: 'static {
    /// Where its tables lie.
    const ID: ProjectionId;
    /// Its name, the domain's.
    const NAME: &'static str;
    /// Version of its rows. A store with another version is folded again from the log.
    const VERSION: u32;
    /// The events it folds.
    type Event: EventSet;
    /// Its tables, to be read.
    type Tables<'a>: From<View<'a>>;
    /// Its tables, to be changed.
    type TablesMut<'a>: From<ViewMut<'a>>;

    /// Changes the tables by one event. Pure; must not fail on an event that a decision produced.
    fn evolve(tables: &mut Self::TablesMut<'_>, event: &Self::Event, moment: &Moment<'_>) -> Result<(), Fault>;
}

/// A command that passed the door: its fields are checked. One file each in `processors/<domain>/src/`.
pub trait Command: Sized {
    /// Its form on the log.
    type Request: Message + Default;
    /// The answer when it is accepted. Field 1 is the receipt, which the door fills in. `()` for internal commands.
    type Response: Message + Default;
    /// The tables it may touch.
    type Projection: Projection;
    /// Its kind, the name of its method.
    const KIND: &'static str;
    /// Only Daybook itself may send it: a timer or the outcome of an effect.
    const INTERNAL: bool = false;

    /// Checks every field that can be checked without state.
    fn parse(request: Self::Request) -> Result<Self, Violations>;

    /// What the policy set in force is asked. `None` for internal commands: they follow from decisions that were
    /// authorised when they were made.
    fn authorisation(
        &self,
        tables: &<Self::Projection as Projection>::Tables<'_>,
        ctx: &Context<'_>,
    ) -> Result<Option<Authorisation>, Refusal>;

    /// Decides. Pure.
    fn decide(
        &self,
        tables: &<Self::Projection as Projection>::Tables<'_>,
        ctx: &Context<'_>,
    ) -> Result<Vec<<Self::Projection as Projection>::Event>, Refusal>;

    /// The answer to the caller, from the recorded events and from tables that are at least as new as they are.
    fn respond(
        tables: &<Self::Projection as Projection>::Tables<'_>,
        events: &[<Self::Projection as Projection>::Event],
    ) -> Result<Self::Response, Fault>;
}

/// Why a payload is not a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotACommand {
    /// The domain has no such kind.
    UnknownKind,
    /// The bytes are no such message.
    Undecodable(String),
    /// A field is wrong.
    Invalid(Violations),
}

/// All commands of a domain, as [`commands!`](crate::commands) makes them.
pub trait CommandSet: Sized {
    /// The tables that they may touch.
    type Projection: Projection;
    /// Reads the form on the log.
    fn decode(kind: &str, payload: Bytes) -> Result<Self, NotACommand>;
    /// Whether only Daybook itself may send the kind; `None` when there is no such kind.
    fn is_internal(kind: &str) -> Option<bool>;
    /// The kinds that callers may send.
    fn public_kinds() -> Vec<&'static str>;
    /// See [`Command::authorisation`].
    fn authorisation(
        &self,
        tables: &<Self::Projection as Projection>::Tables<'_>,
        ctx: &Context<'_>,
    ) -> Result<Option<Authorisation>, Refusal>;
    /// See [`Command::decide`].
    fn decide(
        &self,
        tables: &<Self::Projection as Projection>::Tables<'_>,
        ctx: &Context<'_>,
    ) -> Result<Vec<<Self::Projection as Projection>::Event>, Refusal>;
    /// See [`Command::respond`]; encoded.
    fn respond(
        kind: &str,
        tables: &<Self::Projection as Projection>::Tables<'_>,
        events: &[<Self::Projection as Projection>::Event],
    ) -> Result<Vec<u8>, Fault>;
}

/// A domain.
pub trait Domain: Sized + 'static {
    /// Its name, for example `legal_hold`.
    const NAME: &'static str;
    /// Its gRPC service, for example `daybook.legal_hold.v1.LegalHoldService`. A method that is no query is the
    /// command of that name.
    const SERVICE: &'static str;
    /// Namespace of its actions in policies, for example `LegalHold`. A method's action has the method's name.
    const POLICY_NAMESPACE: &'static str;
    /// Version of its deciding code, recorded with each decision. Raised when the same command in the same state may
    /// get another answer than before.
    const DECIDER_VERSION: u32;
    /// Its part of the Cedar schema.
    const CEDAR_SCHEMA: &'static str;
    /// Its part of the policies that ship.
    const CEDAR_POLICIES: &'static str;
    /// Its error codes.
    const CODES: &'static [Code];
    /// Its tables.
    type Projection: Projection;
    /// Its commands.
    type Command: CommandSet<Projection = Self::Projection>;

    /// What a command must be decided in one line with. `partitions` is how many the log has.
    fn stream_key(tenant: &TenantId, command: &Self::Command, partitions: u32) -> StreamKey;

    /// What an event asks to be done in the world. Pure.
    fn effects(event: &<Self::Projection as Projection>::Event, moment: &Moment<'_>) -> Vec<Effect>;

    /// The command that destroys keys of content that was sealed and then not registered, if the domain seals any: its
    /// kind and payload.
    fn discard_keys(key_ids: &[String]) -> Option<(&'static str, Vec<u8>)> {
        let _ = key_ids;
        None
    }

    /// Its queries.
    fn queries() -> Vec<crate::registry::QueryEntry>;
}

/// What a query may know beside its tables and the request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The tenant concerned.
    pub tenant: &'a TenantId,
    /// The log's time: of the last decision, or the present if that is later.
    pub now: Timestamp,
    /// The partition.
    pub partition: PartitionId,
    /// How many partitions the log has.
    pub partitions: u32,
    /// The next command to be decided: the state is the one before it.
    pub next_command: Offset,
    /// Whether the caller is permitted what [`Query::reveals`] asks.
    pub reveals: bool,
}

/// A question to a domain's tables. One function each in `projections/<domain>/src/queries.rs`.
pub trait Query: 'static {
    /// The request: field 1 is the tenant, field 2 the position to wait for.
    type Request: Message + Default;
    /// The response: field 1 is the position that was seen, which the door fills in.
    type Response: Message + Default;
    /// The tables it reads.
    type Projection: Projection;
    /// Its method.
    const METHOD: &'static str;

    /// The stream whose partition answers.
    fn stream_key(tenant: &TenantId, request: &Self::Request) -> StreamKey;

    /// What the policy set in force is asked.
    fn authorisation(request: &Self::Request) -> Authorisation;

    /// What it is asked in addition, where a part of the answer is only for those who are permitted this as well.
    fn reveals(_: &Self::Request) -> Option<Authorisation> {
        None
    }

    /// Answers.
    fn answer(
        tables: &<Self::Projection as Projection>::Tables<'_>,
        request: Self::Request,
        asked: &Asked<'_>,
    ) -> Result<Self::Response, Refusal>;
}

/// Declares the commands of a domain: an enum whose variants are the commands, and its [`CommandSet`].
#[macro_export]
macro_rules! commands {
    (
        $(#[$doc:meta])*
        pub enum $set:ident for $projection:ty {
            $($name:ident($command:ty),)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        #[allow(missing_docs)] // each variant is documented at the command it holds
        pub enum $set {
            $($name($command),)*
        }

        impl $crate::domain::CommandSet for $set {
            type Projection = $projection;

            fn decode(kind: &str, payload: ::bytes::Bytes) -> Result<Self, $crate::domain::NotACommand> {
                use $crate::domain::{Command, NotACommand};
                match kind {
                    $(<$command as Command>::KIND => {
                        let request = <<$command as Command>::Request as ::prost::Message>::decode(payload)
                            .map_err(|error| NotACommand::Undecodable(error.to_string()))?;
                        <$command as Command>::parse(request).map(Self::$name).map_err(NotACommand::Invalid)
                    })*
                    _ => Err(NotACommand::UnknownKind),
                }
            }

            fn is_internal(kind: &str) -> Option<bool> {
                match kind {
                    $(<$command as $crate::domain::Command>::KIND => {
                        Some(<$command as $crate::domain::Command>::INTERNAL)
                    })*
                    _ => None,
                }
            }

            fn public_kinds() -> Vec<&'static str> {
                let kinds = [$((
                    <$command as $crate::domain::Command>::KIND,
                    <$command as $crate::domain::Command>::INTERNAL,
                )),*];
                kinds.into_iter().filter(|(_, internal)| !internal).map(|(kind, _)| kind).collect()
            }

            fn authorisation(
                &self,
                tables: &<$projection as $crate::domain::Projection>::Tables<'_>,
                ctx: &$crate::domain::Context<'_>,
            ) -> Result<Option<$crate::authorisation::Authorisation>, $crate::rejection::Refusal> {
                match self {
                    $(Self::$name(command) => $crate::domain::Command::authorisation(command, tables, ctx),)*
                }
            }

            fn decide(
                &self,
                tables: &<$projection as $crate::domain::Projection>::Tables<'_>,
                ctx: &$crate::domain::Context<'_>,
            ) -> Result<Vec<<$projection as $crate::domain::Projection>::Event>, $crate::rejection::Refusal> {
                match self {
                    $(Self::$name(command) => $crate::domain::Command::decide(command, tables, ctx),)*
                }
            }

            fn respond(
                kind: &str,
                tables: &<$projection as $crate::domain::Projection>::Tables<'_>,
                events: &[<$projection as $crate::domain::Projection>::Event],
            ) -> Result<Vec<u8>, $crate::state::Fault> {
                match kind {
                    $(<$command as $crate::domain::Command>::KIND => {
                        let response = <$command as $crate::domain::Command>::respond(tables, events)?;
                        Ok(::prost::Message::encode_to_vec(&response))
                    })*
                    _ => Ok(Vec::new()),
                }
            }
        }
    };
}

/// Declares the events of a domain: an enum whose variants hold their messages, and its [`EventSet`].
///
/// Each line is `Kind(message type) = version`. A kind whose message changes in a way that old records do not decode
/// into gets a new version and one line `upcast` that turns the old payload into the new one.
#[macro_export]
macro_rules! events {
    (
        $(#[$doc:meta])*
        pub enum $set:ident {
            $($name:ident($message:ty) = $version:literal $(, upcast $from:literal => $upcast:path)*;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)] // each variant is documented at the message it holds
        pub enum $set {
            $($name($message),)*
        }

        impl $crate::domain::EventSet for $set {
            fn encode(&self) -> ::daybook_proto::log::v1::Event {
                match self {
                    $(Self::$name(message) => ::daybook_proto::log::v1::Event {
                        kind: stringify!($name).to_owned(),
                        version: $version,
                        payload: ::prost::Message::encode_to_vec(message).into(),
                    },)*
                }
            }

            fn decode(event: &::daybook_proto::log::v1::Event) -> Result<Self, $crate::state::Fault> {
                match (event.kind.as_str(), event.version) {
                    $((stringify!($name), $version) => {
                        let message = <$message as ::prost::Message>::decode(event.payload.clone());
                        message.map(Self::$name).map_err(|error| {
                            $crate::state::Fault::Damaged(format!("event {} does not decode: {error}", event.kind))
                        })
                    }
                    $((stringify!($name), $from) => {
                        Self::decode(&::daybook_proto::log::v1::Event {
                            kind: event.kind.clone(),
                            version: $from + 1,
                            payload: $upcast(event.payload.clone())?,
                        })
                    })*)*
                    (kind, version) => Err($crate::state::Fault::Damaged(format!(
                        "event {kind} version {version} is not known to this release: a newer one wrote it"
                    ))),
                }
            }
        }
    };
}
