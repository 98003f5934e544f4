//! The sources of events of product use, as a program that has one of them uses it: the same events through each.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use daybook_proto::product_analytics::v1::{
    Event, RecordEventStreamResponse, RecordEventsRequest, RecordEventsResponse, Refusal,
};
use daybook_server::http::AsBytes;
use prost::Message;
use serde_json::{Value, json};

use crate::node::{Node, new_id, path_of_method, to_json};
use crate::people::FEEDER;

/// A source that a node has without a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `RecordEvents` by gRPC.
    Grpc,
    /// `RecordEventStream` by gRPC.
    Stream,
    /// `RecordEvents` as JSON.
    Json,
    /// A beacon. It is answered with nothing.
    Beacon,
    /// Segment's `batch`.
    SegmentBatch,
    /// Segment's calls, each a request.
    SegmentCalls,
    /// OTLP as JSON.
    OtlpJson,
    /// OTLP as protobuf.
    OtlpProtobuf,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Grpc,
        Self::Stream,
        Self::Json,
        Self::Beacon,
        Self::SegmentBatch,
        Self::SegmentCalls,
        Self::OtlpJson,
        Self::OtlpProtobuf,
    ];

    /// Whether it takes Daybook's own events.
    pub fn takes_events(self) -> bool {
        matches!(self, Self::Grpc | Self::Stream | Self::Json | Self::Beacon)
    }

    /// Whether it takes calls of Segment's API.
    pub fn is_segment(self) -> bool {
        matches!(self, Self::SegmentBatch | Self::SegmentCalls)
    }
}

/// What a source said of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The HTTP statuses; none by gRPC.
    pub statuses: Vec<u16>,
    /// Events that count.
    pub accepted: u64,
    /// Events that were counted before.
    pub duplicates: u64,
    /// All that does not count and is no duplicate.
    pub refused: u64,
    /// Everything that was answered, as bytes.
    pub answers: Vec<Vec<u8>>,
}

impl Said {
    fn add_refused(&mut self, reasons: impl Iterator<Item = Refusal>) {
        for reason in reasons {
            if reason == Refusal::Duplicate { self.duplicates += 1 } else { self.refused += 1 }
        }
    }
}

/// Sends Daybook's events through a source that takes them.
///
/// # Panics
/// When it is refused as a whole, or the source takes others.
pub async fn send_events(node: &Node, source: Source, events: &[Event]) -> Said {
    let request = RecordEventsRequest { command_id: new_id(), events: events.to_vec(), ..Default::default() };
    let mut said = Said::default();
    match source {
        Source::Grpc => {
            let response: RecordEventsResponse = node.ask(&FEEDER, &request).await;
            said.accepted = response.accepted_count.into();
            said.add_refused(response.refused.iter().map(|refused| refused.reason()));
            said.answers.push(response.encode_to_vec());
        }
        Source::Stream => {
            let mut grpc = tonic::client::Grpc::new(node.channel());
            grpc.ready().await.expect("a channel");
            let encoded = Bytes::from(request.encode_to_vec());
            let mut request = tonic::Request::new(tokio_stream::once(encoded));
            let bearer = format!("Bearer {}", node.token(&FEEDER)).parse().expect("a header");
            request.metadata_mut().insert("authorization", bearer);
            let path = path_of_method("RecordEventStream").parse().expect("a path");
            let answer = grpc.client_streaming(request, path, AsBytes).await.expect("an answer").into_inner();
            let response = RecordEventStreamResponse::decode(answer.clone()).expect("the answer to a stream");
            said.accepted = response.accepted_count;
            said.add_refused(response.refused.iter().map(|refused| refused.reason()));
            assert_eq!(response.refused_count, response.refused.len() as u64, "all are named");
            said.answers.push(answer.to_vec());
        }
        Source::Json => {
            let answer = node.post(&FEEDER, "RecordEvents", &to_json(&request)).await.ok();
            said.accepted = answer["acceptedCount"].as_u64().unwrap_or_default();
            let refused = answer["refused"].as_array().into_iter().flatten();
            said.add_refused(refused.map(|refused| reason(&refused["reason"])));
            said.answers.push(answer.to_string().into_bytes());
        }
        Source::Beacon => {
            let mut body = to_json(&request);
            body["token"] = node.token(&FEEDER).into();
            let (status, answer) = post(node, "v1/beacon", "text/plain", body.to_string().into_bytes()).await;
            assert_eq!(status, 204, "{}", String::from_utf8_lossy(&answer));
            said.statuses.push(status);
        }
        other => panic!("{other:?} takes no events of Daybook"),
    }
    said
}

