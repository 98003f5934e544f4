//! Answers of product analytics, through deciding, folding, segments and rollups, against the oracle that says the same in
//! the plainest way.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `product` | a tenant whose events are recorded, here and for the oracle |
//! | `every_metric` | batches that are sent twice, events late and out of order, several in one instant, while events move from recent batches into segments and small segments become larger ones |
//! | `periods` | ranges that begin and end within days, weeks and months, in zones whose clocks change |
//! | `answers` | what is said of a copilot's answers, and what that has from the answers that it names |
//! | `shares` | every share lies between 0 and 1 |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod every_metric;
mod periods;
mod product;
mod shares;
