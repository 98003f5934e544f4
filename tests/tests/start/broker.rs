//! A broker that is down, at the start or later.

use std::time::Duration;

use daybook_testkit::kafka::Broker;
use daybook_tests::node::{Answer, Home, new_id, to_json};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_down_at_the_start_is_named() {
    let home = Home::with(|config| {
        config.log.url = "kafka://127.0.0.1:1".to_owned();
        config.log.kafka_connect_seconds = Duration::from_secs(1);
    });
    let error = home.start_error().await;
    is(&error, "LOG_UNAVAILABLE");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

/// Its name says that it needs a real one.
mod kafka {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broker_that_goes_away_costs_nothing_that_was_acknowledged_and_is_picked_up_when_it_is_back() {
        let mut broker = Broker::start().await.unwrap();
        let url = format!("kafka://{}", broker.address());
        let node = Node::start_with(|config| {
            one_partition(config);
            config.log.url = url;
            config.limits.decision_wait_seconds = Duration::from_secs(1);
        })
        .await;
        with_a_held_item(&node).await;
        node.settle().await;

        broker.stop();
        let request = PlaceHoldRequest { command_id: new_id(), ..place("meanwhile", on(ADA)) };
        let call = node.http().post(node.url("PlaceHold")).bearer_auth(node.token(&LEA));
        let call = call.header("content-type", "application/json").header("connect-timeout-ms", "3000");
        let refusal = Answer::of(call.body(to_json(&request).to_string()).send().await.unwrap()).await.refusal();
        let expected = ["OUTCOME_UNKNOWN", "LOG_UNAVAILABLE", "PARTITION_UNAVAILABLE"];
        assert!(expected.contains(&refusal.code.as_str()), "{refusal:?}");
        eventually("the node says that it is not ready", async || {
            let ready = reqwest::get(format!("http://{}/readyz", node.running.metrics_address)).await.unwrap();
            (ready.status().as_u16() == 503).then_some(())
        })
        .await;

        broker.restart().await.unwrap();
        // The same command again, as the error says: decided once, however often it got there.
        let placed = eventually("the command is decided", async || {
            node.try_ask::<_, PlaceHoldResponse>(&LEA, &request).await.ok()
        })
        .await;
        assert_eq!(placed.hold.unwrap().state(), HoldState::Active);
        node.settle().await;
        let audit: ListAuditEntriesResponse =
            node.ask(&LEA, &ListAuditEntriesRequest { hold_id: "meanwhile".into(), ..Default::default() }).await;
        assert_eq!(audit.entries.len(), 1, "placed once");
        let gate: CheckDispositionResponse = node.ask(&RITA, &check(&["a"], None)).await;
        assert_eq!(gate.results[0].hold_ids, ["h", "meanwhile"]);
        let ready = eventually("the node is ready again", async || {
            let ready = reqwest::get(format!("http://{}/readyz", node.running.metrics_address)).await.unwrap();
            (ready.status().as_u16() == 200).then_some(())
        });
        ready.await;
        node.stop().await;
    }
}
