//! What comes in the Authorization header. JSON is taken as the claims of a token that an identity provider signed, and
//! anything else as the header.

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use daybook_server::auth::{Authenticator, KeySource};
use daybook_server::config::AuthConfig;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::now;

static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key from its seed"));

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let keys: JwkSet = serde_json::from_value(keys()).expect("a set of keys");
    let made = now(Authenticator::new(KeySource::Fixed(Box::new(keys)), AuthConfig::default()));
    made.unwrap_or_else(|error| panic!("{}", error.message))
});

/// The public key that fits.
pub(crate) fn keys() -> Value {
    let x = URL_SAFE_NO_PAD.encode(KEY.public_key().as_ref());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "development", "x": x }] })
}

/// A token with these claims.
pub(super) fn signed(claims: &Value, key_id: Option<&str>) -> String {
    let header = Header { kid: key_id.map(ToOwned::to_owned), ..Header::new(Algorithm::EdDSA) };
    let pkcs8 = KEY.to_pkcs8v1().expect("a key can be written");
    encode(&header, claims, &EncodingKey::from_ed_der(pkcs8.as_ref())).expect("a token can be signed")
}

pub(super) fn run(bytes: &[u8]) {
    let claims = serde_json::from_slice::<Value>(bytes).ok();
    let header = match &claims {
        Some(claims) => format!("Bearer {}", signed(claims, Some("development"))),
        None => String::from_utf8_lossy(bytes).into_owned(),
    };
    for sent_at in [None, Some(Timestamp::from_micros(1_800_000_000_000_000))] {
        let Ok(caller) = now(AUTHENTICATOR.check_as_of(Some(&header), sent_at)) else { continue };
        assert!(claims.is_some(), "nobody signed {header}");
        assert!(!caller.id().is_empty() && caller.id().len() <= 200 && !caller.id().contains(char::is_control));
        let tenants: Vec<_> = caller.tenants().collect();
        assert!(tenants.len() <= 500 && tenants.is_sorted());
        for tenant in &tenants {
            let spoken_for = caller.tenant(tenant, None);
            assert_eq!(spoken_for.is_ok(), TenantId::parse(tenant).is_ok());
            let Ok(tenant) = spoken_for else { continue };
            let actor = caller.acting_in(&tenant);
            assert!(actor.roles.len() <= 500 && actor.roles.is_sorted() && actor.tenant_ids.is_sorted());
            assert!(actor.tenant_ids.iter().any(|id| id == tenant.as_str()));
            assert!(actor.tenant_ids.iter().all(|id| tenants.contains(&id.as_str())));
        }
        assert!(caller.tenant("nobody-has-this-one", None).is_err() || tenants.contains(&"nobody-has-this-one"));
    }
}
