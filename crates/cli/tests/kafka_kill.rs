//! The real program under `kill -9` while other programs fill its inbox and read its outbox: every command is decided
//! once and answered, every event is published, in order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use daybook_rocks::Memory;
use daybook_server::auth::development::{DevelopmentKey, TokenRequest};
use daybook_server::config::Config;
use daybook_testkit::kafka::Broker;
use daybook_tests::eventually;
use daybook_tests::kafka_client::{KafkaClient, header};
use daybook_tests::node::to_json;
use daybook_tests::outbox::{on_the_log, on_the_outbox};
use daybook_tests::requests::{on, place};
use serde_json::Value;

use common::Served;

const KILLS: usize = 3;
/// More on each partition than a node takes from the brokers at once.
const HOLDS_PER_KILL: usize = 700;
const HOLDS: usize = KILLS * HOLDS_PER_KILL;

fn token(data: &Path) -> String {
    let key = DevelopmentKey::open(data).unwrap();
    let (tenants, roles) = (["demo".to_owned()], ["legal".to_owned()]);
    let valid_for = Duration::from_secs(3_600);
    key.mint(&TokenRequest { subject: "lea", tenants: &tenants, roles: &roles, service: false, valid_for }).unwrap()
}

/// Puts commands on both partitions of the inbox.
async fn put_holds(client: &KafkaClient, token: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let id = number.to_string();
        let headers = [
            ("daybook-method", "legal_hold.PlaceHold"),
            ("content-type", "application/json"),
            ("authorization", token),
            ("daybook-reply-topic", "demo.kill-out"),
            ("daybook-correlation-id", id.as_str()),
        ];
        let hold = to_json(&place(&format!("hold-{number}"), on("ada@example.org"))).to_string();
        client.put("kill-in", (number % 2) as u32, &headers, hold.as_bytes()).await;
    }
}

/// How many answers there are, kept up to date.
fn count_answers(client: &KafkaClient) -> Arc<AtomicUsize> {
    let answered = Arc::new(AtomicUsize::new(0));
    let (count, mut reader) = (Arc::clone(&answered), client.read("demo.kill-out", 0));
    tokio::spawn(async move {
        while reader.next().await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    answered
}

/// Its name says that it needs a real broker.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_that_is_killed_again_and_again_loses_no_record_of_its_inbox_and_no_event_of_its_outbox() {
        let broker = Broker::shared().await.unwrap();
        let client = KafkaClient::new(&broker);
        client.create("demo.kill-out", 1).await;
        let folder = tempfile::tempdir().unwrap();
        let (data, file) = (folder.path().join("data"), folder.path().join("daybook.toml"));
        let text = format!(
            "[log]\nurl = \"kafka://{}\"\nname = \"kill\"\npartitions = 2\n[inbox]\ntopics = [\"kill-in\"]\n\
             reply_topic_prefix = \"{{tenant}}.kill-out\"\n[outbox]\ndomains = [\"legal_hold\"]\n",
            broker.address()
        );
        std::fs::write(&file, text).unwrap();
        let config = ["--config", file.to_str().unwrap()];
        let served = Served::start(&data, &config);
        let token = format!("Bearer {}", token(&data));
        served.kill();

        let answered = count_answers(&client);
        let mut interrupted = 0;
        for kill in 0..KILLS {
            let first = kill * HOLDS_PER_KILL;
            put_holds(&client, &token, first..first + HOLDS_PER_KILL).await;
            let before = answered.load(Ordering::Relaxed);
            let served = Served::start(&data, &config);
            // A new member gets its partitions when the dead one is out of the group; then it is killed in the middle.
            eventually("it works the inbox off", async || {
                (answered.load(Ordering::Relaxed) > before + 10 + 20 * kill).then_some(())
            })
            .await;
            served.kill();
            tokio::time::sleep(Duration::from_millis(300)).await;
            interrupted += usize::from(answered.load(Ordering::Relaxed) < first + HOLDS_PER_KILL);
        }
        println!("{interrupted} of {KILLS} kills came in the middle");
        assert!(interrupted > 0, "no kill came in the middle");
        client.put("kill-in", 0, &[("daybook-method", "legal_hold.PlaceHold")], b"garbage").await;
        let served = Served::start(&data, &config);
        let answers = eventually("all are answered", async || {
            let answers = client.all("demo.kill-out", 0).await;
            let ids: BTreeSet<_> = answers.iter().filter_map(|it| header(it, "daybook-correlation-id")).collect();
            (ids.len() == HOLDS).then(|| answers.clone())
        })
        .await;
        assert!(answers.iter().all(|answer| header(answer, "daybook-status") == Some("OK")));

        // What cannot be decoded is listed, for people and for programs.
        let listed = eventually("the garbage is listed", async || {
            let listed = served.text(&["--config", config[1], "--json", "inbox", "rejected"]);
            listed.lines().next().map(|line| serde_json::from_str::<Value>(line).unwrap())
        });
        let listed = listed.await;
        assert_eq!((&listed["code"], &listed["offset"]), (&"TOKEN_MISSING".into(), &(HOLDS / 2).into()), "{listed}");
        let table = served.text(&["--config", config[1], "inbox", "rejected"]);
        assert!(table.contains("TOKEN_MISSING") && table.contains(&format!("0/{}", HOLDS / 2)), "{table}");

        let config = Config::load(Some(&file), []).unwrap();
        let log = daybook_server::serve::open_log(&config, &Memory::default()).await.unwrap();
        let expected = on_the_log(&*log, "legal_hold").await;
        let placed = expected.values().flatten().filter(|(_, _, kind, ..)| kind == "HoldPlaced").count();
        assert_eq!(placed, HOLDS, "each is decided once: {expected:?}");
        let (_, repeated) = eventually("everything is published", async || {
            let found = on_the_outbox(&client, "kill", 2, "legal_hold").await;
            (found.0 == expected).then_some(found)
        })
        .await;
        println!("{} answers to {HOLDS} commands, {repeated} events came again", answers.len());
        served.stop();
    }
}
