//! What careless programs send: a personal value or a credential in every place of an event where one can be put, for each
//! source of events; and how to look for it afterwards.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daybook_proto::product_analytics::v1::{Event, EventSchema, MinimisationProfile, PropertySchema, PropertyType};
use daybook_testkit::personal::{KINDS, Personal, SEPARATED};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use regex::bytes::Regex;
use serde_json::{Value, json};

/// Values of every kind, also in groups with separators that programs put there.
pub fn values(seed: u64, of_each: usize) -> Vec<String> {
    let mut personal = Personal::new(seed);
    let mut values = Vec::new();
    for kind in KINDS {
        values.extend((0..of_each).map(|_| personal.value(kind)));
    }
    for kind in SEPARATED.iter() {
        values.extend((0..of_each).map(|_| personal.separated(kind)));
    }
    // Passwords and keys as names, and what was found to get through.
    values.extend(
        [
            "https://jana:tajneheslo@db.firma-praha.cz/x",
            "jana.novakova@firma-praha.cz",
            "AKIAIOSFODNN7EXAMPLE",
            "4539_1488_0343_6467",
            "4539:1488:0343:6467",
            "FR14.2004.1010.0505.0001.3M02.606",
            "2.55.08.14.168.025.38",
            "420601123456",
        ]
        .map(str::to_owned),
    );
    values
}

/// Profile and schemas: of each type of property there is one, and names of pages and screens are ids.
pub fn registry() -> (MinimisationProfile, Vec<EventSchema>) {
    let property = |name: &str, of: PropertyType| PropertySchema {
        name: name.to_owned(),
        r#type: of.into(),
        ..Default::default()
    };
    let properties = vec![
        property("case_id", PropertyType::OpaqueId),
        PropertySchema { values: vec!["civil".into(), "tax".into()], ..property("kind", PropertyType::Enum) },
        PropertySchema { minimum: 0, maximum: 500, ..property("pages", PropertyType::Integer) },
        property("is_new", PropertyType::Boolean),
        property("page", PropertyType::OpaqueId),
        property("screen", PropertyType::OpaqueId),
    ];
    let schema = |name: &str| EventSchema {
        name: name.into(),
        version: 1,
        purpose: "product".into(),
        properties: properties.clone(),
        ..Default::default()
    };
    let profile = MinimisationProfile {
        purposes_without_consent: vec!["product".into()],
        suppress_below: 1,
        ..Default::default()
    };
    (profile, ["case.opened", "page.viewed", "screen.viewed"].map(schema).to_vec())
}

