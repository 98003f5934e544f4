//! What cannot be mapped is told and counted; what is sent again counts once.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_an_event_needs_a_token_as_well() {
    let node = node().await;
    let before = node.mark().await;
    let no_time = json!({ "userId": "u", "event": "Case Exported", "timestamp": 1_772_366_400 });
    let bodies = [
        ("v1/track", "application/json", no_time.to_string()),
        ("v1/identify", "application/json", json!({ "userId": "u" }).to_string()),
        ("v1/batch", "application/json", json!({ "batch": [] }).to_string()),
        ("v1/batch", "application/json", json!({ "batch": {} }).to_string()),
        ("v1/logs", "application/json", "{}".to_owned()),
        ("v1/logs", "application/x-protobuf", String::new()),
    ];
    for (path, content_type, body) in &bodies {
        let wrong = Some("Bearer eyJhbGciOiJub25lIn0.e30.x".to_owned());
        for token in [None, wrong] {
            let answer = post(&node, path, token, content_type, body.clone()).await;
            assert_eq!(answer.status, 401, "{path} {body}");
        }
    }
    assert_eq!(node.mark().await, before, "nothing was recorded");
    let bearer = Some(format!("Bearer {}", node.token(&FEEDER)));
    for (path, content_type, body) in &bodies[2..] {
        let status = if body.contains("{}") && *path == "v1/batch" { 400 } else { 200 };
        assert_eq!(post(&node, path, bearer.clone(), content_type, body.clone()).await.status, status, "{path} {body}");
    }
    assert_eq!(node.mark().await, before, "there is nothing to record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_mapped_is_told_and_counted_by_its_reason() {
    let node = node().await;
    let bearer = Some(format!("Bearer {}", node.token(&FEEDER)));
    let exported = |more: Value| {
        let mut call = json!({ "type": "track", "userId": "u", "event": "Case Exported" });
        more.as_object().unwrap().iter().for_each(|(field, value)| call[field] = value.clone());
        call
    };
    let cases = [
        (exported(json!({ "event": "Fall geöffnet" })), "REFUSAL_BAD_NAME", ""),
        (exported(json!({ "properties": { "größe": 1 } })), "REFUSAL_BAD_NAME", "case_exported"),
        (exported(json!({ "properties": { "caseId": 1, "case_id": 2 } })), "REFUSAL_SAME_NAME", "case_exported"),
        (exported(json!({ "timestamp": "yesterday" })), "REFUSAL_NO_TIME", "case_exported"),
        (exported(json!({ "timestamp": 1_772_366_400 })), "REFUSAL_NO_TIME", "case_exported"),
        (exported(json!({ "event": "AKIAIOSFODNN7EXAMPLE" })), "REFUSAL_PERSONAL_DATA", ""),
        (exported(json!({ "event": 7 })), "REFUSAL_MALFORMED", ""),
        (exported(json!({ "type": "click" })), "REFUSAL_MALFORMED", ""),
        (exported(json!({ "event": "Case Burnt" })), "REFUSAL_UNKNOWN_EVENT", ""),
        (exported(json!({ "properties": { "format": "exe" } })), "REFUSAL_WRONG_VALUE", "case_exported"),
    ];
    // Each alone: nothing of the body is of use.
    for (call, reason, name) in &cases {
        let path = if call["type"] == "click" { "v1/batch" } else { "v1/track" };
        let body = if path == "v1/batch" { json!({ "batch": [call] }) } else { call.clone() };
        let answer = post(&node, path, bearer.clone(), "application/json", body.to_string()).await;
        let json = answer.json();
        assert_eq!((answer.status, &json["success"], &json["recorded"]), (400, &json!(false), &json!(0)), "{json}");
        assert_eq!(json["refused"][0]["reason"], *reason, "{json}");
        assert_eq!(json["refused"][0]["name"].as_str().unwrap_or_default(), *name, "{json}");
        assert!(!json["refused"][0]["message"].as_str().unwrap().is_empty());
    }
    // Among others: the good one counts, the others are named by their places.
    let mut calls: Vec<Value> = cases.iter().map(|(call, ..)| call.clone()).collect();
    calls.insert(3, exported(json!({})));
    let body = json!({ "batch": calls }).to_string();
    let answer = post(&node, "v1/batch", bearer.clone(), "application/json", body).await;
    let json = answer.json();
    assert_eq!(
        (answer.status, &json["recorded"], &json["refusedCount"]),
        (200, &json!(1), &json!(cases.len())),
        "{json}"
    );
    let places: Vec<u64> =
        json["refused"].as_array().unwrap().iter().map(|one| one["index"].as_u64().unwrap()).collect();
    assert_eq!(places, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]);

    let counts = refused_counts(&node).await;
    let count = |name: &str, property: &str, reason| {
        counts.get(&(name.to_owned(), property.to_owned(), reason)).copied().unwrap_or_default()
    };
    for (name, reason, expected) in [
        ("", Refusal::BadName, 2),
        ("case_exported", Refusal::BadName, 2),
        ("case_exported", Refusal::SameName, 2),
        ("case_exported", Refusal::NoTime, 4),
        ("", Refusal::PersonalData, 2),
        ("", Refusal::Malformed, 4),
        ("", Refusal::UnknownEvent, 2),
    ] {
        assert_eq!(count(name, "", reason), expected, "{name} {reason:?}: {counts:?}");
    }
    assert_eq!(count("case_exported", "format", Refusal::WrongValue), 2);
    assert_eq!(counted(&node).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_page_that_is_an_id_is_looked_at_as_it_was_sent() {
    let node = node_for_all().await;
    let cases = ["jana.novak@firma-praha.cz", "https://jana:tajneheslo@db.firma-praha.cz/x", "4539 1488 0343 6467"];
    for name in cases {
        for kind in ["page", "screen"] {
            let said = send_calls(&node, Source::SegmentCalls, &[json!({ "type": kind, "name": name })]).await;
            assert_eq!((said.statuses, said.accepted, said.refused), (vec![400], 0, 1), "{kind} {name}");
        }
    }
    let said = send_calls(&node, Source::SegmentCalls, &[json!({ "type": "page", "name": "Case 17" })]).await;
    assert_eq!((said.statuses, said.accepted), (vec![200], 1));
    let expected = BTreeMap::from([
        (("page.viewed".to_owned(), String::new(), Refusal::PersonalData), 3),
        (("screen.viewed".to_owned(), String::new(), Refusal::PersonalData), 3),
    ]);
    assert_eq!(refused_counts(&node).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_records_without_ids_counts_once_however_often_it_is_sent() {
    let node = node_for_all().await;
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let record = |nanos: u64| json!({ "eventName": "case.opened", "timeUnixNano": nanos.to_string() });
    // Two of them are equal: somebody did the same twice in one instant.
    let records = [record(nanos), record(nanos), record(nanos + 1)];
    for (source, resource) in [(Source::OtlpJson, "of-json"), (Source::OtlpProtobuf, "of-protobuf")] {
        let before = counted(&node).await.0;
        for _ in 0..3 {
            let said = send_records(&node, source, resource, &records).await;
            assert_eq!(said.refused, 0, "what was counted before is not rejected");
        }
        assert_eq!(counted(&node).await.0 - before, 3, "{source:?}");
        // One of them again, in other company.
        send_records(&node, source, resource, &[record(nanos + 2), record(nanos)]).await;
        assert_eq!(counted(&node).await.0 - before, 4, "{source:?}");
        // The same of another program is another event.
        send_records(&node, source, "another", &records).await;
        assert_eq!(counted(&node).await.0 - before, 7, "{source:?}");
    }
    // Without any time nothing tells a record that is sent again from another one: each counts.
    let before = counted(&node).await.0;
    for _ in 0..2 {
        send_records(&node, Source::OtlpJson, "of-json", &[json!({ "eventName": "case.opened" })]).await;
    }
    assert_eq!(counted(&node).await.0 - before, 2);
}
