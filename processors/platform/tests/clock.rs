//! Moving the log's clock, one case each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::partitions::Partitions;
use common::*;
use daybook_kernel::id::TenantId;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::system::DELAY_MAX;
use daybook_proto::platform::v1;
use platform_projection::Event;

#[test]
fn the_policies_that_ship_let_nobody_move_it() {
    let mut site = Site::new();
    let before = site.solo.log_time();
    let denied = site.ask("AdvanceClock", &advance(HOUR));
    assert_eq!(denied.code(), "POLICY_DENIED");
    assert_eq!(denied.rejected().metadata["action"], "Platform::AdvanceClock");
    site.solo.settle();
    assert_eq!(site.solo.log_time(), before);
}

#[test]
fn it_moves_forward_and_timers_follow() {
    let mut site = Site::of_development();
    site.bell("acme", "Wind", "b").accepted();
    site.solo.settle();
    let before = site.solo.log_time();
    let advanced = site.ask("AdvanceClock", &advance(HOUR)).accepted();
    assert_eq!(advanced.0.determining_policies, ["development-clock"]);
    assert_eq!(site.solo.log_time(), before, "decided is not yet done");
    site.solo.settle();
    assert_eq!(site.solo.log_time(), before.saturating_add(HOUR));
    let acme = TenantId::parse("acme").unwrap();
    assert_eq!(site.solo.tables::<bell::Tables<'_>>(&acme).rings().get(("b",)).unwrap(), Some(1));
    site.ask("AdvanceClock", &advance(HOUR)).accepted();
    site.solo.settle();
    assert_eq!(site.solo.log_time(), before.saturating_add(2 * HOUR), "each adds to the one before");
    site.solo.check_replay();
}

#[test]
fn durations_that_are_none_are_refused_with_the_field() {
    let mut site = Site::of_development();
    let proto = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    let longest = i64::try_from(DELAY_MAX.as_secs()).unwrap();
    for by in [None, proto(0, 0), proto(-1, 0), proto(0, -1), proto(0, 1_000_000_000), proto(longest, 1)] {
        let refused = site.ask("AdvanceClock", &v1::AdvanceClockRequest { by, ..Default::default() });
        assert_eq!((refused.code(), refused.fields()), ("INVALID_ARGUMENT", vec!["by"]), "{by:?}");
    }
    for by in [proto(0, 1_000), proto(longest, 0)] {
        site.ask("AdvanceClock", &v1::AdvanceClockRequest { by, ..Default::default() }).accepted();
    }
    site.solo.settle();
    site.solo.check_replay();
}

/// A record whose time lies beyond the year 9999 could be read by nobody: the log would end there.
#[test]
fn however_often_it_is_moved_the_log_stays_readable() {
    let mut site = Site::of_development();
    site.ask("AdvanceClock", &advance(DELAY_MAX - HOUR)).accepted();
    site.solo.settle();
    let refused = (0..60).find_map(|_| {
        let answer = site.ask("AdvanceClock", &advance(DELAY_MAX));
        site.solo.settle();
        (answer.code() != "ACCEPTED").then_some(answer)
    });
    let refused = refused.expect("it is refused at last");
    assert_eq!((refused.code(), refused.fields()), ("INVALID_ARGUMENT", vec!["by"]));
    site.ask("AdvanceClock", &advance(HOUR)).accepted();
    site.solo.settle();
    let microsecond = Duration::from_micros(1);
    assert_eq!(site.ask("AdvanceClock", &advance(microsecond)).code(), "INVALID_ARGUMENT", "that was the last hour");
    site.bell("acme", "Wind", "b").accepted();
    for record in &site.solo.records {
        assert!(DecisionRecord::read(record.clone()).is_ok());
    }
    site.solo.check_replay();
}

/// The same when the home stream decides them all before any partition was told.
#[test]
fn what_was_decided_ahead_leaves_every_partition_with_the_same_clock() {
    let mut all = Partitions::new(2);
    let published = all.ask("PublishPolicySet", &publish(&development()));
    let Some(Event::PolicySetPublished(event)) = published.events().pop() else { panic!("{published:?}") };
    all.ask("ActivatePolicySet", &activate(&event.policy_set.unwrap().policy_set_hash)).accepted();
    all.deliver_all();
    for years in (0..60).map(|n| 100 + n) {
        all.ask("AdvanceClock", &advance(Duration::from_secs(years * 365 * 86_400))).accepted();
    }
    all.deliver_to(0);
    for (key, row) in all.open_for(1).into_iter().rev() {
        all.deliver(key, &row);
    }
    assert!(all.open().is_empty());
    assert_eq!(all.clock_ahead_us(0), all.clock_ahead_us(1), "in whatever order they are told");
    all.ask("CreateTenant", &create("acme")).accepted();
    all.deliver_all();
    for partition in [0, 1] {
        all.ring("acme", partition).accepted();
        let time = all.time(partition);
        assert_eq!(daybook_kernel::time::Timestamp::from_proto(&time.to_proto()), Ok(time), "a time that can be read");
    }
}

#[test]
fn a_partition_that_is_told_twice_moves_once() {
    let mut site = Site::of_development();
    let before = site.solo.log_time();
    site.ask("AdvanceClock", &advance(HOUR)).accepted();
    let (key, row) = site.first_effect().unwrap();
    site.forward(key, &row).accepted();
    assert_eq!(site.forward(key, &row).code(), "DUPLICATE");
    assert_eq!(site.confirm(key, &row, true, 0).accepted().events(), [], "the clock needs no count");
    assert_eq!(site.confirm(key, &row, true, 1).code(), "EFFECT_ALREADY_RECORDED");
    assert_eq!(site.solo.log_time(), before.saturating_add(HOUR));
    site.solo.check_replay();
}
