//! Looking for values everywhere below a folder: in files as they are, and in the rows of databases, whose files are
//! compressed.

use std::fs;
use std::path::{Path, PathBuf};

use daybook_rocks::{IteratorMode, Memory, Spec, Wal, families_on_disk, family};
use regex::bytes::Regex;

use crate::commands::log::CACHE_BYTES;
use crate::commands::replay::WRITE_BUFFER_BYTES;
use crate::failure::{Failure, Outcome};
use crate::session::scratch;

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub(super) struct Searched {
    pub(super) files: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Each value once for each place.
    pub(super) found: Vec<String>,
}

impl Searched {
    fn look(&mut self, wanted: &Regex, bytes: &[u8], place: &dyn Fn() -> String) {
        const FOUND_MAX: usize = 20;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.found.len() < FOUND_MAX
            && let Some(found) = wanted.find(bytes)
        {
            self.found.push(format!("{} in {}", String::from_utf8_lossy(found.as_bytes()), place()));
        }
    }
}

/// Looks for any of these values below a folder, in whatever case. Databases may be open elsewhere.
pub(super) fn search(folder: &Path, values: &[String]) -> Outcome<Searched> {
    let forms: Vec<_> = values.iter().map(|value| regex::escape(value)).collect();
    let wanted = Regex::new(&format!("(?i){}", forms.join("|"))).map_err(Failure::new)?;
    let mut searched = Searched::default();
    let files = files(folder)?;
    for file in &files {
        // A database that is open renames and removes files behind the scenes.
        let Ok(bytes) = fs::read(file) else { continue };
        searched.files += 1;
        searched.look(&wanted, &bytes, &|| file.display().to_string());
    }
    let databases = files.iter().filter(|file| file.file_name().is_some_and(|name| name == "CURRENT"));
    for database in databases.filter_map(|file| file.parent()) {
        rows(database, &wanted, &mut searched)?;
    }
    Ok(searched)
}

fn rows(database: &Path, wanted: &Regex, searched: &mut Searched) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", database.display()));
    let (_folder, beside) = scratch("search")?;
    let memory = Memory::new(CACHE_BYTES, WRITE_BUFFER_BYTES);
    let db = Spec::new(database, Wal::Kept).open_to_read(&memory, &beside).map_err(|error| failed(&error))?;
    for name in families_on_disk(&db).map_err(|error| failed(&error))? {
        let family = family(&db, &name).map_err(|error| failed(&error))?;
        for row in db.iterator_cf(&family, IteratorMode::Start) {
            let (key, value) = row.map_err(|error| failed(&error))?;
            searched.rows += 1;
            let place = || format!("{}, {name}", database.display());
            searched.look(wanted, &key, &place);
            searched.look(wanted, &value, &place);
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}
