//! What can go wrong with a store.

use std::path::PathBuf;

use daybook_kernel::code::Code;
use daybook_kernel::state::Fault;
use daybook_rocks::RocksError;

/// Error codes of the store.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// Another process has the store open.
        STORE_IN_USE: FailedPrecondition;
        /// The store's bytes are not what was written.
        STORE_DAMAGED: DataLoss;
        /// The store belongs to another log or partition.
        STORE_OF_ANOTHER_LOG: FailedPrecondition;
        /// The store cannot be read or written.
        STORE_FAILED: Internal;
        /// The store could not open a file: the process has too many open.
        STORE_OUT_OF_FILES: Unavailable;
    }
}

/// What went wrong with a store. Nothing that was acknowledged is lost: a store can always be folded again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the store in {folder} is in use by another process; stop that one first")]
    InUse {
        /// Where it lies.
        folder: PathBuf,
    },
    /// Its bytes are not what was written.
    #[error(
        "the store is damaged ({0}); nothing is lost, it only repeats the log: delete the partition's store folder and \
         start again to fold it anew"
    )]
    Damaged(String),
    /// It belongs to another log or partition.
    #[error(
        "the store in {folder} belongs to another log or partition; nothing was written to it; give this log a data folder of its own"
    )]
    OfAnotherLog {
        /// Where it lies.
        folder: PathBuf,
    },
    /// The log that it was folded from has reached a feature level that this release does not understand.
    #[error(transparent)]
    NewerRelease(Fault),
    /// No space is left.
    #[error("no space is left for the store ({0}); what was acknowledged is in the log; make space and start again")]
    Full(String),
    /// Anything else.
    #[error("the store failed: {0}; what was acknowledged is in the log")]
    Failed(String),
}

impl StoreError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::InUse { .. } => codes::STORE_IN_USE,
            Self::Damaged(_) => codes::STORE_DAMAGED,
            Self::OfAnotherLog { .. } => codes::STORE_OF_ANOTHER_LOG,
            Self::NewerRelease(_) => daybook_kernel::code::RELEASE_TOO_OLD,
            Self::Failed(what) if daybook_rocks::is_out_of_files(what) => codes::STORE_OUT_OF_FILES,
            Self::Full(_) | Self::Failed(_) => codes::STORE_FAILED,
        }
    }
}

impl From<RocksError> for StoreError {
    fn from(error: RocksError) -> Self {
        match error {
            RocksError::InUse { folder } => Self::InUse { folder },
            RocksError::Damaged(what) => Self::Damaged(what),
            RocksError::Full(what) => Self::Full(what),
            error @ (RocksError::Missing { .. } | RocksError::Other(_)) => Self::Failed(error.to_string()),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(what) => Self::Damaged(what),
            fault @ Fault::NewerRelease { .. } => Self::NewerRelease(fault),
            fault => Self::Failed(fault.to_string()),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(what) => Self::Damaged(what),
            StoreError::NewerRelease(fault) => fault,
            error => Self::Store(error.to_string()),
        }
    }
}
