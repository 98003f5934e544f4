//! Deciding one command, and folding one decision: the two functions that the partition loop, followers, rebuild and
//! verify share. Pure: state, record and time in, decision and writes out.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_proto::log::v1::{self, actor::Kind, decision::Outcome, origin::Source};
use daybook_proto::system::v1::{DedupRow, OutboxRow, ParkedRow};
use prost::Message;

use crate::asked_by::{AskedBy, is_firing_of, is_of_another_origin, is_what_was_asked, is_what_was_set};
use crate::authorisation::{Authorisation, Authority, Verdict};
use crate::code;
use crate::domain::{Context, Moment, NotACommand, PolicyInForce};
use crate::feature_level::FeatureLevel;
use crate::governance;
use crate::hash::Hash;
use crate::id::{CommandId, Offset, PartitionId, Position, StreamKey, TenantId};
use crate::registry::Registry;
use crate::rejection::{Refusal, Rejection};
use crate::sabotage::{self, Mistake};
use crate::state::{Fault, Layered, Metered, Nothing, Read, WriteSet};
use crate::system;
use crate::table::{View, ViewMut};
use crate::time::Timestamp;

/// Rows that one decision may read.
pub const ROWS_READ_MAX: u64 = 200_000;
/// Bytes of events that one decision may hold.
pub const DECISION_BYTES_MAX: usize = 900 * 1024;

/// Bytes that the names in a command may have together. They go into its decision and into what is said of it: a decision
/// that no log takes would hold up its partition for ever.
const NAMES_BYTES_MAX: usize = 8 * 1024;

/// Recorded as the determining policy of commands that Daybook gives itself.
pub const INTERNAL_POLICY: &str = "daybook:internal";

/// Decides commands and folds decisions.
#[derive(Clone)]
pub struct Decider {
    registry: Arc<Registry>,
    authority: Arc<dyn Authority>,
    partitions: u32,
    understands: FeatureLevel,
}

/// Where and when a command is decided, or was.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The partition.
    pub partition: PartitionId,
    /// Offset of the command.
    pub command: Offset,
    /// Offset of the decision record.
    pub record: Offset,
    /// Which decision in it.
    pub index: u32,
    /// The log's time.
    pub now: Timestamp,
}

/// A decision with what it changes.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The decision.
    pub decision: v1::Decision,
    /// What it changes in the state.
    pub writes: WriteSet,
}

impl Decider {
    /// A decider for a log with this many partitions.
    pub fn new(registry: Arc<Registry>, authority: Arc<dyn Authority>, partitions: u32) -> Self {
        Self { registry, authority, partitions, understands: FeatureLevel::NEWEST }
    }

    /// The same for a release that understands feature levels up to this one.
    #[must_use]
    pub fn understanding(self, newest: FeatureLevel) -> Self {
        Self { understands: newest, ..self }
    }

    /// The newest feature level that this release understands.
    pub fn understands(&self) -> FeatureLevel {
        self.understands
    }

    /// Whether this release may read on in a state: it must understand the feature level that was reached.
    ///
    /// # Errors
    /// [`Fault::NewerRelease`] when it does not.
    pub fn check_release(&self, state: &dyn Read) -> Result<(), Fault> {
        if sabotage::makes(Mistake::ReleaseGateOff) {
            return Ok(());
        }
        self.understands.understands(governance::feature_level(state)?)
    }

    /// The domains.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Who answers questions to policy sets.
    pub fn authority(&self) -> &Arc<dyn Authority> {
        &self.authority
    }

    /// Decides the command at `place` whose record is `bytes`.
    ///
    /// # Errors
    /// Only when the state cannot be read; whatever the bytes are, there is a decision.
    pub fn decide(&self, state: &dyn Read, bytes: &Bytes, place: Place) -> Result<Decided, Fault> {
        self.decide_or_park(state, bytes, place, None)
    }

    /// Parks the command without deciding it: what would decide it does not come to an end, or ends the process. All that
    /// comes before (is it a command, was it decided, does its stream take any) is as ever.
    ///
    /// # Errors
    /// As for [`Decider::decide`].
    pub fn park(&self, state: &dyn Read, bytes: &Bytes, place: Place, parked: &v1::Parked) -> Result<Decided, Fault> {
        self.decide_or_park(state, bytes, place, Some(parked))
    }

