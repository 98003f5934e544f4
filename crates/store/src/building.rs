//! Building a projection anew, beside the one that serves.

use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::state::{Direction, Fault, ProjectionId, Read, Rows, Span, WriteSet};
use daybook_rocks::{Family, FamilyRef, RocksError, Spec, WriteBatch, family};

use crate::families::{ProjectionVersion, family_name};
use crate::read::{bounds, get, scan};
use crate::{Building, RocksStore, StoreError, write};

/// A projection that is being built, see [`Building`].
pub struct RocksBuilding {
    store: Arc<RocksStore>,
    built: ProjectionVersion,
    family: String,
    swapped: bool,
}

impl RocksBuilding {
    pub(crate) fn start(store: Arc<RocksStore>, projection: ProjectionId) -> Result<Self, StoreError> {
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

    fn family(&self) -> Result<FamilyRef<'_>, StoreError> {
        Ok(family(&self.store.db, &self.family)?)
    }
}

impl Building for RocksBuilding {
    fn projection(&self) -> &ProjectionVersion {
        &self.built
    }

    fn write(&self, writes: &WriteSet) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        let family = self.family()?;
        for (_, key, value) in writes.iter().filter(|(projection, ..)| *projection == self.built.id) {
            match value {
                Some(value) => batch.put_cf(&family, key, value),
                None => batch.delete_cf(&family, key),
            }
        }
        write(&self.store.db, batch)
    }

    fn estimated_rows(&self) -> Result<u64, StoreError> {
        let rows = self.store.db.property_int_value_cf(&self.family()?, "rocksdb.estimate-num-keys");
        Ok(rows.map_err(RocksError::from)?.unwrap_or_default())
    }

    fn swap_in(mut self: Box<Self>) -> Result<(), StoreError> {
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

impl Drop for RocksBuilding {
    fn drop(&mut self) {
        if !self.swapped
            && let Err(error) = self.store.db.drop_cf(&self.family).map_err(RocksError::from)
        {
            // It is dropped at the next start.
            let _ = error;
        }
    }
}

impl Read for RocksBuilding {
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
