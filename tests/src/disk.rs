//! Files: finding, copying, searching, damaging.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use daybook_rocks::{IteratorMode, Memory, Spec, Wal, families_on_disk, family};

/// Every file below a folder, in the order of their paths.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The files of a folder whose names end in `ending`, in the order of their paths.
pub fn files_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = files(folder);
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files
}

/// Copies a folder with all that is in it. Of one that is in use it takes what a crash would leave: files come and go
/// behind the scenes, so it copies again until none did meanwhile.
pub fn copy(from: &Path, to: &Path) {
    let started = Instant::now();
    loop {
        let before = names_and_sizes(from);
        if try_copy(from, to).is_ok() && names_and_sizes(from) == before {
            return;
        }
        assert!(started.elapsed() < crate::DEADLINE, "{} never rests", from.display());
        fs::remove_dir_all(to).expect("a folder");
    }
}

fn names_and_sizes(folder: &Path) -> Vec<(PathBuf, Option<u64>)> {
    let with_size = |file: PathBuf| {
        let size = fs::metadata(&file).ok().map(|found| found.len());
        (file, size)
    };
    files(folder).into_iter().map(with_size).collect()
}

fn try_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("a file below"));
        fs::create_dir_all(target.parent().expect("a folder"))?;
        fs::copy(&file, target)?;
    }
    Ok(())
}

/// Flips a bit of the byte at some place.
pub fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("a file");
    bytes[at] ^= 1;
    fs::write(file, bytes).expect("the same file");
}

/// Whether some bytes are in others.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    assert!(!needle.is_empty(), "nothing is everywhere");
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Every row of every database below a folder, beside whoever has it open.
pub fn rows(folder: &Path) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for database in databases(folder) {
        let scratch = tempfile::tempdir().expect("a folder");
        let db = Spec::new(&database, Wal::Kept).open_to_read(&Memory::default(), scratch.path()).expect("a database");
        for name in families_on_disk(&db).expect("families") {
            let family = family(&db, &name).expect("a family");
            for row in db.iterator_cf(&family, IteratorMode::Start) {
                let (key, value) = row.expect("a row");
                rows.push((format!("{}, {name}", database.display()), key.into_vec(), value.into_vec()));
            }
        }
    }
    rows
}

/// The folders of the databases below a folder.
pub fn databases(folder: &Path) -> Vec<PathBuf> {
    let current = files(folder).into_iter().filter(|file| file.file_name().is_some_and(|name| name == "CURRENT"));
    current.map(|file| file.parent().expect("a folder").to_owned()).collect()
}

/// A small disk of its own, in memory. Needs the right to mount.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one over a folder, or says why it cannot.
    pub fn mount(folder: &Path, mebibytes: usize) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        let mounted = mounted.map_err(|error| format!("mount: {error}"))?;
        if !mounted.status.success() {
            return Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned());
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Fills it up but for some bytes, with a file that is not Daybook's.
    pub fn fill(&self, leave_bytes: usize) -> Ballast {
        let file = self.folder.join("somebody-elses-file");
        let ballast = Ballast { file };
        let mut out = fs::File::create(&ballast.file).expect("a file");
        let block = vec![0; 64 << 10];
        let mut written = 0;
        while out.write_all(&block).is_ok() {
            written += block.len();
        }
        let keep = written.saturating_sub(leave_bytes);
        out.set_len(keep as u64).expect("a smaller file");
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Files may still be open; it goes when the last of them is closed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

/// What fills a disk. Gone when it is dropped.
pub struct Ballast {
    file: PathBuf,
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// Writes a file that only its owner can read, as a node wants its secrets.
pub fn write_secret(file: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = fs::remove_file(file);
    let mut open = fs::File::options().write(true).create_new(true).mode(0o600).open(file).expect("a file");
    std::io::Write::write_all(&mut open, text.as_bytes()).expect("it is written");
}
