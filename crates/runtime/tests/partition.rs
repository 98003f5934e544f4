//! What the partition loop promises, tried on a log in memory with a small domain.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "partition/deciding.rs"]
mod deciding;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::*;
use daybook_kernel::apply::{Fold, apply_record};
use daybook_kernel::chain::Head;
use daybook_kernel::id::{CommandId, Epoch, Offset, PartitionId, StreamKey, TenantId};
use daybook_kernel::key::All;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::state::{MemoryState, ProjectionId};
use daybook_log::{Durability, Log, MemoryLog, Topic};
use daybook_proto::log::v1::{self, decision::Outcome as Decided};
use daybook_proto::platform::v1 as platform;
use daybook_runtime::{Limits, PartitionState, SubmitError};
use daybook_testkit::faulty_log::{AppendFault, FaultyLog};
use prost::Message;

const DEADLINE: Duration = Duration::from_secs(10);

fn memory_log(partitions: u32) -> MemoryLog {
    MemoryLog::new("test", partitions)
}

/// Folds a log from nothing, and returns every decision in order beside the state.
async fn fold(log: &dyn Log, partition: PartitionId) -> (MemoryState, Vec<v1::Decision>, Head) {
    let decider = decider(log.partitions());
    let (mut state, mut decisions) = (MemoryState::default(), Vec::new());
    let mut head = Head::genesis(log.name(), log.partitions(), partition);
    let next = log.bounds(Topic::Decisions, partition).await.unwrap().next;
    while head.next_record < next {
        let mut reader = log.reader(Topic::Decisions, partition, head.next_record).unwrap();
        for record in reader.next().await.unwrap() {
            let applied =
                apply_record(&decider, &state, &mut head, partition, record.offset, record.bytes, Fold::All).unwrap();
            if let Ok(applied) = applied {
                state.apply(&applied.writes);
                decisions.extend(applied.decisions.into_iter().map(|(_, decision)| decision));
            }
        }
    }
    (state, decisions, head)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_decided_and_its_events_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(2)), folder.path()).await;
    let outcome = submit(&node, &write("colour=blue")).await;
    assert!(accepted(&outcome) && !outcome.duplicate);
    assert_eq!(outcome.decision.decider_version, 7);
    assert_eq!(outcome.decision.determining_policies, ["notes"]);
    assert_eq!(outcome.decision.policy_set_hash.len(), 32);
    assert_eq!(read(&node, |tables| tables.notes().get(("colour",))).unwrap().unwrap(), "blue");
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_policy_set_does_not_permit_is_rejected_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(2)), folder.path()).await;
    let mut record = write("colour=red");
    record.actor.as_mut().unwrap().roles.clear();
    let outcome = submit(&node, &record).await;
    assert_eq!(rejected(&outcome), "POLICY_DENIED");
    let id = CommandId::from_slice(&record.command_id).unwrap();
    let partition = node.partition_of(&acme(), &StreamKey::of_tenant(&acme())).unwrap();
    let found = partition.find(&acme(), id).await.unwrap().unwrap();
    assert_eq!(found.decision, outcome.decision, "the rejection is on the log");
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_cannot_be_decided_by_a_domain_are_rejected_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(2)), folder.path()).await;
    let in_tenant = |tenant: &str| {
        let mut record = write("x=1");
        record.tenant_id = tenant.into();
        record.stream_key = tenant.into();
        record
    };
    assert_eq!(rejected(&submit(&node, &in_tenant("nobody")).await), "TENANT_UNKNOWN");
    assert_eq!(rejected(&submit(&node, &note("NoSuchKind", "x")).await), "UNKNOWN_KIND");
    assert_eq!(rejected(&submit(&node, &note("Ring", "x")).await), "UNKNOWN_KIND", "only Daybook itself may");
    assert_eq!(rejected(&submit(&node, &record("acme", "no-domain", "Write", vec![])).await), "UNKNOWN_KIND");
    assert_eq!(rejected(&submit(&node, &note("Write", "!no")).await), "INVALID_ARGUMENT");

    let suspend = platform::SuspendTenantRequest {
        target_tenant_id: "acme".into(),
        reason: "unpaid".into(),
        ..Default::default()
    };
    assert!(accepted(&submit(&node, &admin_record("SuspendTenant", suspend.encode_to_vec())).await));
    eventually(|| async {
        let outcome = submit(&node, &write("x=1")).await;
        !accepted(&outcome) && rejected(&outcome) == "TENANT_SUSPENDED"
    })
    .await;
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_is_decided_once_and_gets_the_same_answer() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(2)), folder.path()).await;
    let record = note("Once", "k=1");
    let first = submit(&node, &record).await;
    assert!(accepted(&first));
    let again = submit(&node, &record).await;
    assert!(again.duplicate);
    assert_eq!((&again.decision, again.place.command), (&first.decision, first.place.command));

    // All at once, before any of them is decided.
    let record = note("Once", "m=1");
    let all = futures_util::future::join_all((0..20).map(|_| submit(&node, &record))).await;
    assert!(all.iter().all(|outcome| accepted(outcome) && outcome.decision == all[0].decision));

    let mut other = note("Once", "other=1");
    other.command_id = record.command_id.clone();
    assert_eq!(rejected(&submit(&node, &other).await), "COMMAND_ID_REUSED");
    let first_stands = submit(&node, &record).await;
    assert!(accepted(&first_stands), "a reused id does not replace the first decision");
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_get_one_decision_each() {
    let folder = tempfile::tempdir().unwrap();
    let log = memory_log(2);
    let node = start_ready(Arc::new(log.clone()), folder.path()).await;
    let callers = (0..200).map(|caller| {
        let node = Arc::clone(&node);
        tokio::spawn(async move {
            for i in 0..20 {
                let record = write(&format!("{caller}/{i}={i}"));
                let outcome = submit(&node, &record).await;
                assert!(accepted(&outcome));
                assert_eq!(outcome.decision.command_id, record.command_id, "each gets his own answer");
            }
        })
    });
    for caller in futures_util::future::join_all(callers).await {
        caller.unwrap();
    }
    assert_eq!(read(&node, |tables| tables.notes().scan(All).count()), 4_001);
    node.stop(DEADLINE).await;
    let partition = node.partition_of(&acme(), &StreamKey::of_tenant(&acme())).unwrap().id();
    let (_, decisions, head) = fold(&log, partition).await;
    assert_eq!(decisions.len() as u64, head.next_command.0, "one decision for each command");
    let records = log.bounds(Topic::Decisions, partition).await.unwrap().next.0;
    assert!(records < 4_000, "commands that arrive together share a record: {records}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_decided_parks_its_stream_until_an_operator_lets_it_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(2)), folder.path()).await;
    let parked = |outcome: &daybook_runtime::Outcome| match &outcome.decision.outcome {
        Some(Decided::Parked(parked)) => parked.code.clone(),
        other => panic!("not parked: {other:?}"),
    };
    let undecodable = record("acme", "notes", "Write", vec![0xff, 0xff]);
    for (poison, code) in [
        (note("Panic", "x"), "DECIDER_PANICKED"),
        (note("ReadTooMuch", "x"), "DECIDER_OVER_BUDGET"),
        (undecodable, "UNDECODABLE_COMMAND"),
    ] {
        assert_eq!(parked(&submit(&node, &poison).await), code);
        assert_eq!(rejected(&submit(&node, &write("x=1")).await), "STREAM_PARKED");
        let elsewhere = platform::CreateTenantRequest { new_tenant_id: "x".into(), ..Default::default() };
        let elsewhere = submit(&node, &admin_record("CreateTenant", elsewhere.encode_to_vec())).await;
        assert!(accepted(&elsewhere) || rejected(&elsewhere) == "TENANT_ALREADY_EXISTS", "others go on");

        let partition = node.partition_of(&acme(), &StreamKey::of_tenant(&acme())).unwrap();
        assert_eq!(partition.status().await.unwrap().waiting.parked, 1);
        let unpark = platform::UnparkStreamRequest {
            target_tenant_id: "acme".into(),
            target_stream_key: "acme".into(),
            reason: "looked at it".into(),
            ..Default::default()
        };
        let mut unpark = admin_record("UnparkStream", unpark.encode_to_vec());
        unpark.stream_key = StreamKey::of_partition(partition.id()).as_str().into();
        assert!(accepted(&submit(&node, &unpark).await));
        assert!(accepted(&submit(&node, &write("x=1")).await));
        let again = record_with_new_id(&unpark);
        assert_eq!(rejected(&submit(&node, &again).await), "STREAM_NOT_PARKED");
    }
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_comes_back_as_a_command_when_it_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let log = memory_log(2);
    let node = start_ready(Arc::new(log.clone()), folder.path()).await;
    assert!(accepted(&submit(&node, &note("Remind", "later/300")).await));
    assert!(accepted(&submit(&node, &note("Remind", "twice/100")).await));
    assert!(accepted(&submit(&node, &note("Remind", "moved/60000")).await));
    assert!(accepted(&submit(&node, &note("Remind", "moved/200")).await), "set anew");
    let rings = |key: &str| read(&node, |tables| tables.rings().get((key,))).unwrap().unwrap_or(0);
    assert_eq!(rings("later"), 0);
    eventually(|| async { rings("later") == 1 && rings("twice") == 2 && rings("moved") == 1 }).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((rings("later"), rings("twice"), rings("moved")), (1, 2, 1), "each once");

    // A timer that is set when the node stops rings after the next start.
    assert!(accepted(&submit(&node, &note("Remind", "over-night/200")).await));
    node.stop(DEADLINE).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(node);
    let node = start(Arc::new(log), folder.path(), Arc::default()).await;
    eventually(|| async { read(&node, |tables| tables.rings().get(("over-night",))).unwrap() == Some(1) }).await;
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_of_the_log_can_be_moved_and_timers_follow() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(2)), folder.path()).await;
    assert!(accepted(&submit(&node, &note("Remind", "in-a-year/31536000000")).await));
    let publish = platform::PublishPolicySetRequest {
        policies: format!("{}\n{}", registry().shipped_policies(), platform_processor::DEVELOPMENT_POLICIES),
        ..Default::default()
    };
    let advance = platform::AdvanceClockRequest {
        by: Some(prost_types::Duration { seconds: 2 * 31_536_000, nanos: 0 }),
        ..Default::default()
    };
    let advance = admin_record("AdvanceClock", advance.encode_to_vec());
    assert_eq!(rejected(&submit(&node, &advance).await), "POLICY_DENIED", "not on a production node");

    let published = submit(&node, &admin_record("PublishPolicySet", publish.encode_to_vec())).await;
    assert!(accepted(&published), "{published:?}");
    let platform = TenantId::platform();
    let home = node.partition_of(platform, &StreamKey::of_tenant(platform)).unwrap();
    let list = home.read(|state, _| {
        let tables = platform_projection::Tables::from(daybook_kernel::table::View::new(state, platform));
        tables.policy_set_order().scan(All).map(|row| row.unwrap().1.policy_set_hash).collect::<Vec<_>>()
    });
    let activate = platform::ActivatePolicySetRequest {
        policy_set_hash: list.unwrap().pop().unwrap(),
        reason: "to try things out".into(),
        ..Default::default()
    };
    assert!(accepted(&submit(&node, &admin_record("ActivatePolicySet", activate.encode_to_vec())).await));
    eventually(|| async { accepted(&submit(&node, &record_with_new_id(&advance)).await) }).await;
    eventually(|| async { read(&node, |tables| tables.rings().get(("in-a-year",))).unwrap() == Some(1) }).await;
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_is_tried_until_it_succeeds_and_its_outcome_is_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    let echo = Arc::new(Echo::default());
    let node = start(Arc::new(memory_log(2)), folder.path(), Arc::clone(&echo)).await;
    set_up(&node).await;
    assert!(accepted(&submit(&node, &note("Ask", "3:hello")).await));
    let answers = || read(&node, |tables| tables.answers().scan(All).map(|row| row.unwrap().1).collect::<Vec<_>>());
    eventually(|| async { !answers().is_empty() }).await;
    assert_eq!(echo.runs.load(Ordering::SeqCst), 4, "three failures and a success");
    let answer = answers().pop().unwrap();
    assert!(answer.ends_with(" hello") && answer.split(' ').next().unwrap().len() == 32, "{answer}");
    let partition = node.partition_of(&acme(), &StreamKey::of_tenant(&acme())).unwrap();
    eventually(|| async { partition.status().await.unwrap().waiting.effects == 0 }).await;
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_is_open_when_the_node_stops_is_carried_out_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let log = memory_log(1);
    let never = Arc::new(Echo::default());
    let node = start(Arc::new(log.clone()), folder.path(), never).await;
    set_up(&node).await;
    for i in 0..5 {
        assert!(accepted(&submit(&node, &note("Ask", &format!("999999:{i}"))).await));
    }
    node.stop(DEADLINE).await;
    drop(node);
    let ready = Arc::new(Echo { runs: AtomicU32::new(1_000_000) });
    let node = start(Arc::new(log), folder.path(), ready).await;
    node.ready().await.unwrap();
    eventually(|| async { read(&node, |tables| tables.answers().scan(All).count()) == 5 }).await;
    let mut tokens: Vec<_> = read(&node, |tables| tables.answers().scan(All).map(|row| row.unwrap().1).collect());
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 5, "each effect has its own token");
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_behind_or_gone_is_folded_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = memory_log(2);
    let node = start_ready(Arc::new(log.clone()), &folder.path().join("a")).await;
    for i in 0..50 {
        assert!(accepted(&submit(&node, &write(&format!("{i}={i}"))).await));
    }
    node.stop(DEADLINE).await;
    drop(node);
    for (store, notes) in [("a", 51), ("b", 52)] {
        let node = start(Arc::new(log.clone()), &folder.path().join(store), Arc::default()).await;
        node.ready().await.unwrap();
        assert_eq!(read(&node, |tables| tables.notes().scan(All).count()), notes);
        assert!(accepted(&submit(&node, &write("more=1")).await));
        node.stop(DEADLINE).await;
        let partition = node.partition_of(&acme(), &StreamKey::of_tenant(&acme())).unwrap();
        let (folded, _, head) = fold(&log, partition.id()).await;
        let stored = partition
            .read(|state, stored_head| {
                assert_eq!(*stored_head, head);
                let everything = daybook_kernel::state::Span { start: vec![], end: None };
                let rows = [0, 1, 99].map(|projection| {
                    let ascending = daybook_kernel::state::Direction::Ascending;
                    let rows = state.scan(ProjectionId(projection), everything.clone(), ascending);
                    rows.map(|row| row.unwrap()).collect::<Vec<_>>()
                });
                rows.concat()
            })
            .unwrap();
        let folded: Vec<_> = folded.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(stored, folded, "the store is what the log says");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_others_are_dropped_and_the_owner_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = memory_log(1);
    let node = start_ready(Arc::new(log.clone()), folder.path()).await;
    let p0 = PartitionId(0);
    let epoch = node.partitions()[0].status().await.unwrap().head.epoch;
    for (i, foreign) in [
        Bytes::from_static(b"garbage"),
        DecisionRecord::takeover(Head::genesis("test", 1, p0).hash, Epoch(1), "zombie", "", Default::default()).bytes,
        DecisionRecord::batch(
            daybook_kernel::hash::Hash::of(b"elsewhere"),
            epoch,
            Offset(3),
            Default::default(),
            vec![Bytes::from_static(b"x")],
        )
        .bytes,
    ]
    .into_iter()
    .enumerate()
    {
        log.append(Topic::Decisions, p0, foreign, Durability::Synced).await.unwrap();
        let outcome = submit(&node, &write(&format!("after-{i}=1"))).await;
        assert!(accepted(&outcome));
    }
    let status = node.partitions()[0].status().await.unwrap();
    assert!(status.dropped_records >= 3, "{status:?}");
    assert!(status.head.epoch > epoch, "it took over anew");
    assert_eq!(read(&node, |tables| tables.notes().scan(All).count()), 4);
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_owner_takes_over_and_nothing_is_decided_twice() {
    let folder = tempfile::tempdir().unwrap();
    let log = memory_log(1);
    let node = start_ready(Arc::new(log.clone()), &folder.path().join("a")).await;
    let second = start(Arc::new(log.clone()), &folder.path().join("b"), Arc::default()).await;
    second.ready().await.unwrap();
    // Both believe that they own the partition. The chain lets each of them in only as far as it is the owner.
    let mut writes = Vec::new();
    for i in 0..40 {
        let node = if i % 2 == 0 { &node } else { &second };
        writes.push(async move { node.submit(&note("Once", &format!("{}=x", i / 2))).await });
    }
    let outcomes = futures_util::future::join_all(writes).await;
    assert!(outcomes.iter().any(|outcome| outcome.as_ref().is_ok_and(accepted)));
    node.stop(DEADLINE).await;
    second.stop(DEADLINE).await;
    let (_, decisions, _) = fold(&log, PartitionId(0)).await;
    let mut written = BTreeMap::<String, u32>::new();
    for decision in &decisions {
        if let Some(Decided::Accepted(accepted)) = &decision.outcome {
            for event in accepted.events.iter().filter(|event| event.kind == "Written") {
                *written.entry(String::decode(event.payload.clone()).unwrap()).or_default() += 1;
            }
        }
    }
    assert!(written.values().all(|count| *count == 1), "{written:?}");
    for (outcome, record) in outcomes.iter().zip(0..) {
        let Ok(outcome) = outcome else { continue };
        let recorded = decisions.iter().find(|decision| decision.command_id == outcome.decision.command_id);
        assert_eq!(recorded, Some(&outcome.decision), "answer {record} is on the chain");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_appends_what_was_acknowledged_is_decided_once() {
    for seed in 0..6_u32 {
        let folder = tempfile::tempdir().unwrap();
        let log = memory_log(1);
        let appends = AtomicU32::new(seed.wrapping_mul(7_919));
        let faulty = FaultyLog::new(log.clone(), move |_, _| {
            let n = appends.fetch_add(1, Ordering::SeqCst).wrapping_mul(2_654_435_761) >> 16;
            match n % 12 {
                0 => AppendFault::Refused,
                1 => AppendFault::AcknowledgementLost,
                2 => AppendFault::Repeated,
                _ => AppendFault::None,
            }
        });
        let limits = Limits { decision_wait_max: Duration::from_secs(2), ..Limits::default() };
        let node = start_with(Arc::new(faulty), folder.path(), Arc::default(), limits).await;
        let registry = registry();
        let payload = platform::PublishShippedPolicySet {
            policies: registry.shipped_policies(),
            schema: registry.shipped_schema(),
            description: String::new(),
            feature_level: 1,
            ends_development: false,
        };
        let mut shipped = record("platform", "platform", "PublishShippedPolicySet", payload.encode_to_vec());
        shipped.actor = Some(v1::Actor { kind: v1::actor::Kind::System.into(), ..Default::default() });
        let insist = async |record: &v1::CommandRecord| loop {
            match node.submit(record).await {
                Ok(outcome) => return outcome,
                Err(error) => assert!(error.retry_after().is_some(), "{error}"),
            }
        };
        insist(&shipped).await;
        let create = platform::CreateTenantRequest { new_tenant_id: "acme".into(), ..Default::default() };
        let create = admin_record("CreateTenant", create.encode_to_vec());
        while rejected_code(&insist(&record_with_new_id(&create)).await) == Some("LOG_NOT_INITIALISED".into()) {}
        while !accepted(&insist(&write("ready=1")).await) {}

        let callers = (0..30).map(|i| {
            let node = Arc::clone(&node);
            tokio::spawn(async move {
                let record = note("Once", &format!("{i}=x"));
                for _ in 0..20 {
                    if let Ok(outcome) = node.submit(&record).await {
                        return (record.command_id.clone(), Some(outcome));
                    }
                }
                (record.command_id.clone(), None)
            })
        });
        let answered = futures_util::future::join_all(callers).await;
        node.stop(DEADLINE).await;

        let (_, decisions, _) = fold(&log, PartitionId(0)).await;
        for answer in answered {
            let (id, Some(outcome)) = answer.unwrap() else { continue };
            let first: Vec<_> = decisions
                .iter()
                .filter(|decision| decision.command_id == id)
                .filter(|decision| !matches!(decision.outcome, Some(Decided::Duplicate(_))))
                .collect();
            assert_eq!(first, [&outcome.decision], "seed {seed}: one decision, and it is the answer");
        }
    }
}

fn rejected_code(outcome: &daybook_runtime::Outcome) -> Option<String> {
    match &outcome.decision.outcome {
        Some(Decided::Rejected(rejected)) => Some(rejected.code.clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_knows_more_than_the_log_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(1)), folder.path()).await;
    node.stop(DEADLINE).await;
    drop(node);
    let lost = memory_log(1);
    let node = start(Arc::new(lost.clone()), folder.path(), Arc::default()).await;
    let reason = node.ready().await.unwrap_err();
    assert!(reason.contains("STORE_AHEAD_OF_LOG"), "{reason}");
    let refused = node.submit(&write("x=1")).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Broken { .. }), "{refused}");
    assert_eq!(lost.bounds(Topic::Decisions, PartitionId(0)).await.unwrap().next, Offset(0), "nothing was written");
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_belong_to_the_log_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(1)), &folder.path().join("a")).await;
    node.stop(DEADLINE).await;
    drop(node);
    // Another log of the same name and shape, at least as long.
    let other = memory_log(1);
    let node = start_ready(Arc::new(other.clone()), &folder.path().join("b")).await;
    for i in 0..50 {
        submit(&node, &write(&format!("{i}=1"))).await;
    }
    node.stop(DEADLINE).await;
    drop(node);
    let node = start(Arc::new(other), &folder.path().join("a"), Arc::default()).await;
    let reason = node.ready().await.unwrap_err();
    assert!(reason.contains("STORE_DIFFERS_FROM_LOG"), "{reason}");
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_is_rebuilt_while_the_partition_serves() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(1)), folder.path()).await;
    for i in 0..200 {
        submit(&node, &write(&format!("{i}={i}"))).await;
    }
    let writing = {
        let node = Arc::clone(&node);
        tokio::spawn(async move {
            for i in 200..400 {
                assert!(accepted(&submit(&node, &write(&format!("{i}={i}"))).await));
            }
        })
    };
    let rebuilt = node.partitions()[0].rebuild(ProjectionId(99)).await.unwrap();
    assert_eq!(rebuilt.generation, 2);
    assert!(rebuilt.decisions >= 200);
    writing.await.unwrap();
    assert_eq!(read(&node, |tables| tables.notes().scan(All).count()), 401, "nothing was missed around the swap");
    assert_eq!(node.partitions()[0].rebuild(ProjectionId(99)).await.unwrap().generation, 3);
    assert!(node.partitions()[0].rebuild(ProjectionId(77)).await.is_err(), "no such projection");
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_limit_callers_are_told_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { in_flight_per_stream_max: 3, ..Limits::default() };
    let node = start_with(Arc::new(memory_log(1)), folder.path(), Arc::default(), limits).await;
    set_up(&node).await;
    let records: Vec<_> = (0..50).map(|i| write(&format!("{i}=1"))).collect();
    let outcomes = futures_util::future::join_all(records.iter().map(|record| node.submit(record))).await;
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect::<Vec<_>>();
    assert!(!refused.is_empty());
    for error in refused {
        assert!(matches!(error, SubmitError::Overloaded { .. }) && error.retry_after().is_some(), "{error}");
    }
    assert!(accepted(&submit(&node, &write("after=1")).await));
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_waits_for_the_position_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_ready(Arc::new(memory_log(1)), folder.path()).await;
    let partition = Arc::clone(&node.partitions()[0]);
    let outcome = submit(&node, &write("x=1")).await;
    let here = daybook_kernel::id::Position { partition: PartitionId(0), offset: outcome.place.command };
    partition.wait_to_read(Some(here), Duration::from_secs(5)).await.unwrap();
    let next = daybook_kernel::id::Position { offset: here.offset.next(), ..here };
    let short = partition.wait_to_read(Some(next), Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(short.code().name, "POSITION_NOT_REACHED");
    let waiting = tokio::spawn(async move { partition.wait_to_read(Some(next), Duration::from_secs(5)).await });
    submit(&node, &write("y=1")).await;
    waiting.await.unwrap().unwrap();
    node.stop(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_refuses_commands_and_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let log = memory_log(1);
    let node = start_ready(Arc::new(log.clone()), folder.path()).await;
    let callers: Vec<_> = (0..50)
        .map(|i| {
            let node = Arc::clone(&node);
            tokio::spawn(async move { (i, node.submit(&write(&format!("{i}=1"))).await) })
        })
        .collect();
    node.stop(DEADLINE).await;
    assert_eq!(node.partitions()[0].status().await.unwrap().state, PartitionState::Stopped);
    assert!(node.submit(&write("late=1")).await.is_err());
    let (_, decisions, _) = fold(&log, PartitionId(0)).await;
    for caller in callers {
        caller.abort();
        if let Ok((_, Ok(outcome))) = caller.await {
            assert!(decisions.contains(&outcome.decision));
        }
    }
}
