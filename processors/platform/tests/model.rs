//! The platform under random interleavings of what operators ask for and what reaches the partition, against a model
//! that says what each command must get.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use daybook_kernel::authorisation::policy_set_hash;
use daybook_kernel::governance;
use daybook_kernel::key::All;
use daybook_kernel::system::open_effects;
use daybook_proto::platform::v1::TenantState;
use daybook_proto::platform::v1::partition_correlation::Subject;
use proptest::prelude::*;

const TENANTS: [&str; 4] = ["t0", "t1", "t2", "platform"];

/// Policy sets that operators try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Set {
    /// Published and in force from the beginning.
    Shipped,
    /// Lets the clock be moved.
    Development,
    /// Lets nobody touch a bell.
    Silent,
    /// Would lock out every admin.
    Locking,
    /// Has a mistake.
    Mistaken,
}

impl Set {
    fn policies(self) -> String {
        match self {
            Self::Shipped => shipped_and(""),
            Self::Development => development(),
            Self::Silent => shipped_and(r#"forbid (principal, action == Bell::Action::"Use", resource);"#),
            Self::Locking => r#"permit (principal, action == Bell::Action::"Use", resource);"#.to_owned(),
            Self::Mistaken => "permit (nobody, nothing, nowhere);".to_owned(),
        }
    }

    fn hash(self) -> String {
        policy_set_hash(&self.policies(), &registry().shipped_schema()).to_hex()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Create(usize),
    Suspend(usize),
    Resume(usize),
    Ring(usize),
    Break(usize),
    Unpark(usize),
    Publish(Set),
    Activate(Set),
    Advance {
        hours: u32,
    },
    /// The partition is told what one of the open effects says.
    Forward(usize),
    /// The answer to one that was told comes home: once, and once more.
    Confirm {
        nth: usize,
        again: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let set = prop_oneof![
        2 => Just(Set::Shipped), 4 => Just(Set::Development), 4 => Just(Set::Silent),
        1 => Just(Set::Locking), 1 => Just(Set::Mistaken),
    ];
    let any = || 0..TENANTS.len();
    let customer = || 0..TENANTS.len() - 1;
    let step = prop_oneof![
        4 => any().prop_map(Step::Create),
        3 => any().prop_map(Step::Suspend),
        3 => any().prop_map(Step::Resume),
        6 => customer().prop_map(Step::Ring),
        2 => customer().prop_map(Step::Break),
        3 => customer().prop_map(Step::Unpark),
        4 => set.clone().prop_map(Step::Publish),
        6 => set.prop_map(Step::Activate),
        3 => (1_u32..1_000).prop_map(|hours| Step::Advance { hours }),
        14 => (0_usize..8).prop_map(Step::Forward),
        10 => (0_usize..8, 0_u8..2).prop_map(|(nth, again)| Step::Confirm { nth, again }),
    ];
    prop::collection::vec(step, 1..60)
}

struct Model {
    tenants: BTreeMap<usize, Tenant>,
    published: BTreeSet<Set>,
    /// The set that was activated last, which activation that is, and whether the partition has confirmed it.
    active: (Set, u64, bool),
    /// What the partition was told, with the change that said so.
    known: BTreeMap<usize, (u64, bool)>,
    in_force: (Set, u64),
    ahead_hours: u32,
    parked: BTreeSet<usize>,
    /// What the partition has to be told, or has not yet been heard to know.
    open: Vec<Open>,
}

struct Tenant {
    state: TenantState,
    revision: u64,
    confirmed: bool,
}

struct Open {
    news: News,
    told: bool,
}

#[derive(Clone, Copy)]
enum News {
    Tenant { tenant: usize, revision: u64, suspended: bool },
    Set { set: Set, revision: u64 },
    Clock { hours: u32 },
}

impl Model {
    fn new() -> Self {
        Self {
            tenants: BTreeMap::new(),
            published: [Set::Shipped].into(),
            active: (Set::Shipped, 1, true),
            known: BTreeMap::new(),
            in_force: (Set::Shipped, 1),
            ahead_hours: 0,
            parked: BTreeSet::new(),
            open: Vec::new(),
        }
    }

    fn tell(&mut self, news: News) -> &'static str {
        self.open.push(Open { news, told: false });
        "ACCEPTED"
    }

    fn change(&mut self, tenant: usize, to: TenantState) -> &'static str {
        let Some(row) = self.tenants.get_mut(&tenant) else { return "TENANT_NOT_FOUND" };
        let suspended = to == TenantState::Suspended;
        if (row.state == TenantState::Suspended) == suspended {
            return "TENANT_STATE_UNCHANGED";
        }
        *row = Tenant { state: to, revision: row.revision + 1, confirmed: false };
        let revision = row.revision;
        self.tell(News::Tenant { tenant, revision, suspended })
    }

    /// What a tenant's command gets before it is decided.
    fn door(&self, tenant: usize) -> &'static str {
        match self.known.get(&tenant) {
            None => "TENANT_UNKNOWN",
            Some((_, true)) => "TENANT_SUSPENDED",
            Some(_) if self.parked.contains(&tenant) => "STREAM_PARKED",
            Some(_) if self.in_force.0 == Set::Silent => "POLICY_DENIED",
            Some(_) => "ACCEPTED",
        }
    }

