//! `daybook doctor`: everything that a node needs, looked at without a node and without changing a byte.
//!
//! | file | what it looks at |
//! | --- | --- |
//! | `finding` | how a finding is told |
//! | `settings` | configuration, data folder, disk, permissions |
//! | `log` | the log: bounds, shape, first and last records |
//! | `stores` | each store against the log |
//! | `keys` | key ring and master key |
//! | `checkpoints` | the newest checkpoint: is the log at least as long |

mod checkpoints;
mod finding;
mod keys;
mod log;
mod settings;
mod stores;

use daybook_rocks::Memory;
use daybook_server::config::Config;
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
        Ok(config) => look(config, &mut report).await?,
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

async fn look(mut config: Config, report: &mut Report) -> Outcome {
    let (_folder, scratch) = scratch("doctor")?;
    let memory = Memory::new(CACHE_BYTES, 0);
    // As `daybook serve --dev` was started, which no file says.
    let is_development_folder = config.node.data_dir.join("development").is_dir();
    config.node.development |= is_development_folder && config.auth.jwks.is_empty();
    settings::look(&config, report);
    let seen = log::look(&config, &scratch, &memory, report).await;
    stores::look(&config, seen.as_ref(), &scratch, &memory, report).await;
    checkpoints::look(&config, seen.as_ref(), report);
    keys::look(&config, seen.as_ref(), &scratch, &memory, report);
    Ok(())
}
