//! The keys that tokens are checked with: read as a node reads them when it starts.

use daybook_server::auth::{KeySource, read_once};
use daybook_server::config::Config;
use daybook_server::error::codes;

use super::finding::{Finding, Report};

const SUBJECT: &str = "token keys";

pub(super) async fn look(config: &Config, report: &mut Report) {
    // A development node has its own; a node without either is a matter of the configuration.
    if config.auth.jwks.is_empty() {
        return;
    }
    let Ok(source) = KeySource::parse(&config.auth.jwks, config.auth.jwks_allow_http) else { return };
    match read_once(source).await {
        Err(why) => report.add(
            Finding::problem(SUBJECT, why)
                .code(codes::TOKEN_KEYS_UNAVAILABLE)
                .means("a node does not start; a running node keeps its keys until they are too old")
                .next("check auth.jwks, and that this machine can read what it names"),
        ),
        Ok(keys) => match keys.why_passed_over() {
            Some(why) => report.add(
                Finding::warning(SUBJECT, format!("{} can be used; {why}", keys.usable.len()))
                    .means("tokens that the others signed are refused")
                    .next("have the provider sign with RSA (2048 bits or more), P-256, P-384 or Ed25519"),
            ),
            None => report.add(Finding::ok(SUBJECT, format!("{} can be read and used", keys.usable.len()))),
        },
    }
}
