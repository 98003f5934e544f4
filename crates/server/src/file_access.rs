//! Who may read what the node writes. Reasons of holds, names of cases, sealed content and the events of product use lie in
//! its files: they are for the user of the node alone, or for one group where containers share a volume.
//!
//! The program's file mode creation mask sees to every file, RocksDB's and libraries' among them, however it is written; what an
//! older release left open is closed at the start.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAccess {
    /// The user of the node: 0600 and 0700.
    Owner,
    /// The group as well: 0660 and 0770.
    Group,
}

impl FileAccess {
    /// From the setting `node.file_access`, which was checked.
    pub fn parse(text: &str) -> Self {
        if text == "group" { Self::Group } else { Self::Owner }
    }

    /// Whether the group is let in.
    pub fn lets_group_in(self) -> bool {
        self == Self::Group
    }

    /// The bits that no file has.
    fn closed(self) -> u32 {
        match self {
            Self::Owner => 0o077,
            Self::Group => 0o007,
        }
    }

    /// Everything that this process writes from now on is closed to others. For a program of its own, which says so before
    /// it does anything else.
    pub fn keep_for_process(self) {
        umask(Mode::from_bits_truncate(self.closed()));
    }

    /// Makes a folder that is closed to others, with those above it.
    pub(crate) fn create_folder(self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o777 & !self.closed()).create(folder)
    }

    /// Closes a folder to others that an older release, or somebody else, left open, with everything in it. Says how many
    /// files and folders were open, and which could not be closed. Nothing outside is touched: links are not followed.
    pub(crate) fn close(self, folder: &Path) -> Closed {
        let mut closed = Closed::default();
        self.close_inside(folder, &mut closed);
        closed
    }

    fn close_inside(self, path: &Path, closed: &mut Closed) {
        // What goes away meanwhile needs no closing.
        let Ok(found) = fs::symlink_metadata(path) else { return };
        if found.file_type().is_symlink() {
            return;
        }
        let mode = found.mode() & 0o7777;
        if mode & self.closed() != 0 {
            closed.open += 1;
            if let Err(error) = fs::set_permissions(path, Permissions::from_mode(mode & !self.closed())) {
                closed.left.push((path.to_owned(), error.to_string()));
            }
        }
        if found.is_dir() {
            let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
            entries.for_each(|entry| self.close_inside(&entry.path(), closed));
        }
    }
}

/// What closing a folder found.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// Files and folders that others could read or change.
    pub(crate) open: usize,
    /// Those that still are, and why.
    pub(crate) left: Vec<(PathBuf, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_an_older_release_left_open_is_closed_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("store/0001")).unwrap();
        fs::write(data.join("store/0001/000009.sst"), "rows").unwrap();
        fs::write(folder.path().join("outside"), "not ours").unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside"), data.join("link")).unwrap();
        let all = [data.clone(), data.join("store"), data.join("store/0001")];
        all.iter().for_each(|folder| set(folder, 0o755));
        set(&data.join("store/0001/000009.sst"), 0o644);
        set(&folder.path().join("outside"), 0o644);
        let closed = FileAccess::Owner.close(&data);
        assert_eq!((closed.open, closed.left.len()), (4, 0));
        all.iter().for_each(|folder| assert_eq!(mode(folder), 0o700));
        assert_eq!(mode(&data.join("store/0001/000009.sst")), 0o600);
        assert_eq!(mode(&folder.path().join("outside")), 0o644, "links are not followed");
        assert_eq!(FileAccess::Owner.close(&data).open, 0);
        set(&data, 0o775);
        assert_eq!(FileAccess::Group.close(&data).open, 1);
        assert_eq!(mode(&data), 0o770);
    }
}
