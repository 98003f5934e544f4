//! How a finding is told: what was found, what it means, what to do next.

use daybook_kernel::code::Code;
use serde_json::{Value, json};

use crate::output::line;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// A node runs with it; somebody should know.
    Warning,
    /// A node does not start with it, or does not do all that it should.
    Problem,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "PROBLEM",
        }
    }
}

/// Something that was found.
#[derive(Debug)]
pub(super) struct Finding {
    level: Level,
    subject: String,
    found: String,
    means: String,
    next: String,
    code: Option<Code>,
}

impl Finding {
    fn new(level: Level, subject: impl ToString, found: impl ToString) -> Self {
        let (means, next) = (String::new(), String::new());
        Self { level, subject: subject.to_string(), found: found.to_string(), means, next, code: None }
    }

    /// All is well.
    pub(super) fn ok(subject: impl ToString, found: impl ToString) -> Self {
        Self::new(Level::Ok, subject, found)
    }

    /// Somebody should know.
    pub(super) fn warning(subject: impl ToString, found: impl ToString) -> Self {
        Self::new(Level::Warning, subject, found)
    }

    /// Something is wrong.
    pub(super) fn problem(subject: impl ToString, found: impl ToString) -> Self {
        Self::new(Level::Problem, subject, found)
    }

    /// What it means.
    pub(super) fn means(self, means: impl ToString) -> Self {
        Self { means: means.to_string(), ..self }
    }

    /// What to do.
    pub(super) fn next(self, next: impl ToString) -> Self {
        Self { next: next.to_string(), ..self }
    }

    /// The error that a node would meet.
    pub(super) fn code(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "level": self.level.name().to_lowercase(),
            "subject": self.subject,
            "found": self.found,
            "means": self.means,
            "next": self.next,
            "code": self.code.map(|code| code.name),
        })
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    pub(super) fn problems(&self) -> usize {
        self.count(Level::Problem)
    }

    pub(super) fn warnings(&self) -> usize {
        self.count(Level::Warning)
    }

    /// As a table: one line for each finding, and below those that are not well what they mean and what to do.
    pub(super) fn show(&self) {
        let width = self.findings.iter().map(|finding| finding.subject.len()).max().unwrap_or_default();
        for finding in &self.findings {
            let Finding { level, subject, found, means, next, code } = finding;
            line(format_args!("{:7}  {subject:width$}  {found}", level.name()));
            let below = |what: &str, text: &str| line(format_args!("{:7}  {:width$}    {what}: {text}", "", ""));
            if !means.is_empty() {
                below("it means", means);
            }
            match code {
                Some(code) if *level != Level::Ok => {
                    below("what to do", &format!("{next}; daybook explain {}", code.name))
                }
                _ if !next.is_empty() => below("what to do", next),
                _ => {}
            }
        }
    }
}
