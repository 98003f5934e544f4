//! The same story on Apache Kafka: one setting is changed.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::decide::Decider;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Durability, KafkaLog, Log, Topic};
use daybook_policy::Cedar;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::node::v1::{GetStateDigestRequest, GetStateDigestResponse, PartitionState};
use daybook_replay::{Until, rebuild, verify};
use daybook_rocks::Memory;
use daybook_testkit::kafka::{Broker, Damage, damage};
use daybook_tests::kafka_client::{python, run};
use daybook_tests::node::Node;
use daybook_tests::people::{LEA, RITA, ROOT};
use daybook_tests::requests::*;
use daybook_tests::skipped::skipped;
use daybook_tests::story::{purged, release_by_two, state, tell};

async fn node(broker: &Broker, name: &str) -> Node {
    let (url, name) = (format!("kafka://{}", broker.address()), name.to_owned());
    Node::start_with(|config| {
        config.log.url = url;
        config.log.name = name;
    })
    .await
}

/// Changes a setting of a topic, as operators do.
fn set(broker: &Broker, topic: &str, setting: &str) {
    let arguments = ["--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", setting];
    broker.tool("kafka.admin.ConfigCommand", &arguments).expect("the setting is changed");
}

/// Puts records on partition 0 that no node writes. Arguments: brokers, topic, codec.
const FOREIGN: &str = r#"
import sys
from confluent_kafka import Producer
brokers, topic, codec = sys.argv[1:]
producer = Producer({"bootstrap.servers": brokers, "compression.type": codec, "linger.ms": 100})
for number in range(20):
    producer.produce(topic, key=f"foreign {number}", value="nobody's record " * 50, partition=0)
assert producer.flush(30) == 0
"#;

