//! The contract of a keyed log: one partition in which only the last record of each key is kept.

use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::id::Offset;
use futures_util::future::{BoxFuture, FutureExt};

use crate::LogError;
use crate::topic::Appended;

/// The largest record that a keyed log takes, key and value together, in bytes.
pub const KEYED_RECORD_BYTES_MAX: usize = 64 << 10;

/// One record of a keyed log, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRecord {
    /// Its place.
    pub offset: Offset,
    /// What it says something of.
    pub key: Bytes,
    /// What it says; `None` says that the key is gone (a tombstone).
    pub value: Option<Bytes>,
}

/// Records that were read in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRecords {
    /// The records, in their order. May be empty: a log also holds records of its own, which readers do not see.
    pub records: Vec<KeyedRecord>,
    /// Every record before this place was read.
    pub read_to: Offset,
}

/// A small log of one partition that forgets: of each key it keeps the last record. Safe to share among nodes.
///
/// ```text
///   offset   0      1      4      5      7      8      9
///          [a: 1] [b: 1] [c: 1] [b: -] [d: 1] [d: 2] [e: 1]        end() = 10
///             |                    |      |
///             |                    |      superseded by 8: still here, will go
///             |                    a tombstone: takes 1 with it, goes later itself
///             the only record of a: stays
/// ```
///
/// What an implementation MUST do, and the conformance suite checks:
///
/// - Records get growing offsets. Those of one thread that are put one after the other keep that order, if they succeed.
///   Offsets have gaps: superseded records go, and the log writes records of its own.
/// - When a put is acknowledged with an offset, the record is durable (Kafka: on all in-sync replicas) and stays until a
///   later record of its key supersedes it. When a put fails, the record MAY be in the log, now or later.
/// - Only superseded records and tombstones go. A tombstone stays for at least a day (Kafka: `delete.retention.ms`), so
///   that readers can see it.
/// - A record that was superseded has left the log's files [`forgets_within`](Self::forgets_within) of the
///   acknowledgement of the record that did so.
/// - A reader sees every record that is kept, from the first, in order, without repetition. Whether it sees one that is
///   superseded already is open.
/// - `end` is the place after the last record that was acknowledged to anybody before it was called, so that a reader
///   which has read to it knows all of them.
pub trait KeyedLog: Send + Sync + 'static {
    /// Where it lies, for people; without credentials.
    fn describe(&self) -> String;

    /// Looks whether the log still has the settings without which it could lose records, or keep what it must forget.
    /// Somebody may have changed them.
    ///
    /// # Errors
    /// [`LogError::WrongSettings`] says which are wrong. Any other error: it is not known whether one is.
    fn check_settings(&self) -> BoxFuture<'_, Result<(), LogError>> {
        std::future::ready(Ok(())).boxed()
    }

    /// Appends a record; a `None` value takes the key away. The place in the order is taken when this returns, not when
    /// the future is polled; the record is durable when the future resolves.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] and [`LogError::KeyInvalid`] before anything is written; [`LogError::Unavailable`] when it
    /// is not known whether the record was written.
    fn put(&self, key: &[u8], value: Option<Bytes>) -> Appended;

    /// Opens a reader at the first record.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no reader can be set up.
    fn follow(&self) -> Result<Box<dyn KeyedReader>, LogError>;

    /// The place after the last acknowledged record.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the log cannot be asked.
    fn end(&self) -> BoxFuture<'_, Result<Offset, LogError>>;

    /// How long after it was superseded a record can still be in the files of the log, at most.
    fn forgets_within(&self) -> Duration;
}

/// Reads a keyed log in order.
pub trait KeyedReader: Send {
    /// What comes next; waits at the end of the log. Cancel safe.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when records are missing that should be there, and [`LogError::Closed`]. After an error
    /// there is nothing more to read. A log that cannot be reached for a while is no error: it waits.
    fn next(&mut self) -> BoxFuture<'_, Result<KeyedRecords, LogError>>;
}

/// Why a record cannot be put, if it cannot. Keys that begin with a zero byte are the log's own.
pub(crate) fn check(key: &[u8], value: Option<&Bytes>) -> Result<(), LogError> {
    let bytes = key.len() + value.map_or(0, Bytes::len);
    if bytes > KEYED_RECORD_BYTES_MAX {
        return Err(LogError::TooLarge { bytes, max: KEYED_RECORD_BYTES_MAX });
    }
    if key.first().is_none_or(|first| *first == 0) { Err(LogError::KeyInvalid) } else { Ok(()) }
}
