//! What stands on the log, decoded for people: commands and decisions with their payloads.

use bytes::Bytes;
use daybook_kernel::id::CommandId;
use daybook_proto::descriptors;
use daybook_proto::log::v1::{CommandRecord, Decision, decision::Outcome as Decided};
use prost::Message;
use serde_json::{Value, json};

use crate::output;

/// A command record as JSON, its payload included. What cannot be decoded is shown as it is encoded.
pub(crate) fn command(bytes: &Bytes) -> Value {
    let Ok(record) = CommandRecord::decode(bytes.clone()) else { return raw(bytes) };
    let mut value = output::to_json(&record).unwrap_or_else(|_| raw(bytes));
    set(&mut value, "payload", payload(&record.domain, &record.kind, &record.payload));
    set(&mut value, "commandId", id(&record.command_id));
    value
}

/// A decision as JSON, the payloads of its events included.
pub(crate) fn decision(bytes: &Bytes) -> Value {
    let Ok(decision) = Decision::decode(bytes.clone()) else { return raw(bytes) };
    let mut value = output::to_json(&decision).unwrap_or_else(|_| raw(bytes));
    for (field, hash) in [
        ("commandHash", &decision.command_hash),
        ("fingerprint", &decision.fingerprint),
        ("policySetHash", &decision.policy_set_hash),
    ] {
        set(&mut value, field, hex(hash).into());
    }
    set(&mut value, "commandId", id(&decision.command_id));
    if let Some(Decided::Accepted(accepted)) = &decision.outcome {
        for (index, event) in accepted.events.iter().enumerate() {
            if let Some(shown) = value.pointer_mut(&format!("/accepted/events/{index}")) {
                set(shown, "payload", payload(&decision.domain, &event.kind, &event.payload));
            }
        }
    }
    value
}

/// The outcome of a decision in a few words.
pub(crate) fn outcome(decision: &Decision) -> String {
    match &decision.outcome {
        Some(Decided::Accepted(accepted)) => {
            let events: Vec<_> = accepted.events.iter().map(|event| event.kind.as_str()).collect();
            format!("accepted: {}", if events.is_empty() { "no change".to_owned() } else { events.join(", ") })
        }
        Some(Decided::Rejected(rejected)) => format!("rejected: {}", rejected.code),
        Some(Decided::Parked(parked)) => format!("parked: {}", parked.code),
        Some(Decided::Duplicate(duplicate)) => format!("decided before, at offset {}", duplicate.command_offset),
        None => "nothing".to_owned(),
    }
}

/// A payload by the names that commands and events have in the schema.
fn payload(domain: &str, kind: &str, bytes: &Bytes) -> Value {
    let names = [format!("daybook.{domain}.v1.{kind}Request"), format!("daybook.{domain}.v1.{kind}")];
    let known = names.iter().find(|name| descriptors().get_message_by_name(name).is_some());
    known.and_then(|name| output::dynamic_to_json(name, bytes).ok()).unwrap_or_else(|| raw(bytes))
}

fn raw(bytes: &[u8]) -> Value {
    json!({ "hex": hex(bytes) })
}

fn set(value: &mut Value, field: &str, to: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(field.to_owned(), to);
    }
}

fn id(bytes: &[u8]) -> Value {
    CommandId::from_slice(bytes).map_or_else(|_| raw(bytes), |id| id.to_string().into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
