use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use daybook_proto::product_analytics::v1::{Event, Refusal};

use super::{names, properties, skipped, time};
use crate::otlp_messages::{
    AnyKind, AnyValue, ExportLogsServiceRequest, KeyValue, LogRecord, ResourceLogs, ScopeLogs, Text, TextList,
};
use crate::{EVENTS_MAX, Mapped, NotMapped, Why, otlp_json, otlp_protobuf};

fn with_records(records: Value) -> Value {
    json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "case-editor"}}]},
        "scopeLogs": [{"scope": {"name": "ui", "version": "1.0.0"}, "logRecords": records}]
    }]})
}

fn mapped(records: Value) -> Mapped {
    otlp_json(&with_records(records)).expect("a body of OTLP")
}

/// The record of an event with some attributes.
fn with_attributes(attributes: Value) -> Value {
    json!([{"eventName": "a", "attributes": attributes}])
}

fn why(record: Value) -> Why {
    let mapped = mapped(json!([record]));
    assert_eq!(mapped.events, []);
    mapped.skipped[0].why
}

/// What a browser sends.
fn records() -> Value {
    json!([
        {
            "timeUnixNano": "1772366400500000000",
            "observedTimeUnixNano": "1772366401000000000",
            "severityNumber": 9,
            "eventName": "copilot.answer_shown",
            "body": {"stringValue": "Ann Lee asked about her case"},
            "attributes": [
                {"key": "event.id", "value": {"stringValue": "e-1"}},
                {"key": "user.id", "value": {"stringValue": "clinician-17"}},
                {"key": "user.email", "value": {"stringValue": "ann@example.com"}},
                {"key": "session.id", "value": {"stringValue": "s-1"}},
                {"key": "client.address", "value": {"stringValue": "24.5.68.47"}},
                {"key": "daybook.consents", "value": {"arrayValue": {"values": [
                    {"stringValue": "product_improvement"}, {"stringValue": "Analytics"}, {"intValue": "1"}]}}},
                {"key": "copilot.latencyMs", "value": {"intValue": "840"}},
                {"key": "copilot.confidence", "value": {"doubleValue": 0.75}},
                {"key": "is.first", "value": {"boolValue": true}},
                {"key": "model", "value": {"stringValue": "small"}},
                {"key": "sources", "value": {"kvlistValue": {"values": []}}},
                {"key": "empty", "value": {}}
            ],
            "droppedAttributesCount": 0,
            "traceId": "5B8EFFF798038103D269B633813FC60C",
            "spanId": "EEE19B7EC3C1B174"
        },
        {"body": {"stringValue": "a line of a log"}, "attributes": []},
        {
            "observedTimeUnixNano": 1_772_366_401_000_000_000_u64,
            "attributes": [
                {"key": "event.name", "value": {"stringValue": "browser.mouse.click"}},
                {"key": "enduser.id", "value": {"intValue": 17}}
            ]
        }
    ])
}

/// The same records as the messages of protobuf.
fn messages() -> ExportLogsServiceRequest {
    let attribute = |key: &str, value: Option<AnyKind>| KeyValue { key: key.into(), value: Some(AnyValue { value }) };
    let text = |text: &str| Some(AnyKind::Text(text.into()));
    let list = |texts: &[Option<&str>]| {
        let values = texts.iter().map(|text| Text { text: text.map(str::to_owned) }).collect();
        Some(AnyKind::List(TextList { values }))
    };
    let first = LogRecord {
        time_unix_nano: 1_772_366_400_500_000_000,
        observed_time_unix_nano: 1_772_366_401_000_000_000,
        event_name: "copilot.answer_shown".into(),
        attributes: vec![
            attribute("event.id", text("e-1")),
            attribute("user.id", text("clinician-17")),
            attribute("user.email", text("ann@example.com")),
            attribute("session.id", text("s-1")),
            attribute("client.address", text("24.5.68.47")),
            attribute("daybook.consents", list(&[Some("product_improvement"), Some("Analytics"), None])),
            attribute("copilot.latencyMs", Some(AnyKind::Int(840))),
            attribute("copilot.confidence", Some(AnyKind::Double(0.75))),
            attribute("is.first", Some(AnyKind::Bool(true))),
            attribute("model", text("small")),
            attribute("sources", Some(AnyKind::Map(Vec::new()))),
            attribute("empty", None),
        ],
    };
    let third = LogRecord {
        observed_time_unix_nano: 1_772_366_401_000_000_000,
        attributes: vec![
            attribute("event.name", text("browser.mouse.click")),
            attribute("enduser.id", Some(AnyKind::Int(17))),
        ],
        ..Default::default()
    };
    with_messages(&[first, LogRecord::default(), third])
}

