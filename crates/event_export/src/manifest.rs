//! What an export says of itself.

use daybook_kernel::domain::Asked;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::EventStateRow;
use serde::{Deserialize, Serialize};

/// What an export calls itself.
const FORMAT: &str = "daybook-event-export";
/// Version of the layout. Columns may be added in one; a column or folder is taken away or renamed only in the next.
const VERSION: u64 = 1;

/// The manifest: where the export stands, and every file with its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// `daybook-event-export`.
    pub format: String,
    /// Version of the layout.
    pub version: u64,
    /// The tenant.
    pub tenant: String,
    /// The partition of the log that holds the tenant's events.
    pub partition: u32,
    /// The command that changed them last: what it says is in the export, and nothing later is.
    pub position: u64,
    /// When that was, in microseconds since 1970, by the log's clock.
    pub position_time_us: i64,
    /// Events from then on, in microseconds since 1970.
    pub start_time_us: i64,
    /// Before then.
    pub end_time_us: i64,
    /// The events, if they are part of it.
    pub events: Option<ManifestEvents>,
    /// The metrics.
    pub metrics: Vec<ManifestMetric>,
    /// The files.
    pub files: Vec<ManifestFile>,
}

/// The events of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManifestEvents {
    /// How many.
    pub rows: u64,
    /// The columns of every file, in order.
    pub columns: Vec<String>,
    /// An event that fewer actors did on a day (UTC) is left out of that day.
    pub suppress_below: u64,
    /// How often that was so: pairs of event and day.
    pub left_out: u64,
}

/// A metric of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManifestMetric {
    /// Its name.
    pub name: String,
    /// The version that was computed.
    pub version: u32,
    /// How many cells are not shown because they are of too few actors.
    pub suppressed_cells: u32,
}

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name, below the manifest's folder.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// Its length, in bytes.
    pub bytes: u64,
    /// BLAKE3 hash of it, 64 hexadecimal digits.
    pub blake3: String,
}

impl Manifest {
    pub(crate) fn new(place: &Asked<'_>, row: &EventStateRow, (start, end): (Timestamp, Timestamp)) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            tenant: place.tenant.as_str().to_owned(),
            partition: place.partition.0,
            position: row.changed_at_offset,
            position_time_us: row.changed_at_us,
            start_time_us: start.as_micros(),
            end_time_us: end.as_micros(),
            events: None,
            metrics: Vec::new(),
            files: Vec::new(),
        }
    }

    pub(crate) fn to_text(&self) -> Result<String, String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        Ok(format!("{text}\n"))
    }
}
