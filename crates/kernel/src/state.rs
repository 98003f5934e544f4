//! The state of a partition as ordered bytes: reading it, and what a decision wants written.
//!
//! Processors and projections do not see this: they see typed tables, see [`crate::table`].

use std::cell::Cell;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;
use std::ops::Bound;

use bytes::Bytes;

use crate::feature_level::FeatureLevel;
use crate::hash::Hash;

/// The projection that a table belongs to; each is stored, rebuilt and swapped on its own. The numbers are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectionId(pub u8);

impl ProjectionId {
    /// What the partition loop itself keeps, see [`crate::system`].
    pub const SYSTEM: Self = Self(0);
}

/// Why state could not be read, or deciding had to stop. None of these is an answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
    /// A row or key cannot be decoded.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The log has reached a feature level that this release does not understand.
    #[error(
        "the log has reached feature level {reached}, and this release understands up to {understood}: a newer release \
         wrote what follows; nothing was changed; run the release that the other nodes run"
    )]
    NewerRelease {
        /// The level that the log has reached.
        reached: FeatureLevel,
        /// The newest level that this release understands.
        understood: FeatureLevel,
    },
    /// A decision read more rows than it may.
    #[error("a decision may read {0} rows at most")]
    OverBudget(u64),
}

/// One row: key and value.
pub type Row = (Bytes, Bytes);

/// Rows in order of their keys.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, Fault>> + 'a>;

/// From `start` to before `end`; `None` is the end of the projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The first key.
    pub start: Vec<u8>,
    /// The first key after.
    pub end: Option<Vec<u8>>,
}

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// State that can be read.
pub trait Read {
    /// The value of a key.
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault>;
    /// The rows of a span.
    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_>;
}

/// What is to be written: the latest value of each key, `None` for a deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteSet {
    projections: BTreeMap<ProjectionId, BTreeMap<Bytes, Option<Bytes>>>,
}

impl WriteSet {
    /// Sets a row.
    pub fn put(&mut self, projection: ProjectionId, key: Vec<u8>, value: Vec<u8>) {
        self.projections.entry(projection).or_default().insert(key.into(), Some(value.into()));
    }

    /// Deletes a row.
    pub fn delete(&mut self, projection: ProjectionId, key: Vec<u8>) {
        self.projections.entry(projection).or_default().insert(key.into(), None);
    }

    /// What this set says of a key: `None` if nothing, `Some(None)` if it is deleted.
    pub fn get(&self, projection: ProjectionId, key: &[u8]) -> Option<Option<&Bytes>> {
        self.projections.get(&projection)?.get(key).map(Option::as_ref)
    }

    /// Everything that is to be written, in order.
    pub fn iter(&self) -> impl Iterator<Item = (ProjectionId, &Bytes, Option<&Bytes>)> {
        let rows = |(projection, rows): (&ProjectionId, _)| (*projection, rows);
        self.projections.iter().map(rows).flat_map(|(projection, rows): (_, &BTreeMap<Bytes, Option<Bytes>>)| {
            rows.iter().map(move |(key, value)| (projection, key, value.as_ref()))
        })
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.projections.values().all(BTreeMap::is_empty)
    }

    /// How many rows are to be written.
    pub fn len(&self) -> usize {
        self.projections.values().map(BTreeMap::len).sum()
    }

    /// Whether anything is to be written in a projection.
    pub fn touches_projection(&self, projection: ProjectionId) -> bool {
        self.projections.get(&projection).is_some_and(|rows| !rows.is_empty())
    }

    /// Whether anything is to be written in a span.
    pub fn touches(&self, projection: ProjectionId, span: &Span) -> bool {
        self.span(projection, span).is_some_and(|mut rows| rows.next().is_some())
    }

    /// Takes over all that `later` says; where both speak of a key, `later` is right.
    pub fn merge(&mut self, later: WriteSet) {
        for (projection, rows) in later.projections {
            let mine = self.projections.entry(projection).or_default();
            if mine.is_empty() {
                *mine = rows;
            } else {
                mine.extend(rows);
            }
        }
    }

    fn span(&self, projection: ProjectionId, span: &Span) -> Option<btree_map::Range<'_, Bytes, Option<Bytes>>> {
        let end = match &span.end {
            Some(end) if *end <= span.start => return None,
            Some(end) => Bound::Excluded(end.as_slice()),
            None => Bound::Unbounded,
        };
        let rows = self.projections.get(&projection)?;
        Some(rows.range::<[u8], _>((Bound::Included(span.start.as_slice()), end)))
    }
}

