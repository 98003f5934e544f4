//! Why a text is not an address.

use std::fmt;

use crate::ADDRESS_BYTES_MAX;

/// Why a text is not an address, as the predicate of a sentence: "`maria@` has nothing after the @".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAnAddress {
    /// There is nothing.
    Empty,
    /// No `@`.
    NoAt,
    /// No local part.
    NothingBeforeAt,
    /// No domain.
    NothingAfterAt,
    /// More than one `@` outside quotes.
    SeveralAts,
    /// Words beside the address that are not part of it.
    SeveralWords,
    /// A dot at the beginning or end, or two in a row.
    Dots,
    /// A quoted string, comment or bracket that does not end.
    NotClosed(char),
    /// A character that has no place there.
    Misplaced(char),
    /// A control character.
    Control,
    /// More than one address.
    SeveralAddresses,
    /// Longer than [`ADDRESS_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::NoAt => f.write_str("has no @"),
            Self::NothingBeforeAt => f.write_str("has nothing before the @"),
            Self::NothingAfterAt => f.write_str("has nothing after the @"),
            Self::SeveralAts => f.write_str("has more than one @ outside quotes"),
            Self::SeveralWords => f.write_str("has words beside the address; quote a local part that has spaces"),
            Self::Dots => f.write_str("has a dot too many; quote a local part that is meant so"),
            Self::NotClosed(c) => write!(f, "has a {c:?} that is not closed", c = c.to_string()),
            Self::Misplaced(c) => write!(f, "has a {c:?} where an address cannot have one", c = c.to_string()),
            Self::Control => f.write_str("has a control character"),
            Self::SeveralAddresses => f.write_str("has more than one address"),
            Self::TooLong => write!(f, "has more than {ADDRESS_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for NotAnAddress {}