    fn decide_or_park(
        &self,
        state: &dyn Read,
        bytes: &Bytes,
        place: Place,
        undecidable: Option<&v1::Parked>,
    ) -> Result<Decided, Fault> {
        let command_hash = Hash::of(bytes);
        let Ok(command) = v1::CommandRecord::decode(bytes.clone()) else {
            return self.settle(state, place, malformed(command_hash, "its bytes are no command record"));
        };
        let parsed = (
            CommandId::from_slice(&command.command_id),
            TenantId::parse(&command.tenant_id),
            StreamKey::parse(&command.stream_key),
            &command.actor,
        );
        let (Ok(id), Ok(tenant), Ok(stream_key), Some(actor)) = parsed else {
            let what = "its id, tenant, stream key or actor is missing or not well formed";
            return self.settle(state, place, malformed(command_hash, what));
        };
        let origin_bytes = command.origin.as_ref().map_or(0, Message::encoded_len);
        if command.domain.len() + command.kind.len() + actor.id.len() + origin_bytes > NAMES_BYTES_MAX {
            let what = "its domain, kind, actor and origin are longer than any that a node writes";
            return self.settle(state, place, malformed(command_hash, what));
        }
        let set = governance::active_policy(state)?;
        let mut decision = v1::Decision {
            command_id: Bytes::copy_from_slice(id.as_bytes()),
            tenant_id: command.tenant_id.clone(),
            domain: command.domain.clone(),
            kind: command.kind.clone(),
            stream_key: command.stream_key.clone(),
            command_hash: command_hash.to_bytes(),
            fingerprint: fingerprint(&command),
            actor_id: actor.id.clone(),
            actor_kind: if is_accountable(state)? { actor.kind } else { Kind::Unspecified.into() },
            policy_set_hash: set.map(Hash::to_bytes).unwrap_or_default(),
            determining_policies: Vec::new(),
            failed_policies: Vec::new(),
            decider_version: self.registry.get(&command.domain).map_or(0, |domain| domain.decider_version),
            origin: command.origin.clone(),
            outcome: None,
        };

        let tables = system::Tables::from(View::new(state, &tenant));
        let first = tables.dedup().get((id.as_bytes(),))?;
        if let Some(first) = first.filter(|_| !sabotage::makes(Mistake::DedupOff)) {
            decision.outcome = Some(if first.fingerprint == decision.fingerprint {
                Outcome::Duplicate(v1::Duplicate { command_offset: first.command_offset })
            } else {
                let message = "this command id was used before for a command with other content; nothing was done; \
                               give every new command a new id";
                Outcome::Rejected(Rejection::new(code::COMMAND_ID_REUSED, message).to_proto())
            });
            return self.settle(state, place, decision);
        }
        let asked_by = AskedBy::of(&command, actor);
        if let Some(rejection) = self.refused_before_domain(state, &command, &tenant, &stream_key, asked_by, set)? {
            decision.outcome = Some(Outcome::Rejected(rejection.to_proto()));
            return self.settle(state, place, decision);
        }

        if let Some(parked) = undecidable {
            decision.outcome = Some(Outcome::Parked(parked.clone()));
            return self.settle(state, place, decision);
        }
        let asked = Asked { command: &command, id, tenant: &tenant, actor, asked_by, set, place };
        let answer = self.ask_domain(state, asked)?;
        decision.outcome = Some(answer.outcome);
        decision.determining_policies = answer.determining;
        decision.failed_policies = answer.failed;
        if decision.encoded_len() > DECISION_BYTES_MAX {
            let message = format!(
                "the decision would hold more than {DECISION_BYTES_MAX} bytes; nothing was done; ask for less at once"
            );
            decision.outcome = Some(Outcome::Rejected(Rejection::new(code::DECISION_TOO_LARGE, message).to_proto()));
        }
        match catch_unwind(AssertUnwindSafe(|| self.fold(state, &decision, place))) {
            Ok(writes) => Ok(Decided { writes: writes?, decision }),
            Err(panic) => {
                decision.outcome = Some(parked_outcome(code::DECIDER_PANICKED, panic_text(&*panic)));
                self.settle(state, place, decision)
            }
        }
    }

