//! The keys that tokens are checked with, as an identity provider publishes them.

use daybook_server::auth::{Authenticator, Jwks, KeySource};
use daybook_server::config::AuthConfig;
use jsonwebtoken::jwk::JwkSet;

use super::now;
use super::token::signed;

pub(super) fn run(bytes: &[u8]) {
    let Ok(read) = Jwks::parse(bytes) else { return };
    assert!(!read.usable.is_empty());
    let named: usize = read.why_passed_over().map_or(0, |why| why.len());
    assert!(named < 8_192, "what goes into the log has a bound: {named} bytes");
    let keys = JwkSet { keys: read.usable };
    let authenticator = now(Authenticator::new(KeySource::Fixed(Box::new(keys)), AuthConfig::default()));
    let authenticator =
        authenticator.unwrap_or_else(|error| panic!("keys that are given need no reading: {}", error.message));
    let claims = serde_json::json!({ "sub": "mallory", "exp": 9_999_999_999_u64, "roles": ["admin"] });
    for key_id in [None, Some("development")] {
        let checked = now(authenticator.check(Some(&format!("Bearer {}", signed(&claims, key_id)))));
        // It cannot know the public key unless it is the seed's.
        if let Ok(caller) = checked {
            assert_eq!(caller.id(), "mallory");
        }
    }
}
