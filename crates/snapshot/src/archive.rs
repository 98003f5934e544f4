//! Archiving the beginning of a log, and letting go of it.

use daybook_kernel::chain::Head;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Epoch, Offset, PartitionId};
use daybook_kernel::record::{DecisionRecord, RecordBody};
use daybook_log::{Log, LogError, Topic};
use daybook_segments::segment::Draft;
use daybook_segments::{HeadEntry, Manifest};

use crate::{ArchivedLog, Kept, SnapshotError};

/// How far a partition is archived: to before a place that a snapshot of it makes dispensable.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The partition.
    pub partition: PartitionId,
    /// Name of the snapshot.
    snapshot: String,
    /// Where the snapshot stands.
    record: Offset,
    /// The hash of the chain there.
    hash: Hash,
    /// Decisions before this offset, where that is less.
    before: Offset,
}

impl Cut {
    /// To where a snapshot stands; `None` when what it says cannot be read.
    pub fn at(kept: &Kept) -> Option<Self> {
        let manifest = kept.manifest.as_ref().ok()?;
        Some(Self {
            partition: manifest.partition(),
            snapshot: kept.name.clone(),
            record: manifest.next_record(),
            hash: Hash::from_hex(&manifest.head_hash)?,
            before: manifest.next_record(),
        })
    }

    /// Not beyond a decision record.
    #[must_use]
    pub fn before(mut self, record: Offset) -> Self {
        self.before = self.before.min(record);
        self
    }
}

/// What is archived of a partition now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archived {
    /// The partition.
    pub partition: PartitionId,
    /// Records that were archived now, of both topics.
    pub records: u64,
    /// Decisions before this offset are in the archive.
    pub decisions_next: Offset,
    /// Commands before this offset are.
    pub commands_next: Offset,
}

/// Archives a partition to a cut: every record is read, the chain is followed from where the archive ended to the cut,
/// every segment is read back, the manifest is written last. Afterwards, if `trim` says so, the log lets go of what is in
/// the archive and before the cut.
///
/// What fails leaves the log as it was; what was archived by then is found by the next run.
pub async fn archive(log: &dyn Log, archived: &ArchivedLog, cut: &Cut, trim: bool) -> Result<Archived, SnapshotError> {
    let partition = cut.partition;
    let mut manifest = Manifest::clone(&*archived.manifest().await?);
    let lanes = Topic::ALL.map(|topic| manifest.lane_mut(topic, partition.0).next);
    let mut head = head_of(&manifest, log, partition);
    if head.next_record.0 != lanes[1] || head.next_command.0 != lanes[0] {
        return Err(archived.damaged(format!("its manifest contradicts itself about partition {partition}")));
    }
    let mut records = 0;
    if head.next_record < cut.before {
        records +=
            lane(log, archived, &mut manifest, (Topic::Decisions, partition), cut.before, &mut Some(&mut head)).await?;
        if cut.before == cut.record && head.hash != cut.hash {
            let what = format!("there the chain has the hash {}, the snapshot has {}", head.hash, cut.hash);
            return Err(SnapshotError::NotOnTheChain { partition, name: cut.snapshot.clone(), what });
        }
        records +=
            lane(log, archived, &mut manifest, (Topic::Commands, partition), head.next_command, &mut None).await?;
        manifest.heads.retain(|entry| entry.partition != partition.0);
        manifest.heads.push(HeadEntry {
            partition: partition.0,
            hash: head.hash.to_hex(),
            next_record: head.next_record.0,
            next_command: head.next_command.0,
            epoch: head.epoch.0,
        });
        complete(&mut manifest, log);
        archived.put_manifest(&manifest).await?;
    }
    if trim {
        let_go(log, &head, cut).await?;
    }
    Ok(Archived { partition, records, decisions_next: head.next_record, commands_next: head.next_command })
}

