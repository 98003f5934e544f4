//! What a record asks for, from its headers. Whoever may write to an inbox topic makes them.

use bytes::Bytes;
use daybook_kernel::id::{CommandId, Offset};
use daybook_log::{InboxRecord, PutAt};
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

/// The most that key and headers may have together, in bytes: tokens and trace contexts fit many times. The key goes
/// back with the answer.
const ENVELOPE_BYTES_MAX: usize = 64 << 10;

/// Looks at what surrounds the value, before anything in it is believed.
///
/// # Errors
/// [`codes::INBOX_RECORD_INVALID`] when key and headers are too large, or the time is not the broker's: whether a token
/// was good follows from it.
pub fn check_envelope(record: &InboxRecord) -> Result<(), CallError> {
    let headers = record.headers.iter().flatten().map(|(name, value)| name.len() + value.len());
    let bytes = headers.sum::<usize>() + record.key.as_ref().map_or(0, |key| key.len());
    if bytes > ENVELOPE_BYTES_MAX {
        return Err(invalid(&format!(
            "its key and headers have {bytes} bytes, of which {ENVELOPE_BYTES_MAX} are allowed"
        )));
    }
    match record.put_at {
        PutAt::Broker(_) => Ok(()),
        PutAt::Producer(_) => Err(invalid(
            "its time is the producer's: the topic did not have message.timestamp.type=LogAppendTime when it was put there",
        )),
    }
}

/// The value, which a record must have. A tombstone asks for nothing, and neither does an empty text.
///
/// # Errors
/// [`codes::INBOX_RECORD_INVALID`] when there is none.
pub fn value(record: &InboxRecord, encoding: Encoding) -> Result<&Bytes, CallError> {
    match &record.value {
        None => Err(invalid("it has no value (a tombstone)")),
        // No bytes are a protobuf message without fields, and no JSON.
        Some(value) if encoding == Encoding::Json && value.trim_ascii().is_empty() => {
            Err(invalid("its value is empty"))
        }
        Some(value) => Ok(value),
    }
}

/// A header that decides something, as text; empty if there is none. Names are compared without case.
///
/// # Errors
/// [`codes::INBOX_RECORD_INVALID`] when it is no text, or given twice with different values.
pub fn text(record: &InboxRecord, name: &str) -> Result<String, CallError> {
    let Some(headers) = &record.headers else {
        return Err(invalid("the names of its headers are no text"));
    };
    let mut found = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let Some(value) = found.next() else { return Ok(String::new()) };
    if found.any(|other| other != value) {
        return Err(invalid(&format!("its header {name} is given more than once, with different values")));
    }
    let text = std::str::from_utf8(value).map_err(|_| invalid(&format!("its header {name} is no text")))?;
    Ok(text.trim().to_owned())
}

/// The last header of a name that decides nothing, as it is.
pub fn bytes<'a>(record: &'a InboxRecord, name: &str) -> Option<&'a Bytes> {
    let headers = record.headers.iter().flatten().rev();
    headers.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

pub(super) fn invalid(what: &str) -> CallError {
    let message = format!("{what}; nothing was recorded; see docs/kafka-topics.md for the headers of a record");
    CallError::new(codes::INBOX_RECORD_INVALID, message)
}

