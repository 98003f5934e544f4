//! A node that can be reached.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`config`] | one TOML file, environment overrides, every key explained |
//! | [`data_dir`] | what lies where in a data folder |
//! | [`auth`] | bearer tokens against a JWKS; a development mode that mints its own |
//! | [`door`] | what a request goes through, whichever way it came: validate, seal, submit, answer |
//! | [`http`] | gRPC and JSON on one port, by one table of methods |
//! | [`inbox`] | commands that any Kafka client puts on inbox topics |
//! | [`node_service`] | what a node says of itself |
//! | `deciding` | commands that must not be decided again |
//! | [`file_access`] | who may read what the node writes |
//! | `own_usage` | what Daybook itself is used for, as events of product use |
//! | `checkpoints` | signed checkpoints, written while it serves |
//! | `outbox` | events that are published for others to consume |
//! | [`snapshots`] | snapshots taken while it serves and restored when it starts; the log with its archive |
//! | [`running`] | where a node says that it runs, for the commands on its machine |
//! | [`secrets`] | what of a configuration may be shown |
//! | [`telemetry`] | logs, metrics, traces |
//! | [`serve`] | all of it put together |
//!
//! Architecture invariants: the only crate that knows tonic and HTTP; no method has code of its own here, beside those
//! of the node's service.

pub mod auth;
pub mod config;
pub mod data_dir;
pub mod door;
pub mod error;
pub mod file_access;
pub mod http;
pub mod inbox;
pub mod node_service;
pub mod outbox;
pub mod running;
pub mod secrets;
pub mod serve;
mod settings_watch;
pub mod snapshots;
mod start_error;
pub mod strict_json;
pub mod telemetry;

mod bootstrap;
mod checkpoints;
mod cluster;
mod deciding;
mod disk;
mod effects;
mod encoding;
mod export;
mod key_ring;
mod limits;
mod open_files;
mod own_usage;

pub use bootstrap::FIRST_TENANT;
pub use checkpoints::{checkpoints_folder, write_checkpoint};
pub use cluster::{AnswerParts, Body, Code, Credentials, OldRequest, SignedRequest};
pub use disk::free_bytes;
pub use encoding::Encoding;