/// Sends calls of Segment's API through one of its ways.
///
/// # Panics
/// When the source is another, or the answer does not add up.
pub async fn send_calls(node: &Node, source: Source, calls: &[Value]) -> Said {
    let bodies: Vec<(String, Value, usize)> = match source {
        Source::SegmentBatch => vec![("v1/batch".to_owned(), json!({ "batch": calls }), calls.len())],
        Source::SegmentCalls => calls
            .iter()
            .map(|call| {
                let kind = call["type"].as_str().filter(|kind| KINDS.contains(kind)).unwrap_or("track");
                (format!("v1/{kind}"), call.clone(), 1)
            })
            .collect(),
        other => panic!("{other:?} takes no calls of Segment's"),
    };
    let mut said = Said::default();
    for (path, body, count) in bodies {
        let (status, answer) = post(node, &path, "application/json", body.to_string().into_bytes()).await;
        said.statuses.push(status);
        let json: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(json["success"], status == 200, "{json}");
        let number = |field: &str| json[field].as_u64().unwrap_or_default();
        let no_events: u64 =
            json["noEvents"].as_object().into_iter().flatten().map(|(_, count)| count.as_u64().expect("a count")).sum();
        let of_body = [number("recorded"), number("duplicates"), number("refusedCount") + no_events];
        assert_eq!(of_body.iter().sum::<u64>(), count as u64, "{json}");
        said.accepted += of_body[0];
        said.duplicates += of_body[1];
        said.refused += of_body[2];
        said.answers.push(answer);
    }
    said
}

/// The calls of Segment's API that have paths of their own.
const KINDS: [&str; 6] = ["track", "page", "screen", "identify", "group", "alias"];

/// Sends log records of OpenTelemetry, as JSON has them, of a resource and a scope. What the answer does not tell apart,
/// recorded and duplicates, is in `accepted`.
///
/// # Panics
/// When the source is another, or the body is refused.
pub async fn send_records(node: &Node, source: Source, resource: &str, records: &[Value]) -> Said {
    let attribute = json!({ "key": "service.name", "value": { "stringValue": resource } });
    let scope = json!({ "scope": { "name": resource }, "logRecords": records });
    let body = json!({ "resourceLogs": [{ "resource": { "attributes": [attribute] }, "scopeLogs": [scope] }] });
    let (content_type, body) = match source {
        Source::OtlpJson => ("application/json", body.to_string().into_bytes()),
        Source::OtlpProtobuf => ("application/x-protobuf", otlp::encoded(&body)),
        other => panic!("{other:?} takes no log records"),
    };
    let (status, answer) = post(node, "v1/logs", content_type, body).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let rejected = match source {
        Source::OtlpJson => {
            let json: Value = serde_json::from_slice(&answer).expect("JSON");
            let rejected = json["partialSuccess"]["rejectedLogRecords"].as_str().map_or(Ok(0), str::parse);
            rejected.expect("a number as a string")
        }
        _ => otlp::rejected(&answer),
    };
    let accepted = records.len() as u64 - rejected;
    Said { statuses: vec![status], accepted, duplicates: 0, refused: rejected, answers: vec![answer] }
}

fn reason(name: &Value) -> Refusal {
    Refusal::from_str_name(name.as_str().expect("a reason")).expect("a reason that there is")
}

/// Posts a body as an SDK does, with its token, and returns status and answer.
pub async fn post(node: &Node, path: &str, content_type: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let request = node.http().post(node.at(path)).header("content-type", content_type).body(body);
    let request = match path {
        // It has no headers.
        "v1/beacon" => request,
        "v1/logs" => request.bearer_auth(node.token(&FEEDER)),
        _ => request.header("authorization", format!("Basic {}", STANDARD.encode(format!("{}:", node.token(&FEEDER))))),
    };
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.bytes().await.expect("its body").to_vec())
}

