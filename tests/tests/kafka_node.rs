//! The same story on Apache Kafka: one setting is changed.

use std::sync::Arc;

use daybook_kernel::decide::Decider;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::Log;
use daybook_policy::Cedar;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::node::v1::{GetStateDigestRequest, GetStateDigestResponse};
use daybook_replay::{Until, rebuild, verify};
use daybook_rocks::Memory;
use daybook_testkit::kafka::Broker;
use daybook_tests::node::Node;
use daybook_tests::people::{LEA, RITA, ROOT};
use daybook_tests::requests::*;
use daybook_tests::story::{purged, release_by_two, state, tell};

async fn node(broker: &Broker, name: &str) -> Node {
    let (url, name) = (format!("kafka://{}", broker.address()), name.to_owned());
    Node::start_with(|config| {
        config.log.url = url;
        config.log.name = name;
    })
    .await
}

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
}