fn with_messages(records: &[LogRecord]) -> ExportLogsServiceRequest {
    let log_records = records.iter().map(|record| record.encode_to_vec().into()).collect();
    let scope_logs = vec![ScopeLogs { log_records, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] }
}

/// The same without the ids that were made of what the records hold.
fn without_ids(mapped: Mapped) -> Mapped {
    let without_id = |mut event: Event| {
        if event.event_id.starts_with("otlp/") {
            event.event_id.clear();
        }
        event
    };
    Mapped { events: mapped.events.into_iter().map(without_id).collect(), ..mapped }
}

/// How many properties did not pass.
fn left_out(mapped: &Mapped) -> u32 {
    mapped.left_out.values().sum()
}

#[test]
fn log_records_with_names_are_events() {
    let mapped = mapped(records());
    assert_eq!(names(&mapped), ["copilot.answer_shown", "browser.mouse.click"]);
    let [first, second] = mapped.events.as_slice() else { panic!("two events") };
    assert_eq!((first.event_id.as_str(), first.actor.as_str()), ("e-1", "clinician-17"));
    assert_eq!(first.consents, ["analytics", "product_improvement"]);
    assert_eq!(time(first), "2026-03-01T12:00:00.500Z");
    let expected = ["copilot_confidence=0.75", "copilot_latency_ms=840", "is_first=true", "model=small"];
    assert_eq!(properties(first), expected);
    let expected = [(("client", Refusal::AboutAPerson), 1), (("session", Refusal::AboutAPerson), 1)];
    let expected =
        expected.into_iter().chain([(("sources", Refusal::WrongValue), 1), (("user", Refusal::AboutAPerson), 1)]);
    let found = mapped.left_out.iter().map(|((name, why), count)| ((name.as_str(), *why), *count));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!((second.event_id.starts_with("otlp/"), second.actor.as_str()), (true, "17"));
    assert_eq!(time(second), "2026-03-01T12:00:01Z", "the time at which it was observed");
    assert_eq!((&second.properties, second.consents.len()), (&None, 0));
    assert_eq!(skipped(&mapped), [(1, Why::NotAnEvent)]);
}

#[test]
fn json_and_protobuf_are_the_same_events() {
    let (of_protobuf, of_json) = (otlp_protobuf(&messages().encode_to_vec()), otlp_json(&with_records(records())));
    assert_eq!(of_protobuf.map(without_ids), of_json.map(without_ids));
}

/// A request with all fields, as the messages of `opentelemetry-proto` 0.33.1 encode it: resource, scope, body, ids,
/// and an attribute of each kind.
const OF_THE_SDK: &str = "\
    0a84020a170a150a0c736572766963652e6e616d6512050a0373766312e5010a040a02756912d9010900e5a3d1d9b598\
    1810091a04494e464f2a080a0661206c696e65320f0a07757365722e696412040a02753132270a10646179626f6f6b2e\
    636f6e73656e747312132a110a0b0a09616e616c79746963730a02180132100a016e120b18fdffffffffffffffff0132\
    0e0a0164120921000000000000e03f32070a01621202100132110a016d120c320a0a080a017812030a017932090a0179\
    12043a020102380145010000004a10abababababababababababababababab5208cdcdcdcdcdcdcdcd59004a71efd9b5\
    9818620d636173652e6578706f727465641a01731a0172";

#[test]
fn what_the_sdk_encodes_is_read() {
    let byte = |at: usize| u8::from_str_radix(&OF_THE_SDK[at..at + 2], 16).expect("hex");
    let body: Vec<u8> = (0..OF_THE_SDK.len()).step_by(2).map(byte).collect();
    let mapped = otlp_protobuf(&body).expect("a body of OTLP");
    let event = &mapped.events[0];
    assert_eq!((event.name.as_str(), event.actor.as_str()), ("case.exported", "u1"));
    assert_eq!(
        (time(event).as_str(), event.consents.as_slice()),
        ("2026-03-01T12:00:00.500Z", &["analytics".into()][..])
    );
    assert_eq!(properties(event), ["b=true", "d=0.5", "n=-3"]);
    assert_eq!((mapped.events.len(), mapped.skipped.len(), left_out(&mapped)), (1, 0, 2), "a map and bytes");
}

