//! Tokens that are missing, expired, forged, or not permitted what they ask for.

use super::*;

/// How a call with a token is refused, by both doors.
async fn refused(node: &Node, token: Option<&str>) -> Refusal {
    let request = place("h", on(ADA));
    let bytes = Bytes::from(request.encode_to_vec());
    let status = node.call_raw(token, &path_of::<PlaceHoldRequest>(), bytes).await.unwrap_err();
    let by_grpc = Refusal::of_grpc(&status);
    let answer = node.post_text(token, "PlaceHold", to_json(&request).to_string()).await;
    assert_eq!(answer.refusal(), by_grpc, "the doors differ");
    by_grpc
}

fn claims(more: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "daybook", "sub": "lea", "tenants": ["demo"], "roles": ["legal"], "kind": "user",
        "exp": 9_999_999_999_u64,
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// A token that is signed as the node's own are.
fn signed(node: &Node, claims: &Value) -> String {
    let key = std::fs::read(node.home.data().join("development/signing-key.der")).unwrap();
    let header = Header { kid: Some("development".into()), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&key)).unwrap()
}

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_good_token_nobody_comes_in() {
    let node = node().await;
    let folder = tempfile::tempdir().unwrap();
    let forger = DevelopmentKey::open_or_create(folder.path()).unwrap();
    let (tenants, roles) = (["demo".to_owned()], ["legal".to_owned()]);
    let request = TokenRequest {
        subject: "lea",
        tenants: &tenants,
        roles: &roles,
        service: false,
        valid_for: Duration::from_secs(600),
    };
    let forged = forger.mint(&request).unwrap();
    let good = node.token(&LEA);
    let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let unsigned = format!("{}.{body}.", part(&json!({ "alg": "none", "typ": "JWT" })));
    let other_claims = format!("{header}.{}.{signature}", part(&claims(json!({ "roles": ["admin", "legal"] }))));
    let shared_secret = {
        let header = Header { kid: Some("development".into()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims(json!({})), &EncodingKey::from_secret(b"guessed")).unwrap()
    };
    nothing_is_written(&node, async || {
        is(&refused(&node, None).await, Code::Unauthenticated, "TOKEN_MISSING");
        let expired = signed(&node, &claims(json!({ "exp": 1_000_000_000 })));
        is(&refused(&node, Some(&expired)).await, Code::Unauthenticated, "TOKEN_EXPIRED");
        let not_yet = signed(&node, &claims(json!({ "nbf": 9_999_999_000_u64 })));
        let endless = signed(&node, &claims(json!({ "exp": null })));
        let nobody = signed(&node, &claims(json!({ "sub": null })));
        for (what, token) in [
            ("signed with another key", forged),
            ("not signed", unsigned),
            ("other claims under the same signature", other_claims),
            ("signed with a shared secret", shared_secret),
            ("cut short", good[..good.len() - 10].to_owned()),
            ("no token at all", "nonsense".to_owned()),
            ("not valid yet", not_yet),
            ("without an end", endless),
            ("without a subject", nobody),
        ] {
            let refusal = refused(&node, Some(&token)).await;
            assert_eq!((refusal.status, refusal.code.as_str()), (Code::Unauthenticated, "TOKEN_INVALID"), "{what}");
        }
    })
    .await;
    let bytes = Bytes::from(place("h", on(ADA)).encode_to_vec());
    assert!(node.call_raw(Some(&good), &path_of::<PlaceHoldRequest>(), bytes).await.is_ok(), "the good one is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_another_issuer_or_for_another_audience_is_refused() {
    let node = Node::start_with(|config| {
        config.auth.issuer = ISSUER.to_owned();
        config.auth.audience = "daybook".to_owned();
    })
    .await;
    let commands = async || {
        let token = signed(&node, &claims(json!({})));
        let status = node.call_raw(Some(&token), &path_of::<GetStatusRequest>(), Bytes::new()).await.unwrap();
        let status = GetStatusResponse::decode(status).unwrap();
        status.partitions.iter().map(|partition| partition.command_tail).sum::<u64>()
    };
    let before = eventually("the node rests", async || {
        let now = commands().await;
        (commands().await == now).then_some(now)
    })
    .await;
    for wrong in [json!({ "iss": "somebody-else" }), json!({ "aud": "another" }), json!({ "aud": null })] {
        let token = signed(&node, &claims(wrong.clone()));
        let refusal = refused(&node, Some(&token)).await;
        assert_eq!(refusal.code, "TOKEN_INVALID", "{wrong}");
    }
    assert_eq!(commands().await, before, "nothing is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_does_not_permit_it_is_refused_and_nothing_is_written() {
    let node = node().await;
    nothing_is_written(&node, async || {
        for who in [NORA, RITA, ROOT] {
            let request = PlaceHoldRequest { tenant_id: "demo".into(), ..place("h", on(ADA)) };
            is(&node.refusal(&who, &request).await, Code::PermissionDenied, "POLICY_DENIED");
        }
        is(&node.refusal(&NORA, &get_item("a")).await, Code::PermissionDenied, "POLICY_DENIED");
    })
    .await;
}