    /// Has the domain answer a command.
    fn ask_domain(&self, state: &dyn Read, asked: Asked<'_>) -> Result<Answer, Fault> {
        let Asked { command, id, tenant, actor, asked_by, set, place } = asked;
        // The same command in the same state gets the same decision from every release: the level is a part of the state.
        let is_accountable = is_accountable(state)?;
        let (determining, failed) = (RefCell::new(BTreeSet::new()), RefCell::new(BTreeSet::new()));
        // The text of a set that is in force here stands in the state; the authority may not have seen it yet.
        if let Some(set) = set {
            self.load_policy_set(state, set)?;
        }
        if asked_by != AskedBy::Caller {
            determining.borrow_mut().insert(INTERNAL_POLICY.to_owned());
        }
        let position = Position { partition: place.partition, offset: place.command };
        let policy = PolicyInForce {
            authority: &*self.authority,
            set,
            determining: &determining,
            failed: &failed,
            failures_deny: is_accountable,
        };
        let metered = Metered::new(state, ROWS_READ_MAX);
        let ctx = Context::new(place.now, position, self.partitions, tenant, actor, id, policy, &metered);
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let Some(domain) = self.registry.get(&command.domain) else { return Err(NotACommand::UnknownKind) };
            domain.decide(&metered, &command.kind, command.payload.clone(), &ctx)
        }));
        let outcome = match decided {
            Ok(Ok(Ok(events))) => Outcome::Accepted(v1::Accepted { events }),
            Ok(Ok(Err(Refusal::Rejected(rejection)))) => Outcome::Rejected(rejection.to_proto()),
            Ok(Ok(Err(Refusal::Fault(Fault::OverBudget(limit))))) => {
                parked_outcome(code::DECIDER_OVER_BUDGET, format!("deciding would have read more than {limit} rows"))
            }
            Ok(Ok(Err(Refusal::Fault(fault)))) => return Err(fault),
            Ok(Err(NotACommand::Invalid(violations))) => Outcome::Rejected(Rejection::from(violations).to_proto()),
            Ok(Err(NotACommand::UnknownKind)) => Outcome::Rejected(unknown_kind(command).to_proto()),
            Ok(Err(NotACommand::Undecodable(reason))) => parked_outcome(code::UNDECODABLE_COMMAND, reason),
            Err(panic) => parked_outcome(code::DECIDER_PANICKED, panic_text(&*panic)),
        };
        let failed = if is_accountable { failed.into_inner() } else { BTreeSet::new() };
        Ok(Answer {
            outcome,
            determining: determining.into_inner().into_iter().collect(),
            failed: failed.into_iter().collect(),
        })
    }

    /// What would be said of a caller's command whose content is not sealed yet: whether it may be asked for at all, by
    /// this caller, here and now. A door asks this before it makes keys and writes anything down. `None` is no promise:
    /// the decision alone counts.
    ///
    /// # Errors
    /// Only when the state cannot be read.
    pub fn rehearse(
        &self,
        state: &dyn Read,
        command: &v1::CommandRecord,
        place: Place,
    ) -> Result<Option<v1::Rejected>, Fault> {
        let parsed = (
            CommandId::from_slice(&command.command_id),
            TenantId::parse(&command.tenant_id),
            StreamKey::parse(&command.stream_key),
            &command.actor,
        );
        let (Ok(id), Ok(tenant), Ok(stream_key), Some(actor)) = parsed else { return Ok(None) };
        // Sent again, it gets the answer that it got.
        if system::Tables::from(View::new(state, &tenant)).dedup().contains((id.as_bytes(),))? {
            return Ok(None);
        }
        let (asked_by, set) = (AskedBy::of(command, actor), governance::active_policy(state)?);
        if let Some(rejection) = self.refused_before_domain(state, command, &tenant, &stream_key, asked_by, set)? {
            return Ok(Some(rejection.to_proto()));
        }
        let asked = Asked { command, id, tenant: &tenant, actor, asked_by, set, place };
        match self.ask_domain(state, asked)?.outcome {
            Outcome::Rejected(rejected) if does_not_depend_on_content(&rejected.code) => Ok(Some(rejected)),
            _ => Ok(None),
        }
    }

    /// Makes sure that the authority knows a set whose text stands in the state.
    pub fn load_policy_set(&self, state: &dyn Read, set: Hash) -> Result<(), Fault> {
        if self.authority.is_loaded(set) {
            return Ok(());
        }
        let missing = || Fault::Damaged(format!("the text of policy set {set}, in force here, is missing"));
        let text = governance::policy_text(state, &set)?.ok_or_else(missing)?;
        let loaded = self.authority.load_decided(&text.policies, &text.schema);
        let loaded = loaded.map_err(|problems| {
            let first = problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
            Fault::Damaged(format!("policy set {set}, in force here, cannot be read any more: {first}"))
        })?;
        if loaded == set { Ok(()) } else { Err(Fault::Damaged(format!("the text of policy set {set} is not its own"))) }
    }

    fn refused_before_domain(
        &self,
        state: &dyn Read,
        command: &v1::CommandRecord,
        tenant: &TenantId,
        stream_key: &StreamKey,
        asked_by: AskedBy<'_>,
        set: Option<Hash>,
    ) -> Result<Option<Rejection>, Fault> {
        let internal = self.registry.get(&command.domain).and_then(|domain| domain.is_internal(&command.kind));
        if internal != Some(asked_by != AskedBy::Caller) {
            return Ok(Some(unknown_kind(command)));
        }
        // Outcomes of effects are facts: neither a suspension nor a parked key stops them, or they would be lost. Due
        // timers wait: while nobody can place a hold, nothing is disposed of.
        match asked_by {
            AskedBy::Timer(timer) => {
                let row = system::Tables::from(View::new(state, tenant)).timer_rows().get((&timer.timer_id,))?;
                if !row.is_some_and(|row| is_firing_of(timer, &row) && is_what_was_set(command, &row)) {
                    let message = "this timer was cancelled or set anew since it fired; nothing was done";
                    return Ok(Some(Rejection::new(code::TIMER_REPLACED, message)));
                }
                return match suspended(state, tenant)? {
                    Some(rejection) => Ok(Some(rejection)),
                    None => parked(state, tenant, stream_key),
                };
            }
            AskedBy::Effect(effect) => {
                let outbox = system::Tables::from(View::new(state, TenantId::partition())).outbox();
                let row = outbox.get((effect.command_offset, effect.index))?;
                if row.is_some_and(|row| is_what_was_asked(command, &row)) {
                    return Ok(None);
                }
                let message = "the outcome of this effect has been recorded already; nothing was done";
                return Ok(Some(Rejection::new(code::EFFECT_ALREADY_RECORDED, message)));
            }
            AskedBy::Caller if set.is_none() => {
                let message = "this log has no policy set in force yet; nothing was done; try again in a moment";
                return Ok(Some(Rejection::new(code::LOG_NOT_INITIALISED, message)));
            }
            AskedBy::Stream if tenant.is_platform() => return Ok(None),
            AskedBy::Caller | AskedBy::Stream => {}
        }
        match governance::tenant(state, tenant)? {
            None if tenant.is_platform() => {}
            None => {
                let message = format!("tenant {tenant} is not known; nothing was done; create it first");
                return Ok(Some(Rejection::new(code::TENANT_UNKNOWN, message).with("tenant_id", tenant.as_str())));
            }
            Some(_) if asked_by == AskedBy::Caller => {
                if let Some(rejection) = suspended(state, tenant)? {
                    return Ok(Some(rejection));
                }
            }
            Some(_) => {}
        }
        parked(state, tenant, stream_key)
    }

    /// What the stream that sent a command to another one learns of its decision.
    ///
    /// # Errors
    /// When the recorded events cannot be read: a newer release wrote them.
    pub fn forward_outcome(
        &self,
        place: Place,
        decision: v1::Decision,
        correlation: Bytes,
    ) -> Result<v1::ForwardOutcome, Fault> {
        let mut outcome = v1::ForwardOutcome {
            correlation,
            partition: place.partition.0,
            offset: place.command.0,
            ..Default::default()
        };
        match decision.outcome {
            Some(Outcome::Accepted(accepted)) => {
                outcome.accepted = true;
                let Some(domain) = self.registry.get(&decision.domain) else { return Ok(outcome) };
                // From the events alone: the state of the other partition may lie on another node.
                let tenant = TenantId::parse(&decision.tenant_id);
                let tenant = tenant.map_err(|error| Fault::Damaged(error.to_string()))?;
                outcome.response = domain.respond(&Nothing, &tenant, &decision.kind, &accepted.events)?.into();
            }
            Some(Outcome::Rejected(rejected)) => (outcome.code, outcome.message) = (rejected.code, rejected.message),
            Some(Outcome::Parked(parked)) => (outcome.code, outcome.message) = (parked.code, parked.reason),
            Some(Outcome::Duplicate(_)) | None => {
                return Err(Fault::Damaged("a forwarded command has no decision of its own".to_owned()));
            }
        }
        Ok(outcome)
    }

    /// The decision with what it changes.
    fn settle(&self, state: &dyn Read, place: Place, decision: v1::Decision) -> Result<Decided, Fault> {
        let writes = self.fold(state, &decision, place)?;
        Ok(Decided { decision, writes })
    }

    /// What a recorded decision changes in the state. Deciding and reading the log share this, so that the owner's
    /// state and everybody else's are the same.
    pub fn fold(&self, state: &dyn Read, decision: &v1::Decision, place: Place) -> Result<WriteSet, Fault> {
        let mut writes = WriteSet::default();
        let Ok(tenant) = TenantId::parse(&decision.tenant_id) else { return Ok(writes) };
        let Ok(id) = CommandId::from_slice(&decision.command_id) else { return Ok(writes) };
        let outcome = match &decision.outcome {
            None | Some(Outcome::Duplicate(_)) => return Ok(writes),
            Some(Outcome::Rejected(rejected)) if rejected.code == code::COMMAND_ID_REUSED.name => return Ok(writes),
            Some(outcome) => outcome,
        };
        let first = DedupRow {
            command_offset: place.command.0,
            record_offset: place.record.0,
            index: place.index,
            fingerprint: decision.fingerprint.clone(),
        };
        system::TablesMut::from(ViewMut::new(state, &mut writes, &tenant)).dedup().put((id.as_bytes(),), &first);
        match decision.origin.as_ref().and_then(|origin| origin.source.as_ref()) {
            // It does not come from where it says: what is there stays.
            _ if is_of_another_origin(outcome) => {}
            Some(Source::Timer(timer)) => {
                let mut view = ViewMut::new(state, &mut writes, &tenant);
                let mut timers = view.timers();
                if timers.get(&timer.timer_id)?.is_some_and(|row| is_firing_of(timer, &row)) {
                    if must_wait(outcome) {
                        timers.postpone(&timer.timer_id, place.now.saturating_add(TIMER_WAITS), place.command)?;
                    } else {
                        timers.cancel(&timer.timer_id)?;
                    }
                }
            }
            Some(Source::Effect(effect)) => {
                let mut tables = system::TablesMut::from(ViewMut::new(state, &mut writes, TenantId::partition()));
                tables.outbox().delete((effect.command_offset, effect.index));
            }
            None => {}
        }
        match outcome {
            Outcome::Accepted(accepted) => {
                self.fold_events(state, &mut writes, decision, &tenant, accepted, place)?;
            }
            Outcome::Parked(parked) => {
                let row = ParkedRow {
                    command_offset: place.command.0,
                    domain: decision.domain.clone(),
                    kind: decision.kind.clone(),
                    code: parked.code.clone(),
                    reason: parked.reason.clone(),
                    parked_at_us: place.now.as_micros(),
                };
                let mut tables = system::TablesMut::from(ViewMut::new(state, &mut writes, TenantId::partition()));
                tables.parked().put((tenant.as_str(), &decision.stream_key), &row);
            }
            Outcome::Rejected(_) | Outcome::Duplicate(_) => {}
        }
        Ok(writes)
    }

    fn fold_events(
        &self,
        state: &dyn Read,
        writes: &mut WriteSet,
        decision: &v1::Decision,
        tenant: &TenantId,
        accepted: &v1::Accepted,
        place: Place,
    ) -> Result<(), Fault> {
        if accepted.events.is_empty() {
            return Ok(());
        }
        let unknown =
            || Fault::Damaged(format!("domain {} is not known to this release: a newer one wrote it", decision.domain));
        let domain = self.registry.get(&decision.domain).ok_or_else(unknown)?;
        let command_hash =
            Hash::from_slice(&decision.command_hash).ok_or_else(|| Fault::Damaged("no command hash".into()))?;
        let mut effects = 0;
        for (event_index, event) in accepted.events.iter().enumerate() {
            let moment = Moment {
                now: place.now,
                position: Position { partition: place.partition, offset: place.command },
                event_index: u32::try_from(event_index).unwrap_or(u32::MAX),
                tenant,
                actor_id: &decision.actor_id,
                actor_kind: actor_kind(decision),
                command_hash,
            };
            for effect in domain.fold(state, writes, event, &moment)? {
                let row = OutboxRow {
                    effect: effect.kind.to_owned(),
                    payload: effect.payload.into(),
                    tenant_id: tenant.as_str().to_owned(),
                    stream_key: decision.stream_key.clone(),
                    domain: domain.name.to_owned(),
                    reply_kind: effect.reply.to_owned(),
                    asked_at_us: place.now.as_micros(),
                };
                let mut tables = system::TablesMut::from(ViewMut::new(state, writes, TenantId::partition()));
                tables.outbox().put((place.command.0, effects), &row);
                effects += 1;
            }
        }
        if domain.projection == governance::PLATFORM {
            self.check_release(&Layered::new(state).over(writes))?;
        }
        Ok(())
    }
}

