//! Events in many batches over one stream of gRPC.

use std::time::Duration;

use bytes::Bytes;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{Refusal as Reason, *};
use daybook_server::http::AsBytes;
use daybook_tests::events;
use daybook_tests::node::{Node, new_id, path_of_method};
use daybook_tests::people::{ANNA, FEEDER, NORA, Person};
use daybook_tests::refusal::Refusal;
use prost::Message;
use prost_types::value::Kind;
use tokio_stream::{Stream, StreamExt, iter};
use tonic::{Code, Status};

/// Events of a batch in these tests.
const EVENTS: u32 = 10;

async fn node() -> Node {
    let node = Node::start().await;
    let schema = events::schema("case.exported", "format", &["pdf", "csv"]);
    events::register(&node, events::of_product(), vec![schema]).await;
    node
}

fn event(format: &str) -> Event {
    let value = prost_types::Value { kind: Some(Kind::StringValue(format.to_owned())) };
    Event {
        name: "case.exported".into(),
        properties: Some(prost_types::Struct { fields: [("format".to_owned(), value)].into() }),
        ..Default::default()
    }
}

fn batch() -> RecordEventsRequest {
    let events = vec![event("pdf"); EVENTS as usize];
    RecordEventsRequest { command_id: new_id(), events, ..Default::default() }
}

fn batches(count: usize) -> Vec<RecordEventsRequest> {
    std::iter::repeat_with(batch).take(count).collect()
}

async fn send(
    node: &Node,
    who: Option<&Person>,
    batches: impl Stream<Item = RecordEventsRequest> + Send + 'static,
) -> Result<RecordEventStreamResponse, Status> {
    let mut grpc = tonic::client::Grpc::new(node.channel());
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = tonic::Request::new(batches.map(|batch| Bytes::from(batch.encode_to_vec())));
    if let Some(who) = who {
        request.metadata_mut().insert("authorization", format!("Bearer {}", node.token(who)).parse().unwrap());
    }
    let path = path_of_method("RecordEventStream").parse().unwrap();
    let answer = grpc.client_streaming(request, path, AsBytes).await?.into_inner();
    Ok(RecordEventStreamResponse::decode(answer).unwrap())
}

