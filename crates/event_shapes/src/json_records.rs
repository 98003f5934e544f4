//! OTLP as JSON: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>. Fields have names in
//! lowerCamelCase, 64 bits come as numbers or as strings of digits, and unknown fields are passed over.

use daybook_kernel::hash::Hash;
use serde_json::{Map, Value};

use crate::otlp_ids::{self, Content};
use crate::otlp_messages::{AnyKind, AnyValue, KeyValue, LogRecord, Text, TextList};
use crate::{EVENTS_MAX, NotMapped, Why};

/// What a log record holds, and the record as it would be in protobuf, or why it cannot be one.
pub(crate) type Record = (Content, Result<LogRecord, Why>);

/// All log records of a body, in order.
pub(crate) fn records(body: &Value) -> Result<Vec<Record>, NotMapped> {
    let body = body.as_object().ok_or(NotMapped::NotAnObject)?;
    let mut records = Vec::new();
    let mut count = 0;
    for (i, resource) in list(body, "resourceLogs", String::new)?.iter().enumerate() {
        let place = || format!("resourceLogs[{i}]");
        let resource = object(resource, place)?;
        let of_resource = all_but(resource, "scopeLogs");
        for (j, scope) in list(resource, "scopeLogs", || place() + ".")?.iter().enumerate() {
            let place = || format!("resourceLogs[{i}].scopeLogs[{j}]");
            let scope = object(scope, place)?;
            let (of_scope, in_scope) = (all_but(scope, "logRecords"), list(scope, "logRecords", || place() + ".")?);
            count += in_scope.len();
            if count <= EVENTS_MAX {
                let content = |value: &Value| otlp_ids::content(of_resource, of_scope, value.to_string().as_bytes());
                records.extend(in_scope.iter().map(|value| (content(value), record(value))));
            }
        }
    }
    if count > EVENTS_MAX { Err(NotMapped::TooMany { count }) } else { Ok(records) }
}

fn object(value: &Value, place: impl Fn() -> String) -> Result<&Map<String, Value>, NotMapped> {
    value.as_object().ok_or_else(|| NotMapped::WrongShape { place: place(), must_be: "an object" })
}

/// A hash of all fields but one.
fn all_but(of: &Map<String, Value>, field: &str) -> Hash {
    let texts: Vec<String> = of.iter().filter(|(name, _)| *name != field).map(|pair| format!("{pair:?}")).collect();
    Hash::of_parts(&texts.iter().map(String::as_bytes).collect::<Vec<_>>())
}

fn list<'a>(of: &'a Map<String, Value>, field: &str, before: impl Fn() -> String) -> Result<&'a [Value], NotMapped> {
    match of.get(field) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(NotMapped::WrongShape { place: before() + field, must_be: "a list" }),
    }
}

fn record(value: &Value) -> Result<LogRecord, Why> {
    const ATTRIBUTES: Why = Why::WrongType { field: "attributes", must_be: "a list of objects with key and value" };
    let record = value.as_object().ok_or(Why::NotAnObject)?;
    let attributes = match record.get("attributes") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => {
            list.iter().map(|value| attribute(value).ok_or(ATTRIBUTES)).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(ATTRIBUTES),
    };
    let event_name = match record.get("eventName") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(name)) => name.clone(),
        Some(_) => return Err(Why::WrongType { field: "eventName", must_be: "a string" }),
    };
    Ok(LogRecord {
        time_unix_nano: nanos(record, "timeUnixNano")?,
        attributes,
        observed_time_unix_nano: nanos(record, "observedTimeUnixNano")?,
        event_name,
    })
}

fn nanos(record: &Map<String, Value>, field: &'static str) -> Result<u64, Why> {
    let nanos = match record.get(field) {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(_) => None,
    };
    nanos.ok_or(Why::WrongType { field, must_be: "nanoseconds since 1970, as a string of digits" })
}

/// An attribute. `None`: it is not one.
fn attribute(value: &Value) -> Option<KeyValue> {
    let attribute = value.as_object()?;
    let key = match attribute.get("key") {
        None | Some(Value::Null) => String::new(),
        Some(key) => key.as_str()?.to_owned(),
    };
    let value = match attribute.get("value") {
        None | Some(Value::Null) => None,
        Some(value) => Some(AnyValue { value: any_kind(value.as_object()?)? }),
    };
    Some(KeyValue { key, value })
}

/// The kind of a value; `Some(None)`: it has none that is known. `None`: it is not a value, or of two kinds.
fn any_kind(value: &Map<String, Value>) -> Option<Option<AnyKind>> {
    let mut kind = None;
    for (field, value) in value.iter().filter(|(_, value)| !value.is_null()) {
        let of_field = match field.as_str() {
            "stringValue" => AnyKind::Text(value.as_str()?.to_owned()),
            "boolValue" => AnyKind::Bool(value.as_bool()?),
            "intValue" => AnyKind::Int(value.as_i64().or_else(|| value.as_str()?.parse().ok())?),
            // As strings also NaN, Infinity and -Infinity.
            "doubleValue" => AnyKind::Double(value.as_f64().or_else(|| value.as_str()?.parse().ok())?),
            "arrayValue" => AnyKind::List(text_list(value.as_object()?)?),
            "kvlistValue" => AnyKind::Map(value.as_object().map(|_| Vec::new())?),
            "bytesValue" => AnyKind::Bytes(value.as_str().map(|_| Vec::new())?),
            _ => continue,
        };
        if kind.replace(of_field).is_some() {
            return None;
        }
    }
    Some(kind)
}

fn text_list(list: &Map<String, Value>) -> Option<TextList> {
    let values = match list.get("values") {
        None | Some(Value::Null) => &[],
        Some(values) => values.as_array()?.as_slice(),
    };
    let text = |value: &Value| Text { text: value.get("stringValue").and_then(Value::as_str).map(str::to_owned) };
    Some(TextList { values: values.iter().map(text).collect() })
}
