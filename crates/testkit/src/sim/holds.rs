//! Holds over several tenants, while nodes, log and network go wrong: what people ask for, and the law.
//!
//! *While any hold that covers an item shows as in force anywhere, the item survives everywhere.*

use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::domain::EventSet;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::TenantId;
use daybook_kernel::key::All;
use daybook_kernel::state::{Fault, Read};
use daybook_kernel::table::View;
use daybook_kernel::time::{Timestamp, duration_to_proto};
use daybook_proto::legal_hold::v1::{
    ChangeHoldScopeRequest, ConfirmHoldRequest, DisposeItemsRequest, Entity, EntityRole, Hold, HoldState, Item,
    ItemKind, PlaceHoldRequest, RegisterItemRequest, ReleaseHoldRequest, RetentionAction, RetentionClass, Scope,
    ScopeChange, SetRetentionClassRequest, TenantHoldState, TenantScope,
};
use daybook_proto::log::v1::{Decision, decision::Outcome as Decided};
use daybook_proto::privacy::v1::{DestroyKeys, DestroyKeysReply, DestroyedKey, Sealed};
use daybook_runtime::RequestedEffect;
use legal_hold_projection::scope::{ItemFacts, compile, matches};
use legal_hold_projection::transition::is_confirmed;
use legal_hold_projection::{Event, Tables};
use prost::Message;

use super::clients::weighted;
use super::world::TENANTS;

/// The roles of those who ask: one of them needs no second person.
pub(super) const ROLES: [&str; 3] = ["legal", "records-manager", "alone"];
/// What permits that.
pub(super) const POLICY: &str = r#"
@id("alone")
permit (
  principal in Role::"alone",
  action in [LegalHold::Action::"ReleaseHoldAlone", LegalHold::Action::"NarrowHoldAlone"],
  resource
);
"#;

const NAMES: [char; 2] = ['a', 'b'];
const ITEMS: u8 = 2;
const HOLDS: u8 = 2;

/// Kinds of requests with how often each comes.
const KINDS: [(Kind, u32); 9] = [
    (Kind::Register, 5),
    (Kind::Dispose, 6),
    (Kind::Place, 4),
    (Kind::Move, 6),
    (Kind::Rescope, 2),
    (Kind::End, 1),
    (Kind::Release, 2),
    (Kind::Confirm, 1),
    (Kind::Squat, 1),
];

#[derive(Clone, Copy)]
enum Kind {
    Register,
    Dispose,
    /// Over any of the other tenants, at once or in a while, for ever or for a while.
    Place,
    /// Takes tenants out and puts them in, narrows and widens there.
    Move,
    /// Narrows and widens at home.
    Rescope,
    End,
    Release,
    Confirm,
    /// A local hold under an id that could be taken for that of another tenant's.
    Squat,
}

/// The class that every item is in: nothing falls due by itself.
pub(super) fn class() -> SetRetentionClassRequest {
    let class = RetentionClass {
        retention_class_id: "long".to_owned(),
        period: Some(duration_to_proto(Duration::from_secs(100 * 365 * 86_400))),
        action: RetentionAction::Delete.into(),
        ..Default::default()
    };
    SetRetentionClassRequest { retention_class: Some(class), ..Default::default() }
}

