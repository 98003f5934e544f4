//! How messages are written down outside gRPC: as JSON or as protobuf.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, SerializeOptions};

use crate::door::Method;
use crate::error::{CallError, codes};

/// How a message is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// JSON, as protobuf maps to it.
    Json,
    /// Protobuf.
    Proto,
}

impl Encoding {
    /// Its media type over HTTP.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        }
    }

    /// Reads a request of a method.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_FIELD`] and [`codes::MALFORMED_REQUEST`].
    pub fn decode(self, method: &Method, bytes: &[u8]) -> Result<DynamicMessage, CallError> {
        let malformed = |what: String| {
            let message = format!("the request is not a {}: {what}; nothing was recorded", method.input.full_name());
            let is_unknown_field = what.contains("unrecognized field name");
            let code = if is_unknown_field { codes::UNKNOWN_FIELD } else { codes::MALFORMED_REQUEST };
            CallError::new(code, message)
        };
        match self {
            Self::Proto => DynamicMessage::decode(method.input.clone(), bytes).map_err(|e| malformed(e.to_string())),
            Self::Json => {
                let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
                let mut json = serde_json::Deserializer::from_slice(bytes);
                let message = DynamicMessage::deserialize(method.input.clone(), &mut json);
                message.and_then(|message| json.end().map(|()| message)).map_err(|error| {
                    let place = format!("line {} column {}", error.line(), error.column());
                    malformed(error.to_string()).with("place", &place)
                })
            }
        }
    }

    /// Writes a response of a method down, which is given as protobuf.
    ///
    /// # Errors
    /// [`codes::INTERNAL_ERROR`] when it is none.
    pub fn encode(self, method: &Method, response: Bytes) -> Result<Vec<u8>, CallError> {
        let defect = |what: String| CallError::new(codes::INTERNAL_ERROR, what);
        if self == Self::Proto {
            return Ok(response.to_vec());
        }
        let message = DynamicMessage::decode(method.output.clone(), response).map_err(|e| defect(e.to_string()))?;
        let mut json = serde_json::Serializer::new(Vec::new());
        let written = message.serialize_with_options(&mut json, &SerializeOptions::new());
        written.map_err(|error| defect(error.to_string()))?;
        Ok(json.into_inner())
    }
}
