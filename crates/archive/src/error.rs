//! What can go wrong with an archive.

use std::path::{Path, PathBuf};

use daybook_kernel::code::Code;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{LogError, Topic, codes};
use daybook_replay::ReplayError;

/// What went wrong with an archive. Every text says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The folder holds something.
    #[error("{folder} holds something already; nothing was written; give a folder that is new or empty")]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no archive.
    #[error(
        "there is no finished archive in {folder}: it has no manifest.json; nothing was changed; give the folder of an \
         export that ended well, or export again into a new one"
    )]
    NotFound {
        /// The folder.
        folder: PathBuf,
    },
    /// Its files are not what was written.
    #[error("the archive is damaged ({what}); nothing of it was imported; take another copy of it, or export again")]
    Damaged {
        /// Where and how.
        what: String,
    },
    /// It begins after the first record.
    #[error(
        "the archive has {topic} of partition {partition} only from offset {first} on; what came before was trimmed away \
         before the export; nothing was imported: without its beginning the chain cannot be checked, and a log begins at \
         offset 0"
    )]
    Trimmed {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: PartitionId,
        /// Its first record.
        first: Offset,
    },
    /// It is of another format.
    #[error(
        "the archive is of format {found}, and this release reads {known}; nothing was changed; use a newer release"
    )]
    UnknownFormat {
        /// What it says.
        found: String,
        /// What is known.
        known: String,
    },
    /// A file could not be written or read.
    #[error("{file}: {what}; the log was not changed by this; make it accessible, or make space, and start again")]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        what: String,
    },
    /// The log is of another name or shape.
    #[error(
        "the archive is of log {archived}, and {configured} is configured; nothing was imported: name and partitions are \
         part of the chain and stay the same; set log.name and log.partitions as the archive has them"
    )]
    ShapeDiffers {
        /// The archive's log.
        archived: String,
        /// The log to import into.
        configured: String,
    },
    /// The log holds something else.
    #[error(
        "the log to import into is not empty ({what}), and what it holds is not the beginning of the archive; nothing was \
         imported; give a log that is new, on Kafka topics without records"
    )]
    NotEmpty {
        /// Where it differs.
        what: String,
    },
    /// Somebody else appended to the log while it was imported into.
    #[error(
        "a record of {topic} of partition {partition} got offset {found} and not {expected}: somebody else writes to the \
         log; what was imported so far stands on it and cannot be completed; stop whoever writes, and import the export, \
         which is as it was, into a log that is new"
    )]
    Raced {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: PartitionId,
        /// The offset that it must have.
        expected: Offset,
        /// The offset that it got.
        found: Offset,
    },
    /// The log to import into, or the one that is exported, failed.
    #[error("{0}; an export begins anew in a new folder, an import goes on where it ended when it is run again")]
    Log(LogError),
    /// The chain could not be walked.
    #[error(transparent)]
    Replay(ReplayError),
}

impl ArchiveError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Exists { .. } => codes::ARCHIVE_EXISTS,
            Self::NotFound { .. } => codes::ARCHIVE_NOT_FOUND,
            Self::Damaged { .. } => codes::ARCHIVE_DAMAGED,
            Self::Trimmed { .. } => codes::ARCHIVE_TRIMMED,
            Self::UnknownFormat { .. } => codes::ARCHIVE_FORMAT_UNKNOWN,
            Self::File { .. } => codes::ARCHIVE_FAILED,
            Self::ShapeDiffers { .. } => codes::LOG_SHAPE_DIFFERS,
            Self::NotEmpty { .. } | Self::Raced { .. } => codes::LOG_NOT_EMPTY,
            Self::Log(error) => error.code(),
            Self::Replay(error) => error.code(),
        }
    }

    pub(crate) fn file(file: &Path, error: &std::io::Error) -> Self {
        Self::File { file: file.to_owned(), what: error.to_string() }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

impl From<LogError> for ArchiveError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<ReplayError> for ArchiveError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Log(error) => Self::Log(error),
            error @ ReplayError::Store(_) => Self::Replay(error),
        }
    }
}
