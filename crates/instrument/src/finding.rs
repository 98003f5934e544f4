//! What the linter says.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The files cannot be used as they are.
    Problem,
    /// Likely a mistake.
    Warning,
}

/// One thing that was found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as it was named by the caller.
    pub file: String,
    /// The line, from 1; 0 if it concerns the whole file.
    pub line: usize,
    /// What kind of finding it is: a word that stays the same between releases.
    pub code: &'static str,
    /// What is the matter: lower case, no full stop.
    pub text: String,
    /// What to do about it.
    pub hint: String,
}

impl Finding {
    /// Something that makes the files unusable.
    pub(crate) fn problem(
        file: &str,
        line: usize,
        code: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (file, text, hint) = (file.to_owned(), text.into(), hint.into());
        Self { severity: Severity::Problem, file, line, code, text, hint }
    }

    /// Something that is likely a mistake.
    pub(crate) fn warning(
        file: &str,
        line: usize,
        code: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::problem(file, line, code, text, hint) }
    }

    /// Whether the files cannot be used as they are.
    pub fn is_problem(&self) -> bool {
        self.severity == Severity::Problem
    }
}

/// `events.yaml:12: warning[no_description]: what is the matter; what to do`, which editors and CI systems can follow.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Problem => "problem",
            Severity::Warning => "warning",
        };
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {severity}[{}]: {}", self.code, self.text)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "; {}", self.hint) }
    }
}
