//! Typed clients: a file of TypeScript, Python or Rust in which every event is a method with typed parameters.
//!
//! Required properties are required parameters, an enumeration is a type of its own, and bounds are checked where the
//! event is recorded. So the line that records an event does not compile, or says at once what is wrong with it, and is
//! not found out to be wrong on a chart months later.
//!
//! Each client brings what it needs to send: it keeps events in a buffer, gives each an id and a time, sends up to 500
//! in a batch in the background, and sends a batch again under its command id where it is not known whether it arrived.

mod names;
mod python;
mod rust;
mod typescript;

use std::fmt;
use std::str::FromStr;

use daybook_proto::product_analytics::v1::{EventSchema, PropertySchema, PropertyType};

/// The language of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// TypeScript for browsers and for Node 18 and later; no dependencies.
    TypeScript,
    /// Python 3.9 and later; the standard library only.
    Python,
    /// Rust, with `serde_json` and `uuid`; the program brings its own HTTP client.
    Rust,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TypeScript, Self::Python, Self::Rust];

    /// How its files end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::TypeScript => "ts",
            Self::Python => "py",
            Self::Rust => "rs",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TypeScript => "typescript",
            Self::Python => "python",
            Self::Rust => "rust",
        })
    }
}

/// A word that names no language that clients are made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownLanguage(String);

impl fmt::Display for UnknownLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no clients are made for {:?}; name one of typescript (ts), python (py), rust (rs)", self.0)
    }
}

impl std::error::Error for UnknownLanguage {}

impl FromStr for Language {
    type Err = UnknownLanguage;

    /// Reads a name or a file ending.
    fn from_str(word: &str) -> Result<Self, UnknownLanguage> {
        let is_meant = |language: &Self| word == language.extension() || word == language.to_string();
        Self::ALL.into_iter().find(is_meant).ok_or_else(|| UnknownLanguage(word.to_owned()))
    }
}

/// The source of a client for schemas in which the linter finds no problem. The same schemas, in any order, give the
/// same text.
pub fn generate(language: Language, schemas: &[EventSchema]) -> String {
    let mut schemas: Vec<&EventSchema> = schemas.iter().collect();
    schemas.sort_by(|a, b| a.name.cmp(&b.name));
    match language {
        Language::TypeScript => typescript::generate(&schemas),
        Language::Python => python::generate(&schemas),
        Language::Rust => rust::generate(&schemas),
    }
}

/// What is left of the name of an event where a language writes words together: two events with one key would be told
/// apart by a `_` only.
pub(crate) fn key(name: &str) -> String {
    name.replace(['.', '_'], "")
}

/// What a property means, and the unit and bounds of its numbers, for a comment.
fn says(property: &PropertySchema) -> String {
    let (about, unit) = (names::comment(&property.description), unit(property));
    if about.is_empty() { unit } else { format!("{about} ({unit})") }
}

fn unit(property: &PropertySchema) -> String {
    let PropertySchema { minimum, maximum, currency, .. } = property;
    match property.r#type() {
        PropertyType::Integer => format!("{minimum} to {maximum}"),
        PropertyType::Duration => format!("milliseconds, {minimum} to {maximum}"),
        PropertyType::Money => format!("in the smallest unit of {currency}, {minimum} to {maximum}"),
        PropertyType::OpaqueId => "an id, never of a person".to_owned(),
        PropertyType::Boolean => "yes or no".to_owned(),
        PropertyType::Enum | PropertyType::Unspecified => "one of its values".to_owned(),
    }
}
