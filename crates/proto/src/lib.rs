//! Messages and services of Daybook, generated from `proto/`, and their descriptors for reflection and JSON.
//!
//! Not for: behaviour. A type here carries no rule; the crates that use it do.
//!
//! ```
//! use daybook_proto::log::v1::Position;
//! let position = Position { partition: 3, offset: 1042 };
//! assert_eq!(daybook_proto::descriptors().get_message_by_name("daybook.log.v1.Position").is_some(), true);
//! # let _ = position;
//! ```

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

mod class;
pub use class::{
    FieldClass, FilledIn, MethodFacts, Sealing, SealingSubject, field_class, filled_in, is_key_tenant, method_facts,
    repeated_command, sealing,
};

mod generated {
    #![allow(missing_docs, unreachable_pub, clippy::all)] // generated: its documentation is that of the .proto
    include!(concat!(env!("OUT_DIR"), "/modules.rs"));
}
pub use generated::daybook::*;

/// The encoded `FileDescriptorSet` of everything under `proto/`, imports and comments included.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

static DESCRIPTORS: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default());

/// Descriptors of every message and service.
pub fn descriptors() -> &'static DescriptorPool {
    &DESCRIPTORS
}
