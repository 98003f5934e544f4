//! What is left of events.

use std::collections::BTreeMap;
use std::sync::Arc;

use daybook_kernel::hash::Hash;
use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use daybook_privacy::{EpochKey, EpochKeys, MemoryKeyRing};
use daybook_proto::product_analytics::v1::{
    Event, EventBatch, EventRegistry, EventSchema, MinimisationProfile, PropertySchema, PropertyType, Refusal,
};
use futures_util::FutureExt;
use prost_types::value::Kind;
use prost_types::{Duration, Struct, Value};

use crate::{Minimiser, Sent, Unmapped};

const DAY: i64 = 86_400;
/// 2027-01-15 08:00:00 UTC.
const NOW: i64 = 1_800_000_000;

struct Door {
    minimiser: Minimiser,
    keys: EpochKeys,
    tenant: TenantId,
}

impl Door {
    fn new(profile: MinimisationProfile) -> Self {
        let property = |name: &str, of: PropertyType| PropertySchema {
            name: name.to_owned(),
            r#type: of.into(),
            maximum: 100,
            ..Default::default()
        };
        let format = PropertySchema {
            values: vec!["pdf".to_owned(), "csv".to_owned()],
            required: true,
            ..property("format", PropertyType::Enum)
        };
        let cost = PropertySchema { purpose: "billing".to_owned(), ..property("cost", PropertyType::Money) };
        let schema = EventSchema {
            name: "case.exported".to_owned(),
            version: 2,
            purpose: "product".to_owned(),
            properties: vec![
                format,
                property("pages", PropertyType::Integer),
                property("case", PropertyType::OpaqueId),
                cost,
            ],
            ..Default::default()
        };
        let registry =
            EventRegistry { profile: Some(profile), schemas: vec![schema], hash: Hash::of(b"registry").to_hex() };
        Self {
            minimiser: Minimiser::new(&registry).unwrap(),
            keys: EpochKeys::new(Arc::new(MemoryKeyRing::default())),
            tenant: TenantId::parse("acme").unwrap(),
        }
    }

    fn keys(&self, events: &[Event]) -> BTreeMap<i64, EpochKey> {
        let epochs = self.minimiser.epochs(&events.to_vec().into(), now());
        epochs
            .into_iter()
            .map(|epoch| (epoch, self.keys.get(&self.tenant, epoch).now_or_never().unwrap().unwrap()))
            .collect()
    }

    fn minimise(&self, events: &[Event]) -> EventBatch {
        self.minimiser.minimise(&events.to_vec().into(), now(), &self.keys(events))
    }

    /// Why the events that do not pass do not.
    fn refused(&self, events: &[Event]) -> Vec<(u32, Refusal, String, String)> {
        let refused = self.minimise(events).refused.into_iter();
        refused.map(|one| (one.index, one.reason(), one.name, one.property)).collect()
    }
}

fn now() -> Timestamp {
    Timestamp::from_micros(NOW * 1_000_000)
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}

fn event(seconds_ago: i64, properties: &[(&str, Kind)]) -> Event {
    let fields = properties.iter().map(|(name, kind)| ((*name).to_owned(), Value { kind: Some(kind.clone()) }));
    Event {
        event_id: "e1".to_owned(),
        name: "case.exported".to_owned(),
        actor: "Ada@Example.org".to_owned(),
        time: Some(prost_types::Timestamp { seconds: NOW - seconds_ago, nanos: 417_000_000 }),
        consents: vec!["product".to_owned()],
        properties: Some(Struct { fields: fields.collect() }),
        ..Default::default()
    }
}

fn good() -> Event {
    event(60, &[("format", text("csv"))])
}

