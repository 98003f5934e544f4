//! Raising the feature level, one case each; and what a release does that does not understand it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::partitions::Partitions;
use common::*;
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::state::Fault;
use daybook_proto::platform::v1;
use platform_projection::Event;

fn raise(level: u32, nodes: &[(&str, u32)]) -> v1::RaiseFeatureLevelRequest {
    let node = |(node_id, newest_feature_level): &(&str, u32)| v1::NodeRelease {
        node_id: (*node_id).into(),
        version: "9.9.9".into(),
        newest_feature_level: *newest_feature_level,
    };
    v1::RaiseFeatureLevelRequest { level, nodes: nodes.iter().map(node).collect(), ..Default::default() }
}

/// Partitions of nodes that understand levels up to 9.
fn newer(partitions: u32) -> Partitions {
    let mut all = Partitions::new(partitions);
    all.understand(FeatureLevel(9));
    all
}

fn level(all: &Partitions) -> v1::FeatureLevel {
    all.home_tables().feature_level().get(()).unwrap().unwrap_or_default()
}

fn level_on(all: &Partitions, partition: u32) -> u32 {
    all.tables(partition).governance().feature_level().get(()).unwrap().map_or(0, |row| row.level)
}

#[test]
fn it_arrives_on_every_partition_with_the_nodes_there_were() {
    let mut all = newer(3);
    let asked = raise(2, &[("n1", 2), ("n2", 3)]);
    let events = all.ask("RaiseFeatureLevel", &asked).accepted().events();
    assert!(matches!(&events[..], [Event::FeatureLevelRaised(raised)] if raised.level == 2 && raised.partitions == 3));
    assert_eq!((0..3).map(|partition| level_on(&all, partition)).max(), Some(0), "decided is not yet done");
    all.deliver_to(1);
    assert_eq!((level_on(&all, 1), level(&all).partitions_ready), (2, 1));
    all.deliver_all();
    assert!((0..3).all(|partition| level_on(&all, partition) == 2));
    let shown = level(&all);
    assert_eq!((shown.level, shown.partitions_ready, shown.partitions), (2, 3, 3));
    assert_eq!((shown.raised_by.as_str(), shown.nodes), ("root", asked.nodes));
}

#[test]
fn without_a_number_it_is_what_every_node_understands() {
    let mut all = newer(2);
    all.ask("RaiseFeatureLevel", &raise(0, &[("n1", 4), ("n2", 3)])).accepted();
    assert_eq!(level(&all).level, 3);
}

#[test]
fn what_one_node_does_not_understand_is_refused_with_its_name() {
    let mut all = newer(2);
    for (asked, node) in [
        (raise(3, &[("n1", 3), ("n2", 2)]), "n2"),
        (raise(0, &[("n1", 3), ("n2", 0)]), "n2"),
        (raise(1, &[("n1", 0), ("n2", 2)]), "n1"),
    ] {
        let refused = all.ask("RaiseFeatureLevel", &asked);
        assert_eq!(refused.code(), "FEATURE_LEVEL_NOT_UNDERSTOOD");
        assert_eq!(refused.rejected().metadata["node_id"], node);
    }
    assert_eq!(level(&all).level, 0);
}

#[test]
fn it_is_never_lowered() {
    let mut all = newer(2);
    all.ask("RaiseFeatureLevel", &raise(3, &[("n1", 5)])).accepted();
    for level in [1, 2, 3] {
        let refused = all.ask("RaiseFeatureLevel", &raise(level, &[("n1", 5)]));
        assert_eq!(refused.code(), "FEATURE_LEVEL_UNCHANGED");
        assert_eq!(refused.rejected().metadata["feature_level"], "3");
    }
    assert_eq!(all.ask("RaiseFeatureLevel", &raise(0, &[("n1", 3)])).code(), "FEATURE_LEVEL_UNCHANGED");
    all.ask("RaiseFeatureLevel", &raise(0, &[("n1", 5)])).accepted();
    // The lower one arrives last.
    let (first, second): (Vec<_>, Vec<_>) =
        all.open_for(1).into_iter().partition(|(key, _)| *key == all.open_for(1)[0].0);
    for (key, row) in second.into_iter().chain(first) {
        all.deliver(key, &row);
    }
    assert_eq!(level_on(&all, 1), 5);
}

#[test]
fn a_request_without_nodes_is_refused_since_no_door_made_it() {
    let mut all = newer(1);
    let refused = all.ask("RaiseFeatureLevel", &raise(1, &[]));
    assert_eq!((refused.code(), refused.fields()), ("INVALID_ARGUMENT", vec!["nodes"]));
}

#[test]
fn only_administrators_raise_it() {
    let mut site = Site::new();
    let asked = prost::Message::encode_to_vec(&raise(1, &[("n1", 1)]));
    let denied = site.ask_as(&user("rita", &["auditor"], &["platform"]), "RaiseFeatureLevel", asked);
    assert_eq!(denied.code(), "POLICY_DENIED");
    let forged = v1::RaisePartitionFeatureLevel { level: 9 };
    assert_eq!(site.ask("RaisePartitionFeatureLevel", &forged).code(), "UNKNOWN_KIND", "callers cannot send it");
}

#[test]
fn an_older_release_decides_nothing_from_the_record_on() {
    let mut all = newer(2);
    all.ask("CreateTenant", &create("acme")).accepted();
    all.deliver_all();
    all.ask("RaiseFeatureLevel", &raise(2, &[("n1", 2)])).accepted();
    // The partition is led by an older release when it is told.
    all.understand(FeatureLevel(1));
    let (key, row) = all.open_for(1).remove(0);
    let too_old = Fault::NewerRelease { reached: FeatureLevel(2), understood: FeatureLevel(1) };
    assert_eq!(all.try_submit(&forward_record(key, &row)).unwrap_err(), too_old);
    all.ring("acme", 1).accepted();
    assert_eq!(level_on(&all, 1), 0, "nothing was written");
    // A newer one takes over: the command still stands there, and is decided.
    all.understand(FeatureLevel(2));
    all.deliver(key, &row);
    assert_eq!(level_on(&all, 1), 2);
    // The older one comes back and reads what there is.
    all.understand(FeatureLevel(1));
    assert_eq!(all.check_release(1), Err(too_old));
    assert_eq!(all.check_release(0), Ok(()), "this one has not been told yet");
}
