//! What Daybook keeps in an object store: snapshots of partitions, and the archived beginning of a log.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`Objects`] | a local folder or an S3 bucket, by URL |
//! | [`Snapshots`] | takes snapshots of a partition's store, keeps some, restores the newest whole one |
//! | [`ArchivedLog`] | old segments of a log, written before the log is trimmed |
//! | [`ThroughArchive`] | archive and log, read as one log |
//!
//! Nothing here is needed for what is acknowledged to be safe: that is in the log. A snapshot spares a new node the
//! reading of the log from its beginning, and makes the beginning of the log dispensable; the archive keeps it readable.
//! How both are used is told in `docs/snapshots.md`, the formats in `docs/snapshots.md` and `docs/log-format.md`.
//!
//! A snapshot is believed only if a node with the same master key has signed its manifest.
//!
//! Architecture invariants: the only crate that knows object stores; it neither opens a store for writing nor knows what
//! a row means; whatever is read from an object store is checked against its hash before it is used.
//!
//! ```
//! use daybook_kernel::id::PartitionId;
//! use daybook_snapshot::{Objects, Restored, S3Options, Snapshots};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let folder = tempfile::tempdir()?;
//! let objects = Objects::open(&format!("file://{}", folder.path().display()), &S3Options::default())?;
//! let snapshots = Snapshots::new(objects, "daybook", 8, 3);
//! let restored = snapshots.restore(PartitionId(0), &folder.path().join("store/0000")).await?;
//! assert!(matches!(restored, Restored::None), "there is none, which is not the same as: it could not be read");
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod archived;
mod error;
mod files;
mod folder;
mod manifest;
mod objects;
mod restore;
mod s3;
mod signature;
mod snapshots;
mod through;

pub use archive::{Archived, Cut, archive};
pub use archived::ArchivedLog;
pub use error::{SnapshotError, codes};
pub use manifest::{SnapshotFile, SnapshotManifest};
pub use objects::Objects;
pub use restore::{Restored, Skipped};
pub use s3::S3Options;
pub use signature::{ManifestKey, Signature};
pub use snapshots::{KEEP_MIN, Kept, Snapshots};
pub use through::ThroughArchive;
