//! Commands: from a request to a durable decision and its answer.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use daybook_kernel::domain::NotACommand;
use daybook_kernel::id::{CommandId, TenantId};
use daybook_kernel::registry::DomainEntry;
use daybook_kernel::rejection::Rejection;
use daybook_privacy::{PrivacyError, SealMode};
use daybook_proto::log::v1::{self, Event, decision::Outcome as Decided};
use daybook_runtime::{Outcome, Role};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::{Call, Door, Method, prepend_field, text_field};
use crate::error::{CallError, codes};

/// Where the conventions of requests and responses put things.
const COMMAND_ID: u32 = 1;
pub(super) const TENANT_ID: u32 = 2;
const RECEIPT: u32 = 1;

impl Door {
    pub(super) async fn command(
        &self,
        method: &Method,
        domain: &'static str,
        kind: &'static str,
        call: &Call,
        mut request: DynamicMessage,
        events: Option<Bytes>,
    ) -> Result<Bytes, CallError> {
        self.check_fit()?;
        let domain = self.domain(domain)?;
        let tenant = self.tenant_of(domain, call, &text_field(&request, TENANT_ID))?;
        let named = text_field(&request, COMMAND_ID);
        let (id, is_named) = (command_id(&named)?, !named.is_empty());
        request.set_field_by_number(COMMAND_ID, Value::String(id.to_string()));
        request.set_field_by_number(TENANT_ID, Value::String(tenant.as_str().to_owned()));
        let mut behind = Vec::new();
        if !method.filled_in.is_empty() {
            // What is filled in may differ when the command is sent again: the first answer stands.
            if is_named && let Some(outcome) = self.find(&tenant, id).await? {
                return self.answer(method, domain, &tenant, id, outcome).await;
            }
            behind = self.fill_in(method, &tenant, call, &mut request, events).await?;
        }
        self.check_size(&request, &behind)?;
        match self.sealer.seal(&mut request, &tenant, SealMode::Seal).await {
            Ok(()) => {}
            Err(error @ PrivacyError::Destroyed { .. }) => {
                // Sent again after its item was deleted: the first answer stands.
                return match self.find(&tenant, id).await? {
                    Some(outcome) => self.answer(method, domain, &tenant, id, outcome).await,
                    None => Err(CallError::not_sealed(error)),
                };
            }
            Err(error) => return Err(CallError::not_sealed(error)),
        }
        self.check_size(&request, &behind)?;
        let payload = Bytes::from([request.encode_to_vec(), behind].concat());
        let partitions = u32::try_from(self.node.partitions().len()).unwrap_or(u32::MAX);
        let stream_key = domain.stream_key(&tenant, kind, payload.clone(), partitions).map_err(not_a_command)?;
        let record = v1::CommandRecord {
            command_id: Bytes::copy_from_slice(id.as_bytes()),
            tenant_id: tenant.as_str().to_owned(),
            stream_key: stream_key.as_str().to_owned(),
            actor: Some(call.caller.actor.clone()),
            received_at: Some(self.node.now().to_proto()),
            domain: domain.name.to_owned(),
            kind: kind.to_owned(),
            payload,
            trace_context: call.trace.clone(),
            origin: None,
        };
        // Who wants to know what became of it needs the id, which the door may have made.
        let named = |error: CallError| error.with("command_id", &id.to_string());
        let outcome = self.node.submit(&record).await.map_err(|error| named(error.into()))?;
        // What may be recorded may be another thing from now on.
        self.minimisers.forget_after(method, &tenant);
        self.answer(method, domain, &tenant, id, outcome).await
    }

    /// Refuses commands while what would be acknowledged could be lost, and while the disk is nearly full.
    pub(crate) fn check_fit(&self) -> Result<(), CallError> {
        self.problem().map_or(Ok(()), Err)
    }

    /// Why this node takes no commands now, if it does not. A node of several that leads nothing, because the others have
    /// taken over while its disk is nearly full, passes commands on.
    pub(crate) fn problem(&self) -> Option<CallError> {
        const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(10);
        if let Some(error) = self.wrong_settings.get() {
            let message = format!("{error}; the command was not recorded; queries go on");
            return Some(CallError::new(error.code(), message).retry_after(Some(RETRY_AFTER)));
        }
        let leads = || self.node.partitions().iter().any(|partition| partition.role() == Role::Lead);
        let is_nearly_full = self.disk_nearly_full.load(Ordering::Relaxed) && leads();
        let message = "the node's disk is nearly full; the command was not recorded; queries go on; make space";
        is_nearly_full.then(|| CallError::new(codes::DISK_NEARLY_FULL, message).retry_after(Some(RETRY_AFTER)))
    }

    /// The tenant that a request is about. The platform's own domain has only one.
    pub(crate) fn tenant_of(&self, domain: &DomainEntry, call: &Call, named: &str) -> Result<TenantId, CallError> {
        let is_platform = domain.projection == daybook_kernel::governance::PLATFORM;
        let default = is_platform.then(TenantId::platform);
        let tenant = call.caller.tenant(named, default)?;
        if is_platform && !tenant.is_platform() {
            return Err(CallError::field("tenant_id", "must be \"platform\" or empty: this is asked of the platform"));
        }
        Ok(tenant)
    }

    pub(crate) fn domain(&self, name: &str) -> Result<&DomainEntry, CallError> {
        let missing = || CallError::new(codes::METHOD_UNKNOWN, format!("domain {name} is not part of this release"));
        self.registry.get(name).ok_or_else(missing)
    }

