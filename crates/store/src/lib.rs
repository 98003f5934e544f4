//! The state of a partition: what it must keep ([`Store`]), and how RocksDB keeps it ([`RocksStore`]).
//!
//! Rows and head are written together in one batch, without a write-ahead log: the log is the write-ahead log. After a
//! crash a store is at some earlier head, whole, and catches up by reading the log. All column families are flushed
//! together, so that "whole" stays true.
//!
//! Each projection has a column family of its own, so that it can be folded again from the log beside the live one and
//! swapped in ([`Building`]) while the store serves.
//!
//! Architecture invariant: this crate does not know what a row means. It reads and writes what the kernel's typed
//! tables ask for.

mod building;
mod contract;
mod error;
mod families;
mod inspect;
mod read;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use daybook_kernel::chain::Head;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Epoch, Offset, PartitionId};
use daybook_kernel::state::{ProjectionId, Read, WriteSet};
use daybook_kernel::time::Timestamp;
use daybook_proto::system::v1::HeadRow;
use daybook_rocks::{Db, Family, Memory, ReadOptions, RocksError, Spec, Wal, WriteBatch, family, write_unlogged};
use prost::Message;

pub use building::RocksBuilding;
pub use contract::{Building, Store, Stores};
pub use error::{StoreError, codes};
pub use families::ProjectionVersion;
pub use inspect::{Inspected, inspect};
pub use read::{Live, Snapshot};

use families::Families;

const META: &str = "meta";
const HEAD: &[u8] = b"head";
const GENESIS: &[u8] = b"genesis";

/// Stores on a local disk, one folder each.
pub struct RocksStores {
    /// Where the folders lie.
    pub folder: PathBuf,
    /// Memory that they share.
    pub memory: Memory,
}

impl RocksStores {
    /// See [`Stores::open`].
    pub fn open(
        &self,
        partition: PartitionId,
        genesis: &Head,
        projections: &[ProjectionVersion],
    ) -> Result<(RocksStore, Head), StoreError> {
        RocksStore::open(&self.folder.join(format!("{:04}", partition.0)), genesis, projections, &self.memory)
    }
}

impl Stores for RocksStores {
    fn open(
        &self,
        partition: PartitionId,
        genesis: &Head,
        projections: &[ProjectionVersion],
    ) -> Result<(Arc<dyn Store>, Head), StoreError> {
        let (store, head) = self.open(partition, genesis, projections)?;
        Ok((Arc::new(store), head))
    }
}

/// The state of one partition on RocksDB.
pub struct RocksStore {
    db: Db,
    families: Families,
    memory: Memory,
    read_options: ReadOptions,
}

impl RocksStore {
    /// Opens the store of a partition, creating it if there is none. `genesis` is the head of the empty log: a store
    /// that belongs to another log or partition is refused. `projections` are those that this release folds.
    pub fn open(
        folder: &Path,
        genesis: &Head,
        projections: &[ProjectionVersion],
        memory: &Memory,
    ) -> Result<(Self, Head), StoreError> {
        let spec = Spec::new(folder, Wal::Unused).family(Family::new(META));
        Self::set_up(spec.open(memory)?, folder, genesis, projections, memory)
    }

    fn set_up(
        db: Db,
        folder: &Path,
        genesis: &Head,
        projections: &[ProjectionVersion],
        memory: &Memory,
    ) -> Result<(Self, Head), StoreError> {
        let stored = db.get_cf(&family(&db, META)?, GENESIS).map_err(RocksError::from)?;
        match stored {
            None => put_meta(&db, GENESIS, genesis.hash.as_bytes())?,
            Some(stored) if stored == genesis.hash.as_bytes() => {}
            Some(_) => return Err(StoreError::OfAnotherLog { folder: folder.to_owned() }),
        }
        let head = match db.get_cf(&family(&db, META)?, HEAD).map_err(RocksError::from)? {
            None => genesis.clone(),
            Some(row) => decode_head(&row)?,
        };
        let families = Families::open(&db, projections, memory)?;
        Ok((Self { db, families, memory: memory.clone(), read_options: ReadOptions::default() }, head))
    }

