//! The value of one property: from what a program sends to a number, or why not.

use daybook_detect::{Detector, Sensitivity};
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
    Id(Id<'a>),
}

/// The id of a thing, in which the detectors saw nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }
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
            // The name of the property says what its values are: nine digits under `ssn` are one.
            if Detector::new(Sensitivity::Strict).sees(&property.schema.name, id) {
                return Err(Refusal::PersonalData);
            }
            if id.is_empty() || id.len() > ID_CHARS_MAX || !id.bytes().all(allowed) {
                return Err(Refusal::WrongValue);
            }
            Value::Id(Id(id))
        }
        _ => return Err(Refusal::WrongValue),
    };
    Ok(Some(value))
}