#[test]
fn an_empty_body_has_no_events() {
    assert_eq!(otlp_json(&json!({})), Ok(Mapped::default()));
    assert_eq!(otlp_json(&json!({"resourceLogs": [{}, {"scopeLogs": [{}]}]})), Ok(Mapped::default()));
    assert_eq!(otlp_protobuf(&[]), Ok(Mapped::default()));
}

#[test]
fn a_body_of_another_shape_is_refused_with_its_place() {
    let place = |body: Value| otlp_json(&body).expect_err("refused").to_string();
    assert_eq!(otlp_json(&json!([])), Err(NotMapped::NotAnObject));
    assert_eq!(otlp_protobuf(b"{\"resourceLogs\":[]}"), Err(NotMapped::NotProtobuf));
    assert_eq!(place(json!({"resourceLogs": {}})), "resourceLogs must be a list");
    assert_eq!(place(json!({"resourceLogs": [1]})), "resourceLogs[0] must be an object");
    assert_eq!(place(json!({"resourceLogs": [{"scopeLogs": 1}]})), "resourceLogs[0].scopeLogs must be a list");
    let deeper = json!({"resourceLogs": [{"scopeLogs": [{}, {"logRecords": "x"}]}]});
    assert_eq!(place(deeper), "resourceLogs[0].scopeLogs[1].logRecords must be a list");
}

#[test]
fn a_record_that_is_wrong_is_skipped_with_its_field() {
    let wrong = |field, must_be| Why::WrongType { field, must_be };
    let attributes = wrong("attributes", "a list of objects with key and value");
    assert_eq!(why(json!("x")), Why::NotAnObject);
    assert_eq!(why(json!({"eventName": 1})), wrong("eventName", "a string"));
    let nanos = "nanoseconds since 1970, as a string of digits";
    assert_eq!(why(json!({"eventName": "a", "timeUnixNano": "soon"})), wrong("timeUnixNano", nanos));
    for bad in [json!({}), json!([1]), json!([{"key": 1}]), json!([{"key": "k", "value": "v"}])] {
        assert_eq!(why(json!({"eventName": "a", "attributes": bad})), attributes);
    }
    let two = json!([{"key": "k", "value": {"stringValue": "v", "intValue": 1}}]);
    assert_eq!(why(json!({"eventName": "a", "attributes": two})), attributes);
    assert_eq!(why(json!({"eventName": "Größe"})), Why::BadName { field: "event_name" });
    let same = json!([{"key": "a.b", "value": {"intValue": 1}}, {"key": "aB", "value": {"intValue": 2}}]);
    assert_eq!(why(json!({"eventName": "a", "attributes": same})), Why::SameName { field: "attributes" });
    let twice = json!([{"key": "user.id", "value": {"intValue": 1}}, {"key": "user.id", "value": {"intValue": 2}}]);
    assert_eq!(why(json!({"eventName": "a", "attributes": twice})), Why::SameName { field: "attributes" });
    let no_list = json!([{"key": "daybook.consents", "value": {"stringValue": "ads"}}]);
    let consents = wrong("daybook.consents", "a list of strings");
    assert_eq!(why(json!({"eventName": "a", "attributes": no_list})), consents);
}

#[test]
fn numbers_that_are_none_are_left_out() {
    for double in ["NaN", "Infinity", "-Infinity"] {
        let mapped = mapped(with_attributes(json!([{"key": "x", "value": {"doubleValue": double}}])));
        assert_eq!((mapped.events.len(), left_out(&mapped)), (1, 1), "{double}");
    }
}

#[test]
fn attributes_about_persons_are_left_out_by_their_namespace() {
    let namespaces = [
        "client",
        "context",
        "device",
        "enduser",
        "exception",
        "geo",
        "host",
        "http",
        "network",
        "session",
        "source",
        "traits",
        "url",
        "user",
        "user_agent",
        "User",
    ];
    for namespace in namespaces {
        let key = format!("{namespace}.anything");
        let mapped = mapped(with_attributes(json!([{"key": key, "value": {"intValue": 1}}])));
        assert_eq!((&mapped.events[0].properties, left_out(&mapped)), (&None, 1), "{namespace}");
    }
    let mapped = mapped(with_attributes(json!([{"key": "source", "value": {"stringValue": "menu"}}])));
    assert_eq!(properties(&mapped.events[0]), ["source=menu"], "a word of its own is no namespace");
}

/// The ids of the events of some exports.
fn ids(bodies: &[Value]) -> Vec<Vec<String>> {
    let of = |body| otlp_json(body).expect("a body of OTLP").events.into_iter().map(|event| event.event_id).collect();
    bodies.iter().map(of).collect()
}

