//! Callers who may do nothing, and what they can hold: nothing is read, kept or made for them, and others are served.

use std::net::SocketAddr;
use std::path::Path;

use daybook_proto::product_analytics::v1::{
    EraseActorRequest, Event, EventSchema, MinimisationProfile, RecordEventsRequest, RecordEventsResponse,
};
use daybook_server::config::LimitsConfig;
use daybook_tests::node::Answer;
use daybook_tests::people::FEEDER;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(60);
/// Never reached within a test: whoever is answered was not waited for.
const LONG: Duration = Duration::from_secs(3_600);

const PLACE: &str = "/daybook.legal_hold.v1.LegalHoldService/PlaceHold";
const RECORD: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/RecordEvents";

/// Limits under which nothing but the one that a test is about is ever reached.
fn patient() -> LimitsConfig {
    LimitsConfig { header_seconds: LONG, body_seconds: LONG, silence_seconds: LONG, ..Default::default() }
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Sends the beginning of a request and reads what is answered, up to the end of the connection or of the body.
async fn begun(address: SocketAddr, request: &str) -> (u16, Value) {
    let mut connection = connect(address).await;
    connection.write_all(request.as_bytes()).await.unwrap();
    answer(&mut connection).await
}

async fn answer(connection: &mut TcpStream) -> (u16, Value) {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lines = || head.lines().filter_map(|line| line.split_once(':'));
            let length = lines().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length: usize = length.map_or(0, |(_, length)| length.trim().parse().unwrap());
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, serde_json::from_str(body).unwrap_or_default());
            }
        }
        let mut part = [0; 4_096];
        let more = timeout(DEADLINE, connection.read(&mut part)).await.expect("an answer").unwrap_or(0);
        assert!(more > 0, "the connection ended: {text}");
        read.extend_from_slice(&part[..more]);
    }
}

/// Whether the other side ends a connection.
async fn ends(connection: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    timeout(DEADLINE, connection.read_to_end(&mut rest)).await.is_ok()
}

