//! Nothing personal of product analytics is on any disk: thousands of labelled values are thrown at every source of events in
//! every place where a careless program could put one (as the actor, in ids, in names, in keys, nested, encoded), and
//! afterwards every file below the data folder, every row of every database in it, the exported events, the exported
//! decisions, the metrics of the node and the answers are searched. What comes in by Kafka: `kafka_inbox.rs`.

use std::collections::BTreeMap;

use daybook_proto::node::v1::*;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, *};
use daybook_server::FIRST_TENANT;
use daybook_tests::careless::{self, any_of, find, properties};
use daybook_tests::disk::{files, rows};
use daybook_tests::node::{Node, new_id};
use daybook_tests::people::{ANNA, AUDREY, FEEDER, PETRA};
use daybook_tests::sources::{Source, send_calls, send_events, send_records};
use daybook_tests::{events, eventually};
use prost::Message;
use prost_types::Timestamp;
use prost_types::value::Kind;

/// Values of each kind, by gRPC.
const OF_EACH: usize = 30;
/// And through each of the other sources.
const OF_EACH_SOURCE: usize = 3;
/// An id of a thing, which stays: the search can find something.
const MARKER: &str = "case-marker.of:this-test";

fn seconds_now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

fn around_now() -> [Option<Timestamp>; 2] {
    [-86_400, 86_400].map(|after| Some(Timestamp { seconds: seconds_now() + after, nanos: 0 }))
}

