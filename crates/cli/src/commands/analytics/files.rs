//! Schema files: checked, read, and made into clients. No node is asked.

use std::path::{Path, PathBuf};

use daybook_instrument::{Finding, client, files, lint};
use daybook_proto::product_analytics::v1::{EventSchema, MinimisationProfile};
use serde_json::json;

use crate::args::{Global, Language};
use crate::failure::{Failure, Outcome};
use crate::output::{self, line};

/// Checks files, and whether they take anything away from others.
pub(super) fn lint(paths: &[PathBuf], against: &[PathBuf], global: &Global) -> Outcome {
    let found = match files::read(paths) {
        Ok(files) => {
            let mut found = lint::lint(&files);
            if !against.is_empty() {
                let older = files::read(against).map_err(|findings| unreadable(&findings))?;
                found.extend(lint::against(&files, &older.schemas()));
            }
            found
        }
        Err(findings) => findings,
    };
    let problems = found.iter().filter(|finding| finding.is_problem()).count();
    if global.json {
        let findings = found.iter().map(|finding| {
            json!({
                "problem": finding.is_problem(), "file": finding.file, "line": finding.line, "code": finding.code,
                "text": finding.text, "hint": finding.hint,
            })
        });
        output::json(&json!({ "findings": findings.collect::<Vec<_>>(), "problems": problems }));
    } else {
        found.iter().for_each(line);
        line(format_args!("problems: {problems}, warnings: {}", found.len() - problems));
    }
    if problems == 0 { Ok(()) } else { Err(Failure::new("the files cannot be registered as they are")) }
}

/// Writes a client.
pub(super) fn client(paths: &[PathBuf], language: Language, output: Option<&Path>) -> Outcome {
    let (_, schemas) = read(paths)?;
    let language = match language {
        Language::Rust => client::Language::Rust,
        Language::Typescript => client::Language::TypeScript,
        Language::Python => client::Language::Python,
    };
    let text = client::generate(language, &schemas);
    match output {
        Some(path) => {
            std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
            line(format_args!("written: {}", path.display()));
        }
        None => line(text.trim_end()),
    }
    Ok(())
}

/// Reads files in which nothing is wrong.
pub(super) fn read(paths: &[PathBuf]) -> Outcome<(Option<MinimisationProfile>, Vec<EventSchema>)> {
    let files = files::read(paths).map_err(|findings| unreadable(&findings))?;
    let problems: Vec<Finding> = lint::lint(&files).into_iter().filter(Finding::is_problem).collect();
    if !problems.is_empty() {
        return Err(unreadable(&problems));
    }
    let schemas = files.schemas();
    Ok((files.profile.map(|(profile, _)| profile), schemas))
}

fn unreadable(findings: &[Finding]) -> Failure {
    let failure =
        Failure::new("the files have problems; nothing was done; `daybook analytics lint` shows them one by one");
    findings.iter().take(10).fold(failure, |failure, finding| failure.hint(finding))
}
