//! `daybook doctor`: everything that a node needs, looked at without a node and without changing a byte.
//!
//! | file | what it looks at |
//! | --- | --- |
//! | `finding` | how a finding is told |
//! | `settings` | configuration, data folder, disk, permissions |
//! | `log` | the log: bounds, shape, first and last records |
//! | `stores` | each store against the log |
//! | `keys` | key ring and master key |
//! | `shared_keys` | the key ring that nodes share, on Kafka |
//! | `topics` | inbox and outbox topics |
//! | `checkpoints` | the newest checkpoint: is the log at least as long |
//! | `token_keys` | the keys that tokens are checked with |

mod checkpoints;
mod finding;
mod keys;
mod log;
mod settings;
mod shared_keys;
mod stores;
mod token_keys;
mod topics;

use std::path::Path;

use daybook_rocks::Memory;
use daybook_server::config::Config;
use daybook_server::running;
use daybook_server::serve::kafka_options;
use serde_json::json;

use crate::args::Global;
use crate::commands::log::CACHE_BYTES;
use crate::failure::{Failure, Outcome};
use crate::output::{self, line};
use crate::session::scratch;
use finding::{Finding, Report};

/// Looks at everything and tells what was found. Fails when there is a problem.
pub(crate) async fn run(global: &Global) -> Outcome {
    let mut report = Report::default();
    match global.config() {
        Ok(config) => look(config, global.config.as_deref(), &mut report).await?,
        Err(failure) => report.add(
            Finding::problem("configuration", failure.message())
                .code(daybook_server::error::codes::CONFIG_INVALID)
                .means("a node does not start with it; nothing else was looked at")
                .next("correct it; `daybook config` explains every key"),
        ),
    }
    let (problems, warnings) = (report.problems(), report.warnings());
    if global.json {
        let findings: Vec<_> = report.findings.iter().map(Finding::to_json).collect();
        output::json(&json!({ "findings": findings, "problems": problems, "warnings": warnings }));
    } else {
        report.show();
        line(format_args!("{problems} problems, {warnings} warnings; nothing was changed"));
    }
    match problems {
        0 => Ok(()),
        1 => Err(Failure::new("there is a problem; what to do about it stands beside it")),
        many => Err(Failure::new(format!("there are {many} problems; what to do about each stands beside it"))),
    }
}

async fn look(mut config: Config, config_file: Option<&Path>, report: &mut Report) -> Outcome {
    let (_folder, scratch) = scratch("doctor")?;
    let memory = Memory::new(CACHE_BYTES, 0);
    // As `daybook serve --dev` was started, which no file says.
    let is_development_folder = config.node.data_dir.join("development").is_dir();
    config.node.development |= is_development_folder && config.auth.jwks.is_empty();
    settings::look(&config, config_file, report);
    token_keys::look(&config, report).await;
    let running = running::find(&config.node.data_dir).ok().flatten();
    if let Some(node) = &running {
        report.add(Finding::ok("node", format!("{} runs on this data folder, at {}", node.node_id, node.url)));
    }
    let looked = log::look(&config, &scratch, &memory, report).await;
    let seen = looked.seen();
    stores::look(&config, seen, running.is_some(), &scratch, &memory, report).await;
    checkpoints::look(&config, seen, report);
    match kafka_options(&config) {
        None => keys::look(&config, seen, &scratch, &memory, report),
        Some(options) => {
            shared_keys::look(&config, &options, &looked, report).await;
            topics::look(&config, &options, &looked, running.is_some(), report).await;
        }
    }
    Ok(())
}
