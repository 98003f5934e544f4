//! Answers as tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use daybook_columnar::{Column, ColumnarError, Table, of_answer};
use daybook_proto::product_analytics::v1::cell::Value;
use daybook_proto::product_analytics::v1::{self, Cell, ColumnType, QueryMetricResponse, Row};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost_types::Timestamp;

fn answer(columns: &[(&str, ColumnType)], rows: Vec<Vec<Option<Value>>>) -> QueryMetricResponse {
    let column = |(name, of): &(&str, ColumnType)| v1::Column { name: (*name).to_owned(), r#type: (*of).into() };
    let row = |cells: Vec<Option<Value>>| Row { cells: cells.into_iter().map(|value| Cell { value }).collect() };
    QueryMetricResponse {
        columns: columns.iter().map(column).collect(),
        rows: rows.into_iter().map(row).collect(),
        ..Default::default()
    }
}

fn time(seconds: i64, nanos: i32) -> Value {
    Value::Time(Timestamp { seconds, nanos })
}

#[test]
fn each_type_becomes_its_column() {
    let columns = [
        ("period_start", ColumnType::Time),
        ("breakdown", ColumnType::Text),
        ("sessions", ColumnType::Integer),
        ("used_share", ColumnType::Share),
        ("events_per_session", ColumnType::Number),
        ("median_ms", ColumnType::Milliseconds),
    ];
    let first = vec![
        Some(time(1_772_409_600, 0)),
        Some(Value::Text("web".to_owned())),
        Some(Value::Integer(380)),
        Some(Value::Number(0.25)),
        Some(Value::Number(14.2)),
        Some(Value::Integer(540_000)),
    ];
    let second = vec![None, None, Some(Value::Suppressed(true)), None, Some(Value::Suppressed(true)), None];
    let expected = Table::new()
        .with("period_start", Column::Time(vec![Some(1_772_409_600_000), None]))
        .and_then(|table| table.with("breakdown", Column::Text(vec![Some("web".to_owned()), None])))
        .and_then(|table| table.with("sessions", Column::Integer(vec![Some(380), None])))
        .and_then(|table| table.with("used_share", Column::Number(vec![Some(0.25), None])))
        .and_then(|table| table.with("events_per_session", Column::Number(vec![Some(14.2), None])))
        .and_then(|table| table.with("median_ms", Column::Integer(vec![Some(540_000), None])))
        .and_then(|table| table.with("suppressed", Column::Boolean(vec![Some(false), Some(true)])));
    assert_eq!(of_answer(&answer(&columns, vec![first, second])), expected);
}

#[test]
fn an_answer_without_rows_has_its_columns() {
    let table = of_answer(&answer(&[("actors", ColumnType::Integer)], vec![])).unwrap();
    let columns: Vec<_> = table.columns().map(|(name, column)| (name, column.clone())).collect();
    assert_eq!(columns, [("actors", Column::Integer(vec![])), ("suppressed", Column::Boolean(vec![]))]);
}

#[test]
fn times_are_cut_to_milliseconds_also_before_1970() {
    let cells = [time(1, 1_999_999), time(-1, 999_999_999), time(-2, 0)];
    let rows = cells.into_iter().map(|cell| vec![Some(cell)]).collect();
    let table = of_answer(&answer(&[("at", ColumnType::Time)], rows)).unwrap();
    assert_eq!(table.columns().next(), Some(("at", &Column::Time(vec![Some(1001), Some(-1), Some(-2000)]))));
}

#[test]
fn a_cell_that_does_not_fit_is_told_without_its_value() {
    let cases = [
        (ColumnType::Text, Value::Integer(77), "text", "a whole number"),
        (ColumnType::Integer, Value::Number(77.0), "whole numbers", "a number"),
        (ColumnType::Milliseconds, Value::Text("77".to_owned()), "whole milliseconds", "a text"),
        (ColumnType::Share, Value::Integer(77), "shares", "a whole number"),
        (ColumnType::Number, time(77, 0), "numbers", "a time"),
        (ColumnType::Time, Value::Integer(77), "times", "a whole number"),
        (ColumnType::Time, time(i64::MAX, 0), "times", "a time that cannot be"),
        (ColumnType::Time, time(77, -1), "times", "a time that cannot be"),
        (ColumnType::Time, time(77, 1_000_000_000), "times", "a time that cannot be"),
    ];
    for (of, cell, expected, found) in cases {
        let error = of_answer(&answer(&[("c", of)], vec![vec![None], vec![Some(cell)]])).unwrap_err();
        assert_eq!(error, ColumnarError::CellDoesNotFit { column: "c".to_owned(), row: 1, expected, found });
        assert!(!error.to_string().contains("77"), "{error}");
    }
}

#[test]
fn an_answer_of_another_shape_is_refused() {
    let integer = ("n", ColumnType::Integer);
    assert_eq!(
        of_answer(&answer(&[integer, ("m", ColumnType::Integer)], vec![vec![None, None], vec![None]])),
        Err(ColumnarError::CellsDiffer { row: 1, expected: 2, found: 1 })
    );
    assert_eq!(
        of_answer(&answer(&[integer, integer], vec![])),
        Err(ColumnarError::NameRepeats { column: "n".to_owned() })
    );
    assert_eq!(
        of_answer(&answer(&[("suppressed", ColumnType::Integer)], vec![])),
        Err(ColumnarError::NameRepeats { column: "suppressed".to_owned() })
    );
    let mut unknown = answer(&[integer], vec![]);
    for number in [0, 77, -1] {
        unknown.columns[0].r#type = number;
        assert_eq!(of_answer(&unknown), Err(ColumnarError::UnknownType { column: "n".to_owned(), number }));
    }
}

fn any_value() -> impl Strategy<Value = Option<Value>> {
    option::of(prop_oneof![
        ".{0,5}".prop_map(Value::Text),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Number),
        (any::<i64>(), any::<i32>()).prop_map(|(seconds, nanos)| time(seconds, nanos)),
        any::<bool>().prop_map(Value::Suppressed),
    ])
}

proptest! {
    #[test]
    fn any_answer_becomes_a_table_of_its_shape_or_is_refused(
        columns in vec(("[a-c]", 0..8_i32), 0..4),
        rows in vec(vec(any_value(), 0..4), 0..4),
    ) {
        let mut given = answer(&[], rows);
        given.columns = columns.into_iter().map(|(name, r#type)| v1::Column { name, r#type }).collect();
        if let Ok(table) = of_answer(&given) {
            prop_assert_eq!(table.rows(), given.rows.len());
            prop_assert_eq!(table.columns().len(), given.columns.len() + 1);
        }
    }
}
