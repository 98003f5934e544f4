//! Mistakes of a policy set, with their place.

use daybook_kernel::authorisation::PolicyProblem;
use miette::Diagnostic;

/// The mistake and everything related to it, with line and column in `source`.
pub(crate) fn problems(part: &'static str, source: &str, error: &dyn Diagnostic) -> Vec<PolicyProblem> {
    let mut found = Vec::new();
    collect(part, source, error, &mut found);
    found.dedup();
    found
}

fn collect(part: &'static str, source: &str, error: &dyn Diagnostic, found: &mut Vec<PolicyProblem>) {
    let related: Vec<_> = error.related().into_iter().flatten().collect();
    let place = error.labels().and_then(|mut labels| labels.next());
    if place.is_some() || related.is_empty() {
        let (line, column) = place.map_or((0, 0), |label| line_and_column(source, label.offset()));
        // Problems are recorded, and which of several names like it Cedar suggests differs from run to run.
        let help = error.help().map(|help| help.to_string()).filter(|help| !help.starts_with("did you mean"));
        let help = help.map(|help| format!("; {help}")).unwrap_or_default();
        found.push(PolicyProblem { part, line, column, message: format!("{error}{help}") });
    }
    for error in related {
        collect(part, source, error, found);
    }
}

/// Line and column, from 1, of a byte offset. Columns count characters.
fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
