//! The log: two topics, `commands` and `decisions`, each with the same number of partitions, append-only and durable.
//!
//! [`Log`] is the contract. Three logs keep it: [`MemoryLog`] for tests, [`EmbeddedLog`] on RocksDB (the default: one
//! binary, nothing to install) and [`KafkaLog`]. All three pass the same conformance suite (`tests/log_conformance.rs`).
//! The protocol above the log (`daybook_kernel::chain`) needs nothing but what stands here, so it holds on any of them.
//!
//! Two more things for several nodes on one Kafka cluster: a [`KeyedLog`], which keeps of each key only the last record
//! and forgets the others physically (the shared key ring lies on one), and [`Membership`], by which the nodes agree on
//! who looks after which partition.
//!
//! And two for programs that speak Kafka and nothing else: an [`Inbox`], which reads what they put on topics of theirs,
//! and [`BesideTopics`], on which they are answered and told what happened.
//!
//! Architecture invariants: only this crate knows Kafka; the content of a record is bytes to it.
//!
//! ```
//! use bytes::Bytes;
//! use daybook_kernel::id::{Offset, PartitionId};
//! use daybook_log::{Durability, Log, MemoryLog, Topic};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let log = MemoryLog::new("example", 1);
//! let appended = log.append(Topic::Commands, PartitionId(0), Bytes::from_static(b"hello"), Durability::Synced);
//! assert_eq!(appended.await?, Offset(0));
//! let mut reader = log.reader(Topic::Commands, PartitionId(0), Offset(0))?;
//! assert_eq!(&reader.next().await?[0].bytes[..], b"hello");
//! # Ok::<(), daybook_log::LogError>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod embedded;
mod error;
mod kafka;
mod keyed;
mod memory;
mod memory_keyed;
mod recent;
mod topic;

pub use embedded::{EmbeddedLog, EmbeddedOptions, Recovery};
pub use error::{LogError, codes};
pub use kafka::{
    BesideReader, BesideRecord, BesideTopics, Compaction, Headers, Inbox, InboxEntry, InboxLeaving, InboxPartition,
    InboxRecord, InboxSettings, InboxStanding, InboxTopic, InboxTopics, KafkaKeyedLog, KafkaLog, KafkaOptions, Member,
    Membership, PutAt, Replication,
};
pub use keyed::{KEYED_RECORD_BYTES_MAX, KeyedLog, KeyedReader, KeyedRecord, KeyedRecords};
pub use memory::MemoryLog;
pub use memory_keyed::MemoryKeyedLog;
pub use topic::{Appended, Bounds, Durability, Log, LogReader, RECORD_BYTES_MAX, Record, Topic};