    /// What an operator's or a tenant's command must get.
    fn answer(&mut self, step: &Step) -> &'static str {
        match *step {
            Step::Create(tenant) if TENANTS[tenant] == "platform" || self.tenants.contains_key(&tenant) => {
                "TENANT_ALREADY_EXISTS"
            }
            Step::Create(tenant) => {
                self.tenants.insert(tenant, Tenant { state: TenantState::Creating, revision: 1, confirmed: false });
                self.tell(News::Tenant { tenant, revision: 1, suspended: false })
            }
            Step::Suspend(tenant) => self.change(tenant, TenantState::Suspended),
            Step::Resume(tenant) => self.change(tenant, TenantState::Active),
            Step::Ring(tenant) => self.door(tenant),
            Step::Break(tenant) if self.door(tenant) == "ACCEPTED" => {
                self.parked.insert(tenant);
                "DECIDER_PANICKED"
            }
            Step::Break(tenant) => self.door(tenant),
            Step::Unpark(tenant) if self.parked.remove(&tenant) => "ACCEPTED",
            Step::Unpark(_) => "STREAM_NOT_PARKED",
            Step::Publish(Set::Mistaken) => "POLICY_SET_INVALID",
            Step::Publish(set) if self.published.insert(set) => "ACCEPTED",
            Step::Publish(_) => "POLICY_SET_ALREADY_PUBLISHED",
            Step::Activate(set) if !self.published.contains(&set) => "POLICY_SET_NOT_FOUND",
            Step::Activate(Set::Locking) => "POLICY_LOCKS_OUT_ADMINS",
            Step::Activate(set) => {
                let revision = self.active.1 + 1;
                self.active = (set, revision, false);
                self.tell(News::Set { set, revision })
            }
            Step::Advance { hours } if self.in_force.0 == Set::Development => self.tell(News::Clock { hours }),
            Step::Advance { .. } => "POLICY_DENIED",
            Step::Forward(_) | Step::Confirm { .. } => unreachable!("nobody asks for these"),
        }
    }

    fn forward(&mut self, nth: usize) -> &'static str {
        if std::mem::replace(&mut self.open[nth].told, true) {
            return "DUPLICATE";
        }
        match self.open[nth].news {
            News::Tenant { tenant, revision, suspended } => {
                let newest = self.known.entry(tenant).or_default();
                *newest = (*newest).max((revision, suspended));
            }
            News::Set { set, revision } if revision > self.in_force.1 => self.in_force = (set, revision),
            News::Set { .. } => {}
            News::Clock { hours } => self.ahead_hours += hours,
        }
        "ACCEPTED"
    }

    fn confirm(&mut self, nth: usize) {
        match self.open.remove(nth).news {
            News::Tenant { tenant, revision, .. } => {
                let row = self.tenants.get_mut(&tenant).unwrap();
                if row.revision == revision {
                    row.confirmed = true;
                    if row.state == TenantState::Creating {
                        row.state = TenantState::Active;
                    }
                }
            }
            News::Set { revision, .. } => self.active.2 |= revision == self.active.1,
            News::Clock { .. } => {}
        }
    }
}

