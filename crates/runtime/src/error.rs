//! Why a command got no decision, or a question no answer. None of these is a decision.

use std::time::Duration;

use daybook_kernel::code::Code;
use daybook_kernel::id::{PartitionId, Position};
use daybook_kernel::state::Fault;
use daybook_log::LogError;
use daybook_store::StoreError;

/// Error codes of the runtime.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// The partition does not decide commands right now.
        PARTITION_UNAVAILABLE: Unavailable;
        /// The partition has stopped: continuing would not be safe.
        PARTITION_BROKEN: Unavailable;
        /// The store knows of decisions that the log does not have.
        STORE_AHEAD_OF_LOG: DataLoss;
        /// The store's last record is not the one at that place of the log.
        STORE_DIFFERS_FROM_LOG: DataLoss;
        /// Too many commands wait for their decision.
        OVERLOADED: ResourceExhausted;
        /// No decision in time; the outcome is not known.
        OUTCOME_UNKNOWN: DeadlineExceeded;
        /// The position to wait for was not reached in time.
        POSITION_NOT_REACHED: Unavailable;
    }
}

/// Why a command got no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The partition does not decide commands right now. The command was not appended.
    #[error(
        "partition {partition} does not take commands right now ({detail}); the command was not recorded; try again"
    )]
    NotLeading {
        /// The partition.
        partition: PartitionId,
        /// What it is doing.
        detail: String,
    },
    /// The partition has stopped. The command was not appended.
    #[error("partition {partition} has stopped: {detail}; the command was not recorded")]
    Broken {
        /// The partition.
        partition: PartitionId,
        /// Why.
        detail: String,
    },
    /// A limit is reached. The command was not appended.
    #[error("{what} wait for their decision already; the command was not recorded; try again in a moment")]
    Overloaded {
        /// Which limit.
        what: String,
    },
    /// The log did not take the command, or it is not known whether it did.
    #[error(transparent)]
    Log(LogError),
    /// The command is on the log; its decision did not come in time.
    #[error(
        "no decision within {} ms; the command may still be carried out; ask for its outcome by its id, or send it \
         again under the same id", .waited.as_millis()
    )]
    OutcomeUnknown {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The state could not be read to tell the outcome.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The node that leads the partition says why.
    #[error("{message}")]
    Peer {
        /// The stable code.
        code: Code,
        /// What it says.
        message: String,
        /// When trying again makes sense, as it says.
        retry_after: Option<Duration>,
    },
}

impl SubmitError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::NotLeading { .. } => codes::PARTITION_UNAVAILABLE,
            Self::Broken { .. } => codes::PARTITION_BROKEN,
            Self::Overloaded { .. } => codes::OVERLOADED,
            Self::Log(error) => error.code(),
            Self::OutcomeUnknown { .. } => codes::OUTCOME_UNKNOWN,
            Self::Read(error) => error.code(),
            Self::Peer { code, .. } => *code,
        }
    }

    /// Whether another node may have the answer: the one that leads the partition now.
    pub fn may_be_asked_elsewhere(&self) -> bool {
        match self {
            Self::NotLeading { .. } | Self::OutcomeUnknown { .. } => true,
            Self::Log(error) => error.is_transient(),
            Self::Broken { .. } | Self::Overloaded { .. } | Self::Read(_) | Self::Peer { .. } => false,
        }
    }

    /// When trying again makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotLeading { .. } => Some(Duration::from_millis(500)),
            Self::Overloaded { .. } => Some(Duration::from_millis(100)),
            Self::OutcomeUnknown { .. } => Some(Duration::from_secs(1)),
            Self::Log(error) if error.is_transient() => Some(Duration::from_secs(1)),
            Self::Read(error) => error.retry_after(),
            Self::Peer { retry_after, .. } => *retry_after,
            Self::Log(_) | Self::Broken { .. } => None,
        }
    }
}

/// Why a question got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The partition is not fit to answer.
    #[error("partition {partition} cannot answer right now ({detail}); try again")]
    Unavailable {
        /// The partition.
        partition: PartitionId,
        /// What it is doing.
        detail: String,
    },
    /// The partition has stopped for good.
    #[error("partition {partition} has stopped: {detail}; nothing was changed")]
    Broken {
        /// The partition.
        partition: PartitionId,
        /// Why.
        detail: String,
    },
    /// The position to wait for was not reached in time.
    #[error("position {position} was not reached within {} ms; try again", .waited.as_millis())]
    NotReached {
        /// The position.
        position: Position,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self::Store(fault.into())
    }
}

impl ReadError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => codes::PARTITION_UNAVAILABLE,
            Self::Broken { .. } => codes::PARTITION_BROKEN,
            Self::NotReached { .. } => codes::POSITION_NOT_REACHED,
            Self::Store(error) => error.code(),
            Self::Log(error) => error.code(),
        }
    }

    /// When trying again makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { .. } | Self::NotReached { .. } => Some(Duration::from_millis(500)),
            Self::Log(error) if error.is_transient() => Some(Duration::from_secs(1)),
            Self::Broken { .. } | Self::Store(_) | Self::Log(_) => None,
        }
    }
}
