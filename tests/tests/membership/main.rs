//! Several nodes of one log, on a real broker: they agree on who looks after which partition, and believe only each other.

mod between_nodes;
mod proxy;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use daybook_kernel::id::PartitionId;
use daybook_log::{KafkaLog, KafkaOptions, Member, Membership};
use daybook_testkit::kafka::Broker;
use daybook_tests::group::Process;

const PARTITIONS: u32 = 8;

/// The options of a new log of its own.
async fn log(broker: &Broker, name: &str) -> KafkaOptions {
    let options = broker.log_options(name, PARTITIONS);
    KafkaLog::open(options.clone()).await.unwrap();
    options
}

fn node(options: &KafkaOptions, number: u32) -> Membership {
    Membership::join(options, &format!("node-{number}"), &format!("127.0.0.1:{}", 7420 + number)).unwrap()
}

fn process(options: &KafkaOptions, number: u32) -> Process {
    let address = format!("127.0.0.1:{}", 7420 + number);
    Process::start(env!("CARGO_BIN_EXE_join_group"), options, &format!("node-{number}"), &address)
}

fn has(membership: &Membership) -> BTreeSet<PartitionId> {
    membership.assigned().borrow().clone()
}

fn all() -> BTreeSet<PartitionId> {
    (0..PARTITIONS).map(PartitionId).collect()
}

