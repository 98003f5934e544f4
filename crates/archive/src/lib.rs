//! A log as files: what `daybook log export` writes and `daybook log import` reads, and what golden logs are kept in.
//! The format is documented in `docs/log-format.md`.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`export`](fn@export) | writes a log into a folder, and checks what was written |
//! | [`Archive`] | a folder that is read as a log: it can be walked, verified and rebuilt like any other |
//! | [`import`](fn@import) | copies an archive into an empty log, at the same offsets |
//!
//! Not for: backing up keys. The key ring lies outside the log, and outside of this.
//!
//! Architecture invariants: the content of a record is bytes to it; what a record means, and whether the chain is whole,
//! is for the kernel and for `daybook_replay`.
//!
//! ```
//! use bytes::Bytes;
//! use daybook_archive::{Archive, export, import};
//! use daybook_kernel::id::PartitionId;
//! use daybook_log::{Durability, Log, MemoryLog, Topic};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let log = MemoryLog::new("example", 1);
//! log.append(Topic::Commands, PartitionId(0), Bytes::from_static(b"hello"), Durability::Synced).await?;
//! let folder = tempfile::tempdir()?;
//! export(&log, &folder.path().join("archive"), &()).await?;
//!
//! let archive = Archive::open(&folder.path().join("archive"))?;
//! let copy = MemoryLog::new("example", 1);
//! assert_eq!(import(&archive, &copy, &()).await?.appended, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod check;
mod error;
mod export;
mod files;
mod import;
mod patience;

pub use archive::Archive;
pub use daybook_segments::{HeadEntry, Lane, MANIFEST, Manifest, Segment};
pub use error::ArchiveError;
pub use export::export;
pub use import::{Import, Imported, import};