fn take(site: &mut Site, model: &mut Model, step: &Step) {
    let answer = match step {
        Step::Create(tenant) => site.create(TENANTS[*tenant]),
        Step::Suspend(tenant) => site.suspend(TENANTS[*tenant]),
        Step::Resume(tenant) => site.resume(TENANTS[*tenant]),
        Step::Ring(tenant) => site.bell(TENANTS[*tenant], "Ring", "b"),
        Step::Break(tenant) => site.bell(TENANTS[*tenant], "Break", "b"),
        Step::Unpark(tenant) => site.unpark(TENANTS[*tenant], TENANTS[*tenant]),
        Step::Publish(set) => site.ask("PublishPolicySet", &publish(&set.policies())),
        Step::Activate(set) => site.activate(&set.hash()[..12]),
        Step::Advance { hours } => site.ask("AdvanceClock", &advance(*hours * HOUR)),
        Step::Forward(nth) => {
            let open = open_effects(&site.solo.state, None, 1_000).unwrap();
            let Some(nth) = nth.checked_rem(open.len()) else { return };
            let (key, row) = &open[nth];
            assert_eq!(site.forward(*key, row).code(), model.forward(nth), "{:?}", subject(row));
            return;
        }
        Step::Confirm { nth, again } => {
            let open = open_effects(&site.solo.state, None, 1_000).unwrap();
            let told: Vec<_> = (0..open.len()).filter(|nth| model.open[*nth].told).collect();
            let Some(nth) = nth.checked_rem(told.len()).map(|nth| told[nth]) else { return };
            let (key, row) = &open[nth];
            assert_eq!(site.confirm(*key, row, true, 0).code(), "ACCEPTED", "{:?}", subject(row));
            model.confirm(nth);
            let once_more = if *again == 0 { "DUPLICATE" } else { "EFFECT_ALREADY_RECORDED" };
            assert_eq!(site.confirm(*key, row, true, *again).code(), once_more);
            return;
        }
    };
    assert_eq!(answer.code(), model.answer(step), "{step:?}");
}

/// Everything that can be seen is as the model has it.
fn compare(site: &Site, model: &Model) {
    let tables = site.tables();
    let tenants: Vec<_> =
        tables.tenants().scan(All).map(|row| row.unwrap().1).filter(|row| row.tenant_id != "acme").collect();
    assert_eq!(tenants.len(), model.tenants.len());
    for (row, (tenant, expected)) in tenants.iter().zip(&model.tenants) {
        let seen = (row.tenant_id.as_str(), row.state(), row.revision, row.partitions_ready);
        let expected = (TENANTS[*tenant], expected.state, expected.revision, u32::from(expected.confirmed));
        assert_eq!(seen, expected);
    }
    let activation = (model.active.0.hash(), u32::from(model.active.2));
    assert_eq!(site.activation(), activation);
    assert_eq!(governance::active_policy(&site.solo.state).unwrap().unwrap().to_hex(), model.in_force.0.hash());
    assert_eq!(tables.policy_set_order().scan(All).count(), model.published.len());
    let ahead = governance::clock_ahead_us(&site.solo.state).unwrap();
    assert_eq!(ahead, i64::from(model.ahead_hours) * 3_600_000_000);
    let parked: Vec<_> = tables.partition().parked().scan(All).map(|row| row.unwrap().0.0).collect();
    assert_eq!(parked, model.parked.iter().map(|tenant| TENANTS[*tenant]).collect::<Vec<_>>());
    let open = open_effects(&site.solo.state, None, 1_000).unwrap();
    assert_eq!(open.len(), model.open.len());
    for ((_, row), expected) in open.iter().zip(&model.open) {
        let expected = match expected.news {
            News::Tenant { tenant, revision, .. } => (Subject::TenantId(TENANTS[tenant].to_owned()), revision),
            News::Set { set, revision } => (Subject::PolicySetHash(set.hash()), revision),
            News::Clock { .. } => (Subject::Clock(true), 0),
        };
        assert_eq!(subject(row), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_command_gets_what_the_model_says(steps in steps()) {
        let mut site = Site::new();
        let mut model = Model::new();
        for step in &steps {
            take(&mut site, &mut model, step);
            compare(&site, &model);
        }
        site.solo.check_replay();

        // Once everything that is open was delivered, whatever the order was, all that was decided is in force.
        while !model.open.is_empty() {
            take(&mut site, &mut model, &Step::Forward(0));
            take(&mut site, &mut model, &Step::Confirm { nth: 0, again: 0 });
            compare(&site, &model);
        }
        for (tenant, row) in &model.tenants {
            prop_assert!(row.confirmed && row.state != TenantState::Creating);
            prop_assert_eq!(model.known[tenant], (row.revision, row.state == TenantState::Suspended));
        }
        prop_assert_eq!((model.in_force.0, model.active.2), (model.active.0, true));
        site.solo.check_replay();
    }
}
