//! The domains of a node, by name, with their types erased.

use std::collections::BTreeMap;

use bytes::Bytes;
use daybook_proto::log::v1;
use prost::Message;

use crate::authorisation::Authorisation;
use crate::code::Code;
use crate::domain::{Asked, CommandSet, Context, Domain, EventSet, Moment, NotACommand, Projection, Query};
use crate::id::{StreamKey, TenantId};
use crate::rejection::{Refusal, Rejection};
use crate::state::{Fault, ProjectionId, Read, WriteSet};
use crate::system::Effect;
use crate::table::{View, ViewMut};

type DecideFn = fn(&dyn Read, &str, Bytes, &Context<'_>) -> Result<Result<Vec<v1::Event>, Refusal>, NotACommand>;
type FoldFn = fn(&dyn Read, &mut WriteSet, &v1::Event, &Moment<'_>) -> Result<Vec<Effect>, Fault>;
/// The kind and payload of a command that destroys keys, by their names.
type DiscardKeysFn = fn(&[String]) -> Option<(&'static str, Vec<u8>)>;
type RespondFn = fn(&dyn Read, &TenantId, &str, &[v1::Event]) -> Result<Vec<u8>, Fault>;

/// The part of the Cedar schema that says who may ask.
const BASE_SCHEMA: &str = include_str!("../policy/base.cedarschema");

/// A domain with its types erased.
pub struct DomainEntry {
    /// [`Domain::NAME`].
    pub name: &'static str,
    /// [`Domain::SERVICE`].
    pub service: &'static str,
    /// [`Domain::POLICY_NAMESPACE`].
    pub policy_namespace: &'static str,
    /// [`Domain::DECIDER_VERSION`].
    pub decider_version: u32,
    /// [`Domain::CEDAR_SCHEMA`].
    pub cedar_schema: &'static str,
    /// [`Domain::CEDAR_POLICIES`].
    pub cedar_policies: &'static str,
    /// [`Domain::CODES`].
    pub codes: &'static [Code],
    /// Its tables.
    pub projection: ProjectionId,
    /// [`Projection::VERSION`].
    pub projection_version: u32,
    /// The kinds that callers may send.
    pub public_kinds: Vec<&'static str>,
    /// Its queries.
    pub queries: Vec<QueryEntry>,
    /// [`Domain::discard_keys`].
    pub discard_keys: DiscardKeysFn,
    stream_key: fn(&TenantId, &str, Bytes, u32) -> Result<StreamKey, NotACommand>,
    is_internal: fn(&str) -> Option<bool>,
    decide: DecideFn,
    fold: FoldFn,
    respond: RespondFn,
}

impl DomainEntry {
    fn of<D: Domain>() -> Self {
        Self {
            name: D::NAME,
            service: D::SERVICE,
            policy_namespace: D::POLICY_NAMESPACE,
            decider_version: D::DECIDER_VERSION,
            cedar_schema: D::CEDAR_SCHEMA,
            cedar_policies: D::CEDAR_POLICIES,
            codes: D::CODES,
            projection: D::Projection::ID,
            projection_version: D::Projection::VERSION,
            public_kinds: D::Command::public_kinds(),
            queries: D::queries(),
            discard_keys: D::discard_keys,
            stream_key: |tenant, kind, payload, partitions| {
                D::Command::decode(kind, payload).map(|command| D::stream_key(tenant, &command, partitions))
            },
            is_internal: D::Command::is_internal,
            decide: decide::<D>,
            fold: fold::<D>,
            respond: respond::<D>,
        }
    }

    /// Checks a command without state, as the door does, and tells its stream key.
    pub fn stream_key(
        &self,
        tenant: &TenantId,
        kind: &str,
        payload: Bytes,
        partitions: u32,
    ) -> Result<StreamKey, NotACommand> {
        (self.stream_key)(tenant, kind, payload, partitions)
    }

    /// Whether only Daybook itself may send the kind; `None` when there is no such kind.
    pub fn is_internal(&self, kind: &str) -> Option<bool> {
        (self.is_internal)(kind)
    }

    /// Authorises and decides a command.
    pub fn decide(
        &self,
        state: &dyn Read,
        kind: &str,
        payload: Bytes,
        ctx: &Context<'_>,
    ) -> Result<Result<Vec<v1::Event>, Refusal>, NotACommand> {
        (self.decide)(state, kind, payload, ctx)
    }

    /// Folds one event into `writes` and tells what it asks to be done.
    pub fn fold(
        &self,
        state: &dyn Read,
        writes: &mut WriteSet,
        event: &v1::Event,
        moment: &Moment<'_>,
    ) -> Result<Vec<Effect>, Fault> {
        (self.fold)(state, writes, event, moment)
    }

    /// The encoded response to an accepted command, without its receipt.
    pub fn respond(
        &self,
        state: &dyn Read,
        tenant: &TenantId,
        kind: &str,
        events: &[v1::Event],
    ) -> Result<Vec<u8>, Fault> {
        (self.respond)(state, tenant, kind, events)
    }
}

fn decide<D: Domain>(
    state: &dyn Read,
    kind: &str,
    payload: Bytes,
    ctx: &Context<'_>,
) -> Result<Result<Vec<v1::Event>, Refusal>, NotACommand> {
    let command = D::Command::decode(kind, payload)?;
    let tables = <D::Projection as Projection>::Tables::from(View::new(state, ctx.tenant));
    let decided = || -> Result<Vec<v1::Event>, Refusal> {
        if let Some(question) = command.authorisation(&tables, ctx)? {
            let verdict = ctx.verdict(&question)?;
            if !verdict.permitted {
                return Err(crate::decide::denied_by(ctx.actor, &question, &verdict).into());
            }
        }
        let events = command.decide(&tables, ctx)?;
        Ok(events.iter().map(EventSet::encode).collect())
    };
    Ok(decided())
}

fn fold<D: Domain>(
    state: &dyn Read,
    writes: &mut WriteSet,
    event: &v1::Event,
    moment: &Moment<'_>,
) -> Result<Vec<Effect>, Fault> {
    let event = <D::Projection as Projection>::Event::decode(event)?;
    let mut tables = <D::Projection as Projection>::TablesMut::from(ViewMut::new(state, writes, moment.tenant));
    D::Projection::evolve(&mut tables, &event, moment)?;
    Ok(D::effects(&event, moment))
}

fn respond<D: Domain>(state: &dyn Read, tenant: &TenantId, kind: &str, events: &[v1::Event]) -> Result<Vec<u8>, Fault> {
    let events: Vec<_> = events.iter().map(<D::Projection as Projection>::Event::decode).collect::<Result<_, _>>()?;
    let tables = <D::Projection as Projection>::Tables::from(View::new(state, tenant));
    D::Command::respond(kind, &tables, &events)
}

type StreamFn = fn(&TenantId, Bytes) -> Result<StreamKey, prost::DecodeError>;
type AuthoriseFn = fn(Bytes) -> Result<Authorisation, prost::DecodeError>;
type RevealsFn = fn(Bytes) -> Result<Option<Authorisation>, prost::DecodeError>;
/// How a query is answered.
pub type AnswerFn = fn(&dyn Read, Bytes, &Asked<'_>) -> Result<Vec<u8>, Refusal>;

/// A query with its types erased.
pub struct QueryEntry {
    /// [`Query::METHOD`].
    pub method: &'static str,
    /// The stream whose partition answers an encoded request.
    pub stream_key: StreamFn,
    /// What the policy set in force is asked.
    pub authorisation: AuthoriseFn,
    /// What it is asked in addition, for a part of the answer.
    pub reveals: RevealsFn,
    /// The encoded response, without its position.
    pub answer: AnswerFn,
}

impl QueryEntry {
    /// Erases the types of a query.
    pub fn of<Q: Query>() -> Self {
        Self {
            method: Q::METHOD,
            stream_key: |tenant, request| Ok(Q::stream_key(tenant, &Q::Request::decode(request)?)),
            authorisation: |request| Ok(Q::authorisation(&Q::Request::decode(request)?)),
            reveals: |request| Ok(Q::reveals(&Q::Request::decode(request)?)),
            answer: |state, request, asked| {
                let request = Q::Request::decode(request)
                    .map_err(|error| Refusal::from(Rejection::new(crate::code::INVALID_ARGUMENT, error.to_string())))?;
                let tables = <Q::Projection as Projection>::Tables::from(View::new(state, asked.tenant));
                Ok(Q::answer(&tables, request, asked)?.encode_to_vec())
            },
        }
    }
}

/// The domains of a node.
#[derive(Default)]
pub struct Registry {
    domains: BTreeMap<&'static str, DomainEntry>,
}

impl Registry {
    /// No domain.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a domain.
    ///
    /// # Panics
    /// When its name or its projection is taken: two domains were given the same number.
    #[must_use]
    pub fn with<D: Domain>(mut self) -> Self {
        let taken = self.domains.values().any(|other| other.projection == D::Projection::ID || other.name == D::NAME);
        assert!(!taken, "domain {} takes the name or projection of another", D::NAME);
        self.domains.insert(D::NAME, DomainEntry::of::<D>());
        self
    }

    /// A domain by name.
    pub fn get(&self, name: &str) -> Option<&DomainEntry> {
        self.domains.get(name)
    }

    /// Every domain, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &DomainEntry> {
        self.domains.values()
    }

    /// Every projection, the loop's own first.
    pub fn projections(&self) -> Vec<ProjectionId> {
        let mut all: Vec<_> = self.domains.values().map(|domain| domain.projection).collect();
        all.push(ProjectionId::SYSTEM);
        all.sort();
        all
    }

    /// An error code by name, of whatever domain.
    pub fn code(&self, name: &str) -> Option<Code> {
        let domains = self.domains.values().flat_map(|domain| domain.codes);
        crate::code::ALL.iter().chain(domains).find(|code| code.name == name).copied()
    }

    /// The Cedar schema that ships: who may ask, and every domain's part.
    pub fn shipped_schema(&self) -> String {
        let domains = self.domains.values().map(|domain| domain.cedar_schema);
        std::iter::once(BASE_SCHEMA).chain(domains).collect::<Vec<_>>().join("\n")
    }

    /// The Cedar policies that ship: every domain's part.
    pub fn shipped_policies(&self) -> String {
        self.domains.values().map(|domain| domain.cedar_policies).collect::<Vec<_>>().join("\n")
    }
}
