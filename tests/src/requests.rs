//! Short ways to write requests.

use std::time::{Duration, SystemTime};

use daybook_kernel::time::duration_to_proto;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::Position;

/// A day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// A message of somebody's, created now, in a retention class, with content.
pub fn item(id: &str, class: &str, custodian: &str) -> Item {
    Item {
        item_id: id.to_owned(),
        kind: ItemKind::Message.into(),
        data_category: "email".to_owned(),
        case_ids: vec!["case-7".to_owned()],
        entities: vec![person(custodian)],
        created_at: Some(SystemTime::now().into()),
        retention_class_id: class.to_owned(),
        title: format!("title of {id}"),
        body: format!("body of {id}"),
        ..Default::default()
    }
}

/// A custodian, readable.
pub fn person(address: &str) -> Entity {
    let name = address.split('@').next().unwrap_or_default();
    Entity {
        id: address.to_owned(),
        display_name: format!("Display {name}"),
        role: EntityRole::Custodian.into(),
        ..Default::default()
    }
}

/// What concerns somebody.
pub fn on(address: &str) -> Scope {
    Scope { entities: vec![Entity { id: address.to_owned(), ..Default::default() }], ..Default::default() }
}

/// Defines a class whose items are deleted after some days.
pub fn class(id: &str, days: u32) -> SetRetentionClassRequest {
    let class = RetentionClass {
        retention_class_id: id.to_owned(),
        period: Some(duration_to_proto(days * DAY)),
        action: RetentionAction::Delete.into(),
        ..Default::default()
    };
    SetRetentionClassRequest { retention_class: Some(class), ..Default::default() }
}

/// Registers an item.
pub fn register(item: Item) -> RegisterItemRequest {
    RegisterItemRequest { item: Some(item), ..Default::default() }
}

/// Places a hold whose release takes effect without delay.
pub fn place(id: &str, scope: Scope) -> PlaceHoldRequest {
    PlaceHoldRequest {
        hold_id: id.to_owned(),
        name: format!("hold {id}"),
        matter_id: format!("matter of {id}").replace(' ', "-"),
        reason: "litigation".to_owned(),
        scope: Some(scope),
        release_delay: Some(duration_to_proto(Duration::ZERO)),
        ..Default::default()
    }
}

/// Asks for a release.
pub fn release(hold_id: &str) -> ReleaseHoldRequest {
    ReleaseHoldRequest { hold_id: hold_id.to_owned(), reason: "settled".to_owned(), ..Default::default() }
}

/// Approves a change.
pub fn approve(hold_id: &str, change_id: &str) -> ApproveHoldChangeRequest {
    let (hold_id, change_id) = (hold_id.to_owned(), change_id.to_owned());
    ApproveHoldChangeRequest { hold_id, change_id, comment: "checked".to_owned(), ..Default::default() }
}

/// Asks for deletions.
pub fn dispose(item_ids: &[&str]) -> DisposeItemsRequest {
    DisposeItemsRequest {
        item_ids: item_ids.iter().map(ToString::to_string).collect(),
        reason: "asked to".to_owned(),
        ..Default::default()
    }
}

/// Asks whether items may be deleted.
pub fn check(item_ids: &[&str], min_position: Option<Position>) -> CheckDispositionRequest {
    let by_id = |id: &&str| DispositionCheck { target: Some(disposition_check::Target::ItemId((*id).to_owned())) };
    CheckDispositionRequest { min_position, checks: item_ids.iter().map(by_id).collect(), ..Default::default() }
}

/// Asks for an item.
pub fn get_item(id: &str) -> GetItemRequest {
    GetItemRequest { item_id: id.to_owned(), ..Default::default() }
}

/// Asks for a hold.
pub fn get_hold(id: &str) -> GetHoldRequest {
    GetHoldRequest { hold_id: id.to_owned(), ..Default::default() }
}

/// Asks to see an item's content.
pub fn reveal(id: &str) -> RevealItemRequest {
    RevealItemRequest { item_id: id.to_owned(), purpose: "discovery".to_owned(), ..Default::default() }
}
