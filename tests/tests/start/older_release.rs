//! A release that is older than the feature level of its log.

use daybook_kernel::feature_level::FeatureLevel;
use daybook_proto::legal_hold::v1::PlaceHoldResponse;
use daybook_proto::platform::v1::{RaiseFeatureLevelRequest, RaiseFeatureLevelResponse};
use daybook_tests::eventually;
use daybook_tests::node::Home;
use daybook_tests::people::{LEA, ROOT};
use daybook_tests::requests::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_a_newer_feature_level_is_left_alone_and_the_newer_release_goes_on() {
    let newer = FeatureLevel(FeatureLevel::NEWEST.0 + 1);
    let home = Home::default().start().await.stop().await;
    let mut home = home;
    home.config.node.understands = newer;
    let node = home.start().await;
    let raised: RaiseFeatureLevelResponse = node.ask(&ROOT, &RaiseFeatureLevelRequest::default()).await;
    assert_eq!(raised.feature_level.unwrap().level, newer.0, "the newest that the only node understands");
    eventually("every partition has it", async || (node.status().await.feature_level == newer.0).then_some(())).await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("kept", on("ada@example.org"))).await;
    let mark = node.mark().await;

    let mut home = node.stop().await;
    home.config.node.understands = FeatureLevel::NEWEST;
    let error = home.start_error().await;
    assert_eq!(error.code.name, "RELEASE_TOO_OLD", "{error}");
    let reached = format!("feature level {newer}");
    assert!(error.message.contains(&reached) && error.message.contains("nothing was changed"), "{error}");

    home.config.node.understands = newer;
    let node = home.start().await;
    let after = node.mark().await;
    assert!(mark.0.iter().all(|(partition, (commands, _, _))| after.0[partition].0 == *commands), "no command is new");
}
