//! What a record asks for, from its headers. Whoever may write to an inbox topic makes them.

use daybook_kernel::id::{CommandId, Offset};
use daybook_log::InboxRecord;
use http::{HeaderMap, HeaderValue, header};
use prost_reflect::{DynamicMessage, Value};

use crate::door::{Handler, Method, Methods};
use crate::encoding::Encoding;
use crate::error::{CallError, codes};

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// The record's offset.
    pub offset: Offset,
}

/// Where the convention of commands puts the id.
const COMMAND_ID: u32 = 1;

/// The last header of a name, as text; empty if there is none.
///
/// # Errors
/// [`codes::INBOX_RECORD_INVALID`] when it is no text.
pub fn text(record: &InboxRecord, name: &str) -> Result<String, CallError> {
    let Some(headers) = &record.headers else {
        return Err(invalid("the names of its headers are no text"));
    };
    let found = headers.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let Some((_, value)) = found else { return Ok(String::new()) };
    let text = std::str::from_utf8(value).map_err(|_| invalid(&format!("its header {name} is no text")))?;
    Ok(text.trim().to_owned())
}

pub(super) fn invalid(what: &str) -> CallError {
    let message = format!("{what}; nothing was recorded; see docs/kafka-topics.md for the headers of a record");
    CallError::new(codes::INBOX_RECORD_INVALID, message)
}

/// The headers that the door looks at, as they would come by HTTP.
///
/// # Errors
/// [`codes::INBOX_RECORD_INVALID`] when HTTP does not have such headers.
pub fn door_headers(record: &InboxRecord) -> Result<HeaderMap, CallError> {
    let mut headers = HeaderMap::new();
    for name in [header::AUTHORIZATION.as_str(), "traceparent", "tracestate"] {
        let text = text(record, name)?;
        if !text.is_empty() {
            let value =
                HeaderValue::from_str(&text).map_err(|_| invalid(&format!("its header {name} has odd bytes")))?;
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// The encoding of the value, which the record must say.
///
/// # Errors
/// [`codes::INBOX_RECORD_INVALID`] when it says none that is known.
pub fn encoding(record: &InboxRecord) -> Result<Encoding, CallError> {
    let content_type = text(record, "content-type")?;
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json" => Ok(Encoding::Json),
        "application/protobuf" | "application/x-protobuf" | "application/proto" => Ok(Encoding::Proto),
        _ => Err(invalid("its header content-type must be application/json or application/protobuf")),
    }
}

/// The command that the record names: `legal_hold.PlaceHold`, or the whole path. Queries are for those who wait for an
/// answer, and what would open sealed content is not sent where it would lie in clear.
///
/// # Errors
/// [`codes::METHOD_UNKNOWN`], [`codes::INBOX_METHOD_REFUSED`] and [`codes::INBOX_RECORD_INVALID`].
pub fn method<'a>(methods: &'a Methods, record: &InboxRecord) -> Result<&'a Method, CallError> {
    let name = text(record, "daybook-method")?;
    let found = match name.split_once('.') {
        _ if name.contains('/') => methods.get(&format!("/{}", name.trim_start_matches('/'))),
        Some((domain, kind)) => {
            let (package, method) = (format!("/daybook.{domain}."), format!("/{kind}"));
            methods.iter().find(|known| known.path.starts_with(&package) && known.path.ends_with(&method))
        }
        None => None,
    };
    if name.is_empty() {
        return Err(invalid("its header daybook-method is missing"));
    }
    let found = found.ok_or_else(|| {
        let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let message = format!("there is no method {name}; nothing was recorded; name one like legal_hold.PlaceHold");
        CallError::new(codes::METHOD_UNKNOWN, message)
    })?;
    let refused = |why: &str| {
        let message = format!("{} {why}; nothing was recorded; ask it by gRPC or JSON", found.path);
        Err(CallError::new(codes::INBOX_METHOD_REFUSED, message))
    };
    match found.handler {
        Handler::Command { .. } if found.opens_sealed_content => {
            refused("opens sealed content, which must not lie on a topic")
        }
        Handler::Command { .. } => Ok(found),
        _ => refused("is not a command"),
    }
}

