//! Holds over several tenants, one behaviour each.

use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::{Actor, CommandRecord, actor::Kind};
use legal_hold_projection::Event;
use prost::Message;
use std::time::Duration;

use crate::common::{Answer, DAY, on};
use crate::tenants::{ALL, Tenants, in_tenants, later, place};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_hold_is_in_force_in_each_tenant_and_governed_from_one() {
    let mut tenants = Tenants::new();
    tenants.register("globex", "a", "ada").accepted();
    tenants.place("acme", "h", "ada", &["globex"]).accepted();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Pending, "nobody has confirmed it yet");
    tenants.solo.settle();
    let other = tenants.hold("acme", "h").other_tenants[0].clone();
    assert_eq!((other.state(), other.hold_id.as_str()), (TenantHoldState::Active, "@acme/1/h"));
    assert!(other.position.is_some() && other.answered_at.is_some());
    let there = tenants.hold("globex", "@acme/1/h");
    assert_eq!((there.governed_by_tenant_id.as_str(), there.governing_hold_id.as_str()), ("acme", "h"));
    let release = ReleaseHoldRequest { hold_id: "@acme/1/h".into(), reason: "no".into(), ..Default::default() };
    let refused = tenants.ask("globex", "ReleaseHold", &release, "gus", "legal");
    assert_eq!(refused.code(), "HOLD_GOVERNED_ELSEWHERE");
    tenants.dispose("globex", "a").accepted();
    assert_eq!(tenants.item_state("globex", "a"), ItemState::Deferred);

    tenants.release("acme", "h").unwrap().accepted();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Releasing, "not before globex says so");
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Released);
    assert_eq!(tenants.hold("globex", "@acme/1/h").state(), HoldState::Released);
    assert_eq!(tenants.item_state("globex", "a"), ItemState::Purged);
    assert!(tenants.alarms().is_empty());
    tenants.solo.check_replay();
}

#[test]
fn a_tenant_that_is_taken_out_and_put_in_again_holds_again() {
    let mut tenants = Tenants::new();
    tenants.register("globex", "a", "ada").accepted();
    tenants.place("acme", "h", "ada", &["globex"]).accepted();
    tenants.solo.settle();
    tenants.move_to("acme", "h", "ada", &[]).accepted();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Releasing);
    tenants.solo.settle();
    assert_eq!(tenants.hold("globex", "@acme/1/h").state(), HoldState::Released);
    assert!(tenants.hold("acme", "h").other_tenants.is_empty(), "it is in no other tenant any more");

    tenants.move_to("acme", "h", "ada", &["globex"]).accepted();
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Active);
    assert_eq!(tenants.hold("globex", "@acme/3/h").state(), HoldState::Active, "a new hold, with an id of its own");
    tenants.dispose("globex", "a").accepted();
    assert_eq!(tenants.item_state("globex", "a"), ItemState::Deferred);
    tenants.solo.check_replay();
}

#[test]
fn updates_that_arrive_in_another_order_leave_what_was_wanted_last() {
    // Of three updates (place, release, place again) every order, with the home asking until it is sure.
    for order in [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 1, 0]] {
        let mut tenants = Tenants::new();
        tenants.place("acme", "h", "ada", &["globex"]).accepted();
        tenants.move_to("acme", "h", "ada", &[]).accepted();
        tenants.move_to("acme", "h", "ada", &["globex"]).accepted();
        for which in order {
            assert!(tenants.solo.run_effect(which));
        }
        let standing = tenants.in_force().into_iter().filter(|shown| shown.said_by.contains("of globex")).count();
        assert_eq!((standing, tenants.shown("acme", "h", "globex")), (1, TenantHoldState::Active), "{order:?}");
        // And the other way round: released last, whatever comes late.
        tenants.move_to("acme", "h", "ada", &[]).accepted();
        tenants.move_to("acme", "h", "ada", &["globex"]).accepted();
        tenants.move_to("acme", "h", "ada", &[]).accepted();
        for which in order {
            assert!(tenants.solo.run_effect(which));
        }
        tenants.settle();
        let standing = tenants.in_force().into_iter().filter(|shown| shown.said_by.contains("of globex")).count();
        assert_eq!((standing, tenants.hold("acme", "h").other_tenants.len()), (0, 0), "{order:?}");
        assert!(tenants.alarms().is_empty());
        tenants.solo.check_replay();
    }
}

