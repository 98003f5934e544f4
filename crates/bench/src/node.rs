//! The node that is measured, set up as the `daybook` program does it: in this process, or in one of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use anyhow::{Context, Result};
use daybook_server::config::{Config, ListenConfig, LogConfig, NodeConfig};
use daybook_server::serve::Running;
use daybook_server::telemetry::metrics_recorder;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::items::PARTITIONS;

/// A node of its own process.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Its data folder.
    #[arg(long)]
    data: PathBuf,
    /// Where its log lies.
    #[arg(long)]
    log: String,
    /// Its log's name.
    #[arg(long)]
    name: String,
}

/// Records metrics and writes log lines to a file, as much as a node does by default.
pub(crate) fn telemetry(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let file = fs::File::create(folder.join("node.log"))?;
    tracing_subscriber::fmt().with_writer(Mutex::new(file)).with_ansi(false).init();
    let metrics = metrics_recorder()?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
    Ok(())
}

/// Starts a node in this process.
pub(crate) async fn start(data: &Path, log: &str, name: &str) -> Result<Running> {
    let any_port = ([127, 0, 0, 1], 0).into();
    let config = Config {
        node: NodeConfig { data_dir: data.to_owned(), development: true, ..Default::default() },
        listen: ListenConfig { address: any_port, metrics_address: any_port },
        log: LogConfig { url: log.to_owned(), name: name.to_owned(), partitions: PARTITIONS, ..Default::default() },
        ..Default::default()
    };
    Ok(Running::start(config, None).await?)
}

/// Runs a node, says where it listens, and stops when the standard input ends.
pub(crate) async fn serve(serve: Serve) -> Result<()> {
    telemetry(&serve.data)?;
    let running = start(&serve.data, &serve.log, &serve.name).await?;
    println!("{}", running.address);
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    running.stop().await;
    Ok(())
}

/// A node in a process of its own. Ends with this one, however that ends.
pub(crate) struct ChildNode {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    /// Its data folder.
    pub(crate) data: PathBuf,
}

impl ChildNode {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(data: PathBuf, log: &str, name: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg("--data").arg(&data).args(["--log", log, "--name", name]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let output = child.stdout.take().context("the node has no output")?;
        let address = BufReader::new(output).lines().next_line().await?;
        let address =
            address.with_context(|| format!("the node did not start: {}", data.join("node.log").display()))?;
        Ok(Self { child, address, data })
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Its file in `/proc`.
    pub(crate) fn status_file(&self) -> String {
        format!("/proc/{}/status", self.process())
    }

    /// Lets it stop, and waits for it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child.wait().await?;
        Ok(())
    }
}
