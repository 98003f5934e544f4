//! Events that are published for others to consume, on a real broker.

use daybook_proto::legal_hold::v1::*;
use daybook_rocks::Memory;
use daybook_testkit::kafka::Broker;
use daybook_tests::eventually;
use daybook_tests::kafka_client::KafkaClient;
use daybook_tests::node::{Home, Node, PARTITIONS};
use daybook_tests::outbox::{on_the_log, on_the_outbox};
use daybook_tests::people::{LEA, RITA};
use daybook_tests::requests::*;

const DOMAIN: &str = "legal_hold";

fn home(broker: &Broker, name: &str) -> Home {
    Home::with(|config| {
        config.log.url = format!("kafka://{}", broker.address());
        config.log.name = name.to_owned();
        config.outbox.domains = vec![DOMAIN.to_owned()];
    })
}

/// Waits until everything that is on the log is published, and nothing else.
async fn published(node: &Node, client: &KafkaClient) -> u64 {
    node.settle().await;
    let log = daybook_server::serve::open_log(&node.home.config, &Memory::default()).await.unwrap();
    let expected = on_the_log(&*log, DOMAIN).await;
    assert!(expected.values().map(Vec::len).sum::<usize>() > 0);
    let (_, repeated) = eventually("everything is published", async || {
        let found = on_the_outbox(client, log.name(), PARTITIONS, DOMAIN).await;
        (found.0 == expected).then_some(found)
    })
    .await;
    repeated
}

async fn work(node: &Node, round: &str) {
    for number in 0..10 {
        let id = format!("{round}-{number}");
        let _: RegisterItemResponse = node.ask(&RITA, &register(item(&id, "century", "ada@example.org"))).await;
        let _: PlaceHoldResponse = node.ask(&LEA, &place(&id, on("ada@example.org"))).await;
    }
}

/// Their names say that they need a real broker.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_accepted_event_is_published_once_in_order_and_sealed_whoever_leads() {
        let broker = Broker::shared().await.unwrap();
        let client = KafkaClient::new(&broker);
        let node = home(&broker, "outbox").start().await;
        let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
        work(&node, "first").await;
        assert_eq!(published(&node, &client).await, 0, "one owner repeats nothing");

        // The same node again, and then another one: both go on where the topic ends.
        let node = node.restart().await;
        work(&node, "again").await;
        published(&node, &client).await;
        let first = node.stop().await;
        let mut other = home(&broker, "outbox");
        other.config.node.id = "another".to_owned();
        other.config.keys.master_key_file = Some(first.data().join("development/master-key"));
        other.issuer = other.data();
        let other = other.start().await;
        work(&other, "other").await;
        let repeated = published(&other, &client).await;
        println!("{repeated} events came again");

        let mut sealed = 0;
        for partition in 0..PARTITIONS {
            for record in client.all("outbox.outbox.legal_hold", partition).await {
                let text = String::from_utf8(record.value.to_vec()).unwrap();
                for clear in ["body of", "title of", "ada@example.org", "Display ada"] {
                    assert!(!text.contains(clear), "{clear} is in clear: {text}");
                }
                sealed += u64::from(text.contains(r#""kind":"ItemsRegistered""#) && text.contains(r#""sealed":"#));
            }
        }
        assert!(sealed >= 30, "there was something to seal");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_outbox_of_no_domain_is_a_mistake_of_the_configuration() {
        let broker = Broker::shared().await.unwrap();
        let mut home = home(&broker, "outbox-wrong");
        home.config.outbox.domains = vec!["legal_holds".to_owned()];
        let error = home.start_error().await;
        assert_eq!(error.code.name, "CONFIG_INVALID");
        assert!(error.message.contains("legal_holds"), "{error}");
    }
}
