//! What needs no node: tokens, error codes, configuration, completions.

use std::time::Duration;

use clap::Args;

use crate::period;

/// Make a token.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// How long it is good
    #[arg(long, value_parser = period::duration, default_value = "8h", value_name = "DURATION")]
    pub(crate) valid_for: Duration,
    /// For a program
    #[arg(long)]
    pub(crate) service: bool,
}

/// What an error code means.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code [default: list them all]
    pub(crate) code: Option<String>,
}

/// Every configuration key.
#[derive(Debug, Args)]
pub(crate) struct ShowConfig {
    /// The values in force, from file and environment, instead of the explained defaults
    #[arg(long)]
    pub(crate) effective: bool,
}

/// Completions for a shell.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
