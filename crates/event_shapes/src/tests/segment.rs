use daybook_proto::product_analytics::v1::Refusal;
use proptest::prelude::*;
use prost_types::Timestamp;
use serde_json::{Value, json};

use super::{names, properties, skipped, time};
use crate::{EVENTS_MAX, Mapped, NotMapped, SegmentCall, Why, segment, times};

fn now() -> Timestamp {
    times::parse("2026-03-01T12:00:00Z").expect("a time")
}

fn mapped(call: Option<SegmentCall>, body: &Value) -> Mapped {
    segment(call, body, now()).expect("a body of the tracking API")
}

/// The only event of a body.
fn event(call: SegmentCall, body: &Value) -> daybook_proto::product_analytics::v1::Event {
    let mapped = mapped(Some(call), body);
    assert_eq!((mapped.events.len(), &mapped.skipped), (1, &vec![]));
    mapped.events[0].clone()
}

/// Why there is no event of a body.
fn why(call: SegmentCall, body: &Value) -> Why {
    let mapped = mapped(Some(call), body);
    assert_eq!(mapped.events.len(), 0, "{mapped:?}");
    mapped.skipped[0].why
}

/// A call with everything that an SDK adds.
fn track() -> Value {
    json!({
        "type": "track",
        "messageId": "ajs-next-4f5b3d0a-6f0e-4a3b-9d3a-1c2b3a4d5e6f",
        "userId": "clinician-17",
        "anonymousId": "507f191e810c19729de860ea",
        "event": "Case Exported",
        "properties": {
            "fileFormat": "pdf", "pageCount": 12, "isFirst": true, "price": 14.5,
            "caseId": "case-77", "plan": null,
            "cart": {"itemCount": 3, "lines": [1, 2]}, "tags": ["a", "b"],
            "email": "ann@example.com", "clientIp": "24.5.68.47", "user": {"plan": "pro"}
        },
        "context": {
            "ip": "24.5.68.47", "userAgent": "Mozilla/5.0", "locale": "de-DE",
            "traits": {"email": "ann@example.com"},
            "page": {"path": "/cases/77", "url": "https://app.example.com/cases/77"},
            "library": {"name": "analytics.js", "version": "npm:next-1.70.0"},
            "consent": {"categoryPreferences": {"Advertising": false, "Product Improvement": true, "analytics": true}}
        },
        "integrations": {"All": true},
        "writeKey": "not-read-here",
        "timestamp": "2026-03-01T12:59:50.000Z",
        "sentAt": "2026-03-01T13:00:00.000Z"
    })
}

#[test]
fn a_track_call_is_an_event() {
    let mapped = mapped(Some(SegmentCall::Track), &track());
    let event = &mapped.events[0];
    assert_eq!(event.name, "case_exported");
    assert_eq!(event.event_id, "ajs-next-4f5b3d0a-6f0e-4a3b-9d3a-1c2b3a4d5e6f");
    assert_eq!(event.actor, "clinician-17");
    assert_eq!(event.schema_version, 0);
    assert_eq!(event.consents, ["analytics", "product_improvement"]);
    assert_eq!(time(event), "2026-03-01T11:59:50Z", "the sender's clock is an hour ahead");
    let expected =
        ["cart_item_count=3", "case_id=case-77", "file_format=pdf", "is_first=true", "page_count=12", "price=14.5"];
    assert_eq!(properties(event), expected);
    let left_out = mapped.left_out.iter().map(|((name, why), count)| (name.as_str(), *why, *count));
    let expected = [
        ("cart_lines", Refusal::WrongValue, 1),
        ("email", Refusal::AboutAPerson, 1),
        ("ip", Refusal::AboutAPerson, 1),
        ("tags", Refusal::WrongValue, 1),
        ("user", Refusal::AboutAPerson, 1),
    ];
    assert_eq!(left_out.collect::<Vec<_>>(), expected);
    assert_eq!(skipped(&mapped), []);
}

#[test]
fn pages_and_screens_are_events_of_their_names() {
    let page = json!({
        "userId": "u", "name": "Case Overview", "category": "Cases",
        "properties": {
            "name": "Case Overview", "category": "Cases", "path": "/cases", "referrer": "", "search": "?q=ann",
            "title": "Ann Lee", "url": "https://app.example.com/cases?q=ann"
        }
    });
    let seen = event(SegmentCall::Page, &page);
    assert_eq!(seen.name, "page.viewed");
    assert_eq!(properties(&seen), ["category=Cases", "page=case_overview"]);
    let seen =
        event(SegmentCall::Screen, &json!({"anonymousId": "a", "properties": {"name": "Home", "variation": "blue"}}));
    assert_eq!((seen.name.as_str(), seen.actor.as_str()), ("screen.viewed", "a"));
    assert_eq!(properties(&seen), ["screen=home", "variation=blue"]);
    let seen = event(SegmentCall::Page, &json!({"userId": "u"}));
    assert_eq!(properties(&seen), [""; 0], "analytics.js sends pages without names");
    let twice = json!({"name": "Home", "properties": {"page": "other"}});
    assert_eq!(why(SegmentCall::Page, &twice), Why::SameName { field: "properties" });
}

