//! What other nodes have to decide or answer.

use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::code::Code;
use daybook_kernel::decide::Place;
use daybook_kernel::id::{CommandId, Offset, PartitionId, Position, TenantId};
use daybook_kernel::registry::Registry;
use daybook_kernel::time::Timestamp;
use daybook_proto::cluster::v1::{
    AnswerRequest, AnswerResponse, DecideRequest, DecideResponse, DecidedCommand, FindRequest, FindResponse,
};
use daybook_proto::log::v1::{self, CommandRecord, Decision};
use daybook_runtime::{Outcome, Owner, Peers, SubmitError, codes};
use futures_util::future::{BoxFuture, FutureExt};
use prost::Message;
use tonic::Status;

use super::{Cluster, Destination};
use crate::error::{CallError, every_code};

/// How long a node that leads may take to decide, beyond what its own callers wait.
const DECIDE_WAIT_MAX: Duration = Duration::from_secs(35);

impl Peers for Cluster {
    fn submit<'a>(
        &'a self,
        owner: &'a Owner,
        partition: PartitionId,
        record: &'a CommandRecord,
    ) -> BoxFuture<'a, Result<Outcome, SubmitError>> {
        async move {
            let not_leading = |detail: String| SubmitError::NotLeading { partition, detail };
            let now = self.node().ok_or_else(|| not_leading("the node is stopping".to_owned()))?.now();
            let request = DecideRequest { command_record: record.encode_to_vec().into() };
            let (address, to) = (owner.address.as_str(), Destination::from(owner));
            let answered = self.connections.call(to, "Decide", &request, now, DECIDE_WAIT_MAX).await;
            let response: DecideResponse =
                answered.map_err(|status| submit_error(&self.registry, partition, address, &status))?;
            let outcome = response.decided.ok_or("it says nothing").and_then(outcome);
            let outcome = outcome.map_err(|what| not_leading(format!("{address}: {what}")))?;
            Ok(Outcome { response: Some(response.response), ..outcome })
        }
        .boxed()
    }

    fn are_there(&self) -> bool {
        !self.known.lock().peers.is_empty()
    }
}

impl<'a> From<&'a Owner> for Destination<'a> {
    fn from(owner: &'a Owner) -> Self {
        Self { node_id: &owner.node_id, address: &owner.address }
    }
}

impl Cluster {
    /// Has another node answer a query.
    pub(crate) async fn answer(
        &self,
        to: Destination<'_>,
        request: &AnswerRequest,
        now: Timestamp,
        wait_max: Duration,
    ) -> Result<Bytes, CallError> {
        let answered = self.connections.call(to, "Answer", request, now, wait_max).await;
        let response: AnswerResponse = answered.map_err(|status| CallError::from_peer(to.address, &status))?;
        Ok(response.response)
    }

    /// Asks another node what became of a command.
    pub(crate) async fn find(
        &self,
        to: Destination<'_>,
        tenant: &TenantId,
        id: CommandId,
        now: Timestamp,
    ) -> Result<Option<Outcome>, CallError> {
        const WAIT_MAX: Duration = Duration::from_secs(5);
        let command_id = Bytes::copy_from_slice(id.as_bytes());
        let request = FindRequest { tenant_id: tenant.as_str().to_owned(), command_id };
        let address = to.address;
        let found = self.connections.call(to, "Find", &request, now, WAIT_MAX).await;
        let response: FindResponse = found.map_err(|status| CallError::from_peer(address, &status))?;
        let malformed = |what: &str| CallError::new(crate::error::codes::INTERNAL_ERROR, format!("{address}: {what}"));
        response.decided.map(outcome).transpose().map_err(malformed)
    }
}

/// An outcome as it passes between nodes.
pub(super) fn decided(outcome: &Outcome) -> DecidedCommand {
    let Place { partition, command, record, index, now } = outcome.place;
    DecidedCommand {
        position: Some(v1::Position::from(Position { partition, offset: command })),
        record_offset: record.0,
        index,
        decided_at: Some(now.to_proto()),
        decision: outcome.decision.encode_to_vec().into(),
        duplicate: outcome.duplicate,
    }
}

fn outcome(decided: DecidedCommand) -> Result<Outcome, &'static str> {
    let position = decided.position.ok_or("the decision has no position")?;
    let position = Position::from(&position);
    let now = decided.decided_at.ok_or("the decision has no time")?;
    let now = Timestamp::from_proto(&now).map_err(|_| "the time of the decision cannot be read")?;
    let decision = Decision::decode(decided.decision).map_err(|_| "the decision cannot be read")?;
    let place = Place {
        partition: position.partition,
        command: position.offset,
        record: Offset(decided.record_offset),
        index: decided.index,
        now,
    };
    Ok(Outcome { place, decision, duplicate: decided.duplicate, response: None })
}

/// What another node's refusal means here.
fn submit_error(registry: &Registry, partition: PartitionId, address: &str, status: &Status) -> SubmitError {
    let error = CallError::from_peer(address, status);
    if error.code == codes::PARTITION_UNAVAILABLE.name {
        return SubmitError::NotLeading { partition, detail: error.message };
    }
    if error.code == codes::OUTCOME_UNKNOWN.name {
        return SubmitError::OutcomeUnknown { waited: DECIDE_WAIT_MAX };
    }
    let code = every_code(registry).into_iter().find(|code: &Code| code.name == error.code);
    let code = code.unwrap_or(crate::error::codes::INTERNAL_ERROR);
    SubmitError::Peer { code, message: error.message, retry_after: error.retry_after }
}
