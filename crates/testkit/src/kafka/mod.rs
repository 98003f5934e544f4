//! A real Apache Kafka for tests: KRaft, one broker ([`Broker`]) or several ([`Brokers`]), gone when it is dropped.
//!
//! Two ways to get one. With the broker's jars (the folder in `DAYBOOK_KAFKA_LIBS`, which `make test` fills from Maven)
//! and a Java runtime, a process of its own; else with a Docker daemon, the official image.

mod brokers;
mod damage;
mod properties;
pub mod raw;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use daybook_log::{KafkaLog, KafkaOptions, Replication};
use tempfile::TempDir;

pub use brokers::Brokers;
pub use damage::{Damage, damage};
use properties::Place;

const LOOPBACK: &str = "127.0.0.1";
const READY_WAIT_MAX: Duration = Duration::from_secs(180);
const IMAGE: &str = "apache/kafka:4.1.1";

/// Options for a log on one broker.
pub fn log_options(brokers: &str, name: &str, partitions: u32) -> KafkaOptions {
    KafkaOptions {
        brokers: brokers.to_owned(),
        name: name.to_owned(),
        partitions,
        create_with_replication: Some(Replication::Exactly(1)),
        min_insync_replicas: 1,
        connect_timeout: Duration::from_secs(10),
        properties: Default::default(),
    }
}

/// A running broker.
pub struct Broker {
    process: Process,
    place: Place,
    folder: TempDir,
    java: Option<Java>,
}

enum Process {
    Java(Child),
    Docker(String),
    Stopped,
}

struct Java {
    libs: PathBuf,
    properties: PathBuf,
}

impl Broker {
    /// Starts a broker on loopback and waits until it answers.
    pub async fn start() -> Result<Self> {
        Self::start_at(LOOPBACK).await
    }

    /// Starts a broker that listens on an address of this machine, and waits until it answers.
    pub async fn start_at(host: &str) -> Result<Self> {
        let place = Place::several(host, 1)?.remove(0);
        let mut broker = Self::spawn(place)?;
        broker.wait_until_ready().await?;
        Ok(broker)
    }