/// State with write sets laid over it: what it will be once they are written. The last layer is the newest.
#[derive(Clone)]
pub struct Layered<'a> {
    base: &'a dyn Read,
    layers: Vec<&'a WriteSet>,
}

impl<'a> Layered<'a> {
    /// `base` with nothing over it.
    pub fn new(base: &'a dyn Read) -> Self {
        Self { base, layers: Vec::new() }
    }

    /// The same with one more layer over it.
    #[must_use]
    pub fn over(mut self, newest: &'a WriteSet) -> Self {
        self.layers.push(newest);
        self
    }
}

impl Read for Layered<'_> {
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        for layer in self.layers.iter().rev() {
            if let Some(value) = layer.get(projection, key) {
                return Ok(value.cloned());
            }
        }
        self.base.get(projection, key)
    }

    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
        let mut sources: Vec<Peekable<Written<'_>>> = Vec::new();
        for layer in self.layers.iter().rev() {
            if let Some(rows) = layer.span(projection, &span) {
                let rows = rows.map(|(key, value)| Ok((key.clone(), value.clone())));
                let rows: Written<'_> = match direction {
                    Direction::Ascending => Box::new(rows),
                    Direction::Descending => Box::new(rows.rev()),
                };
                sources.push(rows.peekable());
            }
        }
        let base = self.base.scan(projection, span, direction);
        if sources.is_empty() {
            return base;
        }
        let base: Written<'_> = Box::new(base.map(|row| row.map(|(key, value)| (key, Some(value)))));
        sources.push(base.peekable());
        Box::new(Merged { sources, direction })
    }
}

type Written<'a> = Box<dyn Iterator<Item = Result<(Bytes, Option<Bytes>), Fault>> + 'a>;

/// Several sorted sources as one; of equal keys the first source's counts, deletions vanish.
struct Merged<'a> {
    sources: Vec<Peekable<Written<'a>>>,
    direction: Direction,
}

impl Iterator for Merged<'_> {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut next: Option<Bytes> = None;
            for source in &mut self.sources {
                match source.peek() {
                    None => {}
                    Some(Err(fault)) => return Some(Err(fault.clone())),
                    Some(Ok((key, _))) => {
                        let comes_first = next.as_ref().is_none_or(|least| match self.direction {
                            Direction::Ascending => key < least,
                            Direction::Descending => key > least,
                        });
                        if comes_first {
                            next = Some(key.clone());
                        }
                    }
                }
            }
            let key = next?;
            let mut newest = None;
            for source in &mut self.sources {
                if let Some(Ok((_, value))) = source.next_if(|row| matches!(row, Ok((other, _)) if *other == key)) {
                    newest.get_or_insert(value);
                }
            }
            if let Some(Some(value)) = newest {
                return Some(Ok((key, value)));
            }
        }
    }
}

/// State that counts what is read from it and stops at a limit. A decision gets one, so that its effort is bounded by
/// something that is the same in every replay, which time would not be.
pub struct Metered<'a> {
    inner: &'a dyn Read,
    rows: Cell<u64>,
    limit: u64,
}

impl<'a> Metered<'a> {
    /// Lets at most `limit` rows be read.
    pub fn new(inner: &'a dyn Read, limit: u64) -> Self {
        Self { inner, rows: Cell::new(0), limit }
    }

    fn charge(&self) -> Result<(), Fault> {
        self.rows.set(self.rows.get() + 1);
        if self.rows.get() > self.limit { Err(Fault::OverBudget(self.limit)) } else { Ok(()) }
    }
}

impl Read for Metered<'_> {
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        self.charge()?;
        self.inner.get(projection, key)
    }

    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
        let rows = self.inner.scan(projection, span, direction);
        Box::new(rows.map(|row| self.charge().and(row)))
    }
}

