//! The manifest: what an archive holds, and where its chains end.

use daybook_log::Topic;
use serde::{Deserialize, Serialize};

/// Name of the manifest's file. It is written last: a folder without it holds no finished archive.
pub const MANIFEST: &str = "manifest.json";

/// What an archive calls itself.
const FORMAT: &str = "daybook-log-archive";
/// Version of the format.
const VERSION: u64 = 1;
/// No log has more partitions. Looking for a lane takes time with each, so a manifest must not name any number.
const PARTITIONS_MAX: u32 = 4_096;

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
pub fn segment_file(topic: Topic, partition: u32, first: u64) -> String {
    format!("{partition:04}-{topic}-{first:020}.segment")
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read, or it contradicts itself.
    #[error("{0}")]
    Damaged(String),
    /// It is of another format.
    #[error("format {found}, and this release reads {known}")]
    Unknown {
        /// What it says.
        found: String,
        /// What is known.
        known: String,
    },
}

impl Manifest {
    /// One of a log of which nothing is archived yet.
    pub fn new(log: &str, partitions: u32) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            written_by: concat!("daybook ", env!("CARGO_PKG_VERSION")).to_owned(),
            log: log.to_owned(),
            partitions,
            heads: Vec::new(),
            lanes: Vec::new(),
        }
    }

    /// Reads one, and checks that it is consistent in itself.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let unreadable = |error: serde_json::Error| FormatError::Damaged(format!("{MANIFEST} cannot be read: {error}"));
        let value: serde_json::Value = serde_json::from_str(text).map_err(unreadable)?;
        let says = (value.get("format").and_then(|it| it.as_str()), value.get("version").and_then(|it| it.as_u64()));
        if says != (Some(FORMAT), Some(VERSION)) {
            let found = format!("{:?} {:?}", says.0.unwrap_or("?"), says.1.unwrap_or_default());
            return Err(FormatError::Unknown { found, known: format!("{FORMAT:?} {VERSION}") });
        }
        let manifest: Self = serde_json::from_value(value).map_err(unreadable)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Its text.
    pub fn to_text(&self) -> Result<String, FormatError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| FormatError::Damaged(error.to_string()))?;
        Ok(format!("{text}\n"))
    }

    /// Whether it is consistent in itself.
    fn check(&self) -> Result<(), FormatError> {
        let wrong = |what: String| Err(FormatError::Damaged(format!("{MANIFEST}: {what}")));
        if self.partitions > PARTITIONS_MAX {
            return wrong(format!("no log has {} partitions", self.partitions));
        }
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
                    let Some(after) = next.checked_add(segment.records) else {
                        return wrong(format!("{topic} of partition {partition} have more records than offsets"));
                    };
                    next = after;
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

    /// One topic of one partition, to be changed; an empty one where there is none yet.
    pub fn lane_mut(&mut self, topic: Topic, partition: u32) -> &mut Lane {
        let is_it = |lane: &Lane| lane.topic == topic.name() && lane.partition == partition;
        let at = self.lanes.iter().position(is_it).unwrap_or_else(|| {
            let (topic, segments) = (topic.name().to_owned(), Vec::new());
            self.lanes.push(Lane { topic, partition, first: 0, next: 0, segments });
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }

    /// The first lane whose beginning was trimmed away.
    pub fn trimmed(&self) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.first > 0)
    }
}
