//! The answer to a metric's question as a table.

use daybook_proto::product_analytics::v1 as proto;
use daybook_proto::product_analytics::v1::cell::Value;
use daybook_proto::product_analytics::v1::{ColumnType, QueryMetricResponse};
use prost_types::Timestamp;

use crate::{Column, ColumnarError, Table};

/// The column that is added.
const SUPPRESSED: &str = "suppressed";

/// The answer to a metric's question: its columns, and `suppressed`, which says whether some cell of the row is not
/// shown. A cell that is empty or not shown is null. Lengths of time are whole milliseconds, shares are numbers.
///
/// # Errors
///
/// If a column is of a type that is not known, is called `suppressed` or as another one; if a row has more or fewer
/// cells than there are columns; or if a cell holds something else than its column says.
pub fn of_answer(answer: &QueryMetricResponse) -> Result<Table, ColumnarError> {
    for (row, cells) in answer.rows.iter().map(|row| &row.cells).enumerate() {
        let (expected, found) = (answer.columns.len(), cells.len());
        if found != expected {
            return Err(ColumnarError::CellsDiffer { row, expected, found });
        }
    }
    let mut table = Table::new();
    for (at, column) in answer.columns.iter().enumerate() {
        let cells = Cells { answer, at, name: &column.name };
        let values = match ColumnType::try_from(column.r#type) {
            Ok(ColumnType::Text) => Column::Text(cells.read("text", text)?),
            Ok(ColumnType::Integer) => Column::Integer(cells.read("whole numbers", integer)?),
            Ok(ColumnType::Milliseconds) => Column::Integer(cells.read("whole milliseconds", integer)?),
            Ok(ColumnType::Share) => Column::Number(cells.read("shares", number)?),
            Ok(ColumnType::Number) => Column::Number(cells.read("numbers", number)?),
            Ok(ColumnType::Time) => Column::Time(cells.read("times", time)?),
            Ok(ColumnType::Unspecified) | Err(_) => {
                return Err(ColumnarError::UnknownType { column: column.name.clone(), number: column.r#type });
            }
        };
        table = table.with(&column.name, values)?;
    }
    let is_suppressed =
        |row: &proto::Row| row.cells.iter().any(|cell| matches!(cell.value, Some(Value::Suppressed(_))));
    table.with(SUPPRESSED, Column::Boolean(answer.rows.iter().map(|row| Some(is_suppressed(row))).collect()))
}

/// The cells of one column.
struct Cells<'a> {
    answer: &'a QueryMetricResponse,
    at: usize,
    name: &'a str,
}

impl Cells<'_> {
    /// Each by `value`, which says nothing of a cell that does not fit.
    fn read<T>(
        &self,
        expected: &'static str,
        value: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<Option<T>>, ColumnarError> {
        let mut values = Vec::with_capacity(self.answer.rows.len());
        for (row, cells) in self.answer.rows.iter().map(|row| &row.cells).enumerate() {
            values.push(match cells.get(self.at).and_then(|cell| cell.value.as_ref()) {
                None | Some(Value::Suppressed(_)) => None,
                Some(found) => Some(value(found).ok_or_else(|| ColumnarError::CellDoesNotFit {
                    column: self.name.to_owned(),
                    row,
                    expected,
                    found: kind(found),
                })?),
            });
        }
        Ok(values)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Number(_) => "a number",
        Value::Time(time) if milliseconds(time).is_none() => "a time that cannot be",
        Value::Time(_) => "a time",
        Value::Suppressed(_) => "a number that is not shown",
    }
}

fn text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

fn integer(value: &Value) -> Option<i64> {
    if let Value::Integer(integer) = value { Some(*integer) } else { None }
}

fn number(value: &Value) -> Option<f64> {
    if let Value::Number(number) = value { Some(*number) } else { None }
}

fn time(value: &Value) -> Option<i64> {
    if let Value::Time(time) = value { milliseconds(time) } else { None }
}

/// Since 1970, cut to whole ones.
fn milliseconds(time: &Timestamp) -> Option<i64> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return None;
    }
    time.seconds.checked_mul(1000)?.checked_add(i64::from(time.nanos / 1_000_000))
}
