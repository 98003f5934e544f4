//! Why a replay could not be carried through. What it finds wrong in the log is not an error: it is its result.

use daybook_kernel::code::Code;
use daybook_kernel::state::Fault;
use daybook_log::LogError;
use daybook_store::StoreError;

/// Why a replay could not be carried through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The replay's own store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Fault> for ReplayError {
    fn from(fault: Fault) -> Self {
        Self::Store(fault.into())
    }
}

impl ReplayError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Log(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}
