//! What can be wrong with a checkpoint, or with the log that it is held against.

use std::path::{Path, PathBuf};

use daybook_kernel::code::Code;

/// Error codes of checkpoints.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// The file is no checkpoint.
        CHECKPOINT_UNREADABLE: InvalidArgument;
        /// The signature is not that of the key over what the checkpoint says.
        CHECKPOINT_SIGNATURE_WRONG: DataLoss;
        /// The checkpoint was made of a log with another name or number of partitions.
        CHECKPOINT_OF_ANOTHER_LOG: FailedPrecondition;
        /// A key to sign or to check with cannot be read.
        CHECKPOINT_KEY_INVALID: InvalidArgument;
        /// The log ends before a place that a checkpoint names.
        LOG_CUT_OFF: DataLoss;
        /// The chain does not pass through the hash that a checkpoint names.
        LOG_REWRITTEN: DataLoss;
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is no checkpoint.
    #[error("this is no checkpoint ({0}); nothing was proven and nothing was changed; take the file as it was written")]
    Unreadable(String),
    /// The signature is wrong.
    #[error(
        "the checkpoint's signature is not that of key {key} ({what}); it proves nothing; nothing was changed; take the \
         file from where it is kept, and the key from whoever operates the log"
    )]
    SignatureWrong {
        /// The key that was checked with.
        key: String,
        /// How.
        what: &'static str,
    },
    /// It was made of another log.
    #[error(
        "the checkpoint is of log {checkpoint}, this is log {log}; nothing was proven; take a checkpoint of this log"
    )]
    OfAnotherLog {
        /// What the checkpoint says.
        checkpoint: String,
        /// What the log is.
        log: String,
    },
    /// A key cannot be read.
    #[error("{file}: {what}; nothing was written; make a key with `daybook log checkpoint --new-key FILE`")]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The log is shorter.
    #[error(
        "partition {partition} was cut off: the checkpoint of {made_at} knows {topic} up to before offset {known}, the log \
         ends before {next}; keep the log as it is, and restore it from a copy that passes through the checkpoint"
    )]
    CutOff {
        /// The partition.
        partition: u32,
        /// The topic.
        topic: &'static str,
        /// The end that the checkpoint knows.
        known: u64,
        /// The end of the log.
        next: u64,
        /// When the checkpoint was made.
        made_at: String,
    },
    /// The log was rewritten.
    #[error(
        "partition {partition} was rewritten: before decision record {next_record} the checkpoint of {made_at} has the hash \
         {known}, the log's chain has {found}; keep the log as it is, and restore it from a copy that passes through the \
         checkpoint"
    )]
    Rewritten {
        /// The partition.
        partition: u32,
        /// The place.
        next_record: u64,
        /// The hash that the checkpoint knows.
        known: String,
        /// The log's.
        found: String,
        /// When the checkpoint was made.
        made_at: String,
    },
}

impl CheckpointError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Unreadable(_) => codes::CHECKPOINT_UNREADABLE,
            Self::SignatureWrong { .. } => codes::CHECKPOINT_SIGNATURE_WRONG,
            Self::OfAnotherLog { .. } => codes::CHECKPOINT_OF_ANOTHER_LOG,
            Self::Key { .. } => codes::CHECKPOINT_KEY_INVALID,
            Self::CutOff { .. } => codes::LOG_CUT_OFF,
            Self::Rewritten { .. } => codes::LOG_REWRITTEN,
        }
    }

    pub(crate) fn key(file: &Path, what: impl ToString) -> Self {
        Self::Key { file: file.to_owned(), what: what.to_string() }
    }
}
