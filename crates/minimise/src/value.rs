//! The value of one property: from what a program sends to a number, or why not.

use daybook_privacy::detect::{Detector, Sensitivity};
use daybook_proto::product_analytics::v1::{PropertyType, Refusal};
use prost_types::value::Kind;

use crate::known::KnownProperty;

/// Characters of an id.
const ID_CHARS_MAX: usize = 64;
/// Whole numbers up to here are exact in JSON (RFC 8259, section 6).
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// A value.
#[derive(Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// What stands on the log.
    Number(i64),
    /// An id, of which the place in a list stands there.
    Id(&'a str),
}

/// Reads a value. `None`: it is not set.
pub(crate) fn read<'a>(kind: &'a Kind, property: &KnownProperty) -> Result<Option<Value<'a>>, Refusal> {
    let value = match (property.schema.r#type(), kind) {
        (_, Kind::NullValue(_)) => return Ok(None),
        (PropertyType::Enum, Kind::StringValue(word)) => {
            Value::Number(*property.places.get(word).ok_or(Refusal::WrongValue)?)
        }
        (PropertyType::Boolean, Kind::BoolValue(value)) => Value::Number(i64::from(*value)),
        (PropertyType::Integer | PropertyType::Duration | PropertyType::Money, Kind::NumberValue(number)) => {
            if number.fract() != 0.0 || number.abs() > EXACT_MAX {
                return Err(Refusal::WrongValue);
            }
            let number = *number as i64;
            if !(property.schema.minimum..=property.schema.maximum).contains(&number) {
                return Err(Refusal::OutOfRange);
            }
            Value::Number(number)
        }
        (PropertyType::OpaqueId, Kind::StringValue(id)) => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
            if is_personal(id) {
                return Err(Refusal::PersonalData);
            }
            if id.is_empty() || id.len() > ID_CHARS_MAX || !id.bytes().all(allowed) {
                return Err(Refusal::WrongValue);
            }
            Value::Id(id)
        }
        _ => return Err(Refusal::WrongValue),
    };
    Ok(Some(value))
}

/// Whether the detectors see personal data or a credential in a text. Random UUIDs are none, whatever digits they have.
pub(crate) fn is_personal(text: &str) -> bool {
    !is_random_uuid(text) && !Detector::new(Sensitivity::Strict).text(text).is_empty()
}

/// A UUID of version 4 or 7 (RFC 9562). Others can hold the address of a network card, or be made from a name.
fn is_random_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_form = bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    has_form
        && matches!(bytes.get(14), Some(b'4' | b'7'))
        && matches!(bytes.get(19), Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B'))
}