/// The next request of a caller in a tenant: its kind and payload.
pub(super) fn next_request(home: &str, now_us: i64, rng: &mut fastrand::Rng) -> (&'static str, Vec<u8>) {
    let kind = weighted(&KINDS, rng);
    let (hold_id, name) = (format!("h{}", rng.u8(..HOLDS)), NAMES[rng.usize(..NAMES.len())]);
    let reason = "r".to_owned();
    let soon = |rng: &mut fastrand::Rng| {
        let at = Timestamp::from_micros(now_us + rng.i64(1..5_000_000));
        rng.bool().then(|| at.to_proto())
    };
    match kind {
        Kind::Register => {
            let id = item_id(rng.u8(..ITEMS), name);
            let item = Item {
                item_id: id.clone(),
                kind: ItemKind::Message.into(),
                data_category: "email".to_owned(),
                entities: vec![Entity { role: EntityRole::Custodian.into(), ..person(name) }],
                created_at: Some(Timestamp::from_micros(now_us).to_proto()),
                retention_class_id: "long".to_owned(),
                sealed: Some(Sealed { key_id: format!("item/{id}"), ciphertext: Bytes::from_static(b"sealed") }),
                ..Default::default()
            };
            ("RegisterItem", RegisterItemRequest { item: Some(item), ..Default::default() }.encode_to_vec())
        }
        Kind::Dispose => {
            let item_ids = vec![item_id(rng.u8(..ITEMS), name)];
            ("DisposeItems", DisposeItemsRequest { item_ids, reason, ..Default::default() }.encode_to_vec())
        }
        Kind::Place => {
            let start_time = soon(rng).filter(|_| rng.bool());
            let end_time = soon(rng).filter(|_| start_time.is_none() && rng.bool());
            let request = PlaceHoldRequest { start_time, end_time, ..place(hold_id, name, others(home, name, rng)) };
            ("PlaceHold", request.encode_to_vec())
        }
        Kind::Squat => {
            let of = TENANTS[rng.usize(..TENANTS.len())];
            let id = format!("@{of}/{}/{hold_id}", rng.u8(..4));
            ("PlaceHold", place(id, name, Vec::new()).encode_to_vec())
        }
        Kind::Move => {
            let other_tenants = others(home, name, rng);
            change(hold_id, ScopeChange { other_tenants, replace_other_tenants: true, ..Default::default() })
        }
        Kind::Rescope => change(hold_id, ScopeChange { scope: Some(on(name)), ..Default::default() }),
        Kind::End => {
            let end_time = soon(rng);
            change(hold_id, ScopeChange { end_time, replace_end_time: true, ..Default::default() })
        }
        Kind::Release => ("ReleaseHold", ReleaseHoldRequest { hold_id, reason, ..Default::default() }.encode_to_vec()),
        Kind::Confirm => ("ConfirmHold", ConfirmHoldRequest { hold_id, ..Default::default() }.encode_to_vec()),
    }
}

fn item_id(number: u8, name: char) -> String {
    format!("i{number}-{name}")
}

fn person(name: char) -> Entity {
    Entity { id: format!("psn_{}", name.to_string().repeat(32)), ..Default::default() }
}

fn on(name: char) -> Scope {
    Scope { entities: vec![person(name)], ..Default::default() }
}

fn others(home: &str, name: char, rng: &mut fastrand::Rng) -> Vec<TenantScope> {
    let wanted = TENANTS.into_iter().filter(|tenant| *tenant != home && rng.bool());
    wanted.map(|tenant| TenantScope { tenant_id: tenant.to_owned(), scope: Some(on(name)) }).collect()
}

fn place(hold_id: String, name: char, other_tenants: Vec<TenantScope>) -> PlaceHoldRequest {
    PlaceHoldRequest {
        hold_id,
        name: "n".to_owned(),
        reason: "r".to_owned(),
        scope: Some(on(name)),
        release_delay: Some(duration_to_proto(Duration::ZERO)),
        other_tenants,
        ..Default::default()
    }
}

fn change(hold_id: String, change: ScopeChange) -> (&'static str, Vec<u8>) {
    let request =
        ChangeHoldScopeRequest { hold_id, change: Some(change), reason: "r".to_owned(), ..Default::default() };
    ("ChangeHoldScope", request.encode_to_vec())
}

/// What the outside answers when keys are to be destroyed.
pub(super) fn destroy_keys(effect: &RequestedEffect, now_us: i64) -> Vec<u8> {
    let destroy = DestroyKeys::decode(effect.row.payload.clone()).unwrap_or_default();
    let keys = destroy.key_ids.into_iter().map(|key_id| DestroyedKey {
        key_fingerprint: Hash::of(key_id.as_bytes()).to_hex(),
        destroyed_at: Some(Timestamp::from_micros(now_us).to_proto()),
        existed: true,
        key_id,
    });
    DestroyKeysReply { keys: keys.collect() }.encode_to_vec()
}

