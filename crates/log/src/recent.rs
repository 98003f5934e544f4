//! The records that were appended last. Who reads along at the end of a log gets them from here, without asking the
//! database or the broker.

use std::collections::VecDeque;

use crate::topic::Record;

/// A contiguous run of records of one partition of one topic. Bounded by bytes; the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    records: VecDeque<Record>,
    bytes: usize,
}

impl Recent {
    const BYTES_MAX: usize = 256 << 10;

    /// Adds a record that stands in the log. If it does not continue the run, it starts a new one.
    pub(crate) fn push(&mut self, record: Record) {
        if self.records.back().is_some_and(|last| last.offset.next() != record.offset) {
            self.clear();
        }
        self.bytes += record.bytes.len();
        self.records.push_back(record);
        while self.bytes > Self::BYTES_MAX
            && let Some(oldest) = self.records.pop_front()
        {
            self.bytes -= oldest.bytes.len();
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The records from `at` to before `end`, at most `count`; none if the run does not reach back to `at`.
    pub(crate) fn from(&self, at: u64, end: u64, count: usize) -> Vec<Record> {
        let skip = self.records.front().and_then(|oldest| at.checked_sub(oldest.offset.0));
        let Some(skip) = skip.and_then(|skip| usize::try_from(skip).ok()) else { return Vec::new() };
        let records = self.records.iter().skip(skip).take(count);
        records.take_while(|record| record.offset.0 < end).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use daybook_kernel::id::Offset;

    use super::*;

    fn record(offset: u64, bytes: usize) -> Record {
        Record { offset: Offset(offset), bytes: Bytes::from(vec![0; bytes]) }
    }

    fn offsets(recent: &Recent, at: u64, end: u64, count: usize) -> Vec<u64> {
        recent.from(at, end, count).iter().map(|record| record.offset.0).collect()
    }

    #[test]
    fn a_reader_gets_what_follows_its_place_and_nothing_else() {
        let mut recent = Recent::default();
        assert_eq!(offsets(&recent, 0, 9, 9), [0; 0]);
        recent.push(record(2, 1));
        recent.clear();
        (5..9).for_each(|offset| recent.push(record(offset, 1)));
        assert_eq!(offsets(&recent, 5, 9, 9), [5, 6, 7, 8]);
        assert_eq!(offsets(&recent, 6, 8, 9), [6, 7]);
        assert_eq!(offsets(&recent, 6, 9, 1), [6]);
        assert_eq!(offsets(&recent, 9, 20, 9), [0; 0], "beyond its end");
        assert_eq!(offsets(&recent, 4, 9, 9), [0; 0], "before its start");
    }

    #[test]
    fn a_gap_starts_anew_and_old_records_go() {
        let mut recent = Recent::default();
        recent.push(record(0, 1));
        recent.push(record(2, 1));
        assert_eq!(offsets(&recent, 0, 9, 9), [0; 0]);
        assert_eq!(offsets(&recent, 2, 9, 9), [2]);
        recent.push(record(3, Recent::BYTES_MAX));
        assert_eq!(offsets(&recent, 2, 9, 9), [0; 0]);
        assert_eq!(offsets(&recent, 3, 9, 9), [3]);
        recent.push(record(4, Recent::BYTES_MAX + 1));
        assert_eq!(offsets(&recent, 4, 9, 9), [0; 0], "larger than all that is kept");
        recent.push(record(5, 1));
        assert_eq!(offsets(&recent, 5, 9, 9), [5]);
    }
}
