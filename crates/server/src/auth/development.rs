//! Development mode: the node has a signing key of its own, in its data folder, and whoever can read that file can be
//! anybody. For trying things out and for tests; the node says so loudly at its start.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};

use super::KeySource;

const KEY_FILE: &str = "development/signing-key.der";
const KEY_ID: &str = "development";
/// The issuer of development tokens.
pub const ISSUER: &str = "daybook-development";
/// The audience of development tokens.
pub const AUDIENCE: &str = "daybook";

/// The signing key of a development node.
pub struct DevelopmentKey {
    pkcs8: Vec<u8>,
}

/// What a token says.
#[derive(Debug, Clone)]
pub struct TokenRequest<'a> {
    /// Who.
    pub subject: &'a str,
    /// Tenants that it speaks for.
    pub tenants: &'a [String],
    /// Roles.
    pub roles: &'a [String],
    /// Whether it belongs to a program.
    pub service: bool,
    /// How long it is good.
    pub valid_for: Duration,
}

fn key_file(data_dir: &Path) -> PathBuf {
    data_dir.join(KEY_FILE)
}

impl DevelopmentKey {
    /// Whether a development node has made a key in a data folder.
    pub fn is_there(data_dir: &Path) -> bool {
        key_file(data_dir).exists()
    }

    /// Removes the key of a data folder: what it signed is good for nothing from then on.
    pub(crate) fn remove(data_dir: &Path) -> Result<(), String> {
        match fs::remove_file(key_file(data_dir)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", key_file(data_dir).display()))
            }
            _ => Ok(()),
        }
    }

    /// The key of a data folder, made if there is none.
    pub fn open_or_create(data_dir: &Path) -> Result<Self, String> {
        let file = key_file(data_dir);
        if file.exists() {
            return Self::open(data_dir);
        }
        let key = Ed25519KeyPair::generate().and_then(|key| key.to_pkcs8v1()).map_err(|error| error.to_string())?;
        let failed = |error: std::io::Error| format!("{}: {error}", file.display());
        write_secret(&file, key.as_ref()).map_err(failed)?;
        Ok(Self { pkcs8: key.as_ref().to_vec() })
    }

    /// The key of a data folder.
    pub fn open(data_dir: &Path) -> Result<Self, String> {
        let file = key_file(data_dir);
        let pkcs8 = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self { pkcs8 })
    }

    /// The public key, for checking tokens.
    pub fn source(&self) -> Result<KeySource, String> {
        let key = Ed25519KeyPair::from_pkcs8(&self.pkcs8).map_err(|error| error.to_string())?;
        let x = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": KEY_ID, "x": x }] });
        let set: JwkSet = serde_json::from_value(set).map_err(|error| error.to_string())?;
        Ok(KeySource::Fixed(Box::new(set)))
    }

    /// A token. It has its roles in each of its tenants.
    pub fn mint(&self, request: &TokenRequest<'_>) -> Result<String, String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let by_tenant: Map<_, _> =
            request.tenants.iter().map(|tenant| (tenant.clone(), json!(request.roles))).collect();
        self.sign(&json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": request.subject,
            "tenants": request.tenants,
            "tenant_roles": by_tenant,
            // For nodes of a release before there were roles by tenant.
            "roles": request.roles,
            "kind": if request.service { "service" } else { "user" },
            "iat": now.as_secs(),
            "exp": (now + request.valid_for).as_secs(),
        }))
    }

    /// A token with these claims, whatever they are.
    pub fn sign(&self, claims: &Value) -> Result<String, String> {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &EncodingKey::from_ed_der(&self.pkcs8)).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
