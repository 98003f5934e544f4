//! Commands that other programs put on inbox topics of a real broker.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use daybook_log::BesideRecord;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::product_analytics::v1::{Event, EventSchema, MinimisationProfile, RecordEventsRequest};
use daybook_testkit::kafka::Broker;
use daybook_tests::kafka_client::{KafkaClient, header, jars, python, run};
use daybook_tests::node::{Home, Node, PARTITIONS, new_id, to_json};
use daybook_tests::people::{FEEDER, LEA, NORA, Person};
use daybook_tests::requests::*;
use daybook_tests::skipped::skipped;
use daybook_tests::{disk, events, eventually};
use prost::Message;
use serde_json::Value;

/// A log of a name with an inbox `<name>-in` and replies on `<name>-out`.
fn home(broker: &Broker, name: &str) -> Home {
    Home::with(|config| {
        config.log.url = format!("kafka://{}", broker.address());
        config.log.name = name.to_owned();
        config.inbox.topics = vec![format!("{name}-in")];
        config.inbox.reply_topic_prefix = format!("{name}-out");
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
        client.create(&format!("{name}-out"), 1).await;
        Self { node: home(broker, name).start().await, client, name: name.to_owned(), seen: 0 }
    }

    /// Puts a command there as JSON and waits for the answer.
    async fn ask(&mut self, who: &Person, method: &str, value: &str, more: &[(&str, &str)]) -> BesideRecord {
        let token = format!("Bearer {}", self.node.token(who));
        let out = format!("{}-out", self.name);
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
        let topic = format!("{}-out", self.name);
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
            ("daybook-reply-topic", "inbox-both-out"),
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
            (with("daybook-reply-topic", "inbox-wrong-out-missing"), fine.as_bytes(), "REPLY_TOPIC_REFUSED"),
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_the_domain_rejects_is_answered_and_listed_with_its_position_on_the_log() {
        let broker = Broker::shared().await.unwrap();
        let mut desk = Desk::open(&broker, "inbox-no").await;
        let answer = desk.ask(&NORA, "legal_hold.PlaceHold", &hold("n"), &[]).await;
        assert_eq!(header(&answer, "daybook-status"), Some("POLICY_DENIED"));
        assert_eq!(json(&answer)["code"], "permission_denied");
        let listed = &desk.rejected(1).await[0];
        assert_eq!(
            (&listed["code"], &listed["method"]),
            (&"POLICY_DENIED".into(), &"/daybook.legal_hold.v1.LegalHoldService/PlaceHold".into())
        );
        assert!(listed["decidedAt"].as_str().unwrap().contains('/'), "{listed}");
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
        client.create("inbox-two-out", 1).await;
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
                ("daybook-reply-topic", "inbox-two-out"),
                ("daybook-correlation-id", id.as_str()),
            ];
            let partition = u32::try_from(number).unwrap() % PARTITIONS;
            client.put("inbox-two-in", partition, &headers, hold(&format!("h-{number}")).as_bytes()).await;
        }
        let answers = async || client.all("inbox-two-out", 0).await;
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
            ("daybook-reply-topic", "inbox-late-out"),
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ordinary_python_and_java_producers_place_holds_and_read_the_answers() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kafka");
        let broker = Broker::shared().await.unwrap();
        let desk = Desk::open(&broker, "inbox-foreign").await;
        let token = desk.node.token(&LEA);
        let arguments = |id: &str| {
            [broker.address(), "inbox-foreign-in".into(), "inbox-foreign-out".into(), token.clone(), hold(id)]
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
