//! A node that is not in development mode: tokens of the organisation's identity provider, a master key that the
//! operator keeps, no tenant, and a clock that nobody moves.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daybook_kernel::time::duration_to_proto;
use daybook_proto::node::v1::GetStatusRequest;
use daybook_proto::platform::v1::*;
use daybook_server::auth::KeySource;
use daybook_server::auth::development::{AUDIENCE, DevelopmentKey, ISSUER};
use daybook_tests::disk::write_secret;
use daybook_tests::node::Home;
use daybook_tests::people::{NORA, ROOT};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// An identity provider: its signing key in a folder, and its JWKS.
fn provider(home: &Home) -> String {
    let key = DevelopmentKey::open_or_create(&home.issuer).unwrap();
    let KeySource::Fixed(keys) = key.source().unwrap() else { panic!("its public key") };
    serde_json::to_string(&keys).unwrap()
}

/// A home in production.
fn production() -> Home {
    let mut home = Home::with(|config| config.node.development = false);
    home.issuer = home.folder.path().join("provider");
    let master_key = home.folder.path().join("master-key");
    write_secret(&master_key, &"5e".repeat(32));
    home.config.keys.master_key_file = Some(master_key);
    home.config.auth.issuer = ISSUER.to_owned();
    home.config.auth.audience = AUDIENCE.to_owned();
    home
}

/// The same, with the provider's keys in a file.
fn production_with_keys() -> Home {
    let mut home = production();
    let jwks = home.folder.path().join("jwks.json");
    std::fs::write(&jwks, provider(&home)).unwrap();
    home.config.auth.jwks = jwks.to_string_lossy().into_owned();
    home
}

