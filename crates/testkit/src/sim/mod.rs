//! The simulator: several nodes, the real partition loop, chain, apply, admission and routing code in each, in one thread
//! and from one seed. Log, store, clock and network are simulated, and go wrong.
//!
//! ```text
//!   clients --> node 0 --\                    +--> oracle: follows the log by itself, decides everything again,
//!   clients --> node 1 ---+--> broker, disks, |    and knows what each node may have written, applied, answered
//!   clients --> node 2 --/     clocks, links --+    and done
//! ```
//!
//! A run is a function of its seed: which faults there are, when, how long each message takes, which node goes on next.
//! A seed that fails is a test that fails, again and again.
//!
//! | file | what it is |
//! | --- | --- |
//! | `world` | a run: nodes, clients and faults, from the beginning until everything is quiet again |
//! | `plan` | what a seed chooses |
//! | `events` | simulated time: what happens next |
//! | `broker` | the log: appends that are lost, repeated, late; readers that lag |
//! | `disk` | stores that forget what was not flushed |
//! | `clock`, `network` | clocks that jump, messages between nodes that get lost |
//! | `clients` | who asks, and remembers what he was told |
//! | `holds` | what is asked of legal holds over several tenants, and their law |
//! | `oracle` | what must be true |

mod broker;
mod clients;
mod clock;
mod disk;
mod events;
mod holds;
mod network;
mod oracle;
mod plan;
mod world;

pub use plan::Plan;
pub use world::{Failure, Report, run, run_with};
