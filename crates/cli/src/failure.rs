//! Why a command of the program did not do what it was asked to, as people and programs are told.

use std::fmt::Display;

use daybook_kernel::code::Code;
use serde_json::json;
use tonic_types::StatusExt;

/// A failure with its code and hints.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Option<String>,
    message: String,
    hints: Vec<String>,
}

/// What commands return.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure of the program itself.
    pub(crate) fn new(message: impl Display) -> Self {
        Self { code: None, message: message.to_string(), hints: Vec::new() }
    }

    /// A failure with a code that has a page.
    pub(crate) fn coded(code: Code, message: impl Display) -> Self {
        Self { code: Some(code.name.to_owned()), ..Self::new(message) }
    }

    /// Adds a hint.
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// The code.
    pub(crate) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The text.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Tells people, or programs, on standard error.
    pub(crate) fn print(&self, as_json: bool) {
        if as_json {
            eprintln!("{}", json!({ "error": { "code": self.code, "message": self.message, "hints": self.hints } }));
            return;
        }
        match &self.code {
            Some(code) => eprintln!("error[{code}]: {}", self.message),
            None => eprintln!("error: {}", self.message),
        }
        for hint in &self.hints {
            eprintln!("  hint: {hint}");
        }
        if let Some(code) = &self.code {
            eprintln!("  more: daybook explain {code}");
        }
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let details = status.get_error_details();
        let mut failure = Self::new(status.message());
        failure.code = details.error_info().map(|info| info.reason.clone());
        if let Some(request) = details.bad_request() {
            // What the message says already is no hint.
            let is_new = |description: &str| !status.message().contains(description);
            for violation in request.field_violations.iter().filter(|violation| is_new(&violation.description)) {
                failure = failure.hint(format!("{}: {}", violation.field, violation.description));
            }
        }
        if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
            failure = failure.hint(format!("try again in {} ms", delay.as_millis()));
        }
        if failure.message.is_empty() {
            failure.message = format!("{:?}", status.code());
        }
        failure
    }
}

impl From<daybook_replay::ReplayError> for Failure {
    fn from(error: daybook_replay::ReplayError) -> Self {
        Self::coded(error.code(), error)
    }
}

impl From<daybook_log::LogError> for Failure {
    fn from(error: daybook_log::LogError) -> Self {
        Self::coded(error.code(), error)
    }
}

impl From<daybook_archive::ArchiveError> for Failure {
    fn from(error: daybook_archive::ArchiveError) -> Self {
        Self::coded(error.code(), error)
    }
}

impl From<daybook_snapshot::SnapshotError> for Failure {
    fn from(error: daybook_snapshot::SnapshotError) -> Self {
        Self::coded(error.code(), error)
    }
}

impl From<daybook_store::StoreError> for Failure {
    fn from(error: daybook_store::StoreError) -> Self {
        Self::coded(error.code(), error)
    }
}

impl From<daybook_checkpoint::CheckpointError> for Failure {
    fn from(error: daybook_checkpoint::CheckpointError) -> Self {
        Self::coded(error.code(), error)
    }
}

impl From<daybook_server::config::ConfigError> for Failure {
    fn from(error: daybook_server::config::ConfigError) -> Self {
        Self::coded(daybook_server::error::codes::CONFIG_INVALID, error)
    }
}

impl From<daybook_mail::Malformed> for Failure {
    fn from(malformed: daybook_mail::Malformed) -> Self {
        Self::new(format!("{} {}; nothing was imported", malformed.place, malformed.reason))
            .hint("name an mbox file, an .eml file, or a folder of them")
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}
