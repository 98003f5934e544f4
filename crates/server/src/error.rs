//! What a caller is told when there is no answer: a code, a text, details; the same by gRPC and by JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_kernel::code::{self, Code, Status};
use daybook_kernel::registry::Registry;
use daybook_kernel::rejection::{Refusal, Rejection};
use daybook_kernel::state::Fault;
use daybook_kernel::time::duration_from_proto;
use daybook_privacy::PrivacyError;
use daybook_proto::log::v1;
use daybook_runtime::{ReadError, SubmitError};
use daybook_store::StoreError;
use tonic_types::{ErrorDetails, StatusExt};

/// Error codes of the doors.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// No bearer token came with the request.
        TOKEN_MISSING: Unauthenticated;
        /// The token is not one that this node accepts.
        TOKEN_INVALID: Unauthenticated;
        /// The token has expired.
        TOKEN_EXPIRED: Unauthenticated;
        /// The keys to check tokens with cannot be read.
        TOKEN_KEYS_UNAVAILABLE: Unavailable;
        /// The token speaks for several tenants and the request names none.
        TENANT_REQUIRED: InvalidArgument;
        /// The request is not what its method takes.
        MALFORMED_REQUEST: InvalidArgument;
        /// The request has a field that its message does not have.
        UNKNOWN_FIELD: InvalidArgument;
        /// The request, or the command in it, is larger than allowed.
        REQUEST_TOO_LARGE: ResourceExhausted;
        /// The request did not come in within its time.
        REQUEST_TOO_SLOW: DeadlineExceeded;
        /// The caller or its tenant asks more often than it may.
        RATE_LIMITED: ResourceExhausted;
        /// The request is compressed in a way that is not supported.
        ENCODING_NOT_SUPPORTED: Unimplemented;
        /// There is no such method.
        METHOD_UNKNOWN: Unimplemented;
        /// The node takes no commands because its disk is nearly full.
        DISK_NEARLY_FULL: ResourceExhausted;
        /// A defect of Daybook.
        INTERNAL_ERROR: Internal;
        /// The configuration has mistakes.
        CONFIG_INVALID: InvalidArgument;
        /// An address to listen on is not available.
        ADDRESS_UNAVAILABLE: FailedPrecondition;
        /// There is no such projection.
        PROJECTION_NOT_FOUND: NotFound;
        /// An import of a log into this data folder did not come to its end.
        IMPORT_UNFINISHED: FailedPrecondition;
        /// The data is that of a development node, and is to be served as production.
        DEVELOPMENT_DATA: FailedPrecondition;
        /// A record of an inbox topic lacks a header, or has one that cannot be right.
        INBOX_RECORD_INVALID: InvalidArgument;
        /// A record of an inbox topic cannot be read.
        INBOX_RECORD_UNREADABLE: DataLoss;
        /// The method cannot be asked by an inbox topic.
        INBOX_METHOD_REFUSED: InvalidArgument;
        /// A record of an inbox topic wants its answer on a topic that must not be used.
        REPLY_TOPIC_REFUSED: PermissionDenied;
    }
}

/// Every code that a person can meet, of whatever crate, in the order of their names.
pub fn every_code(registry: &Registry) -> Vec<Code> {
    let domains = registry.iter().flat_map(|domain| domain.codes);
    let mut all: Vec<Code> = code::ALL
        .iter()
        .chain(domains)
        .chain(codes::ALL)
        .chain(daybook_log::codes::ALL)
        .chain(daybook_store::codes::ALL)
        .chain(daybook_runtime::codes::ALL)
        .chain(daybook_privacy::codes::ALL)
        .chain(daybook_checkpoint::codes::ALL)
        .chain(daybook_snapshot::codes::ALL)
        .copied()
        .collect();
    all.sort_by_key(|code| code.name);
    all
}

/// The domain of google.rpc.ErrorInfo.
pub const ERROR_DOMAIN: &str = "daybook.dev";

/// Why a request has no answer.
#[derive(Debug, Clone)]
pub struct CallError {
    /// What sort of error it is.
    pub status: Status,
    /// The stable code.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// Fields that are wrong, with what is wrong.
    pub violations: Vec<(String, String)>,
    /// Machine-readable details.
    pub metadata: BTreeMap<String, String>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
}

