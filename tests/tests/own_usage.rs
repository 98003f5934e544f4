//! What Daybook itself is used for, as events of the tenant that was called: only where they are registered, and never of
//! what records them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use daybook_instrument::files;
use daybook_proto::legal_hold::v1::{ListHoldsRequest, ListHoldsResponse, PlaceHoldResponse, Scope};
use daybook_proto::platform::v1::{CreateTenantRequest, CreateTenantResponse};
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::*;
use daybook_tests::events;
use daybook_tests::eventually;
use daybook_tests::node::{Node, new_id};
use daybook_tests::people::{ANNA, FEEDER, LEA, LEO, NORA, ROOT};
use daybook_tests::requests::{on, place};

/// Longer than the node waits before it sends.
const SENT_BY_THEN: Duration = Duration::from_secs(7);

async fn register(node: &Node, without_consent: &str) {
    let profile = MinimisationProfile {
        purposes_without_consent: vec![without_consent.into()],
        suppress_below: 1,
        ..Default::default()
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/events-of-daybook");
    let schemas = files::read(&[folder]).expect("the schemas that ship").schemas();
    events::register(node, profile, schemas).await;
}

/// Holds of two people: placed, not valid, denied, looked at.
async fn work(node: &Node) {
    for id in ["h1", "h2"] {
        let _: PlaceHoldResponse = node.ask(&LEA, &place(id, on("ada@example.org"))).await;
    }
    let _: PlaceHoldResponse = node.ask(&LEO, &place("h3", on("ada@example.org"))).await;
    let not_valid = node.try_ask::<_, PlaceHoldResponse>(&LEA, &place("h4", Scope::default())).await;
    assert_eq!(not_valid.unwrap_err().code(), tonic::Code::InvalidArgument);
    for _ in 0..2 {
        let denied = node.try_ask::<_, PlaceHoldResponse>(&NORA, &place("h4", on("ada@example.org"))).await;
        assert_eq!(denied.unwrap_err().code(), tonic::Code::PermissionDenied);
    }
    for _ in 0..4 {
        let _: ListHoldsResponse = node.ask(&LEA, &ListHoldsRequest::default()).await;
    }
}

/// Events and actors of an event, by the values of one of its properties.
async fn counted(node: &Node, event: &str, by: &str, filters: &[(&str, &str)]) -> BTreeMap<String, (i64, i64)> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let filters = filters.iter().map(|(property, value)| PropertyFilter {
        property: (*property).into(),
        any_of: vec![(*value).into()],
        ..Default::default()
    });
    let usage = UsageMetric { events: Some(EventSelector { names: vec![event.into()], ..Default::default() }) };
    let query = QueryMetricRequest {
        metric: Some(MetricDefinition { metric: Some(Metric::Usage(usage)), ..Default::default() }),
        start_time: time(now - 86_400),
        end_time: time(now + 86_400),
        filters: filters.collect(),
        breakdown: Some(Breakdown { by: Some(breakdown::By::Property(by.into())), limit: 100 }),
        ..Default::default()
    };
    let answer: QueryMetricResponse = node.ask(&ANNA, &query).await;
    let row = |row: &Row| {
        let number = |at: usize| match &row.cells[at].value {
            Some(cell::Value::Integer(number)) => *number,
            other => panic!("no number: {other:?}"),
        };
        let Some(cell::Value::Text(value)) = row.cells[0].value.clone() else { panic!("{:?}", row.cells[0]) };
        (value, (number(1), number(2)))
    };
    answer.rows.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_counted_where_a_tenant_has_registered_them() {
    let node = Node::start().await;
    register(&node, "operations").await;
    // Of another tenant, which has registered nothing.
    let create = CreateTenantRequest { new_tenant_id: "globex".into(), ..Default::default() };
    let _: CreateTenantResponse = node.ask(&ROOT, &create).await;
    let record = RecordEventsRequest {
        command_id: new_id(),
        events: vec![Event { name: "no.such_event".into(), ..Default::default() }],
        ..Default::default()
    };
    let _: RecordEventsResponse = node.ask(&FEEDER, &record).await;
    work(&node).await;

    eventually("what was done is counted", async || {
        let commands = counted(&node, "daybook.command_sent", "method", &[]).await;
        let queries = counted(&node, "daybook.query_asked", "method", &[]).await;
        let are_there = commands.get("PlaceHold").is_some_and(|(events, _)| *events >= 4)
            && queries.get("ListHolds").is_some_and(|(events, _)| *events >= 4);
        are_there.then_some(())
    })
    .await;
    // Whatever else there may be has time to come.
    tokio::time::sleep(SENT_BY_THEN).await;
    let commands = counted(&node, "daybook.command_sent", "method", &[]).await;
    // Callers who may not call a method at all leave nothing on the log, not even that they called it.
    assert_eq!(commands["PlaceHold"], (4, 2), "{commands:?}");
    let of_others: Vec<_> =
        commands.keys().filter(|method| !method.starts_with("Set") && *method != "PlaceHold").collect();
    assert!(of_others.is_empty(), "recording is not noted, nor what others were asked: {of_others:?}");
    let queries = counted(&node, "daybook.query_asked", "method", &[]).await;
    assert_eq!(queries["ListHolds"], (4, 1));
    assert!(queries.keys().all(|method| ["ListHolds", "QueryMetric"].contains(&method.as_str())), "{queries:?}");
    let of_holds = [("method", "PlaceHold"), ("domain", "legal_hold"), ("caller", "person")];
    let outcomes = counted(&node, "daybook.command_sent", "outcome", &of_holds).await;
    let expected = [("accepted", (3, 2)), ("invalid", (1, 1))];
    assert_eq!(outcomes, expected.map(|(outcome, count)| (outcome.to_owned(), count)).into());
    let refused: ListRefusedEventsResponse = node.ask(&ANNA, &ListRefusedEventsRequest::default()).await;
    let names: Vec<_> = refused.refused.iter().map(|refused| refused.name.as_str()).collect();
    assert!(!names.iter().any(|name| name.starts_with("daybook.")), "what ships fits: {names:?}");
}

/// Works, and says by how many commands the log grew afterwards.
async fn growth(node: &Node) -> u64 {
    work(node).await;
    let before = node.mark().await.commands();
    tokio::time::sleep(SENT_BY_THEN).await;
    node.mark().await.commands() - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_for_a_tenant_that_has_not_registered_them() {
    let node = Node::start().await;
    assert_eq!(growth(&node).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_where_each_actor_would_have_to_agree() {
    let node = Node::start().await;
    register(&node, "safety").await;
    assert_eq!(growth(&node).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_where_it_is_switched_off() {
    let node = Node::start_with(|config| config.analytics.own_usage = false).await;
    register(&node, "operations").await;
    assert_eq!(growth(&node).await, 0);
}
