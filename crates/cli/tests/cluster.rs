//! Several real nodes on a real Kafka, under load, while they are killed, stopped, and made to stand still: whatever was
//! acknowledged is on the log as it was acknowledged, nothing was decided twice, and every node's stores are what the log
//! leads to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_log::KafkaLog;
use daybook_testkit::kafka::Broker;
use daybook_tests::requests::class;

use common::load::{Caller, Random, Tokens};
use common::nodes::{Nodes, PARTITIONS};

const LOG: &str = "cluster";

/// Its name says that it needs a real one.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn nodes_come_and_go_under_load_and_nothing_acknowledged_is_lost() {
        const ROUNDS: u64 = 9;
        const CALLERS: u64 = 6;
        let seed = std::env::var("DAYBOOK_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
        println!("DAYBOOK_KILL_SEED={seed} chooses the same faults again");
        let broker = Broker::start().await.unwrap();
        let mut nodes = Nodes::start(&broker.address(), LOG, 3, &[]);
        let running = nodes.under_load(CALLERS, seed).await;

        let mut random = Random(seed);
        for round in 0..ROUNDS {
            let node = random.below(3) as usize;
            tokio::time::sleep(Duration::from_millis(300 + random.below(700))).await;
            match round % 3 {
                0 => {
                    nodes.running[node].take().unwrap().kill();
                    tokio::time::sleep(Duration::from_millis(500 + random.below(2_000))).await;
                    nodes.start_one(node);
                }
                1 => {
                    let served = nodes.running[node].as_ref().unwrap();
                    served.signal("STOP");
                    // Shorter and longer than it takes the group to notice.
                    tokio::time::sleep(Duration::from_millis(500 + random.below(9_000))).await;
                    served.signal("CONT");
                }
                _ => {
                    nodes.running[node].take().unwrap().stop();
                    nodes.start_one(node);
                }
            }
            running.load.goes_on(2 * CALLERS, &format!("round {round}")).await;
        }
        let log = KafkaLog::open(broker.log_options(LOG, PARTITIONS)).await.unwrap();
        let counted = nodes.end(running, &log).await;
        assert!(counted.accepted > 100 && counted.rejected > 0, "the load was a load: {counted:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_standby_takes_over_from_a_node_that_died_and_from_one_that_leaves() {
        let broker = Broker::start().await.unwrap();
        let mut nodes = Nodes::start(&broker.address(), LOG, 2, &[]);
        nodes.settle();
        let tenant = TenantId::parse("demo").unwrap();
        let demo = partition_of(&tenant, &StreamKey::of_tenant(&tenant), PARTITIONS).0;
        let tokens = Tokens::of(&nodes.data(0), &["demo"]);
        for (how, end) in [("killed", true), ("stopped", false)] {
            let owner = nodes.leader_of(demo);
            let other = Caller::of_nodes(&nodes.urls()[1 - owner..][..1], &tokens, 0);
            other.ask("class", class(&format!("before-{how}"), 1)).await;
            let served = nodes.running[owner].take().unwrap();
            let ended = Instant::now();
            if end {
                served.kill();
            } else {
                served.stop();
            }
            other.ask("class", class(&format!("after-{how}"), 1)).await;
            println!("{how}: the next command is decided after {} ms", ended.elapsed().as_millis());
            nodes.start_one(owner);
            nodes.settle();
        }
    }
}
