//! Several tenants in memory, and what holds over several of them show.

use daybook_kernel::id::TenantId;
use daybook_kernel::key::All;
use daybook_kernel::state::MemoryState;
use daybook_kernel::table::View;
use daybook_kernel::time::{Timestamp, duration_to_proto};
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::Decision;
use daybook_testkit::solo::Solo;
use legal_hold_projection::Tables;
use legal_hold_projection::scope::{ItemFacts, compile, matches};
use prost::Message;

use crate::common::{Answer, DAY, content, entity, on, registry};

pub(crate) const ALL: [&str; 3] = ["acme", "globex", "initech"];

/// Three tenants, each with the class "long" of a hundred years.
pub(crate) struct Tenants {
    pub(crate) solo: Solo,
}

/// A hold that shows as in force somewhere: in which tenant it is to hold, what, and who says so.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) tenant: String,
    pub(crate) scope: Scope,
    pub(crate) said_by: String,
}

impl Tenants {
    pub(crate) fn new() -> Self {
        let mut tenants = Self { solo: Solo::new(registry(), &ALL) };
        for tenant in ALL {
            let class = RetentionClass {
                retention_class_id: "long".into(),
                period: Some(duration_to_proto(36_500 * DAY)),
                action: RetentionAction::Delete.into(),
                ..Default::default()
            };
            let request = SetRetentionClassRequest { retention_class: Some(class), ..Default::default() };
            tenants.ask(tenant, "SetRetentionClass", &request, "rita", "records-manager").accepted();
        }
        tenants
    }

    /// Somebody whose token speaks for one tenant.
    pub(crate) fn ask(&mut self, tenant: &str, kind: &str, request: &impl Message, who: &str, role: &str) -> Answer {
        Answer(self.solo.ask(tenant, "legal_hold", kind, request, who, &[role]))
    }

    /// Somebody of legal whose token speaks for these tenants.
    pub(crate) fn legal(
        &mut self,
        tenant: &str,
        spoken_for: &[&str],
        kind: &str,
        request: &impl Message,
        who: &str,
    ) -> Answer {
        Answer(self.solo.ask_for(tenant, spoken_for, "legal_hold", kind, request, who, &["legal"]))
    }

    pub(crate) fn register(&mut self, tenant: &str, id: &str, name: &str) -> Answer {
        let item = Item {
            item_id: id.into(),
            kind: ItemKind::Message.into(),
            data_category: "email".into(),
            entities: vec![entity(name)],
            created_at: Some(self.solo.now.to_proto()),
            retention_class_id: "long".into(),
            sealed: content(id),
            ..Default::default()
        };
        let request = RegisterItemRequest { item: Some(item), ..Default::default() };
        self.ask(tenant, "RegisterItem", &request, "rita", "records-manager")
    }

    pub(crate) fn dispose(&mut self, tenant: &str, id: &str) -> Answer {
        let request = DisposeItemsRequest { item_ids: vec![id.into()], reason: "asked".into(), ..Default::default() };
        self.ask(tenant, "DisposeItems", &request, "rita", "records-manager")
    }

