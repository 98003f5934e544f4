//! Where a node says that it runs: a file in its data folder, `running.json`, by which the commands on its machine find
//! it. Only the owner of the folder can read it.
//!
//! The node holds a lock on the file for as long as it runs, and removes the file when it stops. A file that nobody holds
//! a lock on was left behind by a node that was killed: the system lets go of the lock with the process.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How long what a node is just writing is waited for.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningNode {
    /// Where its doors are, for programs on the same machine.
    pub url: String,
    /// Its id.
    pub node_id: String,
    /// Its process.
    pub pid: u32,
}

impl RunningNode {
    /// This process, listening on an address.
    pub(crate) fn here(address: SocketAddr, with_tls: bool, node_id: &str) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let scheme = if with_tls { "https" } else { "http" };
        let url = format!("{scheme}://{}", SocketAddr::new(ip, address.port()));
        Self { url, node_id: node_id.to_owned(), pid: std::process::id() }
    }
}

/// The file that says where a node is.
pub fn running_file(data_dir: &Path) -> PathBuf {
    data_dir.join("running.json")
}

/// The file of this node. Removed when it is dropped.
pub(crate) struct RunningFile {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl RunningFile {
    /// Writes it.
    pub(crate) fn write(data_dir: &Path, node: &RunningNode) -> io::Result<Self> {
        let path = running_file(data_dir);
        let mut file =
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        // One that was left behind may have been made under other circumstances.
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another node runs on this data folder"),
            TryLockError::Error(error) => error,
        })?;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(node)?)?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for RunningFile {
    fn drop(&mut self) {
        // Gone before the lock is: whoever opens it in between sees a file that nobody holds.
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, file = %self.path.display(), "the file that says where the node runs stays behind");
        }
    }
}

/// The node that runs on a data folder, if one does.
///
/// # Errors
/// When the file is there and cannot be read, for example because it is another user's.
pub fn find(data_dir: &Path) -> io::Result<Option<RunningNode>> {
    let started = Instant::now();
    loop {
        let mut file = match File::open(running_file(data_dir)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            // Left behind.
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        match serde_json::from_str(&text) {
            Ok(node) => return Ok(Some(node)),
            // It is being written just now.
            Err(_) if started.elapsed() < WRITTEN_WITHIN => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn node(address: &str) -> RunningNode {
        RunningNode::here(address.parse().unwrap(), false, "n1")
    }

    #[test]
    fn a_node_is_found_while_it_runs_and_not_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(find(folder.path()).unwrap(), None);
        let node = node("127.0.0.1:4711");
        let file = RunningFile::write(folder.path(), &node).unwrap();
        assert_eq!(find(folder.path()).unwrap(), Some(node.clone()));
        let mode = fs::metadata(running_file(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only its owner");
        assert!(RunningFile::write(folder.path(), &node).is_err(), "there is one");
        drop(file);
        assert_eq!(find(folder.path()).unwrap(), None);
        assert!(!running_file(folder.path()).exists());
    }

    #[test]
    fn what_a_killed_node_leaves_behind_is_no_node() {
        let folder = tempfile::tempdir().unwrap();
        let path = running_file(folder.path());
        fs::write(&path, serde_json::to_vec(&node("127.0.0.1:4711")).unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(find(folder.path()).unwrap(), None, "nobody holds the lock");
        let _next = RunningFile::write(folder.path(), &node("127.0.0.1:4712")).unwrap();
        assert_eq!(find(folder.path()).unwrap().unwrap().url, "http://127.0.0.1:4712");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_node_that_listens_everywhere_is_asked_on_this_machine() {
        assert_eq!(node("0.0.0.0:7420").url, "http://127.0.0.1:7420");
        assert_eq!(node("[::]:7420").url, "http://[::1]:7420");
        assert_eq!(node("10.0.0.7:7420").url, "http://10.0.0.7:7420");
        assert_eq!(RunningNode::here("0.0.0.0:1".parse().unwrap(), true, "n").url, "https://127.0.0.1:1");
    }
}
