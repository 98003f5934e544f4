//! Checking the fields of a request: every wrong field is collected, so that a caller learns of all of them at once.
//!
//! ```
//! use daybook_kernel::fields::Fields;
//!
//! let mut fields = Fields::new();
//! let id = fields.identifier("hold_id", "not an id!".into());
//! let reason = fields.required_text("reason", String::new(), 2_000);
//! let violations = fields.finish((id, reason)).unwrap_err();
//! assert_eq!(violations.iter().count(), 2);
//! ```

use std::time::Duration;

use crate::rejection::Violations;
use crate::system::DELAY_MAX;
use crate::time::{Timestamp, duration_from_proto};

/// Characters that an identifier may have.
pub const IDENTIFIER_CHARS_MAX: usize = 200;

/// What is wrong with an identifier, if anything: 1 to 200 characters of `A-Z a-z 0-9 . _ : @ / + = -`.
pub fn identifier_problem(id: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@/+=-".contains(&byte);
    if id.is_empty() {
        Some("must not be empty")
    } else if id.len() > IDENTIFIER_CHARS_MAX {
        Some("must have at most 200 characters")
    } else if !id.bytes().all(allowed) {
        Some("must consist of A-Z a-z 0-9 . _ : @ / + = -")
    } else {
        None
    }
}

/// Collects what is wrong with the fields of a request.
#[derive(Debug, Default)]
pub struct Fields {
    violations: Violations,
}

impl Fields {
    /// Nothing is wrong so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value if nothing was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, Violations> {
        self.violations.or(value)
    }

    /// Notes a wrong field.
    pub fn wrong(&mut self, field: &str, description: impl Into<String>) {
        self.violations.add(field, description);
    }

    /// Notes a wrong field unless `holds`.
    pub fn check(&mut self, field: &str, holds: bool, description: &str) {
        if !holds {
            self.wrong(field, description);
        }
    }

    /// Takes over what is wrong inside a field.
    pub fn inside<T: Default>(&mut self, field: &str, result: Result<T, Violations>) -> T {
        result.unwrap_or_else(|violations| {
            self.violations.add_all(field, violations);
            T::default()
        })
    }

    /// An identifier.
    pub fn identifier(&mut self, field: &str, id: String) -> String {
        if let Some(problem) = identifier_problem(&id) {
            self.wrong(field, problem);
        }
        id
    }

    /// An identifier that may be left out.
    pub fn optional_identifier(&mut self, field: &str, id: String) -> Option<String> {
        if id.is_empty() { None } else { Some(self.identifier(field, id)) }
    }

    /// Identifiers, sorted and each once; at most `max` of them.
    pub fn identifiers(&mut self, field: &str, mut ids: Vec<String>, max: usize) -> Vec<String> {
        if ids.len() > max {
            self.wrong(field, format!("must have at most {max} entries"));
        }
        for (i, id) in ids.iter().enumerate().take(max) {
            if let Some(problem) = identifier_problem(id) {
                self.wrong(&format!("{field}[{i}]"), problem);
            }
        }
        ids.sort();
        ids.dedup();
        ids
    }

    /// Text without control characters (line breaks and tabs are allowed), at most `max` characters.
    pub fn text(&mut self, field: &str, text: String, max: usize) -> String {
        if text.chars().count() > max {
            self.wrong(field, format!("must have at most {max} characters"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.wrong(field, "must not contain control characters");
        }
        text
    }

    /// The same; must not be blank.
    pub fn required_text(&mut self, field: &str, text: String, max: usize) -> String {
        if text.trim().is_empty() {
            self.wrong(field, "must not be empty");
        }
        self.text(field, text, max)
    }

    /// A point in time that may be left out.
    pub fn time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
        match Timestamp::from_proto(&time?) {
            Ok(time) => Some(time),
            Err(problem) => {
                self.wrong(field, problem.to_string());
                None
            }
        }
    }

    /// A point in time.
    pub fn required_time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Timestamp {
        if time.is_none() {
            self.wrong(field, "must be set");
        }
        self.time(field, time).unwrap_or_default()
    }

    /// A duration of zero or more that may be left out, at most `max`.
    pub fn duration(
        &mut self,
        field: &str,
        duration: Option<prost_types::Duration>,
        max: Duration,
    ) -> Option<Duration> {
        match duration_from_proto(&duration?) {
            Ok(duration) if duration <= max => Some(duration),
            Ok(_) => {
                self.wrong(field, format!("must be at most {} days", max.as_secs() / 86_400));
                None
            }
            Err(problem) => {
                self.wrong(field, problem.to_string());
                None
            }
        }
    }

    /// A duration of zero or more, at most [`DELAY_MAX`].
    pub fn required_duration(&mut self, field: &str, duration: Option<prost_types::Duration>) -> Duration {
        if duration.is_none() {
            self.wrong(field, "must be set");
        }
        self.duration(field, duration, DELAY_MAX).unwrap_or_default()
    }

    /// A value of an enumeration that must not be its first, "unspecified".
    pub fn enumeration<E: TryFrom<i32> + Default>(&mut self, field: &str, value: i32) -> E {
        match E::try_from(value) {
            Ok(known) if value != 0 => known,
            Ok(_) => {
                self.wrong(field, "must be set");
                E::default()
            }
            Err(_) => {
                self.wrong(field, format!("{value} is not a value of this enumeration"));
                E::default()
            }
        }
    }

    /// A message that must be there.
    pub fn required<T: Default>(&mut self, field: &str, message: Option<T>) -> T {
        message.unwrap_or_else(|| {
            self.wrong(field, "must be set");
            T::default()
        })
    }
}

/// Page sizes of lists: 0 means 100, at most 1,000.
pub fn page_size(asked: i32) -> Result<usize, Violations> {
    match asked {
        0 => Ok(100),
        1..=1_000 => Ok(usize::try_from(asked).unwrap_or(100)),
        _ => Err(Violations::one("page_size", "must be 0 to 1000")),
    }
}
