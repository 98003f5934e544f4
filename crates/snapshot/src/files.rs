//! Local files, hashed on their way.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::SnapshotError;

/// Length and BLAKE3 hash of bytes that passed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    pub(crate) blake3: String,
}

/// Adds up a [`Sum`].
#[derive(Default)]
pub(crate) struct Summing {
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Summing {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(crate) fn sum(&self) -> Sum {
        Sum { bytes: self.bytes, blake3: self.hasher.finalize().to_hex().to_string() }
    }
}

/// Bytes that are read at once.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// Copies a file to one that is on the disk when this returns.
pub(crate) fn copy_summed(mut from: impl Read, to: &Path) -> io::Result<Sum> {
    let mut out = File::create(to)?;
    let mut summing = Summing::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match from.read(&mut chunk)? {
            0 => break,
            count => {
                summing.add(&chunk[..count]);
                out.write_all(&chunk[..count])?;
            }
        }
    }
    out.sync_all()?;
    Ok(summing.sum())
}

/// Makes the names of a folder's files durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Does what blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    file: &Path,
    what: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, SnapshotError> {
    let done = tokio::task::spawn_blocking(what).await;
    done.map_err(io::Error::other).and_then(|done| done).map_err(|error| SnapshotError::file(file, error))
}