/// The messages of OTLP, as its protocol numbers them: what the node reads of them and what it does not.
pub mod otlp {
    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Request {
        #[prost(message, repeated, tag = "1")]
        resource_logs: Vec<ResourceLogs>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct ResourceLogs {
        #[prost(message, optional, tag = "1")]
        resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        scope_logs: Vec<ScopeLogs>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Resource {
        #[prost(message, repeated, tag = "1")]
        attributes: Vec<KeyValue>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct ScopeLogs {
        #[prost(message, optional, tag = "1")]
        scope: Option<Scope>,
        #[prost(message, repeated, tag = "2")]
        log_records: Vec<LogRecord>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Scope {
        #[prost(string, tag = "1")]
        name: String,
    }

    #[derive(Clone, PartialEq, Message)]
    struct LogRecord {
        #[prost(fixed64, tag = "1")]
        time_unix_nano: u64,
        #[prost(string, tag = "3")]
        severity_text: String,
        #[prost(message, optional, tag = "5")]
        body: Option<AnyValue>,
        #[prost(message, repeated, tag = "6")]
        attributes: Vec<KeyValue>,
        #[prost(fixed64, tag = "11")]
        observed_time_unix_nano: u64,
        #[prost(string, tag = "12")]
        event_name: String,
    }

    #[derive(Clone, PartialEq, Message)]
    struct KeyValue {
        #[prost(string, tag = "1")]
        key: String,
        #[prost(message, optional, tag = "2")]
        value: Option<AnyValue>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct AnyValue {
        #[prost(oneof = "Kind", tags = "1, 2, 3, 5, 6, 7")]
        kind: Option<Kind>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    enum Kind {
        #[prost(string, tag = "1")]
        Text(String),
        #[prost(bool, tag = "2")]
        Bool(bool),
        #[prost(int64, tag = "3")]
        Int(i64),
        #[prost(message, tag = "5")]
        List(List),
        #[prost(message, tag = "6")]
        Map(Map),
        #[prost(bytes, tag = "7")]
        Bytes(Vec<u8>),
    }

    #[derive(Clone, PartialEq, Message)]
    struct List {
        #[prost(message, repeated, tag = "1")]
        values: Vec<AnyValue>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Map {
        #[prost(message, repeated, tag = "1")]
        values: Vec<KeyValue>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Response {
        #[prost(message, optional, tag = "1")]
        partial_success: Option<PartialSuccess>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct PartialSuccess {
        #[prost(int64, tag = "1")]
        rejected_log_records: i64,
        #[prost(string, tag = "2")]
        error_message: String,
    }

    fn list<T>(of: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
        of.as_array().into_iter().flatten().map(read).collect()
    }

    fn text(of: &Value) -> String {
        of.as_str().unwrap_or_default().to_owned()
    }

    fn any(of: &Value) -> AnyValue {
        let kind = of.as_object().and_then(|fields| fields.iter().next()).map(|(field, value)| match field.as_str() {
            "boolValue" => Kind::Bool(value.as_bool().expect("a boolean")),
            "intValue" => Kind::Int(text(value).parse().expect("a number")),
            "arrayValue" => Kind::List(List { values: list(&value["values"], any) }),
            "kvlistValue" => Kind::Map(Map { values: list(&value["values"], key_value) }),
            "bytesValue" => Kind::Bytes(STANDARD.decode(text(value)).expect("base64")),
            _ => Kind::Text(text(value)),
        });
        AnyValue { kind }
    }

    fn key_value(of: &Value) -> KeyValue {
        KeyValue { key: text(&of["key"]), value: Some(any(&of["value"])) }
    }

    fn record(of: &Value) -> LogRecord {
        let nanos = |field: &str| of[field].as_str().map_or(0, |digits| digits.parse().expect("nanoseconds"));
        LogRecord {
            time_unix_nano: nanos("timeUnixNano"),
            severity_text: text(&of["severityText"]),
            body: of.get("body").map(any),
            attributes: list(&of["attributes"], key_value),
            observed_time_unix_nano: nanos("observedTimeUnixNano"),
            event_name: text(&of["eventName"]),
        }
    }

    /// A body of JSON as protobuf.
    pub fn encoded(body: &Value) -> Vec<u8> {
        let scope_logs = |of: &Value| ScopeLogs {
            scope: Some(Scope { name: text(&of["scope"]["name"]) }),
            log_records: list(&of["logRecords"], record),
        };
        let resource_logs = |of: &Value| ResourceLogs {
            resource: Some(Resource { attributes: list(&of["resource"]["attributes"], key_value) }),
            scope_logs: list(&of["scopeLogs"], scope_logs),
        };
        Request { resource_logs: list(&body["resourceLogs"], resource_logs) }.encode_to_vec()
    }

    /// How many records an answer rejects; with a message, if any.
    ///
    /// # Panics
    /// When it is no answer, or rejects without a word.
    pub fn rejected(answer: &[u8]) -> u64 {
        let response = Response::decode(answer).expect("an ExportLogsServiceResponse");
        let Some(partial) = response.partial_success else { return 0 };
        assert!(partial.rejected_log_records > 0 && !partial.error_message.is_empty(), "{partial:?}");
        partial.rejected_log_records.unsigned_abs()
    }
}

/// How often what was refused, by name, property and reason.
pub fn counts(
    refused: &[daybook_proto::product_analytics::v1::RefusedCount],
) -> BTreeMap<(String, String, Refusal), u64> {
    refused.iter().map(|one| ((one.name.clone(), one.property.clone(), one.reason()), one.count)).collect()
}