/// Their names say that they need a real one.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_hold_stops_deletions_and_its_release_by_two_people_lets_them_happen() {
        let broker = Broker::shared().await.unwrap();
        let node = node(&broker, "story").await;
        tell(&node).await;
        assert!(node.status().await.log.contains("afka"), "the log is on Kafka");
        assert!(!node.home.data().join("log").exists(), "and nowhere else");
        node.stop().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_of_it_survives_a_restart_and_comes_out_again_from_the_log() {
        let broker = Broker::shared().await.unwrap();
        let node = node(&broker, "restarted").await;
        let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
        let _: RegisterItemResponse = node.ask(&RITA, &register(item("a", "century", "ada@example.org"))).await;
        let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on("ada@example.org"))).await;
        let _: DisposeItemsResponse = node.ask(&RITA, &dispose(&["a"])).await;
        let known = node.domain_digests().await;

        // Without its stores: everything is folded anew from the topics.
        let home = node.stop().await;
        std::fs::remove_dir_all(home.data().join("store")).unwrap();
        let node = home.start().await;
        assert_eq!(node.domain_digests().await, known);
        assert_eq!(state(&node, "a").await, ItemState::Deferred);
        release_by_two(&node, "h").await;
        purged(&node, "a").await;

        let memory = Memory::default();
        let log: Arc<dyn Log> = daybook_server::serve::open_log(&node.home.config, &memory).await.unwrap();
        let decider = Decider::new(daybook_domains::registry(), Arc::new(Cedar::new()), log.partitions());
        let scratch = tempfile::tempdir().unwrap();
        node.settle().await;
        for partition in 0..log.partitions() {
            let served: GetStateDigestResponse = node.ask(&ROOT, &GetStateDigestRequest { partition }).await;
            let (partition, until) = (PartitionId(partition), Until::Record(Offset(served.next_record)));
            let folder = scratch.path().join("rebuilt");
            let rebuilt = rebuild(&*log, &decider, partition, &folder, until, &memory, &()).await.unwrap();
            assert_eq!((rebuilt.digest.to_hex(), rebuilt.rows), (served.digest, served.rows));
            let folder = scratch.path().join("verified");
            let verified = verify(&*log, &decider, partition, &folder, &memory, &()).await.unwrap();
            assert_eq!((verified.difference_count, verified.dropped), (0, 0), "{verified:?}");
        }
    }

    /// Topics that compress, and records of other programs that were compressed: nodes read all of it, now and later.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn topics_may_compress_with_any_codec_also_for_a_while() {
        let broker = Broker::shared().await.unwrap();
        let node = node(&broker, "codecs").await;
        let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
        for (number, codec) in ["gzip", "snappy", "lz4", "zstd", "uncompressed", "producer"].iter().enumerate() {
            for topic in ["commands", "decisions", "keys"] {
                set(&broker, &format!("codecs.{topic}"), &format!("compression.type={codec}"));
            }
            // A key of its own is made for each.
            let id = format!("item-{number}");
            let _: RegisterItemResponse = node.ask(&RITA, &register(item(&id, "century", "ada@example.org"))).await;
            let _: PlaceHoldResponse = node.ask(&LEA, &place(&format!("h-{codec}"), on("ada@example.org"))).await;
        }
        match python() {
            Some(python) => {
                // Where nobody but nodes should write: what is no record of theirs does not count, and is read all the same.
                for topic in ["decisions", "keys"] {
                    for codec in ["gzip", "snappy", "lz4", "zstd", "none"] {
                        let mut command = Command::new(&python);
                        command.args(["-c", FOREIGN, &broker.address(), &format!("codecs.{topic}"), codec]);
                        run(&mut command);
                    }
                }
            }
            None => skipped("foreign records", "there is no Python with confluent-kafka; tests/setup/kafka-clients.sh"),
        }
        let _: PlaceHoldResponse = node.ask(&LEA, &place("after", on("ada@example.org"))).await;
        let known = node.domain_digests().await;
        let home = node.stop().await;
        std::fs::remove_dir_all(home.data().join("store")).unwrap();
        let node = home.start().await;
        assert_eq!(node.domain_digests().await, known);
        let opened: RevealItemResponse = node.ask(&LEA, &reveal("item-3")).await;
        assert!(opened.item.is_some(), "the keys are read");
        let memory = Memory::default();
        let log: Arc<dyn Log> = daybook_server::serve::open_log(&node.home.config, &memory).await.unwrap();
        let decider = Decider::new(daybook_domains::registry(), Arc::new(Cedar::new()), log.partitions());
        let scratch = tempfile::tempdir().unwrap();
        node.settle().await;
        for partition in (0..log.partitions()).map(PartitionId) {
            let folder = scratch.path().join("verified");
            let verified = verify(&*log, &decider, partition, &folder, &memory, &()).await.unwrap();
            assert_eq!(verified.difference_count, 0, "{verified:?}");
        }
    }

    /// Brokers hand out what is in their files as it is.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_batch_of_the_log_that_cannot_be_read_is_told_as_damage_and_not_as_a_log_that_cannot_be_reached() {
        let mut broker = Broker::start().await.unwrap();
        let Some(files) = broker.data_folder() else {
            return skipped("damage on a broker's disk", "the broker's files are in a container");
        };
        let damages =
            [1, 2, 3, 4, 7].map(Damage::Compression).into_iter().chain([Damage::Checksum]).collect::<Vec<_>>();
        // A partition of each topic for each way.
        let partitions = u32::try_from(damages.len()).unwrap();
        let log = KafkaLog::open(broker.log_options("damaged", partitions)).await.unwrap();
        for topic in Topic::ALL {
            for partition in (0..partitions).map(PartitionId) {
                for number in 0..4_u8 {
                    let record = Bytes::from(vec![number; 200]);
                    log.append(topic, partition, record, Durability::Synced).await.unwrap();
                }
            }
        }
        drop(log);
        broker.shut_down().unwrap();
        for topic in Topic::ALL {
            for (partition, how) in (0..partitions).zip(&damages) {
                damage(&files, &format!("damaged.{topic}"), partition, 2, *how).unwrap();
            }
        }
        broker.restart().await.unwrap();
        let log = KafkaLog::open(broker.log_options("damaged", partitions)).await.unwrap();
        for topic in Topic::ALL {
            for (partition, how) in (0..partitions).map(PartitionId).zip(&damages) {
                let mut reader = log.reader(topic, partition, Offset(0)).unwrap();
                let mut read = 0;
                let error = loop {
                    let next = tokio::time::timeout(Duration::from_secs(30), reader.next()).await;
                    match next.expect("it does not read for ever") {
                        Ok(records) => read += records.len(),
                        Err(error) => break error,
                    }
                };
                assert_eq!((read, error.code().name), (2, "LOG_DAMAGED"), "{topic} {how:?}: {error}");
                assert!(error.to_string().contains("at offset 2"), "{error}");
                // What comes after it is there.
                let mut reader = log.reader(topic, partition, Offset(3)).unwrap();
                let after = tokio::time::timeout(Duration::from_secs(30), reader.next()).await;
                assert_eq!(after.expect("it comes").unwrap()[0].bytes, Bytes::from(vec![3; 200]), "{topic} {how:?}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_partition_with_a_damaged_batch_is_broken_and_a_damaged_key_ring_stops_the_start() {
        let mut broker = Broker::start().await.unwrap();
        let Some(files) = broker.data_folder() else {
            return skipped("damage on a broker's disk", "the broker's files are in a container");
        };
        let node = node(&broker, "broken").await;
        let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
        let _: RegisterItemResponse = node.ask(&RITA, &register(item("a", "century", "ada@example.org"))).await;
        let placed: PlaceHoldResponse = node.ask(&LEA, &place("h", on("ada@example.org"))).await;
        let place = placed.receipt.unwrap().position.unwrap();
        node.settle().await;
        let home = node.stop().await;
        broker.shut_down().unwrap();
        damage(&files, "broken.decisions", place.partition, 1, Damage::Compression(4)).unwrap();
        broker.restart().await.unwrap();
        // With its stores gone, the node reads the log again from its beginning.
        std::fs::remove_dir_all(home.data().join("store")).unwrap();
        let node = home.start().await;
        let status = node.status().await;
        let broken = &status.partitions[place.partition as usize];
        assert_eq!(broken.state(), PartitionState::Broken, "{broken:?}");
        assert!(broken.detail.contains("LOG_DAMAGED") || broken.detail.contains("damaged"), "{broken:?}");
        assert!(broken.detail.contains("offset 1"), "{broken:?}");
        assert!(!broken.detail.contains("cannot be reached"), "{broken:?}");
        let others = status.partitions.iter().filter(|other| other.partition != place.partition);
        assert!(others.clone().all(|other| other.state() == PartitionState::Leading), "{status:?}");
        let ready = node.http().get(format!("http://{}/readyz", node.running.metrics_address)).send().await.unwrap();
        assert_eq!(ready.status().as_u16(), 503);

        let home = node.stop().await;
        broker.shut_down().unwrap();
        damage(&files, "broken.keys", 0, 0, Damage::Compression(1)).unwrap();
        broker.restart().await.unwrap();
        let error = home.start_error().await;
        assert_eq!(error.code.name, "KEY_RING_DAMAGED", "{error}");
        assert!(error.message.contains("broken.keys") && !error.message.contains("cannot be reached"), "{error}");
    }
}