#[test]
fn an_event_becomes_numbers() {
    let door = Door::new(MinimisationProfile::default());
    let other = Event { actor: " ada@example.org".to_owned(), event_id: "e2".to_owned(), ..good() };
    let nobody = Event {
        actor: String::new(),
        event_id: String::new(),
        ..event(90, &[("format", text("pdf")), ("case", text("case-7"))])
    };
    let batch = door.minimise(&[good(), other, nobody]);
    assert_eq!(
        (batch.name, batch.index, batch.actor),
        (vec![0, 0, 0], vec![2, 0, 1], vec![0, 1, 1]),
        "one person, one actor; in the order of their times"
    );
    assert_eq!(batch.time_delta_ms, [(NOW - 90) * 1_000, 30_000, 0], "cut to seconds");
    assert_eq!((batch.actors.len(), batch.event_ids.len()), (16, 48));
    assert_ne!(batch.event_ids[16..32], batch.event_ids[32..]);
    assert_eq!(batch.event_ids[..16], [0; 16]);
    let columns: Vec<_> =
        batch.properties.iter().map(|column| (column.name.as_str(), &column.events[..], &column.values[..])).collect();
    assert_eq!(columns, [("case", &[0][..], &[0][..]), ("format", &[0, 1, 2], &[0, 1, 1])]);
    assert_eq!(batch.properties[0].ids, ["case-7"]);
    assert_eq!((batch.refused, batch.dropped), (Vec::new(), Vec::new()));
}

#[test]
fn what_is_wrong_is_named_by_place_and_reason() {
    let door = Door::new(MinimisationProfile::default());
    let number = |number| Kind::NumberValue(number);
    let with = |property: (&str, Kind)| event(60, &[("format", text("csv")), property]);
    let cases = [
        (event(60, &[]), Refusal::MissingProperty, "format"),
        (event(60, &[("format", Kind::NullValue(0))]), Refusal::MissingProperty, "format"),
        (event(60, &[("format", text("exe"))]), Refusal::WrongValue, "format"),
        (event(60, &[("format", number(1.0))]), Refusal::WrongValue, "format"),
        (with(("pages", number(101.0))), Refusal::OutOfRange, "pages"),
        (with(("pages", number(0.5))), Refusal::WrongValue, "pages"),
        (with(("pages", number(f64::NAN))), Refusal::WrongValue, "pages"),
        (with(("case", text("ada@example.org"))), Refusal::PersonalData, "case"),
        (with(("case", text("two words"))), Refusal::WrongValue, "case"),
        (with(("case", text(""))), Refusal::WrongValue, "case"),
        (with(("case", text("4539_1488_0343_6467"))), Refusal::PersonalData, "case"),
        (with(("case", text("4539:1488:0343:6467"))), Refusal::PersonalData, "case"),
        (with(("case", text("FR14.2004.1010.0505.0001.3M02.606"))), Refusal::PersonalData, "case"),
        (with(("case", text("2.55.08.14.168.025.38"))), Refusal::PersonalData, "case"),
        (with(("case", text("601_123_456"))), Refusal::PersonalData, "case"),
        (with(("case", text("420601123456"))), Refusal::PersonalData, "case"),
        (with(("colour", text("red"))), Refusal::UnknownProperty, "colour"),
        (with(("ada_at_example_4711", text("red"))), Refusal::UnknownProperty, ""),
        (Event { schema_version: 3, ..good() }, Refusal::UnknownVersion, ""),
        (Event { consents: Vec::new(), ..good() }, Refusal::NoConsent, ""),
        (Event { time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), ..good() }, Refusal::NoTime, ""),
    ];
    let events: Vec<Event> = cases.iter().map(|(event, ..)| event.clone()).chain([good()]).collect();
    let expected: Vec<_> = (0..)
        .zip(&cases)
        .map(|(index, (_, reason, property))| (index, *reason, "case.exported".to_owned(), (*property).to_owned()))
        .collect();
    assert_eq!(door.refused(&events), expected);
    // Uuids that are random pass, whatever digits they have; those that hold the address of a card do not.
    let random = with(("case", text("12345678-1234-4234-9234-123456789012")));
    assert_eq!(door.refused(&[random]), []);
}

