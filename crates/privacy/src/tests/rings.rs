//! The suite of key rings: what the contract of [`KeyRing`] says, checked on each of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use daybook_log::{Compaction, KafkaKeyedLog, KeyedLog, MemoryKeyedLog};
use daybook_rocks::Memory;
use daybook_testkit::kafka::Broker;
use futures_util::future::{BoxFuture, FutureExt, join_all, ready};
use parking_lot::Mutex;

use super::disk::files_contain;
use super::*;

/// A kind of ring that the suite can open.
pub(super) trait Rings: Send + Sync {
    /// Opens the ring of this name, creating it if there is none. The suite drops a ring before it opens it again.
    fn open(&self, name: &str) -> BoxFuture<'_, Arc<dyn KeyRing>>;
}

/// Declares a test for each case of the suite. The argument is an expression for a [`Rings`].
macro_rules! key_ring_suite {
    ($rings:expr) => {
        key_ring_suite! { $rings;
            keys_are_durable_and_the_same_for_everybody,
            each_key_is_its_own,
            a_destroyed_key_does_not_come_back,
            repeating_a_destruction_says_the_same,
            a_key_that_never_was_is_destroyed_for_good_as_well,
            a_key_that_is_not_destroyed_stays,
            asking_for_a_key_does_not_make_it,
            keys_made_and_destroyed_at_once_end_destroyed,
            content_is_sealed_and_opened_until_its_key_is_destroyed,
        }
    };
    ($rings:expr; $($case:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let rings = $rings.await;
            super::$case(&rings, &format!("{}-{}", stringify!($case), daybook_kernel::id::CommandId::generate())).await;
        })*
    };
}

mod memory {
    use super::*;

    #[derive(Default)]
    struct MemoryRings(Mutex<BTreeMap<String, Arc<MemoryKeyRing>>>);

    impl Rings for MemoryRings {
        fn open(&self, name: &str) -> BoxFuture<'_, Arc<dyn KeyRing>> {
            let ring = Arc::clone(self.0.lock().entry(name.to_owned()).or_default());
            ready(ring as Arc<dyn KeyRing>).boxed()
        }
    }

    key_ring_suite!(ready(MemoryRings::default()));
}

pub(super) fn embedded(folder: &Path) -> EmbeddedKeyRing {
    let began = Instant::now();
    loop {
        match EmbeddedKeyRing::open(folder, master('a'), &Memory::default()) {
            // The thread that destroyed keys for the one before lets go of it a moment after it has answered.
            Err(PrivacyError::InUse(_)) if began.elapsed() < Duration::from_secs(2) => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

mod embedded {
    use super::*;

    struct EmbeddedRings(tempfile::TempDir);

    impl Rings for EmbeddedRings {
        fn open(&self, name: &str) -> BoxFuture<'_, Arc<dyn KeyRing>> {
            ready(Arc::new(super::embedded(&self.0.path().join(name))) as Arc<dyn KeyRing>).boxed()
        }
    }

    key_ring_suite!(ready(EmbeddedRings(tempfile::tempdir().unwrap())));
}

mod shared {
    use super::*;

    #[derive(Default)]
    struct SharedRings(Mutex<BTreeMap<String, MemoryKeyedLog>>);

    impl Rings for SharedRings {
        fn open(&self, name: &str) -> BoxFuture<'_, Arc<dyn KeyRing>> {
            let log: Arc<dyn KeyedLog> = Arc::new(self.0.lock().entry(name.to_owned()).or_default().clone());
            async move { Arc::new(SharedKeyRing::open(log, master('a'), Start::New).await.unwrap()) as Arc<dyn KeyRing> }
                .boxed()
        }
    }

    key_ring_suite!(ready(SharedRings::default()));
}

mod shared_on_kafka {
    use super::*;

    struct KafkaRings(Arc<Broker>);

    impl Rings for KafkaRings {
        fn open(&self, name: &str) -> BoxFuture<'_, Arc<dyn KeyRing>> {
            let options = self.0.log_options(name, 1);
            async move {
                let log = KafkaKeyedLog::open(options, Compaction::default()).await.unwrap();
                Arc::new(SharedKeyRing::open(Arc::new(log), master('a'), Start::New).await.unwrap()) as Arc<dyn KeyRing>
            }
            .boxed()
        }
    }

    key_ring_suite!(async { KafkaRings(Broker::shared().await.unwrap()) });
}

fn items(names: &[&str]) -> Vec<KeyId> {
    names.iter().map(|name| KeyId::item(name)).collect()
}

