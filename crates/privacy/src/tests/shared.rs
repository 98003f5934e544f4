//! What only a ring that several nodes share can do, or get wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use daybook_log::{Compaction, KafkaKeyedLog, KeyedLog, KeyedReader, LogError, MemoryKeyedLog};
use daybook_testkit::kafka::Broker;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Semaphore;

use super::disk::found;
use super::rings::embedded;
use super::*;

async fn ring(log: &Arc<dyn KeyedLog>) -> SharedKeyRing {
    SharedKeyRing::open(Arc::clone(log), master('a'), Start::New).await.unwrap()
}

fn memory() -> Arc<dyn KeyedLog> {
    Arc::new(MemoryKeyedLog::new())
}

async fn on(broker: &Broker, name: &str, compaction: Compaction) -> Arc<dyn KeyedLog> {
    Arc::new(KafkaKeyedLog::open(broker.log_options(name, 1), compaction).await.unwrap())
}

/// Several nodes ask for the same keys at the same time, again and again.
async fn agree(nodes: Vec<Arc<SharedKeyRing>>) {
    for round in 0..20 {
        let ids: Vec<_> = (0..5).map(|i| KeyId::item(&format!("{round}/{i}"))).collect();
        let asks = nodes.iter().map(|node| {
            let (node, ids) = (Arc::clone(node), ids.clone());
            tokio::spawn(async move { node.get_or_create(&acme(), &ids).await.unwrap() })
        });
        let mut seen = Vec::new();
        for ask in join_all(asks).await {
            seen.push(ask.unwrap().iter().map(|key| *key.bytes()).collect::<Vec<_>>());
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "round {round}: they disagree");
    }
    for node in &nodes {
        node.caught_up().await.unwrap();
        assert_eq!(node.debris(), 0, "losers take their keys back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_make_a_key_at_once_agree_on_one() {
    let log = memory();
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Arc::new(ring(&log).await));
    }
    agree(nodes).await;
}

