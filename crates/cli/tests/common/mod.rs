//! The real program as a process: a node that serves and can be killed, and commands that end.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod load;
pub mod network;
pub mod nodes;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(300);

/// The program.
pub fn daybook() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    // Whatever the caller's environment says, tests are about their own folders and ports.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DAYBOOK_")) {
        command.env_remove(name);
    }
    command
}

/// A node as a process.
pub struct Served {
    child: Child,
    /// Where it listens.
    pub address: String,
    data: PathBuf,
}

impl Served {
    /// Starts a development node on a data folder and waits until it is ready.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_in(data, &[], arguments)
    }

    /// The same with more environment.
    pub fn start_in(data: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::try_start(daybook(), data, environment, arguments).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same with the program given, `daybook()` or one that runs it; if it ends instead of getting ready, what it
    /// said is the error.
    pub fn try_start(
        mut program: Command,
        data: &Path,
        environment: &[(&str, &str)],
        arguments: &[&str],
    ) -> Result<Self, String> {
        let ready = data.with_extension("ready");
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data.with_extension("log")).unwrap();
        let mut child = program
            .args(["serve", "--dev", "--metrics", "127.0.0.1:0"])
            .args(if arguments.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .arg("--data-dir")
            .arg(data)
            .arg("--ready-file")
            .arg(&ready)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let started = Instant::now();
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break text;
            }
            if let Some(status) = child.try_wait().unwrap() {
                return Err(format!("the node ended ({status}): {}", tail(data)));
            }
            assert!(started.elapsed() < DEADLINE, "the node is not ready: {}", tail(data));
            std::thread::sleep(Duration::from_millis(2));
        };
        let ready: Value = serde_json::from_str(&text).unwrap();
        Ok(Self { child, address: format!("http://{}", ready["address"].as_str().unwrap()), data: data.to_owned() })
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    /// From now on it may open no file more than it has open.
    pub fn may_open_no_more_files(&self) {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count();
        let limit = format!("--nofile={open}:{open}");
        let limited = Command::new("prlimit").args(["--pid", &self.child.id().to_string(), &limit]).status();
        assert!(limited.unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "the node does not end: {}", tail(&self.data));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it: SIGKILL, no warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it as an operator would; it must end well.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.ended();
        assert!(status.success(), "the node ended with {status}: {}", tail(&self.data));
    }

    /// Runs a command of the program against this node.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_in(&[], arguments)
    }

    /// The same with more environment.
    pub fn run_in(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
        daybook()
            .envs(environment.iter().copied())
            .arg("--data-dir")
            .arg(&self.data)
            .args(["--server", &self.address])
            .args(arguments)
            .output()
            .expect("the program runs")
    }

    /// The same; it must succeed, and prints text.
    #[track_caller]
    pub fn text(&self, arguments: &[&str]) -> String {
        text_of(self.run(arguments), arguments)
    }

    /// The same with JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [&["--json"], arguments].concat();
        serde_json::from_str(&self.text(&arguments)).expect("JSON")
    }

    /// The same; it must fail, with an error as JSON.
    #[track_caller]
    pub fn error(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(!output.status.success(), "{arguments:?} succeeded: {}", String::from_utf8_lossy(&output.stdout));
        let text = String::from_utf8_lossy(&output.stderr);
        let error: Value = serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("no JSON error: {text}"));
        error["error"].clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a command that must have succeeded.
#[track_caller]
pub fn text_of(output: Output, arguments: &[&str]) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "daybook {arguments:?} failed: {error}");
    String::from_utf8(output.stdout).expect("text")
}

/// The last of what a node said.
pub fn tail(data: &Path) -> String {
    let text = std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
