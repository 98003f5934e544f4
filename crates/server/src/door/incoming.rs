//! A request as it comes in.

use bytes::{Buf, Bytes, BytesMut};
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, skip_field};
use prost_reflect::DynamicMessage;

use super::Method;
use super::minimise::EVENTS;

/// A request. Its fields are looked at by what the schema says of them; but events of product use, of which there are
/// hundreds in one and which go no further than the door, are read as they are.
pub struct Incoming {
    pub(super) request: DynamicMessage,
    /// Encoded events with the numbers of their field, which are not in `request`.
    pub(super) events: Option<Bytes>,
}

impl From<DynamicMessage> for Incoming {
    fn from(request: DynamicMessage) -> Self {
        Self { request, events: None }
    }
}

impl Incoming {
    /// Reads an encoded request.
    ///
    /// # Errors
    /// It is no such message.
    pub fn decode(method: &Method, message: Bytes) -> Result<Self, prost::DecodeError> {
        if !method.records_events() {
            return Ok(DynamicMessage::decode(method.input.clone(), message)?.into());
        }
        let (mut rest, mut left) = (BytesMut::new(), message.clone());
        while left.has_remaining() {
            let (number, wire_type) = decode_key(&mut left)?;
            let from = message.len() - left.remaining();
            skip_field(wire_type, number, &mut left, DecodeContext::default())?;
            if number != EVENTS || wire_type != WireType::LengthDelimited {
                encode_key(number, wire_type, &mut rest);
                rest.extend_from_slice(&message[from..message.len() - left.remaining()]);
            }
        }
        Ok(Self { request: DynamicMessage::decode(method.input.clone(), rest)?, events: Some(message) })
    }
}
