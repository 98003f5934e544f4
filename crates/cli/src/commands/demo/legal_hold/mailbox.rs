//! The mailbox that ships with the program, for trying things out. `demo/README.md` says where it comes from.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

/// Its files. A test compares them with the folder.
const FILES: &[(&str, &[u8])] = &[
    (
        "2019-03-04-offer-for-a-ship-to-shore-crane-berth.eml",
        include_bytes!("../../../../demo/mailbox/2019-03-04-offer-for-a-ship-to-shore-crane-berth.eml"),
    ),
    ("2024-08-19-cracks-again-bay.eml", include_bytes!("../../../../demo/mailbox/2024-08-19-cracks-again-bay.eml")),
    (
        "2025-03-11-archive-of-the-crane-project.eml",
        include_bytes!("../../../../demo/mailbox/2025-03-11-archive-of-the-crane-project.eml"),
    ),
    ("2025-03-12-forwarded.eml", include_bytes!("../../../../demo/mailbox/2025-03-12-forwarded.eml")),
    ("broken-date.eml", include_bytes!("../../../../demo/mailbox/broken-date.eml")),
    ("broken-empty.eml", include_bytes!("../../../../demo/mailbox/broken-empty.eml")),
    ("broken-scan.eml", include_bytes!("../../../../demo/mailbox/broken-scan.eml")),
    ("finance.mbox", include_bytes!("../../../../demo/mailbox/finance.mbox")),
    ("terminal.mbox", include_bytes!("../../../../demo/mailbox/terminal.mbox")),
];

/// Writes the demo mailbox into a folder, which is made if need be, and says where its files are.
pub(super) fn unpack(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let failed = |path: &Path, error| Failure::new(format!("{} cannot be written: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let written = FILES.iter().map(|(name, content)| {
        let path = folder.join(name);
        fs::write(&path, content).map_err(|error| failed(&path, error))?;
        Ok(path)
    });
    written.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let written = unpack(&folder.path().join("new")).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/mailbox");
        let names = |folder: &Path| {
            let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&folder.path().join("new")), names(&source));
        assert_eq!(written.len(), names(&source).len());
        for path in written {
            assert_eq!(fs::read(&path).unwrap(), fs::read(source.join(path.file_name().unwrap())).unwrap());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = unpack(&file.path().join("below")).unwrap_err();
        assert!(failure.message().contains("cannot be written"), "{failure:?}");
    }
}
