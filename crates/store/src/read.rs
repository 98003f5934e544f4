//! Reading the state.

use bytes::Bytes;
use daybook_kernel::chain::Head;
use daybook_kernel::state::{self, Direction, Fault, ProjectionId, Read, Rows, Span};
use daybook_rocks::rocksdb::{DBRawIteratorWithThreadMode, SnapshotWithThreadMode};
use daybook_rocks::{Db, FamilyRef, ReadOptions, RocksError, family};

use crate::{HEAD, META, RocksStore, StoreError, decode_head};

/// The state as it is, changing under the reader's eyes. For the one who writes it.
#[derive(Clone, Copy)]
pub struct Live<'a> {
    store: &'a RocksStore,
}

impl<'a> Live<'a> {
    pub(crate) fn new(store: &'a RocksStore) -> Self {
        Self { store }
    }
}

impl Read for Live<'_> {
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        let family = self.store.families.current(&self.store.db, projection)?;
        get(&self.store.db, &family, key, &self.store.read_options)
    }

    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
        match self.store.families.current(&self.store.db, projection) {
            Ok(family) => scan(self.store.db.raw_iterator_cf_opt(&family, bounds(&span)), direction),
            Err(error) => failed(error),
        }
    }
}

/// The state as it was at one head.
pub struct Snapshot<'a> {
    store: &'a RocksStore,
    snapshot: SnapshotWithThreadMode<'a, Db>,
    /// The families that served at that moment. One that is swapped in later was written later: to this snapshot it
    /// would look empty, and nothing would seem to be held.
    families: Vec<(ProjectionId, FamilyRef<'a>)>,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(store: &'a RocksStore) -> Result<Self, StoreError> {
        let (families, snapshot) = store.families.serving_while(&store.db, || store.db.snapshot())?;
        Ok(Self { store, snapshot, families })
    }

    fn family(&self, projection: ProjectionId) -> Result<&FamilyRef<'a>, StoreError> {
        let unknown = || StoreError::Failed(format!("projection {} is not open in this store", projection.0));
        self.families.iter().find(|(id, _)| *id == projection).map(|(_, family)| family).ok_or_else(unknown)
    }

    pub(crate) fn head(&self) -> Result<Head, StoreError> {
        let row = self.snapshot.get_cf(&family(&self.store.db, META)?, HEAD).map_err(RocksError::from)?;
        decode_head(&row.ok_or_else(|| StoreError::Damaged("it has no head yet".to_owned()))?)
    }
}

impl Read for Snapshot<'_> {
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        let value = self.snapshot.get_pinned_cf(self.family(projection)?, key).map_err(fault)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
        match self.family(projection) {
            Ok(family) => scan(self.snapshot.raw_iterator_cf_opt(family, bounds(&span)), direction),
            Err(error) => failed(error),
        }
    }
}

pub(crate) fn get(db: &Db, family: &FamilyRef<'_>, key: &[u8], options: &ReadOptions) -> Result<Option<Bytes>, Fault> {
    let value = db.get_pinned_cf_opt(family, key, options).map_err(fault)?;
    Ok(value.map(|value| Bytes::copy_from_slice(&value)))
}

pub(crate) fn bounds(span: &Span) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(span.start.clone());
    if let Some(end) = &span.end {
        // RocksDB wants the bounds in order; an empty span is one that ends where it starts.
        options.set_iterate_upper_bound(end.clone().max(span.start.clone()));
    }
    options
}

pub(crate) fn scan<'a>(mut rows: DBRawIteratorWithThreadMode<'a, Db>, direction: Direction) -> Rows<'a> {
    match direction {
        Direction::Ascending => rows.seek_to_first(),
        Direction::Descending => rows.seek_to_last(),
    }
    Box::new(Scan { rows, direction, started: false, failed: false })
}

fn failed<'a>(error: StoreError) -> Rows<'a> {
    Box::new(std::iter::once(Err(error.into())))
}

pub(crate) fn fault(error: daybook_rocks::rocksdb::Error) -> Fault {
    StoreError::from(RocksError::from(error)).into()
}

struct Scan<'a> {
    rows: DBRawIteratorWithThreadMode<'a, Db>,
    direction: Direction,
    started: bool,
    failed: bool,
}

impl Iterator for Scan<'_> {
    type Item = Result<state::Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.started {
            match self.direction {
                Direction::Ascending => self.rows.next(),
                Direction::Descending => self.rows.prev(),
            }
        }
        self.started = true;
        if let Some((key, value)) = self.rows.item() {
            return Some(Ok((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))));
        }
        self.failed = true;
        self.rows.status().err().map(|error| Err(fault(error)))
    }
}