#[test]
fn an_id_that_stands_for_a_hold_of_another_tenant_cannot_be_chosen() {
    let mut tenants = Tenants::new();
    for id in ["@acme/1/h", "@globex/1/h", "@"] {
        let refused = tenants.place("globex", id, "bob", &[]);
        assert_eq!((refused.code(), refused.fields()), ("INVALID_ARGUMENT", vec!["hold_id".to_owned()]), "{id}");
    }
    // What an older release used for it is an id like any other now, and is not touched.
    tenants.register("globex", "a", "bob").accepted();
    tenants.place("globex", "acme:h", "bob", &[]).accepted();
    tenants.place("acme", "h", "kim", &["globex"]).accepted();
    tenants.solo.settle();
    let own = tenants.hold("globex", "acme:h");
    assert_eq!(
        (own.scope.clone(), own.governed_by_tenant_id.as_str(), own.state()),
        (Some(on("bob")), "", HoldState::Active)
    );
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Active);
    tenants.dispose("globex", "a").accepted();
    assert_eq!(tenants.item_state("globex", "a"), ItemState::Deferred, "globex's own hold holds what it held");
    tenants.solo.check_replay();
}

#[test]
fn the_id_of_a_hold_over_several_tenants_leaves_room_for_the_tenant() {
    let mut tenants = Tenants::new();
    let long = "h".repeat(180);
    let refused = tenants.place("acme", &long, "ada", &["globex"]);
    assert_eq!((refused.code(), refused.fields()), ("INVALID_ARGUMENT", vec!["hold_id".to_owned()]));
    tenants.place("acme", &long, "ada", &[]).accepted();
    let refused = tenants.move_to("acme", &long, "ada", &["globex"]);
    assert_eq!(refused.code(), "INVALID_ARGUMENT");
    tenants.place("acme", &"h".repeat(173), "ada", &["globex"]).accepted();
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", &"h".repeat(173), "globex"), TenantHoldState::Active);
}

#[test]
fn nobody_ends_or_changes_a_hold_in_a_tenant_that_the_token_does_not_speak_for() {
    let mut tenants = Tenants::new();
    tenants.place("acme", "h", "ada", &["globex"]).accepted();
    tenants.solo.settle();
    let release = ReleaseHoldRequest { hold_id: "h".into(), reason: "settled".into(), ..Default::default() };
    let end_time = Some(later(&tenants, DAY).to_proto());
    let ends = ScopeChange { replace_end_time: true, end_time, ..Default::default() };
    let change = |change: ScopeChange| ChangeHoldScopeRequest {
        hold_id: "h".into(),
        change: Some(change),
        reason: "r".into(),
        ..Default::default()
    };
    let not_in_token = |answer: Answer| assert_eq!(answer.code(), "TENANT_NOT_IN_TOKEN");
    not_in_token(tenants.legal("acme", &["acme"], "ReleaseHold", &release, "alice"));
    not_in_token(tenants.legal("acme", &["acme"], "ChangeHoldScope", &in_tenants("h", "ada", &[]), "alice"));
    not_in_token(tenants.legal("acme", &["acme"], "ChangeHoldScope", &change(ends), "alice"));
    let widens = ScopeChange { replace_end_time: true, ..Default::default() };
    not_in_token(tenants.legal("acme", &["acme"], "ChangeHoldScope", &in_tenants("h", "ada", &["globex"]), "alice"));
    // Asked for by one who may, approved by one who may not.
    tenants.legal("acme", &ALL, "ReleaseHold", &release, "alice").accepted();
    not_in_token(tenants.approve("acme", "h", &["acme"], "bob").unwrap());
    let pending = tenants.hold("acme", "h").pending_change.unwrap();
    let decline = DeclineHoldChangeRequest { hold_id: "h".into(), change_id: pending.change_id, ..Default::default() };
    tenants.legal("acme", &["acme"], "DeclineHoldChange", &decline, "bob").accepted();
    tenants.legal("acme", &ALL, "ChangeHoldScope", &in_tenants("h", "ada", &[]), "alice").accepted();
    not_in_token(tenants.approve("acme", "h", &["acme"], "bob").unwrap());
    // What concerns the home alone needs no more than the home's token.
    let own = ScopeChange { scope: Some(Scope { everything: true, ..Default::default() }), ..Default::default() };
    assert_eq!(
        tenants.legal("acme", &["acme"], "ChangeHoldScope", &change(own), "alice").code(),
        "HOLD_CHANGE_PENDING"
    );
    drop(widens);
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Active);
    tenants.solo.check_replay();
}

