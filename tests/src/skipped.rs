//! Saying that a test could not run here.
//!
//! Nothing is skipped silently. Where the environment variable `DAYBOOK_SKIPPED_FILE` names a file, a line is added to
//! it, which whoever runs the tests shows at the end (and counts as a failure where everything must run); where it is
//! not set, the test fails.

use std::fs::OpenOptions;
use std::io::Write;

/// The environment variable with the file.
pub const FILE: &str = "DAYBOOK_SKIPPED_FILE";

/// Notes that a test cannot run.
///
/// # Panics
/// When nobody collects such notes.
#[track_caller]
pub fn skipped(test: &str, why: &str) {
    let Some(file) = std::env::var_os(FILE) else {
        panic!("{test} cannot run here: {why}; set {FILE} to a file to have it listed there instead");
    };
    let mut file = OpenOptions::new().create(true).append(true).open(file).expect("the file of skipped tests");
    // One line each.
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    writeln!(file, "{test}: {why}").expect("the file of skipped tests can be written");
    eprintln!("SKIPPED {test}: {why}");
}
