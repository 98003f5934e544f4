//! Rebuilding a projection while the node serves, and what replay says of the log: the same state, the same decisions;
//! and a difference wherever somebody changed something.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use daybook_kernel::authorisation::{Authorisation, Authority, NotLoaded, PolicyProblem, Verdict};
use daybook_kernel::decide::Decider;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId, TenantId};
use daybook_log::{EmbeddedLog, EmbeddedOptions, Log, Recovery, Topic};
use daybook_policy::Cedar;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::{Actor, CommandRecord, Decision, DecisionRecord};
use daybook_proto::node::v1::*;
use daybook_replay::{Until, rebuild, verify, walk};
use daybook_rocks::{Family, Memory, Spec, Wal, family};
use daybook_tests::disk::copy;
use daybook_tests::node::{Home, Node};
use daybook_tests::people::{LEA, RITA, ROOT};
use daybook_tests::requests::*;
use daybook_tests::story::{purged, release_by_two, tell};
use prost::Message;

const ADA: &str = "ada@example.org";
const P0: PartitionId = PartitionId(0);

fn decider(partitions: u32) -> Decider {
    Decider::new(daybook_domains::registry(), Arc::new(Cedar::new()), partitions)
}

/// Folds every partition from nothing and compares with what the node serves from.
async fn is_what_the_log_says(node: &Node) {
    node.settle().await;
    let scratch = tempfile::tempdir().unwrap();
    let folder = node.home.data().join("log");
    for partition in 0..node.home.config.log.partitions {
        let served: GetStateDigestResponse = node.ask(&ROOT, &GetStateDigestRequest { partition }).await;
        let beside = scratch.path().join(format!("beside-{partition}"));
        let log = EmbeddedLog::open_to_read(folder.clone(), beside, &Memory::default()).unwrap();
        let decider = decider(log.partitions());
        let until = Until::Record(Offset(served.next_record));
        let store = scratch.path().join("store");
        let rebuilt =
            rebuild(&log, &decider, PartitionId(partition), &store, until, &Memory::default(), &()).await.unwrap();
        assert_eq!((rebuilt.digest.to_hex(), rebuilt.rows), (served.digest, served.rows), "partition {partition}");
        assert_eq!(rebuilt.head.hash.to_hex(), served.head_hash);
        let again = scratch.path().join("again");
        let verified = verify(&log, &decider, PartitionId(partition), &again, &Memory::default(), &()).await.unwrap();
        assert_eq!((verified.difference_count, verified.dropped, verified.other_version), (0, 0, 0), "{verified:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_projection_is_rebuilt_while_commands_and_queries_go_on() {
    let node = Node::start().await;
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on(ADA))).await;
    // Something to fold, so that a rebuild takes a moment.
    for batch in 0..10 {
        let bare =
            |i| Item { title: String::new(), body: String::new(), ..item(&format!("{batch}-{i}"), "century", ADA) };
        let items = (0..200).map(bare).collect();
        let _: RegisterItemsResponse = node.ask(&RITA, &RegisterItemsRequest { items, ..Default::default() }).await;
    }
    let _: DisposeItemsResponse = node.ask(&RITA, &dispose(&["0-0"])).await;

    let done = AtomicBool::new(false);
    let (asked, changed) = (AtomicU64::new(0), AtomicU64::new(0));
    let writing = async {
        for round in 0.. {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let id = format!("new-{round}");
            let new = item(&id, "century", ADA);
            let registered: RegisterItemResponse = node.ask(&RITA, &register(new.clone())).await;
            let min_position = registered.receipt.unwrap().position;
            let found: GetItemResponse = node.ask(&RITA, &GetItemRequest { min_position, ..get_item(&id) }).await;
            assert_eq!(found.item.unwrap().matching_hold_ids, ["h"], "what was written is read");
            let again = RegisterItemsRequest { items: vec![new], ..Default::default() };
            let again: RegisterItemsResponse = node.ask(&RITA, &again).await;
            assert_eq!((again.created_count, again.unchanged_count), (0, 1), "decided on what is known");
            changed.fetch_add(1, Ordering::Relaxed);
        }
    };
    let asking = async {
        while !done.load(Ordering::Relaxed) {
            let gate: CheckDispositionResponse = node.ask(&LEA, &check(&["0-0", "9-199", "ghost"], None)).await;
            assert_eq!(gate.results[0].hold_ids, ["h"]);
            assert_eq!(gate.results[1].hold_ids, ["h"]);
            assert_eq!(gate.results[2].verdict(), DispositionVerdict::UnknownItem);
            let hold: GetHoldResponse = node.ask(&LEA, &get_hold("h")).await;
            assert_eq!(hold.hold.unwrap().deferred_items, 1);
            let page = ListItemsRequest { page_size: 1_000, page_token: "9-".into(), ..Default::default() };
            let page: ListItemsResponse = node.ask(&LEA, &page).await;
            assert!(page.items.len() >= 200);
            asked.fetch_add(1, Ordering::Relaxed);
        }
    };
    let rebuilding = async {
        for round in 1..=4 {
            let before = (asked.load(Ordering::Relaxed), changed.load(Ordering::Relaxed));
            for projection in ["legal_hold", "platform"] {
                let request = RebuildProjectionRequest { projection: projection.into(), ..Default::default() };
                let rebuilt: RebuildProjectionResponse = node.ask(&ROOT, &request).await;
                assert_eq!(rebuilt.partitions.len(), node.home.config.log.partitions as usize);
                for partition in rebuilt.partitions {
                    assert_eq!(partition.generation, 1 + round, "another one serves now");
                }
            }
            // Both others got on meanwhile, or get on before the next round.
            daybook_tests::eventually("commands and queries go on", async || {
                let now = (asked.load(Ordering::Relaxed), changed.load(Ordering::Relaxed));
                (now.0 > before.0 && now.1 > before.1).then_some(())
            })
            .await;
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(writing, asking, rebuilding);

    is_what_the_log_says(&node).await;
    let listed: ListProjectionsResponse = node.ask(&ROOT, &ListProjectionsRequest {}).await;
    let of_holds = listed.projections.iter().filter(|one| one.projection == "legal_hold");
    assert!(of_holds.clone().all(|one| one.generation == 5) && of_holds.count() == 3);
    release_by_two(&node, "h").await;
    purged(&node, "0-0").await;
    let node = node.restart().await;
    is_what_the_log_says(&node).await;
}

/// What a crash leaves is a copy of the files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_right_after_a_rebuild_forgets_no_hold() {
    let node = Node::start_with(|config| config.log.partitions = 1).await;
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    let node = node.restart().await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on(ADA))).await;
    let _: RegisterItemResponse = node.ask(&RITA, &register(item("a", "century", ADA))).await;
    for projection in ["legal_hold", "platform"] {
        let request = RebuildProjectionRequest { projection: projection.into(), ..Default::default() };
        let _: RebuildProjectionResponse = node.ask(&ROOT, &request).await;
    }
    let known = node.domain_digests().await;
    let crashed = Home::with(|config| config.log.partitions = 1);
    copy(&node.home.data(), &crashed.data());
    let after = crashed.start().await;
    assert_eq!(after.domain_digests().await, known);
    let answered: DisposeItemsResponse = after.ask(&RITA, &dispose(&["a"])).await;
    assert_eq!(answered.dispositions[0].hold_ids, ["h"]);
    is_what_the_log_says(&after).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_and_every_decision_come_out_again_from_the_log() {
    let node = Node::start().await;
    tell(&node).await;
    is_what_the_log_says(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_state_can_be_folded() {
    let node = Node::start_with(|config| config.log.partitions = 1).await;
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    node.settle().await;
    let before: GetStateDigestResponse = node.ask(&ROOT, &GetStateDigestRequest { partition: 0 }).await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on(ADA))).await;
    node.settle().await;
    let after: GetStateDigestResponse = node.ask(&ROOT, &GetStateDigestRequest { partition: 0 }).await;
    assert_ne!(before.digest, after.digest);
    let scratch = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open_to_read(node.home.data().join("log"), scratch.path().join("log"), &Memory::default());
    let (log, until) = (log.unwrap(), Until::Record(Offset(before.next_record)));
    let folder = scratch.path().join("store");
    let rebuilt = rebuild(&log, &decider(1), P0, &folder, until, &Memory::default(), &()).await.unwrap();
    assert_eq!(rebuilt.digest.to_hex(), before.digest);
}

