//! The one place that opens RocksDB: for the embedded log, the stores and the key ring.
//!
//! Architecture invariant: no other crate builds RocksDB options. Memory is therefore bounded in one place
//! ([`Memory`]), and every error of RocksDB becomes one of the few that a person can act on ([`RocksError`]).
//!
//! ```
//! use daybook_rocks::{Family, Memory, Spec, Wal};
//!
//! let folder = tempfile::tempdir()?;
//! let memory = Memory::new(64 << 20, 32 << 20);
//! let db = Spec::new(folder.path(), Wal::Kept).family(Family::new("rows")).open(&memory)?;
//! let rows = daybook_rocks::family(&db, "rows")?;
//! db.put_cf(&rows, b"key", b"value")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod unlogged;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor, DBCompactionStyle,
    DBCompressionType, DBRecoveryMode, LogLevel, Options, WriteBufferManager,
};

pub use unlogged::write_unlogged;

pub use rocksdb::{self, DBPinnableSlice, Direction, IteratorMode, ReadOptions, Snapshot, WriteBatch, WriteOptions};

/// An open database.
pub type Db = rocksdb::DB;

/// A column family of an open database.
pub type FamilyRef<'a> = Arc<BoundColumnFamily<'a>>;

/// What went wrong, in terms of what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RocksError {
    /// Another process has it open.
    #[error("{folder} is in use by another process")]
    InUse {
        /// Where.
        folder: PathBuf,
    },
    /// Its bytes are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// No space is left.
    #[error("no space left on the disk: {0}")]
    Full(String),
    /// It is not there.
    #[error("{folder} does not exist")]
    Missing {
        /// Where.
        folder: PathBuf,
    },
    /// Anything else, mostly input and output.
    #[error("{0}")]
    Other(String),
}

impl From<rocksdb::Error> for RocksError {
    fn from(error: rocksdb::Error) -> Self {
        let text = error.to_string();
        if text.contains("No space left") || text.contains("File too large") || text.contains("Disk quota") {
            return Self::Full(text);
        }
        match error.kind() {
            rocksdb::ErrorKind::Corruption => Self::Damaged(text),
            // A table file that the manifest names is gone, or the manifest that CURRENT names.
            rocksdb::ErrorKind::IOError if is_missing_file(&text) => Self::Damaged(text),
            _ => Self::Other(text),
        }
    }
}

/// Whether what was said is that the process has no file handles left: RocksDB says it in no other way.
pub fn is_out_of_files(text: &str) -> bool {
    text.contains("Too many open files")
}

fn is_missing_file(text: &str) -> bool {
    text.contains("No such file") && (text.contains(".sst") || text.contains("MANIFEST"))
}

/// Memory, and the number of files, that the databases of a process share.
#[derive(Clone)]
pub struct Memory {
    cache: Cache,
    write_buffers: WriteBufferManager,
    write_buffer_bytes: usize,
    open_files: i32,
}

impl Memory {
    /// A block cache and a bound for all memtables together, in bytes. Both are charged to the cache's size.
    pub fn new(cache_bytes: usize, write_buffer_bytes: usize) -> Self {
        let cache = Cache::new_lru_cache(cache_bytes + write_buffer_bytes);
        let write_buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(write_buffer_bytes, false, cache.clone());
        Self { cache, write_buffers, write_buffer_bytes, open_files: OPEN_FILES }
    }

    /// The same for databases of which each keeps at most so many files open.
    #[must_use]
    pub fn with_open_files(self, per_database: usize) -> Self {
        Self { open_files: i32::try_from(per_database).unwrap_or(OPEN_FILES), ..self }
    }
}

/// Files that a database keeps open, unless its [`Memory`] says otherwise.
const OPEN_FILES: i32 = 512;

impl Default for Memory {
    /// 64 MiB of blocks, 128 MiB of memtables.
    fn default() -> Self {
        Self::new(64 << 20, 128 << 20)
    }
}

/// What happens to the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wal {
    /// Every write goes there; an incomplete record at its end is what a crash leaves and is dropped, any other damage
    /// refuses to open.
    Kept,
    /// The same, but whatever follows damage is dropped. An operator's decision: it may drop what was acknowledged.
    KeptTruncatingDamage,
    /// Not used: all column families are flushed together, and what was not flushed is gone after a crash.
    Unused,
}

/// How a column family is used.
#[derive(Debug, Clone)]
pub struct Family {
    name: String,
    append_only: bool,
    small_files: bool,
}