async fn keys_are_durable_and_the_same_for_everybody(rings: &dyn Rings, name: &str) {
    let ring = rings.open(name).await;
    let ids = items(&["a", "b"]);
    let asks = (0..8).map(|_| {
        let (ring, ids) = (Arc::clone(&ring), ids.clone());
        tokio::spawn(async move { ring.get_or_create(&acme(), &ids).await.unwrap() })
    });
    let mut seen = Vec::new();
    for ask in join_all(asks).await {
        seen.push(ask.unwrap().iter().map(|key| *key.bytes()).collect::<Vec<_>>());
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
    assert_ne!(seen[0][0], seen[0][1]);
    assert_eq!(ring.get(&acme(), &ids[0]).unwrap().map(|key| *key.bytes()), Some(seen[0][0]));
    drop(ring);
    let again = rings.open(name).await.get_or_create(&acme(), &ids).await.unwrap();
    assert_eq!(*again[1].bytes(), seen[0][1]);
}

async fn each_key_is_its_own(rings: &dyn Rings, name: &str) {
    let ring = rings.open(name).await;
    let globex = TenantId::parse("globex").unwrap();
    let ids = [KeyId::item("a"), KeyId::person("a"), KeyId::pseudonyms(), KeyId::item("a/b"), KeyId::item("a")];
    let here = ring.get_or_create(&acme(), &ids).await.unwrap();
    let there = ring.get_or_create(&globex, &ids).await.unwrap();
    assert_eq!(here[0].bytes(), here[4].bytes(), "named twice, made once");
    let mut all: Vec<_> = here[..4].iter().chain(&there[..4]).map(|key| *key.bytes()).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 8);
    ring.destroy(&globex, &ids[..1]).await.unwrap();
    assert!(ring.get(&acme(), &ids[0]).unwrap().is_some());
    assert!(ring.get(&acme(), &ids[3]).unwrap().is_some());
}

async fn a_destroyed_key_does_not_come_back(rings: &dyn Rings, name: &str) {
    let ring = rings.open(name).await;
    let ids = items(&["a", "b"]);
    ring.get_or_create(&acme(), &ids).await.unwrap();
    let destroyed = ring.destroy(&acme(), &ids[..1]).await.unwrap();
    assert!(destroyed[0].existed && destroyed[0].key_id == ids[0] && destroyed[0].fingerprint.len() == 64);
    let refusal = Err(PrivacyError::Destroyed { key_id: "item/a".into() });
    assert!(ring.get(&acme(), &ids[0]).unwrap().is_none());
    assert_eq!(ring.get_or_create(&acme(), &ids).await.map(|_| ()), refusal);
    drop(ring);
    let ring = rings.open(name).await;
    assert_eq!(ring.get_or_create(&acme(), &ids).await.map(|_| ()), refusal);
}

