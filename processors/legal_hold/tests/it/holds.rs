//! Legal holds as behaviours, one case each.

use crate::common::*;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::decision::Outcome;
use daybook_proto::privacy::v1::Sealed;
use legal_hold_projection::Event;

#[test]
fn a_hold_stops_the_deletion_asked_for_next() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    acme.place("h", on("ada")).accepted();
    let events = acme.dispose(&["a"]).events();
    assert!(matches!(&events[..], [Event::ItemsDeferred(event)] if event.items[0].hold_ids == ["h"]));
    assert_eq!(acme.state("a"), ItemState::Deferred);
    assert_eq!(acme.hold("h").deferred_items, 1);
    acme.solo.check_replay();
}

#[test]
fn a_hold_on_a_thousand_cases_keeps_its_scope_once() {
    use daybook_kernel::key::All;
    let mut acme = Acme::new();
    let case_ids = (0..1_000).map(|case| format!("case-{case:0180}")).collect();
    acme.place("h", Scope { case_ids, ..Default::default() }).accepted();
    let tables = acme.tables();
    assert_eq!(tables.hold_postings().scan(All).count(), 1_000, "found by each of its cases");
    assert_eq!(tables.hold_scopes().scan(All).count(), 1, "and not a thousand times a thousand cases");
}

#[test]
fn a_hold_covers_items_registered_later() {
    let mut acme = Acme::new();
    acme.place("h", on("ada")).accepted();
    acme.register(item(&acme, "later")).accepted();
    acme.dispose(&["later"]).accepted();
    assert_eq!(acme.state("later"), ItemState::Deferred);
}

#[test]
fn what_no_hold_matches_is_deleted_and_its_key_destroyed() {
    let mut acme = Acme::new();
    acme.place("h", on("bob")).accepted();
    acme.register(item(&acme, "a")).accepted();
    acme.dispose(&["a"]).accepted();
    assert_eq!(acme.state("a"), ItemState::Disposed, "logically");
    assert!(acme.tables().item_content().get(("a",)).unwrap().is_none(), "its content has left the store");
    acme.solo.settle();
    assert_eq!(acme.state("a"), ItemState::Purged, "physically");
    assert_eq!(acme.solo.destroyed_keys, [("acme".into(), "item/a".into())]);
    assert_eq!(acme.row("a").key_destruction.unwrap().key_fingerprint.len(), 64);
    acme.solo.check_replay();
}

#[test]
fn an_item_without_content_is_gone_at_once() {
    let mut acme = Acme::new();
    let bare = Item { sealed: None, ..item(&acme, "bare") };
    acme.register(bare).accepted();
    acme.dispose(&["bare"]).accepted();
    assert_eq!(acme.state("bare"), ItemState::Purged);
    assert!(acme.row("bare").key_destruction.unwrap().had_no_content);
    acme.solo.settle();
    assert!(acme.solo.destroyed_keys.is_empty());
}

#[test]
fn a_deferred_deletion_happens_by_itself_when_the_last_hold_is_gone() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    acme.place("h1", on("ada")).accepted();
    let by_category = Scope { data_categories: vec!["email".into()], ..Default::default() };
    acme.place("h2", by_category).accepted();
    acme.dispose(&["a"]).accepted();
    acme.release("h1");
    acme.solo.settle();
    assert_eq!(acme.state("a"), ItemState::Deferred, "h2 still holds");
    acme.release("h2");
    acme.solo.settle();
    assert_eq!(acme.state("a"), ItemState::Purged);
    assert_eq!((acme.hold("h1").deferred_items, acme.hold("h2").deferred_items), (0, 0));
    acme.solo.check_replay();
}

#[test]
fn retention_deletes_what_is_due_and_defers_what_is_held() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "free")).accepted();
    let of_bob = Item { entities: vec![entity("bob")], ..item(&acme, "held") };
    acme.register(of_bob).accepted();
    acme.place("h", on("bob")).accepted();
    acme.after(29 * DAY);
    assert_eq!((acme.state("free"), acme.state("held")), (ItemState::Active, ItemState::Active));
    acme.after(DAY);
    assert_eq!((acme.state("free"), acme.state("held")), (ItemState::Purged, ItemState::Deferred));
    assert_eq!(acme.row("held").cause(), DispositionCause::Retention);
    acme.release("h");
    acme.solo.settle();
    assert_eq!(acme.state("held"), ItemState::Purged);
    acme.solo.check_replay();
}

