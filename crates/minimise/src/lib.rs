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
//! What is refused is counted by its place, reason and name. Its value is thrown away; its name is written down where it is
//! registered, or made of known words only (`known`).
//!
//! Nothing vanishes: what a source could make no event of ([`Sent`]) is counted like what is refused here.

mod batch;
mod known;
mod minimiser;
mod sent;
#[cfg(test)]
mod tests;
mod value;

pub use minimiser::Minimiser;
pub use sent::{Sent, Unmapped};