/// Events that count so far.
async fn counted(node: &Node) -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let query = QueryMetricRequest {
        metric: Some(MetricDefinition { metric: Some(Metric::Usage(UsageMetric::default())), ..Default::default() }),
        start_time: time(now - 86_400),
        end_time: time(now + 86_400),
        ..Default::default()
    };
    let answer: QueryMetricResponse = node.ask(&ANNA, &query).await;
    match answer.rows.first().and_then(|row| row.cells[0].value.clone()) {
        Some(cell::Value::Integer(number)) => number as u32,
        other => panic!("no number: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_batches_are_answered_once() {
    let node = node().await;
    let mut sent = batches(20);
    sent[7].events[3] = event("tags");
    sent[7].command_id.clear();
    sent[13].events[0].name = "case.archived".into();
    let answer = send(&node, Some(&FEEDER), iter(sent.clone())).await.unwrap();
    assert_eq!((answer.batch_count, answer.accepted_count, answer.refused_count), (20, 198, 2));
    let refused = |batch, index, reason: Reason, name: &str, property: &str| StreamRefusedEvent {
        batch,
        index,
        reason: reason.into(),
        name: name.into(),
        property: property.into(),
    };
    let first = refused(7, 3, Reason::WrongValue, "case.exported", "format");
    let second = refused(13, 0, Reason::UnknownEvent, "case.archived", "");
    assert_eq!(answer.refused, [first, second]);
    assert_eq!(counted(&node).await, 198);

    // Again: what had an id counts once, and gets its first answer; the one without an id is another command.
    let again = send(&node, Some(&FEEDER), iter(sent)).await.unwrap();
    assert_eq!(again, answer);
    assert_eq!(counted(&node).await, 198 + 9);

    let none = send(&node, Some(&FEEDER), iter([])).await.unwrap();
    assert_eq!(none, RecordEventStreamResponse::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_fails_ends_the_stream_and_the_rest_can_be_sent_again() {
    let node = node().await;
    let mut sent = batches(20);
    sent[9].events.clear();
    let status = send(&node, Some(&FEEDER), iter(sent.clone())).await.unwrap_err();
    let refusal = Refusal::of_grpc(&status);
    assert_eq!((status.code(), refusal.code.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"), "{status:?}");
    assert_eq!(refusal.field_names(), ["events"]);
    let number = |key: &str| refusal.metadata[key].parse::<u32>().unwrap();
    assert_eq!((number("batch"), number("batches_before")), (9, 9));
    assert!(number("batches_after") < 8 && status.message().contains("under its command id counts once"), "{status:?}");
    assert_eq!(counted(&node).await, (9 + number("batches_after")) * EVENTS);

    sent[9].events = vec![event("csv"); EVENTS as usize];
    let answer = send(&node, Some(&FEEDER), iter(sent)).await.unwrap();
    assert_eq!((answer.batch_count, answer.accepted_count), (20, u64::from(20 * EVENTS)));
    assert_eq!(counted(&node).await, 20 * EVENTS, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_too_large_ends_the_stream_as_well() {
    let node = node().await;
    let mut sent = batches(4);
    sent[2].events[0].event_id = "x".repeat(5 << 20);
    let status = send(&node, Some(&FEEDER), iter(sent)).await.unwrap_err();
    let refusal = Refusal::of_grpc(&status);
    assert_eq!((refusal.code.as_str(), refusal.metadata["batches_before"].as_str()), ("REQUEST_TOO_LARGE", "2"));
    assert_eq!(counted(&node).await, 2 * EVENTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_record_may_not_stream() {
    let node = node().await;
    for (who, sent, code) in [
        (None, batches(0), "TOKEN_MISSING"),
        (None, batches(3), "TOKEN_MISSING"),
        (Some(&NORA), batches(3), "POLICY_DENIED"),
    ] {
        let status = send(&node, who, iter(sent)).await.unwrap_err();
        assert_eq!(Refusal::of_grpc(&status).code, code, "{status:?}");
    }
    assert_eq!(counted(&node).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_takes_time_is_waited_for() {
    let node = node().await;
    let slowly = iter(batches(5)).throttle(Duration::from_millis(100));
    let answer = send(&node, Some(&FEEDER), slowly).await.unwrap();
    assert_eq!((answer.batch_count, answer.accepted_count), (5, u64::from(5 * EVENTS)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_when_the_caller_hung_up_is_recorded_whole_or_not_at_all() {
    let node = node().await;
    let sent = batches(200);
    for wait_ms in [1, 5, 20, 60] {
        let paced = iter(sent.clone()).throttle(Duration::from_millis(1));
        let hung_up = tokio::time::timeout(Duration::from_millis(wait_ms), send(&node, Some(&FEEDER), paced)).await;
        assert!(hung_up.is_err(), "it was not interrupted");
        assert_eq!(counted(&node).await % EVENTS, 0);
    }
    node.settle().await;
    let before = counted(&node).await;
    assert!(before % EVENTS == 0 && before < 200 * EVENTS, "{before}");
    let answer = send(&node, Some(&FEEDER), iter(sent)).await.unwrap();
    assert_eq!((answer.batch_count, answer.accepted_count), (200, u64::from(200 * EVENTS)));
    assert_eq!(counted(&node).await, 200 * EVENTS, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_has_no_stream_and_says_what_to_call() {
    let node = node().await;
    let answer = node.post(&FEEDER, "RecordEventStream", &serde_json::json!({})).await;
    let refusal = answer.refusal();
    assert_eq!((answer.status, refusal.code.as_str()), (501, "METHOD_UNKNOWN"));
    assert!(refusal.message.contains("/RecordEvents for each batch"), "{}", refusal.message);
    assert_eq!(node.post_text(None, "RecordEventStream", "{}".to_owned()).await.status, 401);
}
