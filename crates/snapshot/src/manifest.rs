//! What a snapshot says of itself.

use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use serde::{Deserialize, Serialize};

/// What a snapshot calls itself.
const FORMAT: &str = "daybook-snapshot";
/// Version of the format: 1 has no signature.
const VERSION: u64 = 2;
const UNSIGNED: u64 = 1;

/// The manifest of a snapshot: where it stands, and every file with its checksum. Written last: a snapshot without it
/// was never finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotManifest {
    /// `daybook-snapshot`.
    pub format: String,
    /// Version of the format.
    pub version: u64,
    /// The program that wrote it.
    pub written_by: String,
    /// The log's name.
    pub log: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// The partition.
    pub partition: u32,
    /// The first hash of the partition's chain, 64 hexadecimal digits.
    pub genesis: String,
    /// The hash at which the state stands: that of the last record that was applied and counts.
    pub head_hash: String,
    /// The first decision record that is not applied.
    pub next_record: u64,
    /// The first command whose decision is not applied.
    pub next_command: u64,
    /// The term of the owner then.
    pub epoch: u64,
    /// The node that took it.
    pub node: String,
    /// When it was taken, in microseconds since 1970, by that node's clock.
    pub taken_at_us: i64,
    /// The files of the store.
    pub files: Vec<SnapshotFile>,
    /// What shows that a node with the master key has written it, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotFile {
    /// Its name in the store's folder.
    pub name: String,
    /// Its length, in bytes.
    pub bytes: u64,
    /// BLAKE3 hash of it, 64 hexadecimal digits.
    pub blake3: String,
}

impl SnapshotManifest {
    pub(crate) fn format(signed: bool) -> (String, u64, String) {
        let version = if signed { VERSION } else { UNSIGNED };
        (FORMAT.to_owned(), version, concat!("daybook ", env!("CARGO_PKG_VERSION")).to_owned())
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|error| format!("its manifest: {error}"))?;
        if manifest.format != FORMAT || ![UNSIGNED, VERSION].contains(&manifest.version) {
            return Err(format!(
                "it is of format {} {}, which this release does not know",
                manifest.format, manifest.version
            ));
        }
        // A name that leads out of the folder could overwrite anything.
        let is_plain = |name: &str| !name.is_empty() && !name.contains('/') && name != "." && name != "..";
        match manifest.files.iter().find(|file| !is_plain(&file.name)) {
            Some(file) => Err(format!("its manifest names a file {:?}", file.name)),
            None if Hash::from_hex(&manifest.head_hash).is_none() => Err("its manifest names no hash".to_owned()),
            None => Ok(manifest),
        }
    }

    pub(crate) fn to_text(&self) -> Result<String, String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        Ok(format!("{text}\n"))
    }

    /// The partition.
    pub fn partition(&self) -> PartitionId {
        PartitionId(self.partition)
    }

    /// The first decision record that is not applied.
    pub fn next_record(&self) -> Offset {
        Offset(self.next_record)
    }

    /// Its size, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |bytes, file| bytes.saturating_add(file.bytes))
    }

    /// The log that it is of, in words.
    pub(crate) fn of_log(&self) -> String {
        format!("{} with {} partitions", self.log, self.partitions)
    }
}
