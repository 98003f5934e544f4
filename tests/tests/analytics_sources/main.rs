//! Events in the shapes of other programs' SDKs, over HTTP as those send them: they count, what is about persons does not,
//! and mistakes get the answer that the SDK expects.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `mapped` | what cannot be mapped, and what is sent again |
//! | `order` | the order of the events of a body |
//! | `law` | what was sent is what counts, what is refused and what was there before, through every source |
//! | `real_sdk` | SDKs of other makers |

mod law;
mod mapped;
mod order;
mod real_sdk;

use std::collections::BTreeMap;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::*;
use daybook_server::FIRST_TENANT;
use daybook_tests::node::Node;
use daybook_tests::people::{ANNA, FEEDER, LEA, Person};
use daybook_tests::skipped::skipped;
use daybook_tests::sources::{self, Said, Source, send_calls, send_events, send_records};
use daybook_tests::{careless, events};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

async fn node() -> Node {
    let node = Node::start().await;
    let exported = events::schema("case_exported", "format", &["pdf", "csv"]);
    let schemas = vec![exported, events::schema("page.viewed", "page", &["home"])];
    events::register(&node, events::of_product(), schemas).await;
    node
}

/// Events and actors so far.
async fn counted(node: &Node) -> (i64, i64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let query = QueryMetricRequest {
        metric: Some(MetricDefinition { metric: Some(Metric::Usage(UsageMetric::default())), ..Default::default() }),
        start_time: time(now - 86_400),
        end_time: time(now + 86_400),
        ..Default::default()
    };
    let answer: QueryMetricResponse = node.ask(&ANNA, &query).await;
    let number = |at: usize| match &answer.rows[0].cells[at].value {
        Some(cell::Value::Integer(number)) => *number,
        other => panic!("no number: {other:?}"),
    };
    (number(0), number(1))
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

async fn post(
    node: &Node,
    path: &str,
    authorization: Option<String>,
    content_type: &str,
    body: impl Into<Vec<u8>>,
) -> Answer {
    let request = node.http().post(node.at(path)).header("content-type", content_type).body(body.into());
    let request = authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
    let response = request.send().await.unwrap();
    Answer { status: response.status().as_u16(), body: response.bytes().await.unwrap().to_vec() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_segments_sdks_count() {
    let node = node().await;
    let key = format!("Basic {}", STANDARD.encode(format!("{}:", node.token(&FEEDER))));
    let track = json!({
        "userId": "ada@example.org", "event": "Case Exported", "messageId": "m1",
        "properties": { "format": "pdf" }, "context": { "ip": "10.1.2.3" },
    });
    let answer = post(&node, "v1/track", Some(key.clone()), "application/json", track.to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "success": true, "recorded": 1 })));
    let batch = json!({ "batch": [
        { "type": "page", "anonymousId": "a1", "name": "Home", "messageId": "m2" },
        { "type": "identify", "userId": "ada@example.org", "traits": { "email": "ada@example.org" }, "messageId": "m3" },
        // Sent again: it counts once.
        { "type": "track", "userId": "ada@example.org", "event": "Case Exported", "messageId": "m1", "properties": {} },
    ] });
    let answer = post(&node, "v1/batch", Some(key.clone()), "application/json", batch.to_string()).await;
    let expected = json!({
        "success": true, "recorded": 1, "duplicates": 1, "noEvents": { "REFUSAL_ABOUT_A_PERSON": 1 },
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(counted(&node).await, (2, 2));

    // The write key may stand in the body; without one nobody is asked.
    let mut keyed = track.clone();
    keyed["writeKey"] = node.token(&FEEDER).into();
    keyed["messageId"] = "m4".into();
    assert_eq!(post(&node, "v1/t", None, "text/plain", keyed.to_string()).await.status, 200);
    let answer = post(&node, "v1/track", None, "application/json", track.to_string()).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("unauthenticated")));
    let answer = post(&node, "v1/track", None, "application/json", "[1,").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("unauthenticated")));
    let answer = post(&node, "v1/track", Some(key), "application/json", "[1,").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("invalid_argument")));
    assert_eq!(counted(&node).await, (3, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_records_of_opentelemetry_that_are_events_count() {
    let node = node().await;
    let bearer = Some(format!("Bearer {}", node.token(&FEEDER)));
    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let record = |name: &str, id: &str| {
        json!({
            "eventName": name,
            "attributes": [attribute("format", "csv"), attribute("user.id", "u7"), attribute("event.id", id)],
        })
    };
    let logs = |records: Value| json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] }).to_string();
    let answer =
        post(&node, "v1/logs", bearer.clone(), "application/json", logs(json!([record("case_exported", "e1")])));
    let answer = answer.await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    // A line of a log is none, and the sender is told.
    let plain = json!({ "body": { "stringValue": "a line of a log of ada@example.org" } });
    let body = logs(json!([record("case_exported", "e1"), plain]));
    let answer = post(&node, "v1/logs", bearer.clone(), "application/json", body).await;
    assert_eq!((answer.status, &answer.json()["partialSuccess"]["rejectedLogRecords"]), (200, &json!("1")));
    let message = answer.json()["partialSuccess"]["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.contains("1 REFUSAL_NOT_AN_EVENT") && !message.contains("ada@"), "{message}");
    let body = logs(json!([record("case_exported", "e2"), record("case_burnt", "e3")]));
    let answer = post(&node, "v1/logs", bearer.clone(), "application/json", body).await;
    assert_eq!((answer.status, &answer.json()["partialSuccess"]["rejectedLogRecords"]), (200, &json!("1")));
    assert_eq!(counted(&node).await, (2, 1));
    // An empty export is one, too; what is no protobuf is none.
    let answer = post(&node, "v1/logs", bearer.clone(), "application/x-protobuf", "").await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(post(&node, "v1/logs", bearer.clone(), "application/x-protobuf", vec![0xff; 9]).await.status, 400);
    assert_eq!(post(&node, "v1/logs", bearer, "text/plain", "").await.status, 415);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_on_its_way_out_sends_a_beacon() {
    let node = node().await;
    let event = json!({ "name": "page.viewed", "actor": "u1", "properties": { "page": "home" } });
    let body = json!({ "token": node.token(&FEEDER), "tenantId": FIRST_TENANT, "events": [event] });
    let answer = post(&node, "v1/beacon", None, "text/plain;charset=UTF-8", body.to_string()).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(counted(&node).await, (1, 1));
    let answer = post(&node, "v1/beacon", None, "text/plain", json!({ "events": [event] }).to_string()).await;
    assert_eq!(answer.status, 401);
    let allowed = node.http().request(http::Method::OPTIONS, node.at("v1/beacon")).send().await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], "*");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn post_compressed(node: &Node, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
    post_compressed_by(node, &FEEDER, path, content_type, body).await
}