/// The headers that the door looks at, as they would come by HTTP. A trace context that is none is left out, as HTTP's is:
/// what is wrong with a trace is no reason to refuse a command.
///
/// # Errors
/// [`codes::INBOX_RECORD_INVALID`] when HTTP does not have such a token.
pub fn door_headers(record: &InboxRecord) -> Result<HeaderMap, CallError> {
    let mut headers = HeaderMap::new();
    let authorization = text(record, header::AUTHORIZATION.as_str())?;
    if !authorization.is_empty() {
        let odd = |_| invalid("its header authorization has bytes that no token has");
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&authorization).map_err(odd)?);
    }
    for name in ["traceparent", "tracestate"] {
        let value = bytes(record, name).and_then(|value| HeaderValue::from_bytes(value.trim_ascii()).ok());
        if let Some(value) = value.filter(|value| !value.is_empty()) {
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
        ("", "") => derived(record.put_at.millis(), place).to_string(),
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
    use super::*;

    fn record(headers: &[(&str, &str)]) -> InboxRecord {
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), Bytes::copy_from_slice(value.as_bytes()));
        InboxRecord {
            offset: Offset(7),
            put_at: PutAt::Broker(1_700_000_000_000),
            key: None,
            headers: Some(headers.iter().map(header).collect()),
            value: Some(Bytes::new()),
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
    fn header_names_are_compared_without_case_and_one_that_is_given_twice_must_be_the_same() {
        let twice = |first: &str, second: &str| record(&[("Content-Type", first), ("content-type", second)]);
        assert_eq!(encoding(&twice("application/json", "application/json")).unwrap(), Encoding::Json);
        assert_eq!(encoding(&record(&[("CONTENT-TYPE", "application/json; charset=utf-8")])).unwrap(), Encoding::Json);
        let refused = encoding(&twice("text/plain", "application/json")).unwrap_err();
        assert!(refused.code == "INBOX_RECORD_INVALID" && refused.message.contains("more than once"), "{refused:?}");
        let unreadable = InboxRecord { headers: None, ..record(&[]) };
        assert_eq!(text(&unreadable, "daybook-method").unwrap_err().code, "INBOX_RECORD_INVALID");
    }

    #[test]
    fn a_trace_context_that_is_none_is_left_out() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let with = |name: &str, value: &'static [u8]| {
            let mut record = record(&[("authorization", "Bearer x")]);
            record.headers.as_mut().unwrap().push((name.to_owned(), Bytes::from_static(value)));
            let headers = door_headers(&record).unwrap();
            assert_eq!(headers["authorization"], "Bearer x");
            headers.get(name).map(|value| value.as_bytes().to_vec())
        };
        for name in ["traceparent", "tracestate"] {
            assert_eq!(with(name, good.as_bytes()).as_deref(), Some(good.as_bytes()));
            assert_eq!(with(name, b"line\nbreak"), None, "HTTP has no such header");
            assert_eq!(with(name, b""), None);
            // Whether bytes that HTTP allows are a trace context, the door looks at.
            assert_eq!(with(name, b"\xff\xfe").as_deref(), Some(&b"\xff\xfe"[..]));
        }
        let twice = record(&[("traceparent", "first"), ("traceparent", good)]);
        assert_eq!(door_headers(&twice).unwrap()["traceparent"], good, "the last one");
    }

    #[test]
    fn what_surrounds_the_value_is_bounded_and_its_time_is_the_brokers() {
        let code = |record: &InboxRecord| check_envelope(record).map_err(|error| error.code);
        let plain = record(&[("authorization", "Bearer x")]);
        assert_eq!(code(&plain), Ok(()));
        let invalid = Err("INBOX_RECORD_INVALID".to_owned());
        let large = "x".repeat(ENVELOPE_BYTES_MAX);
        assert_eq!(code(&record(&[("anything", &large)])), invalid);
        assert_eq!(code(&InboxRecord { key: Some(Bytes::from(large + "x")), ..plain.clone() }), invalid);
        assert_eq!(code(&InboxRecord { put_at: PutAt::Producer(1), ..plain }), invalid);
    }

    #[test]
    fn a_record_without_a_value_asks_for_nothing() {
        let of = |value: Option<&'static [u8]>, encoding| {
            let record = InboxRecord { value: value.map(Bytes::from_static), ..record(&[]) };
            value_of(&record, encoding)
        };
        fn value_of(record: &InboxRecord, encoding: Encoding) -> Result<usize, String> {
            value(record, encoding).map(|value| value.len()).map_err(|error| error.code)
        }
        let invalid = || Err("INBOX_RECORD_INVALID".to_owned());
        for encoding in [Encoding::Json, Encoding::Proto] {
            assert_eq!(of(None, encoding), invalid(), "a tombstone");
        }
        assert_eq!(of(Some(b""), Encoding::Json), invalid());
        assert_eq!(of(Some(b" \t\r\n"), Encoding::Json), invalid());
        assert_eq!(of(Some(b"{}"), Encoding::Json), Ok(2));
        assert_eq!(of(Some(b""), Encoding::Proto), Ok(0), "a message without fields");
    }
}
