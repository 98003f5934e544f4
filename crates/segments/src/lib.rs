//! The format in which a log is kept outside the log, documented in `docs/log-format.md`: [`segment`]s of records, and a
//! [`Manifest`] that says what there is.
//!
//! An exported log (`daybook_archive`) lies in a folder in this format, the archived beginning of a log
//! (`daybook_snapshot`) in an object store.
//!
//! Architecture invariants: bytes in, bytes out: nothing is read or written here; the content of a record is bytes.
//!
//! ```
//! use bytes::Bytes;
//! use daybook_kernel::id::Offset;
//! use daybook_log::{Record, Topic};
//! use daybook_segments::segment::Draft;
//!
//! let record = Record { offset: Offset(7), bytes: Bytes::from_static(b"hello") };
//! let mut draft = Draft::new(Topic::Commands, 0, Offset(7));
//! draft.push(&record);
//! let (segment, bytes) = draft.close();
//! assert_eq!(segment.read(bytes)?, [record]);
//! # Ok::<(), String>(())
//! ```

mod manifest;
pub mod segment;

pub use manifest::{FormatError, HeadEntry, Lane, MANIFEST, Manifest, Segment, segment_file};
