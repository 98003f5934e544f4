//! Events of product use, decided one by one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod erasure;
mod exports;
mod product;
mod recording;
