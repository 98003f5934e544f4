//! A tenant in memory, and short ways to ask it for things.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by test files, each of which uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::id::TenantId;
use daybook_kernel::registry::Registry;
use daybook_kernel::time::{Timestamp, duration_to_proto};
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::{self as log, decision::Outcome};
use daybook_proto::privacy::v1::Sealed;
use daybook_testkit::solo::Solo;
use legal_hold_projection::{Event, Tables};
use prost::Message;

pub const DAY: Duration = Duration::from_secs(86_400);

pub fn registry() -> Arc<Registry> {
    Arc::new(Registry::new().with::<platform_processor::Platform>().with::<legal_hold_processor::LegalHold>())
}

/// A tenant "acme" with the class "short" (30 days, delete) and "review" (30 days, review).
pub struct Acme {
    pub solo: Solo,
    pub tenant: TenantId,
}

/// The answer to a command.
#[derive(Debug)]
pub struct Answer(pub log::Decision);

impl Answer {
    #[track_caller]
    pub fn events(&self) -> Vec<Event> {
        match &self.0.outcome {
            Some(Outcome::Accepted(accepted)) => {
                accepted.events.iter().map(|event| daybook_kernel::domain::EventSet::decode(event).unwrap()).collect()
            }
            other => panic!("not accepted: {other:?}"),
        }
    }

    #[track_caller]
    pub fn accepted(self) -> Self {
        self.events();
        self
    }

    #[track_caller]
    pub fn code(&self) -> &str {
        match &self.0.outcome {
            Some(Outcome::Rejected(rejected)) => &rejected.code,
            other => panic!("not rejected: {other:?}"),
        }
    }

    #[track_caller]
    pub fn fields(&self) -> Vec<String> {
        match &self.0.outcome {
            Some(Outcome::Rejected(rejected)) => {
                rejected.field_violations.iter().map(|violation| violation.field.clone()).collect()
            }
            other => panic!("not rejected: {other:?}"),
        }
    }
}

impl Acme {
    pub fn new() -> Self {
        let solo = Solo::new(registry(), &["acme", "globex"]);
        let mut acme = Self { solo, tenant: TenantId::parse("acme").unwrap() };
        acme.set_class("short", 30 * DAY, RetentionAction::Delete).accepted();
        acme.set_class("review", 30 * DAY, RetentionAction::Review).accepted();
        acme
    }

    pub fn ask(&mut self, kind: &str, request: &impl Message, who: &str, role: &str) -> Answer {
        Answer(self.solo.ask("acme", "legal_hold", kind, request, who, &[role]))
    }

    pub fn set_class(&mut self, id: &str, period: Duration, action: RetentionAction) -> Answer {
        let class = RetentionClass {
            retention_class_id: id.into(),
            period: Some(duration_to_proto(period)),
            action: action.into(),
            ..Default::default()
        };
        let request =
            SetRetentionClassRequest { retention_class: Some(class), accept_due_items: u64::MAX, ..Default::default() };
        self.ask("SetRetentionClass", &request, "rita", "records-manager")
    }

    pub fn pending_retention(&self, class: &str) -> Option<PendingRetentionChange> {
        self.tables().retention_classes().get((class,)).unwrap().unwrap().pending_change
    }

    /// Approves the pending change of a class.
    pub fn approve_retention(&mut self, class: &str, who: &str, role: &str, accept_due_items: u64) -> Answer {
        let change_id = self.pending_retention(class).map_or("none".into(), |change| change.change_id);
        let request = ApproveRetentionChangeRequest {
            retention_class_id: class.into(),
            change_id,
            accept_due_items,
            ..Default::default()
        };
        self.ask("ApproveRetentionChange", &request, who, role)
    }

    pub fn register(&mut self, item: Item) -> Answer {
        let request = RegisterItemRequest { item: Some(item), ..Default::default() };
        self.ask("RegisterItem", &request, "rita", "records-manager")
    }

    pub fn place(&mut self, id: &str, scope: Scope) -> Answer {
        let request = PlaceHoldRequest {
            hold_id: id.into(),
            name: format!("hold {id}"),
            reason: "litigation".into(),
            scope: Some(scope),
            release_delay: Some(duration_to_proto(Duration::ZERO)),
            ..Default::default()
        };
        self.ask("PlaceHold", &request, "lea", "legal")
    }

    pub fn ask_release(&mut self, id: &str) -> Answer {
        let request = ReleaseHoldRequest { hold_id: id.into(), reason: "settled".into(), ..Default::default() };
        self.ask("ReleaseHold", &request, "lea", "legal")
    }

    pub fn approve(&mut self, id: &str, who: &str) -> Answer {
        let change_id = self.hold(id).pending_change.map(|change| change.change_id).unwrap_or("none".into());
        let request = ApproveHoldChangeRequest { hold_id: id.into(), change_id, ..Default::default() };
        self.ask("ApproveHoldChange", &request, who, "legal")
    }

    /// Asked for by one, approved by another, without delay.
    pub fn release(&mut self, id: &str) -> Answer {
        self.ask_release(id).accepted();
        self.approve(id, "leo").accepted()
    }

    pub fn dispose(&mut self, ids: &[&str]) -> Answer {
        let item_ids = ids.iter().map(ToString::to_string).collect();
        let request = DisposeItemsRequest { item_ids, reason: "asked to".into(), ..Default::default() };
        self.ask("DisposeItems", &request, "rita", "records-manager")
    }

    pub fn tables(&self) -> Tables<'_> {
        self.solo.tables(&self.tenant)
    }

    pub fn hold(&self, id: &str) -> Hold {
        self.tables().hold(id).unwrap().unwrap()
    }

    pub fn row(&self, id: &str) -> ItemRow {
        self.tables().items().get((id,)).unwrap().unwrap()
    }

    pub fn state(&self, id: &str) -> ItemState {
        self.row(id).state()
    }

    /// Moves the clock and lets everything happen that then happens by itself.
    pub fn after(&mut self, by: Duration) {
        self.solo.advance(by);
        self.solo.settle();
    }

    pub fn now(&self) -> Timestamp {
        self.solo.log_time()
    }
}

/// A pseudonym that stands for a name in tests.
pub fn psn(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| char::from(b'a' + byte % 26)).collect();
    format!("psn_{digits:a<32}")
}

pub fn entity(name: &str) -> Entity {
    Entity { id: psn(name), role: EntityRole::Custodian.into(), ..Default::default() }
}

pub fn content(key: &str) -> Option<Sealed> {
    Some(Sealed { key_id: format!("item/{key}"), ciphertext: b"sealed".to_vec().into() })
}

/// A message of ada's, created now, with sealed content, in the class "short".
pub fn item(acme: &Acme, id: &str) -> Item {
    Item {
        item_id: id.into(),
        kind: ItemKind::Message.into(),
        data_category: "email".into(),
        entities: vec![entity("ada")],
        created_at: Some(acme.solo.now.to_proto()),
        retention_class_id: "short".into(),
        sealed: content(id),
        ..Default::default()
    }
}

pub fn on(name: &str) -> Scope {
    Scope { entities: vec![entity(name)], ..Default::default() }
}
