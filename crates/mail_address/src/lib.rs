//! Mail addresses: read as RFC 5322 (with its obsolete forms), RFC 6531 and RFC 2047 write them, and compared in one form.
//!
//! | module | what it does |
//! | --- | --- |
//! | `token` | words, comments, quoted strings and special characters of a header field |
//! | `address` | one address: local part and domain |
//! | `domain` | domains as A-labels, domain literals |
//! | `reason` | why a text is not an address |
//! | `compared` | the form in which identifiers are compared, now and before |
//! | `list` | the mailboxes in a header field, malformed ones included |
//! | `one` | the one address that a person typed |
//!
//! ```
//! use daybook_mail_address::{Address, one_address};
//!
//! let address = Address::parse("\"eva\" @ BÜCHER.example").unwrap();
//! assert_eq!(address.canonical(), "eva@xn--bcher-kva.example");
//! assert_eq!(one_address("Eva <eva@example.com>").unwrap().to_string(), "eva@example.com");
//! assert_eq!(one_address("eva@example,com").unwrap_err().to_string(), "has a \",\" where an address cannot have one");
//! ```
//!
//! Two laws: an address always has a local part; two texts have the same canonical form only if they are the same
//! mailbox, up to upper case and compatible forms of characters. Time and memory are linear in the text.
//!
//! Architecture invariant: pure functions of text. No IO, and nothing of this workspace is known here.

mod address;
mod compared;
mod domain;
mod list;
mod one;
mod reason;
mod token;

#[cfg(test)]
mod laws;

pub use address::Address;
pub use compared::{Compared, as_written, compared};
pub use list::{Entry, Identity, Mailbox, Problem, mailboxes};
pub use one::one_address;
pub use reason::NotAnAddress;
pub use token::encoded_word;

/// Bytes of an address. RFC 5321 allows 64 before the `@` and 255 after it; some programs write longer ones.
pub const ADDRESS_BYTES_MAX: usize = 1_000;
