//! How messages are encoded, and the checks before a request is decoded: a decoded message can take a thousand times the
//! memory of its encoded form.

mod json;
mod limits;
mod wire;

use bytes::{Bytes, BytesMut};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, SerializeOptions};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::door::{Events, Incoming, Method};
use crate::error::{CallError, codes};
use crate::http::{Budget, Room};

pub(crate) use json::top_level_text;

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
    /// [`codes::UNKNOWN_FIELD`], [`codes::MALFORMED_REQUEST`], [`codes::REQUEST_TOO_LARGE`].
    pub fn decode(self, method: &Method, bytes: &[u8]) -> Result<DynamicMessage, CallError> {
        match self {
            Self::Proto => {
                check_wire(method, Bytes::copy_from_slice(bytes), &mut None)?;
                let message = DynamicMessage::decode(method.input.clone(), bytes);
                message.map_err(|error| malformed(method, &error.to_string()))
            }
            Self::Json => {
                let bytes = or_empty(bytes);
                check_json(method, bytes, None, &mut None)?;
                whole_json(method, bytes)
            }
        }
    }

    /// The same for the door, which takes the entries of some requests as they are. What is made of them takes room.
    ///
    /// # Errors
    /// As [`Encoding::decode`], and `OVERLOADED`.
    pub(crate) fn read(self, method: &Method, bytes: Bytes, budget: &Budget) -> Result<Incoming, CallError> {
        if self == Self::Proto {
            return Incoming::decode(method, bytes, budget);
        }
        let (bytes, mut room) = (or_empty(&bytes), Some(budget.room()));
        check_json(method, bytes, method.entries(), &mut room)?;
        let incoming = match method.entries() {
            Some(entries) => json_with_entries(method, bytes, entries)?,
            None => whole_json(method, bytes)?.into(),
        };
        Ok(Incoming { room, ..incoming })
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

impl Incoming {
    /// Reads a request in protobuf. What is made of it takes room.
    ///
    /// # Errors
    /// [`codes::MALFORMED_REQUEST`], [`codes::REQUEST_TOO_LARGE`], `OVERLOADED`.
    pub fn decode(method: &Method, message: Bytes, budget: &Budget) -> Result<Self, CallError> {
        let mut room = Some(budget.room());
        let decode = |message: Bytes| {
            let request = DynamicMessage::decode(method.input.clone(), message);
            request.map_err(|error| malformed(method, &error.to_string()))
        };
        let Some(entries) = method.entries() else {
            check_wire(method, message.clone(), &mut room)?;
            return Ok(Self { request: decode(message)?, events: None, room });
        };
        let checked = wire::check_entries(&message, &method.input, entries);
        let (rest, size) = checked.map_err(|wrong| not_checked(method, wrong))?;
        take(&mut room, size)?;
        Ok(Self { request: decode(rest)?, events: Some(Events::Encoded(message)), room })
    }
}

/// Takes room for a decoded request, where it is bounded.
fn take(room: &mut Option<Room>, size: usize) -> Result<(), CallError> {
    room.as_mut().map_or(Ok(()), |room| room.take(size))
}

fn check_wire(method: &Method, bytes: Bytes, room: &mut Option<Room>) -> Result<(), CallError> {
    take(room, wire::check(bytes, &method.input).map_err(|wrong| not_checked(method, wrong))?)
}

fn not_checked(method: &Method, wrong: wire::Wrong) -> CallError {
    match wrong {
        wire::Wrong::TooMuch(much) => much.into(),
        wire::Wrong::Malformed(error) => malformed(method, &error.to_string()),
    }
}

fn malformed(method: &Method, what: &str) -> CallError {
    let message = format!("the request is not a {}: {what}; nothing was recorded", method.input.full_name());
    let is_unknown_field = what.contains("unrecognized field name");
    CallError::new(if is_unknown_field { codes::UNKNOWN_FIELD } else { codes::MALFORMED_REQUEST }, message)
}

fn malformed_json(method: &Method, error: &serde_json::Error) -> CallError {
    let place = format!("line {} column {}", error.line(), error.column());
    malformed(method, &error.to_string()).with("place", &place)
}

fn or_empty(bytes: &[u8]) -> &[u8] {
    if bytes.trim_ascii().is_empty() { b"{}" } else { bytes }
}

fn check_json(method: &Method, bytes: &[u8], entries: Option<u32>, room: &mut Option<Room>) -> Result<(), CallError> {
    let size = json::check(bytes, &method.input, entries).map_err(|wrong| match wrong {
        json::Wrong::TooMuch(much) => much.into(),
        json::Wrong::Malformed(error) => malformed_json(method, &error),
    });
    take(room, size?)
}

fn whole_json(method: &Method, bytes: &[u8]) -> Result<DynamicMessage, CallError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let message = DynamicMessage::deserialize(method.input.clone(), &mut json);
    message.map_err(|error| malformed_json(method, &error))
}

fn json_with_entries(method: &Method, bytes: &[u8], entries: u32) -> Result<Incoming, CallError> {
    let missing = || malformed(method, "its schema has no such field");
    let field = method.input.get_field(entries).ok_or_else(missing)?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = json.deserialize_map(ReadEntries { method, field: &field });
    read.map_err(|error| malformed_json(method, &error))
}

/// Reads a request in JSON, and the entries of one of its fields one by one: each is encoded before the next is read, so
/// that there are never hundreds of them in memory in the form that takes most of it.
struct ReadEntries<'a> {
    method: &'a Method,
    field: &'a FieldDescriptor,
}

impl<'de> Visitor<'de> for ReadEntries<'_> {
    type Value = Incoming;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Incoming, A::Error> {
        let mut rest = serde_json::Map::new();
        let mut entries = BytesMut::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == self.field.json_name() || name == self.field.name() {
                map.next_value_seed(Entries { field: self.field, encoded: &mut entries })?;
            } else {
                rest.insert(name, map.next_value()?);
            }
        }
        let request = DynamicMessage::deserialize(self.method.input.clone(), serde_json::Value::Object(rest));
        let request = request.map_err(serde::de::Error::custom)?;
        Ok(Incoming { request, events: Some(Events::Encoded(entries.freeze())), room: None })
    }
}

struct Entries<'a> {
    field: &'a FieldDescriptor,
    encoded: &'a mut BytesMut,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        // Null is an empty list in protobuf's mapping.
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Kind::Message(message) = self.field.kind() else { return Ok(()) };
        while let Some(entry) = list.next_element_seed(message.clone())? {
            encode_key(self.field.number(), WireType::LengthDelimited, self.encoded);
            encode_varint(entry.encoded_len() as u64, self.encoded);
            entry.encode(self.encoded).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}