impl Family {
    /// Rows that are read by key and in ranges.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), append_only: false, small_files: false }
    }

    /// Records that are written in the order of their keys and read in ranges: no filters, stronger compression.
    pub fn append_only(name: impl Into<String>) -> Self {
        Self { name: name.into(), append_only: true, small_files: false }
    }

    /// The same in small files, so that rewriting the one that holds a deleted row is cheap.
    #[must_use]
    pub fn with_small_files(mut self) -> Self {
        self.small_files = true;
        self
    }

    fn options(&self, memory: &Memory) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&memory.cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_format_version(6);
        let mut options = Options::default();
        options.set_level_compaction_dynamic_level_bytes(true);
        options.set_arena_block_size(256 << 10);
        if self.append_only {
            table.set_block_size(32 << 10);
            options.set_write_buffer_size(memory.write_buffer_bytes / 8);
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_bottommost_compression_type(DBCompressionType::Zstd);
            // A record is compacted more than once before it stays where it is: fewer and cheaper compactions.
            options.set_bottommost_compression_options(-14, 1, 0, 0, true);
            options.set_level_zero_file_num_compaction_trigger(8);
        } else {
            table.set_block_size(8 << 10);
            // Ribbon filters are a third smaller, and take so long to make that compaction of random keys waits for them.
            table.set_bloom_filter(10.0, false);
            // In pieces: a filter for a whole file is as large as a shard of the cache. Every look-up would read it anew.
            table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
            table.set_partition_filters(true);
            table.set_metadata_block_size(4 << 10);
            table.set_pin_top_level_index_and_filter(true);
            // Small enough that the stores of eight partitions stay below seven eighths of the bound for all together: there
            // RocksDB flushes whoever writes, however little that one holds and however much the others.
            options.set_write_buffer_size(memory.write_buffer_bytes / 10);
            // Ids and pseudonyms are random keys: compaction by levels would write each of them some fifteen times.
            options.set_compaction_style(DBCompactionStyle::Universal);
            options.set_memtable_whole_key_filtering(true);
            options.set_memtable_prefix_bloom_ratio(0.02);
            options.set_compression_type(DBCompressionType::Lz4);
        }
        if self.small_files {
            options.set_compaction_style(DBCompactionStyle::Level);
            options.set_target_file_size_base(4 << 20);
            options.set_max_bytes_for_level_base(64 << 20);
        }
        options.set_block_based_table_factory(&table);
        options
    }
}

/// A database to be opened.
#[derive(Debug, Clone)]
pub struct Spec {
    folder: PathBuf,
    wal: Wal,
    families: Vec<Family>,
}

impl Spec {
    /// A database in a folder.
    pub fn new(folder: impl Into<PathBuf>, wal: Wal) -> Self {
        Self { folder: folder.into(), wal, families: Vec::new() }
    }