fn head(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{more}\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_known_is_answered_before_anything_is_read() {
    let node = Node::start_with(|config| config.limits = patient()).await;
    with_an_item(&node).await;
    nothing_is_written(&node, async || {
        // A gigabyte is announced and not sent: who waits for it does not answer.
        for path in [PLACE, RECORD, "/v1/logs"] {
            let (status, body) = begun(node.running.address, &head(path, "content-length: 1073741824\r\n")).await;
            assert_eq!((status, body["code"].as_str()), (401, Some("unauthenticated")), "{path}");
            let token = head(path, "content-length: 1073741824\r\nauthorization: Bearer nonsense\r\n");
            assert_eq!(begun(node.running.address, &token).await.0, 401, "{path}");
            // Who is known and may not is told so as early.
            let nora = format!("content-length: 1073741824\r\nauthorization: Bearer {}\r\n", node.token(&NORA));
            let (status, body) = begun(node.running.address, &head(path, &nora)).await;
            assert_eq!((status, body["code"].as_str()), (403, Some("permission_denied")), "{path}");
        }
        // By gRPC as well: the call ends while its stream is open.
        let mut grpc = tonic::client::Grpc::new(node.channel());
        grpc.ready().await.unwrap();
        let endless = tokio_stream::pending::<Bytes>();
        let path = PLACE.parse().unwrap();
        let call = grpc.client_streaming(tonic::Request::new(endless), path, daybook_server::http::AsBytes);
        let refused = timeout(DEADLINE, call).await.expect("an answer").map(drop).unwrap_err();
        is(&Refusal::of_grpc(&refused), Code::Unauthenticated, "TOKEN_MISSING");
        // Where the token may stand in the body, no more of it is read than a batch of that kind has.
        for path in ["/v1/batch", "/v1/beacon"] {
            let sent = head(path, "content-length: 1073741824\r\n") + &" ".repeat(600 << 10);
            assert_eq!(begun(node.running.address, &sent).await.0, 413, "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_request_that_becomes_a_huge_one_is_refused_before_it_is_decoded() {
    let node = node().await;
    let lists = format!(r#"{{"events":[{{"properties":{{"a":[{}]}}}}]}}"#, vec!["[[[[]]]]"; 460_000].join(","));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut gzip, lists.as_bytes()).unwrap();
    let body = gzip.finish().unwrap();
    nothing_is_written(&node, async || {
        let post = |token: Option<String>| {
            let request = node.http().post(format!("http://{}{RECORD}", node.running.address));
            let request = request.header("content-type", "application/json").header("content-encoding", "gzip");
            token.into_iter().fold(request.body(body.clone()), |request, token| request.bearer_auth(token))
        };
        let answer = Answer::of(post(None).send().await.unwrap()).await;
        is(&answer.refusal(), Code::Unauthenticated, "TOKEN_MISSING");
        let answer = Answer::of(post(Some(node.token(&FEEDER))).send().await.unwrap()).await;
        is(&answer.refusal(), Code::ResourceExhausted, "REQUEST_TOO_LARGE");
        // In protobuf: `checks {}` two million times.
        let empty = [0x1a, 0x00].repeat(2_000_000);
        let refused =
            node.call_raw(Some(&node.token(&RITA)), &path_of::<CheckDispositionRequest>(), empty.into()).await;
        is(&Refusal::of_grpc(&refused.unwrap_err()), Code::ResourceExhausted, "REQUEST_TOO_LARGE");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_nothing_or_never_ends_is_closed_and_others_are_served() {
    let short = Duration::from_secs(1);
    let node = Node::start_with(|config| {
        config.limits.header_seconds = short;
        config.limits.body_seconds = short;
        config.limits.decision_wait_seconds = short;
        config.limits.query_wait_seconds = short;
        config.limits.silence_seconds = 2 * short;
    })
    .await;
    with_an_item(&node).await;
    nothing_is_written(&node, async || {
        let token = format!("authorization: Bearer {}\r\n", node.token(&LEA));
        let with_body = |more: &str, body: &str| head(PLACE, &format!("{token}{more}")) + body;
        for (what, sent) in [
            ("nothing at all", String::new()),
            ("half a request line", "POST /daybook".to_owned()),
            ("half of the headers", head(PLACE, "").trim_end().to_owned()),
            ("the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ] {
            let mut connection = connect(node.running.address).await;
            connection.write_all(sent.as_bytes()).await.unwrap();
            assert!(ends(&mut connection).await, "{what}");
        }
        for (what, sent) in [
            ("a body that is not sent", with_body("content-length: 100\r\n", "{")),
            ("chunks that stop", with_body("transfer-encoding: chunked\r\n", "1\r\n{\r\n")),
        ] {
            let (status, body) = begun(node.running.address, &sent).await;
            assert_eq!((status, body["code"].as_str()), (408, Some("deadline_exceeded")), "{what}: {body}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_bodies_that_never_end_are_given_up_and_take_no_more_than_there_is_for_all() {
    let node = Node::start_with(|config| {
        config.limits.request_kib = 1_024;
        config.limits.receiving_mib = 4;
        config.limits.body_seconds = Duration::from_secs(2);
    })
    .await;
    with_an_item(&node).await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut gzip, format!("{{\"name\":\"{}", "a".repeat(900 << 10)).as_bytes()).unwrap();
    std::io::Write::flush(&mut gzip).unwrap();
    let part = gzip.get_ref().clone();
    let more = format!(
        "content-encoding: gzip\r\ntransfer-encoding: chunked\r\nauthorization: Bearer {}\r\n",
        node.token(&LEA)
    );
    let request = [head(PLACE, &more).as_bytes(), format!("{:x}\r\n", part.len()).as_bytes(), &part, b"\r\n"].concat();
    nothing_is_written(&node, async || {
        let mut open = Vec::new();
        for _ in 0..20 {
            let mut connection = connect(node.running.address).await;
            connection.write_all(&request).await.unwrap();
            open.push(connection);
        }
        let mut codes = std::collections::BTreeMap::new();
        for connection in &mut open {
            let (status, body) = answer(connection).await;
            let code = body["code"].as_str().unwrap_or_default().to_owned();
            *codes.entry((status, code)).or_insert(0) += 1;
        }
        // Four of them fit into what there is for all; the others are refused at once, and these four in time.
        let (slow, refused) = ((408, "deadline_exceeded".to_owned()), (429, "resource_exhausted".to_owned()));
        assert_eq!(codes.keys().collect::<Vec<_>>(), [&slow, &refused], "{codes:?}");
        assert!(codes[&slow] <= 4 && codes[&refused] >= 16, "{codes:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_above_the_limit_of_an_address_are_closed_and_make_room_when_they_go() {
    let node = Node::start_with(|config| {
        config.limits = patient();
        config.limits.connections = 8;
        config.limits.connections_per_address = 6;
    })
    .await;
    with_an_item(&node).await;
    let mut open = Vec::new();
    // The test's own client has some already.
    eventually("one too many is closed", async || {
        let mut one = connect(node.running.address).await;
        let mut byte = [0];
        let closed = timeout(Duration::from_millis(200), one.read(&mut byte)).await.is_ok();
        open.push(one);
        closed.then_some(())
    })
    .await;
    assert!(open.len() <= 7, "{}", open.len());
    goes_on(&node).await;
    open.clear();
    eventually("there is room again", async || {
        let mut one = connect(node.running.address).await;
        one.write_all(b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").await.ok()?;
        let mut byte = [0];
        matches!(timeout(DEADLINE, one.read(&mut byte)).await, Ok(Ok(1))).then_some(())
    })
    .await;
}

/// Bytes of all files of a folder.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| if entry.path().is_dir() { size_of(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_who_may_do_nothing_no_key_is_made_and_nothing_is_recorded() {
    let node = node().await;
    let create = CreateTenantRequest { new_tenant_id: "globex".into(), ..Default::default() };
    let _: CreateTenantResponse = node.ask(&ROOT, &create).await;
    node.settle().await;
    const STRANGER: Person = Person { tenants: &["globex"], roles: &["auditor"], ..NORA };
    const NOWHERE: Person = Person { tenants: &["nowhere"], ..RITA };
    let keys = node.home.data().join("keys");
    let (before, log) = (size_of(&keys), node.mark().await);
    for _ in 0..20 {
        let items = (0..50).map(|n| item(&format!("{n}-{}", new_id()), "century", ADA)).collect();
        let many = RegisterItemsRequest { items, ..Default::default() };
        for who in [NORA, LEA] {
            is(&node.refusal(&who, &many).await, Code::PermissionDenied, "POLICY_DENIED");
        }
        is(&node.refusal(&NOWHERE, &many).await, Code::NotFound, "TENANT_UNKNOWN");
        // A hold over a tenant that the token does not speak for would tell which pseudonym it has for an address.
        let there = TenantScope { tenant_id: "demo".into(), scope: Some(on(ADA)) };
        let over = PlaceHoldRequest { other_tenants: vec![there], ..place("h", on("nobody@example.org")) };
        let refusal = node.refusal(&STRANGER, &over).await;
        is(&refusal, Code::PermissionDenied, "POLICY_DENIED");
        let lawyer = Person { roles: &["legal"], ..STRANGER };
        is(&node.refusal(&lawyer, &over).await, Code::PermissionDenied, "TENANT_NOT_IN_TOKEN");
    }
    assert_eq!((size_of(&keys), node.mark().await), (before, log));
    goes_on(&node).await;
}

fn events(names: &[&str]) -> RecordEventsRequest {
    let event = |name: &&str| Event { name: (*name).to_owned(), actor: ADA.to_owned(), ..Default::default() };
    RecordEventsRequest { events: names.iter().map(event).collect(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_names_another_command_is_refused_on_every_path() {
    const PETER: Person = Person { roles: &["privacy", "service", "product"], ..FEEDER };
    let node = node().await;
    let profile = MinimisationProfile { purposes_without_consent: vec!["product".into()], ..Default::default() };
    let schema =
        EventSchema { name: "page.viewed".into(), version: 1, purpose: "product".into(), ..Default::default() };
    daybook_tests::events::register(&node, profile, vec![schema]).await;
    let (placed, recorded, registered) = (new_id(), new_id(), new_id());
    let hold = PlaceHoldRequest { command_id: placed.clone(), ..place("h", on(ADA)) };
    let _: PlaceHoldResponse = node.ask(&LEA, &hold).await;
    let visit = RecordEventsRequest { command_id: recorded.clone(), ..events(&["page.viewed"]) };
    let first: RecordEventsResponse = node.ask(&PETER, &visit).await;
    let one = RegisterItemRequest { command_id: registered.clone(), ..register(item("b", "century", ADA)) };
    let _: RegisterItemResponse = node.ask(&RITA, &one).await;

    only_rejections_are_written(&node, async || {
        // The same again is answered as it was.
        let again: RecordEventsResponse = node.ask(&PETER, &visit).await;
        assert!(again.receipt.as_ref().is_some_and(|receipt| receipt.duplicate), "{again:?}");
        assert_eq!(again.accepted_count, first.accepted_count);
        let again: PlaceHoldResponse = node.ask(&LEA, &hold).await;
        assert!(again.receipt.is_some_and(|receipt| receipt.duplicate));

        let reused = |refusal: Refusal| is(&refusal, Code::AlreadyExists, "COMMAND_ID_REUSED");
        // Another payload of the same kind: plain, sealed, filled in.
        reused(node.refusal(&LEA, &PlaceHoldRequest { reason: "another".into(), ..hold.clone() }).await);
        let other = Item { title: "another".into(), ..one.item.clone().unwrap() };
        reused(node.refusal(&RITA, &RegisterItemRequest { item: Some(other), ..one.clone() }).await);
        let other = events(&["page.viewed", "page.viewed"]);
        reused(node.refusal(&PETER, &RecordEventsRequest { command_id: recorded.clone(), ..other }).await);
        // Another kind, to each of these ways from each of the others.
        let erase = |id: &str| EraseActorRequest { command_id: id.into(), actor: ADA.into(), ..Default::default() };
        for id in [&placed, &recorded, &registered] {
            reused(node.refusal(&PETER, &erase(id)).await);
            if *id != recorded {
                reused(node.refusal(&PETER, &RecordEventsRequest { command_id: id.clone(), ..visit.clone() }).await);
            }
            if *id != registered {
                reused(node.refusal(&RITA, &RegisterItemRequest { command_id: id.clone(), ..one.clone() }).await);
            }
            if *id != placed {
                reused(node.refusal(&LEA, &PlaceHoldRequest { command_id: id.clone(), ..hold.clone() }).await);
            }
        }
        // Another caller under the same id, and one who may do nothing.
        let other = Person { name: "someone-else", ..PETER };
        reused(node.refusal(&other, &visit).await);
        is(&node.refusal(&NORA, &visit).await, Code::PermissionDenied, "POLICY_DENIED");
        is(&node.refusal(&NORA, &erase(&recorded)).await, Code::PermissionDenied, "POLICY_DENIED");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_often_is_told_when_to_ask_again_and_others_are_served() {
    let node = Node::start_with(|config| config.limits.subject_requests_per_second = 5).await;
    let token = node.token(&NORA);
    let mut refused = None;
    for _ in 0..100 {
        let answer = node.post_text(Some(&token), "GetStatus", "{}".to_owned()).await;
        if answer.status == 429 {
            refused = Some(answer.refusal());
            break;
        }
    }
    let refused = refused.expect("a hundred in a second are too many");
    is(&refused, Code::ResourceExhausted, "RATE_LIMITED");
    assert!(refused.retry_after.is_some_and(|wait| wait > Duration::ZERO && wait <= Duration::from_secs(1)));
    let _: GetStatusResponse = node.ask(&ROOT, &GetStatusRequest {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_a_request_is_written_is_taken_as_the_standards_have_it() {
    let node = node().await;
    let token = node.token(&LEA);
    let post = |content_type: &str, body: &str| {
        let request = node.http().post(node.url("PreviewScope")).bearer_auth(&token);
        let request = request.header("content-type", content_type).body(body.to_owned()).send();
        async move { Answer::of(request.await.unwrap()).await }
    };
    let preview = to_json(&PreviewScopeRequest { scope: Some(on(ADA)), ..Default::default() }).to_string();
    for content_type in ["application/json", "Application/JSON", "APPLICATION/JSON; charset=UTF-8"] {
        assert_eq!(post(content_type, &preview).await.status, 200, "{content_type}");
    }
    nothing_is_written(&node, async || {
        for content_type in ["application/grpc-web", "application/grpc-web+proto", "Application/gRPC-Web-Text"] {
            let answer = post(content_type, &preview).await;
            assert_eq!(answer.status, 415, "{content_type}");
            is(&answer.refusal(), Code::Unimplemented, "ENCODING_NOT_SUPPORTED");
        }
        for twice in [
            r#"{"tenantId":"demo","tenantId":"demo"}"#,
            r#"{"tenantId":"demo","tenant_id":"demo"}"#,
            r#"{"scope":{"caseIds":["a"],"case_ids":["b"]}}"#,
        ] {
            let refusal = post("application/json", twice).await.refusal();
            is(&refusal, Code::InvalidArgument, "MALFORMED_REQUEST");
            assert!(refusal.message.contains("given twice"), "{}", refusal.message);
        }
        let class =
            |period: &str| json!({ "retentionClass": { "retentionClassId": "c", "action": 1, "period": period } });
        for period in ["0.0000000001s", "0s", "0.5s"] {
            let refused = node.post(&RITA, "SetRetentionClass", &class(period)).await;
            assert_eq!(refused.status, 400, "{period}: {}", refused.body);
        }
        for hosts in ["", "host: a\r\nhost: b\r\n"] {
            let request = format!("POST {PLACE} HTTP/1.1\r\n{hosts}content-length: 0\r\n\r\n");
            let (status, body) = begun(node.running.address, &request).await;
            assert_eq!((status, body["code"].as_str()), (400, Some("invalid_argument")), "{hosts:?}");
        }
    })
    .await;
}
