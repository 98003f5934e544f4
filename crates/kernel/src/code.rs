//! Error codes. Each has a page in `docs/errors/` that is compiled in: a code without a page does not build.

use std::fmt;

/// What sort of error a code is; gRPC's canonical codes, which JSON callers see as HTTP statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The request is wrong whatever the state is.
    InvalidArgument,
    /// What it names does not exist.
    NotFound,
    /// What it would create exists.
    AlreadyExists,
    /// The state does not allow it.
    FailedPrecondition,
    /// The caller may not.
    PermissionDenied,
    /// The caller is not known.
    Unauthenticated,
    /// A limit is reached; later may work.
    ResourceExhausted,
    /// Not now; trying again is safe.
    Unavailable,
    /// No answer in time; the outcome is not known.
    DeadlineExceeded,
    /// There is no such method.
    Unimplemented,
    /// Data is damaged.
    DataLoss,
    /// A defect of Daybook.
    Internal,
}

/// A stable error code.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// The code, for example `HOLD_NOT_FOUND`.
    pub name: &'static str,
    /// What sort of error it is.
    pub status: Status,
    /// Its page: what happened, what was kept, what to do.
    pub page: &'static str,
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Code {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Declares error codes and `ALL`, the list of them. The first argument is the path from the calling file to
/// `docs/errors/`.
#[macro_export]
macro_rules! error_codes {
    ($pages:literal; $($(#[$doc:meta])* $name:ident: $status:ident;)*) => {
        $($(#[$doc])*
        pub const $name: $crate::code::Code = $crate::code::Code {
            name: stringify!($name),
            status: $crate::code::Status::$status,
            page: include_str!(concat!($pages, stringify!($name), ".md")),
        };)*

        /// Every code declared here.
        pub const ALL: &[$crate::code::Code] = &[$($name),*];
    };
}

error_codes! { "../../../docs/errors/";
    /// A field of the request is wrong; the violations name it.
    INVALID_ARGUMENT: InvalidArgument;
    /// The id was used before for a command with other content.
    COMMAND_ID_REUSED: AlreadyExists;
    /// The policy set in force does not permit it.
    POLICY_DENIED: PermissionDenied;
    /// The token does not speak for a tenant that the request names.
    TENANT_NOT_IN_TOKEN: PermissionDenied;
    /// The tenant is not known.
    TENANT_UNKNOWN: NotFound;
    /// The tenant is suspended.
    TENANT_SUSPENDED: FailedPrecondition;
    /// The stream key waits for an operator.
    STREAM_PARKED: FailedPrecondition;
    /// The log is new and has no policy set yet.
    LOG_NOT_INITIALISED: Unavailable;
    /// No domain decides this kind of command, or only Daybook itself may send it.
    UNKNOWN_KIND: Unimplemented;
    /// The record is no command record.
    MALFORMED_RECORD: InvalidArgument;
    /// The decision would be larger than a record may be.
    DECISION_TOO_LARGE: ResourceExhausted;
    /// The timer was cancelled or set anew after it fired.
    TIMER_REPLACED: FailedPrecondition;
    /// The effect whose outcome this is has been recorded already.
    EFFECT_ALREADY_RECORDED: FailedPrecondition;
    /// Parked: the payload is not what its kind says.
    UNDECODABLE_COMMAND: Internal;
    /// Parked: the deciding code panicked.
    DECIDER_PANICKED: Internal;
    /// Parked: deciding would have read more rows than a decision may.
    DECIDER_OVER_BUDGET: ResourceExhausted;
    /// Parked: deciding did not come to an end, or ended the process.
    DECIDER_STOPPED: Internal;
    /// The log has not reached the feature level that this needs.
    FEATURE_LEVEL_TOO_LOW: FailedPrecondition;
    /// The log has reached a feature level that this release does not understand.
    RELEASE_TOO_OLD: FailedPrecondition;
    /// The log, decided again, does not say what is recorded.
    DECISIONS_DIFFER: DataLoss;
    /// An export does not prove what it says.
    EXPORT_NOT_PROVEN: DataLoss;
}
