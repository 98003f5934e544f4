//! Queries: read from a state that is at least as new as the caller asks for, under the policy set in force.

use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::chain::Head;
use daybook_kernel::decide::denied;
use daybook_kernel::domain::Asked;
use daybook_kernel::governance;
use daybook_kernel::id::{Offset, Position, TenantId};
use daybook_kernel::registry::AnswerFn;
use daybook_kernel::state::Read;
use daybook_privacy::SealMode;
use daybook_proto::log::v1;
use daybook_runtime::Partition;
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::{Call, Door, prepend_field, text_field};
use crate::auth::Caller;
use crate::error::{CallError, codes};

/// Where the conventions of requests and responses put things.
const TENANT_ID: u32 = 1;
const MIN_POSITION: u32 = 2;
const POSITION: u32 = 1;

impl Door {
    pub(super) async fn query(
        &self,
        domain: &'static str,
        query: usize,
        call: &Call,
        mut request: DynamicMessage,
    ) -> Result<Bytes, CallError> {
        let domain = self.domain(domain)?;
        let missing = || CallError::new(codes::METHOD_UNKNOWN, "there is no such query");
        let entry = domain.queries.get(query).ok_or_else(missing)?;
        let tenant = self.tenant_of(domain, call, &text_field(&request, TENANT_ID))?;
        let min_position = min_position(&request);
        self.sealer.seal(&mut request, &tenant, SealMode::PseudonymsOnly).await?;
        let request = Bytes::from(request.encode_to_vec());
        let malformed = |error: prost::DecodeError| CallError::new(codes::MALFORMED_REQUEST, error.to_string());
        let stream_key = (entry.stream_key)(&tenant, request.clone()).map_err(malformed)?;
        let question = (entry.authorisation)(request.clone()).map_err(malformed)?;
        let partition = self.node.partition_of(&tenant, &stream_key).map(Arc::clone).ok_or_else(missing)?;
        if let Some(position) = min_position
            && position.partition != partition.id()
        {
            let problem = format!("is one of partition {}; this is answered by {}", position.partition, partition.id());
            return Err(CallError::field("min_position", &problem));
        }
        partition.wait_to_read(min_position, self.limits.query_wait_max).await?;
        // Reading can take a while: it does not hold up those who only pass through.
        let answering = Answering {
            authority: Arc::clone(&self.authority),
            decider: self.node_service.decider().clone(),
            caller: call.caller.clone(),
            tenant,
            question,
            partitions: u32::try_from(self.node.partitions().len()).unwrap_or(u32::MAX),
        };
        let answer = entry.answer;
        let answered = tokio::task::spawn_blocking(move || answering.answer(&partition, answer, request)).await;
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
    let verdict = authority.ask(set, &caller.actor, tenant, question);
    let verdict = verdict.map_err(|error| CallError::new(codes::INTERNAL_ERROR, error.to_string()))?;
    if verdict.permitted { Ok(()) } else { Err(denied(&caller.actor, question).into()) }
}

struct Answering {
    authority: Arc<dyn daybook_kernel::authorisation::Authority>,
    decider: daybook_kernel::decide::Decider,
    caller: Caller,
    tenant: TenantId,
    question: Authorisation,
    partitions: u32,
}

impl Answering {
    fn answer(&self, partition: &Partition, answer: AnswerFn, request: Bytes) -> Result<Bytes, CallError> {
        let read = |state: &dyn Read, head: &Head| -> Result<Bytes, CallError> {
            permitted(&*self.authority, &self.decider, state, &self.caller, &self.tenant, &self.question)?;
            let asked = Asked {
                tenant: &self.tenant,
                now: partition.log_time(state, head)?,
                partition: partition.id(),
                partitions: self.partitions,
                next_command: head.next_command,
            };
            let response = answer(state, request, &asked)?;
            let Some(seen) = head.next_command.0.checked_sub(1) else { return Ok(response.into()) };
            let position = Position { partition: partition.id(), offset: Offset(seen) };
            Ok(prepend_field(POSITION, &v1::Position::from(position), &response))
        };
        partition.read(read)?
    }
}
