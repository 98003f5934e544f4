//! SDKs of other makers, as a program uses them (`tests/setup/event-sdks.sh`). Their names say that they need these.

use std::path::PathBuf;
use std::process::Command;

use super::*;

/// Runs a program that uses an SDK against the node; what it prints.
async fn run(node: &Node, test: &str, program: &str, more: &[&str]) -> Option<Value> {
    let python = std::env::var_os("DAYBOOK_EVENT_SDKS_PYTHON").map(PathBuf::from).filter(|python| python.exists());
    let Some(python) = python else {
        skipped(test, "DAYBOOK_EVENT_SDKS_PYTHON names no Python with the SDKs; run tests/setup/event-sdks.sh");
        return None;
    };
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sdks").join(program);
    let mut command = Command::new(python);
    let url = node.at("").trim_end_matches('/').to_owned();
    command.arg(program).arg(url).arg(node.token(&FEEDER)).args(more);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_opentelemetrys_sends_again_counts_once() {
    let node = node_for_all().await;
    for (round, encoding) in ["plain", "gzip"].into_iter().enumerate() {
        let test = "real_sdk::what_opentelemetrys_sends_again_counts_once";
        let Some(said) = run(&node, test, "otel_sdk.py", &[encoding]).await else { return };
        assert_eq!((&said["sent"], &said["rejected"]), (&json!(2), &json!(2)), "{said}");
        let message = said["message"].as_str().unwrap();
        for words in ["2 of 5 log records", "1 REFUSAL_PERSONAL_DATA", "1 REFUSAL_NOT_AN_EVENT"] {
            assert!(message.contains(words), "{message}");
        }
        // Three events, of which two are equal, and one actor; sent twice.
        assert_eq!(counted(&node).await, (3 * (round as i64 + 1), 1), "{encoding}");
        let counts = refused_counts(&node).await;
        let duplicates = counts.get(&("case.opened".to_owned(), String::new(), Refusal::Duplicate)).copied();
        assert_eq!(duplicates, Some(3 * (round as u64 + 1)), "{counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_segments_sends_counts_and_what_it_must_not_send_is_counted_as_refused() {
    let node = Node::start().await;
    let (profile, schemas) = careless::registry();
    let opened = EventSchema { name: "case_opened".into(), ..schemas[0].clone() };
    events::register(&node, profile, vec![opened, schemas[1].clone()]).await;
    let test = "real_sdk::what_segments_sends_counts_and_what_it_must_not_send_is_counted_as_refused";
    let Some(said) = run(&node, test, "segment_sdk.py", &[]).await else { return };
    assert_eq!(said["errors"], json!([]), "what counts makes the answer a good one");
    assert_eq!(counted(&node).await, (2, 1), "a case opened and a page viewed, by one actor");
    let expected = BTreeMap::from([
        ((String::new(), String::new(), Refusal::AboutAPerson), 1),
        ((String::new(), String::new(), Refusal::PersonalData), 1),
        ((String::new(), String::new(), Refusal::BadName), 1),
    ]);
    assert_eq!(refused_counts(&node).await, expected);
}