/// How long a timer waits that fires while its stream is parked or its tenant suspended, before it fires again.
const TIMER_WAITS: Duration = Duration::from_secs(60 * 60);

/// Whether what a timer asked for could not be decided now, but will have to be.
fn must_wait(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Parked(_) => true,
        Outcome::Rejected(rejected) => {
            [code::STREAM_PARKED.name, code::TENANT_SUSPENDED.name].contains(&rejected.code.as_str())
        }
        Outcome::Accepted(_) | Outcome::Duplicate(_) => false,
    }
}

fn suspended(state: &dyn Read, tenant: &TenantId) -> Result<Option<Rejection>, Fault> {
    if !governance::tenant(state, tenant)?.is_some_and(|row| row.suspended) {
        return Ok(None);
    }
    let message = format!("tenant {tenant} is suspended; nothing was done; ask the platform's operators");
    Ok(Some(Rejection::new(code::TENANT_SUSPENDED, message).with("tenant_id", tenant.as_str())))
}

fn parked(state: &dyn Read, tenant: &TenantId, stream_key: &StreamKey) -> Result<Option<Rejection>, Fault> {
    let parked = system::Tables::from(View::new(state, TenantId::partition())).parked();
    let Some(row) = parked.get((tenant.as_str(), stream_key.as_str()))? else { return Ok(None) };
    let message = format!(
        "stream {stream_key} of tenant {tenant} is parked since the command at offset {} could not be decided; \
         nothing was done; an operator lets it go on with `daybook stream unpark`",
        row.command_offset
    );
    Ok(Some(Rejection::new(code::STREAM_PARKED, message).with("parked_code", row.code)))
}

