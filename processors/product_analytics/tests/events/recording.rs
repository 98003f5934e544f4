//! Registering events and recording them.

use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::*;
use product_analytics_projection::{Event, registry};

use crate::product::{DAY, HOUR, Product, property, schema};

#[test]
fn late_events_and_those_of_the_future_do_not_count_at_their_bounds() {
    let mut product = Product::new();
    let (late, future) = (7 * 86_400_000, 300_000);
    // The profile cuts times to seconds: what is late by less than that may have been in time.
    let batch = product.batch(&[(late + 1_000, 0), (late + 1_001, 0), (-future, 0), (-future - 1, 0), (0, 0)]);
    assert_eq!(product.refused(batch), [(1, Refusal::TooLate), (3, Refusal::InTheFuture)]);
    let batch = product.batch(&[(i64::MAX / 4_000, 0), (i64::MIN / 4_000, 0)]);
    assert_eq!(product.refused(batch).len(), 2, "times that are none of ours");
    product.solo.check_replay();
}

#[test]
fn an_event_counts_once_within_the_window() {
    let mut product = Product::new();
    let batch = product.batch(&[(0, 1), (0, 2), (0, 1), (0, 0), (0, 0)]);
    assert_eq!(product.refused(batch), [(2, Refusal::Duplicate)], "inside a batch; events without an id all count");
    product.solo.advance(23 * HOUR);
    let batch = product.batch(&[(0, 2), (0, 3)]);
    assert_eq!(product.refused(batch), [(0, Refusal::Duplicate)], "in another one");
    // After the window ids are forgotten, oldest first, as batches come in.
    product.solo.advance(2 * DAY);
    let batch = product.batch(&[(0, 9)]);
    product.record(batch).unwrap();
    let batch = product.batch(&[(0, 1), (0, 3)]);
    assert_eq!(product.refused(batch), []);
    let state = product.tables().state().get(()).unwrap().unwrap();
    assert_eq!(state.recent_events, 4 + 1 + 1 + 2);
    product.solo.check_replay();
}

#[test]
fn a_batch_names_a_registry_that_is_in_force_or_was_a_moment_ago() {
    let mut product = Product::new();
    let before = product.batch(&[(0, 0)]);
    assert_eq!(product.register(EventSchema { name: "case.closed".into(), ..schema() }), "ACCEPTED");
    product.record(before.clone()).unwrap();
    product.solo.advance(registry::REPLACED_FOR_MAX + Duration::from_secs(1));
    assert_eq!(product.record(before).unwrap_err(), "EVENT_REGISTRY_CHANGED");
    let unknown = EventBatch { registry_hash: Bytes::from(vec![1; 32]), ..product.batch(&[(0, 0)]) };
    assert_eq!(product.record(unknown).unwrap_err(), "EVENT_REGISTRY_CHANGED");
    let none = EventBatch { registry_hash: Bytes::new(), ..product.batch(&[(0, 0)]) };
    assert_eq!(product.record(none).unwrap_err(), "EVENT_REGISTRY_CHANGED");
}

#[test]
fn values_that_no_door_lets_through_do_not_count() {
    let mut product = Product::new();
    let column = |name: &str, values: Vec<i64>, ids: &[&str]| PropertyColumn {
        name: name.into(),
        events: (0..values.len() as u32).collect(),
        values,
        ids: ids.iter().map(ToString::to_string).collect(),
    };
    let batch = EventBatch {
        properties: vec![
            column("case_id", vec![0, 0, 1], &["case-7"]),
            column("format", vec![1, 2], &[]),
            column("pages", vec![100, 0, 0, 101, -1], &[]),
        ],
        ..product.batch(&[(0, 0); 6])
    };
    let wrong = |index| (index, Refusal::WrongValue);
    assert_eq!(product.refused(batch), [wrong(1), wrong(2), wrong(3), wrong(4)]);
    let batch = EventBatch { names: vec!["case.burnt".into()], ..product.batch(&[(0, 0)]) };
    assert_eq!(product.refused(batch), [(0, Refusal::UnknownEvent)]);
    product.solo.check_replay();
}

#[test]
fn columns_that_do_not_go_together_are_refused_whole() {
    let mut product = Product::new();
    let good = product.batch(&[(0, 1), (0, 2)]);
    let column =
        |events: Vec<u32>, values: Vec<i64>| PropertyColumn { name: "pages".into(), events, values, ids: Vec::new() };
    let wrong = [
        EventBatch { name: vec![0], ..good.clone() },
        EventBatch { index: vec![0], ..good.clone() },
        EventBatch { time_delta_ms: Vec::new(), ..good.clone() },
        EventBatch { actor: vec![1, 2], ..good.clone() },
        EventBatch { actors: Bytes::from(vec![7; 15]), ..good.clone() },
        EventBatch { event_ids: Bytes::from(vec![7; 31]), ..good.clone() },
        EventBatch { name: vec![0, 1], ..good.clone() },
        EventBatch { properties: vec![column(vec![0, 1], vec![1])], ..good.clone() },
        EventBatch { properties: vec![column(vec![1, 0], vec![1, 1])], ..good.clone() },
        EventBatch { properties: vec![column(vec![2], vec![1])], ..good.clone() },
        EventBatch { properties: vec![column(vec![0], vec![1]), column(vec![1], vec![1])], ..good.clone() },
        EventBatch::default(),
    ];
    for batch in wrong {
        assert_eq!(product.record(batch.clone()).unwrap_err(), "INVALID_ARGUMENT", "{batch:?}");
    }
    let request = RecordEventsRequest {
        events: vec![daybook_proto::product_analytics::v1::Event::default()],
        batch: Some(good),
        ..Default::default()
    };
    assert_eq!(product.ask("RecordEvents", &request, "service").unwrap_err(), "INVALID_ARGUMENT", "not minimised");
    assert_eq!(product.tables().state().get(()).unwrap().unwrap().recent_events, 0);
}