async fn works(node: &Node) {
    let refusal = node.refusal(&LEA, &place("h", on(ADA))).await;
    assert_eq!(refusal.code, "TENANT_UNKNOWN", "there is no tenant yet");
    let create =
        CreateTenantRequest { new_tenant_id: "demo".into(), display_name: "Demo".into(), ..Default::default() };
    let created: CreateTenantResponse = node.ask(&ROOT, &create).await;
    assert_eq!(created.tenant.unwrap().tenant_id, "demo");
    eventually("the tenant is known everywhere", async || {
        let get = GetTenantRequest { target_tenant_id: "demo".into(), ..Default::default() };
        let found: GetTenantResponse = node.ask(&ROOT, &get).await;
        found.tenant.filter(|tenant| tenant.state() == TenantState::Active)
    })
    .await;
    with_a_held_item(node).await;
    goes_on(node).await;
    let by = AdvanceClockRequest { by: Some(duration_to_proto(Duration::from_secs(1))), ..Default::default() };
    assert_eq!(node.refusal(&ROOT, &by).await.code, "POLICY_DENIED", "nobody moves the clock");
    assert!(!node.status().await.development);
    assert!(!node.home.data().join("development").exists(), "it makes no keys of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_checks_tokens_against_a_jwks_file() {
    let node = production_with_keys().start().await;
    works(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_checks_tokens_against_a_jwks_url() {
    let mut home = production();
    let jwks = provider(&home);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    home.config.auth.jwks = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", jwks.len());
            stream.write_all(format!("{head}{jwks}").as_bytes()).await.unwrap();
        }
    });
    let node = home.start().await;
    works(&node).await;
    serving.abort();
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_accepts_and_does_not_answer_delays_no_caller() {
    let mut home = production();
    let jwks = provider(&home);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    home.config.auth.jwks = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", jwks.len());
        stream.write_all(format!("{head}{jwks}").as_bytes()).await.unwrap();
        let mut silent = Vec::new();
        loop {
            silent.push(listener.accept().await.unwrap());
        }
    });
    let node = home.start().await;
    // From now on an unknown key is a reason to ask the provider.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let url = node.url("GetStatus");
    let attackers: Vec<_> = (0..4)
        .map(|attacker| {
            let (url, http) = (url.clone(), node.http().clone());
            tokio::spawn(async move {
                for round in 0.. {
                    let header = format!(r#"{{"alg":"EdDSA","kid":"guessed-{attacker}-{round}"}}"#);
                    let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
                    let refused = http
                        .post(&url)
                        .bearer_auth(token)
                        .header("content-type", "application/json")
                        .body("{}")
                        .send()
                        .await
                        .unwrap();
                    assert_eq!(refused.status(), 401);
                    // The provider hangs for those who may be signed by a new key, and not for long.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        })
        .collect();
    let (began, mut calls, mut longest) = (Instant::now(), 0, Duration::ZERO);
    while began.elapsed() < Duration::from_secs(12) {
        let asked = Instant::now();
        node.status().await;
        longest = longest.max(asked.elapsed());
        calls += 1;
    }
    println!("{calls} calls in 12 s while the provider hangs; the longest took {longest:.1?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert!(attackers.iter().all(|attacker| !attacker.is_finished()), "they went on all the time");
    attackers.iter().for_each(|attacker| attacker.abort());
    serving.abort();
    let keys = node.status().await.token_keys.unwrap();
    assert!(keys.problem.contains("error sending request") || keys.problem.contains("no answer"), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_another_machine_are_not_read_without_tls_unless_that_is_wanted() {
    let mut home = production();
    home.config.auth.jwks = "http://id.example.invalid/jwks.json".to_owned();
    let error = home.start_error().await;
    is(&error, "CONFIG_INVALID");
    assert!(error.to_string().contains("auth.jwks_allow_http"), "{error}");
    home.config.auth.jwks_allow_http = true;
    is(&home.start_error().await, "TOKEN_KEYS_UNAVAILABLE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_provider_or_its_master_key_a_node_does_not_start() {
    let mut home = production();
    home.config.auth.jwks = "http://127.0.0.1:1/jwks.json".to_owned();
    is(&home.start_error().await, "TOKEN_KEYS_UNAVAILABLE");
    let jwks = home.folder.path().join("jwks.json");
    std::fs::write(&jwks, "{}").unwrap();
    home.config.auth.jwks = jwks.to_string_lossy().into_owned();
    is(&home.start_error().await, "TOKEN_KEYS_UNAVAILABLE");
    std::fs::write(&jwks, provider(&home)).unwrap();
    home.config.keys.master_key_file = None;
    let error = home.start_error().await;
    is(&error, "MASTER_KEY_MISSING");
    assert!(error.to_string().contains("DAYBOOK_MASTER_KEY"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_would_take_any_token_of_its_provider_does_not_start() {
    for forget in
        [|home: &mut Home| home.config.auth.issuer.clear(), |home: &mut Home| home.config.auth.audience.clear()]
    {
        let mut home = production_with_keys();
        forget(&mut home);
        let error = home.start_error().await;
        is(&error, "CONFIG_INVALID");
        assert!(error.to_string().contains("auth.issuer and auth.audience"), "{error}");
        assert!(!home.data().join("log").exists(), "no log was made");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_that_others_can_read_is_none() {
    use std::os::unix::fs::PermissionsExt;
    let mut home = production_with_keys();
    let key = home.config.keys.master_key_file.clone().unwrap();
    let mode = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    for open in [0o644, 0o640, 0o604, 0o660, 0o622] {
        mode(open);
        let error = home.start_error().await;
        is(&error, "SECRET_EXPOSED");
        assert!(error.to_string().contains("master-key"), "{error}");
    }
    // A group that shares a volume may read it, where that is said.
    mode(0o440);
    home.config.node.file_access = "group".to_owned();
    let node = home.start().await;
    works(&node).await;
}

/// Data of a development node: others could have been anybody, and its administrators move its clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_of_a_development_node_is_served_as_production_only_when_it_was_said_so() {
    let by = AdvanceClockRequest { by: Some(duration_to_proto(Duration::from_secs(1))), ..Default::default() };
    let node = Home::default().start().await;
    with_a_held_item(&node).await;
    let _: AdvanceClockResponse = node.ask(&ROOT, &by).await;
    let mut home = node.stop().await;

    let made = production_with_keys();
    let data_dir = home.data();
    home.config = Config { node: home.config.node.clone(), ..made.config.clone() };
    home.config.node.development = false;
    home.config.log.partitions = daybook_tests::node::PARTITIONS;
    home.config.listen = Home::default().config.listen;
    home.issuer = made.issuer.clone();
    // Its key ring was made under the key that it made itself.
    let master_key = home.folder.path().join("moved-master-key");
    write_secret(&master_key, &std::fs::read_to_string(data_dir.join("development/master-key")).unwrap());
    home.config.keys.master_key_file = Some(master_key);
    let error = home.start_error().await;
    is(&error, "DEVELOPMENT_DATA");
    assert!(error.to_string().contains("--leave-development"), "{error}");
    // Without its folder, the log says so.
    let aside = home.folder.path().join("aside");
    std::fs::rename(data_dir.join("development"), &aside).unwrap();
    is(&home.start_error().await, "DEVELOPMENT_DATA");
    std::fs::rename(&aside, data_dir.join("development")).unwrap();

    home.config.node.leave_development = true;
    let node = home.start().await;
    assert_eq!(node.refusal(&ROOT, &by).await.code, "POLICY_DENIED");
    goes_on(&node).await;
    assert!(!data_dir.join("development/signing-key.der").exists());
    let mut home = node.stop().await;
    // Once is enough, and it is for good: a development node cannot move the clock of this log any more.
    home.config.node.leave_development = false;
    let node = home.start().await;
    goes_on(&node).await;
    let mut home = node.stop().await;
    home.config = Config { node: home.config.node.clone(), ..Home::default().config };
    home.config.node.development = true;
    home.issuer = data_dir;
    let node = home.start().await;
    assert_eq!(node.refusal(&ROOT, &by).await.code, "POLICY_DENIED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_role_learns_only_whether_the_node_answers() {
    let node = production_with_keys().start().await;
    let whole: GetStatusResponse = node.ask(&ROOT, &GetStatusRequest {}).await;
    assert!(!whole.log.is_empty() && !whole.partitions.is_empty() && whole.disk_free_bytes > 0, "{whole:?}");
    let little: GetStatusResponse = node.ask(&NORA, &GetStatusRequest {}).await;
    let expected = GetStatusResponse { version: whole.version, ready: little.ready, ..Default::default() };
    assert_eq!(little, expected);
}
