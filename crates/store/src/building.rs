//! Building a projection anew, beside the one that serves.

use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::state::{Direction, Fault, ProjectionId, Read, Rows, Span, WriteSet};
use daybook_rocks::{Family, FamilyRef, RocksError, Spec, WriteBatch, family};

use crate::families::{ProjectionVersion, family_name};
use crate::read::{bounds, get, scan};
use crate::{Store, StoreError, write};

/// A projection that is being built. It reads as a state that holds nothing but itself, and is forgotten when it is
/// dropped before [`Building::swap_in`].
pub struct Building {
    store: Arc<Store>,
    built: ProjectionVersion,
    family: String,
    swapped: bool,
}

impl Building {
    pub(crate) fn start(store: Arc<Store>, projection: ProjectionId) -> Result<Self, StoreError> {
        let unknown = || StoreError::Failed(format!("there is no projection {}", projection.0));
        let (serving, wanted_version) = store.families.version(projection).ok_or_else(unknown)?;
        let built = ProjectionVersion { generation: serving.generation + 1, version: wanted_version, ..serving };
        let family = family_name(&built.name, built.generation);
        if store.db.cf_handle(&family).is_some() {
            return Err(StoreError::Failed(format!("projection {} is being built already", built.name)));
        }
        Spec::create_family(&store.db, &Family::new(family.as_str()), &store.memory)?;
        Ok(Self { store, built, family, swapped: false })
    }

    /// What is being built.
    pub fn projection(&self) -> &ProjectionVersion {
        &self.built
    }

    fn family(&self) -> Result<FamilyRef<'_>, StoreError> {
        Ok(family(&self.store.db, &self.family)?)
    }

    /// Writes what decisions changed in this projection; what they changed elsewhere is passed over.
    pub fn write<'a>(&self, writes: impl IntoIterator<Item = &'a WriteSet>) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        let family = self.family()?;
        for (projection, key, value) in writes.into_iter().flat_map(WriteSet::iter) {
            match value {
                _ if projection != self.built.id => {}
                Some(value) => batch.put_cf(&family, key, value),
                None => batch.delete_cf(&family, key),
            }
        }
        write(&self.store.db, batch)
    }

    /// How many rows it has, as RocksDB estimates it.
    pub fn estimated_rows(&self) -> Result<u64, StoreError> {
        let rows = self.store.db.property_int_value_cf(&self.family()?, "rocksdb.estimate-num-keys");
        Ok(rows.map_err(RocksError::from)?.unwrap_or_default())
    }

    /// Lets it serve from now on. Only the writer of the store may call this, when both projections stand at the same
    /// head.
    pub fn swap_in(mut self) -> Result<(), StoreError> {
        let before = self.store.families.swap(&self.store.db, &self.built)?;
        self.swapped = true;
        // A crash must find the one or the other: the rows that serve now are on disk before those of before go.
        self.store.flush()?;
        if let Some(before) = before {
            self.store.db.drop_cf(&before).map_err(RocksError::from)?;
        }
        Ok(())
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if !self.swapped
            && let Err(error) = self.store.db.drop_cf(&self.family).map_err(RocksError::from)
        {
            // It is dropped at the next start.
            let _ = error;
        }
    }
}

impl Read for Building {
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        if projection != self.built.id {
            return Ok(None);
        }
        get(&self.store.db, &self.family()?, key, &self.store.read_options)
    }

    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
        if projection != self.built.id {
            return Box::new(std::iter::empty());
        }
        match self.family() {
            Ok(family) => scan(self.store.db.raw_iterator_cf_opt(&family, bounds(&span)), direction),
            Err(error) => Box::new(std::iter::once(Err(error.into()))),
        }
    }
}
