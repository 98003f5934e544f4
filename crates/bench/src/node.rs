//! The node that is measured, set up as the `daybook` program does it: in this process, or in one of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use daybook_server::config::{
    ClusterConfig, Config, LimitsConfig, ListenConfig, LogConfig, NodeConfig, SnapshotsConfig,
};
use daybook_server::serve::Running;
use daybook_server::telemetry::metrics_recorder;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::items::PARTITIONS;
use crate::steps;

/// A node of its own process. What is not given is as it is by default.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Serve {
    /// Its data folder.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Where its log lies.
    #[arg(long)]
    pub(crate) log: String,
    /// Its log's name.
    #[arg(long)]
    pub(crate) name: String,
    /// Its id.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Where it listens; by default on any port.
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// How many nodes follow a partition.
    #[arg(long)]
    pub(crate) standbys: Option<usize>,
    /// Where snapshots are.
    #[arg(long)]
    pub(crate) snapshots: Option<String>,
    /// Where it writes down how its partitions move on.
    #[arg(long)]
    pub(crate) steps: Option<PathBuf>,
    /// Another build of this program to run it with.
    #[arg(skip)]
    pub(crate) program: Option<PathBuf>,
    /// How many files it may open.
    #[arg(skip)]
    pub(crate) files: Option<u32>,
}

impl Serve {
    /// A node on a log, everything else as it is by default.
    pub(crate) fn on(data: &Path, log: &str, name: &str) -> Self {
        Self {
            data: data.to_owned(),
            log: log.to_owned(),
            name: name.to_owned(),
            id: None,
            listen: None,
            standbys: None,
            snapshots: None,
            steps: None,
            program: None,
            files: None,
        }
    }

    fn config(&self) -> Config {
        let any_port = ([127, 0, 0, 1], 0).into();
        let node = NodeConfig { data_dir: self.data.clone(), development: true, ..Default::default() };
        let log = LogConfig { url: self.log.clone(), name: self.name.clone(), ..Default::default() };
        let (cluster, snapshots) = (ClusterConfig::default(), SnapshotsConfig::default());
        Config {
            node: NodeConfig { id: self.id.clone().unwrap_or_else(|| node.id.clone()), ..node },
            listen: ListenConfig {
                address: self.listen.unwrap_or(any_port),
                metrics_address: any_port,
                ..Default::default()
            },
            log: LogConfig { partitions: PARTITIONS, ..log },
            cluster: ClusterConfig { standbys: self.standbys.unwrap_or(cluster.standbys), ..cluster },
            snapshots: SnapshotsConfig {
                url: self.snapshots.clone().unwrap_or_default(),
                // The benchmark takes them without a node, so without a node's signature.
                accept_unsigned: true,
                ..snapshots
            },
            // What a node can do is measured, not how fast it may be asked.
            limits: LimitsConfig {
                subject_requests_per_second: 0,
                tenant_requests_per_second: 0,
                subject_mib_per_second: 0,
                tenant_mib_per_second: 0,
                ..Default::default()
            },
            ..Default::default()
        }
    }

    /// The same as arguments of this program.
    fn arguments(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let options = [
            ("--data", Some(path(&self.data))),
            ("--log", Some(self.log.clone())),
            ("--name", Some(self.name.clone())),
            ("--id", self.id.clone()),
            ("--listen", self.listen.map(|address| address.to_string())),
            ("--standbys", self.standbys.map(|standbys| standbys.to_string())),
            ("--snapshots", self.snapshots.clone()),
            ("--steps", self.steps.as_deref().map(path)),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
        ["serve".to_owned()].into_iter().chain(given.flatten()).collect()
    }
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
    Ok(Running::start(Serve::on(data, log, name).config(), None).await?)
}

/// Runs a node, says where it listens, and stops when it is told to (SIGTERM) or when the standard input ends.
pub(crate) async fn serve(serve: Serve) -> Result<()> {
    telemetry(&serve.data)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let running = Running::start(serve.config(), None).await?;
    if let Some(file) = &serve.steps {
        steps::write(&running.node, file)?;
    }
    println!("{}", running.address);
    let (mut input, mut rest) = (tokio::io::stdin(), Vec::new());
    tokio::select! {
        ended = input.read_to_end(&mut rest) => drop(ended?),
        _ = terminate.recv() => {}
    }
    running.stop().await;
    // A read of the standard input cannot be given up, and would hold the process.
    std::process::exit(0)
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
    /// Starts one with everything as it is by default, and waits until it listens.
    pub(crate) async fn start(data: PathBuf, log: &str, name: &str) -> Result<Self> {
        Self::launch(&Serve::on(&data, log, name)).await
    }

    /// Starts one and waits until it listens.
    pub(crate) async fn launch(serve: &Serve) -> Result<Self> {
        let program = serve.program.clone().map_or_else(std::env::current_exe, Ok)?;
        let mut command = match serve.files {
            Some(files) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]).arg(program);
                shell
            }
            None => Command::new(program),
        };
        command.args(serve.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let output = child.stdout.take().context("the node has no output")?;
        let address = BufReader::new(output).lines().next_line().await?;
        let address =
            address.with_context(|| format!("the node did not start: {}", serve.data.join("node.log").display()))?;
        Ok(Self { child, address, data: serve.data.clone() })
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Its file in `/proc`.
    pub(crate) fn status_file(&self) -> String {
        format!("/proc/{}/status", self.process())
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        let sent = std::process::Command::new("kill").args([format!("-{signal}"), self.process().to_string()]).status();
        ensure!(sent?.success(), "SIG{signal} could not be sent");
        Ok(())
    }

    /// Kills it without warning, and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> Result<()> {
        let status = self.child.wait().await?;
        ensure!(status.success(), "the node ended with {status}: {}", self.data.join("node.log").display());
        Ok(())
    }

    /// Lets it stop, and waits for it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child.wait().await?;
        Ok(())
    }
}