/// A stopped node that told the story, on one partition; and the hash that its log ends with.
async fn told() -> (Home, Hash) {
    let node = Node::start_with(|config| config.log.partitions = 1).await;
    tell(&node).await;
    let status = node.settle().await;
    let head = Hash::from_hex(&status.partitions[0].head_hash).unwrap();
    (node.stop().await, head)
}

/// A copy of a log in which one record is another one. Its files have nothing wrong with them.
fn tampered(home: &Home, to: &Path, topic: Topic, offset: u64, change: impl FnOnce(Bytes) -> Bytes) -> EmbeddedLog {
    copy(&home.data().join("log"), to);
    {
        let spec = Spec::new(to, Wal::Kept)
            .family(Family::append_only("commands"))
            .family(Family::append_only("decisions"))
            .family(Family::new("meta"));
        let db = spec.open(&Memory::default()).unwrap();
        let family = family(&db, topic.name()).unwrap();
        let key = [&0_u32.to_be_bytes()[..], &offset.to_be_bytes()].concat();
        let record = Bytes::from(db.get_cf(&family, &key).unwrap().expect("the record"));
        let changed = change(record.clone());
        assert_ne!(changed, record);
        db.put_cf(&family, key, changed).unwrap();
        db.flush_wal(true).unwrap();
    }
    let options = EmbeddedOptions {
        folder: to.to_owned(),
        name: "daybook".to_owned(),
        partitions: 1,
        recovery: Recovery::Strict,
    };
    EmbeddedLog::open(options, &Memory::default()).unwrap()
}

