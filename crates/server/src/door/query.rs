//! Queries: read from a state that is at least as new as the caller asks for, under the policy set in force.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::authorisation::{Authorisation, Verdict};
use daybook_kernel::chain::Head;
use daybook_kernel::decide::denied_by;
use daybook_kernel::domain::Asked;
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::governance;
use daybook_kernel::id::{Offset, Position, TenantId};
use daybook_kernel::registry::{AnswerFn, DomainEntry};
use daybook_kernel::state::Read;
use daybook_privacy::SealMode;
use daybook_proto::cluster::v1::AnswerRequest;
use daybook_proto::log::v1;
use daybook_runtime::codes::PARTITION_UNAVAILABLE;
use daybook_runtime::{Partition, ReadError};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::{Call, Door, Incoming, prepend_field, text_field};
use crate::auth::Caller;
use crate::error::{CallError, codes};

/// Where the conventions of requests and responses put things.
pub(super) const TENANT_ID: u32 = 1;
const MIN_POSITION: u32 = 2;
const POSITION: u32 = 1;

/// How long another node may take to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);
/// How long a query is asked again while its partition changes hands.
const HAND_OVER_MAX: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_millis(50);

impl Door {
    pub(super) async fn query(
        &self,
        domain: &'static str,
        query: usize,
        call: &Call,
        incoming: Incoming,
    ) -> Result<Bytes, CallError> {
        // Its room is given back when it is answered.
        let Incoming { mut request, room: _room, .. } = incoming;
        let domain = self.domain(domain)?;
        let missing = || CallError::new(codes::METHOD_UNKNOWN, "there is no such query");
        let entry = domain.queries.get(query).ok_or_else(missing)?;
        let tenant = self.tenant_of(domain, call, &text_field(&request, TENANT_ID))?;
        self.check_tenants(&mut request, &tenant, call)?;
        self.sealer.seal(&mut request, &tenant, SealMode::PseudonymsOnly).await.map_err(CallError::not_sealed)?;
        let asked = self.asked(domain, query, call.caller.clone(), tenant, &request)?;
        let (method, started) = (entry.method, self.node.now());
        loop {
            let partition = asked.partition.id();
            let owner = self.node.routes().owner(partition).filter(|owner| owner.node_id != self.node.id());
            let answered = match (&self.cluster, owner) {
                _ if asked.partition.may_answer(asked.min_position) => self.answer_here(asked.clone()).await,
                (Some(cluster), Some(owner)) => {
                    let request = AnswerRequest {
                        domain: domain.name.to_owned(),
                        method: method.to_owned(),
                        tenant_id: asked.tenant.as_str().to_owned(),
                        actor: Some(asked.caller.acting_in(&asked.tenant)),
                        request: asked.request.clone(),
                    };
                    cluster.answer((&owner).into(), &request, self.node.now(), ANSWER_WAIT_MAX).await
                }
                _ => self.answer_here(asked.clone()).await,
            };
            let Err(error) = answered else { return answered };
            // While the partition changes hands, the next one who leads it is asked.
            let changes_hands = self.cluster.is_some() && error.code == PARTITION_UNAVAILABLE.name;
            if !changes_hands || self.node.now().since(started) >= HAND_OVER_MAX {
                return Err(error);
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// A query that has passed the door, here or at another node: people are pseudonyms in it.
    pub(crate) fn asked(
        &self,
        domain: &DomainEntry,
        query: usize,
        caller: Caller,
        tenant: TenantId,
        request: &DynamicMessage,
    ) -> Result<Question, CallError> {
        let missing = || CallError::new(codes::METHOD_UNKNOWN, "there is no such query");
        let entry = domain.queries.get(query).ok_or_else(missing)?;
        let min_position = min_position(request);
        let request = Bytes::from(request.encode_to_vec());
        let malformed = |error: prost::DecodeError| CallError::new(codes::MALFORMED_REQUEST, error.to_string());
        let stream_key = (entry.stream_key)(&tenant, request.clone()).map_err(malformed)?;
        let authorisation = (entry.authorisation)(request.clone()).map_err(malformed)?;
        let reveals = (entry.reveals)(request.clone()).map_err(malformed)?;
        let partition = self.node.partition_of(&tenant, &stream_key).map(Arc::clone).ok_or_else(missing)?;
        if let Some(position) = min_position
            && position.partition != partition.id()
        {
            let problem = format!("is one of partition {}; this is answered by {}", position.partition, partition.id());
            return Err(CallError::field("min_position", &problem));
        }
        let answer = entry.answer;
        Ok(Question { caller, tenant, partition, min_position, authorisation, reveals, answer, request })
    }

    /// Answers from the state that this node has.
    pub(crate) async fn answer_here(&self, asked: Question) -> Result<Bytes, CallError> {
        let ready = asked.partition.wait_to_read(asked.min_position, self.limits.query_wait_max).await;
        ready.map_err(|error| match error {
            // Another node is about to lead it: that one can be asked.
            ReadError::Broken { partition, detail } if self.node.leaves_to_others(&asked.partition) => {
                ReadError::Unavailable { partition, detail }
            }
            error => error,
        })?;
        // Reading can take a while: it does not hold up those who only pass through.
        let answering = Answering {
            authority: Arc::clone(&self.authority),
            decider: self.node_service.decider().clone(),
            asked,
            partitions: u32::try_from(self.node.partitions().len()).unwrap_or(u32::MAX),
        };
        let answered = tokio::task::spawn_blocking(move || answering.answer()).await;
        answered.map_err(|error| CallError::new(codes::INTERNAL_ERROR, error.to_string()))?
    }

    /// Whether the policy set in force on a partition lets the caller do something outside the log.
    pub(crate) fn authorise(
        &self,
        partition: &Partition,
        caller: &Caller,
        tenant: &TenantId,
        question: &Authorisation,
    ) -> Result<(), CallError> {
        let decider = self.node_service.decider();
        partition.read(|state, _| permitted(&*self.authority, decider, state, caller, tenant, question))?
    }
}

fn min_position(request: &DynamicMessage) -> Option<Position> {
    if !request.has_field_by_number(MIN_POSITION) {
        return None;
    }
    let value = request.get_field_by_number(MIN_POSITION)?;
    let position: v1::Position = Value::as_message(&value)?.transcode_to().ok()?;
    Some(Position::from(&position))
}

/// Whether the policy set in force permits it, in the state given.
fn permitted(
    authority: &dyn daybook_kernel::authorisation::Authority,
    decider: &daybook_kernel::decide::Decider,
    state: &dyn Read,
    caller: &Caller,
    tenant: &TenantId,
    question: &Authorisation,
) -> Result<(), CallError> {
    let (actor, verdict) = verdict(authority, decider, state, caller, tenant, question)?;
    if verdict.permitted { Ok(()) } else { Err(denied_by(&actor, question, &verdict).into()) }
}

/// What the policy set in force says of a caller, in the state given.
fn verdict(
    authority: &dyn daybook_kernel::authorisation::Authority,
    decider: &daybook_kernel::decide::Decider,
    state: &dyn Read,
    caller: &Caller,
    tenant: &TenantId,
    question: &Authorisation,
) -> Result<(v1::Actor, Verdict), CallError> {
    let not_initialised = || {
        let message = "this log has no policy set in force yet; try again in a moment";
        CallError::new(daybook_kernel::code::LOG_NOT_INITIALISED, message)
    };
    let set = governance::active_policy(state)?.ok_or_else(not_initialised)?;
    decider.load_policy_set(state, set)?;
    if !tenant.is_platform() && governance::tenant(state, tenant)?.is_none() {
        let message = format!("tenant {tenant} is not known; create it first");
        return Err(CallError::new(daybook_kernel::code::TENANT_UNKNOWN, message));
    }
    let actor = caller.acting_in(tenant);
    let verdict = authority.ask(set, &actor, tenant, question);
    let mut verdict = verdict.map_err(|error| CallError::new(codes::INTERNAL_ERROR, error.to_string()))?;
    for failed in &verdict.failed {
        metrics::counter!("daybook_policies_failed_total").increment(1);
        tracing::warn!(policy = failed.id, action = question.action, "a policy failed while it was evaluated");
    }
    // As for commands: what a failure means depends on the level that the log has reached.
    if governance::feature_level(state)? >= FeatureLevel::ACCOUNTABLE_DECISIONS {
        verdict = verdict.failures_deny();
    }
    Ok((actor, verdict))
}

/// A query with who asks, and the partition that answers.
#[derive(Clone)]
pub(crate) struct Question {
    caller: Caller,
    tenant: TenantId,
    partition: Arc<Partition>,
    min_position: Option<Position>,
    authorisation: Authorisation,
    /// What is asked in addition, for a part of the answer.
    reveals: Option<Authorisation>,
    answer: AnswerFn,
    request: Bytes,
}

struct Answering {
    authority: Arc<dyn daybook_kernel::authorisation::Authority>,
    decider: daybook_kernel::decide::Decider,
    asked: Question,
    partitions: u32,
}

impl Answering {
    fn answer(&self) -> Result<Bytes, CallError> {
        let Question { caller, tenant, partition, authorisation, reveals, answer, request, .. } = &self.asked;
        let read = |state: &dyn Read, head: &Head| -> Result<Bytes, CallError> {
            permitted(&*self.authority, &self.decider, state, caller, tenant, authorisation)?;
            let reveals = match reveals {
                Some(question) => {
                    verdict(&*self.authority, &self.decider, state, caller, tenant, question)?.1.permitted
                }
                None => true,
            };
            let asked = Asked {
                tenant,
                now: partition.log_time(state, head)?,
                partition: partition.id(),
                partitions: self.partitions,
                next_command: head.next_command,
                reveals,
            };
            let response = answer(state, request.clone(), &asked)?;
            let Some(seen) = head.next_command.0.checked_sub(1) else { return Ok(response.into()) };
            let position = Position { partition: partition.id(), offset: Offset(seen) };
            Ok(prepend_field(POSITION, &v1::Position::from(position), &response))
        };
        partition.read(read)?
    }
}
