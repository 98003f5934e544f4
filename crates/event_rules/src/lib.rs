//! What may be said in a schema of an event and in a minimisation profile, and what the next version of a schema may
//! change.
//!
//! The door, the domain, and the tools that people use before they register anything (`daybook analytics lint`) must agree
//! about these, so they stand here once. Pure.

pub mod profile;
pub mod schema_rules;

/// Events that one command records, at most.
pub const EVENTS_MAX: usize = 2_000;