/// Waits, and says how long it took.
async fn until(what: &str, done: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

/// What the brokers know, once it is so.
async fn members_are(membership: &Membership, expected: &[(u32, BTreeSet<PartitionId>)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(number, partitions)| Member {
            node_id: format!("node-{number}"),
            address: format!("127.0.0.1:{}", 7420 + number),
            partitions: partitions.clone(),
        })
        .collect();
    let began = Instant::now();
    loop {
        let members = membership.members().await.unwrap();
        if members == expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{members:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Notes every moment at which two nodes were assigned the same partition, as far as they know.
struct Watched {
    watching: tokio::task::JoinHandle<()>,
    overlaps: Arc<std::sync::Mutex<BTreeSet<PartitionId>>>,
}

impl Watched {
    fn new(one: &Membership, other: &Membership) -> Self {
        let (mut one, mut other) = (one.assigned(), other.assigned());
        let overlaps = Arc::new(std::sync::Mutex::new(BTreeSet::new()));
        let seen = Arc::clone(&overlaps);
        let watching = tokio::spawn(async move {
            loop {
                {
                    let (one, other) = (one.borrow_and_update(), other.borrow_and_update());
                    seen.lock().unwrap().extend(one.intersection(&other));
                }
                let (one, other) = (std::pin::pin!(one.changed()), std::pin::pin!(other.changed()));
                futures_util::future::select(one, other).await;
            }
        });
        Self { watching, overlaps }
    }

    fn end(self) {
        self.watching.abort();
        let overlaps = self.overlaps.lock().unwrap();
        assert!(overlaps.is_empty(), "assigned to both at once: {overlaps:?}");
    }
}

/// Their names say that they need a real broker.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_node_gets_everything() {
        let broker = Broker::shared().await.unwrap();
        let options = log(&broker, "alone").await;
        let one = node(&options, 1);
        let took = until("it has everything", || has(&one) == all()).await;
        println!("alone: everything after {took:.1?}");
        members_are(&one, &[(1, all())]).await;
        let mut assigned = one.assigned();
        one.leave().await;
        assert!(assigned.borrow_and_update().is_empty(), "who has left has nothing");
        assert!(assigned.changed().await.is_err(), "and gets nothing any more");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_second_node_gets_half_and_nothing_is_assigned_to_two_at_once() {
        let broker = Broker::shared().await.unwrap();
        let options = log(&broker, "halves").await;
        let one = node(&options, 1);
        until("the first has everything", || has(&one) == all()).await;
        let other = node(&options, 2);
        let watched = Watched::new(&one, &other);
        let took = until("each has half", || has(&one).len() == 4 && has(&other).len() == 4).await;
        println!("a second node joined: each has half after {took:.1?}");
        assert_eq!(&has(&one) | &has(&other), all());
        members_are(&one, &[(1, has(&one)), (2, has(&other))]).await;
        watched.end();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_leaves_hands_over_at_once() {
        let broker = Broker::shared().await.unwrap();
        let options = log(&broker, "leaves").await;
        let (one, other) = (node(&options, 1), node(&options, 2));
        until("each has half", || has(&one).len() == 4 && has(&other).len() == 4).await;
        let watched = Watched::new(&one, &other);
        let began = Instant::now();
        other.leave().await;
        let left = began.elapsed();
        until("the other has everything", || has(&one) == all()).await;
        let took = began.elapsed();
        println!("a node left: gone after {left:.1?}, everything handed over after {took:.1?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        members_are(&one, &[(1, all())]).await;
        watched.end();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_that_is_dropped_leaves_as_well() {
        let broker = Broker::shared().await.unwrap();
        let options = log(&broker, "dropped").await;
        let (one, other) = (node(&options, 1), node(&options, 2));
        until("each has half", || has(&one).len() == 4 && has(&other).len() == 4).await;
        drop(other);
        let took = until("the other has everything", || has(&one) == all()).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_that_is_killed_is_replaced_after_the_session_timeout() {
        let broker = Broker::shared().await.unwrap();
        let options = log(&broker, "killed").await;
        let one = node(&options, 1);
        let other = process(&options, 2);
        until("each has half", || has(&one).len() == 4 && other.assigned().len() == 4).await;
        members_are(&one, &[(1, has(&one)), (2, other.assigned())]).await;
        other.signal("KILL");
        let took = until("the other has everything", || has(&one) == all()).await;
        println!("a node was killed: everything taken over after {took:.1?}");
        assert!(took > Duration::from_secs(4) && took < Duration::from_secs(9), "{took:?}");
        members_are(&one, &[(1, all())]).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_that_was_paused_learns_that_it_is_out_and_comes_back() {
        let broker = Broker::shared().await.unwrap();
        let options = log(&broker, "paused").await;
        let one = node(&options, 1);
        let other = process(&options, 2);
        until("each has half", || has(&one).len() == 4 && other.assigned().len() == 4).await;
        other.signal("STOP");
        until("the other has everything", || has(&one) == all()).await;
        assert_eq!(other.assigned().len(), 4, "it knows nothing yet: the chain keeps it from harm");
        let awake = Instant::now();
        other.signal("CONT");
        until("it knows that it is out, or is in again", || other.assigned().is_disjoint(&has(&one))).await;
        println!("a node was paused: what it had wrongly was gone {:.1?} after it went on", awake.elapsed());
        until("each has half again", || has(&one).len() == 4 && other.assigned().len() == 4).await;
        assert!(other.assigned().is_disjoint(&has(&one)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn three_nodes_share_and_the_groups_of_two_logs_are_apart() {
        let broker = Broker::shared().await.unwrap();
        let (options, elsewhere) = (log(&broker, "three").await, log(&broker, "three-elsewhere").await);
        let stranger = node(&elsewhere, 9);
        let nodes: Vec<_> = (1..=3).map(|number| node(&options, number)).collect();
        let balanced = || {
            let mut counts: Vec<_> = nodes.iter().map(|node| has(node).len()).collect();
            counts.sort_unstable();
            counts == [2, 3, 3]
        };
        let took = until("three nodes share", balanced).await;
        println!("three nodes joined at once: balanced after {took:.1?}");
        assert_eq!(nodes.iter().flat_map(has).collect::<BTreeSet<_>>(), all());
        until("the stranger has its own", || has(&stranger) == all()).await;
        members_are(&nodes[0], &[(1, has(&nodes[0])), (2, has(&nodes[1])), (3, has(&nodes[2]))]).await;
        members_are(&stranger, &[(9, all())]).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn settings_of_the_group_cannot_be_configured() {
        let broker = Broker::shared().await.unwrap();
        for setting in ["session.timeout.ms", "partition.assignment.strategy", "group.protocol"] {
            let mut options = broker.log_options("fixed", PARTITIONS);
            options.properties.insert(setting.to_owned(), "1".to_owned());
            let refused = Membership::join(&options, "node", "address").map(|_| ()).unwrap_err();
            assert!(refused.to_string().contains(setting), "{refused}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_group_comes_together_again_when_the_brokers_were_away() {
        let mut broker = Broker::start().await.unwrap();
        let options = log(&broker, "away").await;
        let (one, other) = (node(&options, 1), node(&options, 2));
        let shared = || has(&one).len() == 4 && has(&other).len() == 4 && &has(&one) | &has(&other) == all();
        until("each has half", shared).await;
        broker.stop();
        let took = until("who hears nothing of the group knows that it is out", || {
            has(&one).is_empty() && has(&other).is_empty()
        })
        .await;
        println!("the broker is away: both know that they are out after {took:.1?}");
        assert!(one.members().await.is_err(), "nobody can be asked");
        broker.restart().await.unwrap();
        let took = until("each has half again", shared).await;
        println!("the broker was away: each has half {took:.1?} after it was back");
        // Not only what they remember.
        members_are(&one, &[(1, has(&one)), (2, has(&other))]).await;
    }
}
