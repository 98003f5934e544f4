//! Retention in calendar time, and what stops a slip of the hand from deleting what was to be kept.

use daybook_kernel::time::{Timestamp, duration_to_proto};
use daybook_proto::legal_hold::v1::*;
use legal_hold_projection::Event;
use std::time::Duration;

use crate::common::*;

fn years(years: u32) -> Option<CalendarPeriod> {
    Some(CalendarPeriod { years, ..Default::default() })
}

fn set(class: RetentionClass, accept_due_items: u64) -> SetRetentionClassRequest {
    SetRetentionClassRequest { retention_class: Some(class), accept_due_items, ..Default::default() }
}

fn class(id: &str, calendar_period: Option<CalendarPeriod>) -> RetentionClass {
    RetentionClass {
        retention_class_id: id.into(),
        calendar_period,
        action: RetentionAction::Delete.into(),
        ..Default::default()
    }
}

fn exactly(id: &str, period: Duration) -> RetentionClass {
    RetentionClass { period: Some(duration_to_proto(period)), ..class(id, None) }
}

/// A tenant with three items of nine years, eleven years and a day in a class of ten years.
fn ten_years() -> Acme {
    let mut acme = Acme::new();
    acme.ask("SetRetentionClass", &set(class("hr", years(10)), 0), "rita", "records-manager").accepted();
    for (id, days) in [("nine", 9 * 365), ("four", 4 * 365), ("new", 1)] {
        register_aged(&mut acme, "hr", id, days);
    }
    acme
}

/// Registers an item that was created so many days ago.
fn register_aged(acme: &mut Acme, class: &str, id: &str, days: i64) {
    let created = Timestamp::from_micros(acme.solo.now.as_micros() - days * 86_400_000_000);
    let new = Item { retention_class_id: class.into(), created_at: Some(created.to_proto()), ..item(acme, id) };
    acme.register(new).accepted();
}

#[test]
fn ten_years_are_ten_years_whatever_leap_days_lie_between() {
    let mut acme = Acme::new();
    acme.ask("SetRetentionClass", &set(class("hr", years(10)), 0), "rita", "records-manager").accepted();
    // 2028-03-01T00:00:00Z; ten years later there are three leap days between.
    let created = Timestamp::from_micros(1_835_481_600_000_000);
    acme.solo.now = created;
    acme.register(Item { retention_class_id: "hr".into(), created_at: Some(created.to_proto()), ..item(&acme, "a") })
        .accepted();
    // 2038-02-28T23:00:00Z.
    acme.solo.now = Timestamp::from_micros(2_151_010_800_000_000);
    acme.solo.settle();
    assert_eq!(acme.state("a"), ItemState::Active, "3,650 days are over, ten years are not");
    acme.after(Duration::from_secs(3_600));
    assert_eq!(acme.state("a"), ItemState::Purged);
    acme.solo.check_replay();
}

#[test]
fn a_slip_of_the_unit_deletes_nothing() {
    let mut acme = ten_years();
    let refused =
        acme.ask("SetRetentionClass", &set(exactly("hr", 12 * Duration::from_secs(60)), 0), "rita", "records-manager");
    assert_eq!(refused.code(), "RETENTION_DUE_NOT_ACCEPTED");
    let refused = acme.ask("SetRetentionClass", &set(class("hr", years(1)), 1), "rita", "records-manager");
    assert_eq!(refused.code(), "RETENTION_DUE_NOT_ACCEPTED", "two would fall due, one was accepted");
    // Nothing falls due at once, but what was registered yesterday would within the month.
    let refused = acme.ask("SetRetentionClass", &set(exactly("hr", 3_285 * DAY), 0), "rita", "records-manager");
    assert_eq!(refused.code(), "RETENTION_DUE_NOT_ACCEPTED");
    acme.after(DAY);
    for id in ["nine", "four", "new"] {
        assert_eq!(acme.state(id), ItemState::Active);
    }
}