fn at(nanos: u64, attributes: &Value) -> Value {
    json!({"eventName": "a", "timeUnixNano": nanos.to_string(), "attributes": attributes, "body": {"stringValue": "b"}})
}

#[test]
fn an_export_that_is_sent_again_has_the_ids_it_had() {
    let none = json!([]);
    let (first, second) = (at(1_772_366_400_000_000_000, &none), at(1_772_366_400_000_000_001, &none));
    let body = with_records(json!([first, second, first]));
    let sent = ids(&[body.clone(), body, with_records(json!([first, first])), with_records(json!([second]))]);
    assert_eq!(sent[0], sent[1], "the same export");
    assert_ne!(sent[0][0], sent[0][1], "another time");
    assert_ne!(sent[0][0], sent[0][2], "equal, and two");
    assert_eq!(sent[2], [sent[0][0].clone(), sent[0][2].clone()], "in other company");
    assert_eq!(sent[3], [sent[0][1].clone()]);
    let of_protobuf = || otlp_protobuf(&messages().encode_to_vec()).expect("a body of OTLP").events[1].event_id.clone();
    assert_eq!(of_protobuf(), of_protobuf());
    assert!(of_protobuf().starts_with("otlp/"));
}

#[test]
fn an_id_tells_apart_what_differs_anywhere() {
    let none = json!([]);
    let time = 1_772_366_400_000_000_000;
    let with = |change: fn(&mut Value)| {
        let mut body = with_records(json!([at(time, &none)]));
        change(&mut body);
        body
    };
    let bodies = [
        with(|_| {}),
        with(|body| body["resourceLogs"][0]["resource"]["attributes"][0]["key"] = "service.version".into()),
        with(|body| body["resourceLogs"][0]["scopeLogs"][0]["scope"]["version"] = "1.0.1".into()),
        with(|body| body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"] = "c".into()),
        with(|body| body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["traceId"] = "5b8e".into()),
        with(|body| body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["timeUnixNano"] = "1772366400".into()),
    ];
    let mut sent = ids(&bodies).concat();
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), bodies.len());
}

#[test]
fn a_record_of_no_time_gets_no_id_and_one_with_an_id_keeps_it() {
    let timeless = with_records(json!([{"eventName": "a"}]));
    let named = with_records(json!([at(1, &json!([{"key": "event.id", "value": {"stringValue": "e-1"}}]))]));
    assert_eq!(ids(&[timeless, named]), [[""], ["e-1"]]);
}

#[test]
fn a_record_that_is_no_protobuf_does_not_take_the_others_with_it() {
    let mut body = messages();
    body.resource_logs[0].scope_logs[0].log_records[0] = vec![0xff; 7].into();
    let mapped = otlp_protobuf(&body.encode_to_vec()).expect("a body of OTLP");
    assert_eq!(names(&mapped), ["browser.mouse.click"]);
    assert_eq!(skipped(&mapped), [(0, Why::NotProtobuf), (1, Why::NotAnEvent)]);
    assert_eq!(mapped.places().collect::<Vec<_>>(), [2]);
}

#[test]
fn names_that_hold_personal_data_refuse_the_record() {
    let personal = Why::PersonalData { field: "event_name" };
    for name in ["https://jana:tajneheslo@db.firma-praha.cz/x", "AKIAIOSFODNN7EXAMPLE", "jana.novak@firma-praha.cz"] {
        assert_eq!(why(json!({"eventName": name})), personal, "{name}");
        let attribute = json!([{"key": name, "value": {"boolValue": true}}]);
        assert_eq!(why(json!({"eventName": "a", "attributes": attribute})), Why::PersonalData { field: "attributes" });
        let deprecated = json!([{"key": "event.name", "value": {"stringValue": name}}]);
        assert_eq!(why(json!({"attributes": deprecated})), personal, "{name}");
    }
}

#[test]
fn ids_are_bounded_and_purposes_stand_once() {
    let long = json!([{"key": "user.id", "value": {"stringValue": "u".repeat(1_001)}}]);
    assert_eq!(why(json!({"eventName": "a", "attributes": long})), Why::TooLong { field: "user.id" });
    let wrong = json!([{"key": "event.id", "value": {"boolValue": true}}]);
    let must_be = "a string";
    assert_eq!(why(json!({"eventName": "a", "attributes": wrong})), Why::WrongType { field: "event.id", must_be });
    let purposes = json!([{"stringValue": "Ads"}, {"stringValue": "ads"}, {"stringValue": "größe"}]);
    let twice = json!([{"key": "daybook.consents", "value": {"arrayValue": {"values": purposes}}}]);
    assert_eq!(mapped(with_attributes(twice)).events[0].consents, ["ads"]);
}

