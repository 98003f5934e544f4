//! The kernel of Daybook: what is written on the log, which records count, what a domain is, and how a command is
//! decided and a decision folded.
//!
//! Everything here is a pure function of its arguments. Architecture invariant: no IO, no clock, no async. The crates
//! that do those things depend on this one and hand it bytes.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`id`], [`time`], [`calendar`], [`hash`], [`partitioning`] | names of things, time, and from stream key to partition |
//! | [`record`], [`chain`] | decision records and the rule by which they count |
//! | [`key`], [`state`], [`table`] | ordered bytes, overlays, typed tables of one tenant |
//! | [`domain`], [`registry`] | what a domain is, and the domains of a node |
//! | [`authorisation`] | questions to a policy set |
//! | [`decide`], [`apply`] | the functions that the loop, followers and replay share |
//! | [`system`], [`governance`] | what the loop keeps, what is asked of every command |
//! | [`alarm`] | what a domain wants an operator to see |
//! | [`feature_level`] | what every node of a log must understand |
//! | [`code`], [`rejection`], [`fields`] | error codes with their pages, reasons, checking fields |
//!
//! ```
//! use daybook_kernel::chain::Head;
//! use daybook_kernel::id::{Offset, PartitionId};
//!
//! let mut head = Head::genesis("example", 1, PartitionId(0));
//! assert!(head.offer(Offset(0), "not a record".into()).is_err(), "dropped: it does not name the head");
//! ```

pub mod alarm;
pub mod apply;
mod asked_by;
pub mod authorisation;
pub mod calendar;
pub mod chain;
pub mod code;
pub mod decide;
pub mod domain;
pub mod feature_level;
pub mod fields;
pub mod governance;
pub mod hash;
pub mod id;
pub mod key;
pub mod partitioning;
pub mod record;
pub mod registry;
pub mod rejection;
pub mod remembered;
pub mod sabotage;
pub mod state;
pub mod system;
pub mod table;
pub mod time;
