//! The key ring beside a log on Kafka: shared by the nodes, made once, and never replaced silently.

use std::fs;

use daybook_proto::legal_hold::v1::*;
use daybook_testkit::kafka::Broker;
use daybook_tests::disk::{copy, write_secret};
use daybook_tests::node::{Home, Node};
use daybook_tests::people::{LEA, RITA};
use daybook_tests::refusal::Refusal;
use daybook_tests::requests::*;
use daybook_tests::story::purged;

const ADA: &str = "ada@example.org";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

async fn with_an_item_that_is_kept_and_one_that_is_gone(node: &Node) {
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    for id in ["kept", "gone"] {
        let _: RegisterItemResponse = node.ask(&RITA, &register(item(id, "century", ADA))).await;
    }
    let _: DisposeItemsResponse = node.ask(&RITA, &dispose(&["gone"])).await;
    purged(node, "gone").await;
}

async fn body_of(node: &Node, id: &str) -> String {
    let revealed: RevealItemResponse = node.ask(&LEA, &reveal(id)).await;
    revealed.item.unwrap().body
}

fn on_kafka(home: &mut Home, broker: &Broker, name: &str) {
    home.config.log.url = format!("kafka://{}", broker.address());
    home.config.log.name = name.to_owned();
}

/// Their names say that they need a real broker.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_node_has_the_keys_although_it_has_nothing_on_its_disk() {
        let broker = Broker::shared().await.unwrap();
        let mut home = Home::default();
        on_kafka(&mut home, &broker, "shared-ring");
        let node = home.start().await;
        with_an_item_that_is_kept_and_one_that_is_gone(&node).await;
        assert!(!node.home.data().join("keys").exists(), "no key on its own disk");
        let home = node.stop().await;

        // Another machine: a data folder of its own, the same master key.
        let mut other = Home::default();
        on_kafka(&mut other, &broker, "shared-ring");
        other.config.keys.master_key_file = Some(home.data().join("development/master-key"));
        let other = other.start().await;
        assert_eq!(body_of(&other, "kept").await, "body of kept");
        let again = other.try_ask::<_, RegisterItemResponse>(&RITA, &register(item("gone", "century", ADA))).await;
        assert_eq!(Refusal::of_grpc(&again.unwrap_err()).code, "KEY_DESTROYED");
        let mut other = other.stop().await;

        write_secret(&other.folder.path().join("wrong-key"), &"ab".repeat(32));
        let right = other.config.keys.master_key_file.replace(other.folder.path().join("wrong-key"));
        assert_eq!(other.start_error().await.code.name, "MASTER_KEY_WRONG");
        other.config.keys.master_key_file = right;
        assert_eq!(body_of(&other.start().await, "kept").await, "body of kept", "nothing was changed");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_ring_of_an_older_installation_is_taken_over_once_and_a_lost_ring_is_not_replaced_silently() {
        let broker = Broker::shared().await.unwrap();
        // A ring on a local disk, with a key that is destroyed.
        let node = Node::start().await;
        with_an_item_that_is_kept_and_one_that_is_gone(&node).await;
        let mut home = node.stop().await;
        let (keys, older) = (home.data().join("keys"), home.folder.path().join("older-keys"));
        copy(&keys, &older);

        fs::remove_dir_all(home.data().join("store")).unwrap();
        on_kafka(&mut home, &broker, "older");
        let node = home.start().await;
        assert!(!keys.exists(), "what was taken over is not left on the disk");
        let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
        let _: RegisterItemResponse = node.ask(&RITA, &register(item("kept", "century", ADA))).await;
        let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on(ADA))).await;
        let again = node.try_ask::<_, RegisterItemResponse>(&RITA, &register(item("gone", "century", ADA))).await;
        assert_eq!(Refusal::of_grpc(&again.unwrap_err()).code, "KEY_DESTROYED", "destructions are taken over as well");
        let home = node.stop().await;

        // Without its ring the log is not opened.
        broker.tool(TOPICS, &["--delete", "--topic", "older.keys"]).unwrap();
        let error = home.start_error().await;
        assert_eq!(error.code.name, "KEY_RING_MISSING", "{error}");
        assert!(error.to_string().contains("older.keys"), "{error}");

        // A log on Kafka that has records, and a ring on the disk of its one node: an older installation.
        copy(&older, &keys);
        let node = home.start().await;
        assert!(!keys.exists());
        assert_eq!(body_of(&node, "kept").await, "body of kept");
        let registered: RegisterItemResponse = node.ask(&RITA, &register(item("later", "century", ADA))).await;
        let min_position = registered.receipt.unwrap().position;
        let gate: CheckDispositionResponse = node.ask(&RITA, &check(&["kept", "later"], min_position)).await;
        assert!(gate.results.iter().all(|result| result.hold_ids == ["h"]), "people keep their pseudonyms: {gate:?}");
        let node = node.restart().await;
        assert_eq!(body_of(&node, "later").await, "body of later");
        let home = node.stop().await;

        // A ring that is none of this log's is left alone.
        let stranger = Node::start_with(|config| {
            config.keys.master_key_file = Some(home.data().join("development/master-key"));
        })
        .await;
        with_an_item_that_is_kept_and_one_that_is_gone(&stranger).await;
        let stranger = stranger.stop().await;
        copy(&stranger.data().join("keys"), &keys);
        let error = home.start_error().await;
        assert_eq!(error.code.name, "KEY_RINGS_DIFFER", "{error}");
        assert!(keys.exists());
        fs::remove_dir_all(&keys).unwrap();
        assert_eq!(body_of(&home.start().await, "kept").await, "body of kept");
    }
}
