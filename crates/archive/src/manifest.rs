//! The manifest: what an archive holds, and where its chains end.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use daybook_log::Topic;
use serde::{Deserialize, Serialize};

use crate::ArchiveError;

/// Name of the manifest's file. It is written last: a folder without it holds no finished archive.
pub const MANIFEST: &str = "manifest.json";

/// What an archive calls itself.
pub(crate) const FORMAT: &str = "daybook-log-archive";
/// Version of the format.
pub(crate) const VERSION: u64 = 1;

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// `daybook-log-archive`.
    pub format: String,
    /// Version of the format.
    pub version: u64,
    /// The program that wrote it.
    pub written_by: String,
    /// The log's name.
    pub log: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Where the chain of each partition ends. A partition whose beginning was trimmed away is left out: its chain
    /// cannot be followed.
    pub heads: Vec<HeadEntry>,
    /// Both topics of every partition.
    pub lanes: Vec<Lane>,
}

/// Where the chain of a partition ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeadEntry {
    /// The partition.
    pub partition: u32,
    /// Hash of the last record that counts, 64 hexadecimal digits.
    pub hash: String,
    /// Where the next decision record goes.
    pub next_record: u64,
    /// The first command without a decision.
    pub next_command: u64,
    /// The last owner's term.
    pub epoch: u64,
}

/// One topic of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lane {
    /// `commands` or `decisions`.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Offset of the first record; above 0 when what came before was trimmed away.
    pub first: u64,
    /// Offset after the last record.
    pub next: u64,
    /// Its files, in the order of their offsets and without gaps.
    pub segments: Vec<Segment>,
}

/// One file of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Segment {
    /// Its name in the archive's folder.
    pub file: String,
    /// Offset of its first record.
    pub first: u64,
    /// How many records it holds.
    pub records: u64,
    /// Its length, in bytes.
    pub bytes: u64,
    /// BLAKE3 hash of the file, 64 hexadecimal digits.
    pub blake3: String,
}

/// Name of a segment's file. It follows from the segment's place, so a manifest cannot point anywhere else.
pub(crate) fn segment_file(topic: Topic, partition: u32, first: u64) -> String {
    format!("{partition:04}-{topic}-{first:020}.segment")
}

impl Manifest {
    pub(crate) fn read(folder: &Path) -> Result<Self, ArchiveError> {
        let file = folder.join(MANIFEST);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ArchiveError::NotFound { folder: folder.to_owned() });
            }
            Err(error) => return Err(ArchiveError::file(&file, &error)),
        };
        let unreadable =
            |error: serde_json::Error| ArchiveError::damaged(format!("{MANIFEST} cannot be read: {error}"));
        let value: serde_json::Value = serde_json::from_str(&text).map_err(unreadable)?;
        let says = (value.get("format").and_then(|it| it.as_str()), value.get("version").and_then(|it| it.as_u64()));
        if says != (Some(FORMAT), Some(VERSION)) {
            let found = format!("{:?} {:?}", says.0.unwrap_or("?"), says.1.unwrap_or_default());
            return Err(ArchiveError::UnknownFormat { found, known: format!("{FORMAT:?} {VERSION}") });
        }
        let manifest: Self = serde_json::from_value(value).map_err(unreadable)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Whether it is consistent in itself.
    fn check(&self) -> Result<(), ArchiveError> {
        let wrong = |what: String| Err(ArchiveError::damaged(format!("{MANIFEST}: {what}")));
        for partition in 0..self.partitions {
            for topic in Topic::ALL {
                let Some(lane) = self.lane(topic, partition) else {
                    return wrong(format!("it has no {topic} of partition {partition}"));
                };
                let mut next = lane.first;
                for segment in &lane.segments {
                    let file = segment_file(topic, partition, next);
                    if segment.first != next || segment.records == 0 || segment.file != file {
                        return wrong(format!("{topic} of partition {partition} do not go on at offset {next}"));
                    }
                    next = next.saturating_add(segment.records);
                }
                if next != lane.next {
                    return wrong(format!("{topic} of partition {partition} end at {next} and not at {}", lane.next));
                }
            }
        }
        if self.partitions == 0 || self.lanes.len() as u64 != 2 * u64::from(self.partitions) {
            return wrong("it does not have two topics for each partition".to_owned());
        }
        Ok(())
    }

    /// One topic of one partition.
    pub fn lane(&self, topic: Topic, partition: u32) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.topic == topic.name() && lane.partition == partition)
    }

    /// Where the chain of a partition ends.
    pub fn head(&self, partition: u32) -> Option<&HeadEntry> {
        self.heads.iter().find(|head| head.partition == partition)
    }

    /// The first lane whose beginning was trimmed away.
    pub fn trimmed(&self) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.first > 0)
    }

    /// Writes it into the archive's folder: whole or not at all.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), ArchiveError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| ArchiveError::damaged(error.to_string()))?;
        let (half, file) = (folder.join("manifest.json.half"), folder.join(MANIFEST));
        write_synced(&half, format!("{text}\n").as_bytes())?;
        fs::rename(&half, &file).map_err(|error| ArchiveError::file(&file, &error))?;
        sync_folder(folder)
    }
}

/// Writes a file that is on the disk when this returns.
pub(crate) fn write_synced(file: &PathBuf, bytes: &[u8]) -> Result<(), ArchiveError> {
    let write = || {
        let mut out = File::create(file)?;
        out.write_all(bytes)?;
        out.sync_all()
    };
    write().map_err(|error| ArchiveError::file(file, &error))
}

/// Makes the names of a folder's files durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| ArchiveError::file(folder, &error))
}
