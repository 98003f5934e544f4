//! The law of holds over several tenants, under random interleavings of what people ask for with updates that come late,
//! in any order, and more than once:
//!
//! *While any hold that covers an item shows as in force anywhere, the item survives everywhere.*
//!
//! And when everything has come through: every tenant has exactly the holds that their homes want there, homes show
//! nothing else, and no alarm is left.

use daybook_kernel::key::All;
use daybook_kernel::record::{DecisionRecord, RecordBody};
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::decision::Outcome;
use legal_hold_projection::Event;
use legal_hold_projection::transition::wanted;
use proptest::prelude::*;
use prost::Message;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::on;
use crate::tenants::{ALL, Tenants, in_tenants, kind_of, later, place};

const NAMES: [&str; 2] = ["ada", "bob"];

#[derive(Debug, Clone)]
enum Step {
    /// An item of one person.
    Register {
        tenant: usize,
        item: u8,
        name: usize,
    },
    Dispose {
        tenant: usize,
        item: u8,
    },
    /// A hold on one person, at home and in other tenants (by bits).
    Place {
        home: usize,
        hold: u8,
        name: usize,
        others: u8,
        starts_in_hours: u8,
        ends_in_hours: u8,
    },
    /// Takes tenants out and puts them in, narrows and widens there.
    Move {
        home: usize,
        hold: u8,
        name: usize,
        others: u8,
    },
    /// Widens or narrows at home.
    Rescope {
        home: usize,
        hold: u8,
        name: usize,
    },
    End {
        home: usize,
        hold: u8,
        in_hours: u8,
    },
    Release {
        home: usize,
        hold: u8,
    },
    /// A local hold under an id that could be taken for that of another tenant's.
    Squat {
        tenant: usize,
        home: usize,
        hold: u8,
        name: usize,
        revision: u8,
    },
    /// Somebody with a token for one tenant tries to end or change a hold that is in others.
    Reach {
        home: usize,
        hold: u8,
        kind: u8,
    },
    Suspend {
        tenant: usize,
    },
    Reactivate {
        tenant: usize,
    },
    Wait {
        minutes: u16,
    },
    Timer,
    Effect {
        which: usize,
    },
    /// The other stream decides, and the node ends before the outcome is home.
    EffectForgotten {
        which: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (tenant, item, hold, name) = (0..ALL.len(), 0_u8..3, 0_u8..2, 0..NAMES.len());
    let others = 0_u8..8;
    let step = prop_oneof![
        3 => (tenant.clone(), item.clone(), name.clone()).prop_map(|(tenant, item, name)| Step::Register { tenant, item, name }),
        4 => (tenant.clone(), item).prop_map(|(tenant, item)| Step::Dispose { tenant, item }),
        3 => (tenant.clone(), hold.clone(), name.clone(), others.clone(), prop_oneof![3 => Just(0_u8), 1 => 1_u8..50], prop_oneof![3 => Just(0_u8), 1 => 1_u8..100])
            .prop_map(|(home, hold, name, others, starts_in_hours, ends_in_hours)| Step::Place { home, hold, name, others, starts_in_hours, ends_in_hours }),
        4 => (tenant.clone(), hold.clone(), name.clone(), others)
            .prop_map(|(home, hold, name, others)| Step::Move { home, hold, name, others }),
        1 => (tenant.clone(), hold.clone(), name.clone()).prop_map(|(home, hold, name)| Step::Rescope { home, hold, name }),
        1 => (tenant.clone(), hold.clone(), 1_u8..50).prop_map(|(home, hold, in_hours)| Step::End { home, hold, in_hours }),
        2 => (tenant.clone(), hold.clone()).prop_map(|(home, hold)| Step::Release { home, hold }),
        1 => (tenant.clone(), tenant.clone(), hold.clone(), name, 0_u8..4)
            .prop_map(|(tenant, home, hold, name, revision)| Step::Squat { tenant, home, hold, name, revision }),
        1 => (tenant.clone(), hold, 0_u8..4).prop_map(|(home, hold, kind)| Step::Reach { home, hold, kind }),
        1 => tenant.clone().prop_map(|tenant| Step::Suspend { tenant }),
        1 => tenant.prop_map(|tenant| Step::Reactivate { tenant }),
        2 => (1_u16..4_000).prop_map(|minutes| Step::Wait { minutes }),
        3 => Just(Step::Timer),
        6 => (0_usize..6).prop_map(|which| Step::Effect { which }),
        1 => (0_usize..6).prop_map(|which| Step::EffectForgotten { which }),
    ];
    prop::collection::vec(step, 1..60)
}

fn others_of(home: usize, bits: u8) -> Vec<&'static str> {
    (0..ALL.len()).filter(|tenant| *tenant != home && bits & (1 << tenant) != 0).map(|tenant| ALL[tenant]).collect()
}

