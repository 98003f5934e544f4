//! The legal hold domain in memory: behaviours as small cases, and its laws as models.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

mod across_tenants;
mod across_tenants_model;
mod holds;
mod model;
mod retention;
mod tenants;
mod who_may;
