//! What depends on who asks: people and programs, those who may read and those who may not.

use crate::common::*;
use daybook_kernel::authorisation::{Authorisation, Authority};
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId, TenantId};
use daybook_policy::Cedar;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::{self as log, actor::Kind, decision::Outcome};
use daybook_proto::platform::v1 as platform;
use legal_hold_projection::{CheckDisposition, ListItems, PreviewScope};
use prost::Message;

fn actor(kind: Kind, id: &str, role: &str) -> log::Actor {
    log::Actor { kind: kind.into(), id: id.into(), roles: vec![role.into()], tenant_ids: vec!["acme".into()] }
}

fn ask_as(acme: &mut Acme, actor: &log::Actor, kind: &str, request: &impl Message) -> Answer {
    let record = acme.solo.record("acme", "legal_hold", kind, request.encode_to_vec());
    Answer(acme.solo.submit(log::CommandRecord { actor: Some(actor.clone()), ..record }))
}

/// Puts the policies that ship in force, with one more.
fn with_policy(acme: &mut Acme, more: &str) {
    let policies = format!("{}\n{more}", registry().shipped_policies());
    let publish = platform::PublishPolicySetRequest { policies, ..Default::default() };
    let published = acme.solo.ask("platform", "platform", "PublishPolicySet", &publish, "root", &["admin"]);
    let Some(Outcome::Accepted(accepted)) = &published.outcome else { panic!("not accepted: {published:?}") };
    let event = platform::PolicySetPublished::decode(accepted.events[0].payload.clone()).unwrap();
    let activate = platform::ActivatePolicySetRequest {
        policy_set_hash: event.policy_set.unwrap().policy_set_hash,
        reason: "a test".into(),
        ..Default::default()
    };
    acme.solo.ask("platform", "platform", "ActivatePolicySet", &activate, "root", &["admin"]);
    acme.solo.settle();
}

fn approval(acme: &Acme, hold: &str) -> ApproveHoldChangeRequest {
    let change_id = acme.hold(hold).pending_change.unwrap().change_id;
    ApproveHoldChangeRequest { hold_id: hold.into(), change_id, ..Default::default() }
}

fn release(hold: &str) -> ReleaseHoldRequest {
    ReleaseHoldRequest { hold_id: hold.into(), reason: "settled".into(), ..Default::default() }
}

fn narrow(hold: &str) -> ChangeHoldScopeRequest {
    let change = ScopeChange { scope: Some(on("bob")), ..Default::default() };
    ChangeHoldScopeRequest {
        hold_id: hold.into(),
        reason: "narrower".into(),
        change: Some(change),
        ..Default::default()
    }
}

#[test]
fn a_service_account_is_neither_of_the_two_people_that_a_change_needs() {
    let mut acme = Acme::new();
    let bot = actor(Kind::Service, "bot", "legal");
    acme.place("h", on("ada")).accepted();
    acme.ask_release("h").accepted();
    let request = approval(&acme, "h");
    assert_eq!(ask_as(&mut acme, &bot, "ApproveHoldChange", &request).code(), "SECOND_PERSON_REQUIRED");
    assert!(acme.hold("h").pending_change.is_some(), "it still waits");
    acme.approve("h", "leo").accepted();

    acme.place("i", on("ada")).accepted();
    assert_eq!(ask_as(&mut acme, &bot, "ReleaseHold", &release("i")).code(), "SECOND_PERSON_REQUIRED");
    assert_eq!(ask_as(&mut acme, &bot, "ChangeHoldScope", &narrow("i")).code(), "SECOND_PERSON_REQUIRED");
    assert!(acme.hold("i").pending_change.is_none());
    // What needs one person alone, a program may do: to place a hold, to widen one, to withdraw a change.
    let wider = Scope { entities: vec![entity("ada"), entity("bob")], ..Default::default() };
    let change = ScopeChange { scope: Some(wider), ..Default::default() };
    ask_as(&mut acme, &bot, "ChangeHoldScope", &ChangeHoldScopeRequest { change: Some(change), ..narrow("i") })
        .accepted();
    acme.ask_release("i").accepted();
    let decline = DeclineHoldChangeRequest {
        hold_id: "i".into(),
        change_id: acme.hold("i").pending_change.unwrap().change_id,
        ..Default::default()
    };
    ask_as(&mut acme, &bot, "DeclineHoldChange", &decline).accepted();
    acme.solo.check_replay();
}

#[test]
fn a_policy_can_let_a_service_account_take_part() {
    let mut acme = Acme::new();
    with_policy(
        &mut acme,
        r#"@id("robot") permit (principal == Service::"bot", action == LegalHold::Action::"ChangeHoldAsService", resource);"#,
    );
    let bot = actor(Kind::Service, "bot", "legal");
    acme.place("h", on("ada")).accepted();
    acme.ask_release("h").accepted();
    let request = approval(&acme, "h");
    let approved = ask_as(&mut acme, &bot, "ApproveHoldChange", &request).accepted();
    assert!(approved.0.determining_policies.contains(&"robot".to_owned()), "{:?}", approved.0.determining_policies);
    let other = actor(Kind::Service, "other", "legal");
    acme.place("i", on("ada")).accepted();
    assert_eq!(ask_as(&mut acme, &other, "ReleaseHold", &release("i")).code(), "SECOND_PERSON_REQUIRED");
    acme.solo.check_replay();
}

