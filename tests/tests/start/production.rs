//! A node that is not in development mode: tokens of the organisation's identity provider, a master key that the
//! operator keeps, no tenant, and a clock that nobody moves.

use std::time::Duration;

use daybook_kernel::time::duration_to_proto;
use daybook_proto::platform::v1::*;
use daybook_server::auth::KeySource;
use daybook_server::auth::development::DevelopmentKey;
use daybook_tests::node::Home;
use daybook_tests::people::ROOT;
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
    std::fs::write(&master_key, "5e".repeat(32)).unwrap();
    home.config.keys.master_key_file = Some(master_key);
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
    let mut home = production();
    let jwks = home.folder.path().join("jwks.json");
    std::fs::write(&jwks, provider(&home)).unwrap();
    home.config.auth.jwks = jwks.to_string_lossy().into_owned();
    let node = home.start().await;
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
