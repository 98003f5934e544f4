//! What sealing promises; the rings have tests of their own.

use std::sync::Arc;

use daybook_kernel::id::TenantId;
use daybook_proto::descriptors;
use daybook_proto::legal_hold::v1::{
    Entity, Item, ListItemsRequest, PlaceHoldRequest, RegisterItemRequest, Scope, TenantScope,
};
use prost::Message;
use prost_reflect::DynamicMessage;

use super::*;

mod disk;
mod rings;
mod rotation;
mod shared;

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn entity(id: &str, display_name: &str) -> Entity {
    Entity { id: id.into(), display_name: display_name.into(), role: 1, sealed: None }
}

fn request() -> RegisterItemRequest {
    let item = Item {
        item_id: "mail-1".into(),
        title: "Quarterly numbers".into(),
        body: "Do not tell anyone.".into(),
        entities: vec![entity("Ada@Example.org", "Ada Lovelace"), entity("bob@example.org", "")],
        ..Default::default()
    };
    RegisterItemRequest { command_id: "c".into(), tenant_id: "acme".into(), item: Some(item) }
}

fn dynamic<M: Message>(name: &str, message: &M) -> DynamicMessage {
    let descriptor = descriptors().get_message_by_name(name).unwrap();
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).unwrap()
}

async fn seal(ring: &Arc<MemoryKeyRing>, request: &RegisterItemRequest) -> RegisterItemRequest {
    let mut message = dynamic("daybook.legal_hold.v1.RegisterItemRequest", request);
    let keys: Arc<dyn KeyRing> = Arc::clone(ring) as _;
    Sealer::new(keys).seal(&mut message, &acme(), SealMode::Seal).await.unwrap();
    message.transcode_to().unwrap()
}

async fn open(ring: &Arc<MemoryKeyRing>, item: &Item) -> Item {
    let mut message = dynamic("daybook.legal_hold.v1.Item", item);
    let keys: Arc<dyn KeyRing> = Arc::clone(ring) as _;
    Opener::new(keys).open(&mut message, &acme()).await.unwrap();
    message.transcode_to().unwrap()
}

#[tokio::test]
async fn nothing_readable_is_left_and_everything_comes_back() {
    let ring = Arc::new(MemoryKeyRing::new());
    let sealed = seal(&ring, &request()).await;
    let bytes = sealed.encode_to_vec();
    for secret in ["Quarterly", "Do not tell", "Ada", "ada@", "Lovelace", "bob@example.org"] {
        let found = bytes.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret.as_bytes()));
        assert!(!found, "{secret} is readable");
    }
    let item = sealed.item.unwrap();
    assert_eq!(item.item_id, "mail-1", "identifiers of things stay");
    assert!(item.entities.iter().all(|entity| is_pseudonym(&entity.id)));
    assert_eq!(open(&ring, &item).await, request().item.unwrap());
}

#[tokio::test]
async fn sealing_again_gives_the_same_bytes() {
    let ring = Arc::new(MemoryKeyRing::new());
    assert_eq!(seal(&ring, &request()).await, seal(&ring, &request()).await, "a retry is the same command");
}

#[tokio::test]
async fn a_destroyed_key_takes_its_content_with_it_and_nothing_else() {
    let ring = Arc::new(MemoryKeyRing::new());
    let item = seal(&ring, &request()).await.item.unwrap();
    ring.destroy(&acme(), &[KeyId::item("mail-1")]).await.unwrap();
    let opened = open(&ring, &item).await;
    assert_eq!((opened.title.as_str(), opened.body.as_str()), ("", ""));
    assert_eq!(opened.entities, request().item.unwrap().entities, "people have keys of their own");

    let mut again = dynamic("daybook.legal_hold.v1.RegisterItemRequest", &request());
    let keys: Arc<dyn KeyRing> = Arc::clone(&ring) as _;
    let refused = Sealer::new(keys).seal(&mut again, &acme(), SealMode::Seal).await;
    assert_eq!(refused, Err(PrivacyError::Destroyed { key_id: "item/mail-1".into() }), "it does not come back");
}

