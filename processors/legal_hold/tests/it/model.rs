//! Laws of legal holds under random interleavings, against a model that looks at every hold for every item.
//!
//! - Nothing that a hold matches is ever deleted.
//! - Nothing is deleted that nobody asked to delete and whose retention is not over.
//! - When the last hold is gone, every deletion that was put off has happened.
//! - Every decision is on the chain; folding and deciding again give the same.

use std::collections::BTreeMap;

use daybook_kernel::time::{Timestamp, duration_to_proto};
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::decision::Outcome;
use legal_hold_projection::Event;
use proptest::prelude::*;

use crate::common::*;

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
        scope: (Option<u8>, Option<u8>, Option<u8>),
        release_delay_days: u8,
    },
    Rescope {
        hold: u8,
        entity: u8,
    },
    Release {
        hold: u8,
    },
    Cancel {
        hold: u8,
    },
    Dispose {
        item: u8,
    },
    Period {
        days: u8,
    },
    Wait {
        days: u8,
    },
    /// Timers and effects take some of their steps; the rest stays for later, as after a crash.
    Work {
        steps: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let small = || 0_u8..4;
    let scope = (prop::option::of(small()), prop::option::of(0_u8..2), prop::option::of(1_u8..60));
    let step = prop_oneof![
        4 => (0_u8..12, small(), 0_u8..2, 0_u8..50)
            .prop_map(|(item, entity, category, age_days)| Step::Register { item, entity, category, age_days }),
        3 => (small(), scope, prop_oneof![Just(0_u8), 1_u8..10])
            .prop_map(|(hold, scope, release_delay_days)| Step::Place { hold, scope, release_delay_days }),
        1 => (small(), small()).prop_map(|(hold, entity)| Step::Rescope { hold, entity }),
        2 => small().prop_map(|hold| Step::Release { hold }),
        1 => small().prop_map(|hold| Step::Cancel { hold }),
        3 => (0_u8..12).prop_map(|item| Step::Dispose { item }),
        1 => (1_u8..90).prop_map(|days| Step::Period { days }),
        2 => (1_u8..40).prop_map(|days| Step::Wait { days }),
        3 => (1_u8..20).prop_map(|steps| Step::Work { steps }),
    ];
    prop::collection::vec(step, 1..40)
}

#[derive(Default)]
struct Model {
    items: BTreeMap<String, ModelItem>,
    /// Scopes of the holds in force: entity, category, items younger than a time.
    holds: BTreeMap<String, ModelScope>,
    period_days: u32,
    checked: usize,
}

struct ModelItem {
    entity: String,
    category: String,
    created: Timestamp,
    asked: bool,
    deleted: bool,
}

#[derive(Clone, Default)]
struct ModelScope {
    entity: Option<String>,
    category: Option<String>,
    since: Option<Timestamp>,
}

impl ModelScope {
    fn matches(&self, item: &ModelItem) -> bool {
        self.entity.as_ref().is_none_or(|entity| *entity == item.entity)
            && self.category.as_ref().is_none_or(|category| *category == item.category)
            && self.since.is_none_or(|since| item.created >= since)
    }
}

impl Model {
    fn is_held(&self, item: &ModelItem) -> bool {
        self.holds.values().any(|scope| scope.matches(item))
    }

    fn wants_deletion(&self, item: &ModelItem, now: Timestamp) -> bool {
        item.asked || item.created.saturating_add(self.period_days * DAY) <= now
    }

    /// Reads what was decided since the last look, in order.
    fn follow(&mut self, acme: &Acme) {
        let tenant = acme.tenant.as_str();
        for record in &acme.solo.records[self.checked..] {
            let record = daybook_kernel::record::DecisionRecord::read(record.clone()).unwrap();
            let daybook_kernel::record::RecordBody::Batch { decided_at, decisions, .. } = record.body else { continue };
            for decision in decisions {
                let decision: daybook_proto::log::v1::Decision = prost::Message::decode(decision).unwrap();
                assert!(!matches!(decision.outcome, Some(Outcome::Parked(_))), "{decision:?}");
                let Some(Outcome::Accepted(accepted)) = decision.outcome else { continue };
                if decision.tenant_id != tenant || decision.domain != "legal_hold" {
                    continue;
                }
                for event in &accepted.events {
                    self.fold(daybook_kernel::domain::EventSet::decode(event).unwrap(), decided_at);
                }
            }
        }
        self.checked = acme.solo.records.len();
    }