/// The hash of every row of some projections, in order, and how many there are. Two states are the same if and only if
/// their digests are.
pub fn digest(state: &dyn Read, projections: impl IntoIterator<Item = ProjectionId>) -> Result<(Hash, u64), Fault> {
    let mut hasher = blake3::Hasher::new_derive_key("daybook state digest");
    let mut rows = 0;
    for projection in projections {
        hasher.update(&[projection.0]);
        for row in state.scan(projection, Span { start: Vec::new(), end: None }, Direction::Ascending) {
            let (key, value) = row?;
            for part in [&key, &value] {
                hasher.update(&(part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
            rows += 1;
        }
        // No row has a key of this length: the end of a projection cannot be taken for a row.
        hasher.update(&u64::MAX.to_be_bytes());
    }
    Ok((Hash::from(hasher.finalize()), rows))
}

/// State without a row.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Read for Nothing {
    fn get(&self, _: ProjectionId, _: &[u8]) -> Result<Option<Bytes>, Fault> {
        Ok(None)
    }

    fn scan(&self, _: ProjectionId, _: Span, _: Direction) -> Rows<'_> {
        Box::new(std::iter::empty())
    }
}

/// State in memory: for tests, and for verifying logs that are small.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryState {
    rows: WriteSet,
}

impl MemoryState {
    /// Writes a set.
    pub fn apply(&mut self, writes: &WriteSet) {
        for (projection, key, value) in writes.iter() {
            let rows = self.rows.projections.entry(projection).or_default();
            match value {
                Some(value) => rows.insert(key.clone(), Some(value.clone())),
                None => rows.remove(key),
            };
        }
    }

    /// Every row, in order.
    pub fn iter(&self) -> impl Iterator<Item = (ProjectionId, &Bytes, &Bytes)> {
        self.rows.iter().filter_map(|(projection, key, value)| Some((projection, key, value?)))
    }
}

impl Read for MemoryState {
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        Ok(self.rows.get(projection, key).flatten().cloned())
    }

    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
        let Some(rows) = self.rows.span(projection, &span) else { return Box::new(std::iter::empty()) };
        let rows = rows.filter_map(|(key, value)| Some(Ok((key.clone(), value.clone()?))));
        match direction {
            Direction::Ascending => Box::new(rows),
            Direction::Descending => Box::new(rows.rev()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const P: ProjectionId = ProjectionId(9);

    fn write_set() -> impl Strategy<Value = WriteSet> {
        prop::collection::vec(("[a-f]{1,2}", prop::option::of(0_u8..9)), 0..12).prop_map(|rows| {
            let mut set = WriteSet::default();
            for (key, value) in rows {
                match value {
                    Some(value) => set.put(P, key.into_bytes(), vec![value]),
                    None => set.delete(P, key.into_bytes()),
                }
            }
            set
        })
    }

    fn rows(state: &dyn Read, span: Span, direction: Direction) -> Vec<Row> {
        state.scan(P, span, direction).collect::<Result<_, _>>().unwrap()
    }

    proptest! {
        #[test]
        fn layers_read_as_if_they_were_written(
            base in write_set(), layers in prop::collection::vec(write_set(), 0..4),
            start in "[a-f]{0,2}", end in prop::option::of("[a-f]{0,2}"), key in "[a-f]{1,2}",
        ) {
            let mut below = MemoryState::default();
            below.apply(&base);
            let mut written = below.clone();
            let mut merged = WriteSet::default();
            let mut layered = Layered::new(&below);
            for layer in &layers {
                written.apply(layer);
                merged.merge(layer.clone());
                layered = layered.over(layer);
            }
            let mut written_at_once = below.clone();
            written_at_once.apply(&merged);
            prop_assert_eq!(&written_at_once, &written);

            let span = Span { start: start.into_bytes(), end: end.map(String::into_bytes) };
            for direction in [Direction::Ascending, Direction::Descending] {
                let expected = rows(&written, span.clone(), direction);
                prop_assert_eq!(rows(&layered, span.clone(), direction), expected);
            }
            prop_assert_eq!(layered.get(P, key.as_bytes()), written.get(P, key.as_bytes()));
            prop_assert_eq!(layered.get(ProjectionId(8), key.as_bytes()), Ok(None));
        }
    }

    #[test]
    fn a_meter_stops_reading_at_its_limit() {
        let mut state = MemoryState::default();
        let mut writes = WriteSet::default();
        for key in 0..10 {
            writes.put(P, vec![key], vec![key]);
        }
        state.apply(&writes);
        let metered = Metered::new(&state, 4);
        assert!(metered.get(P, &[1]).is_ok());
        let read: Vec<_> = metered.scan(P, Span { start: vec![], end: None }, Direction::Ascending).take(4).collect();
        assert!(read[..3].iter().all(Result::is_ok));
        assert_eq!(read[3], Err(Fault::OverBudget(4)));
    }
}
