//! Export: a log into files.

use std::fs;
use std::path::{Path, PathBuf};

use daybook_kernel::chain::Head;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Bounds, Log, Topic};
use daybook_replay::Progress;

use crate::manifest::{FORMAT, HeadEntry, Lane, Manifest, Segment, VERSION, segment_file, sync_folder, write_synced};
use crate::patience::bounds;
use crate::segment::Draft;
use crate::{Archive, ArchiveError};

/// Writes a log into a folder, which must be new or empty, and checks what was written. Whatever is appended meanwhile
/// is left out; what is in is whole: every decision comes with its command.
///
/// # Errors
/// A failed export leaves a folder without a manifest, which nothing reads: remove it and start again.
pub async fn export(log: &dyn Log, folder: &Path, progress: &dyn Progress) -> Result<Archive, ArchiveError> {
    make_empty_folder(folder)?;
    let mut manifest = Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        written_by: concat!("daybook ", env!("CARGO_PKG_VERSION")).to_owned(),
        log: log.name().to_owned(),
        partitions: log.partitions(),
        heads: Vec::new(),
        lanes: Vec::new(),
    };
    for partition in (0..log.partitions()).map(PartitionId) {
        // Decisions first: the commands that they answer are on the log by then.
        let decisions = bounds(log, Topic::Decisions, partition).await?;
        let commands = bounds(log, Topic::Commands, partition).await?;
        progress.starts(decisions.next.0 - decisions.first.0 + commands.next.0 - commands.first.0);
        let mut head = (decisions.first == Offset(0) && commands.first == Offset(0))
            .then(|| Head::genesis(log.name(), log.partitions(), partition));
        let lane = Writer { log, folder, topic: Topic::Commands, partition, progress };
        manifest.lanes.push(lane.write(commands, &mut None).await?);
        let lane = Writer { topic: Topic::Decisions, ..lane };
        manifest.lanes.push(lane.write(decisions, &mut head).await?);
        manifest.heads.extend(head.map(|head| HeadEntry {
            partition: partition.0,
            hash: head.hash.to_hex(),
            next_record: head.next_record.0,
            next_command: head.next_command.0,
            epoch: head.epoch.0,
        }));
    }
    sync_folder(folder)?;
    let archive = Archive::of(manifest, folder);
    archive.check(progress).await?;
    archive.manifest().write(folder)?;
    Ok(archive)
}

fn make_empty_folder(folder: &Path) -> Result<(), ArchiveError> {
    let failed = |error: std::io::Error| ArchiveError::file(folder, &error);
    fs::create_dir_all(folder).map_err(failed)?;
    match fs::read_dir(folder).map_err(failed)?.next() {
        Some(_) => Err(ArchiveError::Exists { folder: folder.to_owned() }),
        None => Ok(()),
    }
}

/// Writes one topic of one partition.
#[derive(Clone, Copy)]
struct Writer<'a> {
    log: &'a dyn Log,
    folder: &'a Path,
    topic: Topic,
    partition: PartitionId,
    progress: &'a dyn Progress,
}

impl Writer<'_> {
    /// Writes what is within bounds; moves the head along where the chain can be followed.
    async fn write(&self, bounds: Bounds, head: &mut Option<Head>) -> Result<Lane, ArchiveError> {
        let mut lane = Lane {
            topic: self.topic.name().to_owned(),
            partition: self.partition.0,
            first: bounds.first.0,
            next: bounds.next.0,
            segments: Vec::new(),
        };
        let (mut next, mut draft) = (bounds.first, Draft::new(bounds.first));
        let mut reader = self.log.reader(self.topic, self.partition, next)?;
        while next < bounds.next {
            let records = reader.next().await?;
            self.progress.advances(records.len() as u64, 0);
            for record in records.into_iter().filter(|record| record.offset < bounds.next) {
                draft.push(&record);
                next = record.offset.next();
                if let Some(head) = head {
                    // One that does not count is exported as well, and does not count there either.
                    let _ = head.offer(record.offset, record.bytes);
                }
                if draft.is_full() {
                    lane.segments.push(self.close(std::mem::replace(&mut draft, Draft::new(next)))?);
                }
            }
        }
        if draft.records > 0 {
            lane.segments.push(self.close(draft)?);
        }
        Ok(lane)
    }

    fn close(&self, draft: Draft) -> Result<Segment, ArchiveError> {
        let (first, records) = (draft.first.0, draft.records);
        let bytes = draft.into_bytes();
        let name = segment_file(self.topic, self.partition.0, first);
        let file: PathBuf = self.folder.join(&name);
        write_synced(&file, &bytes)?;
        let blake3 = blake3::hash(&bytes).to_hex().to_string();
        Ok(Segment { file: name, first, records, bytes: bytes.len() as u64, blake3 })
    }
}
