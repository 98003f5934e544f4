//! Exports of product analytics: the events of a period one by one, and tables of metrics, as Parquet files.
//!
//! ```text
//! TENANT/POSITION-CONTENT/
//!   events/date=2026-11-24/part-00000.parquet    events of one day (UTC), by actor and time
//!   schemas/part-00000.parquet                   what the events mean
//!   metrics/NAME/part-00000.parquet              a table for each metric that was asked for
//!   manifest.json                                written last: an export without it is none
//! ```
//!
//! An export is a function of the state that it is made from. Its name says how far that state goes (the command that
//! changed the tenant's events last) and what was asked for, so that exports of one name are the same, byte by byte,
//! whichever node makes them, and whether its store was folded live or again from the log. Whoever repeats one puts the
//! same objects in the place of the same objects.
//!
//! Not for: deciding who may have an export (the domain does), or where objects lie (the caller says).
//!
//! Architecture invariant: no clock, no IO of its own; what is written goes to the function that the caller gives.

mod events;
mod manifest;
mod metrics;
mod schemas;

use bytes::Bytes;
use daybook_columnar::{ColumnarError, Table, parquet};
use daybook_kernel::domain::Asked;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::TenantId;
use daybook_kernel::state::{Fault, Read};
use daybook_kernel::table::View;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{EventExportContent, EventExportFiles, EventExportJob};
use product_analytics_projection::Tables;
use prost::Message;

pub use manifest::{Manifest, ManifestFile};

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be written. It can be tried again.
    #[error("{0}")]
    NotWritten(String),
    /// The state cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A metric that was asked for has no answer.
    #[error("{metric}: {why}")]
    NoAnswer {
        /// The metric.
        metric: String,
        /// Why.
        why: String,
    },
    /// What was asked for makes no table.
    #[error(transparent)]
    Table(#[from] ColumnarError),
    /// The request does not say what it must.
    #[error("the export does not say {0}")]
    Lacks(&'static str),
}

/// Writes a file: its name below the place of exports, and its bytes. An error says why it is not written.
pub type Put<'a> = dyn FnMut(&str, Bytes) -> Result<(), String> + 'a;

/// Makes an export of a state. The URL of what it returns is the name of the export's folder below the place of exports.
///
/// # Errors
/// [`ExportError`]. Files that were written by then are of no export: the manifest is missing.
pub fn export(
    state: &dyn Read,
    place: &Asked<'_>,
    job: &EventExportJob,
    put: &mut Put<'_>,
) -> Result<EventExportFiles, ExportError> {
    let tables = Tables::from(View::new(state, place.tenant));
    let row = tables.state().get(())?.unwrap_or_default();
    let time = |time: &Option<prost_types::Timestamp>| {
        time.as_ref().and_then(|time| Timestamp::from_proto(time).ok()).ok_or(ExportError::Lacks("when"))
    };
    let content = job.content.as_ref().ok_or(ExportError::Lacks("what"))?;
    let (start, end) = (time(&job.start_time)?, time(&job.end_time)?);
    let folder = folder(place.tenant, row.changed_at_offset, content, (start, end));
    let mut files = Files { folder: &folder, files: Vec::new(), put };
    let mut manifest = Manifest::new(place, &row, (start, end));
    if content.events {
        schemas::write(&tables, &mut files)?;
        manifest.events = Some(events::write(&tables, (start, end), &mut files)?);
    }
    // Windows that were open then are open for whoever makes the export again.
    let asked = Asked { now: Timestamp::from_micros(row.changed_at_us), ..*place };
    for metric in &content.metrics {
        manifest.metrics.push(metrics::write(&tables, metric, (start, end), &asked, &mut files)?);
    }
    manifest.files = std::mem::take(&mut files.files);
    let text = manifest.to_text().map_err(ExportError::NotWritten)?;
    let manifest_hash = Hash::of(text.as_bytes()).to_hex();
    (files.put)(&format!("{folder}/manifest.json"), text.into_bytes().into()).map_err(ExportError::NotWritten)?;
    Ok(EventExportFiles {
        url: folder,
        position_offset: row.changed_at_offset,
        manifest_hash,
        file_count: manifest.files.len() as u64,
        event_count: manifest.events.as_ref().map_or(0, |events| events.rows),
        byte_count: manifest.files.iter().map(|file| file.bytes).sum(),
    })
}

/// The name of an export's folder.
fn folder(
    tenant: &TenantId,
    position: u64,
    content: &EventExportContent,
    (start, end): (Timestamp, Timestamp),
) -> String {
    let period = [start.as_micros().to_be_bytes(), end.as_micros().to_be_bytes()].concat();
    let hash = Hash::of_parts(&[b"daybook event export", &content.encode_to_vec(), &period]).to_hex();
    format!("{tenant}/{position:016}-{}", hash.get(..12).unwrap_or_default())
}

/// The files of an export that is being written.
struct Files<'a, 'b> {
    folder: &'a str,
    files: Vec<ManifestFile>,
    put: &'a mut Put<'b>,
}

impl Files<'_, '_> {
    /// Writes a table.
    fn add(&mut self, name: String, table: &Table, metadata: &[(&str, &str)]) -> Result<(), ExportError> {
        let bytes = parquet(table, metadata)?;
        let file = ManifestFile {
            rows: table.rows() as u64,
            bytes: bytes.len() as u64,
            blake3: Hash::of(&bytes).to_hex(),
            name,
        };
        (self.put)(&format!("{}/{}", self.folder, file.name), bytes).map_err(ExportError::NotWritten)?;
        self.files.push(file);
        Ok(())
    }
}