#[test]
fn the_audit_says_what_kind_of_principal_did_it() {
    let mut acme = Acme::new();
    let bot = actor(Kind::Service, "bot", "legal");
    let place = PlaceHoldRequest {
        hold_id: "h".into(),
        name: "h".into(),
        reason: "suit".into(),
        scope: Some(on("ada")),
        ..Default::default()
    };
    ask_as(&mut acme, &bot, "PlaceHold", &place).accepted();
    acme.register(item(&acme, "a")).accepted();
    acme.register(Item { entities: vec![entity("bob")], ..item(&acme, "b") }).accepted();
    acme.dispose(&["b"]).accepted();
    acme.after(31 * DAY);
    let kinds: Vec<_> = acme
        .tables()
        .audit()
        .scan(daybook_kernel::key::All)
        .map(|row| row.unwrap().1)
        .map(|entry| (entry.action(), entry.actor_kind()))
        .collect();
    for expected in [
        (AuditAction::HoldPlaced, Kind::Service),
        (AuditAction::ItemsDisposed, Kind::User),
        (AuditAction::KeysDestroyed, Kind::System),
        (AuditAction::ItemsDeferred, Kind::System),
    ] {
        assert!(kinds.contains(&expected), "{expected:?} is not in {kinds:?}");
    }
    acme.solo.check_replay();
}

/// Registering is no way to find out what is sealed in an item.
#[test]
fn who_may_not_read_an_item_does_not_learn_whether_a_guess_is_right() {
    let mut acme = Acme::new();
    let request = |item: Item| RegisterItemRequest { item: Some(item), ..Default::default() };
    let (feeder, other) = (actor(Kind::Service, "feeder", "service"), actor(Kind::Service, "other", "service"));
    let sealed = item(&acme, "a");
    ask_as(&mut acme, &feeder, "RegisterItem", &request(sealed.clone())).accepted();
    let wrong = Item { sealed: content("guess"), ..sealed.clone() };
    let answer = |acme: &mut Acme, who: &log::Actor, item: &Item| {
        let answer = ask_as(acme, who, "RegisterItem", &request(item.clone()));
        match &answer.0.outcome {
            Some(Outcome::Accepted(_)) => "unchanged".to_owned(),
            Some(Outcome::Rejected(rejected)) => format!("{}: {}", rejected.code, rejected.message),
            other => panic!("{other:?}"),
        }
    };
    let (right, guessed) = (answer(&mut acme, &other, &sealed), answer(&mut acme, &other, &wrong));
    assert!(right.starts_with("ITEM_CONFLICT") && right == guessed, "{right} / {guessed}");
    // Who registered it, and who may read it, is told: that is how an import is run again.
    assert_eq!(answer(&mut acme, &feeder, &sealed), "unchanged");
    assert!(answer(&mut acme, &feeder, &wrong).starts_with("ITEM_CONFLICT"));
    let rita = actor(Kind::User, "rita", "records-manager");
    assert_eq!(answer(&mut acme, &rita, &sealed), "unchanged");
    assert!(answer(&mut acme, &rita, &wrong).contains("another item is registered"));
    acme.solo.check_replay();
}

#[test]
fn auditors_and_administrators_read_lists_and_look_for_nobody() {
    let cedar = Cedar::new();
    let set = cedar.load(&registry().shipped_policies(), &registry().shipped_schema()).unwrap();
    let may = |set: Hash, role: &str, question: &Authorisation| {
        let acme = TenantId::parse("acme").unwrap();
        cedar.ask(set, &actor(Kind::User, "somebody", role), &acme, question).unwrap().permitted
    };
    let all = ListItems::authorisation(&ListItemsRequest::default());
    let of_ada = ListItems::authorisation(&ListItemsRequest { entity: Some(entity("ada")), ..Default::default() });
    let preview =
        |scope: Scope| PreviewScope::authorisation(&PreviewScopeRequest { scope: Some(scope), ..Default::default() });
    let of_case = preview(Scope { case_ids: vec!["c".into()], ..Default::default() });
    let on_ada = preview(Scope { case_ids: vec!["c".into()], ..on("ada") });
    for (role, lists, looks_for_people) in
        [("legal", true, true), ("records-manager", true, true), ("auditor", true, false), ("admin", true, false)]
    {
        for question in [&all, &of_case] {
            assert_eq!(may(set, role, question), lists, "{role}: {question:?}");
        }
        for question in [&of_ada, &on_ada] {
            assert_eq!(may(set, role, question), looks_for_people, "{role}: {question:?}");
        }
    }
}

#[test]
fn the_gate_names_holds_only_to_those_who_may_list_them() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    acme.place("h", on("ada")).accepted();
    let request = || CheckDispositionRequest {
        checks: vec![DispositionCheck { target: Some(disposition_check::Target::ItemId("a".into())) }],
        ..Default::default()
    };
    let question = CheckDisposition::reveals(&request()).unwrap();
    assert_eq!((question.action, question.resource.kind), ("ListHolds", "Hold"));
    let ask = |reveals: bool| {
        let asked = Asked {
            tenant: &acme.tenant,
            now: acme.now(),
            partition: PartitionId(0),
            partitions: 1,
            next_command: Offset(0),
            reveals,
        };
        CheckDisposition::answer(&acme.tables(), request(), &asked).unwrap().results.remove(0)
    };
    assert_eq!((ask(true).hold_ids, ask(true).allowed), (vec!["h".to_owned()], false));
    let told = ask(false);
    assert_eq!((told.hold_ids.len(), told.verdict(), told.allowed), (0, DispositionVerdict::Held, false));
}
