//! The log and what is made of it: `daybook log`, `daybook replay`, `daybook snapshot`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use daybook_kernel::hash::Hash;

use crate::units;

/// Which topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopicArgument {
    /// What was asked
    Commands,
    /// How it was answered
    Decisions,
}

/// The log itself. These read it directly, where the configuration says it lies; no node needs to run.
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// The topics with their partitions and bounds
    Topics,
    /// The latest decisions, and those that follow
    Tail {
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
        /// So many of each partition to begin with
        #[arg(long, short = 'n', default_value_t = 10)]
        lines: u64,
        /// Go on as more are made
        #[arg(long, short)]
        follow: bool,
    },
    /// One command with its decision, as partition/offset
    Show {
        /// The position, for example 3/1042
        #[arg(value_parser = units::position)]
        position: (u32, u64),
    },
    /// Is the chain whole? Of the log, of an exported one, or of an exported audit
    Verify {
        /// Check this exported audit instead of a log
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
        /// Check this exported log instead of the one that is configured
        #[arg(long, value_name = "FOLDER", conflicts_with = "export")]
        archive: Option<PathBuf>,
        /// Nothing before this signed checkpoint may have been cut off or rewritten
        #[arg(long, value_name = "CHECKPOINT", conflicts_with = "export")]
        against: Option<PathBuf>,
        /// The checkpoint must be signed with this key: 64 hexadecimal digits, or a file [default: the key that stands
        /// in the checkpoint, which whoever forged it could have put there]
        #[arg(long, value_name = "KEY", requires = "against")]
        public_key: Option<String>,
        /// Only this partition
        #[arg(long, conflicts_with = "export")]
        partition: Option<u32>,
        /// The chain must pass through this hash, known from elsewhere (64 hexadecimal digits)
        #[arg(long, value_name = "HASH", value_parser = units::hash)]
        head: Option<Hash>,
    },
    /// Write the log into a folder, to be kept or moved
    Export {
        /// A folder that is new or empty
        folder: PathBuf,
    },
    /// Copy an exported log into the configured one, which must be empty; no node may run on it
    Import {
        /// The folder of an export
        folder: PathBuf,
    },
    /// Copy the beginning of the log, up to the oldest kept snapshot, into the archive that archive.url names
    Archive {
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
        /// Only decisions before this offset, and the commands that they decide
        #[arg(long, value_name = "OFFSET", requires = "partition")]
        before: Option<u64>,
        /// Leave the latest so many decision records of each partition in the log
        #[arg(long, value_name = "N", conflicts_with = "before")]
        keep: Option<u64>,
        /// Let go of what is archived, once it was read back; on the embedded log no node may run
        #[arg(long)]
        trim: bool,
    },
    /// Write down where the chain of every partition stands, signed
    Checkpoint {
        /// Sign with this key: PKCS#8 in PEM, or a seed of 32 bytes
        #[arg(long, value_name = "FILE", required_unless_present = "new_key")]
        key: Option<PathBuf>,
        /// Into this file, or into a file of its own in this folder [default: standard output]
        #[arg(long, value_name = "FILE|FOLDER")]
        out: Option<PathBuf>,
        /// Make a new key in this file and print its public key; nothing else
        #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "out"])]
        new_key: Option<PathBuf>,
    },
}

/// Read the log again.
#[derive(Debug, Subcommand)]
pub(crate) enum Replay {
    /// Decide every command again under the recorded policy set, and report any difference
    Verify {
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
    },
    /// Fold a store from nothing
    Rebuild {
        /// Into this folder [default: a temporary one]
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
        /// Through the decision of this command offset
        #[arg(long, value_name = "OFFSET", requires = "partition")]
        until_offset: Option<u64>,
        /// Through everything decided at or before this time of the log
        #[arg(long, value_parser = units::time, value_name = "TIME", conflicts_with = "until_offset")]
        until_time: Option<prost_types::Timestamp>,
        /// Compare with the state of the running node, row by row
        #[arg(long, conflicts_with_all = ["until_offset", "until_time"])]
        compare: bool,
    },
}

/// Snapshots of the partitions' states, in the object store that snapshots.url names. A node that serves takes them by
/// itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// List them, newest first
    List {
        /// Only of this partition
        #[arg(long)]
        partition: Option<u32>,
        /// Read every file and compare its checksum
        #[arg(long)]
        check: bool,
    },
    /// Take one of each partition of a node that is stopped
    Take {
        /// Only of this partition
        #[arg(long)]
        partition: Option<u32>,
    },
    /// Restore the newest whole one of each partition whose store is missing; no node may run. A node that starts does the
    /// same by itself
    Restore {
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
        /// Into this folder instead of the data folder, below the partition's number
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
}