/// A command for a domain to answer.
struct Asked<'a> {
    command: &'a v1::CommandRecord,
    id: CommandId,
    tenant: &'a TenantId,
    actor: &'a v1::Actor,
    asked_by: AskedBy<'a>,
    set: Option<Hash>,
    place: Place,
}

/// What a domain answers, and by which policies.
struct Answer {
    outcome: Outcome,
    determining: Vec<String>,
    /// Policies that failed while they were evaluated.
    failed: Vec<String>,
}

/// Whether decisions say what kind of principal asked and which policies failed.
fn is_accountable(state: &dyn Read) -> Result<bool, Fault> {
    Ok(governance::feature_level(state)? >= FeatureLevel::ACCOUNTABLE_DECISIONS)
}

/// The first 16 bytes of the hash of who asks for what: tells a retry from a reused id. What differs between two sends of
/// the same command (when it came, under which trace, with which roles in a newer token) is left out.
pub fn fingerprint(command: &v1::CommandRecord) -> Bytes {
    let parts = [
        command.actor.as_ref().map_or(&[][..], |actor| actor.id.as_bytes()),
        command.tenant_id.as_bytes(),
        command.stream_key.as_bytes(),
        command.domain.as_bytes(),
        command.kind.as_bytes(),
        &command.payload,
    ];
    Hash::of_parts(&parts).to_bytes().slice(..16)
}

