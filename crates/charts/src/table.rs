//! The table of a response, seen by the names of its columns.
//!
//! A response may have any shape: a row may be short, a cell may hold something else than its column says. What is not
//! what the column promises counts as missing, so that no chart has to ask twice.

use std::collections::BTreeMap;

use daybook_proto::product_analytics::v1::{Cell, ColumnType, QueryMetricResponse, Row, cell};

use crate::text;

/// Seconds since 1970 of the years 1 to 9999, which have a date of ten characters.
const INSTANTS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Why a response cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDrawable {
    /// The response says of no metric that this crate knows what it is.
    #[error("the response has no metric that can be drawn, ask for one with its definition")]
    NoMetric,
    /// Columns that the chart of the metric needs are not there, or hold something else.
    #[error("the table of a {chart} metric lacks what its chart needs: {}", .missing.join(", "))]
    Columns {
        /// The kind of metric.
        chart: &'static str,
        /// Each column with what it should hold, in words.
        missing: Vec<String>,
    },
}

/// What a cell says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<T> {
    /// This.
    Shown(T),
    /// There is something, and it is not shown.
    Suppressed,
    /// Nothing.
    Missing,
}

impl<T> Value<T> {
    pub(crate) fn shown(self) -> Option<T> {
        match self {
            Self::Shown(value) => Some(value),
            Self::Suppressed | Self::Missing => None,
        }
    }

    pub(crate) fn is_suppressed(&self) -> bool {
        matches!(self, Self::Suppressed)
    }
}

impl Value<f64> {
    /// For people: the number, `<k`, or a dash.
    pub(crate) fn words(self, write: impl Fn(f64) -> String) -> String {
        match self {
            Self::Shown(value) => write(value),
            Self::Suppressed => text::SUPPRESSED.to_owned(),
            Self::Missing => "–".to_owned(),
        }
    }

    /// How much of a bar this is: what is not shown has no height.
    pub(crate) fn height(self) -> f64 {
        self.shown().unwrap_or(0.0).max(0.0)
    }
}

/// What a chart asks of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    Count,
    Share,
    Number,
    Duration,
    Time,
}

impl Holds {
    fn is_met_by(self, column: ColumnType) -> bool {
        match self {
            Self::Text => column == ColumnType::Text,
            Self::Count => column == ColumnType::Integer,
            Self::Share => column == ColumnType::Share,
            Self::Number => matches!(column, ColumnType::Number | ColumnType::Integer),
            Self::Duration => column == ColumnType::Milliseconds,
            Self::Time => column == ColumnType::Time,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Count => "whole numbers",
            Self::Share => "shares",
            Self::Number => "numbers",
            Self::Duration => "milliseconds",
            Self::Time => "times",
        }
    }
}

/// A response whose columns are those of a chart.
#[derive(Debug, Clone)]
pub(crate) struct Table<'a> {
    pub(crate) response: &'a QueryMetricResponse,
    columns: BTreeMap<&'a str, usize>,
}

impl<'a> Table<'a> {
    /// `optional` columns may be left out, and hold what is said where they are there.
    pub(crate) fn open(
        chart: &'static str,
        response: &'a QueryMetricResponse,
        needed: &[(&str, Holds)],
        optional: &[(&str, Holds)],
    ) -> Result<Self, NotDrawable> {
        let mut columns = BTreeMap::new();
        for (at, column) in response.columns.iter().enumerate() {
            columns.entry(column.name.as_str()).or_insert(at);
        }
        let table = Self { response, columns };
        let absent = needed.iter().filter(|(name, _)| !table.has(name));
        let other = needed.iter().chain(optional).filter(|(name, holds)| {
            table.column_type(name).is_some_and(|column| !holds.is_met_by(column)) // absent ones are told already
        });
        let missing: Vec<String> =
            absent.chain(other).map(|(name, holds)| format!("`{name}` with {}", holds.words())).collect();
        if missing.is_empty() { Ok(table) } else { Err(NotDrawable::Columns { chart, missing }) }
    }

    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    fn column_type(&self, column: &str) -> Option<ColumnType> {
        self.columns.get(column).and_then(|at| self.response.columns.get(*at)).map(|column| column.r#type())
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Line<'_>> {
        self.response.rows.iter().map(|row| Line { columns: &self.columns, row })
    }
}

/// A row of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'t> {
    columns: &'t BTreeMap<&'t str, usize>,
    row: &'t Row,
}

impl<'t> Line<'t> {
    fn cell(&self, column: &str) -> Option<&'t cell::Value> {
        let at = self.columns.get(column)?;
        self.row.cells.get(*at).and_then(|cell: &Cell| cell.value.as_ref())
    }

    /// A count, a number, a share or a length of time in milliseconds.
    pub(crate) fn number(&self, column: &str) -> Value<f64> {
        match self.cell(column) {
            Some(cell::Value::Integer(value)) => Value::Shown(*value as f64),
            Some(cell::Value::Number(value)) if value.is_finite() => Value::Shown(*value),
            Some(cell::Value::Suppressed(true)) => Value::Suppressed,
            _ => Value::Missing,
        }
    }

    /// The start of a period, in seconds since 1970.
    pub(crate) fn time(&self, column: &str) -> Value<i64> {
        match self.cell(column) {
            Some(cell::Value::Time(time)) if INSTANTS.contains(&time.seconds) => Value::Shown(time.seconds),
            Some(cell::Value::Suppressed(true)) => Value::Suppressed,
            _ => Value::Missing,
        }
    }

    /// Text as it came: hostile until it is cut and escaped.
    pub(crate) fn text(&self, column: &str) -> Value<&'t str> {
        match self.cell(column) {
            Some(cell::Value::Text(value)) => Value::Shown(value),
            Some(cell::Value::Suppressed(true)) => Value::Suppressed,
            _ => Value::Missing,
        }
    }

    /// The value of the breakdown, fit to be written.
    pub(crate) fn label(&self, column: &str) -> String {
        match self.text(column) {
            Value::Shown(value) => text::clean(value),
            Value::Suppressed => text::SUPPRESSED.to_owned(),
            Value::Missing => "(no value)".to_owned(),
        }
    }
}