    fn fold(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::HoldPlaced(event) => {
                let hold = event.hold.unwrap();
                self.holds.insert(hold.hold_id, model_scope(&hold.scope.unwrap()));
            }
            Event::HoldScopeChanged(event) => {
                self.holds.insert(event.hold_id, model_scope(&event.change.unwrap().scope.unwrap()));
            }
            Event::HoldReleased(event) => {
                self.holds.remove(&event.hold_id);
            }
            Event::RetentionClassSet(event) => {
                let class = event.retention_class.unwrap();
                if class.retention_class_id == "short" {
                    self.period_days = (class.period.unwrap().seconds / 86_400) as u32;
                }
            }
            Event::ItemsDisposed(event) => {
                for disposed in event.items {
                    let item = &self.items[&disposed.item_id];
                    assert!(!self.is_held(item), "{} is held and was deleted", disposed.item_id);
                    assert!(self.wants_deletion(item, now), "nobody wanted {} deleted", disposed.item_id);
                    assert!(!item.deleted, "{} was deleted twice", disposed.item_id);
                    self.items.get_mut(&disposed.item_id).unwrap().deleted = true;
                }
            }
            Event::ItemsDeferred(event) => {
                for deferred in event.items {
                    assert!(self.is_held(&self.items[&deferred.item_id]), "{} is not held", deferred.item_id);
                }
            }
            _ => {}
        }
    }
}

fn model_scope(scope: &Scope) -> ModelScope {
    let since = scope.item_time.as_ref().and_then(|range| range.start_time);
    ModelScope {
        entity: scope.entities.first().map(|entity| entity.id.clone()),
        category: scope.data_categories.first().cloned(),
        since: since.map(|time| Timestamp::from_proto(&time).unwrap()),
    }
}

