//! Pages of other origins, as a browser asks for them: first whether they may (a preflight), then the call.

use daybook_tests::node::{Answer, Home, Node, new_id};
use daybook_tests::people::{FEEDER, LEA};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

const APP: &str = "https://app.example.com";
const OTHER: &str = "http://localhost:5173";
const TRACK: &str = r#"{ "userId": "u1", "event": "Case Exported", "messageId": "m1" }"#;
const BEACON: &str = r#"{ "events": [{ "name": "page.viewed" }] }"#;

async fn open_to_two() -> Node {
    Node::start_with(|config| config.listen.cors_origins = vec![APP.to_owned(), OTHER.to_owned()]).await
}

async fn preflight(node: &Node, url: String, origin: &str, headers: &str) -> Answer {
    let request = node.http().request(Method::OPTIONS, url).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    sent(request.header("access-control-request-headers", headers)).await
}

async fn sent(request: RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

/// The names of a header that is a list.
fn names(answer: &Answer, name: &str) -> Vec<String> {
    let list = header(answer, name).unwrap_or_default().split(',');
    list.map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

fn may_read(answer: &Answer) -> Option<&str> {
    header(answer, "access-control-allow-origin")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_named_origin_may_call() {
    let node = open_to_two().await;
    let paths = ["v1/track", "v1/batch", "v1/logs", "v1/beacon"].map(|path| node.at(path));
    for url in paths.into_iter().chain([node.url("RecordEvents"), node.url("GetHold"), node.url("GetStatus")]) {
        for origin in [APP, OTHER] {
            let answer = preflight(&node, url.clone(), origin, "authorization,content-encoding,content-type").await;
            assert!(answer.status == 200 && answer.bytes.is_empty(), "{url}: {}", answer.body);
            assert_eq!(may_read(&answer), Some(origin), "{url}");
            assert!(names(&answer, "vary").contains(&"origin".to_owned()), "a cache must not mix them up");
            assert!(names(&answer, "access-control-allow-methods").contains(&"post".to_owned()), "{url}");
            let allowed = names(&answer, "access-control-allow-headers");
            for needed in
                ["authorization", "content-type", "content-encoding", "connect-protocol-version", "traceparent"]
            {
                assert!(allowed.iter().any(|name| name == needed), "{url}: {needed} is not in {allowed:?}");
            }
            assert_eq!(header(&answer, "access-control-max-age"), Some("7200"));
            assert_eq!(header(&answer, "access-control-allow-credentials"), None, "tokens are in headers");
        }
    }
    let hold = json!({ "commandId": new_id(), "holdId": "h", "reason": "r", "legalBasis": "litigation", "scope": {} });
    let call = node.http().post(node.url("PlaceHold")).bearer_auth(node.token(&LEA)).header("origin", APP);
    let answer = sent(call.header("content-type", "application/json").body(hold.to_string())).await;
    assert_eq!(may_read(&answer), Some(APP), "{}", answer.body);
    assert!(names(&answer, "vary").contains(&"origin".to_owned()));
    let call = node.http().get(format!("{}?encoding=json&message=%7B%7D", node.url("ListHolds")));
    let answer = sent(call.bearer_auth(node.token(&LEA)).header("origin", OTHER)).await;
    assert_eq!((answer.status, may_read(&answer)), (200, Some(OTHER)), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_shown_why_it_is_refused() {
    let node = open_to_two().await;
    let token = node.token(&FEEDER);
    let post = |url: String| node.http().post(url).header("origin", APP).header("content-type", "application/json");
    let record = || post(node.url("RecordEvents"));
    let large = format!("{{\"tenantId\":\"{}\"}}", "x".repeat(5 << 20));
    for (request, status, code) in [
        (record().body("{}"), 401, "TOKEN_MISSING"),
        (record().body("{}").bearer_auth("nonsense"), 401, "TOKEN_INVALID"),
        (record().body("{").bearer_auth(&token), 400, "MALFORMED_REQUEST"),
        (record().body("{}").bearer_auth(&token), 400, "INVALID_ARGUMENT"),
        (record().body(large).bearer_auth(&token), 413, "REQUEST_TOO_LARGE"),
        (record().body("{}").header("content-encoding", "br").bearer_auth(&token), 501, "ENCODING_NOT_SUPPORTED"),
        (post(node.at("nowhere")).body("{}"), 404, "METHOD_UNKNOWN"),
        (post(node.at("v1/nowhere")).body("{}"), 404, "METHOD_UNKNOWN"),
        (post(node.at("v1/track")).body(TRACK), 401, "TOKEN_MISSING"),
        (post(node.at("v1/logs")).body("["), 401, "TOKEN_MISSING"),
        (post(node.at("v1/logs")).body("[").bearer_auth(&token), 400, "MALFORMED_REQUEST"),
        (post(node.at("v1/beacon")).body(BEACON), 401, "TOKEN_MISSING"),
        (node.http().get(node.at("v1/track")).header("origin", APP), 405, "MALFORMED_REQUEST"),
    ] {
        let answer = sent(request).await;
        assert_eq!((answer.status, answer.refusal().code.as_str()), (status, code));
        assert_eq!(may_read(&answer), Some(APP), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_are_not_let_in() {
    let node = open_to_two().await;
    for origin in ["https://evil.example.com", "https://app.example.com.evil.org", "http://app.example.com", "null"] {
        for url in [node.url("RecordEvents"), node.at("v1/track"), node.at("v1/logs")] {
            let answer = preflight(&node, url.clone(), origin, "authorization").await;
            assert_eq!(may_read(&answer), None, "{origin} at {url}");
            let call = node.http().post(url).header("origin", origin).header("content-type", "application/json");
            assert_eq!(may_read(&sent(call.body("{}")).await), None, "{origin}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_setting_only_events_come_from_anywhere() {
    let node = Node::start().await;
    for (path, body) in [("v1/track", TRACK), ("v1/logs", "["), ("v1/beacon", BEACON)] {
        let answer = preflight(&node, node.at(path), APP, "authorization,content-type").await;
        assert_eq!((answer.status, may_read(&answer)), (200, Some("*")), "{path}");
        let answer = sent(node.http().post(node.at(path)).header("content-type", "application/json").body(body)).await;
        assert_eq!((answer.status, may_read(&answer)), (401, Some("*")), "{path}");
    }
    let answer = preflight(&node, node.url("RecordEvents"), APP, "authorization").await;
    assert_eq!((answer.status, may_read(&answer)), (405, None));
    let call =
        node.http().post(node.url("RecordEvents")).header("origin", APP).header("content-type", "application/json");
    let answer = sent(call.body("{}")).await;
    assert_eq!((answer.status, may_read(&answer)), (401, None));
    assert!(!names(&answer, "vary").contains(&"origin".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_does_not_start_that_would_be_open_to_anybody() {
    let home = Home::with(|config| config.listen.cors_origins = vec!["*".to_owned()]);
    let error = home.start_error().await;
    assert_eq!(error.code.name, "CONFIG_INVALID");
    assert!(error.message.contains("listen.cors_origins"), "{}", error.message);
}
