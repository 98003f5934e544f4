//! The bytes of a segment file: a line that says what it is, then record after record.
//!
//! ```text
//! "daybook log segment 1\n"
//! offset: 8 bytes, big-endian | length: 4 bytes, big-endian | the record's bytes
//! offset | length | bytes
//! ...
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use daybook_kernel::id::Offset;
use daybook_log::{RECORD_BYTES_MAX, Record};

/// What a segment file begins with.
pub(crate) const MAGIC: &[u8] = b"daybook log segment 1\n";
/// A segment is closed once it holds so many bytes.
pub(crate) const BYTES_MAX: usize = 16 << 20;

/// Offset and length of a record, in bytes.
const PREFIX_BYTES: usize = 12;

/// A segment that is being put together.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Offset of its first record.
    pub(crate) first: Offset,
    /// How many records it holds.
    pub(crate) records: u64,
    bytes: BytesMut,
}

impl Draft {
    /// One without records; the first that is added has the offset `first`.
    pub(crate) fn new(first: Offset) -> Self {
        Self { first, records: 0, bytes: BytesMut::from(MAGIC) }
    }

    /// Adds the next record.
    pub(crate) fn push(&mut self, record: &Record) {
        self.bytes.put_u64(record.offset.0);
        // A log takes no record that is longer.
        self.bytes.put_u32(u32::try_from(record.bytes.len()).unwrap_or(u32::MAX));
        self.bytes.put_slice(&record.bytes);
        self.records += 1;
    }

    /// Whether it should be closed.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BYTES_MAX
    }

    /// The bytes of the file.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes.freeze()
    }
}

/// Reads the records of a segment: `records` of them, from the offset `first`, and nothing else.
pub(crate) fn read(mut bytes: Bytes, first: u64, records: u64) -> Result<Vec<Record>, String> {
    if !bytes.starts_with(MAGIC) {
        return Err("it does not begin as a segment does".to_owned());
    }
    bytes.advance(MAGIC.len());
    let mut read = Vec::new();
    for expected in (first..).take(usize::try_from(records).unwrap_or(usize::MAX)) {
        if bytes.len() < PREFIX_BYTES {
            return Err(format!("it ends before the record at offset {expected}"));
        }
        let (offset, length) = (bytes.get_u64(), bytes.get_u32() as usize);
        if offset != expected {
            return Err(format!("it has offset {offset} where {expected} should be"));
        }
        if length > RECORD_BYTES_MAX || length > bytes.len() {
            return Err(format!("it ends inside the record at offset {offset}"));
        }
        read.push(Record { offset: Offset(offset), bytes: bytes.split_to(length) });
    }
    if bytes.is_empty() { Ok(read) } else { Err(format!("{} bytes follow its last record", bytes.len())) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            first in 0_u64..1 << 40,
            contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
        ) {
            let mut draft = Draft::new(Offset(first));
            let records: Vec<_> = (first..)
                .zip(contents)
                .map(|(offset, bytes)| Record { offset: Offset(offset), bytes: bytes.into() })
                .collect();
            records.iter().for_each(|record| draft.push(record));
            let (count, bytes) = (draft.records, draft.into_bytes());
            prop_assert_eq!(read(bytes.clone(), first, count), Ok(records));
            prop_assert!(read(bytes.clone(), first, count + 1).is_err(), "one record is missing");
            prop_assert!(read(bytes.slice(..bytes.len() - 1), first, count).is_err(), "cut short");
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), magic in any::<bool>()) {
            let bytes = if magic { [MAGIC, &bytes].concat() } else { bytes };
            let _ = read(bytes.into(), 0, 3);
        }
    }

    /// Part of the format.
    #[test]
    fn frozen() {
        let mut draft = Draft::new(Offset(7));
        draft.push(&Record { offset: Offset(7), bytes: Bytes::from_static(b"ab") });
        assert_eq!(&draft.into_bytes()[..], b"daybook log segment 1\n\0\0\0\0\0\0\0\x07\0\0\0\x02ab");
    }
}