fn hold_id(hold: u8) -> String {
    format!("h{hold}")
}

fn take(tenants: &mut Tenants, step: &Step) {
    match *step {
        Step::Register { tenant, item, name } => {
            tenants.register(ALL[tenant], &format!("i{item}-{name}"), NAMES[name]);
        }
        Step::Dispose { tenant, item } => {
            for name in 0..NAMES.len() {
                tenants.dispose(ALL[tenant], &format!("i{item}-{name}"));
            }
        }
        Step::Place { home, hold, name, others, starts_in_hours, ends_in_hours } => {
            let hours = |hours: u8| later(tenants, Duration::from_secs(3_600) * u32::from(hours)).to_proto();
            let request = PlaceHoldRequest {
                start_time: (starts_in_hours > 0).then(|| hours(starts_in_hours)),
                end_time: (ends_in_hours > starts_in_hours).then(|| hours(ends_in_hours)),
                ..place(&hold_id(hold), NAMES[name], &others_of(home, others))
            };
            tenants.legal(ALL[home], &ALL, "PlaceHold", &request, "lea");
        }
        Step::Move { home, hold, name, others } => {
            tenants.move_to(ALL[home], &hold_id(hold), NAMES[name], &others_of(home, others));
        }
        Step::Rescope { home, hold, name } => {
            let change = ScopeChange { scope: Some(on(NAMES[name])), ..Default::default() };
            change_scope(tenants, home, hold, change);
        }
        Step::End { home, hold, in_hours } => {
            let end_time = Some(later(tenants, Duration::from_secs(3_600) * u32::from(in_hours)).to_proto());
            change_scope(tenants, home, hold, ScopeChange { replace_end_time: true, end_time, ..Default::default() });
        }
        Step::Release { home, hold } => {
            tenants.release(ALL[home], &hold_id(hold));
        }
        Step::Squat { tenant, home, hold, name, revision } => {
            let ids =
                [format!("{}:{}", ALL[home], hold_id(hold)), format!("@{}/{revision}/{}", ALL[home], hold_id(hold))];
            for id in ids {
                tenants.place(ALL[tenant], &id, NAMES[name], &[]);
            }
        }
        Step::Reach { home, hold, kind } => {
            let (home, id) = (ALL[home], hold_id(hold));
            let release = ReleaseHoldRequest { hold_id: id.clone(), reason: "r".into(), ..Default::default() };
            match kind {
                0 => drop(tenants.legal(home, &[home], "ReleaseHold", &release, "lea")),
                1 => drop(tenants.legal(home, &[home], "ChangeHoldScope", &in_tenants(&id, "ada", &[]), "lea")),
                2 => drop(tenants.approve(home, &id, &[home], "leo")),
                _ => drop(tenants.legal(home, &ALL, "ChangeHoldScope", &in_tenants(&id, "bob", &[]), "lea")),
            }
        }
        Step::Suspend { tenant } => {
            let request = daybook_proto::platform::v1::SuspendTenantRequest {
                target_tenant_id: ALL[tenant].into(),
                reason: "r".into(),
                ..Default::default()
            };
            tenants.solo.ask("platform", "platform", "SuspendTenant", &request, "root", &["admin"]);
        }
        Step::Reactivate { tenant } => reactivate(tenants, tenant),
        Step::Wait { minutes } => tenants.solo.advance(Duration::from_secs(60) * u32::from(minutes)),
        Step::Timer => drop(tenants.solo.fire_one_timer()),
        Step::Effect { which } => drop(tenants.solo.run_effect(which)),
        Step::EffectForgotten { which } => drop(tenants.solo.run_effect_and_forget(which)),
    }
}

fn reactivate(tenants: &mut Tenants, tenant: usize) {
    let request = daybook_proto::platform::v1::ResumeTenantRequest {
        target_tenant_id: ALL[tenant].into(),
        reason: "r".into(),
        ..Default::default()
    };
    tenants.solo.ask("platform", "platform", "ResumeTenant", &request, "root", &["admin"]);
}

