//! Remembering rows that were read. Every decision reads the same few rows (the policy set in force, its tenant, its
//! retention class), and reading a row from a store costs more than anything else that deciding does.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::state::{Direction, Fault, ProjectionId, Read, Rows, Span};

/// Rows that are remembered at most. The first ones stay: what every decision reads is among them.
const ROWS_MAX: usize = 1_000;
/// The longest row that is remembered, in bytes.
const ROW_BYTES_MAX: usize = 4 << 10;

/// Rows that were found in a state. Good for as long as nothing is written to that state.
#[derive(Debug, Default)]
pub struct Remembered {
    rows: RefCell<BTreeMap<ProjectionId, HashMap<Bytes, Bytes>>>,
}

impl Remembered {
    /// The state with what is remembered of it.
    pub fn of<'a>(&'a self, state: &'a dyn Read) -> Remembering<'a> {
        Remembering { state, remembered: self }
    }

    /// Forgets everything: the state was written to.
    pub fn forget(&mut self) {
        self.rows.get_mut().clear();
    }
}

/// A state whose rows are read once. Scans are not remembered.
#[derive(Clone, Copy)]
pub struct Remembering<'a> {
    state: &'a dyn Read,
    remembered: &'a Remembered,
}

impl Read for Remembering<'_> {
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        if let Some(row) = self.remembered.rows.borrow().get(&projection).and_then(|rows| rows.get(key)) {
            return Ok(Some(row.clone()));
        }
        let row = self.state.get(projection, key)?;
        if let Some(row) = row.as_ref().filter(|row| row.len() <= ROW_BYTES_MAX) {
            let mut remembered = self.remembered.rows.borrow_mut();
            let rows = remembered.entry(projection).or_default();
            if rows.len() < ROWS_MAX {
                rows.insert(Bytes::copy_from_slice(key), row.clone());
            }
        }
        Ok(row)
    }

    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
        self.state.scan(projection, span, direction)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::state::{MemoryState, WriteSet};

    const P: ProjectionId = ProjectionId(7);

    /// Counts how often it is asked.
    struct Counting<'a>(&'a MemoryState, Cell<u32>);

    impl Read for Counting<'_> {
        fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
            self.1.set(self.1.get() + 1);
            self.0.get(projection, key)
        }

        fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
            self.0.scan(projection, span, direction)
        }
    }

    fn state(rows: usize) -> MemoryState {
        let (mut state, mut writes) = (MemoryState::default(), WriteSet::default());
        for row in 0..rows {
            writes.put(P, row.to_string().into_bytes(), b"value".to_vec());
        }
        state.apply(&writes);
        state
    }

    #[test]
    fn a_row_is_read_once_until_the_state_is_written_to() {
        let (before, mut remembered) = (state(1), Remembered::default());
        let counting = Counting(&before, Cell::new(0));
        for _ in 0..3 {
            assert_eq!(remembered.of(&counting).get(P, b"0").unwrap().unwrap(), "value");
        }
        assert_eq!(counting.1.get(), 1);
        assert_eq!(remembered.of(&counting).get(ProjectionId(8), b"0").unwrap(), None, "of another projection");
        let mut after = before.clone();
        let mut writes = WriteSet::default();
        writes.delete(P, b"0".to_vec());
        after.apply(&writes);
        remembered.forget();
        assert_eq!(remembered.of(&after).get(P, b"0").unwrap(), None);
    }

    #[test]
    fn a_row_that_is_missing_is_looked_for_every_time() {
        let (mut state, remembered) = (state(0), Remembered::default());
        assert_eq!(remembered.of(&state).get(P, b"late").unwrap(), None);
        let mut writes = WriteSet::default();
        writes.put(P, b"late".to_vec(), b"value".to_vec());
        state.apply(&writes);
        assert!(remembered.of(&state).get(P, b"late").unwrap().is_some());
    }

    #[test]
    fn however_many_rows_are_read_some_are_remembered() {
        let (state, remembered) = (state(ROWS_MAX + 10), Remembered::default());
        let counting = Counting(&state, Cell::new(0));
        for _ in 0..2 {
            for row in 0..ROWS_MAX + 10 {
                assert!(remembered.of(&counting).get(P, row.to_string().as_bytes()).unwrap().is_some());
            }
        }
        assert_eq!(counting.1.get() as usize, ROWS_MAX + 20, "the first ones once, the last ten twice");
    }
}