/// However little of its time is left to an item, it is not taken away unasked.
#[test]
fn an_item_that_would_fall_due_within_the_month_counts_when_it_falls_due_earlier() {
    let mut acme = Acme::new();
    acme.ask("SetRetentionClass", &set(exactly("chat", 30 * DAY), 0), "rita", "records-manager").accepted();
    register_aged(&mut acme, "chat", "a", 8);
    let one_second = exactly("chat", Duration::from_secs(1));
    for period in [Duration::from_secs(1), 29 * DAY] {
        let refused = acme.ask("SetRetentionClass", &set(exactly("chat", period), 0), "rita", "records-manager");
        assert_eq!(refused.code(), "RETENTION_DUE_NOT_ACCEPTED", "{period:?}");
    }
    acme.ask("SetRetentionClass", &set(one_second.clone(), 1), "rita", "records-manager").accepted();
    acme.after(DAY);
    assert_eq!((acme.state("a"), acme.pending_retention("chat").unwrap().due_items), (ItemState::Active, 1));
    acme.approve_retention("chat", "rob", "records-manager", 1).accepted();
    acme.after(DAY);
    assert_eq!(acme.state("a"), ItemState::Purged);

    // What is due already, and waits for nothing but the next run, does not fall due by a change.
    let mut acme = Acme::new();
    acme.ask("SetRetentionClass", &set(exactly("chat", DAY), 0), "rita", "records-manager").accepted();
    register_aged(&mut acme, "chat", "b", 8);
    acme.ask("SetRetentionClass", &set(one_second, 0), "rita", "records-manager").accepted();
    acme.solo.check_replay();
}

#[test]
fn what_was_accepted_waits_for_a_second_person() {
    let mut acme = ten_years();
    let events = acme.ask("SetRetentionClass", &set(class("hr", years(3)), 2), "rita", "records-manager").events();
    assert!(matches!(&events[..], [Event::RetentionChangeRequested(_)]), "{events:?}");
    acme.after(DAY);
    assert_eq!(acme.state("nine"), ItemState::Active);
    assert_eq!(acme.pending_retention("hr").unwrap().due_items, 2);
    let again = acme.ask("SetRetentionClass", &set(class("hr", years(2)), 9), "rita", "records-manager");
    assert_eq!(again.code(), "RETENTION_CHANGE_PENDING");
    assert_eq!(acme.approve_retention("hr", "rita", "records-manager", 2).code(), "SECOND_PERSON_REQUIRED");
    assert_eq!(acme.approve_retention("hr", "sam", "service", 2).code(), "POLICY_DENIED");
    assert_eq!(acme.approve_retention("hr", "rob", "records-manager", 1).code(), "RETENTION_DUE_NOT_ACCEPTED");
    acme.approve_retention("hr", "rob", "records-manager", 2).accepted();
    acme.after(DAY);
    assert_eq!(
        (acme.state("nine"), acme.state("four"), acme.state("new")),
        (ItemState::Purged, ItemState::Purged, ItemState::Active)
    );
    assert_eq!(acme.approve_retention("hr", "rob", "records-manager", 2).code(), "RETENTION_CHANGE_NOT_PENDING");
    acme.solo.check_replay();
}

#[test]
fn a_pending_change_is_declined_or_void_when_the_class_is_set_anew() {
    let mut acme = ten_years();
    acme.ask("SetRetentionClass", &set(class("hr", years(3)), 2), "rita", "records-manager").accepted();
    let decline = DeclineRetentionChangeRequest {
        retention_class_id: "hr".into(),
        change_id: acme.pending_retention("hr").unwrap().change_id,
        comment: "typed wrongly".into(),
        ..Default::default()
    };
    acme.ask("DeclineRetentionChange", &decline, "rita", "records-manager").accepted();
    assert_eq!(acme.pending_retention("hr"), None);
    acme.ask("SetRetentionClass", &set(class("hr", years(3)), 2), "rita", "records-manager").accepted();
    let asked = acme.pending_retention("hr").unwrap();
    acme.ask("SetRetentionClass", &set(class("hr", years(12)), 0), "rita", "records-manager").accepted();
    let late = ApproveRetentionChangeRequest {
        retention_class_id: "hr".into(),
        change_id: asked.change_id,
        accept_due_items: 9,
        ..Default::default()
    };
    assert_eq!(
        acme.ask("ApproveRetentionChange", &late, "rob", "records-manager").code(),
        "RETENTION_CHANGE_NOT_PENDING"
    );
    acme.solo.check_replay();
}

#[test]
fn keeping_longer_needs_nobody() {
    let mut acme = ten_years();
    let events = acme.ask("SetRetentionClass", &set(class("hr", years(30)), 0), "rita", "records-manager").events();
    assert!(matches!(&events[..], [Event::RetentionClassSet(event)] if event.due_items == 0));
    let new = acme.ask("SetRetentionClass", &set(class("empty", years(1)), 0), "rita", "records-manager").events();
    assert!(matches!(&new[..], [Event::RetentionClassSet(_)]));
}

