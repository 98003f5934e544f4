//! Reading the log again.
//!
//! | what | what it answers |
//! | --- | --- |
//! | [`walk`] | is the chain whole? Every record's hash, from the first to the last |
//! | [`verify`] | was every command decided as the record says? Each is decided again under the recorded policy set |
//! | [`rebuild`] | what is the state, at the end or at any earlier offset or time? Folded from nothing into a store of its own |
//! | [`proof`] | does an export of decisions fit into the chain? For third parties, with no log at all |
//!
//! Architecture invariant: no effect can be reached from this crate. It depends on the kernel, the log and the store;
//! what carries effects out lives in `daybook_runtime`, which it does not know. It never writes to a log.

mod chunk;
mod error;
pub mod proof;
mod rebuild;
mod verify;
mod walk;

pub use error::ReplayError;
pub use rebuild::{Rebuilt, Until, rebuild};
pub use verify::{Difference, Verified, verify};
pub use walk::{LookFor, Walked, walk, walk_looking};

/// What a replay reports while it runs.
pub trait Progress: Send + Sync {
    /// So many records lie before it.
    fn starts(&self, records: u64);
    /// So many records and decisions are done.
    fn advances(&self, records: u64, decisions: u64);
}

/// Nobody looks.
impl Progress for () {
    fn starts(&self, _: u64) {}
    fn advances(&self, _: u64, _: u64) {}
}