#[test]
fn many_items_fall_due_in_bounded_rounds() {
    let mut acme = Acme::new();
    for batch in 0..5 {
        let items = (0..200).map(|i| item(&acme, &format!("{batch}-{i}"))).collect();
        let request = RegisterItemsRequest { items, ..Default::default() };
        acme.ask("RegisterItems", &request, "rita", "records-manager").accepted();
    }
    acme.place("h", Scope { everything: true, ..Default::default() }).accepted();
    acme.after(31 * DAY);
    assert_eq!(acme.hold("h").deferred_items, 1_000);
    acme.release("h");
    acme.solo.settle();
    assert_eq!(acme.solo.destroyed_keys.len(), 1_000);
    assert_eq!(acme.hold("h").deferred_items, 0);
    acme.solo.check_replay();
}

#[test]
fn changing_a_class_moves_the_due_dates_of_its_items() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    acme.set_class("short", 90 * DAY, RetentionAction::Delete).accepted();
    acme.after(60 * DAY);
    assert_eq!(acme.state("a"), ItemState::Active, "longer now");
    acme.set_class("short", 10 * DAY, RetentionAction::Delete).accepted();
    acme.solo.settle();
    assert_eq!(acme.state("a"), ItemState::Active, "a second person has to agree");
    acme.approve_retention("short", "rob", "records-manager", 1).accepted();
    acme.solo.settle();
    assert_eq!(acme.state("a"), ItemState::Purged, "overdue at once");
}

#[test]
fn a_deferred_item_whose_class_became_longer_goes_back_to_waiting() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    acme.place("h", on("ada")).accepted();
    acme.after(31 * DAY);
    assert_eq!(acme.state("a"), ItemState::Deferred);
    acme.set_class("short", 365 * DAY, RetentionAction::Delete).accepted();
    acme.release("h");
    acme.solo.settle();
    assert_eq!(acme.state("a"), ItemState::Active, "its retention is not over");
    acme.after(365 * DAY);
    assert_eq!(acme.state("a"), ItemState::Purged);
    acme.solo.check_replay();
}

#[test]
fn a_class_can_ask_for_a_review_instead() {
    let mut acme = Acme::new();
    for id in ["keep", "delete", "held"] {
        let class = Item { retention_class_id: "review".into(), ..item(&acme, id) };
        acme.register(class).accepted();
    }
    let review = |acme: &mut Acme, id: &str, outcome: ReviewOutcome| {
        let request = CompleteReviewRequest {
            item_id: id.into(),
            outcome: outcome.into(),
            reason: "looked at it".into(),
            ..Default::default()
        };
        acme.ask("CompleteReview", &request, "rita", "records-manager")
    };
    assert_eq!(review(&mut acme, "keep", ReviewOutcome::Keep).code(), "REVIEW_NOT_DUE");
    acme.after(31 * DAY);
    assert_eq!(acme.state("keep"), ItemState::ReviewDue);
    review(&mut acme, "keep", ReviewOutcome::Keep).accepted();
    review(&mut acme, "delete", ReviewOutcome::Dispose).accepted();
    acme.place("h", on("ada")).accepted();
    review(&mut acme, "held", ReviewOutcome::Dispose).accepted();
    acme.after(400 * DAY);
    assert_eq!(
        ["keep", "delete", "held"].map(|id| acme.state(id)),
        [ItemState::Kept, ItemState::Purged, ItemState::Deferred]
    );
}

#[test]
fn a_release_needs_a_second_person() {
    let mut acme = Acme::new();
    acme.place("h", on("ada")).accepted();
    acme.ask_release("h").accepted();
    assert_eq!(acme.hold("h").state(), HoldState::Active, "asking releases nothing");
    assert_eq!(acme.approve("h", "lea").code(), "SECOND_PERSON_REQUIRED");
    assert_eq!(acme.ask_release("h").code(), "HOLD_CHANGE_PENDING");
    acme.approve("h", "leo").accepted();
    assert_eq!(acme.hold("h").state(), HoldState::Released);
    assert_eq!(acme.ask_release("h").code(), "HOLD_ALREADY_RELEASED");
    assert_eq!(acme.approve("h", "leo").code(), "HOLD_ALREADY_RELEASED");
    acme.solo.check_replay();
}