fn take(acme: &mut Acme, model: &mut Model, step: &Step) {
    match step {
        Step::Register { item: id, entity: who, category, age_days } => {
            let id = format!("i{id}");
            let created = Timestamp::from_micros(
                acme.solo.now.as_micros() - i64::from(*age_days) * 86_400_000_000 - i64::from(*who),
            );
            let new = Item {
                entities: vec![entity(&who.to_string())],
                data_category: format!("d{category}"),
                created_at: Some(created.to_proto()),
                ..item(acme, &id)
            };
            let (entity, category) = (new.entities[0].id.clone(), new.data_category.clone());
            if let Some(Outcome::Accepted(accepted)) = acme.register(new).0.outcome {
                let Event::ItemsRegistered(event) =
                    daybook_kernel::domain::EventSet::decode(&accepted.events[0]).unwrap()
                else {
                    panic!("registered")
                };
                if !event.items.is_empty() {
                    model.items.insert(id, ModelItem { entity, category, created, asked: false, deleted: false });
                }
            }
        }
        Step::Place { hold, scope: (who, category, since_days), release_delay_days } => {
            let mut scope = Scope::default();
            scope.entities.extend(who.map(|who| entity(&who.to_string())));
            scope.data_categories.extend(category.map(|category| format!("d{category}")));
            scope.item_time = since_days.map(|days| TimeRange {
                start_time: Some(
                    Timestamp::from_micros(acme.solo.now.as_micros() - i64::from(days) * 86_400_000_000).to_proto(),
                ),
                end_time: None,
            });
            scope.everything = who.is_none() && category.is_none() && since_days.is_none();
            let request = PlaceHoldRequest {
                hold_id: format!("h{hold}"),
                name: "h".into(),
                reason: "r".into(),
                scope: Some(scope),
                release_delay: Some(duration_to_proto(u32::from(*release_delay_days) * DAY)),
                ..Default::default()
            };
            acme.ask("PlaceHold", &request, "lea", "legal");
        }
        Step::Rescope { hold, entity: who } => {
            let id = format!("h{hold}");
            let request = ChangeHoldScopeRequest {
                hold_id: id.clone(),
                change: Some(ScopeChange { scope: Some(on(&who.to_string())), ..Default::default() }),
                reason: "r".into(),
                ..Default::default()
            };
            acme.ask("ChangeHoldScope", &request, "lea", "legal");
            approve_if_asked(acme, &id);
        }
        Step::Release { hold } => {
            let id = format!("h{hold}");
            acme.ask_release(&id);
            approve_if_asked(acme, &id);
        }
        Step::Cancel { hold } => {
            let request =
                CancelReleaseRequest { hold_id: format!("h{hold}"), reason: "r".into(), ..Default::default() };
            acme.ask("CancelRelease", &request, "lea", "legal");
        }
        Step::Dispose { item } => {
            let id = format!("i{item}");
            // Asked for before it is decided: the decision may delete it at once.
            if let Some(known) = model.items.get_mut(&id) {
                known.asked = true;
            }
            acme.dispose(&[&id]);
        }
        Step::Period { days } => {
            acme.set_class("short", u32::from(*days) * DAY, RetentionAction::Delete);
        }
        Step::Wait { days } => acme.solo.advance(u32::from(*days) * DAY),
        Step::Work { steps } => {
            for _ in 0..*steps {
                if !acme.solo.fire_one_timer() && !acme.solo.run_one_effect() {
                    break;
                }
                model.follow(acme);
            }
        }
    }
    model.follow(acme);
}

fn approve_if_asked(acme: &mut Acme, id: &str) {
    let hold = acme.tables().holds().get((id,)).unwrap();
    if hold.is_some_and(|hold| hold.pending_change.is_some()) {
        acme.approve(id, "leo");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold(steps in steps()) {
        let mut acme = Acme::new();
        let mut model = Model { checked: 0, ..Model::default() };
        model.follow(&acme);
        for step in &steps {
            take(&mut acme, &mut model, step);
        }
        acme.solo.check_replay();

        acme.solo.settle();
        model.follow(&acme);
        let now = acme.now();
        for (id, item) in &model.items {
            let expected = model.wants_deletion(item, now) && !model.is_held(item);
            prop_assert!(item.deleted || !expected, "{} should be deleted by now", id);
        }
        for hold in model.holds.keys().cloned().collect::<Vec<_>>() {
            let pending = acme.hold(&hold);
            if pending.state() == HoldState::Active {
                acme.ask_release(&hold);
                approve_if_asked(&mut acme, &hold);
            }
        }
        acme.after(11 * DAY);
        model.follow(&acme);
        prop_assert!(model.holds.is_empty());
        let now = acme.now();
        for (id, item) in &model.items {
            // One that was deleted may have been due under a period that has become longer since.
            prop_assert!(item.deleted || !model.wants_deletion(item, now), "{} should be deleted", id);
            let state = acme.state(id);
            prop_assert_eq!(item.deleted, state == ItemState::Purged, "{} is {:?}", id, state);
        }
        let tables = acme.tables();
        prop_assert_eq!(tables.deferred().scan(daybook_kernel::key::All).count(), 0);
        prop_assert_eq!(tables.hold_postings().scan(daybook_kernel::key::All).count(), 0, "the index is empty again");
        prop_assert_eq!(tables.hold_posting_counts().scan(daybook_kernel::key::All).count(), 0);
        let waiting = tables.retention_queue().scan(daybook_kernel::key::All).count() as u64;
        let counted = tables.retention_classes().scan(daybook_kernel::key::All).map(|row| row.unwrap().1.waiting_items);
        prop_assert_eq!(waiting, counted.sum::<u64>());
        acme.solo.check_replay();
    }
}