/// An item that a decision deletes.
pub(super) struct Deleted {
    pub(super) tenant: String,
    pub(super) item_id: String,
    facts: ItemFacts,
}

/// The items that a decision deletes, and how many it does not because of a hold.
pub(super) fn deletions(before: &dyn Read, decision: &Decision) -> Result<(Vec<Deleted>, u64), Fault> {
    let (mut deleted, mut held) = (Vec::new(), 0);
    let Some(Decided::Accepted(accepted)) = &decision.outcome else { return Ok((deleted, held)) };
    if decision.domain != "legal_hold" {
        return Ok((deleted, held));
    }
    for event in &accepted.events {
        match Event::decode(event)? {
            Event::ItemsDisposed(event) => {
                for item in event.items {
                    let row = tables(before, &decision.tenant_id, |tables| tables.items().get((&item.item_id,)))?;
                    let item_row = row.and_then(|row| row.item);
                    let missing = || Fault::Damaged(format!("item {} has no row", item.item_id));
                    let facts = ItemFacts::of_item(&item_row.ok_or_else(missing)?);
                    let tenant = decision.tenant_id.clone();
                    deleted.push(Deleted { tenant, item_id: item.item_id, facts });
                }
            }
            Event::ItemsDeferred(event) => held += event.items.len() as u64,
            _ => {}
        }
    }
    Ok((deleted, held))
}

fn tables<T>(state: &dyn Read, tenant: &str, with: impl FnOnce(Tables<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    let tenant = TenantId::parse(tenant).map_err(|problem| Fault::Damaged(problem.to_string()))?;
    with(Tables::from(View::new(state, &tenant)))
}

fn holds(state: &dyn Read, tenant: &str) -> Result<Vec<Hold>, Fault> {
    tables(state, tenant, |tables| tables.holds().scan(All).map(|row| Ok(row?.1)).collect())
}

/// The holds of one partition's tenants that show as in force and cover an item, at home or, as their home says, elsewhere.
pub(super) fn covering(state: &dyn Read, item: &Deleted) -> Result<Vec<String>, Fault> {
    let mut covering = Vec::new();
    for tenant in TENANTS {
        for hold in holds(state, tenant)? {
            let covers = |scope: &Option<Scope>| scope.as_ref().is_some_and(|it| matches(&compile(it), &item.facts));
            let is_active = matches!(hold.state(), HoldState::Active | HoldState::Releasing);
            if is_active && tenant == item.tenant && covers(&hold.scope) {
                covering.push(format!("{} of {tenant}", hold.hold_id));
            }
            for other in &hold.other_tenants {
                let target = other.target.as_ref().filter(|target| target.tenant_id == item.tenant);
                if other.state() == TenantHoldState::Active && target.is_some_and(|target| covers(&target.scope)) {
                    covering.push(format!("{} of {tenant}, which shows it in {}", hold.hold_id, item.tenant));
                }
            }
        }
    }
    Ok(covering)
}

/// What is not confirmed when everything has come through.
pub(super) fn unsettled(state: &dyn Read) -> Result<Vec<String>, Fault> {
    let mut unsettled = Vec::new();
    for tenant in TENANTS {
        for hold in holds(state, tenant)? {
            for other in hold.other_tenants.iter().filter(|other| !is_confirmed(&hold, other)) {
                let there = other.target.as_ref().map(|target| target.tenant_id.as_str()).unwrap_or_default();
                unsettled.push(format!(
                    "hold {} of {tenant} shows {} in {there}",
                    hold.hold_id,
                    other.state().as_str_name()
                ));
            }
        }
    }
    for alarm in daybook_kernel::alarm::raised(state) {
        unsettled.push(format!("an alarm is left: {}", alarm?.text));
    }
    Ok(unsettled)
}