#[test]
fn an_approval_names_the_change_it_is_for() {
    let mut acme = Acme::new();
    acme.place("h", on("ada")).accepted();
    acme.ask_release("h").accepted();
    let seen = acme.hold("h").pending_change.unwrap().change_id;
    let decline = DeclineHoldChangeRequest { hold_id: "h".into(), change_id: seen.clone(), ..Default::default() };
    acme.ask("DeclineHoldChange", &decline, "leo", "legal").accepted();
    acme.ask_release("h").accepted();
    let stale = ApproveHoldChangeRequest { hold_id: "h".into(), change_id: seen, ..Default::default() };
    assert_eq!(acme.ask("ApproveHoldChange", &stale, "leo", "legal").code(), "HOLD_CHANGE_NOT_PENDING");
    assert_eq!(acme.hold("h").state(), HoldState::Active);
}

#[test]
fn a_release_waits_for_its_delay_and_can_be_cancelled_meanwhile() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    let request = PlaceHoldRequest {
        hold_id: "h".into(),
        name: "with the default delay".into(),
        reason: "litigation".into(),
        scope: Some(on("ada")),
        ..Default::default()
    };
    acme.ask("PlaceHold", &request, "lea", "legal").accepted();
    acme.dispose(&["a"]).accepted();
    acme.release("h");
    assert_eq!(acme.hold("h").state(), HoldState::Releasing);
    acme.after(29 * DAY);
    assert_eq!(acme.state("a"), ItemState::Deferred, "it still holds");
    let cancel = CancelReleaseRequest { hold_id: "h".into(), reason: "appeal".into(), ..Default::default() };
    acme.ask("CancelRelease", &cancel, "lea", "legal").accepted();
    acme.after(60 * DAY);
    assert_eq!(acme.state("a"), ItemState::Deferred, "cancelled");
    assert_eq!(acme.ask("CancelRelease", &cancel, "lea", "legal").code(), "HOLD_RELEASE_NOT_SCHEDULED");
    acme.release("h");
    acme.after(31 * DAY);
    assert_eq!((acme.hold("h").state(), acme.state("a")), (HoldState::Released, ItemState::Purged));
    acme.solo.check_replay();
}

#[test]
fn a_policy_can_let_one_person_release() {
    let mut acme = Acme::new();
    let shipped = registry();
    let policies = format!(
        "{}\n@id(\"alone\") permit (principal in Role::\"legal\", action == LegalHold::Action::\"ReleaseHoldAlone\", \
         resource) when {{ resource has categories && resource.categories == [\"public\"] }};",
        shipped.shipped_policies()
    );
    let publish = daybook_proto::platform::v1::PublishPolicySetRequest { policies, ..Default::default() };
    let published = acme.solo.ask("platform", "platform", "PublishPolicySet", &publish, "root", &["admin"]);
    let hash = published_hash(&published);
    let activate = daybook_proto::platform::v1::ActivatePolicySetRequest {
        policy_set_hash: hash,
        reason: "public data".into(),
        ..Default::default()
    };
    acme.solo.ask("platform", "platform", "ActivatePolicySet", &activate, "root", &["admin"]);
    acme.solo.settle();
    let public = Scope { data_categories: vec!["public".into()], ..Default::default() };
    acme.place("public", public).accepted();
    acme.place("other", on("ada")).accepted();
    acme.ask_release("public").accepted();
    acme.ask_release("other").accepted();
    assert_eq!(acme.hold("public").state(), HoldState::Released);
    assert_eq!(acme.hold("other").state(), HoldState::Active);
    acme.solo.check_replay();
}

