//! Several real nodes on real Kafka brokers, under load, while the brokers are killed and started again: commands go on
//! being decided without a person's doing, whatever was acknowledged is on the log as it was acknowledged, nothing was
//! decided twice, and every node's stores are what the log leads to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use daybook_log::KafkaLog;
use daybook_testkit::kafka::{Broker, Brokers};

use common::nodes::{Nodes, PARTITIONS};

const LOG: &str = "cluster";

const CALLERS: u64 = 6;

fn seed() -> u64 {
    RandomState::new().hash_one("seed")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_kafka_brokers_at_a_time_may_be_lost() {
    let mut brokers = Brokers::start(3).await.unwrap();
    // The topics are left to the nodes to create: on all three, most of which must have a record.
    let mut nodes = Nodes::start(&brokers.addresses(), LOG, 3, &[("DAYBOOK_LOG__KAFKA_MIN_INSYNC_REPLICAS", "2")]);
    let running = nodes.under_load(CALLERS, seed()).await;

    // One that leads a partition.
    let commands = format!("{LOG}.commands");
    let leader = brokers.leaders(0, &commands).unwrap()[&0];
    let killed = Instant::now();
    brokers.kill(leader);
    running.load.goes_on(2 * CALLERS, "the broker that leads was killed").await;
    println!("a broker was killed: callers are answered after {:.1} s at most", killed.elapsed().as_secs_f64());

    // While it is away a node dies, is replaced, and comes back: it finds the others.
    let node = nodes.leader_of(0);
    let killed = Instant::now();
    nodes.kill(node);
    running.load.goes_on(2 * CALLERS, "a node was killed while a broker was away").await;
    println!("and a node: callers are answered after {:.1} s at most", killed.elapsed().as_secs_f64());
    nodes.start_one(node);
    nodes.settle();
    brokers.start_again(leader).await.unwrap();

    // The one that looks after the group of the nodes.
    let coordinator = brokers.leaders(0, "__consumer_offsets").unwrap()[&0];
    brokers.kill(coordinator);
    let node = nodes.leader_of(0);
    nodes.kill(node);
    running.load.goes_on(2 * CALLERS, "the coordinator's broker and a node were killed at once").await;
    nodes.start_one(node);
    nodes.settle();
    brokers.start_again(coordinator).await.unwrap();

    // One after the other, as when they are given a new release.
    for broker in 0..3 {
        brokers.shut_down(broker).unwrap();
        running.load.goes_on(2 * CALLERS, "a broker is restarted").await;
        brokers.start_again(broker).await.unwrap();
        running.load.goes_on(2 * CALLERS, "a broker was restarted").await;
    }

    let log = KafkaLog::open(brokers.log_options(LOG, PARTITIONS)).await.unwrap();
    let counted = nodes.end(running, &log).await;
    assert!(counted.accepted > 100 && counted.rejected > 0, "the load was a load: {counted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_go_on_by_themselves_when_their_only_kafka_broker_was_away() {
    let mut broker = Broker::start().await.unwrap();
    let nodes = Nodes::start(&broker.address(), LOG, 2, &[]);
    let running = nodes.under_load(CALLERS, seed()).await;
    // Shorter and longer than it takes the nodes to believe that they are out of the group.
    for away in [2, 8] {
        running.load.goes_on(4 * CALLERS, "before the broker is killed").await;
        broker.stop();
        tokio::time::sleep(Duration::from_secs(away)).await;
        let stands = nodes.status(0);
        assert!(stands["partitions"].is_array(), "a node says how it stands: {stands:#}");
        let back = Instant::now();
        broker.restart().await.unwrap();
        running.load.goes_on(2 * CALLERS, "the broker is back").await;
        println!("away for {away} s; answered at most {:.1} s after its start", back.elapsed().as_secs_f64());
    }
    let log = KafkaLog::open(broker.log_options(LOG, PARTITIONS)).await.unwrap();
    let counted = nodes.end(running, &log).await;
    assert!(counted.accepted > 50, "the load was a load: {counted:?}");
}