#[test]
fn calls_about_persons_are_not_recorded() {
    let body = json!({"userId": "u", "traits": {"email": "ann@example.com"}, "groupId": "g", "previousId": "p"});
    for call in [SegmentCall::Identify, SegmentCall::Group, SegmentCall::Alias] {
        assert_eq!(why(call, &body), Why::AboutPersons);
    }
}

#[test]
fn the_path_or_the_type_says_which_call_it_is() {
    for (path, call) in [
        ("track", SegmentCall::Track),
        ("t", SegmentCall::Track),
        ("p", SegmentCall::Page),
        ("s", SegmentCall::Screen),
        ("i", SegmentCall::Identify),
        ("g", SegmentCall::Group),
        ("a", SegmentCall::Alias),
        ("b", SegmentCall::Batch),
        ("import", SegmentCall::Batch),
    ] {
        assert_eq!(SegmentCall::from_path(path), Some(call), "{path}");
    }
    assert_eq!(SegmentCall::from_path("logs"), None);
    assert_eq!(names(&mapped(None, &track())), ["case_exported"]);
    assert_eq!(names(&mapped(None, &json!({"batch": [track()]}))), ["case_exported"]);
    assert_eq!(skipped(&mapped(None, &json!({"event": "A"}))), [(0, Why::NoCall)]);
    assert_eq!(why(SegmentCall::Page, &track()), Why::OtherCall);
    for unknown in [json!("Track"), json!("batch"), json!(1)] {
        assert_eq!(skipped(&mapped(None, &json!({"type": unknown, "event": "A"}))), [(0, Why::NoCall)]);
    }
}

#[test]
fn of_a_batch_the_good_half_counts() {
    let body = json!({
        "batch": [
            {"type": "identify", "userId": "u", "traits": {"email": "jake@example.com"}},
            {"type": "track", "userId": "u", "event": "Song Played", "timestamp": "2026-03-01T11:00:00Z"},
            "text",
            {"type": "track", "userId": "u"},
            {"type": "track", "userId": "u", "event": "Song Played", "timestamp": "2026-2-02T00:30:12.984Z"},
            {"type": "page", "userId": "u", "name": "Home", "sentAt": "2026-03-01T12:00:00Z",
             "timestamp": "2026-03-01T11:00:00Z", "context": {"consent": {"categoryPreferences": {"ads": true}}}},
            {"type": "batch", "batch": []}
        ],
        "sentAt": "2026-03-01T12:30:00Z",
        "context": {"consent": {"categoryPreferences": {"analytics": true}}},
        "writeKey": "k"
    });
    let mapped = mapped(Some(SegmentCall::Batch), &body);
    assert_eq!(names(&mapped), ["song_played", "page.viewed"]);
    let times: Vec<String> = mapped.events.iter().map(time).collect();
    assert_eq!(times, ["2026-03-01T10:30:00Z", "2026-03-01T11:00:00Z"], "a call's own sentAt goes first");
    assert_eq!(mapped.events[0].consents, ["analytics"], "the context of the batch holds for its calls");
    assert_eq!(mapped.events[1].consents, ["ads"], "the call's own goes first");
    let expected = [
        (0, Why::AboutPersons),
        (2, Why::NotAnObject),
        (3, Why::Missing { field: "event" }),
        (4, Why::BadTime { field: "timestamp" }),
        (6, Why::NoCall),
    ];
    assert_eq!(skipped(&mapped), expected);
    assert_eq!(mapped.skipped[2].to_string(), "[3]: event must not be empty");
    assert_eq!(mapped.places().collect::<Vec<_>>(), [1, 5]);
    assert_eq!(mapped.skipped[3].name, "song_played", "what it would be is known");
}

