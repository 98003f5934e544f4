//! What can go wrong with a log.

use std::path::PathBuf;

use daybook_kernel::code::Code;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_rocks::RocksError;

use crate::Topic;

/// Error codes of the log.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// Another process has the log open.
        LOG_IN_USE: FailedPrecondition;
        /// The log's bytes are not what was written.
        LOG_DAMAGED: DataLoss;
        /// No space is left where the log lies.
        DISK_FULL: ResourceExhausted;
        /// The log was created with another name or number of partitions.
        LOG_SHAPE_DIFFERS: FailedPrecondition;
        /// The log cannot be reached now.
        LOG_UNAVAILABLE: Unavailable;
        /// A record is larger than a log takes.
        RECORD_TOO_LARGE: InvalidArgument;
        /// What was asked for has been trimmed away.
        LOG_TRIMMED: FailedPrecondition;
        /// What was asked for is beyond the end of the log.
        BEYOND_END_OF_LOG: FailedPrecondition;
        /// A Kafka topic's settings would let it lose records.
        TOPIC_SETTINGS_WRONG: FailedPrecondition;
        /// There is no log where one was expected.
        LOG_NOT_FOUND: NotFound;
        /// The log to import into holds records that are not the beginning of the archive.
        LOG_NOT_EMPTY: FailedPrecondition;
        /// The folder to export a log into holds something already.
        ARCHIVE_EXISTS: AlreadyExists;
        /// There is no finished archive of a log in the folder.
        ARCHIVE_NOT_FOUND: NotFound;
        /// The archive's files are not what was written.
        ARCHIVE_DAMAGED: DataLoss;
        /// The archive begins after the log's first record.
        ARCHIVE_TRIMMED: FailedPrecondition;
        /// A newer release wrote the archive.
        ARCHIVE_FORMAT_UNKNOWN: Unimplemented;
        /// A file of the archive could not be written or read.
        ARCHIVE_FAILED: FailedPrecondition;
    }
}

/// What went wrong with a log. Every text says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Another process has it open.
    #[error(
        "the log in {folder} is in use by another process; stop that one first, or give this one another data folder"
    )]
    InUse {
        /// Where it lies.
        folder: PathBuf,
    },
    /// There is none.
    #[error("there is no log in {folder}; give the data folder of a node that has run")]
    NotFound {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Its bytes are not what was written.
    #[error(
        "the log is damaged ({what}); nothing more is written to it; keep a copy of it as it is, and see the page of LOG_DAMAGED"
    )]
    Damaged {
        /// Where and how.
        what: String,
    },
    /// No space is left.
    #[error(
        "no space is left for the log ({what}); what was acknowledged is kept; make space and start the node again"
    )]
    Full {
        /// What the system said.
        what: String,
    },
    /// It was created otherwise.
    #[error(
        "the log was created with {found}, but {wanted} is configured; a log keeps its shape for ever: configure what it was created with, or start a new log"
    )]
    ShapeDiffers {
        /// As it is.
        found: String,
        /// As it should be.
        wanted: String,
    },
    /// It cannot be reached, or did not answer in time. An append that fails so may be in the log nevertheless.
    #[error("the log cannot be reached ({what}); whatever was acknowledged is kept; it is tried again")]
    Unavailable {
        /// What happened.
        what: String,
    },
    /// A record is too large. It was not appended.
    #[error(
        "a record of {bytes} bytes is larger than the {max} bytes that a log takes; it was not appended; send less at once"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The key of a keyed record cannot be used. Nothing was written.
    #[error(
        "the key of a keyed record must have at least one byte, and the first must not be zero; it was not written"
    )]
    KeyInvalid,
    /// It has been trimmed away.
    #[error(
        "{topic} of partition {partition} starts at offset {first}; what came before was trimmed away; nothing is lost where \
         it was archived or a snapshot stands beyond it: set archive.url to read through the archive, or move the \
         partition's store away and start the node with snapshots.url"
    )]
    Trimmed {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: PartitionId,
        /// What is left.
        first: Offset,
    },
    /// What was archived of it is missing, or not what was written.
    #[error("{what}")]
    ArchiveDamaged {
        /// Which segment, and how.
        what: String,
    },
    /// It is not there yet.
    #[error("{topic} of partition {partition} ends before offset {next}; offset {asked} was asked for")]
    BeyondEnd {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: PartitionId,
        /// What was asked for.
        asked: Offset,
        /// The end.
        next: Offset,
    },
    /// A topic could lose records.
    #[error(
        "topic {topic} must not be used as it is: {wrong}; nothing is written to it until its settings are mended, with kafka-configs"
    )]
    WrongSettings {
        /// The topic's full name.
        topic: String,
        /// Every setting that is wrong.
        wrong: String,
    },
    /// There is no such topic, and none is to be made.
    #[error(
        "topic {topic} does not exist, and creating topics is switched off; nothing was written; start a node on this log \
         first, or create the topic"
    )]
    TopicMissing {
        /// The topic's full name.
        topic: String,
    },
    /// It was closed, by a shutdown or after an error from which it cannot go on.
    #[error("the log is closed: the node is stopping, or the log failed before; whatever was acknowledged is kept")]
    Closed,
}

impl LogError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::InUse { .. } => codes::LOG_IN_USE,
            Self::NotFound { .. } => codes::LOG_NOT_FOUND,
            Self::Damaged { .. } => codes::LOG_DAMAGED,
            Self::Full { .. } => codes::DISK_FULL,
            Self::ShapeDiffers { .. } => codes::LOG_SHAPE_DIFFERS,
            Self::Unavailable { .. } | Self::Closed => codes::LOG_UNAVAILABLE,
            Self::TooLarge { .. } => codes::RECORD_TOO_LARGE,
            Self::KeyInvalid => daybook_kernel::code::INVALID_ARGUMENT,
            Self::Trimmed { .. } => codes::LOG_TRIMMED,
            Self::ArchiveDamaged { .. } => codes::ARCHIVE_DAMAGED,
            Self::BeyondEnd { .. } => codes::BEYOND_END_OF_LOG,
            Self::WrongSettings { .. } | Self::TopicMissing { .. } => codes::TOPIC_SETTINGS_WRONG,
        }
    }

    /// Whether trying again later can help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl From<RocksError> for LogError {
    fn from(error: RocksError) -> Self {
        match error {
            RocksError::InUse { folder } => Self::InUse { folder },
            RocksError::Missing { folder } => Self::NotFound { folder },
            RocksError::Damaged(what) => Self::Damaged { what },
            RocksError::Full(what) => Self::Full { what },
            RocksError::Other(what) => Self::Unavailable { what },
        }
    }
}
