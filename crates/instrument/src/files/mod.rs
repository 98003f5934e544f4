//! Schema files: YAML that people write.
//!
//! ```yaml
//! profile:                         # optional, in one file of all that are read together
//!   time_granularity: 1s           # lengths of time: ms, s, m, h, d
//!   pseudonym_epoch_days: 90
//!   purposes_without_consent: [safety]
//!   late_max: 7d
//!   future_max: 5m
//!   deduplication_window: 24h
//!   suppress_below: 5
//!
//! events:
//!   - name: case.exported
//!     version: 1
//!     description: Somebody exported a case.
//!     feature: case_export
//!     purpose: product_improvement
//!     owner: case-team
//!     meaning: insight_accepted    # optional, a word of EventMeaning in lower case
//!     deprecated_at: 2027-01-01    # a day (midnight UTC) or an RFC 3339 time
//!     refused_after: 2027-06-01
//!     properties:
//!       format: {type: enum, values: [pdf, docx], required: true}
//!       documents: {type: integer, minimum: 1, maximum: 10_000}
//!       took: {type: duration, maximum: 10m}
//!       is_first: boolean          # a type by itself is enough where it needs no details
//! ```
//!
//! A key that is not known is refused, with the one that was likely meant: a slip in `required` would otherwise be
//! found out months later. What the values may be is decided in [`crate::lint`].

mod nearest;
mod node;
mod reader;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use daybook_proto::product_analytics::v1::{EventSchema, MinimisationProfile};

use crate::finding::Finding;
use crate::names::Names;

/// Bytes that a file may have.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// How deeply folders may lie in each other.
const FOLDERS_DEEP_MAX: usize = 16;

/// Where something stands, and where each of its fields does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// The line it begins in, from 1.
    pub line: usize,
    /// Lines of its fields, by their paths as violations name them: `properties[0].values[1]`.
    fields: BTreeMap<String, usize>,
}

impl Place {
    /// The line of a field; of what it lies in if the field is not there.
    pub fn line_of(&self, field: &str) -> usize {
        let mut field = field;
        loop {
            if let Some(line) = self.fields.get(field) {
                return *line;
            }
            match field.rfind(['.', '[']) {
                Some(end) => field = &field[..end],
                None => return self.line,
            }
        }
    }
}

/// The schema of an event and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct EventEntry {
    /// The schema.
    pub schema: EventSchema,
    /// Where it stands.
    pub place: Place,
}

/// What schema files hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Files {
    /// The minimisation profile and where it stands, if one is there.
    pub profile: Option<(MinimisationProfile, Place)>,
    /// The events, in the order of the files. No two have one name.
    pub events: Vec<EventEntry>,
}

impl Files {
    /// The schemas, by name.
    pub fn schemas(&self) -> Vec<EventSchema> {
        let mut schemas: Vec<EventSchema> = self.events.iter().map(|entry| entry.schema.clone()).collect();
        schemas.sort_by(|a, b| a.name.cmp(&b.name));
        schemas
    }
}

/// What was read so far.
#[derive(Default)]
struct Gathered {
    files: Files,
    /// The places of the events in the list of all, by name.
    places: Names<'static, usize>,
}

impl Gathered {
    /// Takes in what another file holds; what both have is a finding.
    fn add(&mut self, other: Files, findings: &mut Vec<Finding>) {
        for entry in other.events {
            let Place { file, line, .. } = &entry.place;
            // Without a name each of them is wrong by itself.
            let known = match entry.schema.name.as_str() {
                "" => None,
                name => self.places.add(name.to_owned(), self.files.events.len()),
            };
            match known.and_then(|known| self.files.events.get(known)) {
                Some(known) => findings.push(Finding::problem(
                    file,
                    *line,
                    "duplicate_event",
                    format!("{} stands in {}:{} already", entry.schema.name, known.place.file, known.place.line),
                    "keep one of the two: files hold the newest version of each event",
                )),
                None => self.files.events.push(entry),
            }
        }
        match (&self.files.profile, other.profile) {
            (Some((_, known)), Some((_, place))) => findings.push(Finding::problem(
                &place.file,
                place.line,
                "duplicate_profile",
                format!("a profile stands in {}:{} already", known.file, known.line),
                "keep one of the two: a tenant has one profile",
            )),
            (None, Some(profile)) => self.files.profile = Some(profile),
            (_, None) => {}
        }
    }
}

/// Reads the text of one file.
///
/// # Errors
/// Everything that is wrong with how it is written.
pub fn parse(file: &str, text: &str) -> Result<Files, Vec<Finding>> {
    let (mut gathered, mut findings) = (Gathered::default(), Vec::new());
    let read = reader::read(file, text, &mut findings);
    gathered.add(read, &mut findings);
    if findings.is_empty() { Ok(gathered.files) } else { Err(findings) }
}

/// Reads files, and the `.yaml` and `.yml` files of folders and of the folders in them, in the order of their names.
///
/// # Errors
/// Everything that is wrong with how they are written, or keeps them from being read.
pub fn read(paths: &[PathBuf]) -> Result<Files, Vec<Finding>> {
    let (mut gathered, mut findings, mut found) = (Gathered::default(), Vec::new(), Vec::new());
    for path in paths {
        let before = found.len();
        collect(path, FOLDERS_DEEP_MAX, &mut found, &mut findings);
        if found.len() == before && findings.is_empty() {
            let text = "there are no .yaml or .yml files in this folder";
            let hint = "name the folder that holds the schema files";
            findings.push(Finding::problem(&path.to_string_lossy(), 0, "not_readable", text, hint));
        }
    }
    // One that is named twice, or lies in a folder that is named as well, is one file.
    let mut seen = std::collections::BTreeSet::new();
    for path in found {
        if !seen.insert(fs::canonicalize(&path).unwrap_or_else(|_| path.clone())) {
            continue;
        }
        let name = path.to_string_lossy();
        match text_of(&path) {
            Ok(text) => {
                let read = reader::read(&name, &text, &mut findings);
                gathered.add(read, &mut findings);
            }
            Err(text) => findings.push(Finding::problem(&name, 0, "not_readable", text, "")),
        }
    }
    if findings.is_empty() { Ok(gathered.files) } else { Err(findings) }
}

/// The files that a path stands for. A file that is named itself may be called anything.
fn collect(path: &Path, deep: usize, found: &mut Vec<PathBuf>, findings: &mut Vec<Finding>) {
    if !path.is_dir() {
        found.push(path.to_owned());
        return;
    }
    let entries = fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<PathBuf>>>()
    });
    let mut paths = match entries {
        Ok(paths) if deep > 0 => paths,
        Ok(_) => {
            let text = format!("folders lie more than {FOLDERS_DEEP_MAX} deep in each other");
            let hint = "name the folder that holds the schema files";
            findings.push(Finding::problem(&path.to_string_lossy(), 0, "not_readable", text, hint));
            return;
        }
        Err(error) => {
            let text = format!("the folder cannot be read: {error}");
            findings.push(Finding::problem(&path.to_string_lossy(), 0, "not_readable", text, ""));
            return;
        }
    };
    paths.sort();
    for path in paths {
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml || path.is_dir() {
            collect(&path, deep - 1, found, findings);
        }
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let not_read = |error: std::io::Error| format!("the file cannot be read: {error}");
    let bytes = fs::metadata(path).map_err(not_read)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("the file has {bytes} bytes, and {FILE_BYTES_MAX} are read at most; split it"));
    }
    fs::read_to_string(path).map_err(not_read)
}
