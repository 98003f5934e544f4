//! The keys that tokens are checked with: from a file, from a URL, or those of a development node.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::RwLock;

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
}

impl Keys {
    pub(super) async fn load(source: KeySource, refresh: Duration) -> Result<Self, CallError> {
        let set = read(&source).await?;
        Ok(Self { source, refresh, known: RwLock::new(Known { set, read_at: Instant::now() }) })
    }

    /// The key of a token. Reads the source again when its keys are old, or do not include the one that is named.
    pub(super) async fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Option<DecodingKey>, CallError> {
        {
            let known = self.known.read().await;
            let is_fresh = known.read_at.elapsed() < self.refresh || matches!(self.source, KeySource::Fixed(_));
            let found = select(&known.set, kid, algorithm);
            if (found.is_some() && is_fresh) || known.read_at.elapsed() < REFRESH_AT_MOST_EVERY {
                return Ok(found);
            }
        }
        let mut known = self.known.write().await;
        if known.read_at.elapsed() >= REFRESH_AT_MOST_EVERY {
            known.read_at = Instant::now();
            match read(&self.source).await {
                Ok(set) => known.set = set,
                // The keys that are known go on being good: a provider that is down locks nobody out.
                Err(error) => tracing::warn!(error.message, "the keys for tokens could not be read again"),
            }
        }
        Ok(select(&known.set, kid, algorithm))
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
