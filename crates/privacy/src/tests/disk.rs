//! Looking for bytes in the files of a folder.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const BLOCK: usize = 4096;

/// Which of these are in the files of a folder, or in those of a folder in it. None of them may begin with four zeros.
pub(super) fn found(folder: &Path, needles: &[Vec<u8>]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    // Whoever writes the folder may delete a file meanwhile.
    for path in std::fs::read_dir(folder).unwrap().filter_map(|entry| Some(entry.ok()?.path())) {
        let Ok(metadata) = path.metadata() else { continue };
        if metadata.is_dir() {
            found.extend(self::found(&path, needles));
        } else if metadata.blocks() > 0 {
            // A file without blocks is all zeros: a broker reserves space for its indexes so.
            found_in(&std::fs::read(path).unwrap_or_default(), needles, &mut found);
        }
    }
    found
}

fn found_in(bytes: &[u8], needles: &[Vec<u8>], found: &mut BTreeSet<usize>) {
    for (i, block) in bytes.chunks(BLOCK).enumerate() {
        if block == &[0; BLOCK][..block.len()] {
            continue;
        }
        // A place to begin at lies in this block, or in the zeros before it: nothing begins with those.
        for at in i * BLOCK..i * BLOCK + block.len() {
            let Some(first) = bytes.get(at..at + 4) else { break };
            for (which, needle) in needles.iter().enumerate() {
                if first == &needle[..4] && bytes[at..].starts_with(needle) {
                    found.insert(which);
                }
            }
        }
    }
}

/// Whether these bytes are there.
pub(super) fn files_contain(folder: &Path, needle: &[u8]) -> bool {
    !found(folder, &[needle.to_vec()]).is_empty()
}

#[test]
fn bytes_are_found_wherever_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let needles = [b"needle".to_vec(), b"other".to_vec(), b"absent".to_vec(), b"7654321".to_vec()];
    let mut file = vec![0; 3 * BLOCK];
    file[BLOCK - 3..BLOCK + 3].copy_from_slice(b"needle");
    std::fs::create_dir(folder.path().join("inside")).unwrap();
    std::fs::write(folder.path().join("inside/file"), &file).unwrap();
    std::fs::write(folder.path().join("end"), b"something other").unwrap();
    assert_eq!(found(folder.path(), &needles), BTreeSet::from([0, 1]));
}