    fn spawn(place: Place) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("daybook-kafka-").tempdir()?;
        if let Some(libs) = libs() {
            let properties = folder.path().join("server.properties");
            fs::write(&properties, place.properties(&data_folder(folder.path())))?;
            let java = Java { libs, properties };
            java.format()?;
            let process = Process::Java(java.start(folder.path())?);
            Ok(Self { process, place, folder, java: Some(java) })
        } else if docker_answers() {
            let process = Process::Docker(start_container(&place)?);
            Ok(Self { process, place, folder, java: None })
        } else {
            bail!(
                "no Kafka: neither the broker's jars (DAYBOOK_KAFKA_LIBS; `make test` fetches them) nor a Docker daemon"
            );
        }
    }

    /// One broker for all tests of a process, started when it is first asked for.
    pub async fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
        static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _one_at_a_time = STARTING.lock().await;
        let running = SHARED.lock().map(|shared| shared.upgrade()).unwrap_or_default();
        if let Some(running) = running {
            return Ok(running);
        }
        let started = Arc::new(Self::start().await?);
        if let Ok(mut shared) = SHARED.lock() {
            *shared = Arc::downgrade(&started);
        }
        Ok(started)
    }

    /// Where clients reach it.
    pub fn address(&self) -> String {
        self.place.address()
    }

    /// Where its data lies, if that is on this machine.
    pub fn data_folder(&self) -> Option<PathBuf> {
        self.java.as_ref().map(|_| data_folder(self.folder.path()))
    }

    /// Options for a log on this broker.
    pub fn log_options(&self, name: &str, partitions: u32) -> KafkaOptions {
        log_options(&self.address(), name, partitions)
    }

    /// Runs one of Kafka's own command-line tools, by its main class, against this broker.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Result<String> {
        let java = self.java.as_ref().context("Kafka's tools need the broker's jars")?;
        let output = java.command(class).args(["--bootstrap-server", &self.address()]).args(arguments).output()?;
        if !output.status.success() {
            bail!("{class} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Stops the broker as its machine would if it lost power: SIGKILL. Its data stays.
    pub fn stop(&mut self) {
        match std::mem::replace(&mut self.process, Process::Stopped) {
            Process::Java(mut child) => {
                // It may have ended by itself.
                let _ = child.kill();
                let _ = child.wait();
            }
            Process::Docker(container) => {
                let _ = Command::new("docker").args(["rm", "-f", &container]).stdout(Stdio::null()).status();
            }
            Process::Stopped => {}
        }
    }

    /// Starts a stopped broker again, on the same port with the same data.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop();
        let java = self.java.as_ref().context("only a broker with its data on this machine can be restarted")?;
        self.process = Process::Java(java.start(self.folder.path())?);
        self.wait_until_ready().await
    }

    /// Ready means that a client can create a topic, not that the port is open.
    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WAIT_MAX;
        loop {
            self.check_alive()?;
            let options = KafkaOptions { connect_timeout: Duration::from_secs(2), ..self.log_options("ready", 1) };
            match KafkaLog::open(options).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => bail!("the broker does not answer: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// An error if its process has ended by itself.
    fn check_alive(&mut self) -> Result<()> {
        if let Process::Java(child) = &mut self.process
            && let Some(status) = child.try_wait()?
        {
            let log = fs::read_to_string(self.folder.path().join("broker.log")).unwrap_or_default();
            let tail = log.chars().rev().take(2_000).collect::<Vec<_>>().into_iter().rev().collect::<String>();
            bail!("the broker ended with {status}: {tail}");
        }
        Ok(())
    }

    /// Asks its process to end well, as an operator does, and waits for it.
    pub fn shut_down(&mut self) -> Result<()> {
        if let Process::Java(child) = &mut self.process {
            Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
            child.wait()?;
        }
        self.process = Process::Stopped;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Java {
    fn command(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        // A broker that is killed leaves its temporary files behind: in its folder they go with it.
        if let Some(folder) = self.properties.parent() {
            command.arg(format!("-Djava.io.tmpdir={}", folder.display()));
        }
        command.args(["-Xmx512m", "-XX:+UseSerialGC", "-cp"]).arg(self.libs.join("*")).arg(class);
        command
    }

    fn format(&self) -> Result<()> {
        let cluster_id = "ZGF5Ym9vay10ZXN0LWtyYQ";
        let output = self
            .command("kafka.tools.StorageTool")
            .args(["format", "-t", cluster_id, "-c"])
            .arg(&self.properties)
            .output()
            .context("java cannot be started")?;
        if !output.status.success() {
            bail!("formatting the broker's storage failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn start(&self, folder: &Path) -> Result<Child> {
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("broker.log"))?;
        let errors = log.try_clone()?;
        let child = self.command("kafka.Kafka").arg(&self.properties).stdout(log).stderr(errors).spawn()?;
        Ok(child)
    }
}

fn libs() -> Option<PathBuf> {
    let folder = match std::env::var_os("DAYBOOK_KAFKA_LIBS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache/daybook/kafka/libs"),
    };
    folder.is_dir().then_some(folder)
}

fn docker_answers() -> bool {
    let asked = Command::new("docker").arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn start_container(place: &Place) -> Result<String> {
    let environment = place
        .properties(Path::new("/tmp/kraft"))
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| format!("KAFKA_{}={value}", name.to_uppercase().replace('.', "_")))
        .collect::<Vec<_>>();
    let mut command = Command::new("docker");
    command.args(["run", "-d", "--network", "host"]);
    for variable in &environment {
        command.args(["-e", variable]);
    }
    let output = command.arg(IMAGE).output()?;
    if !output.status.success() {
        bail!("docker could not start {IMAGE}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn data_folder(folder: &Path) -> PathBuf {
    folder.join("data")
}
