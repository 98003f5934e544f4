//! What the door leaves of events of product use before they are written down.
//!
//! ```text
//! Event { name, actor, time, consents, properties }
//!   name        registered?                       else refused: UNKNOWN_EVENT
//!   consents    cover the event's purpose?        else refused: NO_CONSENT
//!   properties  registered, of their type?        else refused; without consent for theirs: dropped
//!   strings     ids only, and the detectors see nothing in them
//!   actor       16 bytes of an HMAC under the key of tenant and epoch
//!   time        cut to the profile's granularity
//! -> EventBatch: columns of numbers
//! ```
//!
//! What is refused is named by its place and reason. Its name is kept only where it has the form of a name and the detectors
//! see nothing in it; its value never is.

mod known;
mod minimiser;
#[cfg(test)]
mod tests;
mod value;

pub use minimiser::Minimiser;
