//! Commands that other programs put on inbox topics of a real broker.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use daybook_log::BesideRecord;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::product_analytics::v1::{Event, EventSchema, MinimisationProfile, RecordEventsRequest};
use daybook_testkit::kafka::raw::{self, RawRecord};
use daybook_testkit::kafka::{Broker, Damage};
use daybook_tests::kafka_client::{KafkaClient, header, jars, python, run};
use daybook_tests::node::{Home, Node, PARTITIONS, new_id, to_json};
use daybook_tests::people::{FEEDER, LEA, NORA, Person};
use daybook_tests::requests::*;
use daybook_tests::skipped::skipped;
use daybook_tests::{careless, disk, events, eventually};
use prost::Message;
use serde_json::Value;

/// A log of a name with an inbox `<name>-in` and replies of tenant demo on `demo.<name>-out`.
fn home(broker: &Broker, name: &str) -> Home {
    Home::with(|config| {
        config.log.url = format!("kafka://{}", broker.address());
        config.log.name = name.to_owned();
        config.inbox.topics = vec![format!("{name}-in")];
        config.inbox.reply_topic_prefix = format!("{{tenant}}.{name}-out");
    })
}

struct Desk {
    node: Node,
    client: KafkaClient,
    name: String,
    seen: usize,
}

impl Desk {
    async fn open(broker: &Broker, name: &str) -> Self {
        let client = KafkaClient::new(broker);
        client.create(&format!("demo.{name}-out"), 1).await;
        Self { node: home(broker, name).start().await, client, name: name.to_owned(), seen: 0 }
    }

    /// Puts a command there as JSON and waits for the answer.
    async fn ask(&mut self, who: &Person, method: &str, value: &str, more: &[(&str, &str)]) -> BesideRecord {
        let token = format!("Bearer {}", self.node.token(who));
        let out = format!("demo.{}-out", self.name);
        let mut headers = vec![
            ("daybook-method", method),
            ("content-type", "application/json"),
            ("authorization", &token),
            ("daybook-reply-topic", &out),
        ];
        headers.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        headers.extend_from_slice(more);
        self.put(&headers, value.as_bytes()).await;
        self.reply().await
    }

    async fn put(&self, headers: &[(&str, &str)], value: &[u8]) {
        self.client.put(&format!("{}-in", self.name), 0, headers, value).await;
    }

    /// The next answer.
    async fn reply(&mut self) -> BesideRecord {
        let topic = format!("demo.{}-out", self.name);
        let record =
            eventually("there is an answer", async || self.client.all(&topic, 0).await.into_iter().nth(self.seen));
        let record = record.await;
        self.seen += 1;
        record
    }

    /// The list of what was not carried out, once it is so long.
    async fn rejected(&self, count: usize) -> Vec<Value> {
        let topic = format!("{}.inbox.rejected", self.name);
        eventually("the list is long enough", async || {
            let records = self.client.all(&topic, 0).await;
            let read = |record: &BesideRecord| serde_json::from_slice(&record.value).expect("JSON");
            (records.len() >= count).then(|| records.iter().map(read).collect())
        })
        .await
    }
}

/// Headers, a value, and the code that it is refused with.
type Case<'a> = (Vec<(&'a str, &'a str)>, &'a [u8], &'a str);

fn json(record: &BesideRecord) -> Value {
    serde_json::from_slice(&record.value).expect("JSON")
}

fn hold(id: &str) -> String {
    to_json(&place(id, on("ada@example.org"))).to_string()
}

/// Changes a setting of a topic, as operators do.
fn set(broker: &Broker, topic: &str, setting: &str) {
    let arguments = ["--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", setting];
    broker.tool("kafka.admin.ConfigCommand", &arguments).expect("the setting is changed");
}

/// Puts commands on partition 0, compressed. Arguments: brokers, topic, authorization, reply topic, codec, requests.
const COMPRESSED: &str = r#"
import sys
from confluent_kafka import Producer
brokers, topic, authorization, replies, codec = sys.argv[1:6]
producer = Producer({"bootstrap.servers": brokers, "compression.type": codec, "linger.ms": 200})
headers = {"daybook-method": "legal_hold.PlaceHold", "content-type": "application/json", "authorization": authorization,
           "daybook-reply-topic": replies}
for request in sys.argv[6:]:
    producer.produce(topic, key="acme", value=request, headers=headers, partition=0)
assert producer.flush(30) == 0
"#;

/// The same in a transaction, which is committed, aborted, or left open as a producer leaves it that is killed.
const IN_A_TRANSACTION: &str = r#"
import os, sys
from confluent_kafka import Producer
brokers, topic, authorization, replies, how = sys.argv[1:6]
producer = Producer({"bootstrap.servers": brokers, "transactional.id": topic, "transaction.timeout.ms": 600000})
producer.init_transactions(30)
producer.begin_transaction()
headers = {"daybook-method": "legal_hold.PlaceHold", "content-type": "application/json", "authorization": authorization,
           "daybook-reply-topic": replies}
for request in sys.argv[6:]:
    producer.produce(topic, key="acme", value=request, headers=headers, partition=0)
assert producer.flush(30) == 0
if how == "commit":
    producer.commit_transaction(30)
elif how == "abort":
    producer.abort_transaction(30)
else:
    os._exit(0)
"#;