impl CallError {
    /// An error with a code and a text.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            status: code.status,
            code: code.name.to_owned(),
            message: message.into(),
            violations: Vec::new(),
            metadata: BTreeMap::new(),
            retry_after: None,
        }
    }

    /// A wrong field.
    pub fn field(field: &str, description: &str) -> Self {
        let mut error = Self::new(code::INVALID_ARGUMENT, format!("{field}: {description}; nothing was recorded"));
        error.violations.push((field.to_owned(), description.to_owned()));
        error
    }

    /// A request that is larger than `max` bytes.
    pub fn too_large(max: usize) -> Self {
        let message = format!("the request is larger than {max} bytes; nothing was recorded; send less at once");
        Self::new(codes::REQUEST_TOO_LARGE, message)
    }

    /// A request that was not sealed. Nothing is written down before it is: once there are keys again, it may be sent again.
    pub(crate) fn not_sealed(error: PrivacyError) -> Self {
        let is_for_later = matches!(error, PrivacyError::Unavailable(_));
        Self::from(error).retry_after(is_for_later.then_some(Duration::from_secs(1)))
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, delay: Option<Duration>) -> Self {
        self.retry_after = delay;
        self
    }

    /// Adds a machine-readable detail.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A rejection that stands on the log. Its code is known to this release or to a newer one.
    pub fn recorded(rejected: &v1::Rejected, registry: &Registry) -> Self {
        Self {
            status: registry.code(&rejected.code).map_or(Status::FailedPrecondition, |code| code.status),
            code: rejected.code.clone(),
            message: rejected.message.clone(),
            violations: rejected.field_violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect(),
            metadata: rejected.metadata.clone(),
            retry_after: rejected.retry_delay.as_ref().and_then(|delay| duration_from_proto(delay).ok()),
        }
    }

    /// An error that was said by gRPC, with its code; `None` for one that has none.
    pub(crate) fn from_status(status: &tonic::Status) -> Option<Self> {
        let details = status.get_error_details();
        let info = details.error_info()?;
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        Some(Self {
            status: status_of(status.code()),
            code: info.reason.clone(),
            message: status.message().to_owned(),
            violations: violations.into_iter().map(|violation| (violation.field, violation.description)).collect(),
            metadata: info.metadata.clone().into_iter().collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        })
    }

    /// What another node of the log answered, or that it did not.
    pub(crate) fn from_peer(address: &str, status: &tonic::Status) -> Self {
        let Some(said) = Self::from_status(status) else {
            let message = match status.code() {
                tonic::Code::DeadlineExceeded => {
                    let message = format!(
                        "no answer from the node at {address} in time; a command may still be carried out: ask for its \
                         outcome by its id, or send it again under the same id"
                    );
                    return Self::new(daybook_runtime::codes::OUTCOME_UNKNOWN, message)
                        .retry_after(Some(Duration::from_secs(1)));
                }
                _ => format!(
                    "the node at {address}, which leads this partition, cannot be reached ({}); try again",
                    status.message()
                ),
            };
            let error = Self::new(daybook_runtime::codes::PARTITION_UNAVAILABLE, message);
            return error.retry_after(Some(Duration::from_millis(500)));
        };
        said
    }

    /// As gRPC says it.
    pub fn to_grpc(&self) -> tonic::Status {
        let mut details = ErrorDetails::new();
        let metadata: std::collections::HashMap<_, _> = self.metadata.clone().into_iter().collect();
        details.set_error_info(self.code.clone(), ERROR_DOMAIN, metadata);
        if !self.violations.is_empty() {
            for (field, description) in &self.violations {
                details.add_bad_request_violation(field.clone(), description.clone());
            }
        }
        if let Some(delay) = self.retry_after {
            details.set_retry_info(Some(delay));
        }
        tonic::Status::with_error_details(grpc_code(self.status), self.message.clone(), details)
    }
}

