//! Nodes of two releases on one log: they work side by side, the feature level is raised when the last old one is gone,
//! and an old one that meets the level stops and says why.
//!
//! There is one release yet. A "newer" node here is this one, which in addition understands a level that does not exist.

use std::time::Duration;

use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::id::CommandId;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::{Actor, CommandRecord, actor::Kind};
use daybook_proto::platform::v1::{
    GetFeatureLevelRequest, GetFeatureLevelResponse, NodeRelease, RaiseFeatureLevelRequest, RaiseFeatureLevelResponse,
};
use daybook_server::serve::StartError;
use daybook_testkit::kafka::Broker;
use daybook_tests::eventually;
use daybook_tests::node::{Home, Node};
use daybook_tests::people::{LEA, RITA, ROOT};
use daybook_tests::refusal::Refusal;
use daybook_tests::requests::*;
use prost::Message;

const OLD: FeatureLevel = FeatureLevel::NEWEST;
const NEW: FeatureLevel = FeatureLevel(FeatureLevel::NEWEST.0 + 1);

fn home(broker: &Broker, log: &str, id: &str, understands: FeatureLevel) -> Home {
    Home::with(|config| {
        config.log.url = format!("kafka://{}", broker.address());
        config.log.name = log.to_owned();
        config.node.id = id.to_owned();
        config.node.understands = understands;
    })
}

/// An old node, and a new one that joins it. They share keys.
async fn two_releases(broker: &Broker, log: &str) -> (Node, Node) {
    let old = home(broker, log, "old", OLD).start().await;
    let mut new = home(broker, log, "new", NEW);
    new.config.keys.master_key_file = Some(old.home.data().join("development/master-key"));
    new.issuer = new.config.node.data_dir.clone();
    let new = new.start().await;
    eventually("they know each other", async || (new.status().await.nodes.len() == 1).then_some(())).await;
    (old, new)
}

async fn level(node: &Node) -> daybook_proto::platform::v1::FeatureLevel {
    let response: GetFeatureLevelResponse = node.ask(&ROOT, &GetFeatureLevelRequest::default()).await;
    response.feature_level.unwrap()
}

async fn arrived(node: &Node, wanted: FeatureLevel) {
    eventually("every partition has the level", async || {
        let level = level(node).await;
        (level.level == wanted.0 && level.partitions_ready == level.partitions).then_some(())
    })
    .await;
}

/// Waits until a node has met a level that it does not understand.
async fn outdated(node: &Node) -> StartError {
    let outdated = tokio::time::timeout(Duration::from_secs(60), node.running.outdated()).await.unwrap();
    assert_eq!(outdated.code.name, "RELEASE_TOO_OLD", "{outdated}");
    outdated
}

/// Both decide what they lead, and pass on what they do not.
async fn works(node: &Node, round: &str) {
    for number in 0..6 {
        let hold = format!("{round}-{number}");
        let _: PlaceHoldResponse = node.ask(&LEA, &place(&hold, on("ada@example.org"))).await;
    }
    let _: SetRetentionClassResponse = node.ask(&RITA, &class(round, 100)).await;
}

/// Their names say that they need a real broker.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_rolling_upgrade_ends_with_a_raised_level_and_old_nodes_stay_out() {
        let broker = Broker::shared().await.unwrap();
        let (old, new) = two_releases(&broker, "upgrade").await;
        assert_eq!(level(&new).await.level, OLD.0, "a new log starts at the level of the release that makes it");
        works(&old, "on-old").await;
        works(&new, "on-new").await;
        let status = new.status().await;
        assert_eq!((status.feature_level, status.newest_feature_level), (OLD.0, NEW.0));
        assert_eq!(status.nodes[0].newest_feature_level, OLD.0);

        // Too early, by gRPC and by JSON, on either node.
        let raise = RaiseFeatureLevelRequest { level: NEW.0, ..Default::default() };
        for node in [&new, &old] {
            let refused =
                Refusal::of_grpc(&node.try_ask::<_, RaiseFeatureLevelResponse>(&ROOT, &raise).await.unwrap_err());
            assert_eq!(refused.code, "FEATURE_LEVEL_NOT_UNDERSTOOD", "{refused:?}");
            assert_eq!(refused.metadata["node_id"], "old");
        }
        let unchanged = new.refusal(&ROOT, &RaiseFeatureLevelRequest::default()).await;
        assert_eq!(unchanged.code, "FEATURE_LEVEL_UNCHANGED", "this is what both understand");

        // Nobody else says which nodes there are.
        let lying = RaiseFeatureLevelRequest {
            nodes: vec![NodeRelease { node_id: "mine".into(), newest_feature_level: 99, ..Default::default() }],
            ..raise.clone()
        };
        assert_eq!(new.refusal(&ROOT, &lying).await.code, "INVALID_ARGUMENT");

        // The last old one is gone.
        let old = old.stop().await;
        let raise = RaiseFeatureLevelRequest { command_id: CommandId::generate().to_string(), ..raise };
        let raised: RaiseFeatureLevelResponse = eventually("the group has noticed", async || {
            let again = RaiseFeatureLevelRequest { command_id: String::new(), ..raise.clone() };
            new.try_ask(&ROOT, &again).await.ok()
        })
        .await;
        assert_eq!(raised.feature_level.unwrap().level, NEW.0);
        arrived(&new, NEW).await;
        let shown = level(&new).await;
        assert_eq!((shown.raised_by.as_str(), shown.nodes.len()), (ROOT.name, 1));
        works(&new, "raised").await;

        // An old one that comes back reads as far as the level and says why it does not go on; a new one does, on what
        // the old one left.
        let old = old.start().await;
        let error = outdated(&old).await;
        let (reached, understood) = (format!("level {NEW}"), format!("up to {OLD}"));
        assert!(error.message.contains(&reached) && error.message.contains(&understood), "{error}");
        let mut upgraded = old.stop().await;
        upgraded.config.node.understands = NEW;
        let upgraded = upgraded.start().await;
        works(&upgraded, "upgraded").await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_old_node_that_meets_the_level_stops_and_the_new_one_leads_everything() {
        let broker = Broker::shared().await.unwrap();
        let (old, new) = two_releases(&broker, "met").await;
        eventually("both lead something", async || {
            let status = new.status().await;
            status.nodes.iter().all(|node| node.leads > 0).then_some(())
        })
        .await;
        works(&new, "before").await;
        // As if the old one had been out of sight when it was asked for: the command says that there is only the new one.
        let nodes = vec![NodeRelease { node_id: "new".into(), version: "9".into(), newest_feature_level: NEW.0 }];
        let request = RaiseFeatureLevelRequest { nodes, ..Default::default() };
        let record = CommandRecord {
            command_id: CommandId::generate().as_bytes().to_vec().into(),
            tenant_id: "platform".into(),
            stream_key: "platform".into(),
            actor: Some(Actor {
                kind: Kind::User.into(),
                id: "root".into(),
                roles: vec!["admin".into()],
                tenant_ids: vec!["platform".into()],
            }),
            received_at: Some(new.running.node.now().to_proto()),
            domain: "platform".into(),
            kind: "RaiseFeatureLevel".into(),
            payload: request.encode_to_vec().into(),
            ..Default::default()
        };
        new.running.node.submit(&record).await.unwrap();
        outdated(&old).await;
        // This is what the program does then.
        old.stop().await;
        arrived(&new, NEW).await;
        works(&new, "after").await;
        assert!(new.settle().await.ready);
    }
}
