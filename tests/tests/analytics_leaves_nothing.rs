//! Nothing personal of product analytics is on any disk: thousands of labelled values are thrown at the door in every place
//! where a careless program could put one (as the actor, in ids, in names, in keys, nested, encoded), and afterwards every
//! file below the data folder, every row of every database in it, the exported decisions and the answers are searched.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daybook_proto::node::v1::*;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, *};
use daybook_server::FIRST_TENANT;
use daybook_testkit::personal::{KINDS, Personal};
use daybook_tests::disk::{files, rows};
use daybook_tests::events;
use daybook_tests::node::Node;
use daybook_tests::people::{ANNA, AUDREY, FEEDER};
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Timestamp, Value};
use regex::bytes::Regex;

/// Values of each kind.
const OF_EACH: usize = 40;
/// An id of a thing, which stays: the search can find something.
const MARKER: &str = "case-marker.of:this-test";

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn properties(properties: &[(&str, Value)]) -> Option<Struct> {
    let fields = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Some(Struct { fields })
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Events with a value in every place.
fn careless(value: &str) -> Vec<Event> {
    let event = || Event { name: "case.opened".into(), ..Default::default() };
    let of = |properties_of: &[(&str, Value)]| Event { properties: properties(properties_of), ..event() };
    let nested =
        Value { kind: Some(Kind::StructValue(Struct { fields: BTreeMap::from([(value.to_owned(), text(value))]) })) };
    let listed = Value { kind: Some(Kind::ListValue(ListValue { values: vec![text(value), nested.clone()] })) };
    let number = value.parse().ok().map(|number| of(&[("pages", Value { kind: Some(Kind::NumberValue(number)) })]));
    let mut events = vec![
        // Where it belongs: it becomes a pseudonym.
        Event { actor: value.to_owned(), event_id: format!("{value}-{}", value.len()), ..event() },
        Event { event_id: value.to_owned(), ..event() },
        Event { name: value.to_owned(), ..event() },
        Event { name: format!("case.{}", value.to_lowercase()), ..event() },
        Event { consents: vec![value.to_owned()], ..event() },
        of(&[("case_id", text(value))]),
        of(&[("case_id", text(&percent(value)))]),
        of(&[("case_id", text(&STANDARD.encode(value)))]),
        of(&[("kind", text(value))]),
        of(&[("pages", text(value))]),
        of(&[(value, text("civil"))]),
        of(&[(&value.to_lowercase(), text("civil"))]),
        of(&[("case_id", nested.clone())]),
        of(&[("note", nested)]),
        of(&[("kind", listed)]),
        of(&[("is_new", text(value))]),
    ];
    events.extend(number);
    events
}

fn schema() -> EventSchema {
    let property = |name: &str, of: PropertyType| PropertySchema {
        name: name.to_owned(),
        r#type: of.into(),
        ..Default::default()
    };
    EventSchema {
        name: "case.opened".into(),
        version: 1,
        purpose: "product".into(),
        properties: vec![
            property("case_id", PropertyType::OpaqueId),
            PropertySchema { values: vec!["civil".into(), "tax".into()], ..property("kind", PropertyType::Enum) },
            PropertySchema { minimum: 0, maximum: 500, ..property("pages", PropertyType::Integer) },
            property("is_new", PropertyType::Boolean),
        ],
        ..Default::default()
    }
}

/// Which of the values are somewhere, and where.
fn find(wanted: &Regex, places: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<String> {
    let mut found = Vec::new();
    for (place, bytes) in places {
        found.extend(
            wanted.find_iter(&bytes).map(|at| format!("{} in {place}", String::from_utf8_lossy(at.as_bytes()))),
        );
    }
    found
}

fn any_of(values: &[String]) -> Regex {
    // In base64, what begins at a multiple of three bytes looks the same wherever it stands.
    let encoded = |value: &String| STANDARD.encode(&value.as_bytes()[..value.len() / 3 * 3]);
    let forms = values.iter().flat_map(|value| [value.clone(), value.to_lowercase(), percent(value), encoded(value)]);
    let forms: Vec<_> = forms.filter(|form| form.len() >= 8).map(|form| regex::escape(&form)).collect();
    Regex::new(&forms.join("|")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_row_export_or_answer_holds_what_was_thrown_at_the_door() {
    let node = Node::start().await;
    let profile = MinimisationProfile { purposes_without_consent: vec!["product".into()], ..Default::default() };
    events::register(&node, profile, vec![schema()]).await;

    let mut personal = Personal::new(11);
    let values: Vec<String> =
        KINDS.iter().flat_map(|kind| (0..OF_EACH).map(|_| personal.value(kind)).collect::<Vec<_>>()).collect();
    assert!(values.len() > 1_000, "{} values", values.len());
    let marked = Event {
        name: "case.opened".into(),
        properties: properties(&[("case_id", text(MARKER))]),
        ..Default::default()
    };
    let (mut accepted, mut refused) = (0, BTreeMap::new());
    let (mut answers, mut positions) = (Vec::new(), Vec::new());
    let events: Vec<Event> = values.iter().flat_map(|value| careless(value)).chain([marked]).collect();
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

    // What is asked of it.
    let list = ListRefusedEventsRequest { page_size: 1_000, ..Default::default() };
    let list: ListRefusedEventsResponse = node.ask(&ANNA, &list).await;
    answers.push(("the list of what was refused".to_owned(), list.encode_to_vec()));
    let query = QueryMetricRequest {
        metric: Some(MetricDefinition { metric: Some(Metric::Usage(UsageMetric::default())), ..Default::default() }),
        start_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        end_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        breakdown: Some(Breakdown { by: Some(breakdown::By::Property("case_id".into())), limit: 100 }),
        ..Default::default()
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let query = QueryMetricRequest {
        start_time: Some(Timestamp { seconds: now - 86_400, nanos: 0 }),
        end_time: Some(Timestamp { seconds: now + 86_400, nanos: 0 }),
        ..query
    };
    let answer: QueryMetricResponse = node.ask(&ANNA, &query).await;
    answers.push(("a metric".to_owned(), answer.encode_to_vec()));
    let export = ExportDecisionsRequest {
        tenant_id: FIRST_TENANT.into(),
        partition: positions[0].partition,
        command_offsets: positions.iter().map(|position| position.offset).collect(),
        ..Default::default()
    };
    let export: ExportDecisionsResponse = node.ask(&AUDREY, &export).await;
    assert!(export.encoded_len() > 10_000, "decisions with their events");
    answers.push(("the exported decisions".to_owned(), export.encode_to_vec()));

    let wanted = any_of(&values);
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
    assert!(
        found.iter().any(|place| place.contains("/log")) && found.iter().any(|place| place.contains("/store")),
        "{found:?}"
    );
}
