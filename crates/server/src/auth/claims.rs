//! Reading claims by name, wherever an identity provider puts them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value;

/// The claims of a token.
pub(super) struct Claims(pub(super) Value);

impl Claims {
    /// A claim by name. A name that is there as it stands comes first; else its dots lead into objects.
    fn get(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        name.split('.').try_fold(&self.0, |value, part| value.get(part))
    }

    /// Why these are not the claims of an access token, where that can be told: identity tokens and others are made for
    /// somebody else, and speak of the same people.
    pub(super) fn of_another_kind(&self) -> Option<&'static str> {
        if self.0.get("iss").is_some_and(|issuer| !issuer.is_string()) {
            return Some("its issuer is not one text");
        }
        // OpenID Connect Core 3.1.3.6, 3.3.2.11: they bind an identity token to what was issued with it.
        let binds = ["at_hash", "c_hash", "s_hash"].iter().any(|claim| self.0.get(*claim).is_some());
        let says = |claim: &str, kinds: &[&str]| {
            self.0.get(claim).and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind))
        };
        // What Amazon Cognito and Keycloak say.
        let is_other = says("token_use", &["id"]) || says("typ", &["ID", "Refresh", "Offline", "Logout"]);
        (binds || is_other).then_some("it is an identity token, or another that is not made for calling an API")
    }

    /// A claim that is an object of lists, as those of [`Claims::texts`]. `None` when there is no such claim.
    pub(super) fn lists(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<String>>>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Value::Object(lists) = value else { return Err(format!("its claim {name} is no object")) };
        Ok(Some(lists.iter().map(|(key, list)| (key.clone(), sorted_texts(list))).collect()))
    }

    /// A claim that is one text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_str().map(ToOwned::to_owned)
    }

    /// A claim that is a time, in seconds since 1970; a part of a second is left out.
    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        let value = self.get(name)?;
        value.as_u64().or_else(|| value.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64))
    }

    /// From when to before when the token is good, in seconds since 1970 and without any leeway; `None` when it says that
    /// in a way that is no time.
    pub(super) fn good(&self) -> Option<Range<u64>> {
        let from = if self.0.get("nbf").is_none() { 0 } else { self.seconds("nbf")? };
        Some(from..self.seconds("exp")?)
    }

    /// A claim that is a list of texts, one text, or texts separated by spaces (as OAuth's scope); sorted.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.get(name).map(sorted_texts).unwrap_or_default()
    }
}

fn sorted_texts(value: &Value) -> Vec<String> {
    let texts: BTreeSet<String> = match value {
        Value::String(text) => text.split_whitespace().map(ToOwned::to_owned).collect(),
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        _ => BTreeSet::new(),
    };
    texts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_found_where_providers_put_them() {
        let claims = Claims(json!({
            "sub": "ada",
            "scope": "b a",
            "realm_access": { "roles": ["legal", "admin", 7] },
            "https://example.org/tenants": ["acme"],
        }));
        assert_eq!(claims.text("sub").as_deref(), Some("ada"));
        assert_eq!(claims.texts("scope"), ["a", "b"]);
        assert_eq!(claims.texts("realm_access.roles"), ["admin", "legal"]);
        assert_eq!(claims.texts("https://example.org/tenants"), ["acme"]);
        assert!(claims.texts("nothing.here").is_empty());
    }
}