fn published_hash(decision: &daybook_proto::log::v1::Decision) -> String {
    use daybook_proto::log::v1::decision::Outcome;
    use prost::Message;
    let Some(Outcome::Accepted(accepted)) = &decision.outcome else { panic!("not accepted: {decision:?}") };
    let published = daybook_proto::platform::v1::PolicySetPublished::decode(accepted.events[0].payload.clone());
    published.unwrap().policy_set.unwrap().policy_set_hash
}

#[test]
fn widening_happens_at_once_and_narrowing_waits_for_a_second_person() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    acme.place("h", on("ada")).accepted();
    acme.dispose(&["a"]).accepted();
    let change = |acme: &mut Acme, scope: Scope| {
        let request = ChangeHoldScopeRequest {
            hold_id: "h".into(),
            change: Some(ScopeChange { scope: Some(scope), ..Default::default() }),
            reason: "new facts".into(),
            ..Default::default()
        };
        acme.ask("ChangeHoldScope", &request, "lea", "legal")
    };
    let wider = Scope { entities: vec![entity("ada"), entity("bob")], ..Default::default() };
    let events = change(&mut acme, wider.clone()).events();
    assert!(matches!(events[..], [Event::HoldScopeChanged(_)]));
    assert_eq!(change(&mut acme, wider).code(), "HOLD_UNCHANGED");
    let events = change(&mut acme, on("bob")).events();
    assert!(matches!(events[..], [Event::HoldChangeRequested(_)]));
    acme.solo.settle();
    assert_eq!(acme.state("a"), ItemState::Deferred, "the old scope stands until then");
    acme.approve("h", "leo").accepted();
    acme.solo.settle();
    assert_eq!(acme.state("a"), ItemState::Purged, "ada is not covered any more");
    assert_eq!(acme.hold("h").state(), HoldState::Active);
    acme.solo.check_replay();
}

#[test]
fn a_hold_can_start_later_and_end_by_itself() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    let request = PlaceHoldRequest {
        hold_id: "h".into(),
        name: "next month".into(),
        reason: "announced".into(),
        scope: Some(on("ada")),
        start_time: Some(acme.now().saturating_add(5 * DAY).to_proto()),
        end_time: Some(acme.now().saturating_add(50 * DAY).to_proto()),
        ..Default::default()
    };
    acme.ask("PlaceHold", &request, "lea", "legal").accepted();
    assert_eq!(acme.hold("h").state(), HoldState::Scheduled);
    acme.after(6 * DAY);
    assert_eq!(acme.hold("h").state(), HoldState::Active);
    acme.after(30 * DAY);
    assert_eq!(acme.state("a"), ItemState::Deferred);
    acme.after(30 * DAY);
    assert_eq!((acme.hold("h").state(), acme.state("a")), (HoldState::Released, ItemState::Purged));
    acme.solo.check_replay();
}

#[test]
fn registering_again_is_passed_over_and_registering_otherwise_is_refused() {
    let mut acme = Acme::new();
    let first = item(&acme, "a");
    acme.register(first.clone()).accepted();
    let again = acme.register(first.clone()).events();
    assert!(
        matches!(&again[..], [Event::ItemsRegistered(event)] if event.items.is_empty() && event.unchanged_count == 1)
    );
    let other = Item { data_category: "hr".into(), ..first.clone() };
    assert_eq!(acme.register(other).code(), "ITEM_CONFLICT");
    let nowhere = Item { item_id: "b".into(), retention_class_id: "none".into(), ..first.clone() };
    assert_eq!(acme.register(nowhere).code(), "RETENTION_CLASS_NOT_FOUND");
    acme.dispose(&["a"]).accepted();
    assert_eq!(acme.register(first).code(), "ITEM_DISPOSED");
}

#[test]
fn a_batch_is_registered_whole_or_not_at_all() {
    let mut acme = Acme::new();
    let bad = Item { retention_class_id: "none".into(), ..item(&acme, "b") };
    let items = vec![item(&acme, "a"), bad];
    let request = RegisterItemsRequest { items, ..Default::default() };
    let answer = acme.ask("RegisterItems", &request, "rita", "records-manager");
    assert_eq!(answer.code(), "RETENTION_CLASS_NOT_FOUND");
    assert!(acme.tables().items().get(("a",)).unwrap().is_none());
}

