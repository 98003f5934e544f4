//! Several real nodes on a real Kafka, under load, while they are killed, stopped, and made to stand still: whatever was
//! acknowledged is on the log as it was acknowledged, nothing was decided twice, and every node's stores are what the log
//! leads to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_log::KafkaLog;
use daybook_testkit::kafka::Broker;
use daybook_tests::requests::class;

use common::Served;
use common::load::{Asked, Caller, Random, compare_with_log, load, repeat_unanswered, token};

const PARTITIONS: u32 = 4;

/// Nodes of one log, some of them running.
struct Nodes {
    folder: tempfile::TempDir,
    url: String,
    addresses: Vec<String>,
    running: Vec<Option<Served>>,
}

impl Nodes {
    /// Starts so many; every one of them follows what it does not lead.
    fn start(broker: &Broker, count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Always the same places, so that callers find them again.
        let addresses = (0..count).map(|_| free_address()).collect();
        let url = format!("kafka://{}", broker.address());
        let mut nodes = Self { folder, url, addresses, running: (0..count).map(|_| None).collect() };
        for node in 0..count {
            nodes.start_one(node);
        }
        nodes
    }

    fn data(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("n{node}"))
    }

    fn start_one(&mut self, node: usize) {
        // What the first node made up, all of them share: the key that signs tokens, and the master key.
        if node > 0 && !self.data(node).exists() {
            copy(&self.data(0).join("development"), &self.data(node).join("development"));
        }
        let id = format!("n{node}");
        let partitions = PARTITIONS.to_string();
        let environment = [
            ("DAYBOOK_NODE__ID", id.as_str()),
            ("DAYBOOK_LOG__NAME", "cluster"),
            ("DAYBOOK_LOG__PARTITIONS", partitions.as_str()),
            ("DAYBOOK_CLUSTER__STANDBYS", "9"),
        ];
        let address = self.addresses[node].clone();
        let arguments = ["--listen", address.as_str(), "--log", self.url.as_str()];
        self.running[node] = Some(Served::start_in(&self.data(node), &environment, &arguments));
    }

    fn urls(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("http://{address}")).collect()
    }

    /// The node that leads the partition of the load's tenant.
    fn leader_of_demo(&self) -> usize {
        let demo = TenantId::parse("demo").unwrap();
        let partition = partition_of(&demo, &StreamKey::of_tenant(&demo), PARTITIONS).0 as usize;
        let leads = |node: &Option<Served>| {
            let status = node.as_ref().unwrap().json(&["status"]);
            status["partitions"][partition]["state"] == "PARTITION_STATE_LEADING"
        };
        self.running.iter().position(leads).unwrap()
    }

    /// Waits until every partition is led by one node and followed by the others, all of them close.
    fn settle(&self) {
        let started = Instant::now();
        loop {
            let stands: Vec<_> = self.running.iter().flatten().map(|node| node.json(&["status"])).collect();
            let state = |status: &serde_json::Value, partition: usize| {
                let partition = &status["partitions"][partition];
                let lag = partition["applyLag"].as_str().unwrap_or("0").to_owned();
                (partition["state"].as_str().unwrap_or_default().to_owned(), lag)
            };
            let settled = (0..PARTITIONS as usize).all(|partition| {
                let states: Vec<_> = stands.iter().map(|status| state(status, partition)).collect();
                let leading = states.iter().filter(|(state, _)| state == "PARTITION_STATE_LEADING").count();
                let following = states.iter().filter(|(state, _)| state == "PARTITION_STATE_FOLLOWING").count();
                leading == 1 && leading + following == states.len() && states.iter().all(|(_, lag)| lag == "0")
            });
            if settled {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(90), "the nodes do not settle: {stands:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

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
        let mut nodes = Nodes::start(&broker, 3);
        nodes.settle();
        let token = token(&nodes.data(0));
        let urls = nodes.urls();
        Caller::of_nodes(&urls, &token, 0).ask("class", class("mail", 1)).await;

        let (asked, counter) = (Asked::default(), Arc::new(AtomicU64::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..CALLERS)
            .map(|index| {
                let (asked, stop, counter) = (Arc::clone(&asked), Arc::clone(&stop), Arc::clone(&counter));
                let caller = Caller::of_nodes(&urls, &token, index);
                tokio::spawn(load(caller, Random(seed ^ (index + 1)), asked, stop, counter))
            })
            .collect();

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
            let asked_before = counter.load(Ordering::Relaxed);
            let (ended, wait_max) = (Instant::now(), Duration::from_secs(60));
            while counter.load(Ordering::Relaxed) < asked_before + 2 * CALLERS {
                assert!(ended.elapsed() < wait_max, "round {round}: callers are answered again");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        repeat_unanswered(&Caller::of_nodes(&urls, &token, 0), &asked).await;
        nodes.settle();

        // Row by row the same as a store that is folded from nothing, on every node.
        let partitions = PARTITIONS.to_string();
        let environment = [
            ("DAYBOOK_LOG__URL", nodes.url.as_str()),
            ("DAYBOOK_LOG__NAME", "cluster"),
            ("DAYBOOK_LOG__PARTITIONS", partitions.as_str()),
        ];
        for served in nodes.running.iter().flatten() {
            let arguments = ["replay", "rebuild", "--compare"];
            let text = common::text_of(served.run_in(&environment, &arguments), &arguments);
            assert_eq!(text.matches("the same").count(), PARTITIONS as usize, "{text}");
        }
        let asked = asked.lock().unwrap().clone();
        let log = KafkaLog::open(broker.log_options("cluster", PARTITIONS)).await.unwrap();
        let counted = compare_with_log(&log, &asked).await;
        assert!(counted.accepted > 100 && counted.rejected > 0, "the load was a load: {counted:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_standby_takes_over_from_a_node_that_died_and_from_one_that_leaves() {
        let broker = Broker::start().await.unwrap();
        let mut nodes = Nodes::start(&broker, 2);
        nodes.settle();
        let token = token(&nodes.data(0));
        for (how, end) in [("killed", true), ("stopped", false)] {
            let owner = nodes.leader_of_demo();
            let other = Caller::of_nodes(&nodes.urls()[1 - owner..][..1], &token, 0);
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
