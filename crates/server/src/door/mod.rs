//! What a request goes through, whichever way it came in.
//!
//! ```text
//! command: tenant, id -> fill in -> rehearse -> seal -> [ node: append, decide, apply ] -> answer (-> open)
//! query:   tenant -> pseudonyms -> authorise -> wait for the position -> answer
//! ```
//!
//! No method has code of its own here: what there is follows from the schema and from the domain's registration.

mod command;
mod filled_in;
mod incoming;
mod methods;
mod minimise;
mod query;
mod repeated;
mod stream;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::decide::denied_action;
use daybook_kernel::governance;
use daybook_kernel::id::TenantId;
use daybook_kernel::registry::Registry;
use daybook_kernel::state::Fault;
use daybook_privacy::{Opener, Sealer};
use daybook_proto::log::v1::TraceContext;
use daybook_runtime::{Node, Partition, Role};
use prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value};

pub(crate) use command::receipt;
pub(crate) use incoming::Events;
pub use incoming::Incoming;
pub use methods::{Handler, Method, Methods, NodeMethod, StreamMethod};
pub(crate) use minimise::Minimisers;
pub(crate) use stream::Summary;

use crate::auth::Caller;
use crate::cluster::Cluster;
use crate::error::{CallError, codes};
use crate::node_service::NodeService;
use crate::own_usage::OwnUsage;
use crate::settings_watch::WrongSettings;

/// What every door shares.
pub struct Door {
    pub(crate) node: Arc<Node>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) authority: Arc<dyn daybook_kernel::authorisation::Authority>,
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
    /// What is left of events of product use.
    pub(crate) minimisers: Minimisers,
    pub(crate) node_service: NodeService,
    /// The other nodes, if there can be any.
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) limits: DoorLimits,
    /// Set while the disk is nearly full: queries go on, commands do not.
    pub(crate) disk_nearly_full: Arc<AtomicBool>,
    /// Settings of the log's topics that would let it lose records: the same.
    pub(crate) wrong_settings: WrongSettings,
    /// Where calls are noted, if they are.
    pub(crate) own_usage: Option<OwnUsage>,
}

/// Limits of a request.
#[derive(Debug, Clone)]
pub struct DoorLimits {
    /// A command, in bytes.
    pub command_bytes_max: usize,
    /// How long a query waits for its position.
    pub query_wait_max: Duration,
}

/// A request with who sent it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who.
    pub caller: Caller,
    /// The caller's trace context.
    pub trace: Option<TraceContext>,
}

impl Door {
    /// Whether the caller could be permitted what a method asks at all, by the policy set in force: what is known before
    /// the request is read.
    ///
    /// # Errors
    /// `POLICY_DENIED` when nothing permits it, whatever the request says.
    pub(crate) fn check_may_ask(&self, method: &Method, caller: &Caller) -> Result<(), CallError> {
        let (Handler::Command { domain, .. } | Handler::Query { domain, .. }) = method.handler else { return Ok(()) };
        let domain = self.domain(domain)?;
        if domain.projection == governance::PLATFORM {
            caller.tenant("", Some(TenantId::platform()))?;
        }
        let (namespace, action) = (domain.policy_namespace, method.name());
        let Some(partition) = self.partition_with_state() else { return Ok(()) };
        let could = partition.read(|state, _| -> Result<bool, Fault> {
            let Some(set) = governance::active_policy(state)? else { return Ok(true) };
            self.node_service.decider().load_policy_set(state, set)?;
            let could = self.authority.could_permit(set, &caller.anywhere(), namespace, action);
            could.map_err(|error| Fault::Damaged(error.to_string()))
        })??;
        // Another partition may have the next set in force already: one that leads knows, the others let it through.
        if could || partition.role() != Role::Lead {
            return Ok(());
        }
        metrics::counter!("daybook_requests_denied_unread_total").increment(1);
        Err(denied_action(&caller.anywhere(), namespace, action).into())
    }

    /// A partition whose state this node has. Tenants and the policy set in force are the same in each, sooner or later.
    fn partition_with_state(&self) -> Option<&Arc<Partition>> {
        self.node.partitions().iter().find(|partition| partition.role() != Role::Rest)
    }

    /// Answers a request: the encoded response, or why there is none.
    pub async fn call(&self, method: &Method, call: &Call, incoming: Incoming) -> Result<Bytes, CallError> {
        let tenant = if method.is_query { query::TENANT_ID } else { command::TENANT_ID };
        let tenant = text_field(&incoming.request, tenant);
        // The binding keeps it until the call has ended, or was given up.
        let noting = self.own_usage.as_ref().and_then(|own| own.begin(self, method, call, &tenant));
        let answered = self.call_unnoted(method, call, incoming).await;
        if let Some(noting) = noting {
            noting.end(&answered);
        }
        answered
    }

    /// The same for a request that is none of a caller's.
    pub(crate) async fn call_unnoted(
        &self,
        method: &Method,
        call: &Call,
        incoming: Incoming,
    ) -> Result<Bytes, CallError> {
        refuse_unknown_fields(&incoming.request)?;
        match &method.handler {
            Handler::Command { domain, kind } => self.command(method, domain, kind, call, incoming).await,
            Handler::Query { domain, query } => self.query(domain, *query, call, incoming).await,
            Handler::Node(method) => self.node_service.call(self, *method, &call.caller, incoming.request).await,
        }
    }
}

/// Fields that a message does not have are refused: nobody would look at them, and they would not be sealed.
///
/// # Errors
/// [`codes::UNKNOWN_FIELD`] with the first of them.
pub fn refuse_unknown_fields(message: &DynamicMessage) -> Result<(), CallError> {
    refuse_unknown_fields_at(message, "")
}

fn refuse_unknown_fields_at(message: &DynamicMessage, path: &str) -> Result<(), CallError> {
    if let Some(field) = message.unknown_fields().next() {
        let name = message.descriptor().full_name().to_owned();
        let text = format!(
            "field number {} of {name}{} is not known to this release; nothing was recorded; the caller may be newer \
             than the node",
            field.number(),
            if path.is_empty() { String::new() } else { format!(" at {path}") }
        );
        return Err(CallError::new(codes::UNKNOWN_FIELD, text));
    }
    for (field, value) in message.fields() {
        if !matches!(field.kind(), Kind::Message(_)) {
            continue;
        }
        let at = if path.is_empty() { field.name().to_owned() } else { format!("{path}.{}", field.name()) };
        match value {
            Value::Message(child) => refuse_unknown_fields_at(child, &at)?,
            Value::List(children) => {
                for child in children.iter().filter_map(Value::as_message) {
                    refuse_unknown_fields_at(child, &at)?;
                }
            }
            Value::Map(children) => {
                for child in children.values().filter_map(Value::as_message) {
                    refuse_unknown_fields_at(child, &at)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A text field by number, as the conventions of requests have it.
fn text_field(message: &DynamicMessage, number: u32) -> String {
    let value = message.get_field_by_number(number);
    value.as_deref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A field in front of an encoded message: parts of a protobuf message can be put together in any order.
fn prepend_field(number: u32, field: &impl prost::Message, message: &[u8]) -> Bytes {
    let mut encoded = Vec::with_capacity(message.len() + field.encoded_len() + 16);
    prost::encoding::message::encode(number, field, &mut encoded);
    encoded.extend_from_slice(message);
    encoded.into()
}