async fn repeating_a_destruction_says_the_same(rings: &dyn Rings, name: &str) {
    let ring = rings.open(name).await;
    let ids = items(&["a", "b", "never"]);
    ring.get_or_create(&acme(), &ids[..2]).await.unwrap();
    let destroyed = ring.destroy(&acme(), &ids).await.unwrap();
    assert_eq!(destroyed.iter().map(|key| key.existed).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(ring.destroy(&acme(), &ids).await.unwrap(), destroyed);
    drop(ring);
    assert_eq!(rings.open(name).await.destroy(&acme(), &ids).await.unwrap(), destroyed);
}

async fn a_key_that_never_was_is_destroyed_for_good_as_well(rings: &dyn Rings, name: &str) {
    let ring = rings.open(name).await;
    ring.destroy(&acme(), &items(&["never"])).await.unwrap();
    let refused = ring.get_or_create(&acme(), &items(&["never"])).await.map(|_| ());
    assert_eq!(refused, Err(PrivacyError::Destroyed { key_id: "item/never".into() }));
}

async fn a_key_that_is_not_destroyed_stays(rings: &dyn Rings, name: &str) {
    let ring = rings.open(name).await;
    let ids: Vec<_> = (0..300).map(|i| KeyId::item(&i.to_string())).collect();
    let made = ring.get_or_create(&acme(), &ids).await.unwrap();
    ring.destroy(&acme(), &ids[5..10]).await.unwrap();
    drop(ring);
    let ring = rings.open(name).await;
    for (i, (id, key)) in ids.iter().zip(&made).enumerate() {
        let found = ring.get(&acme(), id).unwrap().map(|key| *key.bytes());
        let expected = (!(5..10).contains(&i)).then_some(*key.bytes());
        assert_eq!(found, expected, "{i}");
    }
}

async fn asking_for_a_key_does_not_make_it(rings: &dyn Rings, name: &str) {
    let ring = rings.open(name).await;
    ring.caught_up().await.unwrap();
    assert!(ring.get(&acme(), &KeyId::item("a")).unwrap().is_none());
    assert!(!ring.destroy(&acme(), &items(&["a"])).await.unwrap()[0].existed);
}

async fn keys_made_and_destroyed_at_once_end_destroyed(rings: &dyn Rings, name: &str) {
    let ring = rings.open(name).await;
    let ids: Vec<_> = (0..40).map(|i| KeyId::item(&i.to_string())).collect();
    let both = ids.iter().map(|id| {
        let (ring, id) = (Arc::clone(&ring), [id.clone()]);
        async move {
            let tenant = acme();
            let (made, destroyed) =
                futures_util::future::join(ring.get_or_create(&tenant, &id), ring.destroy(&tenant, &id)).await;
            (made.is_ok(), destroyed.unwrap().remove(0))
        }
    });
    for (was_made, destroyed) in join_all(both).await {
        assert!(destroyed.existed || !was_made, "who was given a key had one: {destroyed:?}");
        assert!(ring.get(&acme(), &destroyed.key_id).unwrap().is_none());
        let again = ring.destroy(&acme(), std::slice::from_ref(&destroyed.key_id)).await.unwrap().remove(0);
        assert_eq!(again, destroyed);
    }
}

async fn content_is_sealed_and_opened_until_its_key_is_destroyed(rings: &dyn Rings, name: &str) {
    let ring = rings.open(name).await;
    let mut message = dynamic("daybook.legal_hold.v1.RegisterItemRequest", &request());
    Sealer::new(Arc::clone(&ring)).seal(&mut message, &acme(), SealMode::Seal).await.unwrap();
    let sealed: RegisterItemRequest = message.transcode_to().unwrap();
    let opened = async |ring: &Arc<dyn KeyRing>| {
        let mut item = dynamic("daybook.legal_hold.v1.Item", sealed.item.as_ref().unwrap());
        Opener::new(Arc::clone(ring)).open(&mut item, &acme()).await.unwrap();
        item.transcode_to::<Item>().unwrap()
    };
    assert_eq!(opened(&ring).await, request().item.unwrap());
    ring.destroy(&acme(), &[KeyId::item("mail-1")]).await.unwrap();
    assert_eq!(opened(&ring).await.body, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_only_wrapped_on_the_embedded_rings_disk_and_leave_it_when_they_are_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let ring = embedded(folder.path());
    assert!(ring.leaves_disk_within().is_zero());
    let ids: Vec<_> = (0..300).map(|i| KeyId::item(&i.to_string())).collect();
    let keys = ring.get_or_create(&acme(), &ids).await.unwrap();
    assert!(!files_contain(folder.path(), keys[7].bytes()), "on disk only wrapped");
    // What lies on disk for one of them: its row's value, wherever RocksDB keeps it.
    let wrapped = ring.inner_row(&acme(), &ids[7]);
    let tail = wrapped[wrapped.len() - 40..].to_vec();
    assert!(files_contain(folder.path(), &tail), "the wrapped key is on disk");
    ring.destroy(&acme(), &ids[5..10]).await.unwrap();
    assert!(!files_contain(folder.path(), &tail), "no file holds it any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_master_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(embedded(folder.path()));
    let refused = EmbeddedKeyRing::open(folder.path(), master('b'), &Memory::default()).map(|_| ());
    assert_eq!(refused, Err(PrivacyError::WrongMasterKey));
    let log: Arc<dyn KeyedLog> = Arc::new(MemoryKeyedLog::new());
    drop(SharedKeyRing::open(Arc::clone(&log), master('a'), Start::New).await.unwrap());
    for start in [Start::Existing, Start::New] {
        let refused = SharedKeyRing::open(Arc::clone(&log), master('b'), start).await.map(|_| ());
        assert_eq!(refused, Err(PrivacyError::WrongMasterKey));
    }
    assert!(SharedKeyRing::open(log, master('a'), Start::Existing).await.is_ok(), "nothing was changed");
    for wrong in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"ä".repeat(32)] {
        assert!(MasterKey::from_hex(wrong).is_err(), "{wrong}");
    }
    assert!(MasterKey::from_hex(&MasterKey::generate_hex().unwrap()).is_ok());
}
