//! Finds personal data and credentials in text.
//!
//! [`Detector::text`] looks through one string, [`Detector::json`] through a document with everything in it: keys, values,
//! strings inside strings. What is percent-encoded or in base64 is decoded and looked through as well.
//!
//! ```text
//! text --> words, numbers --> candidate of a kind --> its check (check digit, date, structure) --> Finding
//!            '%41', base64 --> decoded ---^
//! ```
//!
//! A candidate counts when what it is made of says enough: a check digit of two digits, a date inside, a grouping that
//! nothing else has. Where it does not (nine digits of which one is a check digit are as often an order number), a word
//! nearby must say what it is ([`Sensitivity::Balanced`]), or it counts in any case ([`Sensitivity::Strict`]).
//!
//! No detector finds everything: `docs/privacy.md` says how much these find of a set that the project generates, and how
//! often they are wrong.
//!
//! ```
//! use daybook_detect::{Detector, Kind, Sensitivity};
//! let found = Detector::new(Sensitivity::Strict).text("paid with 4111_1111_1111_1111");
//! assert_eq!((found.len(), found[0].kind), (1, Kind::PaymentCard));
//! ```
//!
//! Architecture invariant: pure. Text in, places out; no IO, no clock, no key.

mod calendar;
mod card;
mod check_digits;
mod context;
mod email;
mod encoded;
mod iban;
mod json;
mod national_id;
mod network;
mod number;
mod phone;
mod scan;
mod secret;
#[cfg(test)]
mod tests;
mod uuid;

use std::fmt;
use std::ops::Range;

pub use json::Located;
pub use national_id::Country;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An e-mail address (RFC 5321, without quoted local parts), also of an international domain.
    Email,
    /// A telephone number: international (E.164), or as it is written within a country.
    Phone,
    /// The number of a payment card (ISO/IEC 7812, Luhn).
    PaymentCard,
    /// An international bank account number (ISO 13616).
    Iban,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// A MAC address (EUI-48).
    MacAddress,
    /// A number by which a country knows a person.
    NationalId(Country),
    /// A URL with a user's name or password in it (RFC 3986, userinfo).
    UrlCredentials,
    /// A JSON Web Token (RFC 7519).
    Jwt,
    /// A key to a service.
    ApiKey,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email => f.write_str("e-mail address"),
            Self::Phone => f.write_str("phone number"),
            Self::PaymentCard => f.write_str("payment card"),
            Self::Iban => f.write_str("IBAN"),
            Self::IpAddress => f.write_str("IP address"),
            Self::MacAddress => f.write_str("MAC address"),
            Self::NationalId(country) => write!(f, "national id ({country})"),
            Self::UrlCredentials => f.write_str("credentials in a URL"),
            Self::Jwt => f.write_str("JSON Web Token"),
            Self::ApiKey => f.write_str("API key"),
        }
    }
}

/// How a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// As RFC 3986 escapes bytes: `%40`.
    Percent,
    /// Base64 or its variant for URLs (RFC 4648), with or without padding.
    Base64,
}

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Where in the text, in bytes. Of an encoded value: the encoded text that holds it.
    pub range: Range<usize>,
    /// What it is.
    pub kind: Kind,
    /// How it was written, outermost, if not as it is.
    pub encoding: Option<Encoding>,
}

/// What to do about numbers that may be something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sensitivity {
    /// They count where a word nearby says what they are. For people who look at what was found.
    #[default]
    Balanced,
    /// They count. For doors that would rather turn away too much than let a person's number in.
    Strict,
}

/// Finds personal data and credentials. Costs nothing to make.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detector {
    sensitivity: Sensitivity,
}

impl Detector {
    /// A detector.
    pub fn new(sensitivity: Sensitivity) -> Self {
        Self { sensitivity }
    }

    /// Everything in a text, by place. Where one value can be read as several kinds, the one with the best evidence counts.
    pub fn text(&self, text: &str) -> Vec<Finding> {
        self.text_after("", text)
    }

    /// Everything in a text that something introduces, for example the key of a JSON value.
    fn text_after(&self, before: &str, text: &str) -> Vec<Finding> {
        scan::scan(text, before, self.sensitivity, 0)
    }

    /// Whether there is anything in a text that a name introduces. In a UUID that is random there is nothing, whatever
    /// digits it has.
    pub fn sees(&self, name: &str, text: &str) -> bool {
        !uuid::is_random(text) && !self.text_after(name, text).is_empty()
    }

    /// Everything in a JSON document: in keys, in values, and in strings that hold JSON themselves.
    pub fn json(&self, document: &serde_json::Value) -> Vec<Located> {
        json::look(*self, document)
    }
}