/// Several nodes make and destroy the same keys in whatever order comes out. What must hold whatever that is: nobody was
/// ever given another key than anybody else, and what is destroyed stays so, everywhere.
async fn make_and_destroy(nodes: Vec<Arc<SharedKeyRing>>) {
    let ids: Vec<_> = (0..12).map(|i| KeyId::item(&format!("contested {i}"))).collect();
    let mut given = BTreeMap::<_, BTreeSet<_>>::new();
    let mut tasks = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        for (i, id) in ids.iter().enumerate() {
            for step in 0..4 {
                let (node, id) = (Arc::clone(node), [id.clone()]);
                tasks.push(tokio::spawn(async move {
                    // One of sixteen destroys, each key on another node.
                    if step == 2 && i % 4 == n {
                        let destroyed = node.destroy(&acme(), &id).await.unwrap();
                        return (i, None, Some(destroyed[0].existed));
                    }
                    match node.get_or_create(&acme(), &id).await {
                        Ok(keys) => (i, Some(*keys[0].bytes()), None),
                        Err(PrivacyError::Destroyed { .. }) => (i, None, None),
                        Err(error) => panic!("{error}"),
                    }
                }));
            }
        }
    }
    let mut existed = BTreeMap::new();
    for task in join_all(tasks).await {
        let (i, key, destroyed) = task.unwrap();
        given.entry(i).or_default().extend(key);
        existed.extend(destroyed.map(|existed| (i, existed)));
    }
    for node in &nodes {
        node.caught_up().await.unwrap();
        assert_eq!(node.debris(), 0);
    }
    for (i, id) in ids.iter().enumerate() {
        assert!(given[&i].len() <= 1, "{id}: different keys were given out");
        let is_there: BTreeSet<_> =
            nodes.iter().map(|node| node.get(&acme(), id).unwrap().map(|key| *key.bytes())).collect();
        match existed.get(&i) {
            Some(existed) => {
                assert_eq!(is_there, BTreeSet::from([None]), "{id} is destroyed for all");
                assert!(*existed || given[&i].is_empty(), "{id} was given to somebody, so it existed");
            }
            None => assert_eq!(is_there, given[&i].iter().map(|key| Some(*key)).collect(), "{id} is the same for all"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_make_and_destroy_the_same_keys_agree_in_the_end() {
    for _ in 0..50 {
        let log = memory();
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Arc::new(ring(&log).await));
        }
        make_and_destroy(nodes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destruction_reaches_every_node() {
    let log = memory();
    let (one, other) = (ring(&log).await, ring(&log).await);
    let ids = [KeyId::item("a")];
    one.get_or_create(&acme(), &ids).await.unwrap();
    other.caught_up().await.unwrap();
    assert!(other.get(&acme(), &ids[0]).unwrap().is_some(), "what one has made the other has");
    let destroyed = one.destroy(&acme(), &ids).await.unwrap();
    other.caught_up().await.unwrap();
    assert!(other.get(&acme(), &ids[0]).unwrap().is_none());
    assert_eq!(other.destroy(&acme(), &ids).await.unwrap(), destroyed);
    let refused = other.get_or_create(&acme(), &ids).await.map(|_| ());
    assert_eq!(refused, Err(PrivacyError::Destroyed { key_id: "item/a".into() }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_a_ring_is_refused_if_there_must_be_one() {
    let log = memory();
    let refused = SharedKeyRing::open(Arc::clone(&log), master('a'), Start::Existing).await.map(|_| ());
    assert_eq!(refused, Err(PrivacyError::Missing("in memory".to_owned())));
    assert_eq!(log.end().await.unwrap().0, 0, "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_different_master_keys_do_not_make_a_ring_together() {
    for _ in 0..20 {
        let log = memory();
        let open = |digit| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { SharedKeyRing::open(log, master(digit), Start::New).await.map(|_| ()) })
        };
        let opened = [open('a'), open('b')];
        let opened = join_all(opened).await.into_iter().map(|opened| opened.unwrap()).collect::<Vec<_>>();
        let refused = opened.iter().filter(|opened| **opened == Err(PrivacyError::WrongMasterKey)).count();
        assert_eq!(refused, 1, "{opened:?}");
    }
}

/// A log whose acknowledgements come only when they are let through.
struct Held {
    log: MemoryKeyedLog,
    acknowledged: Arc<Semaphore>,
}

impl KeyedLog for Held {
    fn describe(&self) -> String {
        self.log.describe()
    }

    fn put(&self, key: &[u8], value: Option<Bytes>) -> daybook_log::Appended {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (put, acknowledged) = (self.log.put(key, value), Arc::clone(&self.acknowledged));
        tokio::spawn(async move {
            acknowledged.acquire().await.unwrap().forget();
            let _ = sender.send(put.await);
        });
        daybook_log::Appended::waiting(receiver)
    }

    fn follow(&self) -> Result<Box<dyn KeyedReader>, LogError> {
        self.log.follow()
    }

    fn end(&self) -> BoxFuture<'_, Result<daybook_kernel::id::Offset, LogError>> {
        self.log.end()
    }

    fn forgets_within(&self) -> Duration {
        self.log.forgets_within()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_durable_before_its_maker_gets_it() {
    let acknowledged = Arc::new(Semaphore::new(1));
    let log = Held { log: MemoryKeyedLog::new(), acknowledged: Arc::clone(&acknowledged) };
    let ring = Arc::new(SharedKeyRing::open(Arc::new(log), master('a'), Start::New).await.unwrap());
    let asking = Arc::clone(&ring);
    let ask = tokio::spawn(async move { asking.get_or_create(&acme(), &[KeyId::item("a")]).await.map(|_| ()) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!ask.is_finished(), "it can be read, but it is not acknowledged");
    acknowledged.add_permits(1);
    assert_eq!(ask.await.unwrap(), Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_that_died_has_left_is_cleaned_up_at_the_next_start() {
    let log = memory();
    let ring_of_winner = ring(&log).await;
    let id = KeyId::item("a");
    let key = ring_of_winner.get_or_create(&acme(), std::slice::from_ref(&id)).await.unwrap().remove(0);
    // It had put its key and died before it read that it came second.
    let row = ring_of_winner.inner_row(&acme(), &id);
    log.put(format!("key/acme/item/a/{}", "5a".repeat(16)).as_bytes(), Some(row.into())).await.unwrap();
    ring_of_winner.caught_up().await.unwrap();
    assert_eq!(ring_of_winner.debris(), 1);
    let next = ring(&log).await;
    ring_of_winner.caught_up().await.unwrap();
    assert_eq!(ring_of_winner.debris(), 0);
    assert_eq!(next.get(&acme(), &id).unwrap().unwrap().bytes(), key.bytes(), "the winner's stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ring_on_a_local_disk_is_taken_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let older = embedded(folder.path());
    let ids: Vec<_> = (0..1_500).map(|i| KeyId::item(&i.to_string())).collect();
    let keys = older.get_or_create(&acme(), &ids).await.unwrap();
    let destroyed = older.destroy(&acme(), &ids[..3]).await.unwrap();

    let log = memory();
    let open = || SharedKeyRing::open(Arc::clone(&log), master('a'), Start::Import(&older));
    let ring = open().await.unwrap();
    assert_eq!(ring.imported(), Imported { keys: 1_497, destructions: 3 });
    for (id, key) in ids.iter().zip(&keys).skip(3) {
        assert_eq!(ring.get(&acme(), id).unwrap().unwrap().bytes(), key.bytes());
    }
    assert_eq!(ring.destroy(&acme(), &ids[..3]).await.unwrap(), destroyed, "destructions are known with their times");

    // What was destroyed since is not brought back by doing it again.
    ring.destroy(&acme(), &ids[10..11]).await.unwrap();
    drop(ring);
    let ring = open().await.unwrap();
    assert_eq!(ring.imported(), Imported::default());
    assert!(ring.get(&acme(), &ids[10]).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_ring_with_other_keys_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let older = embedded(folder.path());
    let id = [KeyId::pseudonyms()];
    older.get_or_create(&acme(), &id).await.unwrap();
    let log = memory();
    let key = ring(&log).await.get_or_create(&acme(), &id).await.unwrap().remove(0);
    let refused = SharedKeyRing::open(Arc::clone(&log), master('a'), Start::Import(&older)).await.map(|_| ());
    assert!(
        matches!(&refused, Err(PrivacyError::Differs { key_id, .. }) if key_id == "tenant/pseudonyms"),
        "{refused:?}"
    );
    assert_eq!(ring(&log).await.get(&acme(), &id[0]).unwrap().unwrap().bytes(), key.bytes(), "none was replaced");
}

mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_that_make_a_key_at_once_agree_on_one() {
        let broker = Broker::shared().await.unwrap();
        let mut nodes = Vec::new();
        for _ in 0..3 {
            // Each with clients of its own, as in processes of their own.
            let log = on(&broker, "agree", Compaction::default()).await;
            nodes.push(Arc::new(ring(&log).await));
        }
        agree(nodes).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[allow(clippy::print_stdout, reason = "how long it took is worth knowing")]
    async fn what_one_node_has_done_every_node_that_catches_up_knows() {
        let broker = Broker::shared().await.unwrap();
        let one = ring(&on(&broker, "known", Compaction::default()).await).await;
        let other = ring(&on(&broker, "known", Compaction::default()).await).await;
        let (mut making, mut catching_up) = (Vec::new(), Vec::new());
        for i in 0..50 {
            let id = [KeyId::item(&i.to_string())];
            let began = Instant::now();
            one.get_or_create(&acme(), &id).await.unwrap();
            making.push(began.elapsed());
            let began = Instant::now();
            other.caught_up().await.unwrap();
            catching_up.push(began.elapsed());
            assert!(other.get(&acme(), &id[0]).unwrap().is_some());
            let (destroying, known) = if i % 2 == 0 { (&one, &other) } else { (&other, &one) };
            destroying.destroy(&acme(), &id).await.unwrap();
            known.caught_up().await.unwrap();
            assert!(known.get(&acme(), &id[0]).unwrap().is_none());
        }
        making.sort();
        catching_up.sort();
        println!("a key is made in {:.1?}, caught up in {:.1?} (medians)", making[25], catching_up[25]);
    }

    /// As fast as a broker lets it be. Nothing is written afterwards that could bring it about.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[allow(clippy::print_stdout, reason = "how long it took is worth knowing")]
    async fn a_destroyed_key_leaves_the_brokers_disk_within_the_bound() {
        let broker = Broker::shared().await.unwrap();
        let Some(folder) = broker.data_folder() else { panic!("this test reads the broker's files") };
        let compaction = Compaction {
            segment: Duration::from_secs(1),
            lag_max: Duration::from_secs(1),
            file_delete_delay: Duration::from_millis(1),
            ..Compaction::default()
        };
        let ring = ring(&on(&broker, "leaves", compaction).await).await;
        let ids: Vec<_> = (0..50).map(|i| KeyId::item(&i.to_string())).collect();
        let keys = ring.get_or_create(&acme(), &ids).await.unwrap();
        let wrapped: Vec<_> = ids.iter().map(|id| ring.inner_row(&acme(), id)).collect();
        assert_eq!(found(&folder, &wrapped).len(), 50, "the wrapped keys are on the disk");
        let readable: Vec<_> = keys.iter().map(|key| key.bytes().to_vec()).collect();
        assert!(found(&folder, &readable).is_empty(), "and nothing but the wrapped keys");

        ring.destroy(&acme(), &ids[5..10]).await.unwrap();
        let destroyed = Instant::now();
        while !found(&folder, &wrapped[5..10]).is_empty() {
            let (taken, bound) = (destroyed.elapsed(), ring.leaves_disk_within());
            assert!(taken < bound, "still there after {taken:?}; promised: {bound:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!("gone from the disk after {:.1?}; promised: {:?}", destroyed.elapsed(), ring.leaves_disk_within());
        let left: Vec<_> = found(&folder, &wrapped).into_iter().collect();
        assert_eq!(left, (0..50).filter(|i| !(5..10).contains(i)).collect::<Vec<_>>(), "the others stay");
        let again = super::ring(&on(&broker, "leaves", Compaction::default()).await).await;
        assert_eq!(again.get(&acme(), &ids[0]).unwrap().unwrap().bytes(), keys[0].bytes());
        assert!(again.destroy(&acme(), &ids[5..6]).await.unwrap()[0].existed, "the marker stays");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_that_make_and_destroy_the_same_keys_agree_in_the_end() {
        let broker = Broker::shared().await.unwrap();
        for round in 0..3 {
            let mut nodes = Vec::new();
            for _ in 0..3 {
                let log = on(&broker, &format!("contested-{round}"), Compaction::default()).await;
                nodes.push(Arc::new(ring(&log).await));
            }
            make_and_destroy(nodes).await;
        }
    }

    /// All nodes die right after the destruction: nobody is left to end the segment.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_destruction_before_a_crash_becomes_physical_after_the_next_start() {
        let broker = Broker::shared().await.unwrap();
        let Some(folder) = broker.data_folder() else { panic!("this test reads the broker's files") };
        let compaction = Compaction {
            segment: Duration::from_secs(1),
            lag_max: Duration::from_secs(1),
            file_delete_delay: Duration::from_millis(1),
            ..Compaction::default()
        };
        let before = ring(&on(&broker, "crash", compaction.clone()).await).await;
        let id = [KeyId::item("a")];
        before.get_or_create(&acme(), &id).await.unwrap();
        let wrapped = [before.inner_row(&acme(), &id[0])];
        before.destroy(&acme(), &id).await.unwrap();
        drop(before);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(found(&folder, &wrapped).len(), 1, "time stands still while no node runs");

        let after = ring(&on(&broker, "crash", compaction).await).await;
        let began = Instant::now();
        while !found(&folder, &wrapped).is_empty() {
            assert!(began.elapsed() < after.leaves_disk_within());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_ring_waits_for_brokers_that_are_away_and_goes_on_when_they_are_back() {
        let mut broker = Broker::start().await.unwrap();
        let ring = Arc::new(ring(&on(&broker, "away", Compaction::default()).await).await);
        let ids = [KeyId::item("before"), KeyId::item("meanwhile"), KeyId::item("after")];
        ring.get_or_create(&acme(), &ids[..1]).await.unwrap();

        broker.stop();
        let unknown = ring.caught_up().await;
        assert!(matches!(unknown, Err(PrivacyError::Unavailable(_))), "what others did cannot be known: {unknown:?}");
        assert!(ring.get_or_create(&acme(), &ids[..1]).await.is_ok(), "a key that is known needs no broker");
        let (asking, id) = (Arc::clone(&ring), ids[1].clone());
        let meanwhile =
            tokio::spawn(async move { asking.get_or_create(&acme(), &[id]).await.map(|keys| *keys[0].bytes()) });

        broker.restart().await.unwrap();
        let meanwhile = meanwhile.await.unwrap().unwrap();
        ring.caught_up().await.unwrap();
        ring.get_or_create(&acme(), &ids).await.unwrap();
        assert!(ring.destroy(&acme(), &ids[..1]).await.unwrap()[0].existed);
        drop(ring);
        let again = super::ring(&on(&broker, "away", Compaction::default()).await).await;
        assert_eq!(*again.get(&acme(), &ids[1]).unwrap().unwrap().bytes(), meanwhile);
        assert!(again.get(&acme(), &ids[0]).unwrap().is_none());
    }
}
