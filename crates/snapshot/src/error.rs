//! What can go wrong with snapshots and with the archived log.

use std::path::{Path, PathBuf};

use daybook_kernel::code::Code;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{LogError, Topic, codes as log_codes};
use daybook_segments::FormatError;
use daybook_store::StoreError;

/// Error codes of snapshots.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// The object store cannot be reached, or refuses.
        OBJECT_STORE_UNAVAILABLE: Unavailable;
        /// There is no snapshot of the partition.
        SNAPSHOT_NOT_FOUND: NotFound;
        /// There are snapshots of the partition, and none of them is whole.
        SNAPSHOT_DAMAGED: DataLoss;
        /// The snapshot is of a log with another name or number of partitions.
        SNAPSHOT_OF_ANOTHER_LOG: FailedPrecondition;
        /// The partition has a store where a snapshot was to be restored.
        STORE_EXISTS: AlreadyExists;
    }
}

/// What went wrong. Every text says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The object store cannot be used.
    #[error(
        "the object store {url} cannot be used ({what}); nothing is lost: log and stores are as they were; check the \
         address, the credentials, and that the folder or bucket exists, then try again"
    )]
    Unavailable {
        /// Which.
        url: String,
        /// What it said.
        what: String,
    },
    /// There is none.
    #[error(
        "there is no snapshot of partition {partition} in {url}; nothing was changed; a node that serves takes one every \
         snapshots.every_seconds, and `daybook snapshot take` takes one of a node that is stopped"
    )]
    NotFound {
        /// Where was looked.
        url: String,
        /// The partition.
        partition: PartitionId,
    },
    /// None is whole.
    #[error(
        "the snapshots of partition {partition} in {url} could not be read, not one of them is whole ({what}); nothing \
         was changed; the log has everything: without a store the partition is folded from it, as far as it was not \
         trimmed or is archived"
    )]
    Damaged {
        /// Where.
        url: String,
        /// The partition.
        partition: PartitionId,
        /// What is wrong with each.
        what: String,
    },
    /// It is of another log.
    #[error(
        "the snapshot {name} is of log {found}, this is log {wanted}; nothing was changed; give each log an object store \
         or a prefix of its own"
    )]
    OfAnotherLog {
        /// The snapshot.
        name: String,
        /// What it says.
        found: String,
        /// What is configured.
        wanted: String,
    },
    /// There is a store.
    #[error(
        "there is a store of the partition in {folder}; nothing was changed; stop the node and move that folder away, then \
         restore again"
    )]
    StoreExists {
        /// Where.
        folder: PathBuf,
    },
    /// A local file could not be written or read.
    #[error("{file}: {what}; nothing is lost; make it accessible, or make space, and try again")]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        what: String,
    },
    /// The store could not be copied.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log could not be read or trimmed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An archived segment, or the archive's manifest, is missing or not what was written.
    #[error(
        "the archived log in {url} is damaged ({what}); the log itself is not concerned and nothing was trimmed; put the \
         object back from a copy, see the page of ARCHIVE_DAMAGED"
    )]
    ArchiveDamaged {
        /// Where.
        url: String,
        /// The name of what is damaged, and how.
        what: String,
    },
    /// A newer release wrote the archive.
    #[error("the archived log in {url} is of {what}; nothing was changed; use a newer release")]
    ArchiveUnknown {
        /// Where.
        url: String,
        /// Its format, and the known one.
        what: String,
    },
    /// The log begins after the archive ends.
    #[error(
        "{topic} of partition {partition} are archived to before offset {archived}, and the log begins at {first}: what lies \
         between was trimmed away without being archived; nothing was changed; archive into a new prefix only a log that \
         begins at 0"
    )]
    Gap {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: PartitionId,
        /// Where the archive ends.
        archived: Offset,
        /// Where the log begins.
        first: Offset,
    },
    /// The chain of the log does not lead to the snapshot.
    #[error(
        "the chain of partition {partition} does not pass through the snapshot {name}: {what}; nothing was archived or \
         trimmed; see `daybook log verify`, and take a new snapshot if the log is right"
    )]
    NotOnTheChain {
        /// The partition.
        partition: PartitionId,
        /// The snapshot.
        name: String,
        /// How they differ.
        what: String,
    },
}

impl SnapshotError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => codes::OBJECT_STORE_UNAVAILABLE,
            Self::NotFound { .. } => codes::SNAPSHOT_NOT_FOUND,
            Self::Damaged { .. } => codes::SNAPSHOT_DAMAGED,
            Self::OfAnotherLog { .. } => codes::SNAPSHOT_OF_ANOTHER_LOG,
            Self::StoreExists { .. } => codes::STORE_EXISTS,
            Self::File { .. } => daybook_store::codes::STORE_FAILED,
            Self::Store(error) => error.code(),
            Self::Log(error) => error.code(),
            Self::ArchiveDamaged { .. } => log_codes::ARCHIVE_DAMAGED,
            Self::ArchiveUnknown { .. } => log_codes::ARCHIVE_FORMAT_UNKNOWN,
            Self::Gap { .. } => log_codes::LOG_TRIMMED,
            Self::NotOnTheChain { .. } => log_codes::LOG_DAMAGED,
        }
    }

    pub(crate) fn file(file: &Path, error: impl std::fmt::Display) -> Self {
        Self::File { file: file.to_owned(), what: error.to_string() }
    }

    pub(crate) fn of_manifest(url: &str, error: FormatError) -> Self {
        match error {
            FormatError::Damaged(what) => Self::ArchiveDamaged { url: url.to_owned(), what },
            error @ FormatError::Unknown { .. } => {
                Self::ArchiveUnknown { url: url.to_owned(), what: error.to_string() }
            }
        }
    }
}

/// What whoever reads the log is told when its archived part cannot be read.
impl From<SnapshotError> for LogError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Log(error) => error,
            error @ (SnapshotError::ArchiveDamaged { .. } | SnapshotError::ArchiveUnknown { .. }) => {
                Self::ArchiveDamaged { what: error.to_string() }
            }
            error => Self::Unavailable { what: error.to_string() },
        }
    }
}
