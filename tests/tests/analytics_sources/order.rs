//! Events of one body keep the order of the times that were sent.

use super::*;

/// Of an actor, a step of the funnel at a time, as each source has it.
async fn send_steps(node: &Node, source: Source, actor: &str, steps: [(&str, prost_types::Timestamp); 2]) -> Said {
    let nanos = |time: &prost_types::Timestamp| (time.seconds * 1_000_000_000 + i64::from(time.nanos)).to_string();
    if source.takes_events() {
        let event = |(name, time): (&str, prost_types::Timestamp)| Event {
            name: name.to_owned(),
            actor: actor.to_owned(),
            time: Some(time),
            ..Default::default()
        };
        send_events(node, source, &steps.map(event)).await
    } else if source.is_segment() {
        let call = |(name, time): (&str, prost_types::Timestamp)| json!({ "type": "track", "event": name, "userId": actor, "timestamp": time.to_string() });
        send_calls(node, Source::SegmentBatch, &steps.map(call)).await
    } else {
        let user = json!([{ "key": "user.id", "value": { "stringValue": actor } }]);
        let record = |(name, time): (&str, prost_types::Timestamp)| json!({ "eventName": name, "timeUnixNano": nanos(&time), "attributes": user });
        send_records(node, source, "steps", &steps.map(record)).await
    }
}

/// How many actors opened a case and then closed it.
async fn opened_and_closed(node: &Node) -> i64 {
    let [start_time, end_time] = around_now();
    let step = |name: &str| FunnelStep {
        events: Some(EventSelector { names: vec![name.to_owned()], ..Default::default() }),
        ..Default::default()
    };
    let funnel = FunnelMetric {
        steps: vec![step("case.opened"), step("case.closed")],
        conversion_window: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        ..Default::default()
    };
    let metric = MetricDefinition { metric: Some(Metric::Funnel(funnel)), ..Default::default() };
    let query = QueryMetricRequest { metric: Some(metric), start_time, end_time, ..Default::default() };
    let answer: QueryMetricResponse = node.ask(&ANNA, &query).await;
    let at = answer.columns.iter().position(|column| column.name == "actors").unwrap();
    match &answer.rows[1].cells[at].value {
        Some(cell::Value::Integer(number)) => *number,
        other => panic!("no number: {other:?}"),
    }
}

/// Times are cut to seconds: what came first in one of them is told by the order in which the events stand, from the door on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_one_body_keep_the_order_of_the_times_that_were_sent() {
    let node = node_for_all().await;
    let [Some(yesterday), _] = around_now() else { panic!("a time") };
    let at = |nanos: i32| prost_types::Timestamp { seconds: yesterday.seconds + 3_600, nanos };
    let mut sources = 0;
    for source in Source::ALL.into_iter().filter(|source| *source != Source::SegmentCalls) {
        // The later step stands first.
        let steps = [("case.closed", at(800_000_000)), ("case.opened", at(200_000_000))];
        send_steps(&node, source, &format!("{source:?}@example.org"), steps).await;
        sources += 1;
        assert_eq!(opened_and_closed(&node).await, sources, "{source:?}");
        // In the other order of times nobody has taken the second step.
        let steps = [("case.opened", at(800_000_000)), ("case.closed", at(200_000_000))];
        send_steps(&node, source, &format!("{source:?}.back@example.org"), steps).await;
        assert_eq!(opened_and_closed(&node).await, sources, "{source:?}");
    }
    // The same after a restart, and when the store is folded again from the log.
    let node = node.restart().await;
    assert_eq!(opened_and_closed(&node).await, sources);
    let home = node.stop().await;
    std::fs::remove_dir_all(home.data().join("store")).unwrap();
    let node = home.start().await;
    assert_eq!(opened_and_closed(&node).await, sources);
}