#[test]
fn names_that_nobody_registered_are_said_if_their_words_are_known() {
    let door = Door::new(MinimisationProfile::default());
    let name = |name: &str| {
        let refused = door.refused(&[Event { name: name.to_owned(), ..good() }]);
        (refused[0].1, refused[0].2.clone())
    };
    // "pdf" and "csv" are words of the registry.
    for said in ["case.imported", "step12", "csv.opened", "page_viewed"] {
        assert_eq!(name(said), (Refusal::UnknownEvent, said.to_owned()));
    }
    for unsaid in [
        "ada@example.org",
        "case.4711",
        "akia3g5a47b4rundfntm",
        "Case Exported",
        "",
        "mail.ada.lovelace1815",
        "https_jana_tajneheslo_db.firma_praha.cz_x",
        "opened_by_jana_novak",
        "tajneheslo",
    ] {
        assert_eq!(name(unsaid), (Refusal::UnknownEvent, String::new()), "{unsaid}");
    }
}

#[test]
fn what_a_source_could_not_map_is_counted_by_its_place_and_reason() {
    let door = Door::new(MinimisationProfile::default());
    let unmapped = |index, reason, name: &str| Unmapped { index, reason, name: name.to_owned() };
    let sent = Sent {
        events: vec![(1, good()), (4, Event { name: "case.burnt".into(), ..good() })],
        unmapped: vec![
            unmapped(3, Refusal::SameName, "case.exported"),
            unmapped(0, Refusal::BadName, ""),
            unmapped(2, Refusal::NoTime, "jana.novak"),
        ],
        no_events: BTreeMap::from([(Refusal::AboutAPerson, 3), (Refusal::NotAnEvent, 1)]),
        left_out: BTreeMap::from([
            (("email".to_owned(), Refusal::AboutAPerson), 2),
            (("jana".to_owned(), Refusal::WrongValue), 4),
            (("novak".to_owned(), Refusal::WrongValue), 1),
        ]),
    };
    let batch = door.minimiser.minimise(&sent, now(), &door.keys(&[good()]));
    assert_eq!((batch.index, sent.len()), (vec![1], 9));
    let refused = batch.refused.iter().map(|one| (one.index, one.reason(), one.name.as_str()));
    let expected = [
        (0, Refusal::BadName, ""),
        (2, Refusal::NoTime, ""),
        (3, Refusal::SameName, "case.exported"),
        (4, Refusal::UnknownEvent, ""),
    ];
    assert_eq!(refused.collect::<Vec<_>>(), expected);
    let dropped = batch.dropped.iter().map(|one| (one.name.as_str(), one.reason(), one.count));
    let expected = [
        ("", Refusal::AboutAPerson, 3),
        ("", Refusal::NotAnEvent, 1),
        ("*", Refusal::WrongValue, 5),
        ("email", Refusal::AboutAPerson, 2),
    ];
    assert_eq!(dropped.collect::<Vec<_>>(), expected);
}

#[test]
fn of_inputs_that_are_no_events_one_stands_among_what_is_refused() {
    let door = Door::new(MinimisationProfile::default());
    let no_events = BTreeMap::from([(Refusal::AboutAPerson, 1), (Refusal::NotAnEvent, 2)]);
    let sent = Sent { no_events, ..Sent::default() };
    let batch = door.minimiser.minimise(&sent, now(), &BTreeMap::new());
    let refused: Vec<_> = batch.refused.iter().map(|one| (one.index, one.reason())).collect();
    let dropped: Vec<_> = batch.dropped.iter().map(|one| (one.reason(), one.count)).collect();
    assert_eq!((refused, dropped), (vec![(0, Refusal::AboutAPerson)], vec![(Refusal::NotAnEvent, 2)]));
}

