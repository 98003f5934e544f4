//! A table as Arrow's record batches.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{Column, Table};

/// Rows of one batch: so few that the longest texts fit into one array, and enough that a batch costs little by itself.
pub(crate) const ROWS_OF_A_BATCH: usize = 4096;

const _: () = assert!(ROWS_OF_A_BATCH * crate::TEXT_BYTES_MAX < i32::MAX as usize);

const UTC: &str = "UTC";

/// Names and types. Follows from names and kinds of columns alone, so that all files of a data set have one schema.
pub(crate) fn schema(table: &Table) -> SchemaRef {
    let fields = table.columns().map(|(name, column)| {
        let of = match column {
            Column::Words { .. } | Column::Text(_) => DataType::Utf8,
            Column::Integer(_) => DataType::Int64,
            Column::Number(_) => DataType::Float64,
            Column::Boolean(_) => DataType::Boolean,
            Column::Time(_) => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
        };
        Field::new(name, of, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows, in order, in batches of up to [`ROWS_OF_A_BATCH`]. None for a table without rows.
pub(crate) fn batches(table: &Table, schema: &SchemaRef) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> {
    let rows = table.rows();
    (0..rows).step_by(ROWS_OF_A_BATCH).map(move |from| {
        let part = from..rows.min(from + ROWS_OF_A_BATCH);
        let arrays = table.columns().map(|(_, column)| array(column, part.clone())).collect();
        RecordBatch::try_new(Arc::clone(schema), arrays)
    })
}

fn array(column: &Column, part: Range<usize>) -> ArrayRef {
    match column {
        Column::Words { words, places } => {
            let word = |place: u32| words.get(usize::try_from(place).ok()?).map(String::as_str);
            Arc::new(of(places, part).map(|place| word((*place)?)).collect::<StringArray>())
        }
        Column::Text(values) => Arc::new(of(values, part).map(Option::as_deref).collect::<StringArray>()),
        Column::Integer(values) => Arc::new(of(values, part).copied().collect::<Int64Array>()),
        Column::Number(values) => Arc::new(of(values, part).copied().collect::<Float64Array>()),
        Column::Boolean(values) => Arc::new(of(values, part).copied().collect::<BooleanArray>()),
        Column::Time(values) => {
            Arc::new(of(values, part).copied().collect::<TimestampMillisecondArray>().with_timezone(UTC))
        }
    }
}

fn of<T>(values: &[T], part: Range<usize>) -> std::slice::Iter<'_, T> {
    values.get(part).unwrap_or_default().iter()
}
