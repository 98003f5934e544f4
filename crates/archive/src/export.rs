//! Export: a log into files.

use std::fs;
use std::path::{Path, PathBuf};

use daybook_kernel::chain::Head;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Bounds, Log, Topic};
use daybook_replay::Progress;
use daybook_segments::segment::Draft;
use daybook_segments::{HeadEntry, Lane, Manifest, Segment};

use crate::files::{sync_folder, write_manifest, write_synced};
use crate::patience::bounds;
use crate::{Archive, ArchiveError};

/// Writes a log into a folder, which must be new or empty, and checks what was written. Whatever is appended meanwhile
/// is left out; what is in is whole: every decision comes with its command.
///
/// # Errors
/// A failed export leaves a folder without a manifest, which nothing reads: remove it and start again.
pub async fn export(log: &dyn Log, folder: &Path, progress: &dyn Progress) -> Result<Archive, ArchiveError> {
    make_empty_folder(folder)?;
    let mut manifest = Manifest::new(log.name(), log.partitions());
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
    write_manifest(archive.manifest(), folder)?;
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
        let (mut next, mut draft) = (bounds.first, Draft::new(self.topic, self.partition.0, bounds.first));
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
                    lane.segments.push(
                        self.close(std::mem::replace(&mut draft, Draft::new(self.topic, self.partition.0, next)))?,
                    );
                }
            }
        }
        if draft.records > 0 {
            lane.segments.push(self.close(draft)?);
        }
        Ok(lane)
    }

    fn close(&self, draft: Draft) -> Result<Segment, ArchiveError> {
        let (segment, bytes) = draft.close();
        let file: PathBuf = self.folder.join(&segment.file);
        write_synced(&file, &bytes)?;
        Ok(segment)
    }
}