/// Gives the request its id: the one in the header, or in the request, or one that follows from the record's place.
///
/// # Errors
/// [`codes::INBOX_RECORD_INVALID`] when header and request have different ones.
pub fn identify(request: &mut DynamicMessage, record: &InboxRecord, place: &Place) -> Result<(), CallError> {
    let in_header = text(record, "daybook-command-id")?;
    let in_request = request.get_field_by_number(COMMAND_ID);
    let in_request = in_request.as_deref().and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = match (in_header.as_str(), in_request.as_str()) {
        ("", "") => derived(record.timestamp_ms, place).to_string(),
        ("", _) => return Ok(()),
        (header, "") => header.to_owned(),
        (header, request) if header == request => return Ok(()),
        _ => return Err(invalid("its header daybook-command-id and the command_id in its value are not the same")),
    };
    request.set_field_by_number(COMMAND_ID, Value::String(id));
    Ok(())
}

/// The id of a command whose producer gives none.
fn derived(timestamp_ms: u64, place: &Place) -> CommandId {
    let (partition, offset) = (place.partition.to_be_bytes(), place.offset.0.to_be_bytes());
    CommandId::derived(timestamp_ms, &[b"inbox", place.topic.as_bytes(), &partition, &offset])
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record(headers: &[(&str, &str)]) -> InboxRecord {
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), Bytes::copy_from_slice(value.as_bytes()));
        InboxRecord {
            offset: Offset(7),
            timestamp_ms: 1_700_000_000_000,
            key: None,
            headers: Some(headers.iter().map(header).collect()),
            value: Bytes::new(),
        }
    }

    #[test]
    fn a_method_is_named_in_short_or_by_its_path_and_must_be_a_command() {
        let methods = Methods::new(&daybook_domains::registry());
        let named = |name: &str| match method(&methods, &record(&[("daybook-method", name)])) {
            Ok(method) => method.path.clone(),
            Err(error) => error.code,
        };
        let path = "/daybook.legal_hold.v1.LegalHoldService/PlaceHold";
        assert_eq!(named("legal_hold.PlaceHold"), path);
        assert_eq!(named(path), path);
        assert_eq!(named(&path[1..]), path);
        for unknown in ["legal_hold.Nonsense", "hold.PlaceHold", "PlaceHold", "/x/y", "."] {
            assert_eq!(named(unknown), "METHOD_UNKNOWN", "{unknown}");
        }
        assert_eq!(named(""), "INBOX_RECORD_INVALID");
        for refused in ["legal_hold.GetHold", "node.GetStatus", "legal_hold.RevealItem"] {
            assert_eq!(named(refused), "INBOX_METHOD_REFUSED", "{refused}");
        }
    }

    #[test]
    fn an_id_follows_from_the_place_and_from_nothing_else() {
        let place = |topic: &str, partition, offset| Place { topic: topic.into(), partition, offset: Offset(offset) };
        let id = derived(1, &place("in", 0, 7));
        assert_eq!(id, derived(1, &place("in", 0, 7)));
        for other in [place("in", 0, 8), place("in", 1, 7), place("on", 0, 7)] {
            assert_ne!(id, derived(1, &other));
        }
    }

    #[test]
    fn header_names_are_compared_without_case_and_the_last_one_counts() {
        let record = record(&[("Content-Type", "text/plain"), ("content-type", "application/json; charset=utf-8")]);
        assert_eq!(encoding(&record).unwrap(), Encoding::Json);
        let unreadable = InboxRecord { headers: None, ..record };
        assert_eq!(text(&unreadable, "daybook-method").unwrap_err().code, "INBOX_RECORD_INVALID");
    }
}