/// Where the command of a kind stands.
async fn command_of_kind(home: &Home, kind: &str) -> u64 {
    let scratch = tempfile::tempdir().unwrap();
    let folder = home.data().join("log");
    let log = EmbeddedLog::open_to_read(folder, scratch.path().to_owned(), &Memory::default()).unwrap();
    let mut reader = log.reader(Topic::Commands, P0, Offset(0)).unwrap();
    loop {
        for record in reader.next().await.unwrap() {
            if CommandRecord::decode(record.bytes).unwrap().kind == kind {
                return record.offset.0;
            }
        }
    }
}

/// Where the decision of a command stands: the record, and which of its decisions.
async fn decision_of(home: &Home, command: u64) -> u64 {
    let scratch = tempfile::tempdir().unwrap();
    let folder = home.data().join("log");
    let log = EmbeddedLog::open_to_read(folder, scratch.path().to_owned(), &Memory::default()).unwrap();
    let until = Until::Command(Offset(command));
    let store = scratch.path().join("store");
    let rebuilt = rebuild(&log, &decider(1), P0, &store, until, &Memory::default(), &()).await.unwrap();
    rebuilt.head.record.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_command_is_found() {
    let (home, _) = told().await;
    let place = command_of_kind(&home, "PlaceHold").await;
    let scratch = tempfile::tempdir().unwrap();
    for (what, change) in [
        (
            "a flipped bit",
            (|record: Bytes| {
                let mut bytes = record.to_vec();
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                bytes.into()
            }) as fn(Bytes) -> Bytes,
        ),
        ("another actor", |record| {
            let mut command = CommandRecord::decode(record).unwrap();
            command.actor.as_mut().unwrap().id = "somebody-else".into();
            command.encode_to_vec().into()
        }),
        ("nothing at all", |_| Bytes::new()),
    ] {
        let log = tampered(&home, &scratch.path().join(what), Topic::Commands, place, change);
        let folder = scratch.path().join(format!("store of {what}"));
        let verified = verify(&log, &decider(1), P0, &folder, &Memory::default(), &()).await.unwrap();
        assert!(verified.difference_count >= 1, "{what}: {verified:?}");
        assert_eq!(verified.differences[0].command, Offset(place), "{what}: {verified:?}");
        let walked = walk(&log, P0, None, &()).await.unwrap();
        assert_eq!((walked.changed_count, walked.changed_commands.as_slice()), (1, &[Offset(place)][..]), "{what}");
        assert!(walked.is_suspicious(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_decision_is_found() {
    let (home, head) = told().await;
    let place = command_of_kind(&home, "PlaceHold").await;
    let record = decision_of(&home, place).await;
    let scratch = tempfile::tempdir().unwrap();
    for (what, change) in [
        (
            "a flipped bit in the middle",
            (|record: Bytes| {
                let mut bytes = record.to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                bytes.into()
            }) as fn(Bytes) -> Bytes,
        ),
        ("another policy that determined it", |record| {
            let mut record = DecisionRecord::decode(record).unwrap();
            let mut decision = Decision::decode(record.decisions[0].clone()).unwrap();
            decision.determining_policies = vec!["made-up".into()];
            record.decisions[0] = decision.encode_to_vec().into();
            record.encode_to_vec().into()
        }),
        ("another predecessor", |record| {
            let mut record = DecisionRecord::decode(record).unwrap();
            record.prev_hash = Hash::of(b"another").to_bytes();
            record.encode_to_vec().into()
        }),
        ("no record at all", |_| Bytes::from_static(b"gone")),
    ] {
        let log = tampered(&home, &scratch.path().join(what), Topic::Decisions, record, change);
        let walked = walk(&log, P0, Some(head), &()).await.unwrap();
        // Whatever it was: nothing that came after names it, and the chain does not get to where it ended.
        assert!(walked.dropped_count > 0 && walked.head.hash != head && !walked.passes_known, "{what}: {walked:?}");
        let folder = scratch.path().join(format!("store of {what}"));
        match verify(&log, &decider(1), P0, &folder, &Memory::default(), &()).await {
            Ok(verified) => {
                assert!(verified.dropped > 0 && verified.undecided > 0 && verified.head.hash != head, "{what}");
            }
            // A bit may make it unreadable.
            Err(error) => assert_eq!(error.code().name, "STORE_DAMAGED", "{what}: {error}"),
        }
    }
    let log = EmbeddedLog::open_to_read(home.data().join("log"), scratch.path().join("read"), &Memory::default());
    let walked = walk(&log.unwrap(), P0, Some(head), &()).await.unwrap();
    assert!(walked.passes_known && !walked.is_suspicious() && walked.dropped_count == 0, "the log itself is whole");
    assert_eq!(walked.head.hash, head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_was_taken_out_is_found() {
    let (home, _) = told().await;
    let to = home.folder.path().join("copy");
    copy(&home.data().join("log"), &to);
    {
        let spec = Spec::new(&to, Wal::Kept)
            .family(Family::append_only("commands"))
            .family(Family::append_only("decisions"))
            .family(Family::new("meta"));
        let db = spec.open(&Memory::default()).unwrap();
        let key = [&0_u32.to_be_bytes()[..], &3_u64.to_be_bytes()].concat();
        db.delete_cf(&family(&db, "decisions").unwrap(), key).unwrap();
        db.flush_wal(true).unwrap();
    }
    let log = EmbeddedLog::open_to_read(to, home.folder.path().join("read"), &Memory::default()).unwrap();
    let error = walk(&log, P0, None, &()).await.unwrap_err();
    assert_eq!(error.code().name, "LOG_DAMAGED");
    assert!(error.to_string().contains("offset 3"), "{error}");
}

/// Cedar, but for one action that nobody is permitted any more: as if another policy had been in force.
struct Changed(Cedar);

impl Authority for Changed {
    fn load(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>> {
        self.0.load(policies, schema)
    }

    fn load_decided(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>> {
        self.0.load_decided(policies, schema)
    }

    fn is_loaded(&self, set: Hash) -> bool {
        self.0.is_loaded(set)
    }

    fn could_permit(&self, set: Hash, actor: &Actor, namespace: &str, action: &str) -> Result<bool, NotLoaded> {
        self.0.could_permit(set, actor, namespace, action)
    }

    fn ask(&self, set: Hash, actor: &Actor, tenant: &TenantId, question: &Authorisation) -> Result<Verdict, NotLoaded> {
        if question.action == "PlaceHold" {
            return Ok(Verdict::denied());
        }
        self.0.ask(set, actor, tenant, question)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_policy_is_told_as_a_difference() {
    let (home, _) = told().await;
    let place = command_of_kind(&home, "PlaceHold").await;
    let scratch = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open_to_read(home.data().join("log"), scratch.path().join("log"), &Memory::default());
    let changed = Decider::new(daybook_domains::registry(), Arc::new(Changed(Cedar::new())), 1);
    let folder = scratch.path().join("store");
    let verified = verify(&log.unwrap(), &changed, P0, &folder, &Memory::default(), &()).await.unwrap();
    assert_eq!(verified.difference_count, 1, "only that one, not all that follow: {verified:?}");
    let difference = &verified.differences[0];
    assert_eq!(difference.command, Offset(place));
    assert!(difference.recorded.contains("accepted [HoldPlaced] by [legal-holds]"), "{difference:?}");
    assert!(difference.decided.contains("rejected POLICY_DENIED"), "{difference:?}");
}