    fn check_size(&self, request: &DynamicMessage, behind: &[u8]) -> Result<(), CallError> {
        let (bytes, max) = (request.encoded_len() + behind.len(), self.limits.command_bytes_max);
        if bytes <= max {
            return Ok(());
        }
        let message =
            format!("the command has {bytes} bytes and may have {max}; nothing was recorded; send less at once");
        Err(CallError::new(codes::REQUEST_TOO_LARGE, message))
    }

    /// The decision that a command got, on whichever partition. What is found here was decided; what is not may have
    /// been decided by a node that leads what this one does not.
    pub(crate) async fn find(&self, tenant: &TenantId, id: CommandId) -> Result<Option<Outcome>, CallError> {
        for partition in self.node.partitions() {
            if let Some(outcome) = partition.find(tenant, id).await? {
                return Ok(Some(outcome));
            }
        }
        let Some(cluster) = &self.cluster else { return Ok(None) };
        let others = self.node.partitions().iter().filter(|partition| partition.role() != Role::Lead);
        let addresses: BTreeSet<_> = others
            .filter_map(|partition| self.node.routes().owner(partition.id()))
            .filter(|owner| owner.node_id != self.node.id())
            .map(|owner| owner.address)
            .collect();
        for address in addresses {
            if let Some(outcome) = cluster.find(&address, tenant, id, self.node.now()).await? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    /// The answer to a caller whose command was accepted, without its receipt.
    pub(crate) fn respond(
        &self,
        domain: &DomainEntry,
        tenant: &TenantId,
        outcome: &Outcome,
        events: &[Event],
    ) -> Result<Bytes, CallError> {
        if let Some(response) = &outcome.response {
            return Ok(response.clone());
        }
        let partition = self.node.partitions().get(outcome.place.partition.0 as usize);
        let partition = partition.ok_or_else(|| CallError::new(codes::INTERNAL_ERROR, "no such partition"))?;
        let respond =
            |state: &dyn daybook_kernel::state::Read| domain.respond(state, tenant, &outcome.decision.kind, events);
        Ok(partition.read(|state, _| respond(state))??.into())
    }

    /// The response to a decision.
    async fn answer(
        &self,
        method: &Method,
        domain: &DomainEntry,
        tenant: &TenantId,
        id: CommandId,
        outcome: Outcome,
    ) -> Result<Bytes, CallError> {
        let receipt = receipt(id, &outcome);
        let position = format!("{}/{}", outcome.place.partition, outcome.place.command);
        let events = match &outcome.decision.outcome {
            Some(Decided::Accepted(accepted)) => &accepted.events,
            Some(Decided::Rejected(rejected)) => {
                let error = CallError::recorded(rejected, &self.registry);
                return Err(error.with("position", &position).with("command_id", &id.to_string()));
            }
            Some(Decided::Parked(parked)) => {
                let message = format!(
                    "the command could not be decided ({}); it was not carried out; its stream waits for an operator",
                    parked.reason
                );
                let code = self.registry.code(&parked.code).unwrap_or(codes::INTERNAL_ERROR);
                let error = CallError::new(code, message);
                return Err(error.with("position", &position).with("command_id", &id.to_string()));
            }
            Some(Decided::Duplicate(_)) | None => {
                return Err(CallError::new(codes::INTERNAL_ERROR, "the decision says nothing; please report this"));
            }
        };
        let response = match self.respond(domain, tenant, &outcome, events) {
            // An access is decided and recorded once: its repetition opens nothing.
            Ok(response) if method.opens_sealed_content && !outcome.duplicate => {
                self.open(method, tenant, response).await
            }
            response => response,
        };
        let response = response.map_err(|mut error| {
            error.message = format!("the command was carried out, at {position}; its answer failed: {}", error.message);
            error.with("position", &position).with("command_id", &id.to_string())
        })?;
        Ok(prepend_field(RECEIPT, &receipt, &response))
    }

    async fn open(&self, method: &Method, tenant: &TenantId, response: Bytes) -> Result<Bytes, CallError> {
        let defect = |error: prost::DecodeError| CallError::new(codes::INTERNAL_ERROR, error.to_string());
        let mut response = DynamicMessage::decode(method.output.clone(), response).map_err(defect)?;
        self.opener.open(&mut response, tenant).await?;
        Ok(response.encode_to_vec().into())
    }
}

fn command_id(text: &str) -> Result<CommandId, CallError> {
    if text.is_empty() {
        return Ok(CommandId::generate());
    }
    CommandId::parse(text).map_err(|problem| CallError::field("command_id", problem.0))
}

/// The proof of a decision.
pub(crate) fn receipt(id: CommandId, outcome: &Outcome) -> v1::Receipt {
    let position = v1::Position { partition: outcome.place.partition.0, offset: outcome.place.command.0 };
    let hash = daybook_kernel::hash::Hash::from_slice(&outcome.decision.command_hash);
    v1::Receipt {
        command_id: id.to_string(),
        position: Some(position),
        decided_at: Some(outcome.place.now.to_proto()),
        command_hash: hash.map(|hash| hash.to_hex()).unwrap_or_default(),
        duplicate: outcome.duplicate,
    }
}

fn not_a_command(error: NotACommand) -> CallError {
    match error {
        NotACommand::Invalid(violations) => {
            let rejection = Rejection::from(violations);
            let message = format!("{}; nothing was recorded", rejection.message);
            Rejection { message, ..rejection }.into()
        }
        NotACommand::UnknownKind => CallError::new(codes::METHOD_UNKNOWN, "there is no such command"),
        NotACommand::Undecodable(what) => CallError::new(codes::MALFORMED_REQUEST, what),
    }
}
