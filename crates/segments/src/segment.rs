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
use daybook_log::{RECORD_BYTES_MAX, Record, Topic};

use crate::{Segment, segment_file};

/// What a segment file begins with.
pub const MAGIC: &[u8] = b"daybook log segment 1\n";
/// A segment is closed once it holds so many bytes.
pub const BYTES_MAX: usize = 16 << 20;

/// Offset and length of a record, in bytes.
const PREFIX_BYTES: usize = 12;

/// A segment that is being put together.
#[derive(Debug)]
pub struct Draft {
    topic: Topic,
    partition: u32,
    /// Offset of its first record.
    pub first: Offset,
    /// How many records it holds.
    pub records: u64,
    bytes: BytesMut,
}

impl Draft {
    /// One without records; the first that is added has the offset `first`.
    pub fn new(topic: Topic, partition: u32, first: Offset) -> Self {
        Self { topic, partition, first, records: 0, bytes: BytesMut::from(MAGIC) }
    }

    /// Adds the next record.
    pub fn push(&mut self, record: &Record) {
        self.bytes.put_u64(record.offset.0);
        // A log takes no record that is longer.
        self.bytes.put_u32(u32::try_from(record.bytes.len()).unwrap_or(u32::MAX));
        self.bytes.put_slice(&record.bytes);
        self.records += 1;
    }

    /// Whether it should be closed.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= BYTES_MAX
    }

    /// The bytes of the file, and what the manifest says of it.
    pub fn close(self) -> (Segment, Bytes) {
        let bytes = self.bytes.freeze();
        let segment = Segment {
            file: segment_file(self.topic, self.partition, self.first.0),
            first: self.first.0,
            records: self.records,
            bytes: bytes.len() as u64,
            blake3: blake3::hash(&bytes).to_hex().to_string(),
        };
        (segment, bytes)
    }
}

impl Segment {
    /// The records in the bytes of its file, once length and hash are what the manifest says.
    ///
    /// # Errors
    /// What is wrong, with the name of the file.
    pub fn read(&self, bytes: Bytes) -> Result<Vec<Record>, String> {
        if bytes.len() as u64 != self.bytes {
            return Err(format!("{} has {} bytes and not {}", self.file, bytes.len(), self.bytes));
        }
        if blake3::hash(&bytes).to_hex().as_str() != self.blake3 {
            return Err(format!("{} has not the checksum that the manifest says", self.file));
        }
        read(bytes, self.first, self.records).map_err(|what| format!("{}: {what}", self.file))
    }

    /// Offset after its last record.
    pub fn next(&self) -> u64 {
        self.first.saturating_add(self.records)
    }
}

/// Reads the records of a segment: `records` of them, from the offset `first`, and nothing else.
fn read(mut bytes: Bytes, first: u64, records: u64) -> Result<Vec<Record>, String> {
    if !bytes.starts_with(MAGIC) {
        return Err("it does not begin as a segment does".to_owned());
    }
    bytes.advance(MAGIC.len());
    let mut read = Vec::new();
    let next =
        first.checked_add(records).ok_or_else(|| format!("{records} records from offset {first} do not exist"))?;
    for expected in first..next {
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
            let mut draft = Draft::new(Topic::Commands, 0, Offset(first));
            let records: Vec<_> = (first..)
                .zip(contents)
                .map(|(offset, bytes)| Record { offset: Offset(offset), bytes: bytes.into() })
                .collect();
            records.iter().for_each(|record| draft.push(record));
            let count = draft.records;
            let bytes = draft.close().1;
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
        let mut draft = Draft::new(Topic::Commands, 0, Offset(7));
        draft.push(&Record { offset: Offset(7), bytes: Bytes::from_static(b"ab") });
        assert_eq!(&draft.close().1[..], b"daybook log segment 1\n\0\0\0\0\0\0\0\x07\0\0\0\x02ab");
    }
}