    pub(crate) fn tables<T>(&self, tenant: &str, with: impl FnOnce(Tables<'_>) -> T) -> T {
        tables_of(&self.solo.state, tenant, with)
    }

    pub(crate) fn hold(&self, tenant: &str, id: &str) -> Hold {
        self.tables(tenant, |tables| tables.hold(id).unwrap().unwrap())
    }

    /// How the home shows the hold in another tenant.
    pub(crate) fn shown(&self, home: &str, id: &str, tenant: &str) -> TenantHoldState {
        let hold = self.hold(home, id);
        let other = legal_hold_projection::transition::in_tenant(&hold, tenant);
        other.map_or(TenantHoldState::Unspecified, TenantHold::state)
    }

    pub(crate) fn item_state(&self, tenant: &str, id: &str) -> ItemState {
        self.tables(tenant, |tables| tables.items().get((id,)).unwrap().unwrap().state())
    }

    /// Places a hold on `name`, at home and in other tenants.
    pub(crate) fn place(&mut self, home: &str, id: &str, name: &str, others: &[&str]) -> Answer {
        let spoken_for: Vec<_> = std::iter::once(home).chain(others.iter().copied()).collect();
        self.legal(home, &spoken_for, "PlaceHold", &place(id, name, others), "lea")
    }

    /// Changes in which other tenants a hold is, by two people who may speak for all.
    pub(crate) fn move_to(&mut self, home: &str, id: &str, name: &str, others: &[&str]) -> Answer {
        let answer = self.legal(home, &ALL, "ChangeHoldScope", &in_tenants(id, name, others), "lea");
        self.approve(home, id, &ALL, "leo");
        answer
    }

    /// Approves what waits, if anything does.
    pub(crate) fn approve(&mut self, home: &str, id: &str, spoken_for: &[&str], who: &str) -> Option<Answer> {
        let hold = self.tables(home, |tables| tables.hold(id).unwrap())?;
        let change_id = hold.pending_change?.change_id;
        let request = ApproveHoldChangeRequest { hold_id: id.into(), change_id, ..Default::default() };
        Some(self.legal(home, spoken_for, "ApproveHoldChange", &request, who))
    }

    pub(crate) fn release(&mut self, home: &str, id: &str) -> Option<Answer> {
        let request = ReleaseHoldRequest { hold_id: id.into(), reason: "settled".into(), ..Default::default() };
        self.legal(home, &ALL, "ReleaseHold", &request, "lea");
        self.approve(home, id, &ALL, "leo")
    }

    /// Lets timers and effects do their work until nothing is left to do, over a week.
    pub(crate) fn settle(&mut self) {
        self.solo.settle();
        for _ in 0..7 * 24 {
            self.solo.advance(DAY / 24);
            self.solo.settle();
        }
    }

    pub(crate) fn alarms(&self) -> Vec<String> {
        daybook_kernel::alarm::raised(&self.solo.state).map(|alarm| alarm.unwrap().text).collect()
    }

    /// Every hold that shows as in force, in its own tenant or, as its home says, in another.
    pub(crate) fn in_force(&self) -> Vec<Shown> {
        in_force(&self.solo.state)
    }

    /// The holds that show as in force and cover an item of a tenant.
    pub(crate) fn covering(&self, tenant: &str, item_id: &str) -> Vec<String> {
        let item = self.tables(tenant, |tables| tables.items().get((item_id,)).unwrap().unwrap().item.unwrap());
        let facts = ItemFacts::of_item(&item);
        let covers = |shown: &Shown| shown.tenant == tenant && matches(&compile(&shown.scope), &facts);
        self.in_force().into_iter().filter(covers).map(|shown| shown.said_by).collect()
    }
}

fn tables_of<T>(state: &MemoryState, tenant: &str, with: impl FnOnce(Tables<'_>) -> T) -> T {
    with(Tables::from(View::new(state, &TenantId::parse(tenant).unwrap())))
}

fn in_force(state: &MemoryState) -> Vec<Shown> {
    let mut shown = Vec::new();
    for tenant in ALL {
        let holds =
            tables_of(state, tenant, |tables| tables.holds().scan(All).map(|row| row.unwrap().1).collect::<Vec<_>>());
        for hold in holds {
            let is_active = matches!(hold.state(), HoldState::Active | HoldState::Releasing);
            let said_by = format!("hold {} of {tenant}", hold.hold_id);
            if let Some(scope) = hold.scope.clone().filter(|_| is_active) {
                shown.push(Shown { tenant: tenant.into(), scope, said_by: said_by.clone() });
            }
            for other in hold.other_tenants {
                let (state, target) = (other.state(), other.target.unwrap());
                if let Some(scope) = target.scope.filter(|_| state == TenantHoldState::Active) {
                    shown.push(Shown { tenant: target.tenant_id, scope, said_by: format!("{said_by}, elsewhere") });
                }
            }
        }
    }
    shown
}

/// Asks for a hold on `name`, at home and in other tenants, without a delay of its release.
pub(crate) fn place(id: &str, name: &str, others: &[&str]) -> PlaceHoldRequest {
    PlaceHoldRequest {
        hold_id: id.into(),
        name: format!("hold {id}"),
        reason: "litigation".into(),
        scope: Some(on(name)),
        release_delay: Some(duration_to_proto(std::time::Duration::ZERO)),
        other_tenants: targets(name, others),
        ..Default::default()
    }
}

/// Asks for a hold on `name` to be in exactly these other tenants.
pub(crate) fn in_tenants(id: &str, name: &str, others: &[&str]) -> ChangeHoldScopeRequest {
    let change =
        ScopeChange { replace_other_tenants: true, other_tenants: targets(name, others), ..Default::default() };
    ChangeHoldScopeRequest { hold_id: id.into(), change: Some(change), reason: "r".into(), ..Default::default() }
}

fn targets(name: &str, tenants: &[&str]) -> Vec<TenantScope> {
    tenants.iter().map(|tenant| TenantScope { tenant_id: (*tenant).into(), scope: Some(on(name)) }).collect()
}

/// When a decision was made, for messages.
pub(crate) fn kind_of(decision: &Decision) -> String {
    format!("{} of {}", decision.kind, decision.tenant_id)
}

/// A time so far from now.
pub(crate) fn later(tenants: &Tenants, by: std::time::Duration) -> Timestamp {
    tenants.solo.now.saturating_add(by)
}
