//! Who asks: bearer tokens (JWT, RFC 7519) checked against a JSON Web Key Set (RFC 7517).

mod checked;
mod claims;
pub mod development;
mod keys;

use std::time::SystemTime;

use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use daybook_proto::log::v1::{Actor, actor::Kind};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};

use crate::config::AuthConfig;
use crate::error::{CallError, codes};

use checked::{Checked, Checks};
use claims::Claims;
use keys::Keys;

pub use keys::KeySource;

/// Algorithms that tokens may be signed with. Shared secrets (HS*) are not among them: the keys are public.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Seconds by which clocks may differ.
const LEEWAY_SECONDS: u64 = 30;

/// Somebody whose token was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// As it is written into command records.
    pub actor: Actor,
}

impl Caller {
    /// The tenant that a request is about: the one it names, or the token's only one.
    pub fn tenant(&self, named: &str, default: Option<&TenantId>) -> Result<TenantId, CallError> {
        let tenants = &self.actor.tenant_ids;
        let tenant = match (named, default, tenants.as_slice()) {
            ("", Some(default), _) => default.clone(),
            ("", None, [only]) => TenantId::parse(only).map_err(|problem| CallError::field("tenant_id", problem.0))?,
            ("", None, _) => {
                let message =
                    format!("the token speaks for {} tenants: say in tenant_id which one is meant", tenants.len());
                return Err(CallError::new(codes::TENANT_REQUIRED, message));
            }
            (named, ..) => TenantId::parse(named).map_err(|problem| CallError::field("tenant_id", problem.0))?,
        };
        if tenants.iter().any(|one| one == tenant.as_str()) {
            return Ok(tenant);
        }
        let message = format!(
            "the token of {} does not speak for tenant {tenant}; nothing was recorded; use one that does",
            self.actor.id
        );
        Err(CallError::new(daybook_kernel::code::TENANT_NOT_IN_TOKEN, message))
    }
}

/// Checks tokens.
pub struct Authenticator {
    keys: Keys,
    config: AuthConfig,
    /// Tokens come again and again, and checking a signature costs more than deciding most commands.
    checked: Checked,
}

impl Authenticator {
    /// An authenticator with its keys.
    pub async fn new(source: KeySource, config: AuthConfig) -> Result<Self, CallError> {
        let keys = Keys::load(source, config.jwks_refresh_seconds).await?;
        Ok(Self { keys, config, checked: Checked::default() })
    }

    /// Checks the value of an Authorization header.
    pub async fn check(&self, authorization: Option<&str>) -> Result<Caller, CallError> {
        self.check_as_of(authorization, None).await
    }

    /// The same for a token that was sent at some time: then it must have been good. Its signature must be one of a key
    /// that is known now: a key that was withdrawn since is good for nothing.
    pub async fn check_as_of(
        &self,
        authorization: Option<&str>,
        sent_at: Option<Timestamp>,
    ) -> Result<Caller, CallError> {
        let missing = || {
            CallError::new(
                codes::TOKEN_MISSING,
                "no bearer token came with the request; send `Authorization: Bearer TOKEN`",
            )
        };
        let (scheme, token) = authorization.and_then(|value| value.trim().split_once(' ')).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing());
        }
        let invalid = |why: String| CallError::new(codes::TOKEN_INVALID, format!("the token is not accepted: {why}"));
        let token = token.trim();
        let checks = Checks {
            keys: self.keys.generation().await,
            at_seconds: sent_at.map_or_else(now_seconds, |sent_at| sent_at.as_unix_millis() / 1_000),
        };
        if let Some(caller) = self.checked.find(token, checks) {
            return Ok(caller);
        }
        let header = decode_header(token).map_err(|error| invalid(error.to_string()))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(invalid(format!("its algorithm {:?} is not one that is accepted", header.alg)));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;
        let key = key.ok_or_else(|| invalid("none of the known keys signed it".to_owned()))?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_exp = sent_at.is_none();
        validation.validate_nbf = sent_at.is_none();
        validation.required_spec_claims = ["exp", "sub"].map(str::to_owned).into();
        validation.validate_aud = !self.config.audience.is_empty();
        if !self.config.audience.is_empty() {
            validation.set_audience(&[&self.config.audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if !self.config.issuer.is_empty() {
            validation.set_issuer(&[&self.config.issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        let claims = decode::<serde_json::Value>(token, &key, &validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => {
                CallError::new(codes::TOKEN_EXPIRED, "the token has expired; get a new one and send the request again")
            }
            _ => invalid(error.to_string()),
        })?;
        let claims = Claims(claims.claims);
        if let Some(sent_at) = sent_at {
            let sent_at = sent_at.as_unix_millis() / 1_000;
            let expired_at = claims.seconds("exp").ok_or_else(|| invalid("its expiry is no time".to_owned()))?;
            if sent_at > expired_at.saturating_add(LEEWAY_SECONDS) {
                let message = "the token had expired when it was sent; get a new one and send the command again";
                return Err(CallError::new(codes::TOKEN_EXPIRED, message));
            }
            if claims.seconds("nbf").is_some_and(|from| sent_at.saturating_add(LEEWAY_SECONDS) < from) {
                return Err(invalid("it was not good yet when it was sent".to_owned()));
            }
        }
        let caller = self.caller(&claims).map_err(invalid)?;
        if let Some(good) = claims.good() {
            self.checked.remember(token, checks.keys, good, &caller);
        }
        Ok(caller)
    }

    /// Who a token with these claims belongs to.
    fn caller(&self, claims: &Claims) -> Result<Caller, String> {
        let id = claims.text("sub").ok_or("it has no subject")?;
        if id.len() > 200 || id.chars().any(char::is_control) {
            return Err("its subject is longer than 200 bytes or has control characters".to_owned());
        }
        let is_service = claims.text(&self.config.kind_claim).as_deref() == Some("service");
        let kind = if is_service { Kind::Service } else { Kind::User };
        let roles = claims.texts(&self.config.roles_claim);
        let tenant_ids = claims.texts(&self.config.tenants_claim);
        if roles.len() + tenant_ids.len() > 500 {
            return Err("it names more than 500 roles and tenants".to_owned());
        }
        Ok(Caller { actor: Actor { kind: kind.into(), id, roles, tenant_ids } })
    }
}

/// Now, in seconds since 1970.
fn now_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
