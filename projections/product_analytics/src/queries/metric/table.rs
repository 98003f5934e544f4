//! The table that answers a question.

use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::cell::Value;
use daybook_proto::product_analytics::v1::{Cell, Column, ColumnType, Row};

/// Columns and rows.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    pub(super) suppressed: u32,
    pub(super) notes: Vec<String>,
}

impl Table {
    pub(super) fn new(columns: &[(&str, ColumnType)]) -> Self {
        let column = |(name, of): &(&str, ColumnType)| Column { name: (*name).to_owned(), r#type: (*of).into() };
        Self { columns: columns.iter().map(column).collect(), ..Default::default() }
    }

    /// Adds a row, whose cells are counted where they are not shown.
    pub(super) fn add(&mut self, cells: Vec<Cell>) {
        let hidden = cells.iter().filter(|cell| matches!(cell.value, Some(Value::Suppressed(_)))).count();
        self.suppressed = self.suppressed.saturating_add(u32::try_from(hidden).unwrap_or(u32::MAX));
        self.rows.push(Row { cells });
    }
}

pub(super) fn text(text: &str) -> Cell {
    Cell { value: Some(Value::Text(text.to_owned())) }
}

pub(super) fn integer(number: u64) -> Cell {
    Cell { value: Some(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))) }
}

pub(super) fn number(number: f64) -> Cell {
    Cell { value: Some(Value::Number(number)) }
}

/// A share; there is none of nothing.
pub(super) fn share(part: u64, whole: u64) -> Cell {
    if whole == 0 { nothing() } else { number(part as f64 / whole as f64) }
}

pub(super) fn time(ms: i64) -> Cell {
    Cell { value: Some(Value::Time(Timestamp::from_micros(ms.saturating_mul(1_000)).to_proto())) }
}

pub(super) fn nothing() -> Cell {
    Cell { value: None }
}

pub(super) fn suppressed() -> Cell {
    Cell { value: Some(Value::Suppressed(true)) }
}

pub(super) fn maybe(number: Option<u64>) -> Cell {
    number.map_or_else(nothing, integer)
}

/// A cell that is shown or not.
pub(super) fn shown(is_shown: bool, cell: Cell) -> Cell {
    if is_shown { cell } else { suppressed() }
}

/// Whether a number of actors may be shown beside a larger one that contains it: neither it nor what is left of the larger
/// one is of too few.
pub(super) fn may_show(part: u64, whole: u64, k: u64) -> bool {
    let few = |count: u64| (1..k).contains(&count);
    !few(part) && !few(whole.saturating_sub(part))
}
