//! A table as a Parquet file, and how its columns are encoded.
//!
//! What was chosen is what makes files of events small without making them slow. Measured on events of one day by
//! actor and time: times in whole seconds, 6 names, about two events an actor, eight properties (three of 4 words,
//! whole numbers below 8,192 and 65,536, two booleans, 4,096 ids); 300,000 rows, processor time of one core that
//! others used as well, the best of five runs; a tenth more or less says nothing:
//!
//! | choice | bytes a row | ns a row |
//! | --- | --- | --- |
//! | as it is: zstd 1 | 10.2 | 400 |
//! | zstd 3 | 10.3 | 500 |
//! | zstd 9 | 10.2 | 540 |
//! | dictionaries of up to 1 MiB in all columns | 10.4 | 450 |
//! | as it is, 1,000,000 rows in one row group | 9.3 | 390 |
//! | the same in row groups of 131,072 | 11.4 | 410 |
//!
//! By their entropy, about 8.6 of these bytes are random in the events and can be spared by nothing.

use bytes::Bytes;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::batches::{batches, schema};
use crate::{Column, ColumnarError, Table};

/// What the file says wrote it: the same in every release, so that the same rows are the same bytes. Of the form
/// `application version X`, because Java's readers distrust the bounds of texts in files whose writer they cannot
/// parse.
const CREATED_BY: &str = "daybook version 1";

/// What is left to compress after dictionaries and deltas gets no smaller at higher levels.
const ZSTD_LEVEL: i32 = 1;

/// Rows of a row group. Each has dictionaries of its own, so few large ones are smaller than many; readers that share a
/// file out among threads do it by row group.
const ROWS_OF_A_GROUP: usize = 1 << 20;

/// Beyond this many bytes of different values, columns other than times are written without a dictionary.
const DICTIONARY_BYTES: usize = 128 * 1024;

/// The same for times: has room for every second of a day.
const DICTIONARY_BYTES_OF_TIMES: usize = 1024 * 1024;

/// A table as a Parquet file, with zstd inside and the metadata as given. The same bytes for the same table and
/// metadata, from one release; another one may bring other versions of the libraries that encode and compress.
///
/// # Errors
///
/// If the table has no columns.
pub fn parquet(table: &Table, metadata: &[(&str, &str)]) -> Result<Bytes, ColumnarError> {
    if table.columns().len() == 0 {
        return Err(ColumnarError::NoColumns);
    }
    write(table, metadata)
        .map(Bytes::from)
        .map_err(|error| ColumnarError::NotWritten { format: "a Parquet file", what: error.to_string() })
}

fn write(table: &Table, metadata: &[(&str, &str)]) -> Result<Vec<u8>, ParquetError> {
    // Arrow's schema beside Parquet's own says nothing that the types do not say.
    let options =
        ArrowWriterOptions::new().with_properties(properties(table, metadata)?).with_skip_arrow_metadata(true);
    let schema = schema(table);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
    for batch in batches(table, &schema) {
        writer.write(&batch?)?;
    }
    writer.into_inner()
}

fn properties(table: &Table, metadata: &[(&str, &str)]) -> Result<WriterProperties, ParquetError> {
    let pairs = metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), (*value).to_owned()));
    let mut builder = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROWS_OF_A_GROUP))
        // Bounds of each row group let a reader pass over it. Those of each page would save nothing to readers that
        // take whole row groups, as most do.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_key_value_metadata(Some(pairs.collect()));
    for (name, column) in table.columns() {
        builder = encoded(builder, ColumnPath::new(vec![name.to_owned()]), column);
    }
    Ok(builder.build())
}

fn encoded(builder: WriterPropertiesBuilder, path: ColumnPath, column: &Column) -> WriterPropertiesBuilder {
    match column {
        // Ascending numbers, as those of actors are: 0.2 bytes a row by their distances, 2.2 with a dictionary.
        Column::Integer(values) | Column::Time(values) if values.iter().flatten().is_sorted() => builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        // Of few values, a dictionary: prices cost 1.5 bytes a row instead of 2.5. Of many, distances: numbers below
        // 65,536 cost 2.2 instead of 2.4.
        Column::Integer(_) => builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        // 3.2 bytes a row instead of 3.4, and 2.4 where a million rows share the seconds of a day.
        Column::Time(_) => builder
            .set_column_dictionary_page_size_limit(path.clone(), DICTIONARY_BYTES_OF_TIMES)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        // Many ids that begin alike: 3.1 bytes a row instead of 3.3.
        Column::Text(_) => builder.set_column_encoding(path, Encoding::DELTA_BYTE_ARRAY),
        Column::Words { .. } | Column::Number(_) | Column::Boolean(_) => builder,
    }
}