fn malformed(command_hash: Hash, what: &str) -> v1::Decision {
    let message = format!("the record is no command: {what}; nothing was done");
    v1::Decision {
        command_hash: command_hash.to_bytes(),
        outcome: Some(Outcome::Rejected(Rejection::new(code::MALFORMED_RECORD, message).to_proto())),
        ..Default::default()
    }
}

fn unknown_kind(command: &v1::CommandRecord) -> Rejection {
    let message = format!(
        "callers cannot send {} commands to domain {:?}; nothing was done; this release may be older than the caller",
        command.kind, command.domain
    );
    Rejection::new(code::UNKNOWN_KIND, message)
}

/// What kind of principal asked for what was decided. A release that did not record it recorded the origin of what
/// Daybook asked itself.
pub fn actor_kind(decision: &v1::Decision) -> Kind {
    match decision.actor_kind() {
        Kind::Unspecified if decision.origin.is_some() => Kind::System,
        kind => kind,
    }
}

/// The rejection of what no policy permits.
pub fn denied(actor: &v1::Actor, question: &Authorisation) -> Rejection {
    denied_by(actor, question, &Verdict::denied())
}

/// The same, where it may be a policy that failed which denies.
pub fn denied_by(actor: &v1::Actor, question: &Authorisation, verdict: &Verdict) -> Rejection {
    let failed: Vec<_> =
        verdict.failed.iter().filter(|failed| failed.denies).map(|failed| failed.id.as_str()).collect();
    if failed.is_empty() {
        return denied_action(actor, question.namespace, question.action);
    }
    let action = format!("{}::{}", question.namespace, question.action);
    let message = format!(
        "a policy of the set in force failed while it was evaluated ({}), and its failure denies {} ({}) the action \
         {action}; nothing was done; correct the policy",
        failed.join(", "),
        actor.id,
        roles(actor)
    );
    let rejection = Rejection::new(code::POLICY_DENIED, message).with("action", action);
    rejection.with("failed_policies", failed.join(","))
}

/// The same for an action whatever it is done to.
pub fn denied_action(actor: &v1::Actor, namespace: &str, action: &str) -> Rejection {
    let action = format!("{namespace}::{action}");
    let message = format!(
        "the policy set in force does not permit {} ({}) the action {action}; nothing was done; ask for the role that \
         may, or for a policy",
        actor.id,
        roles(actor)
    );
    Rejection::new(code::POLICY_DENIED, message).with("action", action)
}

fn roles(actor: &v1::Actor) -> String {
    if actor.roles.is_empty() { "no role".to_owned() } else { actor.roles.join(", ") }
}

fn parked_outcome(code: code::Code, reason: String) -> Outcome {
    Outcome::Parked(v1::Parked { code: code.name.to_owned(), reason })
}

/// Whether a rejection says nothing of what a command holds.
fn does_not_depend_on_content(rejected: &str) -> bool {
    let codes = [code::POLICY_DENIED, code::TENANT_NOT_IN_TOKEN, code::FEATURE_LEVEL_TOO_LOW];
    codes.iter().any(|code| code.name == rejected)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}
