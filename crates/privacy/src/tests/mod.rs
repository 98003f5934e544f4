//! What sealing promises; the rings have tests of their own.

use std::sync::Arc;

use daybook_kernel::id::TenantId;
use daybook_proto::descriptors;
use daybook_proto::legal_hold::v1::{Entity, Item, PlaceHoldRequest, RegisterItemRequest, Scope, TenantScope};
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