fn grpc_code(status: Status) -> tonic::Code {
    match status {
        Status::InvalidArgument => tonic::Code::InvalidArgument,
        Status::NotFound => tonic::Code::NotFound,
        Status::AlreadyExists => tonic::Code::AlreadyExists,
        Status::FailedPrecondition => tonic::Code::FailedPrecondition,
        Status::PermissionDenied => tonic::Code::PermissionDenied,
        Status::Unauthenticated => tonic::Code::Unauthenticated,
        Status::ResourceExhausted => tonic::Code::ResourceExhausted,
        Status::Unavailable => tonic::Code::Unavailable,
        Status::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Status::Unimplemented => tonic::Code::Unimplemented,
        Status::DataLoss => tonic::Code::DataLoss,
        Status::Internal => tonic::Code::Internal,
    }
}

fn status_of(code: tonic::Code) -> Status {
    match code {
        tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Status::InvalidArgument,
        tonic::Code::NotFound => Status::NotFound,
        tonic::Code::AlreadyExists => Status::AlreadyExists,
        tonic::Code::FailedPrecondition | tonic::Code::Aborted => Status::FailedPrecondition,
        tonic::Code::PermissionDenied => Status::PermissionDenied,
        tonic::Code::Unauthenticated => Status::Unauthenticated,
        tonic::Code::ResourceExhausted => Status::ResourceExhausted,
        tonic::Code::Unavailable => Status::Unavailable,
        tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Status::DeadlineExceeded,
        tonic::Code::Unimplemented => Status::Unimplemented,
        tonic::Code::DataLoss => Status::DataLoss,
        tonic::Code::Internal | tonic::Code::Unknown | tonic::Code::Ok => Status::Internal,
    }
}

impl From<Rejection> for CallError {
    fn from(rejection: Rejection) -> Self {
        let violations = rejection.violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect();
        Self {
            violations,
            metadata: rejection.metadata,
            retry_after: rejection.retry_delay,
            ..Self::new(rejection.code, rejection.message)
        }
    }
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        let error = StoreError::from(fault);
        Self::new(error.code(), error.to_string())
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejection) => (*rejection).into(),
            Refusal::Fault(fault) => fault.into(),
        }
    }
}

impl From<SubmitError> for CallError {
    fn from(error: SubmitError) -> Self {
        Self::new(error.code(), error.to_string()).retry_after(error.retry_after())
    }
}

impl From<ReadError> for CallError {
    fn from(error: ReadError) -> Self {
        Self::new(error.code(), error.to_string()).retry_after(error.retry_after())
    }
}

impl From<PrivacyError> for CallError {
    fn from(error: PrivacyError) -> Self {
        match error {
            PrivacyError::Invalid(violations) => Rejection::from(violations).into(),
            error => Self::new(error.code(), error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_was_not_sealed_for_want_of_the_key_ring_may_be_sent_again() {
        let retry = |error| {
            let details = CallError::not_sealed(error).to_grpc().get_error_details();
            details.retry_info().and_then(|info| info.retry_delay)
        };
        let unavailable = PrivacyError::Unavailable("the brokers do not answer".to_owned());
        assert_eq!(retry(unavailable), Some(Duration::from_secs(1)));
        assert_eq!(retry(PrivacyError::Destroyed { key_id: "a".to_owned() }), None, "it will not come back");
    }

    #[test]
    fn every_code_is_declared_once_and_has_a_page_that_helps() {
        let codes = every_code(&daybook_domains::registry());
        let names: BTreeSet<_> = codes.iter().map(|code| code.name).collect();
        assert_eq!(names.len(), codes.len(), "a code is declared twice");
        for code in &codes {
            assert!(code.page.starts_with(&format!("# {}\n", code.name)), "{code}: the page's title is the code");
            for part in ["**What happened.**", "**What was kept.**", "**What to do.**"] {
                assert!(code.page.contains(part), "the page of {code} lacks {part}");
            }
        }
        let pages = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors")).unwrap();
        for page in pages {
            let name = page.unwrap().file_name().into_string().unwrap();
            let code = name.trim_end_matches(".md");
            assert!(names.contains(code) || code == "README", "{name} is the page of no code");
        }
    }
}
