//! Finding files.

use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

use super::{Malformed, place, unreadable};

/// The regular files below paths, folders in the order of their names. What is found there and is neither a file nor a
/// folder is reported: a link could lead in a circle, and a pipe would never end.
pub(crate) struct Files {
    /// What is still to be visited, the next one last.
    pending: Vec<Found>,
}

struct Found {
    path: PathBuf,
    /// Named by the user, who may name a link.
    named: bool,
}

impl Files {
    pub(crate) fn below(paths: &[PathBuf]) -> Self {
        let pending = paths.iter().rev().map(|path| Found { path: path.clone(), named: true });
        Self { pending: pending.collect() }
    }

    fn enter(&mut self, folder: &Path) -> std::io::Result<()> {
        let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.sort_unstable_by(|a, b| b.cmp(a));
        self.pending.extend(paths.into_iter().map(|path| Found { path, named: false }));
        Ok(())
    }
}

impl Iterator for Files {
    type Item = Result<PathBuf, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(Found { path, named }) = self.pending.pop() {
            let metadata = if named { path.metadata() } else { path.symlink_metadata() };
            let visited = match metadata {
                Ok(metadata) if metadata.is_file() => return Some(Ok(path)),
                Ok(metadata) if metadata.is_dir() => self.enter(&path),
                Ok(metadata) => {
                    let reason = unusual(metadata.file_type()).to_owned();
                    return Some(Err(Malformed { place: place(&path), reason }));
                }
                Err(error) => Err(error),
            };
            if let Err(error) = visited {
                return Some(Err(unreadable(&path, &error)));
            }
        }
        None
    }
}

fn unusual(file_type: FileType) -> &'static str {
    if file_type.is_symlink() {
        "is a symbolic link, and links are not followed; name what it leads to"
    } else {
        "is not a regular file"
    }
}
