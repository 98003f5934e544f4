//! Writing without a write-ahead log, and without standing still for ever when the disk is full.
//!
//! RocksDB stops writes while what is in memory cannot be written out. When that has failed for want of space it waits
//! for space, however long, and with it every thread that writes: the node would hang, and nobody would take over from it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rocksdb::{ErrorKind, WriteBatch, WriteOptions, properties};

use crate::{Db, RocksError};

/// How long a write waits after something could not be written in the background, and how long in any case: RocksDB does
/// not count every failure for want of space.
const WAIT_AFTER_FAILURE_MAX: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(8);
/// The first wait of a write that cannot be taken now, and the longest. Each is twice as long as the one before: RocksDB
/// puts an attempt that it does not take on the account of the next one.
const WAIT_FIRST: Duration = Duration::from_millis(1);
const WAIT_LONGEST: Duration = Duration::from_millis(500);

/// Writes a batch without a write-ahead log.
///
/// # Errors
/// [`RocksError::Full`] when writes stand still because what was written before does not get to the disk.
pub fn write_unlogged(db: &Db, batch: WriteBatch) -> Result<(), RocksError> {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options.set_no_slowdown(true);
    let bytes = batch.data().to_vec();
    let (started, mut wait) = (Instant::now(), WAIT_FIRST);
    let mut batch = batch;
    loop {
        match db.write_opt(batch, &options) {
            Err(error) if error.kind() == ErrorKind::Incomplete => {}
            done => return Ok(done?),
        }
        let has_failed = db.property_int_value(properties::BACKGROUND_ERRORS)?.is_some_and(|errors| errors > 0);
        if started.elapsed() >= if has_failed { WAIT_AFTER_FAILURE_MAX } else { WAIT_MAX } {
            let what = "what was written before does not get to the disk, so that nothing more can be written";
            return Err(RocksError::Full(what.to_owned()));
        }
        sleep(wait);
        wait = (wait * 2).min(WAIT_LONGEST);
        batch = WriteBatch::from_data(&bytes);
    }
}
