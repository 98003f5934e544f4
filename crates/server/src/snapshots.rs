//! Snapshots and the archived log, as the configuration wants them: taken while the node serves, restored where a store is
//! missing when it starts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::time::Timestamp;
use daybook_log::{Log, Topic};
use daybook_runtime::{Node, Partition, Role};
use daybook_snapshot::{
    ArchivedLog, Kept, ManifestKey, Objects, Restored, S3Options, SnapshotError, Snapshots, ThroughArchive,
};
use parking_lot::Mutex;

use crate::auth::development::DevelopmentKey;
use crate::config::Config;
use crate::data_dir::{find_master_key, snapshot_scratch, store_folder};

/// When the first snapshots after a start are taken, at the latest.
const FIRST_AFTER_MAX: Duration = Duration::from_secs(60);

/// The place of a URL; `None` for an empty one.
pub(crate) fn objects(config: &Config, url: &str) -> Result<Option<Objects>, SnapshotError> {
    let endpoint = config.objects.endpoint.clone();
    let s3 = S3Options { endpoint, region: config.objects.region.clone(), credentials: None };
    if url.is_empty() { Ok(None) } else { Objects::open(url, &s3).map(Some) }
}

/// The snapshots that are configured; `None` when they are off.
pub fn snapshots(config: &Config) -> Result<Option<Snapshots>, SnapshotError> {
    let (log, keep) = (&config.log, config.snapshots.keep);
    let Some(objects) = objects(config, &config.snapshots.url)? else { return Ok(None) };
    let snapshots = Snapshots::new(objects, &log.name, log.partitions, keep);
    let snapshots = snapshots.accepting_unsigned(config.snapshots.accept_unsigned);
    // Whoever has no master key can see which there are, and restore none. A node has one, or does not start.
    let mut config = config.clone();
    // As `daybook serve --dev` was started, which no file says.
    config.node.development |= config.auth.jwks.is_empty() && DevelopmentKey::is_there(&config.node.data_dir);
    let master = find_master_key(&config).ok().flatten();
    Ok(Some(match master {
        Some(master) => snapshots.signed_with(ManifestKey::new(*master.derive(ManifestKey::PURPOSE))),
        None => snapshots,
    }))
}

/// The archived log that is configured, if there is one.
pub fn archived(config: &Config) -> Result<Option<ArchivedLog>, SnapshotError> {
    let log = &config.log;
    Ok(objects(config, &config.archive.url)?.map(|objects| ArchivedLog::new(objects, &log.name, log.partitions)))
}

/// A log, with its archived beginning where one is configured.
pub fn through_archive(config: &Config, log: Arc<dyn Log>) -> Result<Arc<dyn Log>, SnapshotError> {
    Ok(match archived(config)? {
        Some(archived) => Arc::new(ThroughArchive::new(log, archived)),
        None => log,
    })
}

/// Restores every partition whose store is missing from its newest whole snapshot. Where there is none, or none can be
/// read, the partition is folded from the log, which takes longer; if the log does not have its beginning any more, that
/// a snapshot could not be read is an error.
pub(crate) async fn restore_missing(
    config: &Config,
    snapshots: &Snapshots,
    log: &dyn Log,
) -> Result<(), SnapshotError> {
    for partition in (0..log.partitions()).map(PartitionId) {
        let folder = store_folder(&config.node.data_dir, partition);
        if folder.exists() {
            continue;
        }
        match snapshots.restore(partition, &folder).await {
            Ok(Restored::None) => tracing::info!(partition = partition.0, "there is no snapshot: folded from the log"),
            Ok(Restored::From { name, manifest, skipped }) => {
                for skipped in skipped {
                    tracing::warn!(snapshot = skipped.name, what = skipped.what, "a damaged snapshot was passed over");
                }
                let next_record = manifest.next_record;
                tracing::info!(partition = partition.0, snapshot = name, next_record, "restored from a snapshot");
            }
            Err(error) => {
                let bounds = log.bounds(Topic::Decisions, partition).await?;
                if bounds.first > Offset(0) {
                    return Err(error);
                }
                tracing::error!(partition = partition.0, %error, "no snapshot could be read: folded from the log");
            }
        }
    }
    Ok(())
}

