//! Exports: who may ask for them, what they say, when they are made by themselves.

use daybook_kernel::key::All;
use daybook_proto::product_analytics::v1::*;
use product_analytics_projection::Event;
use prost_types::{Duration, Timestamp};

use crate::product::{DAY, HOUR, Product};

fn content() -> EventExportContent {
    EventExportContent { events: true, ..Default::default() }
}

fn request(days: i64) -> ExportEventsRequest {
    let time = |seconds| Some(Timestamp { seconds, nanos: 0 });
    ExportEventsRequest {
        content: Some(content()),
        start_time: time(0),
        end_time: time(days * 86_400),
        ..Default::default()
    }
}

fn exports(product: &Product) -> Vec<EventExport> {
    product.tables().exports().scan(All).map(|row| row.unwrap().1.export.unwrap()).collect()
}

#[test]
fn an_export_runs_until_its_outcome_is_recorded() {
    let mut product = Product::new();
    let events = product.ask("ExportEvents", &request(1), "privacy").unwrap();
    let [Event::EventExportRequested(requested)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(exports(&product)[0].state(), EventExportState::Running);
    product.solo.settle();
    let done = &exports(&product)[0];
    assert_eq!((done.state(), &done.export_id), (EventExportState::Done, &requested.export_id));
    assert!(done.files.is_some() && done.finished_at.is_some());
    product.solo.check_replay();
}

#[test]
fn who_may_export() {
    let mut product = Product::new();
    for role in ["product", "service", "analyst", "auditor", "admin"] {
        assert_eq!(product.ask("ExportEvents", &request(1), role).unwrap_err(), "POLICY_DENIED", "{role}");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let mut product = Product::new();
    let metric = |name: &str| ExportedMetric { name: name.into(), ..Default::default() };
    let of = |content: EventExportContent| ExportEventsRequest { content: Some(content), ..request(1) };
    let nothing = EventExportContent::default();
    let twice = EventExportContent { metrics: vec![metric("a"), metric("a")], ..Default::default() };
    let nameless = EventExportContent { metrics: vec![metric("")], ..content() };
    let unknown = EventExportContent { metrics: vec![ExportedMetric { granularity: 9, ..metric("a") }], ..content() };
    let wrong = [
        request(0),
        request(401),
        of(nothing),
        of(twice),
        of(nameless),
        of(unknown),
        ExportEventsRequest { content: None, ..request(1) },
        ExportEventsRequest { start_time: None, ..request(1) },
    ];
    for request in wrong {
        assert_eq!(product.ask("ExportEvents", &request, "privacy").unwrap_err(), "INVALID_ARGUMENT", "{request:?}");
    }
    assert!(exports(&product).is_empty());
}

#[test]
fn a_schedule_exports_the_whole_days_before_its_time_again_and_again_until_it_ends() {
    let mut product = Product::new();
    let set = |product: &mut Product, every: Option<i64>| {
        let schedule = EventExportSchedule {
            every: every.map(|seconds| Duration { seconds, nanos: 0 }),
            days: 2,
            content: Some(content()),
        };
        let request = SetEventExportScheduleRequest { schedule: Some(schedule), ..Default::default() };
        product.ask("SetEventExportSchedule", &request, "privacy").map(|_| ())
    };
    assert_eq!(set(&mut product, Some(60)), Err("INVALID_ARGUMENT".into()), "once a minute is too often");
    set(&mut product, Some(86_400)).unwrap();
    product.solo.settle();
    assert!(exports(&product).is_empty(), "not before its time");
    for made in 1..=3 {
        product.solo.advance(DAY);
        product.solo.settle();
        let exports = exports(&product);
        assert_eq!(exports.len(), made);
        let last = exports.last().unwrap();
        let (start, end) = (last.start_time.unwrap().seconds, last.end_time.unwrap().seconds);
        assert_eq!((end % 86_400, end - start, last.is_scheduled), (0, 2 * 86_400, true));
        let now = product.solo.log_time().as_micros() / 1_000_000;
        assert!((0..86_400).contains(&(now - end)), "its last day is the one that ended last");
        product.solo.advance(HOUR);
        product.solo.settle();
    }
    set(&mut product, None).unwrap();
    product.solo.advance(3 * DAY);
    product.solo.settle();
    assert_eq!(exports(&product).len(), 3);
    product.solo.check_replay();
}

#[test]
fn the_last_thousand_exports_are_remembered() {
    let mut product = Product::new();
    for _ in 0..1_003 {
        product.ask("ExportEvents", &request(1), "privacy").unwrap();
    }
    product.solo.settle();
    let exports = exports(&product);
    assert_eq!(exports.len(), 1_000);
    assert!(exports.iter().all(|export| export.state() == EventExportState::Done), "outcomes of older ones do no harm");
}
