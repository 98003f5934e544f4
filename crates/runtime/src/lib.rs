//! The partition loop, and a node that runs one for each partition.
//!
//! A partition's owner reads commands in order, decides each on its state, appends the decisions in batches that name
//! one another ([`daybook_kernel::chain`]), and applies a batch once it is durable and next in line. Only then are
//! callers answered and effects started.
//!
//! ```text
//!   commands[p] --read--> decide --> overlay --append--> decisions[p] --acknowledged--> store --> answers, effects
//!                            ^                                                            |
//!                            +------------------ reads overlay, then store ---------------+
//! ```
//!
//! Deciding runs ahead of the acknowledgements on an overlay of what is not yet durable. If an append fails, or
//! another record got in between, the overlay is thrown away and the partition catches up and takes over anew.
//!
//! Everything that touches time goes through [`Clock`], everything durable through `Log` and `Store`: the loop runs
//! unchanged under a simulator. It is async but tied to no executor.
//!
//! Architecture invariants: nothing here knows a domain, a door or Kafka; no effect starts before its decision is
//! durable and applied.

mod admission;
mod assignment;
mod clock;
mod deciding;
mod effect;
mod error;
mod node;
mod partition;
mod peers;
mod routes;
mod status;
mod waiters;
mod watched;

pub use admission::Limits;
pub use assignment::{Role, Roles};
pub use clock::{Clock, SystemClock};
pub use deciding::{DecidingWatch, Unwatched};
pub use effect::{EffectFailed, EffectHandler, EffectHandlers, RequestedEffect};
pub use error::{ReadError, SubmitError, codes};
pub use node::{Node, NodeOptions};
pub use partition::{Broken, Partition, Rebuilt};
pub use peers::{NoPeers, Peers};
pub use routes::{Owner, Routes};
pub use status::{PartitionState, PartitionStatus};
pub use waiters::Outcome;
pub use watched::Watched;
