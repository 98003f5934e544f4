//! The key ring that goes with a log: on a local disk beside the embedded log, shared by the nodes beside a log on Kafka.
//!
//! A ring that is not there is made for a log that is empty, and for no other: with new keys, nothing that was sealed
//! could be opened, and people would get other pseudonyms than those that holds name.

use std::path::Path;
use std::sync::Arc;

use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Compaction, KafkaKeyedLog, KeyedLog, Log, LogError, Topic};
use daybook_privacy::{EmbeddedKeyRing, KeyRing, MasterKey, PrivacyError, SharedKeyRing, Start};
use daybook_rocks::Memory;

use crate::config::{Config, ConfigError};
use crate::data_dir::keys_folder;
use crate::serve::{StartError, kafka_options};

/// Opens the key ring of a log; with the log that it lies on itself, where nodes share it.
pub(crate) async fn open(
    config: &Config,
    master: impl FnOnce() -> Result<MasterKey, StartError>,
    log: &dyn Log,
    memory: &Memory,
) -> Result<(Arc<dyn KeyRing>, Option<Arc<dyn KeyedLog>>), StartError> {
    let folder = keys_folder(&config.node.data_dir);
    // Asked before the ring is looked for: another node may make both right now, the ring first.
    let may_be_made = config.keys.start_over || is_empty(log).await?;
    if let Some(options) = kafka_options(config) {
        let keyed = Arc::new(KafkaKeyedLog::open(options, Compaction::default()).await?);
        let ring = shared(Arc::clone(&keyed), &folder, master()?, may_be_made, memory).await?;
        return Ok((Arc::new(ring), Some(keyed)));
    }
    if !EmbeddedKeyRing::is_there(&folder) && !may_be_made {
        return Err(PrivacyError::Missing(folder.display().to_string()).into());
    }
    Ok((Arc::new(EmbeddedKeyRing::open(&folder, master()?, memory)?), None))
}

async fn is_empty(log: &dyn Log) -> Result<bool, LogError> {
    for partition in (0..log.partitions()).map(PartitionId) {
        if log.bounds(Topic::Commands, partition).await?.next > Offset(0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Opens the ring that the nodes share. A ring in the data folder is from the time when a log on Kafka had one node: its
/// keys are taken over, and then it is deleted, since a key that is destroyed later must not live on there.
async fn shared(
    keyed: Arc<KafkaKeyedLog>,
    folder: &Path,
    master: MasterKey,
    may_be_made: bool,
    memory: &Memory,
) -> Result<SharedKeyRing, StartError> {
    if !EmbeddedKeyRing::is_there(folder) {
        let start = if may_be_made { Start::New } else { Start::Existing };
        return Ok(SharedKeyRing::open(keyed, master, start).await?);
    }
    let older = EmbeddedKeyRing::open(folder, master.clone(), memory)?;
    let ring = SharedKeyRing::open(keyed, master, Start::Import(&older)).await?;
    drop(older);
    std::fs::remove_dir_all(folder).map_err(|error| {
        ConfigError(format!(
            "the keys in {} were taken over by the ring that the nodes share, but the folder cannot be deleted ({error}); \
             nothing was lost; delete it, or keys that are destroyed later will live on there",
            folder.display()
        ))
    })?;
    let (keys, destructions) = (ring.imported().keys, ring.imported().destructions);
    let from = folder.display();
    tracing::warn!(keys, destructions, %from, "the node's own key ring was taken over by the one that the nodes share, and deleted");
    Ok(ring)
}
