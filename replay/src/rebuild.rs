//! Rebuild: the state of a partition, folded from nothing, at its end or at an earlier offset or time.

use std::path::Path;
use std::sync::Arc;

use daybook_kernel::apply::{Fold, apply_record};
use daybook_kernel::chain::Head;
use daybook_kernel::decide::Decider;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::{DecisionRecord, RecordBody};
use daybook_kernel::remembered::Remembered;
use daybook_kernel::state::{Layered, WriteSet, digest};
use daybook_kernel::time::Timestamp;
use daybook_log::{Log, Topic};
use daybook_rocks::Memory;
use daybook_store::{ProjectionVersion, RocksStore, RocksStores};

use crate::chunk::Chunks;
use crate::{Progress, ReplayError};

/// Rows that are written at once.
const ROWS_AT_ONCE: usize = 1_000;

/// How far to fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To the end of the log.
    End,
    /// Through the decision of this command.
    Command(Offset),
    /// To before this decision record.
    Record(Offset),
    /// Through everything decided at or before this time of the log.
    Time(Timestamp),
}

/// What rebuilding led to.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// The partition.
    pub partition: PartitionId,
    /// Records that count.
    pub records: u64,
    /// Decisions that were folded.
    pub decisions: u64,
    /// Records that do not count.
    pub dropped: u64,
    /// The hash of every row.
    pub digest: Hash,
    /// How many rows.
    pub rows: u64,
    /// Where the state stands.
    pub head: Head,
}

/// Folds a partition into the store in `folder`, which must be new.
pub async fn rebuild(
    log: &dyn Log,
    decider: &Decider,
    partition: PartitionId,
    folder: &Path,
    until: Until,
    memory: &Memory,
    progress: &dyn Progress,
) -> Result<Rebuilt, ReplayError> {
    let (store, mut head) = open_store(log, decider, partition, folder, memory)?;
    let mut end = log.bounds(Topic::Decisions, partition).await?.next;
    if let Until::Record(record) = until {
        end = end.min(record);
    }
    progress.starts(end.0);
    let (mut records_counted, mut decisions, mut dropped) = (0, 0, 0);
    let (mut pending, mut remembered) = (WriteSet::default(), Remembered::default());
    let mut chunks = Chunks::new(log, Topic::Decisions, partition, Offset(0), end)?;
    'log: loop {
        let records = chunks.next().await?;
        if records.is_empty() {
            break;
        }
        let (count, before) = (records.len() as u64, decisions);
        for record in records {
            if is_beyond(until, &record.bytes) {
                break 'log;
            }
            let live = store.live();
            let base = remembered.of(&live);
            let state = Layered::new(&base).over(&pending);
            let applied = apply_record(decider, &state, &mut head, partition, record.offset, record.bytes, Fold::All)?;
            match applied {
                Ok(applied) => {
                    records_counted += 1;
                    decisions += applied.decisions.len() as u64;
                    pending.merge(applied.writes);
                }
                Err(_) => dropped += 1,
            }
            if pending.len() >= ROWS_AT_ONCE {
                store.commit([&pending], &head)?;
                pending = WriteSet::default();
                remembered.forget();
            }
        }
        progress.advances(count, decisions - before);
    }
    store.commit([&pending], &head)?;
    store.flush()?;
    let (digest, rows) = digest(&store.live(), decider.registry().projections())?;
    Ok(Rebuilt { partition, records: records_counted, decisions, dropped, digest, rows, head })
}

/// Whether a record lies after what is wanted. A record is taken whole or not at all: its decisions became durable
/// together.
fn is_beyond(until: Until, bytes: &bytes::Bytes) -> bool {
    if matches!(until, Until::End | Until::Record(_)) {
        return false;
    }
    let Ok(record) = DecisionRecord::read(bytes.clone()) else { return false };
    match (until, record.body) {
        (Until::Command(command), RecordBody::Batch { first_command, .. }) => first_command > command,
        (Until::Time(time), RecordBody::Batch { decided_at, .. }) => decided_at > time,
        (Until::Time(time), RecordBody::Takeover { taken_at, .. }) => taken_at > time,
        _ => false,
    }
}

/// Opens a new store for a partition.
pub(crate) fn open_store(
    log: &dyn Log,
    decider: &Decider,
    partition: PartitionId,
    folder: &Path,
    memory: &Memory,
) -> Result<(Arc<RocksStore>, Head), ReplayError> {
    let genesis = Head::genesis(log.name(), log.partitions(), partition);
    let projections = ProjectionVersion::of_release(decider.registry());
    let stores = RocksStores { folder: folder.to_owned(), memory: memory.clone() };
    let (store, head) = stores.open(partition, &genesis, &projections)?;
    if head != genesis {
        let what = format!(
            "{} holds a store of partition {partition} already; a rebuild needs a new folder",
            folder.display()
        );
        return Err(daybook_store::StoreError::Failed(what).into());
    }
    Ok((Arc::new(store), head))
}