#[test]
fn the_deprecated_name_is_no_property() {
    let name = json!([{"key": "event.name", "value": {"stringValue": "old"}}]);
    let mapped = mapped(with_attributes(name));
    assert_eq!((names(&mapped), &mapped.events[0].properties), (vec!["a"], &None));
}

#[test]
fn the_bound_holds_over_all_scopes() {
    let scopes = |count: usize| {
        let scope = |count| json!({"logRecords": vec![json!({"eventName": "a"}); count]});
        let (first, second) = (scope(EVENTS_MAX / 2), scope(count - EVENTS_MAX / 2));
        json!({"resourceLogs": [{"scopeLogs": [first]}, {"scopeLogs": [second]}]})
    };
    assert_eq!(otlp_json(&scopes(EVENTS_MAX)).map(|mapped| mapped.events.len()), Ok(EVENTS_MAX));
    assert_eq!(otlp_json(&scopes(EVENTS_MAX + 1)), Err(NotMapped::TooMany { count: EVENTS_MAX + 1 }));
    let body = with_messages(&vec![LogRecord::default(); EVENTS_MAX + 1]);
    assert_eq!(otlp_protobuf(&body.encode_to_vec()), Err(NotMapped::TooMany { count: EVENTS_MAX + 1 }));
}

/// A value as JSON and as protobuf has it.
fn any_value() -> impl Strategy<Value = (Value, AnyKind)> {
    prop_oneof![
        "\\PC{0,8}".prop_map(|text| (json!({"stringValue": text}), AnyKind::Text(text))),
        any::<bool>().prop_map(|value| (json!({"boolValue": value}), AnyKind::Bool(value))),
        any::<i64>().prop_map(|number| (json!({"intValue": number.to_string()}), AnyKind::Int(number))),
        (-1e9..1e9_f64).prop_map(|number| (json!({"doubleValue": number}), AnyKind::Double(number))),
        Just((json!({"bytesValue": "AA=="}), AnyKind::Bytes(vec![0]))),
    ]
}

fn any_attribute_key() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &["event.name", "event.id", "user.id", "enduser.id", "session.id", "daybook.consents", "a.b"];
    prop_oneof![prop::sample::select(KEYS).prop_map(str::to_owned), "[a-zA-Z._]{0,8}", "\\PC{0,4}"]
}

/// Any JSON, of the words of OTLP.
fn any_body() -> impl Strategy<Value = Value> {
    const KEYS: &[&str] = &[
        "resourceLogs",
        "scopeLogs",
        "logRecords",
        "eventName",
        "attributes",
        "timeUnixNano",
        "key",
        "value",
        "values",
        "arrayValue",
        "stringValue",
        "intValue",
        "doubleValue",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let object =
            prop::collection::btree_map(prop::sample::select(KEYS).prop_map(str::to_owned), inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_record_is_the_same_in_both_encodings(
        name in "[a-z]{0,4}|\\PC{0,8}",
        time in any::<u64>(),
        attributes in prop::collection::vec((any_attribute_key(), any_value()), 0..6),
    ) {
        let of_json: Vec<Value> =
            attributes.iter().map(|(key, (value, _))| json!({"key": key, "value": value})).collect();
        let json = with_records(json!([
            {"eventName": name, "timeUnixNano": time.to_string(), "attributes": of_json}
        ]));
        let of_protobuf = attributes.into_iter().map(|(key, (_, kind))| {
            KeyValue { key, value: Some(AnyValue { value: Some(kind) }) }
        });
        let record = LogRecord {
            event_name: name, time_unix_nano: time, attributes: of_protobuf.collect(), ..Default::default()
        };
        let mapped = otlp_json(&json).map(without_ids);
        prop_assert_eq!(&otlp_protobuf(&with_messages(&[record]).encode_to_vec()).map(without_ids), &mapped);
        prop_assert!(!format!("{mapped:?}").contains("case-editor"), "the resource does not pass");
    }

    #[test]
    fn any_json_is_mapped_or_refused(body in any_body(), record in any_body()) {
        let _ = otlp_json(&body);
        if let Ok(mapped) = otlp_json(&with_records(json!([record]))) {
            prop_assert_eq!(mapped.events.len() + mapped.skipped.len(), 1);
        }
    }

    #[test]
    fn any_bytes_are_mapped_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = otlp_protobuf(&bytes);
    }
}
