//! The files of an archive.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use daybook_segments::{FormatError, MANIFEST, Manifest};

use crate::ArchiveError;

/// Reads the manifest in a folder.
pub(crate) fn read_manifest(folder: &Path) -> Result<Manifest, ArchiveError> {
    let file = folder.join(MANIFEST);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Manifest::parse(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(ArchiveError::NotFound { folder: folder.to_owned() })
        }
        Err(error) => Err(ArchiveError::file(&file, &error)),
    }
}

/// Writes the manifest into the archive's folder: whole or not at all.
pub(crate) fn write_manifest(manifest: &Manifest, folder: &Path) -> Result<(), ArchiveError> {
    let (half, file) = (folder.join("manifest.json.half"), folder.join(MANIFEST));
    write_synced(&half, manifest.to_text()?.as_bytes())?;
    fs::rename(&half, &file).map_err(|error| ArchiveError::file(&file, &error))?;
    sync_folder(folder)
}

/// Writes a file that is on the disk when this returns.
pub(crate) fn write_synced(file: &PathBuf, bytes: &[u8]) -> Result<(), ArchiveError> {
    let write = || {
        let mut out = File::create(file)?;
        out.write_all(bytes)?;
        out.sync_all()
    };
    write().map_err(|error| ArchiveError::file(file, &error))
}

/// Makes the names of a folder's files durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| ArchiveError::file(folder, &error))
}

impl From<FormatError> for ArchiveError {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Damaged(what) => Self::Damaged { what },
            FormatError::Unknown { found, known } => Self::UnknownFormat { found, known },
        }
    }
}