    /// Writes what decisions changed, and the head they led to, in one batch.
    pub fn commit<'a>(&self, writes: impl IntoIterator<Item = &'a WriteSet>, head: &Head) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        // Rows come projection by projection: the family is looked up once for each.
        let mut current = None;
        for (projection, key, value) in writes.into_iter().flat_map(WriteSet::iter) {
            let family = match &current {
                Some((of, family)) if *of == projection => family,
                _ => &current.insert((projection, self.families.current(&self.db, projection)?)).1,
            };
            match value {
                Some(value) => batch.put_cf(family, key, value),
                None => batch.delete_cf(family, key),
            }
        }
        batch.put_cf(&family(&self.db, META)?, HEAD, encode_head(head));
        write(&self.db, batch)
    }

    /// The state as it is, changing under the reader's eyes.
    pub fn live(&self) -> Live<'_> {
        Live::new(self)
    }

    /// The state as it is now, with its head.
    pub fn snapshot(&self) -> Result<(Snapshot<'_>, Head), StoreError> {
        let snapshot = Snapshot::new(self)?;
        let head = snapshot.head()?;
        Ok((snapshot, head))
    }

    /// Writes everything to disk, so that the next start has little to catch up with.
    pub fn flush(&self) -> Result<(), StoreError> {
        let names = self.families.names();
        let families = names.iter().map(|name| family(&self.db, name)).collect::<Result<Vec<_>, _>>()?;
        let meta = family(&self.db, META)?;
        let all: Vec<_> = families.iter().chain([&meta]).collect();
        let options = daybook_rocks::rocksdb::FlushOptions::default();
        Ok(self.db.flush_cfs_opt(&all, &options).map_err(RocksError::from)?)
    }

    /// Writes a copy into a folder that must not exist yet, see [`Store::copy_to`].
    pub fn copy_to(&self, folder: &Path) -> Result<(), StoreError> {
        Ok(daybook_rocks::copy(&self.db, folder)?)
    }

    /// Projections whose rows were folded by another version of the code. They must be built again before they serve.
    pub fn outdated(&self) -> Vec<ProjectionId> {
        self.families.outdated()
    }

    /// The projections with their generations.
    pub fn projections(&self) -> Vec<ProjectionVersion> {
        self.families.versions()
    }

    /// How many rows a projection has, as RocksDB estimates it.
    pub fn estimated_rows(&self, projection: ProjectionId) -> Result<u64, StoreError> {
        let family = self.families.current(&self.db, projection)?;
        let rows = self.db.property_int_value_cf(&family, "rocksdb.estimate-num-keys").map_err(RocksError::from)?;
        Ok(rows.unwrap_or_default())
    }
}

impl Store for RocksStore {
    fn commit(&self, writes: &[&WriteSet], head: &Head) -> Result<(), StoreError> {
        self.commit(writes.iter().copied(), head)
    }

    fn live(&self) -> Box<dyn Read + '_> {
        Box::new(self.live())
    }

    fn snapshot(&self) -> Result<(Box<dyn Read + '_>, Head), StoreError> {
        let (snapshot, head) = self.snapshot()?;
        Ok((Box::new(snapshot), head))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.flush()
    }

    fn copy_to(&self, folder: &Path) -> Result<(), StoreError> {
        self.copy_to(folder)
    }

    fn outdated(&self) -> Vec<ProjectionId> {
        self.outdated()
    }

    fn projections(&self) -> Vec<ProjectionVersion> {
        self.projections()
    }

    fn estimated_rows(&self, projection: ProjectionId) -> Result<u64, StoreError> {
        self.estimated_rows(projection)
    }

    fn build(self: Arc<Self>, projection: ProjectionId) -> Result<Box<dyn Building>, StoreError> {
        Ok(Box::new(RocksBuilding::start(self, projection)?))
    }
}

/// Writes a batch without a write-ahead log: the log is it.
fn write(db: &Db, batch: WriteBatch) -> Result<(), StoreError> {
    Ok(write_unlogged(db, batch)?)
}

fn put_meta(db: &Db, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let mut batch = WriteBatch::default();
    batch.put_cf(&family(db, META)?, key, value);
    write(db, batch)
}

fn encode_head(head: &Head) -> Vec<u8> {
    HeadRow {
        hash: head.hash.to_bytes(),
        next_record: head.next_record.0,
        next_command: head.next_command.0,
        epoch: head.epoch.0,
        now_us: head.now.as_micros(),
        owner: head.owner.clone(),
        owner_address: head.owner_address.clone(),
        record: head.record.map(|record| record.0),
    }
    .encode_to_vec()
}

fn decode_head(row: &[u8]) -> Result<Head, StoreError> {
    let damaged = || StoreError::Damaged("its head cannot be read".to_owned());
    let row = HeadRow::decode(row).map_err(|_| damaged())?;
    Ok(Head {
        hash: Hash::from_slice(&row.hash).ok_or_else(damaged)?,
        next_record: Offset(row.next_record),
        next_command: Offset(row.next_command),
        epoch: Epoch(row.epoch),
        now: Timestamp::from_micros(row.now_us),
        owner: row.owner,
        owner_address: row.owner_address,
        record: row.record.map(Offset),
    })
}

#[cfg(test)]
mod tests;