    /// Adds a column family.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.families.push(family);
        self
    }

    fn options(&self, memory: &Memory) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_paranoid_checks(true);
        options.set_write_buffer_manager(&memory.write_buffers);
        options.set_max_background_jobs(2);
        options.set_max_open_files(memory.open_files);
        options.set_log_level(LogLevel::Warn);
        options.set_keep_log_file_num(2);
        options.set_stats_dump_period_sec(0);
        match self.wal {
            Wal::Kept => {
                options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
                options.set_track_and_verify_wals_in_manifest(true);
                options.set_max_total_wal_size(256 << 20);
            }
            Wal::KeptTruncatingDamage => options.set_wal_recovery_mode(DBRecoveryMode::PointInTime),
            Wal::Unused => options.set_atomic_flush(true),
        }
        options
    }

    fn descriptors(&self, memory: &Memory, existing: Vec<String>) -> Vec<ColumnFamilyDescriptor> {
        let declared = self.families.iter().map(|family| (family.name.clone(), family.options(memory)));
        let others = existing
            .into_iter()
            .filter(|name| name != "default" && self.families.iter().all(|family| family.name != *name))
            .map(|name| {
                let options = Family::new(name.as_str()).options(memory);
                (name, options)
            });
        declared.chain(others).map(|(name, options)| ColumnFamilyDescriptor::new(name, options)).collect()
    }

    /// Opens the database, creating what is missing. Column families that exist beyond those declared are opened as
    /// [`Family::new`].
    pub fn open(&self, memory: &Memory) -> Result<Db, RocksError> {
        fs::create_dir_all(&self.folder).map_err(|error| self.create_error(&error))?;
        let options = self.options(memory);
        let existing =
            if self.folder.join("CURRENT").exists() { Db::list_cf(&options, &self.folder)? } else { Vec::new() };
        Db::open_cf_descriptors(&options, &self.folder, self.descriptors(memory, existing))
            .map_err(|error| self.open_error(error))
    }

    /// Opens the database as it is now for reading, whether or not another process has it open for writing. Needs a
    /// folder for its own log file.
    pub fn open_to_read(&self, memory: &Memory, scratch: &Path) -> Result<Db, RocksError> {
        if !self.folder.join("CURRENT").exists() {
            return Err(RocksError::Missing { folder: self.folder.clone() });
        }
        let mut options = self.options(memory);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        options.set_max_open_files(-1);
        let existing = Db::list_cf(&options, &self.folder)?;
        let mut present = self.clone();
        present.families.retain(|family| existing.contains(&family.name));
        let descriptors = present.descriptors(memory, existing);
        Db::open_cf_descriptors_as_secondary(&options, self.folder.as_path(), scratch, descriptors)
            .map_err(|error| self.open_error(error))
    }

    /// Opens the database for reading as it is now, and changes no byte of it: what is in its write-ahead log is read into
    /// memory, with the same checks as by [`Spec::open`]. For a database that nobody has open for writing, see
    /// [`is_in_use`]; beside a writer, use [`Spec::open_to_read`].
    pub fn open_read_only(&self, memory: &Memory) -> Result<Db, RocksError> {
        if !self.folder.join("CURRENT").exists() {
            return Err(RocksError::Missing { folder: self.folder.clone() });
        }
        let mut options = self.options(memory);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let existing = Db::list_cf(&options, &self.folder)?;
        let mut present = self.clone();
        present.families.retain(|family| existing.contains(&family.name));
        let descriptors = present.descriptors(memory, existing);
        Db::open_cf_descriptors_read_only(&options, &self.folder, descriptors, false)
            .map_err(|error| self.open_error(error))
    }

    /// Adds a column family to an open database.
    pub fn create_family(db: &Db, family: &Family, memory: &Memory) -> Result<(), RocksError> {
        Ok(db.create_cf(&family.name, &family.options(memory))?)
    }

    fn open_error(&self, error: rocksdb::Error) -> RocksError {
        let text = error.to_string();
        if text.contains("LOCK") && (text.contains("lock hold by") || text.contains("Resource temporarily unavailable"))
        {
            return RocksError::InUse { folder: self.folder.clone() };
        }
        error.into()
    }

    fn create_error(&self, error: &std::io::Error) -> RocksError {
        let text = format!("{}: {error}", self.folder.display());
        if error.kind() == std::io::ErrorKind::StorageFull { RocksError::Full(text) } else { RocksError::Other(text) }
    }
}

/// Whether another process has the database in a folder open for writing. Asks for RocksDB's lock and lets go of it at
/// once; no byte is changed. `None` when it cannot be told, for example because the folder may not be written.
///
/// Locks belong to a process: about a database that this process itself has open it says nothing useful, and asking
/// would give that lock up. For programs that have opened none. A process that opens the database in that very moment may
/// be told that it is in use.
pub fn is_in_use(folder: &Path) -> Option<bool> {
    let lock = fs::OpenOptions::new().read(true).write(true).open(folder.join("LOCK"));
    let lock = match lock {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    match rustix::fs::fcntl_lock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Some(false),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Some(true),
        Err(_) => None,
    }
}

/// Names of the column families that a database has on disk.
pub fn families_on_disk(db: &Db) -> Result<Vec<String>, RocksError> {
    Ok(Db::list_cf(&Options::default(), db.path())?)
}

/// Writes a copy of an open database into a folder that must not exist yet: one moment of it, whole, whatever is written
/// meanwhile. What is in memory is flushed first, all column families together where the database is opened with
/// [`Wal::Unused`]. Files with rows are hard links as long as the folder is on the same disk, so that a copy costs next to
/// nothing and holds its files until it is removed.
pub fn copy(db: &Db, into: &Path) -> Result<(), RocksError> {
    Ok(rocksdb::checkpoint::Checkpoint::new(db)?.create_checkpoint(into)?)
}

