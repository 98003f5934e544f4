//! Golden logs: for each release a small log with every kind of command and event, which every later build must read,
//! decide and fold as that release did.
//!
//! They lie in `tests/golden/<release>/`, each an archive in the format of `docs/log-format.md` and a file
//! `expected.json` with the digests of the rows that it folds into. They are made once, by
//!
//! ```console
//! $ cargo run -p daybook-tests --bin golden_log -- make
//! ```
//!
//! and never changed: what is on somebody's log cannot be changed either. `tests/tests/golden_logs.rs` reads them.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`world`] | a log of several partitions in memory, one step at a time: takeovers, timers, effects |
//! | [`story`] | what happens in a golden log |
//! | [`kinds`] | every kind that there is, and every kind that a log holds |

pub mod kinds;
pub mod story;
pub mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use daybook_archive::Archive;
use daybook_kernel::chain::Head;
use daybook_kernel::decide::Decider;
use daybook_kernel::id::PartitionId;
use daybook_kernel::state::digest;
use daybook_log::Log;
use daybook_policy::Cedar;
use daybook_replay::{Until, rebuild};
use daybook_rocks::Memory;
use daybook_store::{ProjectionVersion, RocksStore};
use serde::{Deserialize, Serialize};

/// The rows of one projection of one partition, in short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// The partition.
    pub partition: u32,
    /// The projection.
    pub projection: String,
    /// Version of its rows. Another version of the code folds other rows, and has digests of its own.
    pub version: u32,
    /// How many rows there are.
    pub rows: u64,
    /// Hash of all of them.
    pub digest: String,
}

/// What a golden log must lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// By partition, projection and version of its rows.
    pub digests: Vec<Digest>,
}

/// A golden log.
#[derive(Debug)]
pub struct Golden {
    /// The release that wrote it.
    pub name: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// The log.
    pub log: Archive,
}

impl Golden {
    /// What it must lead to.
    ///
    /// # Panics
    /// When the file cannot be read.
    pub fn expected(&self) -> Expected {
        let text = std::fs::read_to_string(self.folder.join("expected.json")).expect("expected.json");
        serde_json::from_str(&text).expect("expected.json as it was written")
    }

    /// Writes what it must lead to.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write_expected(&self, expected: &Expected) {
        let text = serde_json::to_string_pretty(expected).expect("JSON");
        std::fs::write(self.folder.join("expected.json"), text + "\n").expect("expected.json can be written");
    }
}

/// Where golden logs lie.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The golden log of a release.
///
/// # Panics
/// When it cannot be opened.
pub fn open(name: &str) -> Golden {
    let folder = root().join(name);
    let log = Archive::open(&folder.join("log")).unwrap_or_else(|error| panic!("golden log {name}: {error}"));
    Golden { name: name.to_owned(), folder, log }
}

/// Every golden log, in the order of their names.
///
/// # Panics
/// When there is none.
pub fn all() -> Vec<Golden> {
    let entries = std::fs::read_dir(root()).expect("the folder of golden logs");
    let folders = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    let mut names: Vec<_> =
        folders.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(!names.is_empty(), "there is no golden log");
    names.iter().map(|name| open(name)).collect()
}

/// Decides and folds as this build does.
pub fn decider(log: &dyn Log) -> Decider {
    Decider::new(daybook_domains::registry(), Arc::new(Cedar::new()), log.partitions())
}

/// The digests of the rows that a log folds into by this build, by partition and projection.
///
/// # Panics
/// When it cannot be folded.
pub async fn digests(log: &dyn Log) -> Vec<Digest> {
    let (scratch, memory, decider) = (tempfile::tempdir().expect("a folder"), Memory::default(), decider(log));
    let projections = ProjectionVersion::of_release(decider.registry());
    let mut digests = Vec::new();
    for partition in (0..log.partitions()).map(PartitionId) {
        let rebuilt = rebuild(log, &decider, partition, scratch.path(), Until::End, &memory, &()).await;
        let rebuilt = rebuilt.unwrap_or_else(|error| panic!("partition {partition} cannot be folded: {error}"));
        let genesis = Head::genesis(log.name(), log.partitions(), partition);
        let folder = scratch.path().join(format!("{:04}", partition.0));
        let (store, head) = RocksStore::open(&folder, &genesis, &projections, &memory).expect("what was just written");
        assert_eq!(head, rebuilt.head);
        for projection in &projections {
            let (hash, rows) = digest(&store.live(), [projection.id]).expect("rows that can be read");
            digests.push(Digest {
                partition: partition.0,
                projection: projection.name.clone(),
                version: projection.version,
                rows,
                digest: hash.to_hex(),
            });
        }
    }
    digests
}
