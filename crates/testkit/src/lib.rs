//! What tests and benchmarks share: real Kafka brokers, a real S3 server, the conformance suites of logs, generators, the
//! checker of histories.
//!
//! Not for: production code. Nothing that ships depends on this crate.

pub mod analytics;
pub mod faulty_log;
pub mod history;
pub mod kafka;
pub mod keyed_log_conformance;
pub mod log_conformance;
pub mod notes;
pub mod personal;
pub mod s3;
pub mod sim;
pub mod solo;