#[test]
fn events_stand_in_the_order_of_the_times_that_were_sent() {
    let door = Door::new(MinimisationProfile::default());
    let at = |seconds: i64, nanos: i32, case: &str| Event {
        event_id: "e".to_owned(),
        time: Some(prost_types::Timestamp { seconds: NOW - 60 + seconds, nanos }),
        ..event(0, &[("format", text("csv")), ("case", text(case))])
    };
    let no_time = Event { time: None, ..at(0, 0, "last") };
    let sent =
        [at(0, 800_000_000, "c"), no_time, at(0, 200_000_000, "a"), at(-1, 999_999_999, "z"), at(0, 200_000_001, "b")];
    let sent = sent.map(|event| Event { event_id: String::new(), ..event });
    let batch = door.minimise(&sent);
    assert_eq!(batch.index, [3, 2, 4, 0, 1], "by time; each says where it stood");
    assert_eq!(batch.time_delta_ms[1..4], [1_000, 0, 0], "in one second nothing else tells");
    assert_eq!(batch.properties[0].ids, ["z", "a", "b", "c", "last"]);
    assert_eq!(batch.properties[0].events, [0, 1, 2, 3, 4]);
    // Equal times stay in the order of the request.
    let nameless = Event { event_id: String::new(), ..good() };
    assert_eq!(door.minimise(&[nameless.clone(), nameless.clone(), nameless]).index, [0, 1, 2]);
    // Of two with one id the first of the request counts, whatever their times.
    let batch = door.minimise(&[at(0, 2, "a"), at(0, 1, "b")]);
    assert_eq!((batch.index.as_slice(), batch.properties[0].ids.as_slice()), (&[0][..], &["a".to_owned()][..]));
    assert_eq!((batch.refused[0].index, batch.refused[0].reason()), (1, Refusal::Duplicate));
}

#[test]
fn what_a_consent_does_not_cover_is_dropped() {
    let profile = MinimisationProfile { purposes_without_consent: vec!["product".to_owned()], ..Default::default() };
    let door = Door::new(profile);
    let costly = |consents: &[&str]| Event {
        event_id: String::new(),
        consents: consents.iter().map(ToString::to_string).collect(),
        ..event(60, &[("format", text("csv")), ("cost", Kind::NumberValue(7.0))])
    };
    let batch = door.minimise(&[costly(&[]), costly(&["billing"])]);
    assert_eq!((batch.name.len(), batch.dropped.len(), batch.dropped[0].count), (2, 1, 1));
    assert_eq!((batch.properties[0].name.as_str(), &batch.properties[0].events[..]), ("cost", &[1][..]));
}

#[test]
fn pseudonyms_change_with_the_epoch_and_few_epochs_are_asked_for() {
    let profile = |days: u32, hours: i64| MinimisationProfile {
        pseudonym_epoch_days: days,
        // Hours that are no part of a day: what is cut may fall into the day before.
        time_granularity: Some(Duration { seconds: hours * 3_600, nanos: 0 }),
        ..Default::default()
    };
    let door = Door::new(profile(1, 7));
    let events: Vec<Event> = (0..40)
        .map(|hours| Event {
            event_id: hours.to_string(),
            time: Some(prost_types::Timestamp { seconds: NOW - hours * 3_600, nanos: 0 }),
            ..good()
        })
        .collect();
    let batch = door.minimise(&events);
    assert_eq!(batch.refused, []);
    assert!(batch.actors.len() >= 2 * 16, "one person is another actor on another day");
    // Keys are made for times at which an event can count, and for no others.
    let far: Vec<Event> =
        (-20_000..20_000).step_by(97).map(|days| event(days * DAY, &[("format", text("csv"))])).collect();
    assert!(door.keys(&far).len() < 10);
    let reasons: Vec<_> = door
        .refused(&[event(-3_000 * DAY, &[("format", text("csv"))]), event(3_000 * DAY, &[("format", text("csv"))])]);
    assert_eq!([reasons[0].1, reasons[1].1], [Refusal::InTheFuture, Refusal::TooLate]);
    // An epoch that was forgotten counts nobody any more.
    let good = [good()];
    let epoch = *door.keys(&good).keys().next().unwrap();
    let forgotten = door.minimiser.minimise(&good.to_vec().into(), now(), &BTreeMap::new());
    assert_eq!((forgotten.refused[0].reason(), forgotten.name.len()), (Refusal::TooLate, 0), "epoch {epoch}");
}
