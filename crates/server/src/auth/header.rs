//! What the header of a token says that no library looks at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::strict_json;

/// What a token may call itself (RFC 7515 4.1.9, RFC 9068 2.1). Others are made for something else: `logout+jwt`,
/// `dpop+jwt`, `secevent+jwt`.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// The three parts of a token, decoded; the signature is not.
pub(super) struct Parts {
    /// The header.
    header: Value,
    /// The claims. Only after the signature was checked do they say anything.
    pub(super) claims: Value,
}

impl Parts {
    /// Takes a token apart.
    ///
    /// # Errors
    /// When it is not three parts of which two are JSON objects, each key once.
    pub(super) fn of(token: &str) -> Result<Self, String> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("it is not three parts with dots between them".to_owned());
        };
        let read = |what: &str, part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|error| format!("its {what}: {error}"))?;
            let value = strict_json::read(&bytes).map_err(|error| format!("its {what}: {error}"))?;
            if value.is_object() { Ok(value) } else { Err(format!("its {what}: it is no object")) }
        };
        Ok(Self { header: read("header", header)?, claims: read("claims", claims)? })
    }

    /// Whether the header asks for nothing that is not done here.
    ///
    /// # Errors
    /// What it asks for.
    pub(super) fn check_header(&self) -> Result<(), String> {
        // RFC 7515 4.1.11: who does not understand an extension that is critical must refuse the token. None is
        // understood here, and an empty list is not allowed.
        if let Some(critical) = self.header.get("crit") {
            return Err(format!("its header has extensions that must be understood and are not: {critical}"));
        }
        match self.header.get("typ") {
            None => Ok(()),
            Some(Value::String(kind)) if TYPES.contains(&kind.to_ascii_lowercase().as_str()) => Ok(()),
            Some(other) => Err(format!("its type {other} is not that of an access token")),
        }
    }
}
