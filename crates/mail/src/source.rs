//! Where the upstream copy of a message lies.

use std::path::{Component, Path, PathBuf};

/// Where a file lies, as its items say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// A URI with the name of the file. It names no place inside: places move when mail is deleted, and the hash of the
    /// content finds the message. It names no folder: names of folders are often those of people.
    pub(crate) reference: String,
    /// The path below the folder that was named, where that is more than the name. It is sealed.
    pub(crate) location: String,
    /// What stands for the place in the ids of items: the same as the reference for a file without a folder, as it was
    /// before there were folders in it.
    pub(crate) id_reference: String,
}

impl Source {
    /// A file with its path below what was named.
    pub(crate) fn of(scheme: &str, below: &Path) -> Self {
        let name = below.file_name().map(|name| name.as_encoded_bytes()).unwrap_or_default();
        let parts: Vec<&[u8]> = below
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.as_encoded_bytes()),
                Component::ParentDir => Some(b".."),
                _ => None,
            })
            .collect();
        let path = parts.iter().map(|part| escaped(part)).collect::<Vec<_>>().join("/");
        let is_nested = parts.len() > 1;
        Self {
            reference: format!("{scheme}:{}", escaped(name)),
            location: if is_nested { super::printable(&below.to_string_lossy()) } else { String::new() },
            id_reference: format!("{scheme}:{path}"),
        }
    }

    #[cfg(test)]
    pub(crate) fn named(scheme: &str, name: &str) -> Self {
        Self::of(scheme, Path::new(name))
    }
}

/// The same path for the same file, however it is written: without `.` and the root.
pub(crate) fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir)).collect()
}

fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~@+=,".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_and_without_folders() {
        let source = |reference: &str, location: &str, id_reference: &str| Source {
            reference: reference.to_owned(),
            location: location.to_owned(),
            id_reference: id_reference.to_owned(),
        };
        let of = |path: &str| Source::of("mbox", Path::new(path));
        assert_eq!(of("a b#1.mbox"), source("mbox:a%20b%231.mbox", "", "mbox:a%20b%231.mbox"));
        assert_eq!(of("maria keller/inbox"), source("mbox:inbox", "maria keller/inbox", "mbox:maria%20keller/inbox"));
        assert_eq!(of("../x/y\u{1b}"), source("mbox:y%1B", "../x/y\u{fffd}", "mbox:../x/y%1B"));
        assert_eq!(plain(Path::new("/a/./b")), plain(Path::new("a/b")));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_stay_different() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let of = |name: &[u8]| Source::of("eml", Path::new(OsStr::from_bytes(name)));
        assert_ne!(of(b"a\xff").reference, of(b"a\xfe").reference);
        assert_ne!(of(b"a\xff/b").id_reference, of(b"a\xfe/b").id_reference);
    }
}
