//! Signed checkpoints, written while the node serves.
//!
//! A checkpoint is put together from the heads that the partitions have applied: their records are durable, and whoever
//! reads the log finds the same heads at the same places. A file is written beside its name and moved into place, so that
//! whoever copies the folder never sees half of one. Files are never overwritten and never removed: they are evidence.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daybook_checkpoint::{Checkpoint, CheckpointError, Mark, Signed, SigningKey};
use daybook_runtime::{Node, ReadError};

use crate::config::Config;

/// When the first checkpoint after a start is written, at the latest.
const FIRST_AFTER_MAX: Duration = Duration::from_secs(60);

/// How and where checkpoints are written.
pub(crate) struct Checkpoints {
    every: Duration,
    key: SigningKey,
    folder: PathBuf,
    log: String,
}

/// Where the configuration has checkpoints written.
pub fn checkpoints_folder(config: &Config) -> PathBuf {
    config.checkpoints.folder.clone().unwrap_or_else(|| config.node.data_dir.join("checkpoints"))
}

impl Checkpoints {
    /// As configured; `None` when none are to be written.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, CheckpointError> {
        let Some(file) = config.checkpoints.key_file.as_ref().filter(|_| !config.checkpoints.every_seconds.is_zero())
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            every: config.checkpoints.every_seconds,
            key: SigningKey::from_file(file)?,
            folder: checkpoints_folder(config),
            log: config.log.name.clone(),
        }))
    }
}

/// Writes checkpoints until the task is dropped. One that cannot be written is told and tried again the next time.
pub(crate) async fn write_for_ever(checkpoints: Checkpoints, node: Arc<Node>) {
    let key = checkpoints.key.public_key();
    tracing::info!(folder = %checkpoints.folder.display(), public_key = %key, "checkpoints are written");
    let mut last = Vec::new();
    // The first comes soon, however long the others are apart: a node that is often restarted writes some as well.
    let mut wait = checkpoints.every.min(FIRST_AFTER_MAX);
    loop {
        tokio::time::sleep(std::mem::replace(&mut wait, checkpoints.every)).await;
        match heads(&node).await {
            Ok(heads) if heads == last => {}
            Ok(heads) => {
                let partitions = u32::try_from(heads.len()).unwrap_or(u32::MAX);
                let (log, made_at) = (checkpoints.log.clone(), node.now());
                let signed = Checkpoint { log, partitions, made_at, heads: heads.clone() }.sign(&checkpoints.key);
                let folder = checkpoints.folder.clone();
                let written = tokio::task::spawn_blocking(move || write_checkpoint(&signed, &folder)).await;
                match written.map_err(std::io::Error::other).and_then(|written| written) {
                    Ok(file) => {
                        metrics::counter!("daybook_checkpoints_total").increment(1);
                        tracing::debug!(file = %file.display(), "a checkpoint was written");
                        last = heads;
                    }
                    Err(error) => {
                        metrics::counter!("daybook_checkpoints_failed_total").increment(1);
                        tracing::error!(%error, "a checkpoint could not be written; it is tried again");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "no checkpoint: a partition cannot say how it stands"),
        }
    }
}

async fn heads(node: &Node) -> Result<Vec<Mark>, ReadError> {
    let mut heads = Vec::new();
    for partition in node.partitions() {
        heads.push(Mark::of(partition.id(), &partition.status().await?.head));
    }
    Ok(heads)
}

/// Writes a checkpoint into a folder, under a name with its time to the microsecond: whole or not at all. Returns the
/// file.
pub fn write_checkpoint(signed: &Signed, folder: &Path) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let made_at = signed.made_at().to_string().replace(':', "-");
    let (half, file) = (folder.join(format!(".{made_at}.half")), folder.join(format!("checkpoint-{made_at}.json")));
    if file.exists() {
        return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, format!("{} is there", file.display())));
    }
    let mut out = File::create(&half)?;
    out.write_all(signed.to_json().as_bytes())?;
    out.sync_all()?;
    fs::rename(&half, &file)?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}
