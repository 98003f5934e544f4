//! A real Apache Kafka broker for tests: KRaft, one node, on loopback, gone when it is dropped.
//!
//! Two ways to get one. With the broker's jars (the folder in `DAYBOOK_KAFKA_LIBS`, which `make test` fills from Maven)
//! and a Java runtime, a process of its own; else with a Docker daemon, the official image.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use daybook_log::{KafkaLog, KafkaOptions};
use tempfile::TempDir;

const IMAGE: &str = "apache/kafka:4.1.1";

/// A running broker.
pub struct Broker {
    process: Process,
    port: u16,
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
    /// Starts a broker and waits until it answers.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("daybook-kafka-").tempdir()?;
        let (port, controller_port) = (free_port()?, free_port()?);
        let mut broker = if let Some(libs) = libs() {
            let properties = folder.path().join("server.properties");
            fs::write(&properties, server_properties(folder.path(), port, controller_port))?;
            let java = Java { libs, properties };
            java.format()?;
            let process = Process::Java(java.start(folder.path())?);
            Self { process, port, folder, java: Some(java) }
        } else if docker_answers() {
            let process = Process::Docker(start_container(port, controller_port)?);
            Self { process, port, folder, java: None }
        } else {
            bail!(
                "no Kafka: neither the broker's jars (DAYBOOK_KAFKA_LIBS; `make test` fetches them) nor a Docker daemon"
            );
        };
        broker.wait_until_ready().await?;
        Ok(broker)
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
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its data lies, if that is on this machine.
    pub fn data_folder(&self) -> Option<PathBuf> {
        self.java.as_ref().map(|_| data_folder(self.folder.path()))
    }

    /// Options for a log on this broker.
    pub fn log_options(&self, name: &str, partitions: u32) -> KafkaOptions {
        KafkaOptions {
            brokers: self.address(),
            name: name.to_owned(),
            partitions,
            create_with_replication: Some(1),
            min_insync_replicas: 1,
            connect_timeout: Duration::from_secs(10),
            properties: Default::default(),
        }
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

    /// Stops the broker; its data stays.
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
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            if let Process::Java(child) = &mut self.process
                && let Some(status) = child.try_wait()?
            {
                let log = fs::read_to_string(self.folder.path().join("broker.log")).unwrap_or_default();
                let tail = log.chars().rev().take(2_000).collect::<Vec<_>>().into_iter().rev().collect::<String>();
                bail!("the broker ended with {status}: {tail}");
            }
            let options = KafkaOptions { connect_timeout: Duration::from_secs(2), ..self.log_options("ready", 1) };
            match KafkaLog::open(options).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => bail!("the broker does not answer: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
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

fn start_container(port: u16, controller_port: u16) -> Result<String> {
    let environment = server_properties(Path::new("/tmp/kraft"), port, controller_port)
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

fn server_properties(folder: &Path, port: u16, controller_port: u16) -> String {
    let data = data_folder(folder);
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         log.cleaner.backoff.ms=200\n\
         auto.create.topics.enable=false\n",
        data.display()
    )
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
