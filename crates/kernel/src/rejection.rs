//! Why a command is not carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_proto::log::v1;

use crate::code::{self, Code};
use crate::state::Fault;
use crate::time::duration_to_proto;

/// A rejection: the answer "no", with its reason. It is recorded like any other decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The stable code.
    pub code: Code,
    /// What happened, for a person: lower case, no full stop, then a hint.
    pub message: String,
    /// Fields that are wrong.
    pub violations: Violations,
    /// Machine-readable details.
    pub metadata: BTreeMap<String, String>,
    /// When trying again makes sense.
    pub retry_delay: Option<Duration>,
}

impl Rejection {
    /// A rejection with a code and a text.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            violations: Violations::default(),
            metadata: BTreeMap::new(),
            retry_delay: None,
        }
    }

    /// Adds a machine-readable detail.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_delay = Some(delay);
        self
    }

    /// The form on the log.
    pub fn to_proto(&self) -> v1::Rejected {
        v1::Rejected {
            code: self.code.name.to_owned(),
            message: self.message.clone(),
            field_violations: self.violations.0.clone(),
            metadata: self.metadata.clone(),
            retry_delay: self.retry_delay.map(duration_to_proto),
        }
    }
}

impl From<Violations> for Rejection {
    fn from(violations: Violations) -> Self {
        let message = match violations.0.as_slice() {
            [only] => format!("{}: {}", only.field, only.description),
            [first, rest @ ..] => format!("{}: {} (and {} more)", first.field, first.description, rest.len()),
            [] => "the request is not valid".to_owned(),
        };
        Self { violations, ..Self::new(code::INVALID_ARGUMENT, message) }
    }
}

/// Why deciding or answering ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The answer is no. Boxed: it is large and rare.
    Rejected(Box<Rejection>),
    /// There is no answer: the state could not be read.
    Fault(Fault),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

impl From<Violations> for Refusal {
    fn from(violations: Violations) -> Self {
        Rejection::from(violations).into()
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What is wrong with the fields of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Violations(Vec<v1::FieldViolation>);

impl Eq for Violations {}

impl Violations {
    /// At most this many are listed.
    const LISTED_MAX: usize = 20;

    /// One wrong field.
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    /// Adds a wrong field.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.0.len() < Self::LISTED_MAX {
            self.0.push(v1::FieldViolation { field: field.into(), description: description.into() });
        }
    }

    /// Adds what is wrong inside a field.
    pub fn add_all(&mut self, inside: &str, violations: Violations) {
        for violation in violations.0 {
            // A violation without a field is one of the whole.
            let separator = if violation.field.is_empty() || inside.is_empty() { "" } else { "." };
            self.add(format!("{inside}{separator}{}", violation.field), violation.description);
        }
    }

    /// The same, inside a field.
    #[must_use]
    pub fn inside(self, field: &str) -> Self {
        let mut violations = Self::default();
        violations.add_all(field, self);
        violations
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The wrong fields.
    pub fn iter(&self) -> impl Iterator<Item = &v1::FieldViolation> {
        self.0.iter()
    }

    /// `value` if nothing is wrong.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}
