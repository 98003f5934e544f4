//! A file of an exported or archived log, whose manifest was made to fit: offset of the first record and how many there
//! are (8 bytes each), then the file.

use bytes::Bytes;
use daybook_kernel::id::Offset;
use daybook_log::Topic;
use daybook_segments::segment::Draft;
use daybook_segments::{Segment, segment_file};

pub(super) fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Some((records, file)) = rest.split_first_chunk::<8>() else { return };
    let (first, records) = (u64::from_be_bytes(*first), u64::from_be_bytes(*records));
    let segment = Segment {
        file: segment_file(Topic::Commands, 0, first),
        first,
        records,
        bytes: file.len() as u64,
        blake3: blake3::hash(file).to_hex().to_string(),
    };
    let Ok(read) = segment.read(Bytes::copy_from_slice(file)) else { return };
    assert_eq!(read.len() as u64, records);
    let mut draft = Draft::new(Topic::Commands, 0, Offset(first));
    read.iter().for_each(|record| draft.push(record));
    let (again, written) = draft.close();
    assert_eq!(written, file, "there is one way to write it down");
    assert_eq!(again, segment);
}