#[test]
fn the_time_is_the_one_without_the_skew() {
    let at = |fields: Value| {
        let mut body = json!({"userId": "u", "event": "A"});
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        time(&event(SegmentCall::Track, &body))
    };
    assert_eq!(at(json!({})), "", "the door takes its own time");
    assert_eq!(at(json!({"sentAt": "2026-03-01T11:00:00Z"})), "");
    assert_eq!(at(json!({"timestamp": "2026-03-01T11:00:00Z"})), "2026-03-01T11:00:00Z");
    let (original, sent) = ("2026-03-01T08:00:00Z", "2026-03-01T08:00:05Z");
    assert_eq!(at(json!({"timestamp": original, "sentAt": sent})), "2026-03-01T11:59:55Z");
    assert_eq!(at(json!({"originalTimestamp": original, "sentAt": sent})), "2026-03-01T11:59:55Z");
    let corrected = "2026-03-01T11:59:50Z";
    assert_eq!(at(json!({"timestamp": corrected, "originalTimestamp": original, "sentAt": sent})), corrected);
}

#[test]
fn actors_and_ids_are_text_or_whole_numbers() {
    let actor = |user: Value, anonymous: Value| {
        event(SegmentCall::Track, &json!({"event": "A", "userId": user, "anonymousId": anonymous})).actor
    };
    assert_eq!(actor(json!("u"), json!("a")), "u");
    assert_eq!(actor(json!(42), json!("a")), "42");
    assert_eq!(actor(json!(""), json!("a")), "a");
    assert_eq!(actor(Value::Null, Value::Null), "", "nobody is counted, the event is");
    for wrong in [json!({"id": 1}), json!(1.5), json!(true)] {
        let wrong = json!({"event": "A", "userId": wrong});
        assert_eq!(why(SegmentCall::Track, &wrong), Why::WrongType { field: "userId", must_be: "a string" });
    }
    let long = json!({"event": "A", "messageId": "m".repeat(1_001)});
    assert_eq!(why(SegmentCall::Track, &long), Why::TooLong { field: "messageId" });
}

#[test]
fn a_consent_that_is_denied_under_one_of_its_names_is_denied() {
    let consents = |preferences: Value| {
        let body = json!({"event": "A", "context": {"consent": {"categoryPreferences": preferences}}});
        event(SegmentCall::Track, &body).consents
    };
    assert_eq!(consents(json!({"C0002": true, "C0004": false})), ["c0002"]);
    assert_eq!(consents(json!({"Analytics": true, "analytics": false})), [""; 0]);
    assert_eq!(consents(json!({"analytics": "true", "ads": 1, "42": true})), [""; 0]);
    assert_eq!(consents(json!([true])), [""; 0]);
}

#[test]
fn properties_that_cannot_be_told_apart_refuse_the_event() {
    let of = |properties: Value| why(SegmentCall::Track, &json!({"event": "A", "properties": properties}));
    let field = "properties";
    assert_eq!(of(json!({"fileFormat": 1, "file_format": 2})), Why::SameName { field });
    assert_eq!(of(json!({"cart": {"id": 1}, "cart_id": 2})), Why::SameName { field });
    assert_eq!(of(json!({"größe": 1})), Why::BadName { field });
    assert_eq!(of(json!({"2fa": true})), Why::BadName { field });
    assert_eq!(of(json!({"a".repeat(65): 1})), Why::TooLong { field });
    assert_eq!(of(json!([1])), Why::WrongType { field, must_be: "an object" });
    let many: serde_json::Map<_, _> = (0..51).map(|i| (format!("p{i}"), json!(1))).collect();
    assert_eq!(of(many.into()), Why::TooManyProperties { field });
    assert_eq!(why(SegmentCall::Track, &json!({"event": "42"})), Why::BadName { field: "event" });
    assert_eq!(why(SegmentCall::Track, &json!({"event": ""})), Why::Missing { field: "event" });
}

#[test]
fn names_that_hold_personal_data_refuse_the_event() {
    for name in [
        "https://jana:tajneheslo@db.firma-praha.cz/x",
        "AKIAIOSFODNN7EXAMPLE",
        "jana.novak@firma-praha.cz",
        "Paid with 4539 1488 0343 6467",
        "FR14.2004.1010.0505.0001.3M02.606",
    ] {
        let personal = |field| Why::PersonalData { field };
        assert_eq!(why(SegmentCall::Track, &json!({"event": name})), personal("event"), "{name}");
        for properties in [json!({name: true}), json!({"cart": {name: 1}}), json!({name: {"id": 1}}), json!({name: []})]
        {
            let body = json!({"event": "A", "properties": properties});
            assert_eq!(why(SegmentCall::Track, &body), personal("properties"), "{body}");
        }
        for call in [SegmentCall::Page, SegmentCall::Screen] {
            assert_eq!(why(call, &json!({"name": name})), personal("name"), "{name}");
            assert_eq!(why(call, &json!({"properties": {"name": name}})), personal("name"), "{name}");
        }
    }
}

