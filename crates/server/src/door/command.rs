//! Commands: from a request to a durable decision and its answer.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use daybook_kernel::domain::{NotACommand, stream_actor};
use daybook_kernel::governance;
use daybook_kernel::id::{CommandId, TenantId};
use daybook_kernel::registry::DomainEntry;
use daybook_kernel::rejection::Rejection;
use daybook_kernel::state::Fault;
use daybook_privacy::{PrivacyError, SealMode};
use daybook_proto::log::v1::{self, Event, decision::Outcome as Decided};
use daybook_runtime::{Outcome, Role};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::incoming::Events;
use super::repeated::Again;
use super::{Call, Door, Incoming, Method, prepend_field, text_field};
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
        incoming: Incoming,
    ) -> Result<Bytes, CallError> {
        self.check_fit()?;
        let Incoming { mut request, events, room } = incoming;
        let domain = self.domain(domain)?;
        self.check_development(domain.name, kind)?;
        let tenant = self.tenant_of(domain, call, &text_field(&request, TENANT_ID))?;
        let named = text_field(&request, COMMAND_ID);
        let (id, is_named) = (command_id(&named)?, !named.is_empty());
        request.set_field_by_number(COMMAND_ID, Value::String(id.to_string()));
        request.set_field_by_number(TENANT_ID, Value::String(tenant.as_str().to_owned()));
        // Nothing is made, and nothing is written down, for a caller who may do nothing with it.
        self.check_tenants(&mut request, &tenant, call)?;
        // Where a request comes whole, its events are still in it.
        let events = events.or_else(|| method.records_events().then(|| Events::within(&request)));
        let mut behind = Vec::new();
        if !method.filled_in.is_empty() {
            // What is filled in may differ when the command is sent again: the first answer stands.
            if is_named && let Some(first) = self.find(&tenant, id).await? {
                let again = Again { method, call, tenant: &tenant, id, request, events };
                self.check_repeated(again, &first).await?;
                return self.answer(method, domain, &tenant, id, first).await;
            }
            behind = self.fill_in(method, &tenant, call, id, &mut request, events).await?;
        }
        self.check_size(&request, &behind)?;
        let record = CommandForm { door: self, domain, kind, tenant: &tenant, id, call };
        if self.sealer.concerns(&method.input) {
            record.rehearse(request.clone(), &behind).await?;
        }
        match self.sealer.seal(&mut request, &tenant, SealMode::Seal).await {
            Ok(()) => {}
            Err(error @ PrivacyError::Destroyed { .. }) => {
                // Sent again after its item was deleted: the first answer stands.
                let Some(first) = self.find(&tenant, id).await? else { return Err(CallError::not_sealed(error)) };
                let again = Again { method, call, tenant: &tenant, id, request, events: None };
                self.check_repeated(again, &first).await?;
                return self.answer(method, domain, &tenant, id, first).await;
            }
            Err(error) => return Err(CallError::not_sealed(error)),
        }
        self.check_size(&request, &behind)?;
        let sealed_keys = self.sealer.item_keys(&mut request);
        let record = record.record(&request, &behind)?;
        // Many may wait for their decision, and what they wait with is the record.
        drop((request, behind, room));
        // Who wants to know what became of it needs the id, which the door may have made.
        let named = |error: CallError| error.with("command_id", &id.to_string());
        let outcome = self.node.submit(&record).await.map_err(|error| named(error.into()))?;
        if is_denied(&outcome) && !outcome.duplicate {
            self.discard_keys(domain, &record, &sealed_keys).await;
        }
        // What may be recorded may be another thing from now on.
        self.minimisers.forget_after(method, &tenant);
        self.answer(method, domain, &tenant, id, outcome).await
    }

    /// Some commands are for trying things out: in production nobody may, whatever the policies in force say.
    fn check_development(&self, domain: &str, kind: &str) -> Result<(), CallError> {
        if self.node_service.development || !daybook_domains::is_for_development(domain, kind) {
            return Ok(());
        }
        let message = format!("only development nodes take {kind}, and this node is none; nothing was recorded");
        Err(CallError::new(daybook_kernel::code::POLICY_DENIED, message))
    }

    /// Whose keys a request would be sealed with: tenants that the caller speaks for, and that are known.
    pub(super) fn check_tenants(
        &self,
        request: &mut DynamicMessage,
        tenant: &TenantId,
        call: &Call,
    ) -> Result<(), CallError> {
        if tenant.is_platform() {
            return Ok(());
        }
        for concerned in self.sealer.tenants(request, tenant).map_err(CallError::not_sealed)?.iter().chain([tenant]) {
            call.caller.tenant(concerned.as_str(), None)?;
            self.check_known(concerned)?;
        }
        Ok(())
    }

    /// Refuses a tenant that is not known where anybody of this node would know it.
    fn check_known(&self, tenant: &TenantId) -> Result<(), CallError> {
        let Some(partition) = self.partition_with_state() else { return Ok(()) };
        let known = partition.read(|state, _| {
            Ok::<_, Fault>(governance::tenant(state, tenant)?.is_some() || governance::active_policy(state)?.is_none())
        })??;
        // A partition that is behind may not have heard of it yet: the decision tells, where the tenant is the command's.
        if known || partition.role() != Role::Lead {
            return Ok(());
        }
        let message = format!("tenant {tenant} is not known; nothing was recorded; create it first");
        Err(CallError::new(daybook_kernel::code::TENANT_UNKNOWN, message).with("tenant_id", tenant.as_str()))
    }

    /// Content of a command that was denied after all (a policy set came into force meanwhile) is to be read by nobody. Its
    /// items were not registered, so no command could destroy their keys later.
    async fn discard_keys(&self, domain: &DomainEntry, denied: &v1::CommandRecord, key_ids: &[String]) {
        let Some((kind, payload)) = (domain.discard_keys)(key_ids).filter(|_| !key_ids.is_empty()) else { return };
        let id = CommandId::derived(self.node.now().as_unix_millis(), &[b"discard keys", &denied.command_id]);
        let record = v1::CommandRecord {
            command_id: Bytes::copy_from_slice(id.as_bytes()),
            actor: Some(stream_actor(&denied.tenant_id, &denied.stream_key)),
            kind: kind.to_owned(),
            payload: payload.into(),
            trace_context: None,
            ..denied.clone()
        };
        if let Err(error) = self.node.submit(&record).await {
            tracing::warn!(%error, "keys of a command that was denied could not be destroyed; its content is on the log");
        }
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
        let owners: BTreeMap<_, _> = others
            .filter_map(|partition| self.node.routes().owner(partition.id()))
            .filter(|owner| owner.node_id != self.node.id())
            .map(|owner| ((owner.node_id.clone(), owner.address.clone()), owner))
            .collect();
        for owner in owners.values() {
            if let Some(outcome) = cluster.find(owner.into(), tenant, id, self.node.now()).await? {
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

/// A command on its way to the log.
struct CommandForm<'a> {
    door: &'a Door,
    domain: &'a DomainEntry,
    kind: &'static str,
    tenant: &'a TenantId,
    id: CommandId,
    call: &'a Call,
}

impl CommandForm<'_> {
    /// Refuses a request that is not valid, or that this caller may not ask for, before any key is made for it. What is
    /// refused here is not on the log: it is counted, and said in the node's own log.
    async fn rehearse(&self, mut request: DynamicMessage, behind: &[u8]) -> Result<(), CallError> {
        let sealer = &self.door.sealer;
        sealer.seal(&mut request, self.tenant, SealMode::FormOnly).await.map_err(CallError::not_sealed)?;
        let record = self.record(&request, behind)?;
        let Some(rejected) = self.door.node.rehearse(&record)? else { return Ok(()) };
        metrics::counter!("daybook_commands_denied_unsealed_total", "code" => rejected.code.clone()).increment(1);
        tracing::info!(
            code = rejected.code,
            kind = self.kind,
            tenant = self.tenant.as_str(),
            actor = self.call.caller.id(),
            "a command was refused before it was sealed"
        );
        Err(CallError::recorded(&rejected, &self.door.registry))
    }

    fn record(&self, request: &DynamicMessage, behind: &[u8]) -> Result<v1::CommandRecord, CallError> {
        let payload = Bytes::from([&request.encode_to_vec()[..], behind].concat());
        let partitions = u32::try_from(self.door.node.partitions().len()).unwrap_or(u32::MAX);
        let stream_key = self.domain.stream_key(self.tenant, self.kind, payload.clone(), partitions);
        Ok(v1::CommandRecord {
            command_id: Bytes::copy_from_slice(self.id.as_bytes()),
            tenant_id: self.tenant.as_str().to_owned(),
            stream_key: stream_key.map_err(not_a_command)?.as_str().to_owned(),
            actor: Some(self.call.caller.acting_in(self.tenant)),
            received_at: Some(self.door.node.now().to_proto()),
            domain: self.domain.name.to_owned(),
            kind: self.kind.to_owned(),
            payload,
            trace_context: self.call.trace.clone(),
            origin: None,
        })
    }
}

fn is_denied(outcome: &Outcome) -> bool {
    let denied = daybook_kernel::code::POLICY_DENIED.name;
    matches!(&outcome.decision.outcome, Some(Decided::Rejected(rejected)) if rejected.code == denied)
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
