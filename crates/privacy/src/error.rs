//! What can go wrong with keys and content.

use daybook_kernel::code::Code;
use daybook_kernel::rejection::Violations;
use daybook_rocks::RocksError;

/// Error codes of the privacy layer.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// The key of this item was destroyed: its content is gone for good.
        KEY_DESTROYED: FailedPrecondition;
        /// The key ring cannot be read or written.
        KEY_RING_UNAVAILABLE: Unavailable;
        /// The key ring's bytes are not what was written.
        KEY_RING_DAMAGED: DataLoss;
        /// The key ring was made under another master key.
        MASTER_KEY_WRONG: FailedPrecondition;
        /// The master key is missing or is not 32 bytes.
        MASTER_KEY_MISSING: FailedPrecondition;
        /// Others can read a file with a secret, or put another in its place.
        SECRET_EXPOSED: FailedPrecondition;
        /// Another process has the key ring open.
        KEY_RING_IN_USE: FailedPrecondition;
        /// There is no key ring, but a log that was written with one.
        KEY_RING_MISSING: FailedPrecondition;
        /// Two key rings have different keys for the same thing.
        KEY_RINGS_DIFFER: FailedPrecondition;
    }
}

/// What went wrong. Unless it says otherwise, nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivacyError {
    /// The caller sent something that cannot be sealed.
    #[error("the request is not valid")]
    Invalid(Violations),
    /// The key was destroyed.
    #[error(
        "the key {key_id} was destroyed with the item it belonged to; nothing was recorded; use another id for new content"
    )]
    Destroyed {
        /// The key.
        key_id: String,
    },
    /// The key ring cannot be read or written.
    #[error("the key ring cannot be used ({0}); nothing was recorded; try again")]
    Unavailable(String),
    /// Its bytes are not what was written.
    #[error(
        "the key ring is damaged ({0}); content sealed under lost keys cannot be read; restore the key ring from a copy"
    )]
    Damaged(String),
    /// It was made under another master key.
    #[error(
        "the key ring was made under another master key; nothing was changed; give the master key that it was made with"
    )]
    WrongMasterKey,
    /// There is no master key.
    #[error(
        "no usable master key ({0}); give 32 bytes in hexadecimal, in the file or environment variable that the configuration names"
    )]
    NoMasterKey(String),
    /// Others can read it, or exchange it.
    #[error(
        "{0}; nothing was started; take that right away from them, and make a new secret if somebody may have read it"
    )]
    Exposed(String),
    /// There is none, and none may be made.
    #[error(
        "there is no key ring in {0}, but the log has records; nothing was changed; put the ring back from its copy"
    )]
    Missing(String),
    /// A ring that was to be taken over has another key than the one that is in use.
    #[error(
        "the key ring on this node's disk has another key {key_id} of tenant {tenant} than the ring that the nodes share; \
         both are kept; find out which ring the log was written with"
    )]
    Differs {
        /// The tenant.
        tenant: String,
        /// The key.
        key_id: String,
    },
    /// Another process has it open.
    #[error("the key ring is in use by another process ({0}); stop that one first")]
    InUse(String),
}

impl PrivacyError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => daybook_kernel::code::INVALID_ARGUMENT,
            Self::Destroyed { .. } => codes::KEY_DESTROYED,
            Self::Unavailable(_) => codes::KEY_RING_UNAVAILABLE,
            Self::Damaged(_) => codes::KEY_RING_DAMAGED,
            Self::WrongMasterKey => codes::MASTER_KEY_WRONG,
            Self::NoMasterKey(_) => codes::MASTER_KEY_MISSING,
            Self::Exposed(_) => codes::SECRET_EXPOSED,
            Self::Missing(_) => codes::KEY_RING_MISSING,
            Self::Differs { .. } => codes::KEY_RINGS_DIFFER,
            Self::InUse(_) => codes::KEY_RING_IN_USE,
        }
    }
}

impl From<RocksError> for PrivacyError {
    fn from(error: RocksError) -> Self {
        match error {
            RocksError::InUse { folder } => Self::InUse(folder.display().to_string()),
            RocksError::Damaged(what) => Self::Damaged(what),
            error => Self::Unavailable(error.to_string()),
        }
    }
}