#[test]
fn every_reason_is_counted_as_one() {
    let field = "event";
    for (why, refusal) in [
        (Why::AboutPersons, Refusal::AboutAPerson),
        (Why::NotAnEvent, Refusal::NotAnEvent),
        (Why::NotAnObject, Refusal::Malformed),
        (Why::BadTime { field }, Refusal::NoTime),
        (Why::BadName { field }, Refusal::BadName),
        (Why::TooLong { field }, Refusal::BadName),
        (Why::TooLong { field: "userId" }, Refusal::Malformed),
        (Why::SameName { field }, Refusal::SameName),
        (Why::PersonalData { field }, Refusal::PersonalData),
    ] {
        assert_eq!(why.refusal(), refusal, "{why}");
    }
}

#[test]
fn a_body_of_another_shape_is_refused() {
    let refused = |call, body: Value| segment(Some(call), &body, now()).expect_err("refused");
    assert_eq!(refused(SegmentCall::Track, json!([])), NotMapped::NotAnObject);
    let no_batch = NotMapped::WrongShape { place: "batch".into(), must_be: "a list" };
    assert_eq!(refused(SegmentCall::Batch, json!({})), no_batch);
    assert_eq!(refused(SegmentCall::Batch, json!({"batch": {}})), no_batch);
    let of = |count| json!({"batch": vec![json!({"type": "alias"}); count]});
    assert_eq!(refused(SegmentCall::Batch, of(EVENTS_MAX + 1)), NotMapped::TooMany { count: EVENTS_MAX + 1 });
    assert_eq!(mapped(Some(SegmentCall::Batch), &of(EVENTS_MAX)).skipped.len(), EVENTS_MAX);
    assert_eq!(mapped(Some(SegmentCall::Batch), &json!({"batch": []})), Mapped::default());
}

/// What is in `context` and `traits` in these tests, and nowhere else.
const SECRET: &str = "sentinel";

/// Any JSON, with words in it that the mapping knows.
fn any_json(text: &'static str) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
        Just(json!("2026-03-01T11:00:00Z")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any_key(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "event",
        "type",
        "properties",
        "context",
        "traits",
        "userId",
        "anonymousId",
        "messageId",
        "timestamp",
        "sentAt",
        "batch",
        "name",
        "consent",
        "categoryPreferences",
        "originalTimestamp",
    ];
    prop_oneof![prop::sample::select(KEYS).prop_map(str::to_owned), "[a-zA-Z_]{0,8}", "\\PC{0,6}"]
}

fn any_call() -> impl Strategy<Value = Option<SegmentCall>> {
    let calls = ["track", "identify", "page", "screen", "group", "alias", "batch", ""];
    prop::sample::select(calls.to_vec()).prop_map(SegmentCall::from_path)
}

/// Puts a secret where the mapping must not look.
fn with_secrets(call: &mut Value, secret: &Value) {
    if let Some(call) = call.as_object_mut() {
        for name in ["context", "traits"] {
            call.insert(name.to_owned(), secret.clone());
        }
        if let Some(properties) = call.get_mut("properties").and_then(Value::as_object_mut) {
            for name in ["context", "traits"] {
                properties.insert(name.to_owned(), secret.clone());
            }
        }
    }
}

proptest! {
    #[test]
    fn any_json_is_mapped_or_refused(call in any_call(), body in any_json("\\PC{0,12}")) {
        if let Ok(mapped) = segment(call, &body, now()) {
            let count = body.get("batch").and_then(Value::as_array).map_or(0, Vec::len).max(1);
            prop_assert!(mapped.events.len() + mapped.skipped.len() <= count);
        }
    }

    #[test]
    fn nothing_of_context_and_traits_passes(
        name in "[A-Z][a-z]{1,8}",
        properties in prop::collection::btree_map("[a-z]{1,6}", any_json("[a-z ]{0,6}"), 0..5),
        secret in any_json(SECRET),
        is_page in any::<bool>(),
    ) {
        let secret = json!({SECRET: SECRET, "x": secret});
        let kind = if is_page { "page" } else { "track" };
        let mut call = json!({"type": kind, "event": name, "userId": "u", "properties": properties});
        with_secrets(&mut call, &secret);
        let body = json!({"batch": [call], "context": secret, "traits": secret});
        let mapped = segment(Some(SegmentCall::Batch), &body, now()).expect("a batch");
        prop_assert!(!format!("{mapped:?}").contains(SECRET), "{mapped:?}");
        prop_assert_eq!(mapped.events.len() + mapped.skipped.len(), 1);
    }
}
