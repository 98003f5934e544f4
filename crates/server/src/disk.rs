//! Watching the disk: before it is full, the node stops taking commands. A log that runs out of space in the middle of
//! a write has to be closed; one that is asked for less in time goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Free bytes where a path lies; `None` when the system does not say.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Keeps `nearly_full` up to date until the task is dropped.
pub(crate) async fn watch(folder: PathBuf, reserve_bytes: u64, nearly_full: Arc<AtomicBool>) {
    loop {
        if let Some(free) = free_bytes(&folder) {
            metrics::gauge!("daybook_disk_free_bytes").set(free as f64);
            let is_nearly_full = free < reserve_bytes;
            let was = nearly_full.swap(is_nearly_full, Ordering::Relaxed);
            if is_nearly_full && !was {
                tracing::error!(free, reserve_bytes, "the disk is nearly full: no more commands are taken");
            } else if was && !is_nearly_full {
                tracing::info!(free, "there is space on the disk again: commands are taken");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