#[test]
fn one_person_narrows_nothing_in_another_tenant() {
    let mut tenants = Tenants::new();
    tenants.place("acme", "h", "ada", &["globex"]).accepted();
    tenants.solo.settle();
    let events = tenants.legal("acme", &ALL, "ChangeHoldScope", &in_tenants("h", "bob", &["globex"]), "lea").events();
    assert!(matches!(events[..], [Event::HoldChangeRequested(_)]), "{events:?}");
    tenants.solo.settle();
    assert_eq!(tenants.hold("globex", "@acme/1/h").scope, Some(on("ada")));
    tenants.approve("acme", "h", &ALL, "leo").unwrap().accepted();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Pending);
    tenants.solo.settle();
    assert_eq!(tenants.hold("globex", "@acme/1/h").scope, Some(on("bob")));
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Active);
}

#[test]
fn a_stream_cannot_speak_for_the_holds_of_another_tenant() {
    let mut tenants = Tenants::new();
    tenants.place("acme", "h", "ada", &["globex"]).accepted();
    tenants.solo.settle();
    let command = ApplyGoverningHold {
        governed_by_tenant_id: "acme".into(),
        hold: Some(Hold { hold_id: "h".into(), scope: Some(on("bob")), ..Default::default() }),
        release: false,
        revision: 9,
    };
    for sender in ["stream/initech/initech", "stream/acme-2/acme-2", "timer", "effect"] {
        let record = tenants.solo.record("globex", "legal_hold", "ApplyGoverningHold", command.encode_to_vec());
        let actor = Actor { kind: Kind::System.into(), id: sender.into(), ..Default::default() };
        let answer = Answer(tenants.solo.submit(CommandRecord { actor: Some(actor), ..record }));
        assert_eq!(answer.code(), "HOLD_GOVERNED_ELSEWHERE", "{sender}");
    }
    assert_eq!(tenants.hold("globex", "@acme/1/h").scope, Some(on("ada")));
}

#[test]
fn a_tenant_that_refuses_is_asked_again_until_it_confirms_and_an_alarm_says_so_meanwhile() {
    let mut tenants = Tenants::new();
    let spoken_for = ["acme", "later-known"];
    tenants.legal("acme", &spoken_for, "PlaceHold", &place("h", "ada", &["later-known"]), "lea").accepted();
    tenants.solo.settle();
    let other = tenants.hold("acme", "h").other_tenants[0].clone();
    assert_eq!((other.state(), other.code.as_str()), (TenantHoldState::Refused, "TENANT_UNKNOWN"));
    let alarms = tenants.alarms();
    assert!(alarms.len() == 1 && alarms[0].contains("refuses it with TENANT_UNKNOWN"), "{alarms:?}");

    let create =
        daybook_proto::platform::v1::CreateTenantRequest { new_tenant_id: "later-known".into(), ..Default::default() };
    tenants.solo.ask("platform", "platform", "CreateTenant", &create, "root", &["admin"]);
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", "h", "later-known"), TenantHoldState::Refused, "not asked again yet");
    tenants.solo.advance(2 * MINUTE);
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", "h", "later-known"), TenantHoldState::Active);
    assert!(tenants.alarms().is_empty(), "it is settled");
    tenants.solo.check_replay();
}

#[test]
fn a_tenant_that_does_not_answer_raises_an_alarm() {
    let mut tenants = Tenants::new();
    tenants.place("acme", "h", "ada", &["globex"]).accepted();
    tenants.solo.advance(2 * MINUTE);
    assert!(tenants.solo.fire_one_timer(), "it is asked again");
    let alarms = tenants.alarms();
    assert!(alarms.len() == 1 && alarms[0].contains("has not confirmed it"), "{alarms:?}");
    let audit = tenants.tables("acme", |tables| {
        tables.audit().scan(daybook_kernel::key::All).map(|row| row.unwrap().1.action()).collect::<Vec<_>>()
    });
    assert_eq!(audit.last(), Some(&AuditAction::TenantHoldsAsked), "it is in the audit");
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Active);
    assert!(tenants.alarms().is_empty());
}

