//! Every build reads, decides and folds the logs of every release before it as they did.

use std::collections::BTreeMap;

use daybook_kernel::id::PartitionId;
use daybook_log::{Log, MemoryLog};
use daybook_replay::{verify, walk};
use daybook_rocks::Memory;
use daybook_tests::golden::kinds::{Kinds, all, held};
use daybook_tests::golden::{self, decider, story};

#[tokio::test]
async fn every_golden_log_is_whole() {
    for golden in golden::all() {
        golden.log.check(&()).await.unwrap_or_else(|error| panic!("{}: {error}", golden.name));
        for partition in 0..golden.log.partitions() {
            let walked = walk(&golden.log, PartitionId(partition), None, &()).await.unwrap();
            let recorded = golden.log.manifest().head(partition).expect("a head");
            assert!(!walked.is_suspicious(), "{}: {walked:?}", golden.name);
            assert_eq!(walked.head.hash.to_hex(), recorded.hash, "{}: the chain ends elsewhere", golden.name);
            assert_eq!(walked.head.next_command.0, recorded.next_command, "{}", golden.name);
            assert!(walked.takeovers > 0 && walked.decisions > 0, "{}: it is not empty", golden.name);
        }
    }
}

#[tokio::test]
async fn every_decision_of_a_golden_log_comes_out_the_same() {
    for golden in golden::all() {
        let (scratch, decider) = (tempfile::tempdir().unwrap(), decider(&golden.log));
        for partition in (0..golden.log.partitions()).map(PartitionId) {
            let verified =
                verify(&golden.log, &decider, partition, scratch.path(), &Memory::default(), &()).await.unwrap();
            assert_eq!(
                verified.difference_count, 0,
                "{}: this build decides otherwise than the release that wrote the log. If that is meant, raise the \
                 domain's DECIDER_VERSION: {:?}",
                golden.name, verified.differences
            );
        }
    }
}

#[tokio::test]
async fn every_golden_log_folds_into_the_recorded_rows() {
    for golden in golden::all() {
        let expected = golden.expected();
        let key = |digest: &golden::Digest| (digest.partition, digest.projection.clone(), digest.version);
        let recorded: BTreeMap<_, _> = expected.digests.iter().map(|digest| (key(digest), digest)).collect();
        assert_eq!(recorded.len(), expected.digests.len(), "{}: a digest is recorded twice", golden.name);
        for digest in golden::digests(&golden.log).await {
            let Some(recorded) = recorded.get(&key(&digest)) else {
                panic!(
                    "{}: version {} of projection {} has no recorded digest. Add those of the new version beside the old \
                     ones: cargo run -p daybook-tests --bin golden_log -- digests",
                    golden.name, digest.version, digest.projection
                );
            };
            assert_eq!(
                **recorded, digest,
                "{}: this build folds other rows than the release that wrote the log. If that is meant, raise the \
                 projection's VERSION, so that stores are folded anew",
                golden.name
            );
        }
    }
}

#[tokio::test]
async fn the_golden_logs_hold_every_kind_of_command_and_event() {
    let registry = daybook_domains::registry();
    let wanted = all(&registry);
    assert!(wanted.commands.len() >= 34 && wanted.events.len() >= 34, "they are found: {wanted:?}");
    let mut found = Kinds::default();
    for golden in golden::all() {
        found.extend(held(&golden.log).await);
    }
    let missing = wanted.missing_from(&found);
    assert!(
        missing.is_empty(),
        "no golden log has: {}.\nLet it happen in tests/src/golden/story.rs, then make one more golden log beside those that \
         are there, which stay as they are:\n  cargo run -p daybook-tests --bin golden_log -- make {}-NAME",
        missing.join(", "),
        env!("CARGO_PKG_VERSION")
    );
}

#[tokio::test]
async fn a_kind_that_no_golden_log_holds_is_named() {
    let (wanted, empty) = (all(&daybook_domains::registry()), held(&MemoryLog::new("empty", 1)).await);
    let missing = wanted.missing_from(&empty);
    for kind in [
        "command legal_hold.PlaceHold, accepted",
        "command legal_hold.SweepHold, accepted",
        "command platform.ConfirmPartition, accepted",
        "event legal_hold.ItemsReturned 1",
        "event platform.PartitionClockAdvanced 1",
        "parked",
    ] {
        assert!(missing.iter().any(|one| one == kind), "{kind} is not in {missing:?}");
    }
    let not_events = ["legal_hold.Item 1", "legal_hold.PlaceHoldRequest 1", "legal_hold.Hold 1"];
    assert!(not_events.iter().all(|one| !wanted.events.contains(*one)), "{:?}", wanted.events);
}

/// A golden log can be taken into use: it imports into a log of today, which then is the same.
#[tokio::test]
async fn every_golden_log_can_be_imported() {
    for golden in golden::all() {
        let log = MemoryLog::new(golden.log.name(), golden.log.partitions());
        let imported = daybook_archive::import(&golden.log, &log, &()).await.unwrap();
        assert!(imported.appended > 0 && imported.already == 0);
        assert_eq!(held(&log).await, held(&golden.log).await);
    }
}

/// Otherwise nobody could tell what a golden log was made from.
#[tokio::test]
async fn the_story_is_the_same_whenever_it_is_told() {
    let (first, second) = (story::tell(), story::tell());
    for partition in (0..first.log.partitions()).map(PartitionId) {
        assert_eq!(first.head(partition), second.head(partition));
    }
}
