use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

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
    let scope_logs = vec![ScopeLogs { log_records: vec![first, LogRecord::default(), third] }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs }] }
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
    assert_eq!(mapped.left_out, 4, "user.email, session.id, client.address, sources");
    assert_eq!((second.event_id.as_str(), second.actor.as_str()), ("", "17"));
    assert_eq!(time(second), "2026-03-01T12:00:01Z", "the time at which it was observed");
    assert_eq!((&second.properties, second.consents.len()), (&None, 0));
    assert_eq!(skipped(&mapped), [(1, Why::NotAnEvent)]);
}

#[test]
fn json_and_protobuf_are_the_same_events() {
    assert_eq!(otlp_protobuf(&messages().encode_to_vec()), otlp_json(&with_records(records())));
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
    assert_eq!((event.name.as_str(), event.actor.as_str(), event.event_id.as_str()), ("case.exported", "u1", ""));
    assert_eq!(
        (time(event).as_str(), event.consents.as_slice()),
        ("2026-03-01T12:00:00.500Z", &["analytics".into()][..])
    );
    assert_eq!(properties(event), ["b=true", "d=0.5", "n=-3"]);
    assert_eq!((mapped.events.len(), mapped.skipped.len(), mapped.left_out), (1, 0, 2), "a map and bytes");
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
        assert_eq!((mapped.events.len(), mapped.left_out), (1, 1), "{double}");
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
        assert_eq!((&mapped.events[0].properties, mapped.left_out), (&None, 1), "{namespace}");
    }
    let mapped = mapped(with_attributes(json!([{"key": "source", "value": {"stringValue": "menu"}}])));
    assert_eq!(properties(&mapped.events[0]), ["source=menu"], "a word of its own is no namespace");
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
    let log_records = vec![LogRecord::default(); EVENTS_MAX + 1];
    let scope_logs = vec![ScopeLogs { log_records }];
    let body = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs }] };
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
        let scope_logs = vec![ScopeLogs { log_records: vec![record] }];
        let protobuf = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs }] };
        let mapped = otlp_json(&json);
        prop_assert_eq!(&otlp_protobuf(&protobuf.encode_to_vec()), &mapped);
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
