//! Requests: those of the golden log as callers sent them, and for every method one with every field filled in.

use std::collections::BTreeSet;

use daybook_proto::log::v1::CommandRecord;
use daybook_server::Encoding;
use daybook_server::door::{Handler, Method, Methods};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use super::Seed;
use crate::world::world;

/// So deep are messages filled in.
const DEPTH: usize = 4;

pub(super) fn seeds() -> Vec<Seed> {
    let methods = Methods::new(&daybook_domains::registry());
    let mut seeds = Vec::new();
    for method in methods.iter() {
        let name = method.path.rsplit('/').next().unwrap_or_default();
        let filled = filled(&method.input, DEPTH);
        seeds.push(request(&format!("{name}-filled"), method, Encoding::Proto, &filled));
        seeds.push(request(&format!("{name}-filled-json"), method, Encoding::Json, &filled));
    }
    let mut kinds = BTreeSet::new();
    for bytes in world().partitions.iter().flat_map(|partition| &partition.commands) {
        let Ok(command) = CommandRecord::decode(bytes.clone()) else { continue };
        let is_of = |method: &&Method| matches!(method.handler, Handler::Command { kind, .. } if kind == command.kind);
        let Some(method) = methods.iter().find(is_of) else { continue };
        let Ok(mut message) = DynamicMessage::decode(method.input.clone(), command.payload.clone()) else { continue };
        without_seals(&mut message);
        if kinds.insert(command.kind.clone()) {
            seeds.push(request(&format!("{}-golden", command.kind), method, Encoding::Json, &message));
            seeds.push(inbox(&command.kind, method, &message));
        }
    }
    for method in methods.iter().filter(|method| method.is_query).take(3) {
        let name = method.path.rsplit('/').next().unwrap_or_default();
        let query = format!("encoding=json&message=%7B%22tenantId%22%3A%22acme%22%7D&connect={name}");
        seeds.push(Seed::new("http_query", name, query));
    }
    seeds.push(Seed::new("http_query", "base64", "base64=1&encoding=proto&message=CgRhY21l"));
    seeds
}

fn written(encoding: Encoding, method: &Method, message: &DynamicMessage) -> Vec<u8> {
    let as_answer = Method { output: method.input.clone(), ..method.clone() };
    encoding.encode(&as_answer, message.encode_to_vec().into()).expect("it can be written")
}

fn request(name: &str, method: &Method, encoding: Encoding, message: &DynamicMessage) -> Seed {
    let suffix = if encoding == Encoding::Proto { " proto" } else { "" };
    let line = format!("{}{suffix}\n", method.path);
    Seed::new("request", name, [line.as_bytes(), &written(encoding, method, message)].concat())
}

fn inbox(kind: &str, method: &Method, message: &DynamicMessage) -> Seed {
    let headers = format!(
        "daybook-method: {}\ncontent-type: application/json\nauthorization: Bearer x\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n\n",
        method.path
    );
    Seed::new("inbox_record", kind, [headers.as_bytes(), &written(Encoding::Json, method, message)].concat())
}

/// The door makes seals; a caller has none.
fn without_seals(message: &mut DynamicMessage) {
    message.clear_field_by_name("sealed");
    let fields: Vec<FieldDescriptor> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        match message.get_field_mut(&field) {
            Value::Message(child) => without_seals(child),
            Value::List(children) => {
                children.iter_mut().filter_map(Value::as_message_mut).for_each(without_seals);
            }
            _ => {}
        }
    }
}

/// A message with every field that a caller fills in. Of a oneof the last field stays.
fn filled(of: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    for field in of.fields().filter(|field| field.name() != "sealed") {
        let Some(value) = value(&field, depth) else { continue };
        let value = match (field.is_map(), field.is_list()) {
            (true, _) => Value::Map([(MapKey::String("key".to_owned()), value)].into()),
            (_, true) => Value::List(vec![value]),
            _ => value,
        };
        message.set_field(&field, value);
    }
    message
}

fn value(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { return None };
        return value(&entry.map_entry_value_field(), depth);
    }
    Some(match field.kind() {
        Kind::String if field.name().ends_with("tenant_id") => Value::String("acme".to_owned()),
        Kind::String if field.name() == "command_id" => {
            Value::String("0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b".to_owned())
        }
        Kind::String => Value::String(format!("{}-1", field.name().replace('_', "-"))),
        Kind::Bytes => Value::Bytes(vec![7; 32].into()),
        Kind::Bool => Value::Bool(true),
        Kind::Double => Value::F64(1.5),
        Kind::Float => Value::F32(1.5),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(1),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(1),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(1),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(1),
        Kind::Enum(of) => Value::EnumNumber(of.values().nth(1).map_or(0, |value| value.number())),
        Kind::Message(of) if depth > 0 => Value::Message(filled(&of, depth - 1)),
        Kind::Message(_) => return None,
    })
}