async fn post_compressed_by(node: &Node, who: &Person, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
    let request = node.http().post(node.at(path)).bearer_auth(node.token(who)).header("content-type", content_type);
    let response = request.header("content-encoding", "gzip").body(body).send().await.unwrap();
    Answer { status: response.status().as_u16(), body: response.bytes().await.unwrap().to_vec() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_compressed_with_gzip_counts_as_well() {
    let node = node().await;
    let track =
        json!({ "userId": "u", "event": "Case Exported", "messageId": "m1", "properties": { "format": "pdf" } });
    let answer = post_compressed(&node, "v1/track", "application/json", gzip(&track.to_string())).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "success": true, "recorded": 1 })));

    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let attributes = json!([attribute("format", "csv"), attribute("user.id", "u7"), attribute("event.id", "e1")]);
    let record = json!({ "eventName": "case_exported", "attributes": attributes });
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] });
    let answer = post_compressed(&node, "v1/logs", "application/json", gzip(&logs.to_string())).await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));

    let event = json!({ "name": "page.viewed", "actor": "u1", "properties": { "page": "home" } });
    let path = "daybook.product_analytics.v1.ProductAnalyticsService/RecordEvents";
    let answer =
        post_compressed(&node, path, "application/json", gzip(&json!({ "events": [event] }).to_string())).await;
    assert_eq!((answer.status, answer.json()["acceptedCount"].as_u64()), (200, Some(1)));
    assert_eq!(counted(&node).await, (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_come_out_of_gzip_is_refused_and_nothing_is_recorded() {
    let node = node().await;
    let before = node.mark().await;
    let bomb = gzip(&" ".repeat(64 << 20));
    assert!(bomb.len() < 100_000);
    let good = gzip("{\"events\":[]}");
    let cut = good[..good.len() - 4].to_vec();
    for path in ["v1/track", "v1/logs", "v1/beacon", "daybook.legal_hold.v1.LegalHoldService/PlaceHold"] {
        // By somebody who may, or nothing of it is read at all.
        let who = if path.starts_with("v1/") { FEEDER } else { LEA };
        let post_compressed = |body| post_compressed_by(&node, &who, path, "application/json", body);
        let answer = post_compressed(bomb.clone()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("resource_exhausted")), "{path}");
        for broken in [b"{}".to_vec(), cut.clone()] {
            let answer = post_compressed(broken).await;
            assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("invalid_argument")), "{path}");
            assert!(answer.json()["message"].as_str().unwrap().contains("gzip"), "{}", answer.json());
        }
    }
    assert_eq!(node.mark().await, before);
}

/// A node on which every source can record: two steps of a funnel, an id, a consent.
async fn node_for_all() -> Node {
    let node = Node::start().await;
    let (mut profile, mut schemas) = careless::registry();
    profile.purposes_without_consent = vec!["product".into()];
    let agreed = EventSchema { name: "case.shared".into(), purpose: "marketing".into(), ..schemas[0].clone() };
    let closed = EventSchema { name: "case.closed".into(), ..schemas[0].clone() };
    schemas.extend([agreed, closed]);
    events::register(&node, profile, schemas).await;
    node
}

/// What was refused, by name, property and reason.
async fn refused_counts(node: &Node) -> BTreeMap<(String, String, Refusal), u64> {
    let list = ListRefusedEventsRequest { page_size: 1_000, ..Default::default() };
    let list: ListRefusedEventsResponse = node.ask(&ANNA, &list).await;
    assert_eq!(list.next_page_token, "");
    sources::counts(&list.refused)
}

fn around_now() -> [Option<prost_types::Timestamp>; 2] {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    [-86_400, 86_400].map(|after| Some(prost_types::Timestamp { seconds: now + after, nanos: 0 }))
}