#[test]
fn schemas_grow_and_take_nothing_away() {
    let mut product = Product::new();
    assert_eq!(product.register(schema()), "ACCEPTED", "as it was");
    let with = |version, properties: Vec<PropertySchema>| EventSchema { version, properties, ..schema() };
    let mut more = schema().properties;
    more[0].values.push("docx".into());
    more.push(property("is_whole", PropertyType::Boolean));
    assert_eq!(product.register(with(3, more.clone())), "EVENT_SCHEMA_BREAKS", "a version is left out");
    assert_eq!(product.register(with(2, more[1..].to_vec())), "EVENT_SCHEMA_BREAKS", "a property is gone");
    assert_eq!(product.register(with(2, more.clone())), "ACCEPTED");
    assert_eq!(product.register(schema()), "EVENT_SCHEMA_BREAKS", "back to the first");
    assert_eq!(product.register(EventSchema { name: "new.one".into(), ..with(2, more) }), "EVENT_SCHEMA_BREAKS");
    assert_eq!(product.register(EventSchema { name: "Not A Name".into(), ..schema() }), "INVALID_ARGUMENT");
    product.solo.check_replay();
}

#[test]
fn retired_events_are_refused_and_deprecated_ones_are_said() {
    let mut product = Product::new();
    let at = |after: Duration| Some(product.solo.log_time().saturating_add(after).to_proto());
    let (deprecated_at, refused_after) = (at(HOUR), at(2 * HOUR));
    let next = EventSchema { version: 2, deprecated_at, refused_after, ..schema() };
    assert_eq!(product.register(next), "ACCEPTED");
    let batch = product.batch(&[(0, 0)]);
    assert_eq!(product.record(batch).unwrap().deprecated_names, [""; 0]);
    product.solo.advance(HOUR);
    let batch = product.batch(&[(0, 0)]);
    assert_eq!(product.record(batch).unwrap().deprecated_names, ["case.exported"]);
    product.solo.advance(HOUR);
    let batch = product.batch(&[(0, 0)]);
    assert_eq!(product.refused(batch), [(0, Refusal::RetiredEvent)]);
}

#[test]
fn who_may_do_what() {
    let mut product = Product::new();
    let profile = SetMinimisationProfileRequest { profile: Some(MinimisationProfile::default()), ..Default::default() };
    for (role, code) in [("product", "POLICY_DENIED"), ("service", "POLICY_DENIED"), ("privacy", "ACCEPTED")] {
        let answer =
            product.ask("SetMinimisationProfile", &profile, role).map_or_else(|code| code, |_| "ACCEPTED".into());
        assert_eq!(answer, code, "{role}");
    }
    let schemas = SetEventSchemasRequest { schemas: vec![schema()], ..Default::default() };
    for role in ["service", "privacy", "analyst", "admin"] {
        assert_eq!(product.ask("SetEventSchemas", &schemas, role).unwrap_err(), "POLICY_DENIED", "{role}");
    }
    let batch = product.batch(&[(0, 0)]);
    let record = RecordEventsRequest { batch: Some(batch), ..Default::default() };
    for role in ["privacy", "analyst", "auditor"] {
        assert_eq!(product.ask("RecordEvents", &record, role).unwrap_err(), "POLICY_DENIED", "{role}");
    }
}

#[test]
fn a_metric_keeps_its_earlier_versions() {
    let mut product = Product::new();
    let mut define = |name: &str, description: &str| {
        let metric = Some(metric_definition::Metric::Usage(UsageMetric::default()));
        let definition = MetricDefinition { name: name.into(), description: description.into(), metric, version: 0 };
        let request = DefineMetricRequest { definition: Some(definition), ..Default::default() };
        product.ask("DefineMetric", &request, "product").map(|events| match &events[0] {
            Event::MetricDefined(event) => event.definition.as_ref().unwrap().version,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(define("exports", "first"), Ok(1));
    assert_eq!(define("exports", "second"), Ok(2));
    assert_eq!(define("exports", "second"), Ok(2), "said again, it is the same");
    assert_eq!(define("exports.pdf", "another"), Ok(1));
    assert_eq!(define("", "nameless"), Err("INVALID_ARGUMENT".into()));
    let versions = product.tables().metrics().scan(daybook_kernel::key::All).count();
    assert_eq!(versions, 3);
}

/// Times in batches are of the log, whatever the wall clock of the test says.
#[test]
fn the_tests_own_times_are_those_of_the_log() {
    let product = Product::new();
    let batch = product.batch(&[(5, 0)]);
    let at = Timestamp::from_micros(batch.time_delta_ms[0] * 1_000);
    assert!(product.solo.log_time().since(at) <= Duration::from_millis(6));
}