#[tokio::test]
async fn a_seal_cannot_be_moved() {
    let ring = Arc::new(MemoryKeyRing::new());
    let mut item = seal(&ring, &request()).await.item.unwrap();
    let person = item.entities[0].sealed.clone();
    item.sealed = person;
    let mut message = dynamic("daybook.legal_hold.v1.Item", &item);
    let keys: Arc<dyn KeyRing> = Arc::clone(&ring) as _;
    let opened = Opener::new(keys).open(&mut message, &acme()).await;
    assert!(matches!(opened, Err(PrivacyError::Damaged(_))), "{opened:?}");
}

#[tokio::test]
async fn pseudonyms_are_those_of_the_tenant_that_the_message_names() {
    let ring: Arc<dyn KeyRing> = Arc::new(MemoryKeyRing::new());
    let scope = Scope { entities: vec![entity("ada@example.org", "")], ..Default::default() };
    let elsewhere = TenantScope { tenant_id: "globex".into(), scope: Some(scope.clone()) };
    let request = PlaceHoldRequest { scope: Some(scope), other_tenants: vec![elsewhere], ..Default::default() };
    let mut message = dynamic("daybook.legal_hold.v1.PlaceHoldRequest", &request);
    Sealer::new(ring).seal(&mut message, &acme(), SealMode::Seal).await.unwrap();
    let sealed: PlaceHoldRequest = message.transcode_to().unwrap();
    let here = &sealed.scope.unwrap().entities[0];
    let there = &sealed.other_tenants[0].scope.as_ref().unwrap().entities[0];
    assert!(is_pseudonym(&here.id) && is_pseudonym(&there.id));
    assert_ne!(here.id, there.id, "people cannot be followed across tenants");
}

async fn seal_as(ring: &Arc<MemoryKeyRing>, name: &str, request: &impl Message, mode: SealMode) -> DynamicMessage {
    let keys: Arc<dyn KeyRing> = Arc::clone(ring) as _;
    let mut message = dynamic(name, request);
    Sealer::new(keys).seal(&mut message, &acme(), mode).await.unwrap();
    message
}

fn ids(entities: &[Entity]) -> Vec<&str> {
    entities.iter().map(|entity| entity.id.as_str()).collect()
}

/// What an earlier release registered under the pseudonym of one spelling must be matched by what is held under another
/// one now, and the other way round.
#[tokio::test]
async fn items_and_scopes_name_a_person_under_every_pseudonym_of_the_address() {
    let ring = Arc::new(MemoryKeyRing::new());
    let (u, a) = ("eva@bücher.example", "eva@xn--bcher-kva.example");
    let scope = |id: &str| Scope { entities: vec![entity(id, "")], ..Default::default() };
    let mut found = Vec::new();
    for id in [u, a] {
        let elsewhere = TenantScope { tenant_id: "globex".into(), scope: Some(scope(id)) };
        let place = PlaceHoldRequest { scope: Some(scope(id)), other_tenants: vec![elsewhere], ..Default::default() };
        let sealed = seal_as(&ring, "daybook.legal_hold.v1.PlaceHoldRequest", &place, SealMode::Seal).await;
        let sealed: PlaceHoldRequest = sealed.transcode_to().unwrap();
        found.push(sealed.scope.unwrap().entities);
        let there = sealed.other_tenants[0].scope.clone().unwrap().entities;
        assert!(
            there.len() == 2
                && there.iter().all(|one| is_pseudonym(&one.id) && !ids(&found[0]).contains(&one.id.as_str()))
        );

        let item = Item {
            item_id: "m".into(),
            entities: vec![entity(id, "Eva"), entity("ada@example.org", "")],
            ..Default::default()
        };
        let item = RegisterItemRequest { item: Some(item), ..Default::default() };
        let sealed = seal_as(&ring, "daybook.legal_hold.v1.RegisterItemRequest", &item, SealMode::Seal).await;
        let item = sealed.transcode_to::<RegisterItemRequest>().unwrap().item.unwrap();
        assert_eq!((item.entities.len(), item.entities[2].role), (3, 1), "with the role of the first");
        assert!(item.entities[2].sealed.is_none() && item.entities[0].sealed.is_some());
        found.push([item.entities[0].clone(), item.entities[2].clone()].into());
        assert_eq!(open(&ring, &item).await.entities[0], entity(id, "Eva"));
    }
    for entities in &found {
        assert!(entities.len() == 2 && ids(entities) == ids(&found[0]), "{entities:?}");
    }
    // The pseudonyms that releases before this one gave the two spellings.
    let key = ring.get(&acme(), &KeyId::pseudonyms()).unwrap().unwrap();
    assert_eq!(
        ids(&found[0]),
        [crate::pseudonym::pseudonym(&key, a), crate::pseudonym::former_pseudonyms(&key, a)[0].clone()]
    );
}

