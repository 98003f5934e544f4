//! Files that hold a secret: is it one?

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why a file with a secret holds none: others can read it, or put another in its place. `None` when they cannot, or when
/// the file does not exist, which whoever reads it is told anyway.
///
/// Where a group is let in, it may read, as in a volume that Kubernetes gives to a group (`fsGroup`); it may never write. A
/// folder that everybody may write to is good only if it is sticky, as that of a mounted secret: then only the owner of a
/// file can replace it.
pub fn exposed(file: &Path, group_is_let_in: bool) -> Option<String> {
    let real = fs::canonicalize(file).ok()?;
    let mode = fs::metadata(&real).ok()?.mode() & 0o7777;
    let (open, allowed) = if group_is_let_in { (0o026, "0640") } else { (0o066, "0600") };
    let name = file.display();
    if mode & open != 0 {
        return Some(format!(
            "{name} has the mode {mode:04o}: others can read or change it; it may have {allowed} at most"
        ));
    }
    for folder in [real.parent(), file.parent()].into_iter().flatten() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mode = fs::metadata(folder).ok()?.mode() & 0o7777;
        let writable = if group_is_let_in { 0o002 } else { 0o022 };
        if mode & writable != 0 && mode & 0o1000 == 0 {
            let folder = folder.display();
            return Some(format!(
                "{name} lies in {folder}, which has the mode {mode:04o}: others can put another file in its place"
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_secret_that_others_can_read_or_replace_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master-key");
        fs::write(&file, "secret").unwrap();
        for (mode, to_owner, to_group) in [
            (0o600, false, false),
            (0o400, false, false),
            (0o640, true, false),
            (0o440, true, false),
            (0o660, true, true),
            (0o620, true, true),
            (0o644, true, true),
            (0o604, true, true),
            (0o602, true, true),
        ] {
            set(&file, mode);
            assert_eq!(exposed(&file, false).is_some(), to_owner, "{mode:o}");
            assert_eq!(exposed(&file, true).is_some(), to_group, "{mode:o}");
        }
        set(&file, 0o600);
        for (mode, to_owner, to_group) in
            [(0o755, false, false), (0o775, true, false), (0o777, true, true), (0o1777, false, false)]
        {
            set(folder.path(), mode);
            assert_eq!(exposed(&file, false).is_some(), to_owner, "{mode:o}");
            assert_eq!(exposed(&file, true).is_some(), to_group, "{mode:o}");
        }
        assert_eq!(exposed(&folder.path().join("no-such-file"), false), None);
    }

    #[test]
    fn a_link_is_as_good_as_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), 0o755);
        // As Kubernetes mounts a secret.
        let inner = folder.path().join("..data");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("key"), "secret").unwrap();
        symlink("..data/key", folder.path().join("key")).unwrap();
        set(&inner, 0o755);
        set(&inner.join("key"), 0o600);
        assert_eq!(exposed(&folder.path().join("key"), false), None);
        set(&inner, 0o777);
        assert!(exposed(&folder.path().join("key"), false).is_some());
    }
}