/// Takes snapshots of what a node has, and knows which there are.
pub(crate) struct Keeper {
    config: Config,
    snapshots: Snapshots,
    /// When the newest snapshot of each partition was taken, by whichever node.
    newest: Mutex<BTreeMap<PartitionId, Timestamp>>,
    /// One at a time: each is a copy of a whole store on its way out.
    taking: tokio::sync::Mutex<()>,
}

impl Keeper {
    pub(crate) fn new(config: Config, snapshots: Snapshots) -> Self {
        // What a killed process left: the stores are open here, so nobody else copies them now.
        let _ = std::fs::remove_dir_all(snapshot_scratch(&config.node.data_dir));
        Self { config, snapshots, newest: Mutex::default(), taking: tokio::sync::Mutex::default() }
    }

    /// When the newest snapshot of a partition was taken, as far as is known here.
    pub(crate) fn newest(&self, partition: PartitionId) -> Option<Timestamp> {
        self.newest.lock().get(&partition).copied()
    }

    /// Takes snapshots until the task is dropped. One that cannot be taken is told and tried again the next time.
    pub(crate) async fn take_for_ever(self: Arc<Self>, node: Arc<Node>) {
        let every = self.config.snapshots.every_seconds;
        tracing::info!(url = self.snapshots.url(), every_seconds = every.as_secs(), "snapshots are taken");
        for partition in node.partitions() {
            if let Err(error) = self.look(partition.id()).await {
                tracing::warn!(partition = partition.id().0, %error, "which snapshots there are is not known yet");
            }
        }
        // Where each partition stood when it was looked at last.
        let mut seen = BTreeMap::new();
        // The first come soon, however long the others are apart: a node that is often restarted takes some as well.
        let mut wait = every.min(FIRST_AFTER_MAX);
        loop {
            tokio::time::sleep(std::mem::replace(&mut wait, every)).await;
            for partition in node.partitions() {
                let stands = partition.next_record();
                if partition.role() == Role::Rest || stands == Offset(0) || seen.get(&partition.id()) == Some(&stands) {
                    continue;
                }
                match self.take(&node, partition).await {
                    Ok(_) => {
                        seen.insert(partition.id(), stands);
                    }
                    Err(error) => {
                        metrics::counter!("daybook_snapshots_failed_total").increment(1);
                        let partition = partition.id().0;
                        tracing::error!(partition, %error, "no snapshot could be taken; it is tried again");
                    }
                }
            }
        }
    }

    /// Takes a snapshot, unless there is one that is as new.
    pub(crate) async fn take(&self, node: &Node, partition: &Arc<Partition>) -> Result<Option<Kept>, SnapshotError> {
        let _one_at_a_time = self.taking.lock().await;
        let scratch = snapshot_scratch(&self.config.node.data_dir);
        let store = Arc::clone(partition.store());
        let (id, now) = (partition.id(), node.now());
        let taken = self.snapshots.take(id, move |folder| store.copy_to(folder), &scratch, node.id(), now).await?;
        if let Some(taken) = &taken {
            metrics::counter!("daybook_snapshots_total").increment(1);
            tracing::debug!(partition = id.0, snapshot = taken.name, "a snapshot was taken");
            self.snapshots.prune(id, now).await?;
        }
        self.look(id).await?;
        Ok(taken)
    }

    /// Finds out when the newest snapshot of a partition was taken.
    async fn look(&self, partition: PartitionId) -> Result<(), SnapshotError> {
        let kept = self.snapshots.list(partition).await?;
        let Some(newest) = kept.iter().find_map(|kept| kept.manifest.as_ref().ok()) else { return Ok(()) };
        let taken_at = Timestamp::from_micros(newest.taken_at_us);
        metrics::gauge!("daybook_snapshot_taken_at_seconds", "partition" => partition.to_string())
            .set(taken_at.as_micros() as f64 / 1e6);
        self.newest.lock().insert(partition, taken_at);
        Ok(())
    }
}
