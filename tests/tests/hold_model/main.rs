//! Legal holds on the real partition loop, under random interleavings of what people ask for, time, faults of the log
//! and ends of the node. Whatever happens:
//!
//! - nothing that a hold matches is ever deleted, and no key of it destroyed;
//! - every deletion that was put off happens, after the last hold is released;
//! - every answer that a caller got is on the chain, every command is decided once, and the log can be verified and
//!   rebuilt to the same state.
//!
//! Beside it, `processors/legal_hold/tests/model.rs` tries the rules of holds alone, with many more cases, and
//! `crates/cli/tests/kill.rs` kills the real program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod model;
mod world;

use std::time::Duration;

use daybook_kernel::id::PartitionId;
use daybook_kernel::time::{Timestamp, duration_to_proto};
use daybook_log::Topic;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::platform::v1::AdvanceClockRequest;
use daybook_proto::privacy::v1::Sealed;
use daybook_testkit::faulty_log::AppendFault;
use model::{Model, chain};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use world::{Found, World};

const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Clone)]
enum Step {
    Register {
        item: u8,
        entity: u8,
        category: u8,
        age_days: u8,
    },
    Place {
        hold: u8,
        entity: Option<u8>,
        category: Option<u8>,
        release_delay_days: u8,
    },
    Release {
        hold: u8,
    },
    Approve {
        hold: u8,
    },
    Cancel {
        hold: u8,
    },
    Dispose {
        item: u8,
    },
    /// The clock of the log is moved, by a command.
    Advance {
        days: u8,
    },
    /// Time passes.
    Wait {
        days: u8,
    },
    /// The node gets to do some of what there is to do.
    Work {
        turns: u8,
    },
    Trouble {
        topic: Topic,
        fault: AppendFault,
    },
    KeyRingFails,
    Crash {
        found: Found,
    },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (item, hold, entity, category) = (0_u8..8, 0_u8..4, 0_u8..3, 0_u8..2);
    let delay = prop_oneof![2 => Just(0_u8), 1 => 1_u8..10];
    let scope = (prop::option::weighted(0.8, entity.clone()), prop::option::weighted(0.4, category.clone()));
    let fault =
        prop_oneof![Just(AppendFault::Refused), Just(AppendFault::AcknowledgementLost), Just(AppendFault::Repeated),];
    let found = prop_oneof![Just(Found::Store), Just(Found::OlderStore), Just(Found::Nothing)];
    let step = prop_oneof![
        6 => (item.clone(), entity, category, 0_u8..45)
            .prop_map(|(item, entity, category, age_days)| Step::Register { item, entity, category, age_days }),
        4 => (hold.clone(), scope, delay).prop_map(|(hold, (entity, category), release_delay_days)| {
            Step::Place { hold, entity, category, release_delay_days }
        }),
        3 => hold.clone().prop_map(|hold| Step::Release { hold }),
        3 => hold.clone().prop_map(|hold| Step::Approve { hold }),
        1 => hold.prop_map(|hold| Step::Cancel { hold }),
        5 => item.prop_map(|item| Step::Dispose { item }),
        2 => (1_u8..30).prop_map(|days| Step::Advance { days }),
        2 => (1_u8..30).prop_map(|days| Step::Wait { days }),
        12 => (1_u8..12).prop_map(|turns| Step::Work { turns }),
        2 => (prop_oneof![Just(Topic::Commands), Just(Topic::Decisions)], fault)
            .prop_map(|(topic, fault)| Step::Trouble { topic, fault }),
        1 => Just(Step::KeyRingFails),
        3 => found.prop_map(|found| Step::Crash { found }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 20..90)
}

/// A pseudonym that stands for a person.
fn person(entity: u8) -> Entity {
    let id = format!("psn_{}", char::from(b'a' + entity).to_string().repeat(32));
    Entity { id, role: EntityRole::Custodian.into(), ..Default::default() }
}

fn category(category: u8) -> String {
    format!("category-{category}")
}

fn take(world: &mut World, step: &Step) {
    match *step {
        Step::Register { item, entity, category: of, age_days } => {
            let created = world.now().as_micros() - i64::from(age_days) * 86_400_000_000 - i64::from(entity);
            let item = Item {
                item_id: format!("i{item}"),
                kind: ItemKind::Message.into(),
                data_category: category(of),
                entities: vec![person(entity)],
                created_at: Some(Timestamp::from_micros(created).to_proto()),
                retention_class_id: "short".into(),
                sealed: Some(Sealed { key_id: format!("item/i{item}"), ciphertext: b"sealed".to_vec().into() }),
                ..Default::default()
            };
            let request = RegisterItemRequest { item: Some(item), ..Default::default() };
            world.ask("acme", "legal_hold", "RegisterItem", &request, "rita", "records-manager");
        }
        Step::Place { hold, entity, category: of, release_delay_days } => {
            let scope = Scope {
                entities: entity.map(person).into_iter().collect(),
                data_categories: of.map(category).into_iter().collect(),
                everything: entity.is_none() && of.is_none(),
                ..Default::default()
            };
            let request = PlaceHoldRequest {
                hold_id: format!("h{hold}"),
                name: "a hold".into(),
                reason: "litigation".into(),
                scope: Some(scope),
                release_delay: Some(duration_to_proto(u32::from(release_delay_days) * DAY)),
                ..Default::default()
            };
            world.ask("acme", "legal_hold", "PlaceHold", &request, "lea", "legal");
        }
        Step::Release { hold } => ask_release(world, format!("h{hold}")),
        Step::Approve { hold } => approve(world, format!("h{hold}")),
        Step::Cancel { hold } => {
            let request =
                CancelReleaseRequest { hold_id: format!("h{hold}"), reason: "not yet".into(), ..Default::default() };
            world.ask("acme", "legal_hold", "CancelRelease", &request, "lea", "legal");
        }
        Step::Dispose { item } => {
            let item_ids = vec![format!("i{item}")];
            let request = DisposeItemsRequest { item_ids, reason: "asked to".into(), ..Default::default() };
            world.ask("acme", "legal_hold", "DisposeItems", &request, "rita", "records-manager");
        }
        Step::Advance { days } => {
            let by = Some(duration_to_proto(u32::from(days) * DAY));
            let request = AdvanceClockRequest { by, ..Default::default() };
            world.ask("platform", "platform", "AdvanceClock", &request, "root", "admin");
        }
        Step::Wait { days } => world.wait(u32::from(days) * DAY),
        Step::Work { turns } => world.work(turns.into()),
        Step::Trouble { topic, fault } => world.trouble(topic, fault),
        Step::KeyRingFails => *world.keys.failures.lock().unwrap() += 1,
        Step::Crash { found } => world.crash(found),
        Step::Restart => world.restart(),
    }
}

fn ask_release(world: &mut World, hold_id: String) {
    let request = ReleaseHoldRequest { hold_id, reason: "settled".into(), ..Default::default() };
    world.ask("acme", "legal_hold", "ReleaseHold", &request, "lea", "legal");
}

/// A second person approves what waits for it, as far as the callers know.
fn approve(world: &mut World, hold_id: String) {
    let Some(change_id) = world.changes.get(&hold_id).cloned() else { return };
    let request = ApproveHoldChangeRequest { hold_id, change_id, ..Default::default() };
    world.ask("acme", "legal_hold", "ApproveHoldChange", &request, "leo", "legal");
}

/// A world in which these steps were taken, and nothing is left to do.
fn after(steps: &[Step]) -> World {
    let mut world = World::new();
    let class = RetentionClass {
        retention_class_id: "short".into(),
        period: Some(duration_to_proto(30 * DAY)),
        action: RetentionAction::Delete.into(),
        ..Default::default()
    };
    let request = SetRetentionClassRequest { retention_class: Some(class), ..Default::default() };
    world.ask("acme", "legal_hold", "SetRetentionClass", &request, "rita", "records-manager");
    world.settle();
    for step in steps {
        take(&mut world, step);
    }
    world.settle();
    world
}

/// Reads the chain from the beginning, checking every decision.
fn follow(world: &World) -> Model {
    let mut model = Model::default();
    for partition in (0..world::PARTITIONS).map(PartitionId) {
        chain(&world.log, partition).iter().for_each(|entry| model.follow(entry));
    }
    model
}

/// What holds whenever nothing is left to do.
fn check_quiet(world: &World) -> Model {
    let model = follow(world);
    assert_eq!(model.owed(world.log_time()), Vec::<&String>::new(), "these should be deleted by now");
    let destroyed = world.keys.destroyed.lock().unwrap();
    for (id, item) in &model.items {
        let key = destroyed.get(&format!("item/{id}"));
        assert_eq!(item.deleted.is_some(), key.is_some(), "the key of {id} is gone if and only if it was deleted");
        if let (Some(deleted), Some(end)) = (item.deleted, key) {
            assert!(deleted < *end, "the key of {id} was destroyed before its deletion was on the log");
        }
    }
    model
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_whatever_happens_to_the_node(steps in steps()) {
        let mut world = after(&steps);
        let mut model = check_quiet(&world);

        // Everything is released, so that everything that was put off must happen.
        for _ in 0..3 {
            for hold in model.holds.keys() {
                ask_release(&mut world, hold.clone());
            }
            world.settle();
            for hold in model.holds.keys() {
                approve(&mut world, hold.clone());
            }
            world.settle();
            world.wait(11 * DAY);
            world.settle();
            model = check_quiet(&world);
        }
        prop_assert!(model.holds.is_empty(), "{:?} are in force", model.holds.keys());

        for answer in &world.answers {
            prop_assert_eq!(model.decided.get(&answer.decision.command_id), Some(&answer.decision));
        }
        world.check_log();
    }
}

/// So that a failure can be looked at again.
#[test]
fn the_same_steps_lead_to_the_same_log() {
    let mut runner = TestRunner::deterministic();
    let steps = steps().new_tree(&mut runner).unwrap().current();
    let heads = [(); 2].map(|()| after(&steps).check_log());
    assert_eq!(heads[0], heads[1]);
    assert!(heads[0].iter().any(|head| head.epoch.0 > 1), "the node ended at least once: {heads:?}");
}
