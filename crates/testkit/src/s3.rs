//! A real S3 server for tests: versitygw, which serves a folder, on loopback, gone when it is dropped.
//!
//! The environment variable `DAYBOOK_S3_SERVER` names the program; `tests/setup/s3.sh` compiles it. Tests that need it have
//! "s3" in their name.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// The environment variable with the program.
pub const PROGRAM: &str = "DAYBOOK_S3_SERVER";
/// The one bucket that is there.
pub const BUCKET: &str = "daybook-test";
/// Access key id and secret.
pub const CREDENTIALS: (&str, &str) = ("daybook", "only-for-tests");
/// The region.
pub const REGION: &str = "us-east-1";

/// A running S3 server.
pub struct S3Server {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl S3Server {
    /// Starts a server with an empty bucket and waits until it answers.
    pub fn start() -> Result<Self> {
        let program = std::env::var_os(PROGRAM)
            .with_context(|| format!("no S3 server: {PROGRAM} must name the program that tests/setup/s3.sh prints"))?;
        let folder = tempfile::Builder::new().prefix("daybook-s3-").tempdir()?;
        fs::create_dir(folder.path().join(BUCKET))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = fs::File::create(folder.path().join("server.log"))?;
        let process = Command::new(program)
            .args(["--quiet", "--health", "/health", "--port", &format!("127.0.0.1:{port}"), "posix"])
            .arg(folder.path())
            .env("ROOT_ACCESS_KEY", CREDENTIALS.0)
            .env("ROOT_SECRET_KEY", CREDENTIALS.1)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("the S3 server starts")?;
        let mut server = Self { process, port, folder };
        let started = Instant::now();
        while !server.answers() {
            if let Some(status) = server.process.try_wait()? {
                let log = fs::read_to_string(server.folder.path().join("server.log")).unwrap_or_default();
                bail!("the S3 server ended ({status}): {log}");
            }
            if started.elapsed() > Duration::from_secs(30) {
                bail!("the S3 server does not answer");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
            connection.set_read_timeout(Some(Duration::from_secs(1)))?;
            connection.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Where clients reach it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where the bucket's objects lie, as files: to damage them.
    pub fn bucket_folder(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// Ends it: whoever asks gets no answer any more.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// What a client finds in its environment.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", CREDENTIALS.0.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", CREDENTIALS.1.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
        ]
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