#[test]
fn deleting_what_was_to_be_reviewed_counts_as_falling_due() {
    let mut acme = Acme::new();
    acme.register(Item { retention_class_id: "review".into(), ..item(&acme, "a") }).accepted();
    let refused = acme.ask("SetRetentionClass", &set(exactly("review", 30 * DAY), 0), "rita", "records-manager");
    assert_eq!(refused.code(), "RETENTION_DUE_NOT_ACCEPTED");
}

#[test]
fn a_period_is_set_once_and_is_more_than_nothing() {
    let mut acme = Acme::new();
    let wrong = |acme: &mut Acme, class: RetentionClass| {
        let refused = acme.ask("SetRetentionClass", &set(class, 0), "rita", "records-manager");
        assert_eq!(refused.code(), "INVALID_ARGUMENT");
        refused.fields()
    };
    let both = RetentionClass { calendar_period: years(1), ..exactly("c", DAY) };
    assert_eq!(wrong(&mut acme, both), ["retention_class.calendar_period"]);
    assert_eq!(wrong(&mut acme, class("c", None)), ["retention_class.calendar_period"]);
    assert_eq!(wrong(&mut acme, class("c", years(0))), ["retention_class.calendar_period"]);
    assert_eq!(wrong(&mut acme, class("c", years(201))), ["retention_class.calendar_period"]);
    assert_eq!(wrong(&mut acme, exactly("c", Duration::ZERO)), ["retention_class.period"]);
    assert_eq!(wrong(&mut acme, exactly("c", Duration::from_nanos(1))), ["retention_class.period"]);
}

#[test]
fn a_registration_can_be_refused_whose_retention_is_over_already() {
    let mut acme = Acme::new();
    let old = Timestamp::from_micros(acme.solo.now.as_micros() - 40 * 86_400_000_000);
    let items = vec![item(&acme, "new"), Item { created_at: Some(old.to_proto()), ..item(&acme, "old") }];
    let careful = RegisterItemsRequest { items: items.clone(), refuse_due: true, ..Default::default() };
    let refused = acme.ask("RegisterItems", &careful, "rita", "records-manager");
    assert_eq!(refused.code(), "RETENTION_ALREADY_OVER");
    assert!(acme.tables().items().get(("new",)).unwrap().is_none(), "all or none");
    let request = RegisterItemsRequest { items, ..Default::default() };
    let events = acme.ask("RegisterItems", &request, "rita", "records-manager").events();
    assert!(matches!(&events[..], [Event::ItemsRegistered(event)] if event.due_count == 1));
    acme.solo.settle();
    assert_eq!((acme.state("new"), acme.state("old")), (ItemState::Active, ItemState::Purged));
}

#[test]
fn a_release_can_wait_for_calendar_months() {
    let mut acme = Acme::new();
    let months = |months: u32| Some(CalendarPeriod { months, ..Default::default() });
    let request = PlaceHoldRequest {
        hold_id: "h".into(),
        name: "h".into(),
        reason: "r".into(),
        scope: Some(on("ada")),
        calendar_release_delay: months(6),
        ..Default::default()
    };
    acme.ask("PlaceHold", &request, "lea", "legal").accepted();
    let both = PlaceHoldRequest { hold_id: "i".into(), release_delay: Some(duration_to_proto(DAY)), ..request.clone() };
    assert_eq!(acme.ask("PlaceHold", &both, "lea", "legal").fields(), ["calendar_release_delay"]);
    // 2027-08-31T00:00:00Z: six months later there is no 31st, so the last day of that month counts to its end.
    acme.solo.now = Timestamp::from_micros(1_819_670_400_000_000);
    acme.release("h");
    let ends = acme.hold("h").release_effective_at.unwrap();
    assert_eq!(ends.seconds, 1_835_481_600, "2028-03-01T00:00:00Z: {ends}");
    let long =
        ReleaseHoldRequest { hold_id: "h".into(), reason: "r".into(), calendar_delay: years(11), ..Default::default() };
    assert_eq!(acme.ask("ReleaseHold", &long, "lea", "legal").fields(), ["calendar_delay"]);
}
