//! Reading claims by name, wherever an identity provider puts them.

use std::collections::BTreeSet;
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
        let texts: BTreeSet<String> = match self.get(name) {
            Some(Value::String(text)) => text.split_whitespace().map(ToOwned::to_owned).collect(),
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
            _ => BTreeSet::new(),
        };
        texts.into_iter().collect()
    }
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
