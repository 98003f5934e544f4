//! The keys that tokens are checked with: from a file, from a URL, or those of a development node.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::error::{CallError, codes};

/// Where the keys are.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// A URL.
    Url(String),
    /// Given here.
    Fixed(Box<JwkSet>),
}

impl KeySource {
    /// From the configuration's text: a URL or a path.
    pub fn parse(text: &str) -> Self {
        if text.starts_with("https://") || text.starts_with("http://") {
            Self::Url(text.to_owned())
        } else {
            Self::File(PathBuf::from(text))
        }
    }
}

/// However many unknown keys tokens name, the source is not read more often than this.
const REFRESH_AT_MOST_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Keys {
    source: KeySource,
    refresh: Duration,
    known: RwLock<Known>,
}

struct Known {
    set: JwkSet,
    read_at: Instant,
    /// How often other keys were read than were known before.
    generation: u64,
}

impl Keys {
    pub(super) async fn load(source: KeySource, refresh: Duration) -> Result<Self, CallError> {
        let set = read(&source).await?;
        Ok(Self { source, refresh, known: RwLock::new(Known { set, read_at: Instant::now(), generation: 0 }) })
    }

    /// The key of a token. Reads the source again when its keys are old, or do not include the one that is named.
    pub(super) async fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Option<DecodingKey>, CallError> {
        {
            let known = self.known.read().await;
            let found = select(&known.set, kid, algorithm);
            if (found.is_some() && self.is_fresh(&known)) || known.read_at.elapsed() < REFRESH_AT_MOST_EVERY {
                return Ok(found);
            }
        }
        Ok(select(&self.read_again().await.set, kid, algorithm))
    }

    /// Which keys are known: as long as this number stays the same, a token that one of them signed is still signed by
    /// one of them. Reads the source again when its keys are old.
    pub(super) async fn generation(&self) -> u64 {
        {
            let known = self.known.read().await;
            if self.is_fresh(&known) || known.read_at.elapsed() < REFRESH_AT_MOST_EVERY {
                return known.generation;
            }
        }
        self.read_again().await.generation
    }

    fn is_fresh(&self, known: &Known) -> bool {
        known.read_at.elapsed() < self.refresh || matches!(self.source, KeySource::Fixed(_))
    }

    async fn read_again(&self) -> RwLockWriteGuard<'_, Known> {
        let mut known = self.known.write().await;
        if known.read_at.elapsed() >= REFRESH_AT_MOST_EVERY {
            known.read_at = Instant::now();
            match read(&self.source).await {
                Ok(set) => {
                    known.generation += u64::from(set != known.set);
                    known.set = set;
                }
                // The keys that are known go on being good: a provider that is down locks nobody out.
                Err(error) => tracing::warn!(error.message, "the keys for tokens could not be read again"),
            }
        }
        known
    }
}

async fn read(source: &KeySource) -> Result<JwkSet, CallError> {
    let unavailable = |what: String| {
        let message = format!("the keys to check tokens with cannot be read ({what}); check auth.jwks");
        CallError::new(codes::TOKEN_KEYS_UNAVAILABLE, message)
    };
    let text = match source {
        KeySource::Fixed(set) => return Ok(set.as_ref().clone()),
        KeySource::File(path) => {
            std::fs::read_to_string(path).map_err(|error| unavailable(format!("{}: {error}", path.display())))?
        }
        KeySource::Url(url) => {
            let get = async {
                let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
                client.get(url).send().await?.error_for_status()?.text().await
            };
            get.await.map_err(|error| unavailable(error.to_string()))?
        }
    };
    serde_json::from_str(&text).map_err(|error| unavailable(format!("it is no JWKS: {error}")))
}

/// The key that a token names and that fits its algorithm. A token without a key id is good when only one key fits.
fn select(set: &JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let mut fitting = set.keys.iter().filter(|key| fits(key, algorithm));
    let key = match kid {
        Some(kid) => fitting.find(|key| key.common.key_id.as_deref() == Some(kid))?,
        None => {
            let only = fitting.next()?;
            if fitting.next().is_some() {
                return None;
            }
            only
        }
    };
    DecodingKey::from_jwk(key).ok()
}

/// Whether a key may check signatures of an algorithm: a key is never used for another one than it is made for.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let for_signatures = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let says_so =
        key.common.key_algorithm.is_none_or(|named| Algorithm::try_from(named).is_ok_and(|named| named == algorithm));
    let is_of_the_kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => matches!(
            algorithm,
            Algorithm::RS256
                | Algorithm::RS384
                | Algorithm::RS512
                | Algorithm::PS256
                | Algorithm::PS384
                | Algorithm::PS512
        ),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => algorithm == Algorithm::ES256,
            EllipticCurve::P384 => algorithm == Algorithm::ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(_) => algorithm == Algorithm::EdDSA,
        _ => false,
    };
    for_signatures && says_so && is_of_the_kind
}

#[cfg(test)]
mod tests {
    use super::super::Authenticator;
    use super::super::development::{DevelopmentKey, TokenRequest};
    use super::*;
    use crate::config::AuthConfig;

    #[tokio::test]
    async fn a_token_is_refused_once_its_key_is_withdrawn_however_often_it_was_good_before() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| DevelopmentKey::open_or_create(&folder.path().join(name)).unwrap();
        let (old, new) = (key("old"), key("new"));
        let file = folder.path().join("jwks.json");
        let publish = |key: &DevelopmentKey| {
            let KeySource::Fixed(set) = key.source().unwrap() else { panic!("a development key is known") };
            std::fs::write(&file, serde_json::to_string(&set).unwrap()).unwrap();
        };
        publish(&old);
        let config = AuthConfig { jwks_refresh_seconds: Duration::ZERO, ..AuthConfig::default() };
        let authenticator = Authenticator::new(KeySource::File(file.clone()), config).await.unwrap();
        let token = old.mint(&TokenRequest {
            subject: "ada",
            tenants: &[],
            roles: &[],
            service: false,
            valid_for: Duration::from_secs(60),
        });
        let token = format!("Bearer {}", token.unwrap());
        for _ in 0..3 {
            assert_eq!(authenticator.check(Some(&token)).await.unwrap().actor.id, "ada");
        }
        publish(&new);
        authenticator.keys.known.write().await.read_at -= REFRESH_AT_MOST_EVERY;
        assert_eq!(authenticator.check(Some(&token)).await.unwrap_err().code, "TOKEN_INVALID");
        publish(&old);
        authenticator.keys.known.write().await.read_at -= REFRESH_AT_MOST_EVERY;
        assert!(authenticator.check(Some(&token)).await.is_ok(), "the key is back");
    }
}
