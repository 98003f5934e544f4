//! Finding files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

use super::source::plain;
use super::{Malformed, unreadable};

/// The regular files below paths, folders in the order of their names. What is found there and is neither a file nor a
/// folder is reported: a link could lead in a circle, and a pipe would never end.
pub(crate) struct Files {
    /// What is still to be visited, the next one last.
    pending: Vec<Found>,
    /// Paths below what was named that several files have.
    shared: BTreeSet<PathBuf>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Its path below the folder that was named; its name if it was named itself. Where several files would have the same,
    /// the path as it was named.
    pub(crate) below: PathBuf,
    /// Named by the user, who may name a link.
    is_named: bool,
}

impl Files {
    pub(crate) fn below(paths: &[PathBuf]) -> Self {
        let mut files = Self::starting_at(paths);
        if paths.len() > 1 {
            let mut places: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
            for found in Self::starting_at(paths).flatten() {
                places.entry(found.below).or_default().insert(plain(&found.path));
            }
            files.shared = places.into_iter().filter(|(_, files)| files.len() > 1).map(|(below, _)| below).collect();
        }
        files
    }

    fn starting_at(paths: &[PathBuf]) -> Self {
        let named = |path: &PathBuf| {
            let below = path.file_name().map(PathBuf::from).unwrap_or_default();
            Found { path: path.clone(), below, is_named: true }
        };
        Self { pending: paths.iter().rev().map(named).collect(), shared: BTreeSet::new() }
    }

    fn enter(&mut self, folder: &Found) -> std::io::Result<()> {
        let entries = fs::read_dir(&folder.path)?.map(|entry| Ok(entry?.path()));
        let mut paths = entries.collect::<std::io::Result<Vec<_>>>()?;
        paths.sort_unstable_by(|a, b| b.cmp(a));
        let above = if folder.is_named { Path::new("") } else { &folder.below };
        self.pending.extend(paths.into_iter().map(|path| {
            let below = above.join(path.file_name().unwrap_or_default());
            Found { path, below, is_named: false }
        }));
        Ok(())
    }
}

impl Iterator for Files {
    type Item = Result<Found, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(mut found) = self.pending.pop() {
            let metadata = if found.is_named { found.path.metadata() } else { found.path.symlink_metadata() };
            let visited = match metadata {
                Ok(metadata) if metadata.is_file() => {
                    if self.shared.contains(&found.below) {
                        found.below = plain(&found.path);
                    }
                    return Some(Ok(found));
                }
                Ok(metadata) if metadata.is_dir() => self.enter(&found),
                Ok(metadata) => {
                    let reason = unusual(metadata.file_type()).to_owned();
                    return Some(Err(Malformed::of_file(&found.path, reason)));
                }
                Err(error) => Err(error),
            };
            if let Err(error) = visited {
                return Some(Err(unreadable(&found.path, &error)));
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