#[tokio::test]
async fn a_query_for_one_person_asks_for_every_pseudonym() {
    let ring = Arc::new(MemoryKeyRing::new());
    let list = |id: &str| ListItemsRequest { entity: Some(entity(id, "")), ..Default::default() };
    let mut found = Vec::new();
    for id in ["eva@bücher.example", "eva@xn--bcher-kva.example", "ada@example.org"] {
        let asked = seal_as(&ring, "daybook.legal_hold.v1.ListItemsRequest", &list(id), SealMode::PseudonymsOnly).await;
        let asked: ListItemsRequest = asked.transcode_to().unwrap();
        found.push((asked.entity.unwrap().id, ids(&asked.other_entities).join(" ")));
    }
    assert_eq!(found[0], found[1]);
    assert!(is_pseudonym(&found[0].1) && found[0].0 != found[0].1 && found[2].1.is_empty());
}

#[tokio::test]
async fn queries_get_pseudonyms_and_make_no_keys() {
    let ring = Arc::new(MemoryKeyRing::new());
    let keys: Arc<dyn KeyRing> = Arc::clone(&ring) as _;
    let mut message = dynamic("daybook.legal_hold.v1.RegisterItemRequest", &request());
    Sealer::new(keys).seal(&mut message, &acme(), SealMode::PseudonymsOnly).await.unwrap();
    let stripped: RegisterItemRequest = message.transcode_to().unwrap();
    let item = stripped.item.unwrap();
    assert!(item.sealed.is_none() && item.title.is_empty() && is_pseudonym(&item.entities[0].id));
    assert!(ring.get(&acme(), &KeyId::item("mail-1")).unwrap().is_none());
}

#[tokio::test]
async fn what_a_caller_must_not_send_is_named() {
    let ring: Arc<dyn KeyRing> = Arc::new(MemoryKeyRing::new());
    let mut wrong = request();
    let item = wrong.item.as_mut().unwrap();
    item.sealed = Some(Default::default());
    item.item_id = "no spaces".into();
    item.entities[1].id = " ".into();
    let mut message = dynamic("daybook.legal_hold.v1.RegisterItemRequest", &wrong);
    let Err(PrivacyError::Invalid(violations)) = Sealer::new(ring).seal(&mut message, &acme(), SealMode::Seal).await
    else {
        panic!("must be refused")
    };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["item.sealed", "item.item_id", "item.entities[1].id"]);
}

#[test]
fn messages_without_content_are_passed_over() {
    let ring: Arc<dyn KeyRing> = Arc::new(MemoryKeyRing::new());
    let sealer = Sealer::new(ring);
    let concerns = |name: &str| sealer.concerns(&descriptors().get_message_by_name(name).unwrap());
    assert!(concerns("daybook.legal_hold.v1.PlaceHoldRequest"), "its scope names people");
    assert!(!concerns("daybook.legal_hold.v1.ReleaseHoldRequest"));
    assert!(!concerns("daybook.platform.v1.CreateTenantRequest"));
}

fn master(digit: char) -> MasterKey {
    MasterKey::from_hex(&digit.to_string().repeat(64)).unwrap()
}