/// A column family by name.
pub fn family<'a>(db: &'a Db, name: &str) -> Result<FamilyRef<'a>, RocksError> {
    db.cf_handle(name).ok_or_else(|| RocksError::Damaged(format!("column family {name} is missing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_in_use_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec::new(folder.path().join("db"), Wal::Kept);
        let _first = spec.open(&Memory::default()).unwrap();
        let second = spec.open(&Memory::default()).map(|_| ());
        assert_eq!(second, Err(RocksError::InUse { folder: folder.path().join("db") }));
    }

    #[test]
    fn what_was_written_can_be_read_beside_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec::new(folder.path().join("db"), Wal::Kept).family(Family::append_only("log"));
        let missing = spec.open_to_read(&Memory::default(), &folder.path().join("scratch")).map(|_| ());
        assert!(matches!(missing, Err(RocksError::Missing { .. })));
        let db = spec.open(&Memory::default()).unwrap();
        db.put_cf(&family(&db, "log").unwrap(), b"a", b"1").unwrap();
        let beside = spec.open_to_read(&Memory::default(), &folder.path().join("scratch")).unwrap();
        assert_eq!(beside.get_cf(&family(&beside, "log").unwrap(), b"a").unwrap().unwrap(), b"1");
    }

    #[test]
    fn reading_only_changes_no_byte_and_sees_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec::new(folder.path().join("db"), Wal::Kept).family(Family::append_only("log"));
        assert_eq!(is_in_use(&folder.path().join("db")), Some(false), "nothing is there");
        let missing = spec.open_read_only(&Memory::default()).map(|_| ());
        assert!(matches!(missing, Err(RocksError::Missing { .. })));
        let db = spec.open(&Memory::default()).unwrap();
        db.put_cf(&family(&db, "log").unwrap(), b"a", b"1").unwrap();
        db.flush_wal(true).unwrap();
        drop(db);
        let files = || {
            let entries = fs::read_dir(folder.path().join("db")).unwrap().map(|entry| entry.unwrap().path());
            let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
            files.sort();
            files
        };
        let before = files();
        let read = spec.open_read_only(&Memory::default()).unwrap();
        assert_eq!(read.get_cf(&family(&read, "log").unwrap(), b"a").unwrap().unwrap(), b"1");
        drop(read);
        assert_eq!(is_in_use(&folder.path().join("db")), Some(false));
        assert_eq!(files(), before);
    }

    #[test]
    fn a_copy_holds_one_moment_though_nothing_was_flushed() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec::new(folder.path().join("db"), Wal::Unused).family(Family::new("a")).family(Family::new("b"));
        let db = spec.open(&Memory::default()).unwrap();
        let put = |key: &[u8]| {
            let mut options = WriteOptions::default();
            options.disable_wal(true);
            let mut batch = WriteBatch::default();
            batch.put_cf(&family(&db, "a").unwrap(), key, b"1");
            batch.put_cf(&family(&db, "b").unwrap(), key, b"1");
            db.write_opt(batch, &options).unwrap();
        };
        put(b"before");
        copy(&db, &folder.path().join("copy")).unwrap();
        put(b"after");
        let spec = Spec { folder: folder.path().join("copy"), ..spec };
        let copied = spec.open_read_only(&Memory::default()).unwrap();
        for name in ["a", "b"] {
            let rows = family(&copied, name).unwrap();
            assert_eq!(copied.get_cf(&rows, b"before").unwrap().unwrap(), b"1");
            assert_eq!(copied.get_cf(&rows, b"after").unwrap(), None);
        }
    }

    #[test]
    fn a_flipped_bit_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec::new(folder.path(), Wal::Kept).family(Family::append_only("log"));
        let db = spec.open(&Memory::default()).unwrap();
        for i in 0..100_u32 {
            db.put_cf(&family(&db, "log").unwrap(), i.to_be_bytes(), [7; 100]).unwrap();
        }
        db.flush_wal(true).unwrap();
        drop(db);
        let wal = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .max_by_key(|path| fs::metadata(path).unwrap().len())
            .unwrap();
        let mut bytes = fs::read(&wal).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&wal, bytes).unwrap();
        let read_only = spec.open_read_only(&Memory::default()).map(|_| ());
        assert!(matches!(read_only, Err(RocksError::Damaged(_))), "reading is as strict");
        assert!(matches!(spec.open(&Memory::default()).map(|_| ()), Err(RocksError::Damaged(_))));
        let truncating = Spec { wal: Wal::KeptTruncatingDamage, ..spec };
        assert!(truncating.open(&Memory::default()).is_ok());
    }
}
