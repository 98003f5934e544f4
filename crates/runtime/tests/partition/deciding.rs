//! A command over which the process has ended before.

use daybook_kernel::code::DECIDER_STOPPED;
use daybook_runtime::DecidingWatch;

use super::*;

/// Knows one command that must not be decided again, and counts those that are decided.
struct KnowsOne {
    stopped: (PartitionId, Offset),
    begun: AtomicU32,
    ended: AtomicU32,
}

impl DecidingWatch for KnowsOne {
    fn stopped(&self, partition: PartitionId, command: Offset) -> Option<v1::Parked> {
        let parked = || v1::Parked { code: DECIDER_STOPPED.name.to_owned(), reason: "it did before".to_owned() };
        (self.stopped == (partition, command)).then(parked)
    }

    fn begins(&self, _: PartitionId, _: Offset) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    fn ended(&self, _: PartitionId) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// As it is after a restart: the command stands on the log, and deciding it has stopped the process before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_stopped_the_node_before_is_parked_without_being_decided() {
    let folder = tempfile::tempdir().unwrap();
    let log = memory_log(2);
    let node = start_ready(Arc::new(log.clone()), folder.path()).await;
    let home = node.partition_of(&acme(), &StreamKey::of_tenant(&acme())).unwrap().id();
    node.stop(DEADLINE).await;
    drop(node);
    // It would be accepted, if it were decided.
    let poison = write("poison=1");
    let bytes = Bytes::from(poison.encode_to_vec());
    let offset = log.append(Topic::Commands, home, bytes, Durability::Synced).await.unwrap();
    let watch = Arc::new(KnowsOne { stopped: (home, offset), begun: AtomicU32::new(0), ended: AtomicU32::new(0) });
    let deciding = Arc::<KnowsOne>::clone(&watch);
    let node = start_watched(Arc::new(log.clone()), folder.path(), Arc::default(), Limits::default(), deciding).await;
    let outcome = submit(&node, &poison).await;
    let Some(Decided::Parked(parked)) = &outcome.decision.outcome else { panic!("not parked: {outcome:?}") };
    assert_eq!((parked.code.as_str(), parked.reason.as_str()), ("DECIDER_STOPPED", "it did before"));
    assert_eq!(rejected(&submit(&node, &write("x=1")).await), "STREAM_PARKED");
    assert_eq!(read(&node, |tables| tables.notes().get(("poison",))).unwrap(), None);
    let elsewhere = platform::CreateTenantRequest { new_tenant_id: "x".into(), ..Default::default() };
    assert!(accepted(&submit(&node, &admin_record("CreateTenant", elsewhere.encode_to_vec())).await), "others go on");
    node.stop(DEADLINE).await;
    assert_eq!(watch.begun.load(Ordering::SeqCst), watch.ended.load(Ordering::SeqCst), "each that begins ends");

    // Deciding it again would accept it: what is recorded counts, and nothing else differs.
    let scratch = tempfile::tempdir().unwrap();
    let decider = decider(log.partitions());
    let verified =
        daybook_replay::verify(&log, &decider, home, scratch.path(), &daybook_rocks::Memory::default(), &()).await;
    let verified = verified.unwrap();
    assert_eq!((verified.difference_count, verified.other_version), (0, 0), "{:?}", verified.differences);
}