fn text(text: &str) -> prost_types::Value {
    prost_types::Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

/// Properties of an event.
pub fn properties(properties: &[(&str, prost_types::Value)]) -> Option<Struct> {
    let fields = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Some(Struct { fields })
}

/// A text with each of its bytes escaped.
pub fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A text as the mapping of names makes a name of it: words in small letters, joined by `_`.
fn as_name(text: &str) -> String {
    let words: Vec<_> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("_").to_lowercase()
}

/// Daybook's events with a value in every place.
pub fn events(value: &str) -> Vec<Event> {
    let event = || Event { name: "case.opened".into(), ..Default::default() };
    let of = |properties_of: &[(&str, prost_types::Value)]| Event { properties: properties(properties_of), ..event() };
    let fields = BTreeMap::from([(value.to_owned(), text(value))]);
    let nested = prost_types::Value { kind: Some(Kind::StructValue(Struct { fields })) };
    let listed = ListValue { values: vec![text(value), nested.clone()] };
    let listed = prost_types::Value { kind: Some(Kind::ListValue(listed)) };
    let number =
        value.parse().ok().map(|number| of(&[("pages", prost_types::Value { kind: Some(Kind::NumberValue(number)) })]));
    let mut events = vec![
        // Where it belongs: it becomes a pseudonym.
        Event { actor: value.to_owned(), event_id: format!("{value}-{}", value.len()), ..event() },
        Event { event_id: value.to_owned(), ..event() },
        Event { name: value.to_owned(), ..event() },
        Event { name: format!("case.{}", value.to_lowercase()), ..event() },
        Event { name: as_name(value), ..event() },
        Event { name: format!("opened.{}", as_name(value)), ..event() },
        Event { consents: vec![value.to_owned()], ..event() },
        of(&[("case_id", text(value))]),
        of(&[("case_id", text(&percent(value)))]),
        of(&[("case_id", text(&STANDARD.encode(value)))]),
        of(&[("kind", text(value))]),
        of(&[("pages", text(value))]),
        of(&[(value, text("civil"))]),
        of(&[(&value.to_lowercase(), text("civil"))]),
        of(&[(&as_name(value), text("civil"))]),
        of(&[("case_id", nested.clone())]),
        of(&[("note", nested)]),
        of(&[("kind", listed)]),
        of(&[("is_new", text(value))]),
    ];
    events.extend(number);
    events
}

/// Calls of Segment's API with a value in every place. Two of them count: where it becomes a pseudonym.
pub fn calls(value: &str) -> Vec<Value> {
    let track = |more: Value| {
        let mut call = json!({ "type": "track", "event": "case.opened", "userId": "u" });
        for (field, value) in more.as_object().expect("an object") {
            call[field] = value.clone();
        }
        call
    };
    let of = |properties: Value| track(json!({ "properties": properties }));
    let encoded = STANDARD.encode(value);
    vec![
        track(json!({ "userId": value, "anonymousId": value, "messageId": format!("{value}-{}", value.len()) })),
        track(
            json!({ "context": { "ip": value, value: value, "traits": { "email": value } }, "traits": { value: value },
                      "integrations": { value: true }, value: value,
                      "context.consent": { "categoryPreferences": { value: true } } }),
        ),
        track(json!({ "context": { "consent": { "categoryPreferences": { value: true } } } })),
        track(json!({ "event": value })),
        track(json!({ "event": format!("Opened by {value}") })),
        track(json!({ "event": format!("case.{value}") })),
        track(json!({ "timestamp": value })),
        track(json!({ "sentAt": value, "timestamp": "2026-03-01T12:00:00Z" })),
        track(json!({ "properties": value })),
        of(json!({ value: true })),
        of(json!({ value: { "id": 1 } })),
        of(json!({ "cart": { value: 1 } })),
        of(json!({ value: [value] })),
        of(json!({ "caseId": value })),
        of(json!({ "case_id": percent(value) })),
        of(json!({ "case_id": encoded })),
        of(json!({ "caseId": { "x": { value: value } } })),
        of(json!({ "kind": value })),
        of(json!({ "pages": value })),
        of(json!({ "note": value, "tags": [value, { value: value }] })),
        of(json!({ "email": value, "user": { value: value }, "kind": "wrong" })),
        json!({ "type": "page", "name": value }),
        json!({ "type": "page", "name": format!("Case of {value}"), "category": value }),
        json!({ "type": "page", "properties": { "name": value, "title": value, "url": value } }),
        json!({ "type": "page", "properties": { "page": value } }),
        json!({ "type": "screen", "name": value }),
        json!({ "type": "screen", "properties": { "name": value } }),
        json!({ "type": "identify", "userId": value, "traits": { "email": value, value: value } }),
        json!({ "type": "group", "groupId": value, "traits": { value: value } }),
        json!({ "type": "alias", "previousId": value, "userId": "u" }),
        json!({ "type": value, "event": "case.opened" }),
    ]
}

/// Log records of OpenTelemetry with a value in every place.
pub fn records(value: &str) -> Vec<Value> {
    let string = |text: &str| json!({ "stringValue": text });
    let attribute = |key: &str, value: Value| json!({ "key": key, "value": value });
    let of = |attributes: Value| json!({ "eventName": "case.opened", "attributes": attributes });
    let nested = json!({ "kvlistValue": { "values": [attribute(value, string(value))] } });
    let listed = json!({ "arrayValue": { "values": [string(value), nested] } });
    vec![
        of(json!([attribute("user.id", string(value)), attribute("event.id", string(&format!("{value}-o")))])),
        of(json!([attribute("enduser.id", string(value)), attribute("log.record.uid", string(&format!("{value}-u")))])),
        json!({ "eventName": "case.opened", "body": string(value), "severityText": value, "attributes": [] }),
        json!({ "body": nested, "severityText": value }),
        json!({ "eventName": value }),
        json!({ "eventName": format!("Opened by {value}") }),
        json!({ "attributes": [attribute("event.name", string(value))] }),
        of(json!([attribute("daybook.consents", json!({ "arrayValue": { "values": [string(value)] } }))])),
        of(json!([attribute("daybook.consents", string(value))])),
        of(json!([attribute(value, string("civil"))])),
        of(json!([attribute(&format!("case.{value}"), nested.clone())])),
        of(json!([attribute(&format!("{value}.id"), json!({ "bytesValue": STANDARD.encode(value) }))])),
        of(json!([attribute("case.id", string(value))])),
        of(json!([attribute("caseId", string(&percent(value)))])),
        of(json!([attribute("case_id", string(&STANDARD.encode(value)))])),
        of(json!([attribute("case_id", nested), attribute("kind", string("wrong"))])),
        of(json!([attribute("kind", string(value))])),
        of(json!([attribute("kind", listed)])),
        of(json!([attribute("pages", string(value))])),
        of(json!([attribute("note", string(value))])),
        of(json!([
            attribute("url.full", string(value)),
            attribute("user.email", string(value)),
            attribute("pages", json!({ "intValue": "7000" }))
        ])),
    ]
}

/// What values look like wherever they may be found: as they are, in small letters, as names, encoded; and long pieces of
/// them, such as the password in a URL.
pub fn any_of(values: &[String]) -> Regex {
    // In base64, what begins at a multiple of three bytes looks the same wherever it stands.
    let encoded = |value: &String| STANDARD.encode(&value.as_bytes()[..value.len() / 3 * 3]);
    let mut forms = BTreeSet::new();
    for value in values {
        forms.extend([value.clone(), value.to_lowercase(), percent(value), encoded(value), as_name(value)]);
        for piece in value.split(|c: char| !c.is_ascii_alphanumeric()) {
            // Digits alone turn up in any file of numbers.
            let is_telling = piece.len() >= 11 || piece.len() >= 8 && piece.bytes().any(|byte| !byte.is_ascii_digit());
            if is_telling && !["postgres", "examples"].contains(&piece) {
                forms.extend([piece.to_owned(), piece.to_lowercase()]);
            }
        }
    }
    let forms: Vec<_> = forms.into_iter().filter(|form| form.len() >= 8).map(|form| regex::escape(&form)).collect();
    Regex::new(&forms.join("|")).expect("an expression")
}

/// Which of the values are somewhere, and where.
pub fn find(wanted: &Regex, places: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<String> {
    let mut found = Vec::new();
    for (place, bytes) in places {
        found.extend(
            wanted.find_iter(&bytes).map(|at| format!("{} in {place}", String::from_utf8_lossy(at.as_bytes()))),
        );
    }
    found
}