/// Everything that is answered about what was recorded and refused.
async fn asked(node: &Node, positions: &[daybook_proto::log::v1::Position]) -> Vec<(String, Vec<u8>)> {
    let mut answers = Vec::new();
    let list = ListRefusedEventsRequest { page_size: 1_000, ..Default::default() };
    let list: ListRefusedEventsResponse = node.ask(&ANNA, &list).await;
    assert!(list.refused.len() > 5, "{list:?}");
    answers.push(("the list of what was refused".to_owned(), list.encode_to_vec()));
    let [start_time, end_time] = around_now();
    for property in ["case_id", "page", "screen"] {
        let query = QueryMetricRequest {
            metric: Some(MetricDefinition {
                metric: Some(Metric::Usage(UsageMetric::default())),
                ..Default::default()
            }),
            start_time,
            end_time,
            breakdown: Some(Breakdown { by: Some(breakdown::By::Property(property.into())), limit: 100 }),
            ..Default::default()
        };
        let answer: QueryMetricResponse = node.ask(&ANNA, &query).await;
        answers.push((format!("a metric by {property}"), answer.encode_to_vec()));
    }
    for position in positions {
        let export = ExportDecisionsRequest {
            tenant_id: FIRST_TENANT.into(),
            partition: position.partition,
            command_offsets: vec![position.offset],
            ..Default::default()
        };
        let export: ExportDecisionsResponse = node.ask(&AUDREY, &export).await;
        assert!(export.encoded_len() > 500, "decisions with their events");
        answers.push(("the exported decisions".to_owned(), export.encode_to_vec()));
    }
    let request = ExportEventsRequest {
        command_id: new_id(),
        content: Some(EventExportContent { events: true, ..Default::default() }),
        start_time,
        end_time,
        ..Default::default()
    };
    let response: ExportEventsResponse = node.ask(&PETRA, &request).await;
    let min_position = response.receipt.unwrap().position;
    let export = GetEventExportRequest { export_id: response.export_id, min_position, ..Default::default() };
    let export = eventually("the export ends", async || {
        let response: GetEventExportResponse = node.ask(&PETRA, &export).await;
        response.export.filter(|export| export.state() != EventExportState::Running)
    });
    let export = export.await;
    assert_eq!(export.state(), EventExportState::Done, "its files lie below the data folder: {export:?}");
    let metrics = reqwest::get(format!("http://{}/metrics", node.running.metrics_address)).await.unwrap();
    answers.push(("the metrics of the node".to_owned(), metrics.bytes().await.unwrap().to_vec()));
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_row_export_or_answer_holds_what_was_thrown_at_the_door() {
    let node = Node::start().await;
    let (profile, schemas) = careless::registry();
    events::register(&node, profile, schemas).await;

    let values = careless::values(11, OF_EACH);
    assert!(values.len() > 1_000, "{} values", values.len());
    let case_id = prost_types::Value { kind: Some(Kind::StringValue(MARKER.to_owned())) };
    let marked =
        Event { name: "case.opened".into(), properties: properties(&[("case_id", case_id)]), ..Default::default() };
    let (mut accepted, mut refused) = (0, BTreeMap::new());
    let (mut answers, mut positions) = (Vec::new(), Vec::new());
    let events: Vec<Event> = values.iter().flat_map(|value| careless::events(value)).chain([marked]).collect();
    for events in events.chunks(1_000) {
        let request = RecordEventsRequest { events: events.to_vec(), ..Default::default() };
        let response: RecordEventsResponse = node.ask(&FEEDER, &request).await;
        accepted += response.accepted_count;
        positions.extend(response.receipt.as_ref().and_then(|receipt| receipt.position));
        for refused_event in &response.refused {
            *refused.entry(refused_event.reason()).or_insert(0) += 1;
        }
        answers.push(("the answer to a batch".to_owned(), response.encode_to_vec()));
    }
    // Those whose only mistake is in a place that becomes a pseudonym count; the rest does not.
    assert!(accepted as usize >= 2 * values.len(), "{accepted}, {refused:?}");
    let reasons =
        [v1::Refusal::UnknownEvent, v1::Refusal::UnknownProperty, v1::Refusal::WrongValue, v1::Refusal::PersonalData];
    for reason in reasons {
        assert!(refused.get(&reason).is_some_and(|count| *count > 500), "{reason:?}: {refused:?}");
    }
    answers.extend(asked(&node, &positions).await);
    search(node, &values, answers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_what_was_thrown_at_any_other_source() {
    let node = Node::start().await;
    let (profile, schemas) = careless::registry();
    events::register(&node, profile, schemas).await;
    let marked = serde_json::json!({ "type": "track", "event": "case.opened", "properties": { "caseId": MARKER } });
    send_calls(&node, Source::SegmentBatch, &[marked]).await;

    let values = careless::values(17, OF_EACH_SOURCE);
    let mut answers = Vec::new();
    for source in Source::ALL {
        let mut said = Vec::new();
        for values in values.chunks(40) {
            if source.takes_events() {
                let events: Vec<Event> = values.iter().flat_map(|value| careless::events(value)).collect();
                said.push(send_events(&node, source, &events).await);
            } else if source == Source::SegmentBatch {
                let calls: Vec<_> = values.iter().flat_map(|value| careless::calls(value)).collect();
                said.push(send_calls(&node, source, &calls).await);
            } else if source == Source::SegmentCalls {
                // Each is a request: some of the values are enough.
                let calls: Vec<_> = values.iter().step_by(8).flat_map(|value| careless::calls(value)).collect();
                said.push(send_calls(&node, source, &calls).await);
            } else {
                // The resource and the scope of all of them.
                let records: Vec<_> = values.iter().flat_map(|value| careless::records(value)).collect();
                said.push(send_records(&node, source, &values[0], &records).await);
            }
        }
        let (accepted, refused) = said.iter().fold((0, 0), |sum, said| (sum.0 + said.accepted, sum.1 + said.refused));
        assert!(source == Source::Beacon || accepted > 20 && refused > 20, "{source:?}: {accepted}, {refused}");
        let said = said.into_iter().flat_map(|said| said.answers);
        answers.extend(said.map(|answer| (format!("the answer of {source:?}"), answer)));
    }
    answers.extend(asked(&node, &[]).await);
    search(node, &values, answers).await;
}

/// Looks for the values in answers, files and rows.
async fn search(node: Node, values: &[String], answers: Vec<(String, Vec<u8>)>) {
    let wanted = any_of(values);
    assert_eq!(find(&wanted, answers), [""; 0]);
    // A stop writes what the store has in memory into files.
    let node = node.restart().await;
    let data = node.home.data();
    let everywhere = || {
        let of_files =
            files(&data).into_iter().filter_map(|file| Some((file.display().to_string(), std::fs::read(&file).ok()?)));
        let of_rows = rows(&data).into_iter().flat_map(|(place, key, value)| [(place.clone(), key), (place, value)]);
        of_files.chain(of_rows)
    };
    assert_eq!(find(&wanted, everywhere()), [""; 0]);
    let found = find(&any_of(&[MARKER.to_owned()]), everywhere());
    for place in ["/log", "/store", "/exports"] {
        assert!(found.iter().any(|found| found.contains(place)), "{place}: {found:?}");
    }
}