impl DevelopmentKey {
    /// A token with this header and these claims, letter by letter.
    pub(super) fn sign_raw(&self, header: &str, claims: &str) -> String {
        let key = Ed25519KeyPair::from_pkcs8(&self.pkcs8).unwrap();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// Writes a file that only its owner can read, in a folder that only its owner can enter.
pub(crate) fn write_secret(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use daybook_kernel::id::TenantId;

    use super::super::Authenticator;
    use super::*;
    use crate::config::AuthConfig;

    fn request<'a>(tenants: &'a [String], roles: &'a [String]) -> TokenRequest<'a> {
        TokenRequest { subject: "ada", tenants, roles, service: false, valid_for: Duration::from_secs(60) }
    }

    async fn authenticator(key: &DevelopmentKey, config: AuthConfig) -> Authenticator {
        Authenticator::new(key.source().unwrap(), config).await.unwrap()
    }

    #[tokio::test]
    async fn a_token_says_who_asks_for_which_tenants_in_which_roles() {
        let folder = tempfile::tempdir().unwrap();
        let key = DevelopmentKey::open_or_create(folder.path()).unwrap();
        let (tenants, roles) = (["acme".to_owned(), "globex".to_owned()], ["legal".to_owned()]);
        let token = key.mint(&request(&tenants, &roles)).unwrap();
        let again = DevelopmentKey::open(folder.path()).unwrap();
        let authenticator = authenticator(&again, AuthConfig::default()).await;
        let caller = authenticator.check(Some(&format!("Bearer {token}"))).await.unwrap();
        assert_eq!(caller.id(), "ada");
        let actor = caller.acting_in(&TenantId::parse("globex").unwrap());
        assert_eq!((actor.tenant_ids.as_slice(), actor.roles.as_slice()), (&tenants[..], &roles[..]));
        assert_eq!(caller.tenant("globex", None).unwrap().as_str(), "globex");
        assert_eq!(caller.tenant("", None).unwrap_err().code, "TENANT_REQUIRED");
        assert_eq!(caller.tenant("initech", None).unwrap_err().code, "TENANT_NOT_IN_TOKEN");
    }

    #[tokio::test]
    async fn what_is_not_a_good_token_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let key = DevelopmentKey::open_or_create(folder.path()).unwrap();
        let forger = DevelopmentKey::open_or_create(&folder.path().join("other")).unwrap();
        let authenticator = authenticator(&key, AuthConfig::default()).await;
        let code = async |authorization: Option<String>| {
            authenticator
                .check(authorization.as_deref())
                .await
                .map(|_| String::new())
                .unwrap_or_else(|error| error.code)
        };
        let bearer = |token: String| Some(format!("Bearer {token}"));
        assert_eq!(code(None).await, "TOKEN_MISSING");
        assert_eq!(code(Some("Basic YTpi".into())).await, "TOKEN_MISSING");
        assert_eq!(code(bearer("nonsense".into())).await, "TOKEN_INVALID");
        let forged = forger.mint(&request(&[], &[])).unwrap();
        assert_eq!(code(bearer(forged)).await, "TOKEN_INVALID");
        let good = key.mint(&request(&[], &[])).unwrap();
        let tampered = {
            let parts: Vec<_> = good.split('.').collect();
            let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"root","exp":9999999999,"roles":["admin"]}"#);
            format!("{}.{claims}.{}", parts[0], parts[2])
        };
        assert_eq!(code(bearer(tampered)).await, "TOKEN_INVALID");
        let unsigned = format!("{}..", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        assert_eq!(code(bearer(unsigned)).await, "TOKEN_INVALID");
        let public_key_as_secret = {
            let header = Header { kid: Some(KEY_ID.into()), ..Header::new(Algorithm::HS256) };
            let claims = json!({ "sub": "root", "exp": 9_999_999_999_u64 });
            encode(&header, &claims, &EncodingKey::from_secret(b"whatever is public")).unwrap()
        };
        assert_eq!(code(bearer(public_key_as_secret)).await, "TOKEN_INVALID");
        let header = Header { kid: Some(KEY_ID.into()), ..Header::new(Algorithm::EdDSA) };
        let claims = json!({ "sub": "ada", "exp": 1_000_000_000 });
        let expired = encode(&header, &claims, &EncodingKey::from_ed_der(&key.pkcs8)).unwrap();
        assert_eq!(code(bearer(expired)).await, "TOKEN_EXPIRED");
        let claims = json!({ "exp": 9_999_999_999_u64 });
        let nobody = encode(&header, &claims, &EncodingKey::from_ed_der(&key.pkcs8)).unwrap();
        assert_eq!(code(bearer(nobody)).await, "TOKEN_INVALID", "no subject");
        assert_eq!(code(bearer(good)).await, "");
    }

    #[tokio::test]
    async fn issuer_and_audience_are_checked_when_they_are_configured() {
        let folder = tempfile::tempdir().unwrap();
        let key = DevelopmentKey::open_or_create(folder.path()).unwrap();
        let token = format!("Bearer {}", key.mint(&request(&[], &[])).unwrap());
        for (issuer, audience, accepted) in
            [(ISSUER, AUDIENCE, true), ("somebody-else", "", false), ("", "another", false)]
        {
            let config =
                AuthConfig { issuer: issuer.to_owned(), audience: audience.to_owned(), ..AuthConfig::default() };
            let checked = authenticator(&key, config).await.check(Some(&token)).await;
            assert_eq!(checked.is_ok(), accepted, "{issuer} {audience}");
        }
    }
}
