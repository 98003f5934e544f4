//! Signed checkpoints: where the chain of every partition stood at some time, in one small document with an Ed25519
//! signature.
//!
//! Whoever keeps a checkpoint where the operator of the log cannot change it can prove later that nothing before it was
//! cut off or rewritten: the chain must pass through each recorded hash at the recorded place. See `docs/checkpoints.md`.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `document` | the checkpoint, what exactly is signed, its JSON |
//! | `key` | signing keys and public keys, and the files that they come from |
//! | `judge` | does a log still pass through a checkpoint? |
//!
//! Architecture invariant: knows no log. What a chain looks like at some place is told by whoever walked it.

mod document;
mod error;
mod judge;
mod key;

pub use document::{Checkpoint, Mark, Signed};
pub use error::{CheckpointError, codes};
pub use judge::{Seen, judge};
pub use key::{PublicKey, SigningKey};