fn change_scope(tenants: &mut Tenants, home: usize, hold: u8, change: ScopeChange) {
    let id = hold_id(hold);
    let request =
        ChangeHoldScopeRequest { hold_id: id.clone(), change: Some(change), reason: "r".into(), ..Default::default() };
    tenants.legal(ALL[home], &ALL, "ChangeHoldScope", &request, "lea");
    tenants.approve(ALL[home], &id, &ALL, "leo");
}

/// Looks at every item that was deleted since the last look: no hold that covers it may show as in force.
struct Watch {
    seen: usize,
}

impl Watch {
    fn look(&mut self, tenants: &Tenants) {
        for bytes in &tenants.solo.records[self.seen..] {
            let record = DecisionRecord::read(bytes.clone()).unwrap();
            let RecordBody::Batch { decisions, .. } = record.body else { continue };
            for decision in decisions {
                let decision = daybook_proto::log::v1::Decision::decode(decision).unwrap();
                assert!(!matches!(decision.outcome, Some(Outcome::Parked(_))), "{decision:?}");
                let Some(Outcome::Accepted(accepted)) = &decision.outcome else { continue };
                if decision.domain != "legal_hold" {
                    continue;
                }
                for event in &accepted.events {
                    let Event::ItemsDisposed(event) = daybook_kernel::domain::EventSet::decode(event).unwrap() else {
                        continue;
                    };
                    for item in event.items {
                        let covering = tenants.covering(&decision.tenant_id, &item.item_id);
                        assert!(
                            covering.is_empty(),
                            "{} deleted {} under {covering:?}",
                            kind_of(&decision),
                            item.item_id
                        );
                    }
                }
            }
        }
        self.seen = tenants.solo.records.len();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_any_tenant_shows_as_held_survives(steps in steps()) {
        let mut tenants = Tenants::new();
        let mut watch = Watch { seen: tenants.solo.records.len() };
        for step in &steps {
            take(&mut tenants, step);
            // A step may be several decisions. Deciding to delete changes no hold, so the holds that show after it are
            // those that showed when it was decided, unless the same step changed holds: those steps delete nothing.
            watch.look(&tenants);
        }
        (0..ALL.len()).for_each(|tenant| reactivate(&mut tenants, tenant));
        for _ in 0..3 {
            loop {
                let worked = tenants.solo.fire_one_timer() || tenants.solo.run_one_effect();
                watch.look(&tenants);
                if !worked {
                    break;
                }
            }
            tenants.solo.advance(Duration::from_secs(26 * 60 * 60));
        }
        check_settled(&tenants);
        tenants.solo.check_replay();
    }
}

/// Each tenant has the holds that their homes want there, homes show them, and nothing else.
fn check_settled(tenants: &Tenants) {
    let (mut wanted_there, mut in_force_there) = (BTreeSet::new(), BTreeSet::new());
    for tenant in ALL {
        let holds: Vec<Hold> =
            tenants.tables(tenant, |tables| tables.holds().scan(All).map(|row| row.unwrap().1).collect());
        for hold in holds {
            let over = hold.state() == HoldState::Released;
            for target in wanted(&hold) {
                assert!(!over, "{} is over and wanted in {}", hold.hold_id, target.tenant_id);
                let scope = legal_hold_projection::transition::scope_digest(target.scope.as_ref().unwrap());
                wanted_there.insert((target.tenant_id.clone(), tenant.to_owned(), hold.hold_id.clone(), scope));
            }
            for other in &hold.other_tenants {
                let state = (hold.state(), other.state());
                let settled = legal_hold_projection::transition::is_confirmed(&hold, other);
                assert!(settled, "{} of {tenant} shows {state:?}", hold.hold_id);
            }
            if !hold.governed_by_tenant_id.is_empty() && !over {
                let scope = legal_hold_projection::transition::scope_digest(hold.scope.as_ref().unwrap());
                let key = (tenant.to_owned(), hold.governed_by_tenant_id, hold.governing_hold_id, scope);
                assert!(in_force_there.insert(key), "twice: {}", hold.hold_id);
            }
        }
    }
    assert_eq!(in_force_there, wanted_there);
    assert!(tenants.alarms().is_empty(), "{:?}", tenants.alarms());
}
