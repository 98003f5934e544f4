//! Which tokens come in, and as whom.

use std::time::Duration;

use daybook_kernel::id::TenantId;
use serde_json::{Value, json};

use super::development::{AUDIENCE, DevelopmentKey, ISSUER};
use super::*;

const HEADER: &str = r#"{"alg":"EdDSA","kid":"development"}"#;

struct Provider {
    key: DevelopmentKey,
    _folder: tempfile::TempDir,
}

impl Provider {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { key: DevelopmentKey::open_or_create(folder.path()).unwrap(), _folder: folder }
    }

    async fn authenticator(&self, change: impl FnOnce(&mut AuthConfig)) -> Authenticator {
        let mut config =
            AuthConfig { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned(), ..AuthConfig::default() };
        change(&mut config);
        Authenticator::new(self.key.source().unwrap(), config).await.unwrap()
    }
}

fn claims(more: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "tenants": ["acme"], "roles": ["legal"],
        "iat": now_seconds(), "exp": now_seconds() + 600,
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

async fn check(authenticator: &Authenticator, token: String) -> Result<Caller, CallError> {
    authenticator.check(Some(&format!("Bearer {token}"))).await
}

fn roles(caller: &Caller, tenant: &str) -> Vec<String> {
    caller.acting_in(&TenantId::parse(tenant).unwrap()).roles
}

#[tokio::test]
async fn a_header_that_asks_for_more_than_is_done_is_refused() {
    let provider = Provider::new();
    let authenticator = provider.authenticator(|_| {}).await;
    let claims = claims(json!({})).to_string();
    let answer = async |header: &str| {
        check(&authenticator, provider.key.sign_raw(header, &claims)).await.map_err(|error| error.message)
    };
    for good in [
        HEADER,
        r#"{"alg":"EdDSA","kid":"development","typ":"JWT"}"#,
        r#"{"alg":"EdDSA","kid":"development","typ":"at+jwt"}"#,
        r#"{"alg":"EdDSA","kid":"development","typ":"application/AT+JWT"}"#,
    ] {
        assert!(answer(good).await.is_ok(), "{good}");
    }
    for (wrong, says) in [
        (r#"{"alg":"EdDSA","kid":"development","crit":["b64"],"b64":false}"#, "must be understood"),
        (r#"{"alg":"EdDSA","kid":"development","crit":["exp"]}"#, "must be understood"),
        (r#"{"alg":"EdDSA","kid":"development","crit":[]}"#, "must be understood"),
        (r#"{"alg":"EdDSA","kid":"development","crit":null}"#, "must be understood"),
        (r#"{"alg":"EdDSA","kid":"development","typ":"logout+jwt"}"#, "not that of an access token"),
        (r#"{"alg":"EdDSA","kid":"development","typ":"dpop+jwt"}"#, "not that of an access token"),
        (r#"{"alg":"EdDSA","kid":"development","typ":7}"#, "not that of an access token"),
        (r#"{"alg":"none","alg":"EdDSA","kid":"development"}"#, "is there twice"),
    ] {
        let error = answer(wrong).await.unwrap_err();
        assert!(error.contains(says), "{wrong}: {error}");
    }
}

#[tokio::test]
async fn claims_that_can_be_read_in_two_ways_are_refused() {
    let provider = Provider::new();
    let authenticator = provider.authenticator(|_| {}).await;
    let good = claims(json!({})).to_string();
    let answer = async |claims: &str| check(&authenticator, provider.key.sign_raw(HEADER, claims)).await;
    assert!(answer(&good).await.is_ok());
    for twice in [
        good.replace(r#""sub":"ada""#, r#""sub":"ada","sub":"root""#),
        good.replace(r#""sub":"ada""#, r#""sub":"root","\u0073ub":"ada""#),
        good.replace(r#""roles":["legal"]"#, r#""tenant_roles":{"acme":[],"acme":["admin"]}"#),
    ] {
        assert_ne!(twice, good);
        let error = answer(&twice).await.unwrap_err();
        assert!(error.code == "TOKEN_INVALID" && error.message.contains("is there twice"), "{}", error.message);
    }
    let list = claims(json!({ "iss": ["somebody-else", ISSUER] })).to_string();
    let error = answer(&list).await.unwrap_err();
    assert_eq!(error.code, "TOKEN_INVALID", "an issuer is one");
    let unchecked = provider.authenticator(|config| config.issuer.clear()).await;
    let error = check(&unchecked, provider.key.sign_raw(HEADER, &list)).await.unwrap_err();
    assert!(error.message.contains("issuer is not one text"), "{}", error.message);
}

#[tokio::test]
async fn identity_tokens_are_refused_where_they_can_be_told() {
    let provider = Provider::new();
    let authenticator = provider.authenticator(|_| {}).await;
    for wrong in [
        json!({ "at_hash": "x" }),
        json!({ "c_hash": "x" }),
        json!({ "token_use": "id" }),
        json!({ "typ": "ID" }),
        json!({ "typ": "Refresh" }),
    ] {
        let answer = check(&authenticator, provider.key.sign(&claims(wrong.clone())).unwrap()).await;
        assert_eq!(answer.unwrap_err().code, "TOKEN_INVALID", "{wrong}");
    }
    for right in [json!({ "token_use": "access" }), json!({ "typ": "Bearer" }), json!({ "aud": ["other", AUDIENCE] })] {
        let answer = check(&authenticator, provider.key.sign(&claims(right.clone())).unwrap()).await;
        assert!(answer.is_ok(), "{right}: {answer:?}");
    }
}

#[tokio::test]
async fn a_token_is_not_good_for_longer_than_it_may_be() {
    let provider = Provider::new();
    let authenticator = provider.authenticator(|_| {}).await;
    let day = 86_400;
    let answer = async |more: Value| check(&authenticator, provider.key.sign(&claims(more)).unwrap()).await;
    assert!(answer(json!({ "exp": now_seconds() + day - 60 })).await.is_ok());
    for long in [
        json!({ "exp": now_seconds() + day + 60 }),
        json!({ "iat": now_seconds() - day, "exp": now_seconds() + 60 }),
        json!({ "iat": null, "exp": now_seconds() + day + 60 }),
    ] {
        let error = answer(long.clone()).await.unwrap_err();
        assert!(error.message.contains("auth.token_life_max_seconds"), "{long}: {}", error.message);
    }
    let any = provider.authenticator(|config| config.token_life_max_seconds = Duration::ZERO).await;
    let endless = provider.key.sign(&claims(json!({ "exp": 9_999_999_999_u64 }))).unwrap();
    assert!(check(&any, endless).await.is_ok());
}

#[tokio::test]
async fn nobody_is_called_what_cannot_be_seen_or_like_daybook_itself() {
    let provider = Provider::new();
    let authenticator = provider.authenticator(|_| {}).await;
    for subject in
        ["", "timer", "effect", "stream/acme/acme", "daybook:own-use", "al\u{200b}ice", "al\u{202e}ice", "a\n"]
    {
        let answer = check(&authenticator, provider.key.sign(&claims(json!({ "sub": subject }))).unwrap()).await;
        let code = answer.map(|_| String::new()).unwrap_or_else(|error| error.code);
        assert_eq!(code, "TOKEN_INVALID", "{}", subject.escape_unicode());
    }
    for subject in [json!(7), json!(["ada"]), json!(null)] {
        let answer = check(&authenticator, provider.key.sign(&claims(json!({ "sub": subject }))).unwrap()).await;
        assert_eq!(answer.unwrap_err().code, "TOKEN_INVALID", "{subject}");
    }
}

#[tokio::test]
async fn roles_are_those_of_a_tenant() {
    let provider = Provider::new();
    let authenticator = provider.authenticator(|_| {}).await;
    let caller = async |authenticator: &Authenticator, more: Value| {
        check(authenticator, provider.key.sign(&claims(more)).unwrap()).await
    };
    let by_tenant = json!({ "globex": ["auditor"], "acme": "legal admin", "initech": ["admin"] });
    let ada = json!({ "tenants": ["acme", "globex"], "tenant_roles": by_tenant, "roles": ["everything"] });
    let ada = caller(&authenticator, ada).await.unwrap();
    assert_eq!(roles(&ada, "acme"), ["admin", "legal"]);
    assert_eq!(roles(&ada, "globex"), ["auditor"]);
    assert!(ada.tenant("initech", None).is_err(), "roles alone make no tenant where tenants are named");
    assert!(roles(&ada, "initech").is_empty());
    let acme = ada.acting_in(&TenantId::parse("acme").unwrap());
    assert_eq!(acme.tenant_ids, ["acme"], "an auditor of globex reaches nothing there as legal of acme");

    // The list that names no tenant: where there is one tenant, it is clear what it is about.
    let one = caller(&authenticator, json!({})).await.unwrap();
    assert_eq!(roles(&one, "acme"), ["legal"]);
    let both = caller(&authenticator, json!({ "tenant_roles": { "acme": ["admin"] } })).await.unwrap();
    assert_eq!(roles(&both, "acme"), ["admin", "legal"]);
    let several = json!({ "tenants": ["acme", "globex"] });
    let error = caller(&authenticator, several.clone()).await.unwrap_err();
    assert!(error.message.contains("auth.flat_roles"), "{}", error.message);
    let everywhere = provider.authenticator(|config| config.flat_roles = "every-tenant".to_owned()).await;
    let ada = caller(&everywhere, several).await.unwrap();
    assert_eq!((roles(&ada, "acme"), roles(&ada, "globex")), (vec!["legal".to_owned()], vec!["legal".to_owned()]));
    assert_eq!(ada.acting_in(&TenantId::parse("acme").unwrap()).tenant_ids, ["acme", "globex"]);

    // Without a claim with tenants, those that roles are named for.
    let only = json!({ "tenants": null, "roles": null, "tenant_roles": { "acme": ["legal"], "globex": [] } });
    let only = caller(&authenticator, only).await.unwrap();
    assert_eq!(only.tenants().collect::<Vec<_>>(), ["acme", "globex"]);
    let error = caller(&authenticator, json!({ "tenant_roles": ["legal"] })).await.unwrap_err();
    assert!(error.message.contains("is no object"), "{}", error.message);
}
