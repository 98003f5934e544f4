//! Log records of OpenTelemetry that are events:
//! <https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-eventname>. Older SDKs name the event by the
//! attribute `event.name`, which is deprecated and still sent.

use std::collections::BTreeMap;

use daybook_kernel::hash::Hash;
use daybook_proto::product_analytics::v1::{self, Refusal};
use prost::Message;
use prost_types::value::Kind;
use serde_json::Value;

use crate::names::{self, Name};
use crate::otlp_ids::{Content, Ids};
use crate::otlp_messages::{AnyKind, AnyValue, ExportLogsServiceRequest, LogRecord, TextList};
use crate::properties::{Properties, why};
use crate::{EVENTS_MAX, ID_BYTES_MAX, LeftOut, Mapped, NoEvent, NotMapped, One, Why, json_records, otlp_ids, times};

/// The attribute that says which purposes the actor agreed to. The conventions have none.
const CONSENTS: &str = "daybook.consents";
/// Attributes that are read, and are no properties.
const READ: &[&str] = &["event.name", "event.id", "log.record.uid", "user.id", "enduser.id", CONSENTS];
/// Namespaces of attributes that describe a person, their device or connection, or hold free text: the first word of
/// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>.
const LEFT_OUT: &[&str] = &[
    "client",
    "context",
    "device",
    "enduser",
    "exception",
    "geo",
    "host",
    "http",
    "network",
    "session",
    "source",
    "traits",
    "url",
    "user",
    "user_agent",
];

/// The attributes of a record by key.
type Attributes<'a> = BTreeMap<&'a str, &'a AnyKind>;

/// Events of a body of OTLP/HTTP logs, as JSON.
///
/// # Errors
/// The body is not one of OTLP, or has too many records. A record that is wrong is skipped instead.
pub fn otlp_json(body: &Value) -> Result<Mapped, NotMapped> {
    let mut ids = Ids::default();
    Ok(Mapped::of(json_records::records(body)?.into_iter().map(|(content, record)| one(&record?, content, &mut ids))))
}

/// Events of a body of OTLP/HTTP logs, as protobuf.
///
/// # Errors
/// As [`otlp_json`].
pub fn otlp_protobuf(body: &[u8]) -> Result<Mapped, NotMapped> {
    let body = ExportLogsServiceRequest::decode(body).map_err(|_| NotMapped::NotProtobuf)?;
    let mut records = Vec::new();
    let mut count = 0;
    for of_resource in &body.resource_logs {
        let resource = Hash::of_parts(&[&of_resource.resource, &of_resource.schema_url]);
        for of_scope in &of_resource.scope_logs {
            let scope = Hash::of_parts(&[&of_scope.scope, &of_scope.schema_url]);
            count += of_scope.log_records.len();
            if count <= EVENTS_MAX {
                records.extend(of_scope.log_records.iter().map(|record| (resource, scope, record)));
            }
        }
    }
    if count > EVENTS_MAX {
        return Err(NotMapped::TooMany { count });
    }
    let mut ids = Ids::default();
    Ok(Mapped::of(records.into_iter().map(|(resource, scope, encoded)| {
        let record = LogRecord::decode(encoded.as_ref()).map_err(|_| Why::NotProtobuf)?;
        one(&record, otlp_ids::content(resource, scope, encoded), &mut ids)
    })))
}

/// The event of one record.
fn one(record: &LogRecord, content: Content, ids: &mut Ids) -> Result<One, NoEvent> {
    let mut attributes = Attributes::new();
    for attribute in &record.attributes {
        // A value without a kind is empty, which is allowed and says nothing.
        if let Some(AnyValue { value: Some(value) }) = &attribute.value
            && attributes.insert(&attribute.key, value).is_some()
        {
            return Err(Why::SameName { field: "attributes" }.into());
        }
    }
    let named = if record.event_name.is_empty() {
        text(&attributes, "event.name")?.ok_or(Why::NotAnEvent)?
    } else {
        &record.event_name
    };
    let name = names::event_name(named).map_err(|problem| why(problem, "event_name"))?;
    let event = event(record, name.as_str(), &attributes);
    let (mut event, left_out) = event.map_err(|why| NoEvent { why, name: name.into_string() })?;
    if event.event_id.is_empty() && event.time.is_some() {
        event.event_id = ids.next(content);
    }
    Ok(One { event, left_out })
}