/// Lets go of what is in the archive and before the cut.
async fn let_go(log: &dyn Log, archived: &Head, cut: &Cut) -> Result<(), SnapshotError> {
    let partition = cut.partition;
    let decisions = archived.next_record.min(cut.before);
    let mut commands = archived.next_command;
    // An earlier run archived more than is to go now. The first batch after the cut names the first command that stays;
    // those that do not count can only name earlier ones.
    let mut at = decisions.max(log.bounds(Topic::Decisions, partition).await?.first);
    if at < archived.next_record {
        let mut reader = log.reader(Topic::Decisions, partition, at)?;
        while at < archived.next_record {
            for record in reader.next().await? {
                at = record.offset.next();
                let batch = DecisionRecord::read(record.bytes).ok().map(|record| record.body);
                if let Some(RecordBody::Batch { first_command, .. }) = batch {
                    commands = commands.min(first_command);
                }
            }
        }
    }
    log.trim(Topic::Decisions, partition, decisions).await?;
    log.trim(Topic::Commands, partition, commands).await?;
    Ok(())
}

/// A manifest names both topics of every partition, and where each chain ends.
fn complete(manifest: &mut Manifest, log: &dyn Log) {
    for partition in (0..log.partitions()).map(PartitionId) {
        for topic in Topic::ALL {
            manifest.lane_mut(topic, partition.0);
        }
        if manifest.head(partition.0).is_none() {
            let Head { hash, next_record, next_command, epoch, .. } =
                Head::genesis(log.name(), log.partitions(), partition);
            let (next_record, next_command) = (next_record.0, next_command.0);
            let (partition, hash, epoch) = (partition.0, hash.to_hex(), epoch.0);
            manifest.heads.push(HeadEntry { partition, hash, next_record, next_command, epoch });
        }
    }
    manifest.heads.sort_by_key(|entry| entry.partition);
}

/// Where the archived chain of a partition ends.
fn head_of(manifest: &Manifest, log: &dyn Log, partition: PartitionId) -> Head {
    let genesis = Head::genesis(log.name(), log.partitions(), partition);
    match manifest.head(partition.0) {
        None => genesis,
        Some(entry) => Head {
            // What is no hash is not the one that the next record names either.
            hash: Hash::from_hex(&entry.hash).unwrap_or(genesis.hash),
            next_record: Offset(entry.next_record),
            next_command: Offset(entry.next_command),
            epoch: Epoch(entry.epoch),
            ..genesis
        },
    }
}

/// Archives one topic from where the archive ends to before `end`, and follows the chain where there is one.
async fn lane(
    log: &dyn Log,
    archived: &ArchivedLog,
    manifest: &mut Manifest,
    (topic, partition): (Topic, PartitionId),
    end: Offset,
    head: &mut Option<&mut Head>,
) -> Result<u64, SnapshotError> {
    let mut next = Offset(manifest.lane_mut(topic, partition.0).next);
    let from = next;
    let bounds = log.bounds(topic, partition).await?;
    if bounds.next < end {
        return Err(LogError::BeyondEnd { topic, partition, asked: end, next: bounds.next }.into());
    }
    if bounds.first > next {
        return Err(SnapshotError::Gap { topic, partition, archived: next, first: bounds.first });
    }
    let mut draft = Draft::new(topic, partition.0, next);
    let mut reader = log.reader(topic, partition, next)?;
    while next < end {
        for record in reader.next().await?.into_iter().filter(|record| record.offset < end) {
            next = record.offset.next();
            draft.push(&record);
            if let Some(head) = head {
                // One that does not count is archived as well, and does not count there either.
                let _ = head.offer(record.offset, record.bytes);
            }
            if draft.is_full() {
                let full = std::mem::replace(&mut draft, Draft::new(topic, partition.0, next));
                close(archived, manifest, (topic, partition), full).await?;
            }
        }
    }
    close(archived, manifest, (topic, partition), draft).await?;
    Ok(next.0 - from.0)
}

async fn close(
    archived: &ArchivedLog,
    manifest: &mut Manifest,
    (topic, partition): (Topic, PartitionId),
    draft: Draft,
) -> Result<(), SnapshotError> {
    if draft.records == 0 {
        return Ok(());
    }
    let (segment, bytes) = draft.close();
    archived.put(&segment, bytes).await?;
    let lane = manifest.lane_mut(topic, partition.0);
    lane.next = segment.next();
    lane.segments.push(segment);
    Ok(())
}
