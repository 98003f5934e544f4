//! `daybook completions`.

use clap::CommandFactory;

use crate::args::{Arguments, Completions};
use crate::failure::Outcome;

/// Prints the completions of a shell.
pub(crate) fn run(arguments: &Completions) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "daybook", &mut script);
    crate::output::line(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