#[test]
fn deleting_twice_changes_nothing_and_unknown_items_are_refused() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    acme.dispose(&["a"]).accepted();
    let again = acme.dispose(&["a"]).events();
    assert!(matches!(&again[..], [Event::DispositionRepeated(event)] if event.item_ids == ["a"]));
    assert_eq!(acme.dispose(&["a", "ghost"]).code(), "ITEM_NOT_FOUND");
}

#[test]
fn opening_content_is_recorded_and_ends_with_the_item() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    let reveal = RevealItemRequest { item_id: "a".into(), purpose: "discovery".into(), ..Default::default() };
    assert_eq!(acme.ask("RevealItem", &reveal, "rita", "records-manager").code(), "POLICY_DENIED");
    let events = acme.ask("RevealItem", &reveal, "lea", "legal").events();
    assert!(matches!(&events[..], [Event::ItemRevealed(event)] if event.purpose == "discovery"));
    acme.dispose(&["a"]).accepted();
    assert_eq!(acme.ask("RevealItem", &reveal, "lea", "legal").code(), "CONTENT_NOT_AVAILABLE");
}

#[test]
fn the_name_that_somebody_has_in_an_item_is_kept_with_it_and_goes_with_it() {
    let mut acme = Acme::new();
    let named = |acme: &Acme, id: &str, name: &'static str| {
        let sealed = Some(Sealed { key_id: "person/ada".into(), ciphertext: name.as_bytes().into() });
        Item { entities: vec![entity("bob"), Entity { sealed, ..entity("ada") }], ..item(acme, id) }
    };
    for (id, name) in [("a", "Ada"), ("b", "the boss"), ("c", "Ada")] {
        let item = named(&acme, id, name);
        acme.register(item).accepted();
    }
    let own =
        |acme: &Acme, id: &str| acme.tables().item_entities().get((id, 1)).unwrap().map(|sealed| sealed.ciphertext);
    assert_eq!(own(&acme, "b").as_deref(), Some(&b"the boss"[..]));
    assert_eq!((own(&acme, "a"), own(&acme, "c")), (None, None), "the same as everywhere is kept once");
    acme.dispose(&["b"]).accepted();
    assert_eq!(own(&acme, "b"), None);
    acme.solo.check_replay();
}

#[test]
fn wrong_fields_are_all_named() {
    let mut acme = Acme::new();
    let wrong = PlaceHoldRequest {
        hold_id: "not an id".into(),
        scope: Some(Scope::default()),
        start_time: Some(prost_types::Timestamp { seconds: 10, nanos: 0 }),
        end_time: Some(prost_types::Timestamp { seconds: 10, nanos: 0 }),
        release_delay: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        ..Default::default()
    };
    let answer = acme.ask("PlaceHold", &wrong, "lea", "legal");
    assert_eq!(answer.code(), "INVALID_ARGUMENT");
    assert_eq!(answer.fields(), ["hold_id", "name", "reason", "scope", "end_time", "release_delay"]);

    let contradiction = Scope { everything: true, case_ids: vec!["c".into()], ..Default::default() };
    assert_eq!(acme.place("h", contradiction).fields(), ["scope.everything"]);
    let unsealed = Entity { id: "ada@example.org".into(), ..Default::default() };
    let unsealed = Scope { entities: vec![unsealed], ..Default::default() };
    assert_eq!(acme.place("h", unsealed).fields(), ["scope.entities[0].id"], "fails closed");
    let readable = Item { title: "secret".into(), ..item(&acme, "a") };
    assert_eq!(acme.register(readable).fields(), ["item.title"], "fails closed");
}

#[test]
fn roles_may_do_what_the_policies_that_ship_say() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    let request =
        PlaceHoldRequest { name: "x".into(), reason: "x".into(), scope: Some(on("ada")), ..Default::default() };
    for (role, may) in
        [("legal", true), ("admin", false), ("auditor", false), ("records-manager", false), ("service", false)]
    {
        let answer = acme.ask("PlaceHold", &request, "someone", role);
        if may {
            let events = answer.events();
            assert!(
                matches!(&events[..], [Event::HoldPlaced(event)]
                if event.hold.as_ref().unwrap().hold_id.starts_with("hold-0-")),
                "an id is made"
            );
        } else {
            assert_eq!(answer.code(), "POLICY_DENIED", "{role}");
        }
    }
    let register = RegisterItemRequest { item: Some(item(&acme, "b")), ..Default::default() };
    acme.ask("RegisterItem", &register, "feeder", "service").accepted();
}

