//! Stream keys that are parked and let go on, one case each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use daybook_kernel::domain::Query;
use daybook_kernel::id::{PartitionId, StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_proto::log::v1::CommandRecord;
use daybook_proto::platform::v1;
use platform_projection::{Event, ListParkedStreams};

fn parked(site: &Site) -> Vec<(String, String, String)> {
    let request = v1::ListParkedStreamsRequest::default();
    let list = ListParkedStreams::answer(&site.tables(), request, &site.asked()).unwrap();
    list.parked_streams.into_iter().map(|row| (row.tenant_id, row.stream_key, row.code)).collect()
}

#[test]
fn a_parked_stream_goes_on_when_an_operator_says_so() {
    let mut site = Site::new();
    assert_eq!(site.bell("acme", "Break", "b").code(), "DECIDER_PANICKED");
    assert_eq!(parked(&site), [("acme".into(), "acme".into(), "DECIDER_PANICKED".into())]);
    let refused = site.bell("acme", "Ring", "b");
    assert_eq!(refused.code(), "STREAM_PARKED");
    assert_eq!(refused.rejected().metadata["parked_code"], "DECIDER_PANICKED");

    let unparked = site.unpark("acme", "acme");
    let [Event::StreamUnparked(event)] = &unparked.events()[..] else { panic!("{unparked:?}") };
    let named = (event.tenant_id.as_str(), event.stream_key.as_str(), event.reason.as_str());
    assert_eq!(named, ("acme", "acme", "looked at it"));
    assert_eq!(parked(&site), []);
    site.bell("acme", "Ring", "b").accepted();
    assert_eq!(site.unpark("acme", "acme").code(), "STREAM_NOT_PARKED", "twice");

    assert_eq!(site.bell("acme", "Break", "b").code(), "DECIDER_PANICKED", "and it can be parked again");
    site.unpark("acme", "acme").accepted();
    site.solo.check_replay();
}

#[test]
fn only_the_key_that_is_named_goes_on() {
    let mut site = Site::new();
    site.create("globex").accepted();
    site.solo.settle();
    for tenant in ["acme", "globex"] {
        assert_eq!(site.bell(tenant, "Break", "b").code(), "DECIDER_PANICKED");
    }
    for (tenant, key) in [("acme", "globex"), ("globex", "acme"), ("nobody", "nobody"), ("acme", "ACME")] {
        assert_eq!(site.unpark(tenant, key).code(), "STREAM_NOT_PARKED", "{tenant}/{key}");
    }
    site.unpark("acme", "acme").accepted();
    site.bell("acme", "Ring", "b").accepted();
    assert_eq!(site.bell("globex", "Ring", "b").code(), "STREAM_PARKED");
    assert_eq!(parked(&site).len(), 1);
    site.solo.check_replay();
}

#[test]
fn names_that_are_none_are_refused_with_the_field() {
    let mut site = Site::new();
    let request = v1::UnparkStreamRequest { reason: String::new(), ..unpark("Acme", "") };
    assert_eq!(site.ask("UnparkStream", &request).fields(), ["reason", "target_tenant_id", "target_stream_key"]);
    assert_eq!(site.ask("UnparkStream", &unpark("acme", &"k".repeat(201))).fields(), ["target_stream_key"]);
    assert_eq!(site.ask("UnparkStream", &unpark("_partition", "acme")).fields(), ["target_tenant_id"]);
}

#[test]
fn the_command_is_decided_where_the_key_lies() {
    let acme = TenantId::parse("acme").unwrap();
    for key in ["acme", "project-1", "project-2", "project-3"] {
        let record = CommandRecord {
            tenant_id: "platform".into(),
            domain: "platform".into(),
            kind: "UnparkStream".into(),
            payload: prost::Message::encode_to_vec(&unpark("acme", key)).into(),
            ..Default::default()
        };
        let partition = partition_of(&acme, &StreamKey::parse(key).unwrap(), 8);
        assert_eq!(stream_key(&record, 8), StreamKey::of_partition(partition).as_str());
        let platform = TenantId::platform();
        assert_eq!(partition_of(platform, &StreamKey::of_partition(partition), 8), partition);
    }
}

#[test]
fn a_parked_timer_comes_back_after_the_key_goes_on() {
    let mut site = Site::new();
    site.bell("acme", "Wind", "b").accepted();
    assert_eq!(site.bell("acme", "Break", "b").code(), "DECIDER_PANICKED");
    let acme = TenantId::parse("acme").unwrap();
    let rings = |site: &Site| site.solo.tables::<bell::Tables<'_>>(&acme).rings().get(("b",)).unwrap();
    site.solo.advance(HOUR);
    site.solo.settle();
    assert_eq!(rings(&site), None);
    site.unpark("acme", "acme").accepted();
    site.solo.advance(HOUR);
    site.solo.settle();
    assert_eq!(rings(&site), Some(1));
    site.solo.check_replay();
}

/// The home stream parked: what it decided before still reaches the partitions, and it can be let go on, since that is
/// decided in the partition's own stream.
#[test]
fn the_platform_itself_can_be_parked_and_let_go_on() {
    let mut site = Site::new();
    site.create("globex").accepted();
    let record = site.solo.record("platform", "platform", "CreateTenant", vec![0xff]);
    let actor = Some(user("root", &["admin"], &["platform"]));
    let poison = Answer(site.solo.submit(CommandRecord { actor, ..record }));
    assert_eq!(poison.code(), "UNDECODABLE_COMMAND");
    assert_eq!(site.create("initech").code(), "STREAM_PARKED");
    site.solo.settle();
    site.bell("globex", "Ring", "b").accepted();
    assert_eq!(site.tenant("globex").partitions_ready, 1, "its confirmation is a fact");
    site.unpark("platform", "platform").accepted();
    site.create("initech").accepted();
    site.solo.check_replay();
}

#[test]
fn parked_streams_are_listed_by_pages_for_each_partition() {
    let mut site = Site::new();
    for tenant in ["bb", "aa"] {
        site.create(tenant).accepted();
        site.solo.settle();
        assert_eq!(site.bell(tenant, "Break", "b").code(), "DECIDER_PANICKED");
    }
    let list = |request| ListParkedStreams::answer(&site.tables(), request, &site.asked());
    let mut request = v1::ListParkedStreamsRequest { page_size: 1, ..Default::default() };
    let first = list(request.clone()).unwrap();
    let row = &first.parked_streams[0];
    assert_eq!((row.tenant_id.as_str(), row.domain.as_str(), row.kind.as_str()), ("aa", "bell", "Break"));
    assert_eq!(row.reason, "bell b breaks, as it was asked to");
    assert_eq!(row.parked_at, Some(site.solo.log_time().to_proto()));
    let position = row.position.unwrap();
    assert_eq!((position.partition, position.offset), (0, site.solo.commands.len() as u64 - 1), "the command itself");
    request.page_token = first.next_page_token;
    let second = list(request).unwrap();
    assert_eq!((second.parked_streams[0].tenant_id.as_str(), second.next_page_token.as_str()), ("bb", ""));
    let beyond = v1::ListParkedStreamsRequest { partition: 1, ..Default::default() };
    assert!(list(beyond.clone()).is_err(), "there is one partition");
    assert_eq!(ListParkedStreams::stream_key(TenantId::platform(), &beyond), StreamKey::of_partition(PartitionId(1)));
}
