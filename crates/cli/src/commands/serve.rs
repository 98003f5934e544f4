//! `daybook serve`: a node.

use std::path::Path;

use daybook_server::file_access::FileAccess;
use daybook_server::serve::{Running, StartError};
use daybook_server::telemetry::Telemetry;
use serde_json::json;

use crate::args::{Global, Serve};
use crate::failure::{Failure, Outcome};

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::coded(error.code, error.message)
    }
}

/// Runs a node until it is told to stop.
pub(crate) async fn run(arguments: Serve, global: &Global) -> Outcome {
    let mut config = global.config()?;
    config.node.development |= arguments.dev;
    config.node.leave_development = arguments.leave_development;
    if let Some(address) = arguments.listen {
        config.listen.address = address;
    }
    if let Some(address) = arguments.metrics {
        config.listen.metrics_address = address;
    }
    if let Some(log) = arguments.log {
        config.log.url = log;
    }
    config.check()?;
    FileAccess::parse(&config.node.file_access).keep_for_process();
    let telemetry = Telemetry::start(&config.telemetry)?;
    // Told to stop while it starts, it does.
    let mut stop = Stop::new()?;
    let running = tokio::select! {
        running = Running::start(config, Some(telemetry.metrics.clone())) => running?,
        () = stop.asked() => return Ok(()),
    };
    if let Some(file) = &arguments.ready_file {
        write_ready(file, &running)?;
    }
    tracing::info!(address = %running.address, metrics = %running.metrics_address, "ready");
    let failed = tokio::select! {
        () = stop.asked() => None,
        outdated = running.outdated() => Some(outdated),
        failed = running.log_failed() => Some(failed),
        failed = running.out_of_files() => Some(failed),
    };
    tracing::info!("stopping: requests under way are answered");
    tokio::select! {
        () = running.stop() => {}
        () = stop.asked() => tracing::warn!("stopping at once; the log is whole, the stores catch up at the next start"),
    }
    telemetry.stop();
    failed.map_or(Ok(()), |failed| Err(failed.into()))
}

/// Written beside the file and moved into place: who waits for it never sees half of it.
fn write_ready(file: &Path, running: &Running) -> Outcome {
    let text =
        json!({ "address": running.address, "metrics_address": running.metrics_address, "pid": std::process::id() });
    let half = file.with_extension("half");
    std::fs::write(&half, text.to_string())?;
    Ok(std::fs::rename(&half, file)?)
}

/// SIGINT and SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Outcome<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