/// Their names say that they need a real broker.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_command_as_json_or_protobuf_is_decided_and_answered() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-both").await;
        let answer = desk.ask(&LEA, "legal_hold.PlaceHold", &hold("a"), &[("daybook-correlation-id", "c-1")]).await;
        assert_eq!(
            (header(&answer, "daybook-status"), header(&answer, "daybook-correlation-id")),
            (Some("OK"), Some("c-1"))
        );
        assert_eq!(answer.key.as_deref(), Some(&b"key"[..]));
        assert_eq!(header(&answer, "daybook-inbox-offset"), Some("0"));
        assert_eq!(json(&answer)["hold"]["holdId"], "a", "{:?}", json(&answer));
        let by_door: GetHoldResponse = desk.node.ask(&LEA, &get_hold("a")).await;
        assert_eq!(by_door.hold.unwrap().hold_id, "a");

        let token = format!("Bearer {}", desk.node.token(&LEA));
        let headers = [
            ("daybook-method", "/daybook.legal_hold.v1.LegalHoldService/PlaceHold"),
            ("content-type", "application/protobuf"),
            ("authorization", token.as_str()),
            ("daybook-reply-topic", "demo.inbox-both-out"),
        ];
        desk.put(&headers, &place("b", on("ada@example.org")).encode_to_vec()).await;
        let answer = desk.reply().await;
        assert_eq!(header(&answer, "content-type"), Some("application/protobuf"));
        assert_eq!(PlaceHoldResponse::decode(answer.value).unwrap().hold.unwrap().hold_id, "b");
    }

    /// What is on the inbox topic is whose who put it there; what Daybook writes of it is minimised.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn events_of_product_use_are_minimised_and_the_answer_names_those_refused() {
        const WHO: &str = "ada.of.the.inbox@example.org";
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-events").await;
        let profile = MinimisationProfile {
            purposes_without_consent: vec!["product".into()],
            suppress_below: 1,
            ..Default::default()
        };
        let schema =
            EventSchema { name: "case.exported".into(), version: 1, purpose: "product".into(), ..Default::default() };
        events::register(&desk.node, profile, vec![schema]).await;
        let event = |id: &str, name: &str| Event {
            event_id: id.into(),
            name: name.into(),
            actor: WHO.into(),
            ..Default::default()
        };
        let events = vec![event("1", "case.exported"), event("2", "case.imported"), event("1", "case.exported")];
        let request = to_json(&RecordEventsRequest { command_id: new_id(), events, ..Default::default() }).to_string();
        let answer = desk.ask(&FEEDER, "product_analytics.RecordEvents", &request, &[]).await;
        assert_eq!(header(&answer, "daybook-status"), Some("OK"), "{:?}", json(&answer));
        let answer = json(&answer);
        assert_eq!(answer["acceptedCount"], 1, "{answer}");
        let refused = |at: usize| [answer["refused"][at]["index"].clone(), answer["refused"][at]["reason"].clone()];
        assert_eq!(refused(0), [Value::from(1), "REFUSAL_UNKNOWN_EVENT".into()]);
        assert_eq!(refused(1), [Value::from(2), "REFUSAL_DUPLICATE".into()]);

        let mut records = 0;
        for topic in ["inbox-events.commands", "inbox-events.decisions"] {
            for partition in 0..PARTITIONS {
                let mut reader = desk.client.read(topic, partition);
                // The node writes on: what it was asked for is among the first.
                for _ in 0..100 {
                    let record = tokio::time::timeout(Duration::from_secs(2), reader.next()).await;
                    let Ok(record) = record else { break };
                    assert!(!disk::contains(&record.unwrap().value, WHO.as_bytes()), "{topic}");
                    records += 1;
                }
            }
        }
        assert!(records >= 6, "three commands and their decisions: {records}");
    }

    /// As `analytics_leaves_nothing.rs` has it for the other sources.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_careless_programs_put_on_an_inbox_is_on_no_other_topic_and_in_no_file() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-careless").await;
        let (profile, schemas) = careless::registry();
        events::register(&desk.node, profile, schemas).await;
        let values = careless::values(23, 2);
        let (mut sent, mut counted, mut answers) = (0, 0, Vec::new());
        for values in values.chunks(12) {
            let events: Vec<Event> = values.iter().flat_map(|value| careless::events(value)).collect();
            sent += events.len();
            let request =
                to_json(&RecordEventsRequest { command_id: new_id(), events, ..Default::default() }).to_string();
            let answer = desk.ask(&FEEDER, "product_analytics.RecordEvents", &request, &[]).await;
            let said = json(&answer);
            assert_eq!(header(&answer, "daybook-status"), Some("OK"), "{said}");
            counted += said["acceptedCount"].as_u64().unwrap_or_default() as usize;
            counted += said["refused"].as_array().map_or(0, Vec::len);
            answers.push(("an answer".to_owned(), answer.value.to_vec()));
        }
        assert_eq!(counted, sent, "each counts or is refused");
        // What is no request at all is listed, by place and reason.
        let malformed = format!(
            r#"{{"events": [{{"name": "a", "time": {value}, "{name}": 1}}]}}"#,
            value = Value::from(values[0].as_str()),
            name = "jana.novakova"
        );
        desk.ask(&FEEDER, "product_analytics.RecordEvents", &malformed, &[]).await;
        desk.rejected(1).await;

        let wanted = careless::any_of(&values);
        assert_eq!(careless::find(&wanted, answers), [""; 0]);
        let mut records = 0;
        for topic in ["commands", "decisions", "inbox.rejected"] {
            let partitions = if topic == "inbox.rejected" { 1 } else { PARTITIONS };
            for partition in 0..partitions {
                let mut reader = desk.client.read(&format!("inbox-careless.{topic}"), partition);
                // The node writes on: what it was asked for is among the first.
                for _ in 0..200 {
                    let record = tokio::time::timeout(Duration::from_secs(2), reader.next()).await;
                    let Ok(record) = record else { break };
                    let record = record.unwrap();
                    let headers = record.headers.iter().map(|(_, value)| value.to_vec());
                    let parts =
                        headers.chain([record.value.to_vec(), record.key.as_deref().unwrap_or_default().to_vec()]);
                    assert_eq!(careless::find(&wanted, parts.map(|part| (topic.to_owned(), part))), [""; 0]);
                    records += 1;
                }
            }
        }
        assert!(records > 2 * values.len() / 12, "{records}");
        let home = desk.node.stop().await;
        let of_files = disk::files(&home.data()).into_iter();
        let of_files = of_files.filter_map(|file| Some((file.display().to_string(), std::fs::read(&file).ok()?)));
        let of_rows = disk::rows(&home.data()).into_iter();
        let of_rows = of_rows.flat_map(|(place, key, value)| [(place.clone(), key), (place, value)]);
        assert_eq!(careless::find(&wanted, of_files.chain(of_rows)), [""; 0]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_wrong_is_listed_with_its_place_and_the_next_record_is_decided() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-wrong").await;
        let token = format!("Bearer {}", desk.node.token(&LEA));
        let good = [
            ("daybook-method", "legal_hold.PlaceHold"),
            ("content-type", "application/json"),
            ("authorization", &token),
        ];
        let with = |name: &'static str, value: &'static str| {
            let mut headers = good.to_vec();
            headers.retain(|(known, _)| *known != name);
            if !value.is_empty() {
                headers.push((name, value));
            }
            headers
        };
        let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(300 << 10));
        let fine = hold("fine");
        let other_id = new_id();
        let two_ids = format!(r#"{{"commandId": "{other_id}"}}"#);
        let cases: Vec<Case<'_>> = vec![
            (good.to_vec(), b"\xff\x00 secret garbage", "MALFORMED_REQUEST"),
            (with("content-type", "application/protobuf"), b"\xff\xff\xff", "MALFORMED_REQUEST"),
            (good.to_vec(), br#"{"name": 7, "reason": "secret"}"#, "MALFORMED_REQUEST"),
            (with("daybook-method", "legal_hold.Nonsense"), fine.as_bytes(), "METHOD_UNKNOWN"),
            (with("daybook-method", "legal_hold.GetHold"), fine.as_bytes(), "INBOX_METHOD_REFUSED"),
            (with("daybook-method", ""), fine.as_bytes(), "INBOX_RECORD_INVALID"),
            (with("content-type", "text/plain"), fine.as_bytes(), "INBOX_RECORD_INVALID"),
            (with("authorization", "Bearer nonsense"), fine.as_bytes(), "TOKEN_INVALID"),
            (with("authorization", ""), fine.as_bytes(), "TOKEN_MISSING"),
            (good.to_vec(), br#"{"nmae": "x"}"#, "UNKNOWN_FIELD"),
            (with("content-type", "application/protobuf"), &[0xfa, 0x3e, 0x01, 0x61], "UNKNOWN_FIELD"),
            (good.to_vec(), large.as_bytes(), "REQUEST_TOO_LARGE"),
            (with("daybook-command-id", "seven"), fine.as_bytes(), "INVALID_ARGUMENT"),
            (
                with("daybook-command-id", "0190b5a0-0000-7000-8000-000000000000"),
                two_ids.as_bytes(),
                "INBOX_RECORD_INVALID",
            ),
            (with("daybook-reply-topic", "elsewhere"), fine.as_bytes(), "REPLY_TOPIC_REFUSED"),
            (with("daybook-reply-topic", "demo.inbox-wrong-out-missing"), fine.as_bytes(), "REPLY_TOPIC_REFUSED"),
            (good.to_vec(), br#"{"holdId": "h"}"#, "INVALID_ARGUMENT"),
            (Vec::new(), b"", "TOKEN_MISSING"),
        ];
        for (headers, value, _) in &cases {
            desk.put(headers, value).await;
        }
        let answer = desk.ask(&LEA, "legal_hold.PlaceHold", &fine, &[]).await;
        assert_eq!(header(&answer, "daybook-status"), Some("OK"), "{:?}", json(&answer));
        let rejected = desk.rejected(cases.len()).await;
        for (offset, ((headers, _, code), listed)) in cases.iter().zip(&rejected).enumerate() {
            assert_eq!(listed["code"], *code, "{headers:?}: {listed}");
            assert_eq!(
                (&listed["topic"], &listed["partition"], &listed["offset"]),
                (&"inbox-wrong-in".into(), &0.into(), &offset.into())
            );
            assert!(!listed.to_string().contains("secret"), "{listed}");
            assert!(
                listed["message"].as_str().unwrap().contains("nothing was recorded")
                    || *code == "TOKEN_INVALID"
                    || *code == "TOKEN_MISSING",
                "{listed}"
            );
        }
        assert_eq!(rejected.len(), cases.len());
    }

    /// What no HTTP request can be: each is put there byte by byte.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_tombstone_and_its_like_are_listed_and_passed_over_and_odd_trace_headers_refuse_nothing() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-raw").await;
        let token = format!("Bearer {}", desk.node.token(&LEA));
        let good: Vec<(&str, &[u8])> = vec![
            ("daybook-method", b"legal_hold.PlaceHold"),
            ("content-type", b"application/json"),
            ("authorization", token.as_bytes()),
            ("daybook-reply-topic", b"demo.inbox-raw-out"),
        ];
        let with = |name: &'static str, value: &'static [u8]| {
            let mut headers = good.clone();
            headers.retain(|(known, _)| *known != name || name == "traceparent");
            headers.push((name, value));
            headers
        };
        let twice = |name: &'static str, value: &'static [u8]| {
            let mut headers = good.clone();
            headers.push((name, value));
            headers
        };
        let proto = with("content-type", b"application/protobuf");
        let huge: &'static [u8] = Box::leak(vec![b'x'; 70 << 10].into_boxed_slice());
        let fine = hold("never");
        let refused: Vec<(RawRecord, &str)> = vec![
            (RawRecord::new(&good, None), "INBOX_RECORD_INVALID"),
            (RawRecord::new(&proto, None), "INBOX_RECORD_INVALID"),
            (RawRecord::new(&good, Some(b"")), "INBOX_RECORD_INVALID"),
            (RawRecord::new(&good, Some(b" \n\t ")), "INBOX_RECORD_INVALID"),
            (RawRecord::new(&good, Some(b"null")), "MALFORMED_REQUEST"),
            (RawRecord::new(&good, Some(b"[]")), "MALFORMED_REQUEST"),
            (RawRecord::new(&good, Some(b"{} {}")), "MALFORMED_REQUEST"),
            (RawRecord::new(&good, Some(b"\"\"")), "MALFORMED_REQUEST"),
            (RawRecord::new(&[], None), "TOKEN_MISSING"),
            (RawRecord::new(&with("daybook-method", b"\xff\xfe"), Some(fine.as_bytes())), "INBOX_RECORD_INVALID"),
            (RawRecord::new(&with("content-type", b"\xff"), Some(fine.as_bytes())), "INBOX_RECORD_INVALID"),
            (RawRecord::new(&with("authorization", b"Bearer \xff"), Some(fine.as_bytes())), "INBOX_RECORD_INVALID"),
            (RawRecord::new(&with("authorization", b"Bearer a\nb"), Some(fine.as_bytes())), "INBOX_RECORD_INVALID"),
            (RawRecord::new(&with("daybook-command-id", b"\xff"), Some(fine.as_bytes())), "INBOX_RECORD_INVALID"),
            (RawRecord::new(&with("daybook-reply-topic", b"\xff"), Some(fine.as_bytes())), "INBOX_RECORD_INVALID"),
            (
                RawRecord::new(&twice("content-type", b"application/protobuf"), Some(fine.as_bytes())),
                "INBOX_RECORD_INVALID",
            ),
            (RawRecord::new(&twice("authorization", b"Bearer other"), Some(fine.as_bytes())), "INBOX_RECORD_INVALID"),
            (
                RawRecord::new(&twice("daybook-method", b"legal_hold.ReleaseHold"), Some(fine.as_bytes())),
                "INBOX_RECORD_INVALID",
            ),
            (RawRecord::new(&with("anything", huge), Some(fine.as_bytes())), "INBOX_RECORD_INVALID"),
            (
                RawRecord { key: Some(huge.to_vec()), ..RawRecord::new(&good, Some(fine.as_bytes())) },
                "INBOX_RECORD_INVALID",
            ),
            (
                RawRecord {
                    headers: vec![(b"\xff\xfe".to_vec(), None)],
                    ..RawRecord::new(&good, Some(fine.as_bytes()))
                },
                "INBOX_RECORD_INVALID",
            ),
            (
                RawRecord {
                    headers: vec![(b"authorization".to_vec(), None)],
                    ..RawRecord::new(&good, Some(fine.as_bytes()))
                },
                "TOKEN_MISSING",
            ),
        ];
        for (record, _) in &refused {
            let batch = raw::batch(std::slice::from_ref(record));
            raw::produce(&broker.address(), "inbox-raw-in", 0, &batch).unwrap();
        }
        // A trace context that is none is nobody's concern, and neither are headers that decide nothing.
        let accepted = [
            with("traceparent", b"\xff\xfe\xfd"),
            with("traceparent", b"hello"),
            with("traceparent", b"00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            with("traceparent", b"line\nbreak"),
            with("tracestate", b"\xc3\x28"),
            with("daybook-correlation-id", b"\x00\xff"),
            with("of-somebody-else", b"\xff"),
            twice("content-type", b"application/json"),
        ];
        for (number, headers) in accepted.iter().enumerate() {
            let record = RawRecord::new(headers, Some(hold(&format!("h-{number}")).as_bytes()));
            assert_eq!(record.key, None, "records need no key");
            raw::produce(&broker.address(), "inbox-raw-in", 0, &raw::batch(&[record])).unwrap();
        }
        let mut answers = Vec::new();
        while answers.len() < accepted.len() {
            let answer = desk.reply().await;
            if header(&answer, "daybook-status") == Some("OK") {
                answers.push(answer);
            }
        }
        let correlation = |answer: &BesideRecord| {
            let found = answer.headers.iter().find(|(name, _)| name == "daybook-correlation-id");
            found.map(|(_, value)| value.to_vec())
        };
        assert!(answers.iter().any(|answer| correlation(answer).as_deref() == Some(&b"\x00\xff"[..])), "as it was");
        let listed = desk.rejected(refused.len()).await;
        for (offset, ((record, code), listed)) in refused.iter().zip(&listed).enumerate() {
            assert_eq!((&listed["code"], &listed["offset"]), (&(*code).into(), &offset.into()), "{record:?}: {listed}");
        }
        assert_eq!(listed.len(), refused.len());
        let tombstone = listed[0]["message"].as_str().unwrap();
        assert!(tombstone.contains("tombstone") && tombstone.contains("nothing was recorded"), "{tombstone}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_has_answers_put_on_a_topic_of_a_tenant_that_the_token_does_not_speak_for() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-tenants").await;
        for topic in ["globex.inbox-tenants-out", "demo2.inbox-tenants-out"] {
            desk.client.create(topic, 1).await;
        }
        let token = format!("Bearer {}", desk.node.token(&LEA));
        let to = |topic: &'static str| {
            [
                ("daybook-method", "legal_hold.PlaceHold"),
                ("content-type", "application/json"),
                ("authorization", token.as_str()),
                ("daybook-reply-topic", topic),
            ]
        };
        let elsewhere =
            ["globex.inbox-tenants-out", "demo2.inbox-tenants-out", "inbox-tenants-out", "inbox-tenants.commands"];
        for topic in elsewhere {
            desk.put(&to(topic), hold("stolen").as_bytes()).await;
        }
        let answer = desk.ask(&LEA, "legal_hold.PlaceHold", &hold("own"), &[]).await;
        assert_eq!(header(&answer, "daybook-status"), Some("OK"));
        let rejected = desk.rejected(elsewhere.len()).await;
        assert!(rejected.iter().all(|one| one["code"] == "REPLY_TOPIC_REFUSED"), "{rejected:?}");
        for topic in &elsewhere[..2] {
            assert!(desk.client.all(topic, 0).await.is_empty(), "{topic}");
        }
        let not_there = desk.node.try_ask::<_, GetHoldResponse>(&LEA, &get_hold("stolen")).await;
        assert!(not_there.is_err(), "a command whose answer cannot be given is not carried out");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_the_domain_rejects_is_answered_and_listed_with_its_position_on_the_log() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-no").await;
        let placed = desk.ask(&LEA, "legal_hold.PlaceHold", &hold("n"), &[]).await;
        assert_eq!(header(&placed, "daybook-status"), Some("OK"));
        let answer = desk.ask(&LEA, "legal_hold.PlaceHold", &hold("n"), &[]).await;
        assert_eq!(header(&answer, "daybook-status"), Some("HOLD_ALREADY_EXISTS"));
        assert_eq!(json(&answer)["code"], "already_exists");
        let listed = &desk.rejected(1).await[0];
        assert_eq!(
            (&listed["code"], &listed["method"]),
            (&"HOLD_ALREADY_EXISTS".into(), &"/daybook.legal_hold.v1.LegalHoldService/PlaceHold".into())
        );
        assert!(listed["decidedAt"].as_str().unwrap().contains('/'), "{listed}");

        // Who may do nothing leaves nothing on the log of decisions.
        let before = desk.node.mark().await;
        let answer = desk.ask(&NORA, "legal_hold.PlaceHold", &hold("m"), &[]).await;
        assert_eq!(header(&answer, "daybook-status"), Some("POLICY_DENIED"));
        assert_eq!(json(&answer)["code"], "permission_denied");
        let listed = &desk.rejected(2).await[1];
        assert_eq!((&listed["code"], &listed["decidedAt"]), (&"POLICY_DENIED".into(), &Value::Null), "{listed}");
        assert_eq!(desk.node.mark().await, before);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_record_that_is_sent_or_read_again_is_decided_once() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-again").await;
        let id = new_id();
        let first = json(&desk.ask(&LEA, "legal_hold.PlaceHold", &hold("a"), &[("daybook-command-id", &id)]).await);
        let again = json(&desk.ask(&LEA, "legal_hold.PlaceHold", &hold("a"), &[("daybook-command-id", &id)]).await);
        assert_eq!((&first["receipt"]["commandId"], &again["receipt"]["duplicate"]), (&Value::from(id), &true.into()));
        assert_eq!(first["receipt"]["position"], again["receipt"]["position"]);
        let third = json(&desk.ask(&LEA, "legal_hold.PlaceHold", &hold("b"), &[]).await);

        // Read again from the beginning, as after a crash before the commit: the group's place is put back.
        let Desk { node, client, name, seen } = desk;
        let stopped = node.stop().await;
        let tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        let group = format!("daybook.{name}.inbox");
        let reset = eventually("the group is empty", async || {
            broker
                .tool(tool, &["--group", &group, "--reset-offsets", "--to-earliest", "--all-topics", "--execute"])
                .ok()
        });
        reset.await;
        let mut desk = Desk { node: stopped.start().await, client, name, seen };
        for known in [&first, &first, &third] {
            let again = json(&desk.reply().await);
            assert_eq!(again["receipt"]["commandId"], known["receipt"]["commandId"], "{again}");
            assert_eq!(again["receipt"]["position"], known["receipt"]["position"], "{again}");
            assert_eq!(again["receipt"]["duplicate"], true, "{again}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_nodes_share_an_inbox_and_what_one_leaves_behind_the_other_decides() {
        const HOLDS: usize = 240;
        let (broker, name) = (Broker::shared().await.unwrap(), "inbox-two");
        let client = KafkaClient::new(&broker);
        client.create("demo.inbox-two-out", 1).await;
        let first = home(&broker, name).start().await;
        let mut second = home(&broker, name);
        second.config.node.id = "second".to_owned();
        // Both trust the same tokens and open the same keys.
        let (from, to) = (first.home.data().join("development"), second.data().join("development"));
        std::fs::create_dir_all(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        let second = second.start().await;
        let token = format!("Bearer {}", first.token(&LEA));
        for number in 0..HOLDS {
            let id = number.to_string();
            let headers = [
                ("daybook-method", "legal_hold.PlaceHold"),
                ("content-type", "application/json"),
                ("authorization", token.as_str()),
                ("daybook-reply-topic", "demo.inbox-two-out"),
                ("daybook-correlation-id", id.as_str()),
            ];
            let partition = u32::try_from(number).unwrap() % PARTITIONS;
            client.put("inbox-two-in", partition, &headers, hold(&format!("h-{number}")).as_bytes()).await;
        }
        let answers = async || client.all("demo.inbox-two-out", 0).await;
        eventually("some are answered", async || (answers().await.len() > HOLDS / 8).then_some(())).await;
        first.stop().await;
        let by_number = eventually("all are answered", async || {
            let mut by_number = BTreeMap::<String, Vec<Value>>::new();
            for answer in answers().await {
                assert_eq!(header(&answer, "daybook-status"), Some("OK"), "{:?}", json(&answer));
                let number = header(&answer, "daybook-correlation-id").unwrap().to_owned();
                by_number.entry(number).or_default().push(json(&answer)["receipt"]["position"].clone());
            }
            (by_number.len() == HOLDS).then_some(by_number)
        })
        .await;
        for (number, positions) in by_number {
            assert!(
                positions.iter().all(|position| *position == positions[0]),
                "{number}: decided once: {positions:?}"
            );
            let found: GetHoldResponse = second.ask(&LEA, &get_hold(&format!("h-{number}"))).await;
            assert_eq!(found.hold.unwrap().hold_id, format!("h-{number}"));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_token_must_have_been_good_when_the_record_was_put_there() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-late").await;
        let token = |seconds: u64, desk: &Desk| {
            let key = daybook_server::auth::development::DevelopmentKey::open(&desk.node.home.issuer).unwrap();
            let (tenants, roles) = (["demo".to_owned()], ["legal".to_owned()]);
            let request = daybook_server::auth::development::TokenRequest {
                subject: "lea",
                tenants: &tenants,
                roles: &roles,
                service: false,
                valid_for: std::time::Duration::from_secs(seconds),
            };
            format!("Bearer {}", key.mint(&request).unwrap())
        };
        let short = token(1, &desk);
        let headers = [
            ("daybook-method", "legal_hold.PlaceHold"),
            ("content-type", "application/json"),
            ("authorization", short.as_str()),
            ("daybook-reply-topic", "demo.inbox-late-out"),
        ];
        // While no node reads, the token expires, and its leeway passes.
        let Desk { node, client, name, seen } = desk;
        let home = node.stop().await;
        client.put("inbox-late-in", 0, &headers, hold("waited").as_bytes()).await;
        tokio::time::sleep(std::time::Duration::from_secs(33)).await;
        client.put("inbox-late-in", 0, &headers, hold("too-late").as_bytes()).await;
        desk = Desk { node: home.start().await, client, name, seen };
        let answer = desk.reply().await;
        assert_eq!(json(&answer)["hold"]["holdId"], "waited", "{}", json(&answer));
        assert_eq!(desk.rejected(1).await[0]["code"], "TOKEN_EXPIRED");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_inbox_that_would_keep_records_for_long_or_lets_producers_set_the_time_is_refused() {
        let broker = Broker::shared().await.unwrap();
        let client = KafkaClient::new(&broker);
        // Created with other settings than an inbox has.
        client.create("inbox-kept-in", 1).await;
        let error = home(&broker, "inbox-kept").start_error().await;
        assert_eq!(error.code.name, "TOPIC_SETTINGS_WRONG");
        assert!(error.message.contains("message.timestamp.type"), "{error}");
    }

    /// A few KB that ordinary producers can write and brokers take, and that a client would have to open to 100 MiB.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn records_that_cannot_be_decompressed_are_listed_and_passed_over() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-bomb").await;
        let topic = "inbox-bomb-in";
        let (one, many) = (raw::zstd_bomb(1, 100 << 20), raw::zstd_bomb(300, 300 << 10));
        // The topic that the node made does not take them.
        let refused = raw::produce(&broker.address(), topic, 0, &one).unwrap_err().to_string();
        assert!(refused.contains("error 10"), "too large once it is opened: {refused}");
        set(&broker, topic, "compression.type=producer");

        let good = |desk: &Desk, id: &str| (format!("Bearer {}", desk.node.token(&LEA)), hold(id));
        let mut ends = Vec::new();
        for (id, bombs) in [("a", &[][..]), ("b", &[&one]), ("c", &[&many, &one]), ("d", &[])] {
            for bomb in bombs {
                let first = raw::produce(&broker.address(), topic, 0, bomb).unwrap();
                ends.push((first, if std::ptr::eq(*bomb, &many) { Some(first + 299) } else { None }));
            }
            let (token, value) = good(&desk, id);
            let headers = [
                ("daybook-method", "legal_hold.PlaceHold"),
                ("content-type", "application/json"),
                ("authorization", token.as_str()),
                ("daybook-reply-topic", "demo.inbox-bomb-out"),
            ];
            desk.put(&headers, value.as_bytes()).await;
        }
        for id in ["a", "b", "c", "d"] {
            let answer = desk.reply().await;
            assert_eq!(json(&answer)["hold"]["holdId"], id, "in their order: {}", json(&answer));
        }
        let rejected = desk.rejected(ends.len()).await;
        let listed: Vec<_> =
            rejected.iter().map(|one| (one["offset"].as_u64().unwrap(), one["lastOffset"].as_u64())).collect();
        assert_eq!(listed, ends, "{rejected:?}");
        for one in &rejected {
            let message = one["message"].as_str().unwrap();
            assert_eq!(one["code"], "INBOX_RECORD_UNREADABLE", "{one}");
            assert!(message.contains("decompress") && message.contains("nothing was recorded"), "{message}");
        }
        // Nothing is looked at again.
        let Desk { node, client, name, seen } = desk;
        let mut desk = Desk { node: node.restart().await, client, name, seen };
        let answer = desk.ask(&LEA, "legal_hold.PlaceHold", &hold("e"), &[]).await;
        assert_eq!(json(&answer)["hold"]["holdId"], "e");
        assert_eq!(desk.rejected(0).await.len(), ends.len());
        let status = desk.node.status().await;
        assert!(status.inbox.iter().all(|partition| !partition.stands_still), "{:?}", status.inbox);
    }

    /// Damage that brokers do not notice, since they hand out what is in their files as it is.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn records_that_are_damaged_on_the_disk_of_a_broker_are_listed_and_passed_over() {
        let mut broker = Broker::start().await.unwrap();
        let Some(files) = broker.data_folder() else {
            return skipped("damage on a broker's disk", "the broker's files are in a container");
        };
        let mut desk = Desk::open(&broker, "inbox-disk").await;
        let done = desk.ask(&LEA, "legal_hold.PlaceHold", &hold("before"), &[]).await;
        assert_eq!(header(&done, "daybook-status"), Some("OK"));
        let token = format!("Bearer {}", desk.node.token(&LEA));
        let Desk { node, client, name, seen } = desk;
        let home = node.stop().await;
        // Codec 0 is none, 5 to 7 are nobody's yet.
        let damages =
            [1, 2, 3, 4, 5, 6, 7].map(Damage::Compression).into_iter().chain([Damage::Checksum]).collect::<Vec<_>>();
        let headers = [
            ("daybook-method", "legal_hold.PlaceHold"),
            ("content-type", "application/json"),
            ("authorization", token.as_str()),
            ("daybook-reply-topic", "demo.inbox-disk-out"),
        ];
        let mut damaged = Vec::new();
        for (number, damage) in damages.iter().enumerate() {
            damaged.push((client.put("inbox-disk-in", 0, &headers, hold("lost").as_bytes()).await, *damage));
            client.put("inbox-disk-in", 0, &headers, hold(&format!("good-{number}")).as_bytes()).await;
        }
        drop(client);
        broker.shut_down().unwrap();
        for (offset, damage) in &damaged {
            let batch = daybook_testkit::kafka::damage(&files, "inbox-disk-in", 0, offset.0, *damage).unwrap();
            assert_eq!(batch, (offset.0, offset.0));
        }
        broker.restart().await.unwrap();
        let client = KafkaClient::new(&broker);
        let mut desk = Desk { node: home.start().await, client, name, seen };
        for number in 0..damages.len() {
            assert_eq!(json(&desk.reply().await)["hold"]["holdId"], format!("good-{number}"));
        }
        let rejected = desk.rejected(damaged.len()).await;
        for ((offset, damage), one) in damaged.iter().zip(&rejected) {
            assert_eq!(
                (&one["code"], &one["offset"]),
                (&"INBOX_RECORD_UNREADABLE".into(), &offset.0.into()),
                "{damage:?}: {one}"
            );
        }
        assert_eq!(rejected.len(), damaged.len(), "{rejected:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_partition_that_stands_still_is_told_and_does_not_make_the_node_unready() {
        let broker = Broker::shared().await.unwrap();
        let Some(python) = python() else {
            return skipped(
                "an open transaction",
                "there is no Python with confluent-kafka; tests/setup/kafka-clients.sh",
            );
        };
        let mut home = home(&broker, "inbox-still");
        home.config.inbox.stalled_seconds = Duration::from_secs(2);
        let client = KafkaClient::new(&broker);
        client.create("demo.inbox-still-out", 1).await;
        let mut desk = Desk { node: home.start().await, client, name: "inbox-still".to_owned(), seen: 0 };
        let token = format!("Bearer {}", desk.node.token(&LEA));
        let put = |how: &str, ids: &str| {
            let mut command = Command::new(&python);
            command.args([
                "-c",
                IN_A_TRANSACTION,
                &broker.address(),
                "inbox-still-in",
                &token,
                "demo.inbox-still-out",
                how,
            ]);
            command.args(ids.split(',').map(hold));
            run(&mut command)
        };
        put("commit", "committed");
        assert_eq!(json(&desk.reply().await)["hold"]["holdId"], "committed");
        put("abort", "aborted");
        put("commit", "second");
        assert_eq!(json(&desk.reply().await)["hold"]["holdId"], "second", "what was aborted never was");
        let ready = async |desk: &Desk| {
            let url = format!("http://{}/readyz", desk.node.running.metrics_address);
            let answer = desk.node.http().get(url).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        // The marks of the transactions stand last, and nothing waits.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let standing = desk.node.status().await.inbox.into_iter().find(|one| one.partition == 0).unwrap();
        assert!(standing.lag == 0 && !standing.stands_still, "{standing:?}");
        assert_eq!(ready(&desk).await, (200, "ready\n".to_owned()));

        put("leave", "open");
        let told = eventually("it is told", async || {
            let inbox = desk.node.status().await.inbox;
            inbox.into_iter().find(|one| one.stands_still)
        });
        let told = told.await;
        assert_eq!((told.topic.as_str(), told.partition), ("inbox-still-in", 0));
        assert!(told.lag > 0 && told.detail.contains("transaction is open"), "{told:?}");
        let (code, text) = ready(&desk).await;
        assert!(code == 200 && text.contains("inbox inbox-still-in/0 stands still"), "{code} {text}");
        let status = desk.node.status().await;
        assert!(status.ready, "callers at the doors are served");
        // The other partitions go on.
        let headers = [
            ("daybook-method", "legal_hold.PlaceHold"),
            ("content-type", "application/json"),
            ("authorization", token.as_str()),
            ("daybook-reply-topic", "demo.inbox-still-out"),
        ];
        desk.client.put("inbox-still-in", 1, &headers, hold("elsewhere").as_bytes()).await;
        assert_eq!(json(&desk.reply().await)["hold"]["holdId"], "elsewhere");
        // A new producer of the same name ends it.
        put("commit", "third");
        assert_eq!(json(&desk.reply().await)["hold"]["holdId"], "third");
        eventually("it moves again", async || {
            let inbox = desk.node.status().await.inbox;
            inbox.iter().all(|one| !one.stands_still && one.lag == 0).then_some(())
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn settings_that_are_changed_while_nodes_run_let_what_depends_on_them_wait() {
        let broker = Broker::shared().await.unwrap();
        let mut home = home(&broker, "inbox-changed");
        home.config.log.kafka_check_seconds = Duration::from_secs(1);
        home.config.inbox.stalled_seconds = Duration::from_secs(1);
        let client = KafkaClient::new(&broker);
        client.create("demo.inbox-changed-out", 1).await;
        let mut desk = Desk { node: home.start().await, client, name: "inbox-changed".to_owned(), seen: 0 };
        let done = desk.ask(&LEA, "legal_hold.PlaceHold", &hold("a"), &[]).await;
        assert_eq!(header(&done, "daybook-status"), Some("OK"));
        for (topic, wrong, right) in [
            ("inbox-changed-in", "retention.ms=99999999999", "retention.ms=86400000"),
            ("inbox-changed.inbox.rejected", "cleanup.policy=compact", "cleanup.policy=delete"),
        ] {
            set(&broker, topic, wrong);
            // Until it is seen.
            tokio::time::sleep(Duration::from_secs(4)).await;
            let token = format!("Bearer {}", desk.node.token(&LEA));
            let headers = [
                ("daybook-method", "legal_hold.PlaceHold"),
                ("content-type", "application/json"),
                ("authorization", token.as_str()),
                ("daybook-reply-topic", "demo.inbox-changed-out"),
            ];
            desk.put(&headers, hold(&format!("b-{topic}")).as_bytes()).await;
            let told = eventually("it is told", async || {
                let inbox = desk.node.status().await.inbox;
                inbox.into_iter().find(|one| one.stands_still)
            });
            let told = told.await;
            assert!(told.detail.contains("TOPIC_SETTINGS_WRONG") && told.detail.contains(topic), "{told:?}");
            // The doors go on.
            let _: PlaceHoldResponse = desk.node.ask(&LEA, &place(&format!("c-{topic}"), on("ada@example.org"))).await;
            set(&broker, topic, right);
            assert_eq!(json(&desk.reply().await)["hold"]["holdId"], format!("b-{topic}"), "it goes on");
        }
        // The key ring's topic is the log's own affair.
        set(&broker, "inbox-changed.keys", "cleanup.policy=delete");
        let wrong = eventually("it is seen", async || {
            let refuses = desk.node.status().await.refuses_commands;
            (!refuses.is_empty()).then_some(refuses)
        });
        let wrong = wrong.await;
        assert!(wrong.contains("TOPIC_SETTINGS_WRONG") && wrong.contains("inbox-changed.keys"), "{wrong}");
        set(&broker, "inbox-changed.keys", "cleanup.policy=compact");
        eventually("it is right again", async || desk.node.status().await.refuses_commands.is_empty().then_some(()))
            .await;
        // A record that was put there while producers could choose its time is not believed.
        set(&broker, "inbox-changed-in", "message.timestamp.type=CreateTime");
        let token = format!("Bearer {}", desk.node.token(&LEA));
        let headers = [
            ("daybook-method", "legal_hold.PlaceHold"),
            ("content-type", "application/json"),
            ("authorization", token.as_str()),
        ];
        desk.put(&headers, hold("of-any-time").as_bytes()).await;
        set(&broker, "inbox-changed-in", "message.timestamp.type=LogAppendTime");
        let rejected = desk.rejected(1).await;
        assert_eq!(rejected[0]["code"], "INBOX_RECORD_INVALID", "{rejected:?}");
        assert!(rejected[0]["message"].as_str().unwrap().contains("LogAppendTime"), "{rejected:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn records_of_every_codec_are_read_whatever_the_topic_compresses_with() {
        const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
        const TOPICS: [&str; 6] = ["uncompressed", "producer", "gzip", "snappy", "lz4", "zstd"];
        let broker = Broker::shared().await.unwrap();
        let Some(python) = python() else {
            return skipped("every codec", "there is no Python with confluent-kafka; tests/setup/kafka-clients.sh");
        };
        let mut home = home(&broker, "inbox-codecs");
        home.config.inbox.topics = TOPICS.map(|topic| format!("inbox-codecs-{topic}")).to_vec();
        let client = KafkaClient::new(&broker);
        client.create("demo.inbox-codecs-out", 1).await;
        let node = home.start().await;
        let token = format!("Bearer {}", node.token(&LEA));
        for topic in TOPICS {
            let name = format!("inbox-codecs-{topic}");
            set(&broker, &name, &format!("compression.type={topic}"));
            for codec in CODECS {
                let mut command = Command::new(&python);
                command.args(["-c", COMPRESSED, &broker.address(), &name, &token, "demo.inbox-codecs-out", codec]);
                run(command.args((0..3).map(|number| hold(&format!("{topic}-{codec}-{number}")))));
            }
        }
        let count = TOPICS.len() * CODECS.len() * 3;
        let answers = eventually("all are answered", async || {
            let answers = client.all("demo.inbox-codecs-out", 0).await;
            (answers.len() >= count).then_some(answers)
        });
        for answer in answers.await {
            assert_eq!(header(&answer, "daybook-status"), Some("OK"), "{}", json(&answer));
        }
        assert!(client.all("inbox-codecs.inbox.rejected", 0).await.is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ordinary_python_and_java_producers_place_holds_and_read_the_answers() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kafka");
        let broker = Broker::shared().await.unwrap();
        let desk = Desk::open(&broker, "inbox-foreign").await;
        let token = desk.node.token(&LEA);
        let arguments = |id: &str| {
            [broker.address(), "inbox-foreign-in".into(), "demo.inbox-foreign-out".into(), token.clone(), hold(id)]
        };
        let placed = |printed: &str, id: &str| {
            let (status, answer) = printed.split_once(' ').expect("a status and an answer");
            assert_eq!(status, "OK", "{printed}");
            let answer: Value = serde_json::from_str(answer).expect("JSON");
            assert_eq!(answer["hold"]["holdId"], id, "{answer}");
        };
        match python() {
            Some(python) => {
                let mut command = Command::new(python);
                placed(&run(command.arg(examples.join("place_hold.py")).args(arguments("python"))), "python");
            }
            None => {
                skipped("a Python producer", "there is no Python with confluent-kafka; tests/setup/kafka-clients.sh")
            }
        }
        match jars() {
            Some(jars) if Command::new("javac").arg("-version").output().is_ok() => {
                let classes = tempfile::tempdir().unwrap();
                let jars = jars.join("*");
                run(Command::new("javac")
                    .arg("-cp")
                    .arg(&jars)
                    .arg("-d")
                    .arg(classes.path())
                    .arg(examples.join("PlaceHold.java")));
                let path = format!("{}:{}", jars.display(), classes.path().display());
                placed(&run(Command::new("java").args(["-cp", &path, "PlaceHold"]).args(arguments("java"))), "java");
            }
            _ => skipped(
                "a Java producer",
                "there is no javac, or Kafka's jars are missing; tests/setup/kafka-clients.sh",
            ),
        }
    }
}
