//! The targets.

mod checkpoint;
mod command_record;
mod config;
mod decision_record;
mod event_files;
mod event_sources;
mod export_proof;
mod http_query;
mod inbox_record;
mod jwks;
mod key_ring;
mod log_manifest;
mod log_segment;
mod mail;
mod node_credentials;
mod personal_data;
mod policy;
mod request;
mod snapshot_manifest;
mod token;

use crate::Target;

pub(crate) use token::keys as development_keys;

/// Every target.
pub const ALL: [Target; 20] = [
    Target { name: "checkpoint", run: checkpoint::run },
    Target { name: "command_record", run: command_record::run },
    Target { name: "config", run: config::run },
    Target { name: "decision_record", run: decision_record::run },
    Target { name: "event_files", run: event_files::run },
    Target { name: "event_sources", run: event_sources::run },
    Target { name: "export_proof", run: export_proof::run },
    Target { name: "http_query", run: http_query::run },
    Target { name: "inbox_record", run: inbox_record::run },
    Target { name: "jwks", run: jwks::run },
    Target { name: "key_ring", run: key_ring::run },
    Target { name: "log_manifest", run: log_manifest::run },
    Target { name: "log_segment", run: log_segment::run },
    Target { name: "mail", run: mail::run },
    Target { name: "node_credentials", run: node_credentials::run },
    Target { name: "personal_data", run: personal_data::run },
    Target { name: "policy", run: policy::run },
    Target { name: "request", run: request::run },
    Target { name: "snapshot_manifest", run: snapshot_manifest::run },
    Target { name: "token", run: token::run },
];

/// The first line, and what comes after it.
fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// What a future that waits for nothing comes to.
fn now<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("it waits for nothing outside")
}