#[test]
fn every_change_stands_in_the_audit() {
    let mut acme = Acme::new();
    acme.register(item(&acme, "a")).accepted();
    acme.place("h", on("ada")).accepted();
    acme.dispose(&["a"]).accepted();
    acme.release("h");
    acme.solo.settle();
    let entries: Vec<_> = acme.tables().audit().scan(daybook_kernel::key::All).map(|row| row.unwrap().1).collect();
    let actions: Vec<_> = entries.iter().map(AuditEntry::action).collect();
    use AuditAction::*;
    assert_eq!(
        actions,
        [
            RetentionClassSet,
            RetentionClassSet,
            HoldPlaced,
            ItemsDeferred,
            ChangeRequested,
            ChangeApproved,
            HoldReleased,
            ItemsDisposed,
            KeysDestroyed
        ]
    );
    let approved = &entries[5];
    assert_eq!((approved.actor_id.as_str(), approved.hold_id.as_str(), approved.matter_id.as_str()), ("leo", "h", "h"));
    assert_eq!(approved.command_hash.len(), 64);
    assert!(approved.position.is_some());
}

#[test]
fn while_a_tenant_is_suspended_nothing_is_disposed_of_and_afterwards_it_is() {
    use daybook_proto::platform::v1::{ResumeTenantRequest, SuspendTenantRequest};
    fn ask_platform(acme: &mut Acme, kind: &str, request: &impl prost::Message) {
        let decision = acme.solo.ask("platform", "platform", kind, request, "root", &["admin"]);
        assert!(matches!(decision.outcome, Some(Outcome::Accepted(_))), "{decision:?}");
        acme.solo.settle();
    }
    let mut acme = Acme::new();
    let kept = item(&acme, "kept");
    acme.register(kept).accepted();
    let suspend =
        SuspendTenantRequest { target_tenant_id: "acme".into(), reason: "unpaid".into(), ..Default::default() };
    ask_platform(&mut acme, "SuspendTenant", &suspend);
    acme.after(31 * DAY);
    assert_eq!(acme.state("kept"), ItemState::Active, "nobody could have placed a hold");
    let resume = ResumeTenantRequest { target_tenant_id: "acme".into(), reason: "paid".into(), ..Default::default() };
    ask_platform(&mut acme, "ResumeTenant", &resume);
    acme.after(DAY);
    assert_eq!(acme.state("kept"), ItemState::Purged);
    acme.solo.check_replay();
}

#[test]
fn keys_of_a_denied_registration_are_destroyed_unless_the_item_is_registered() {
    use daybook_kernel::domain::stream_actor;
    use daybook_proto::log::v1::CommandRecord;
    let mut acme = Acme::new();
    acme.register(item(&acme, "there")).accepted();
    let discard = |acme: &mut Acme, sender: &str| {
        let request = DiscardKeys { item_ids: vec!["there".into(), "denied".into()] };
        let payload = prost::Message::encode_to_vec(&request);
        let record = acme.solo.record("acme", "legal_hold", "DiscardKeys", payload);
        let answer = acme.solo.submit(CommandRecord { actor: Some(stream_actor(sender, sender)), ..record });
        acme.solo.settle();
        Answer(answer).events()
    };
    assert!(discard(&mut acme, "globex").is_empty(), "another tenant's stream has no say");
    let events = discard(&mut acme, "acme");
    assert!(matches!(&events[..], [Event::ItemKeysDiscarded(event)] if event.item_ids == ["denied"]));
    assert_eq!(acme.solo.destroyed_keys, [("acme".to_owned(), "item/denied".to_owned())]);
    assert!(discard(&mut acme, "acme").is_empty(), "once");
    assert_eq!(acme.register(item(&acme, "denied")).code(), "ITEM_DISPOSED");
    assert_eq!(acme.state("there"), ItemState::Active);
    acme.solo.check_replay();
}