fn event(record: &LogRecord, name: &str, attributes: &Attributes<'_>) -> Result<(v1::Event, LeftOut), Why> {
    let mut properties = Properties::new("attributes");
    for (key, value) in attributes {
        if !READ.contains(key) {
            add(&mut properties, key, value)?;
        }
    }
    let (properties, left_out) = properties.finish();
    let event = v1::Event {
        event_id: first_id(attributes, ["event.id", "log.record.uid"])?.unwrap_or_default(),
        name: name.to_owned(),
        schema_version: 0,
        actor: first_id(attributes, ["user.id", "enduser.id"])?.unwrap_or_default(),
        time: times::from_unix_nanos(record.time_unix_nano)
            .or_else(|| times::from_unix_nanos(record.observed_time_unix_nano)),
        consents: consents(attributes)?,
        properties,
    };
    Ok((event, left_out))
}

fn add(properties: &mut Properties, key: &str, value: &AnyKind) -> Result<(), Why> {
    let first = key.split_once('.').map_or("", |(first, _)| first);
    if let Some(namespace) = LEFT_OUT.iter().find(|namespace| namespace.eq_ignore_ascii_case(first)) {
        properties.leave_out(Name::fixed(namespace), Refusal::AboutAPerson);
        return Ok(());
    }
    let kind = match value {
        AnyKind::Text(text) => Some(Kind::StringValue(text.clone())),
        AnyKind::Bool(value) => Some(Kind::BoolValue(*value)),
        // Beyond 2^53 it is rounded, and then refused when it is minimised.
        AnyKind::Int(number) => Some(Kind::NumberValue(*number as f64)),
        AnyKind::Double(number) => number.is_finite().then_some(Kind::NumberValue(*number)),
        AnyKind::List(_) | AnyKind::Map(_) | AnyKind::Bytes(_) => None,
    };
    let name = properties.name(key)?;
    match kind {
        Some(kind) => properties.add(name, kind),
        None => {
            properties.leave_out(name, Refusal::WrongValue);
            Ok(())
        }
    }
}

/// An attribute that holds text. `None`: it is not there, or says nothing.
fn text<'a>(attributes: &Attributes<'a>, key: &'static str) -> Result<Option<&'a str>, Why> {
    match attributes.get(key) {
        None => Ok(None),
        Some(AnyKind::Text(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(Why::WrongType { field: key, must_be: "a string" }),
    }
}

/// The first of two attributes that holds an id: a string, or a whole number.
fn first_id(attributes: &Attributes<'_>, keys: [&'static str; 2]) -> Result<Option<String>, Why> {
    for key in keys {
        let id = match attributes.get(key) {
            Some(AnyKind::Int(number)) => Some(number.to_string()),
            _ => text(attributes, key)?.map(str::to_owned),
        };
        match id {
            Some(id) if id.len() > ID_BYTES_MAX => return Err(Why::TooLong { field: key }),
            Some(id) => return Ok(Some(id)),
            None => {}
        }
    }
    Ok(None)
}

/// Purposes that a record states consents for, in order, each once.
fn consents(attributes: &Attributes<'_>) -> Result<Vec<String>, Why> {
    let stated: Vec<&str> = match attributes.get(CONSENTS) {
        None => Vec::new(),
        Some(AnyKind::List(TextList { values })) => values.iter().filter_map(|value| value.text.as_deref()).collect(),
        Some(_) => return Err(Why::WrongType { field: CONSENTS, must_be: "a list of strings" }),
    };
    // What cannot be the name of a purpose is not one.
    let mut purposes: Vec<String> =
        stated.into_iter().filter_map(|purpose| Some(names::word(purpose).ok()?.into_string())).collect();
    purposes.sort_unstable();
    purposes.dedup();
    Ok(purposes)
}
