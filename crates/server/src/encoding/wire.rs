//! Looking through a request in protobuf before it is decoded: how much it holds.

use bytes::{Buf, Bytes, BytesMut};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, skip_field};
use prost_reflect::{Kind, MessageDescriptor};

use super::limits::{DecodedSize, TooMuch, check_depth};

/// What is wrong with a request.
#[derive(Debug)]
pub(super) enum Wrong {
    /// It holds too much.
    TooMuch(TooMuch),
    /// It is no such message.
    Malformed(DecodeError),
}

impl From<TooMuch> for Wrong {
    fn from(much: TooMuch) -> Self {
        Self::TooMuch(much)
    }
}

impl From<DecodeError> for Wrong {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// Looks through a request, and returns how many bytes it takes when it is decoded.
pub(super) fn check(bytes: Bytes, message: &MessageDescriptor) -> Result<usize, Wrong> {
    let mut size = DecodedSize::of_request();
    look(bytes, message, &mut size, 0)?;
    Ok(size.bytes())
}

/// Looks through a request, the entries of one field each by itself, and returns the request without them and what that
/// takes when it is decoded.
pub(super) fn check_entries(
    message: &Bytes,
    descriptor: &MessageDescriptor,
    entries: u32,
) -> Result<(Bytes, usize), Wrong> {
    let entry = match descriptor.get_field(entries).map(|field| field.kind()) {
        Some(Kind::Message(entry)) => Some(entry),
        _ => None,
    };
    let (mut rest, mut left) = (BytesMut::new(), message.clone());
    let mut all = DecodedSize::of_entries();
    while left.has_remaining() {
        let (number, wire_type) = decode_key(&mut left)?;
        let from = message.len() - left.remaining();
        skip_field(wire_type, number, &mut left, DecodeContext::default())?;
        let mut value = message.slice(from..message.len() - left.remaining());
        match &entry {
            Some(entry) if number == entries && wire_type == WireType::LengthDelimited => {
                decode_varint(&mut value)?;
                let mut one = DecodedSize::of_one_entry();
                look(value, entry, &mut one, 0)?;
                all.add(one.bytes())?;
            }
            _ => {
                encode_key(number, wire_type, &mut rest);
                rest.extend_from_slice(&value);
            }
        }
    }
    let rest = rest.freeze();
    let size = check(rest.clone(), descriptor)?;
    Ok((rest, size))
}

fn look(mut bytes: Bytes, message: &MessageDescriptor, size: &mut DecodedSize, depth: usize) -> Result<(), Wrong> {
    check_depth(depth)?;
    size.objects(1)?;
    while bytes.has_remaining() {
        size.values(1)?;
        let (number, wire_type) = decode_key(&mut bytes)?;
        let field = message.get_field(number);
        if wire_type != WireType::LengthDelimited {
            skip_field(wire_type, number, &mut bytes, DecodeContext::default())?;
            continue;
        }
        let length = usize::try_from(decode_varint(&mut bytes)?).unwrap_or(usize::MAX);
        if length > bytes.remaining() {
            // The decoder says so in its own words.
            return Ok(());
        }
        let inside = bytes.split_to(length);
        match field.as_ref().map(prost_reflect::FieldDescriptor::kind) {
            Some(Kind::Message(message)) => look(inside, &message, size, depth + 1)?,
            Some(Kind::String | Kind::Bytes) | None => size.add(length)?,
            // Numbers one after the other, each of a byte or more.
            Some(_) => size.values(length)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use daybook_proto::legal_hold::v1::{CheckDispositionRequest, DispositionCheck, PlaceHoldRequest, Scope};
    use prost::{Message, Name};

    use super::*;

    fn look_at<M: Message + Name>(bytes: impl Into<Bytes>) -> Result<usize, Wrong> {
        check(bytes.into(), &daybook_proto::descriptors().get_message_by_name(&M::full_name()).unwrap())
    }

    #[test]
    fn what_would_take_much_memory_is_refused_before_it_is_decoded() {
        // `checks { }` two million times: four megabytes that become hundreds.
        let empty = [0x1a, 0x00].repeat(2_000_000);
        assert!(matches!(look_at::<CheckDispositionRequest>(empty), Err(Wrong::TooMuch(TooMuch::Bytes(_)))));
        let packed = PlaceHoldRequest {
            scope: Some(Scope { kinds: vec![1; 2_200_000], ..Default::default() }),
            ..Default::default()
        };
        let packed = look_at::<PlaceHoldRequest>(packed.encode_to_vec());
        assert!(matches!(packed, Err(Wrong::TooMuch(TooMuch::Bytes(_)))));
        let most = CheckDispositionRequest { checks: vec![DispositionCheck::default(); 10_000], ..Default::default() };
        assert!(look_at::<CheckDispositionRequest>(most.encode_to_vec()).is_ok(), "what may be asked may be sent");
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        // google.protobuf.Value holding a list holding a value, and so on.
        let descriptor = daybook_proto::descriptors().get_message_by_name("google.protobuf.Value").unwrap();
        let nested = |lists: usize| {
            let mut value = vec![0x08, 0x00];
            for _ in 0..lists {
                let inside = |tag: u8, bytes: &[u8]| {
                    let mut outer = vec![tag];
                    prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
                    outer.extend_from_slice(bytes);
                    outer
                };
                value = inside(0x32, &inside(0x0a, &value));
            }
            check(value.into(), &descriptor)
        };
        assert!(nested(16).is_ok());
        assert!(matches!(nested(17), Err(Wrong::TooMuch(TooMuch::Depth(32)))));
    }

    #[test]
    fn what_is_cut_off_is_left_to_the_decoder() {
        assert!(look_at::<PlaceHoldRequest>(vec![0x0a, 0x7f, 0x01]).is_ok());
        assert!(matches!(look_at::<PlaceHoldRequest>(vec![0x0a]), Err(Wrong::Malformed(_))));
    }
}
