//! Why a node does not start.

use daybook_checkpoint::CheckpointError;
use daybook_kernel::code::Code;
use daybook_log::LogError;
use daybook_privacy::PrivacyError;
use daybook_runtime::{ReadError, SubmitError};
use daybook_snapshot::SnapshotError;
use daybook_store::StoreError;

use crate::config::ConfigError;
use crate::deciding::DecidingError;
use crate::error::{CallError, codes};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// The stable code.
    pub code: Code,
    /// What happened and what to do.
    pub message: String,
}

impl From<LogError> for StartError {
    fn from(error: LogError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<PrivacyError> for StartError {
    fn from(error: PrivacyError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<SubmitError> for StartError {
    fn from(error: SubmitError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<CheckpointError> for StartError {
    fn from(error: CheckpointError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<SnapshotError> for StartError {
    fn from(error: SnapshotError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<DecidingError> for StartError {
    fn from(error: DecidingError) -> Self {
        match error {
            DecidingError::Log(error) => error.into(),
            DecidingError::Folder(_) => ConfigError(error.to_string()).into(),
        }
    }
}

impl From<ReadError> for StartError {
    fn from(error: ReadError) -> Self {
        SubmitError::from(error).into()
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self { code: codes::CONFIG_INVALID, message: error.to_string() }
    }
}

impl From<CallError> for StartError {
    fn from(error: CallError) -> Self {
        Self { code: codes::TOKEN_KEYS_UNAVAILABLE, message: error.message }
    }
}