#[test]
fn a_hold_that_is_lost_in_another_tenant_is_noticed_within_a_day_and_placed_again() {
    let mut tenants = Tenants::new();
    tenants.place("acme", "h", "ada", &["globex"]).accepted();
    tenants.solo.settle();
    // As a release that did not hold the law would have done it.
    let command = ApplyGoverningHold {
        governed_by_tenant_id: "acme".into(),
        hold: Some(Hold { hold_id: "h".into(), ..Default::default() }),
        release: true,
        revision: 2,
    };
    let record = tenants.solo.record("globex", "legal_hold", "ApplyGoverningHold", command.encode_to_vec());
    let actor = daybook_kernel::domain::stream_actor("acme", "acme");
    Answer(tenants.solo.submit(CommandRecord { actor: Some(actor), ..record })).accepted();
    assert_eq!(tenants.hold("globex", "@acme/1/h").state(), HoldState::Released);

    tenants.solo.advance(DAY);
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Differs);
    assert!(tenants.alarms()[0].contains("something else is in force"), "{:?}", tenants.alarms());
    tenants.solo.advance(2 * MINUTE);
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Active);
    assert_eq!(tenants.hold("globex", "@acme/3/h").state(), HoldState::Active);
    assert!(tenants.alarms().is_empty());
    tenants.solo.check_replay();
}

#[test]
fn tenants_are_asked_now_when_somebody_wants_to_know() {
    let mut tenants = Tenants::new();
    tenants.place("acme", "h", "ada", &["globex", "initech"]).accepted();
    tenants.solo.settle();
    let confirm = ConfirmHoldRequest { hold_id: "h".into(), ..Default::default() };
    let before = tenants.hold("acme", "h").other_tenants[0].answered_at;
    tenants.solo.advance(MINUTE);
    let events = tenants.ask("acme", "ConfirmHold", &confirm, "lea", "legal").events();
    assert!(matches!(&events[..], [Event::TenantHoldsAsked(event)] if event.governing_updates.len() == 2));
    tenants.solo.settle();
    assert_ne!(tenants.hold("acme", "h").other_tenants[0].answered_at, before);
    tenants.place("acme", "alone", "ada", &[]).accepted();
    let confirm = ConfirmHoldRequest { hold_id: "alone".into(), ..Default::default() };
    assert_eq!(tenants.ask("acme", "ConfirmHold", &confirm, "lea", "legal").code(), "HOLD_UNCHANGED");
    assert_eq!(tenants.ask("acme", "ConfirmHold", &confirm, "rita", "records-manager").code(), "POLICY_DENIED");
}

#[test]
fn a_hold_that_starts_later_starts_everywhere_and_ends_elsewhere_only_when_home_says_so() {
    let mut tenants = Tenants::new();
    let request = PlaceHoldRequest {
        start_time: Some(later(&tenants, 5 * DAY).to_proto()),
        end_time: Some(later(&tenants, 10 * DAY).to_proto()),
        ..place("h", "ada", &["globex"])
    };
    tenants.legal("acme", &ALL, "PlaceHold", &request, "lea").accepted();
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Scheduled);
    tenants.solo.advance(5 * DAY);
    tenants.solo.settle();
    assert_eq!(tenants.hold("acme", "h").state(), HoldState::Active);
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Active);
    tenants.solo.advance(5 * DAY);
    // Both have a timer for the end; the one in globex must do nothing by itself.
    while tenants.solo.fire_one_timer() {
        let home = tenants.hold("acme", "h").state();
        assert_eq!(tenants.hold("globex", "@acme/1/h").state(), HoldState::Active, "home is {home:?}");
    }
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Releasing);
    tenants.solo.settle();
    assert_eq!(tenants.shown("acme", "h", "globex"), TenantHoldState::Released);
    tenants.solo.check_replay();
}

#[test]
fn a_tenant_confirms_once_a_day_and_that_is_no_news_in_the_audit() {
    let mut tenants = Tenants::new();
    tenants.place("acme", "h", "ada", &["globex"]).accepted();
    tenants.settle();
    let entries = |tenants: &Tenants| {
        ALL.map(|tenant| tenants.tables(tenant, |tables| tables.audit().scan(daybook_kernel::key::All).count()))
    };
    let before = entries(&tenants);
    let answered = tenants.hold("acme", "h").other_tenants[0].answered_at;
    tenants.settle();
    assert_eq!(entries(&tenants), before);
    assert_ne!(tenants.hold("acme", "h").other_tenants[0].answered_at, answered);
}
