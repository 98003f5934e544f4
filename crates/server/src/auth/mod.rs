//! Who asks: bearer tokens (JWT, RFC 7519) checked against a JSON Web Key Set (RFC 7517).

mod caller;
mod checked;
mod claims;
pub mod development;
mod header;
mod keys;
mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use daybook_kernel::time::Timestamp;
use daybook_proto::log::v1::actor::Kind;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};

use crate::config::AuthConfig;
use crate::error::{CallError, codes};

use checked::{Checked, Checks};
use claims::Claims;
use header::Parts;
use keys::Keys;

pub use caller::Caller;
pub use keys::{Jwks, KeySource, KeyStatus, KeyWatch, read_once};

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
        let keys = Keys::load(source, &config).await?;
        Ok(Self { keys, config, checked: Checked::default() })
    }

    /// Tells how its keys stand.
    pub fn key_watch(&self) -> KeyWatch {
        self.keys.watch()
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
            keys: self.keys.generation()?,
            at_seconds: sent_at.map_or_else(now_seconds, |sent_at| sent_at.as_unix_millis() / 1_000),
        };
        if let Some(caller) = self.checked.find(token, checks) {
            return Ok(caller);
        }
        let parts = Parts::of(token).map_err(invalid)?;
        parts.check_header().map_err(invalid)?;
        let header = decode_header(token).map_err(|error| invalid(error.to_string()))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(invalid(format!("its algorithm {:?} is not one that is accepted", header.alg)));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;
        let key = key.ok_or_else(|| invalid(self.keys.unknown()))?;
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
        decode::<serde_json::Value>(token, &key, &validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => {
                CallError::new(codes::TOKEN_EXPIRED, "the token has expired; get a new one and send the request again")
            }
            _ => invalid(error.to_string()),
        })?;
        // The same bytes, each key once.
        let claims = Claims(parts.claims);
        if let Some(why) = claims.of_another_kind() {
            return Err(invalid(why.to_owned()));
        }
        self.check_life(&claims, checks.at_seconds).map_err(invalid)?;
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

    /// A token that is good for long is good for whoever finds it, since none can be taken back.
    fn check_life(&self, claims: &Claims, now: u64) -> Result<(), String> {
        let max = self.config.token_life_max_seconds.as_secs();
        let Some(expires) = claims.seconds("exp").filter(|_| max > 0) else { return Ok(()) };
        let life = expires.saturating_sub(claims.seconds("iat").unwrap_or(now));
        if life <= max {
            return Ok(());
        }
        Err(format!("it is good for {life} seconds, and may be for {max} (auth.token_life_max_seconds)"))
    }

    /// Who a token with these claims belongs to.
    fn caller(&self, claims: &Claims) -> Result<Caller, String> {
        let id = claims.text("sub").ok_or("it has no subject, or one that is no text")?;
        subject::check(&id)?;
        let is_service = claims.text(&self.config.kind_claim).as_deref() == Some("service");
        let kind = if is_service { Kind::Service } else { Kind::User };
        let mut tenants = claims.texts(&self.config.tenants_claim);
        let by_tenant = claims.lists(&self.config.tenant_roles_claim)?;
        if let Some(by_tenant) = by_tenant.as_ref().filter(|_| tenants.is_empty()) {
            tenants = by_tenant.keys().cloned().collect();
        }
        let flat = claims.texts(&self.config.roles_claim);
        let counts_everywhere = self.config.flat_roles == "every-tenant" || tenants.len() == 1;
        if !counts_everywhere && !flat.is_empty() && !tenants.is_empty() && by_tenant.is_none() {
            return Err(format!(
                "it speaks for {} tenants, and its roles do not say in which of them they count; name them by tenant in \
                 the claim {}, or set auth.flat_roles = \"every-tenant\"",
                tenants.len(),
                self.config.tenant_roles_claim
            ));
        }
        let roles_in = |tenant: &String| {
            let named = by_tenant.as_ref().and_then(|by_tenant| by_tenant.get(tenant));
            let everywhere = flat.iter().filter(|_| counts_everywhere);
            named.into_iter().flatten().chain(everywhere).cloned().collect::<BTreeSet<_>>()
        };
        let roles: BTreeMap<_, _> = tenants.iter().map(|tenant| (tenant.clone(), roles_in(tenant))).collect();
        if roles.values().map(|roles| roles.len() + 1).sum::<usize>() > 500 {
            return Err("it names more than 500 roles and tenants".to_owned());
        }
        Ok(Caller::new(kind, id, roles))
    }
}

/// Now, in seconds since 1970.
fn now_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
