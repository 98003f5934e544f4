//! What is written is read again, the same table is the same bytes, and what is no table is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, Schema, TimeUnit};
use bytes::Bytes;
use daybook_columnar::{Column, ColumnarError, TEXT_BYTES_MAX, Table, arrow_stream, parquet};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// A value as readers see it. Numbers by their bits, so that NaN is NaN and -0 is not 0.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Text(String),
    Integer(i64),
    Bits(u64),
    Boolean(bool),
    Time(i64),
}

fn written(column: &Column) -> Vec<Value> {
    fn of<T: Clone>(values: &[Option<T>], value: impl Fn(T) -> Value) -> Vec<Value> {
        values.iter().map(|found| found.clone().map_or(Value::Null, &value)).collect()
    }
    match column {
        Column::Words { words, places } => of(places, |place| Value::Text(words[place as usize].clone())),
        Column::Text(values) => of(values, Value::Text),
        Column::Integer(values) => of(values, Value::Integer),
        Column::Number(values) => of(values, |number| Value::Bits(number.to_bits())),
        Column::Boolean(values) => of(values, Value::Boolean),
        Column::Time(values) => of(values, Value::Time),
    }
}

fn read_of(array: &dyn Array) -> Vec<Value> {
    let value = |row: usize| match array.data_type() {
        _ if array.is_null(row) => Value::Null,
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Int64 => Value::Integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Bits(array.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Timestamp(TimeUnit::Millisecond, Some(zone)) if zone.as_ref() == "UTC" => {
            Value::Time(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        other => panic!("nothing is written as {other}"),
    };
    (0..array.len()).map(value).collect()
}

type Read = (Arc<Schema>, Vec<Vec<Value>>);

fn joined(schema: Arc<Schema>, batches: impl Iterator<Item = RecordBatch>) -> Read {
    let mut columns = vec![Vec::new(); schema.fields().len()];
    for batch in batches {
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            column.extend(read_of(array));
        }
    }
    (schema, columns)
}

fn read_parquet(file: Bytes) -> Read {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = Arc::new(Schema::new(builder.schema().fields().clone()));
    joined(schema, builder.build().unwrap().map(Result::unwrap))
}

fn read_stream(stream: &Bytes) -> Read {
    let reader = StreamReader::try_new(stream.as_ref(), None).unwrap();
    joined(reader.schema(), reader.map(Result::unwrap))
}

fn type_of(column: &Column) -> DataType {
    match column {
        Column::Words { .. } | Column::Text(_) => DataType::Utf8,
        Column::Integer(_) => DataType::Int64,
        Column::Number(_) => DataType::Float64,
        Column::Boolean(_) => DataType::Boolean,
        Column::Time(_) => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
    }
}

fn check_is_read(table: &Table) {
    let columns: Vec<_> = table.columns().collect();
    for (schema, values) in [read_parquet(parquet(table, &[]).unwrap()), read_stream(&arrow_stream(table).unwrap())] {
        assert_eq!(schema.fields().len(), columns.len());
        for ((field, read), (name, column)) in schema.fields().iter().zip(values).zip(&columns) {
            assert_eq!((field.name().as_str(), field.data_type()), (*name, &type_of(column)));
            assert!(field.is_nullable());
            assert!(read == written(column), "{name} is read as it was written");
        }
    }
}

fn words(words: &[&str], places: Vec<Option<u32>>) -> Column {
    Column::Words { words: words.iter().map(ToString::to_string).collect(), places }
}

fn text(values: &[Option<&str>]) -> Column {
    Column::Text(values.iter().map(|text| text.map(ToOwned::to_owned)).collect())
}

fn any_column(rows: usize) -> BoxedStrategy<Column> {
    let integers = || vec(option::of(prop_oneof![any::<i64>(), 0..9_i64]), rows);
    let any_words = vec(".{0,9}", 1..5).prop_flat_map(move |words| {
        let places = vec(option::of(0..words.len() as u32), rows);
        places.prop_map(move |places| Column::Words { words: words.clone(), places })
    });
    prop_oneof![
        any_words,
        vec(option::of(".{0,9}"), rows).prop_map(Column::Text),
        integers().prop_map(Column::Integer),
        integers().prop_map(|mut values| {
            values.sort_unstable();
            Column::Integer(values)
        }),
        vec(option::of(any::<f64>()), rows).prop_map(Column::Number),
        vec(option::of(any::<bool>()), rows).prop_map(Column::Boolean),
        integers().prop_map(Column::Time),
    ]
    .boxed()
}

fn any_table() -> impl Strategy<Value = Table> {
    (0..40_usize).prop_flat_map(|rows| vec((".{0,6}", any_column(rows)), 1..6)).prop_map(|columns| {
        let named = |table: Table, (at, (name, column)): (usize, (String, Column))| {
            table.with(&format!("{name}{at}"), column).unwrap()
        };
        columns.into_iter().enumerate().fold(Table::new(), named)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(table in any_table()) {
        check_is_read(&table);
    }

    #[test]
    fn the_same_table_is_the_same_bytes(table in any_table(), key in ".{0,5}", value in ".{0,5}") {
        let again = table.clone();
        let metadata = [(key.as_str(), value.as_str())];
        prop_assert_eq!(parquet(&table, &metadata).unwrap(), parquet(&again, &metadata).unwrap());
        prop_assert_eq!(arrow_stream(&table).unwrap(), arrow_stream(&again).unwrap());
    }

    #[test]
    fn words_read_as_the_same_texts_do(places in vec(option::of(0..3_u32), 0..60)) {
        let known = ["a", "", "c"];
        let texts: Vec<_> = places.iter().map(|place| place.map(|place| known[place as usize])).collect();
        let by_place = Table::new().with("w", words(&known, places)).unwrap();
        let as_text = Table::new().with("w", text(&texts)).unwrap();
        prop_assert_eq!(arrow_stream(&by_place).unwrap(), arrow_stream(&as_text).unwrap());
        let read = |table| read_parquet(parquet(table, &[]).unwrap());
        prop_assert_eq!(read(&by_place), read(&as_text));
    }
}

/// Numbers that look random and follow from one.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB)
}

/// Events of one day by actor: like those that are exported.
fn events(rows: u64) -> Table {
    let integer = |of: fn(u64) -> u64| Column::Integer((0..rows).map(|row| Some(of(row) as i64)).collect());
    let ids = (0..rows).map(|row| (row % 7 > 0).then(|| format!("case-{}", mixed(row) >> 40 & 0xf_ffff)));
    let is_saved = (0..rows).map(|row| (row % 3 > 0).then_some(mixed(row) >> 20 & 1 == 1));
    let names = (0..rows).map(|row| Some((mixed(row) >> 20) as u32 % 3)).collect();
    let times = (0..rows).map(|row| Some(1_772_409_600_000 + (mixed(row) >> 20) as i64 % 86_400 * 1000)).collect();
    Table::new()
        .with("time", Column::Time(times))
        .and_then(|table| table.with("name", words(&["page.viewed", "answer.shown", "answer.used"], names)))
        .and_then(|table| table.with("actor", integer(|row| row / 2)))
        .and_then(|table| table.with("results", integer(|row| mixed(row) >> 20 & 0x1fff)))
        .and_then(|table| table.with("took", integer(|row| mixed(row) >> 20 & 0xf_ffff)))
        .and_then(|table| table.with("is_saved", Column::Boolean(is_saved.collect())))
        .and_then(|table| table.with("case_id", Column::Text(ids.collect())))
        .unwrap()
}

#[test]
fn many_rows_are_read_as_they_were_written() {
    for rows in [4095, 4096, 4097, 100_000] {
        check_is_read(&events(rows));
    }
}

#[test]
fn many_row_groups_are_read_as_they_were_written() {
    let rows = 2_200_000_i64;
    let values = Column::Integer((0..rows).map(|row| (row % 5 > 0).then_some(row)).collect());
    let table = Table::new().with("row", values).unwrap();
    let file = parquet(&table, &[]).unwrap();
    assert_eq!(SerializedFileReader::new(file).unwrap().metadata().num_row_groups(), 3);
    check_is_read(&table);
}

#[test]
fn events_take_few_bytes() {
    let rows = 300_000;
    let bytes = parquet(&events(rows), &[]).unwrap().len() as f64 / rows as f64;
    assert!(bytes < 12.0, "{bytes:.1} bytes a row");
}

#[test]
fn a_table_without_rows_has_its_schema() {
    let with = |integers, numbers| {
        Table::new().with("i", Column::Integer(integers)).and_then(|table| table.with("n", Column::Number(numbers)))
    };
    let (empty, full) = (with(vec![], vec![]).unwrap(), with(vec![Some(1)], vec![Some(0.5)]).unwrap());
    check_is_read(&empty);
    let schema = |table| read_parquet(parquet(table, &[]).unwrap()).0;
    assert_eq!(schema(&empty), schema(&full));
}

#[test]
fn a_file_says_what_it_was_given_and_nothing_of_the_day() {
    let table = Table::new().with("a", Column::Integer(vec![Some(1)])).unwrap();
    let file = parquet(&table, &[("tenant", "demo"), ("at", "7/31")]).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let about = reader.metadata().file_metadata();
    let pairs: Vec<_> =
        about.key_value_metadata().unwrap().iter().map(|pair| (&*pair.key, pair.value.as_deref())).collect();
    assert_eq!(pairs, [("tenant", Some("demo")), ("at", Some("7/31"))]);
    assert_eq!(about.created_by(), Some("daybook version 1"));
}

#[test]
fn what_is_no_table_is_refused() {
    let table = Table::new().with("a", Column::Integer(vec![Some(1), None])).unwrap();
    let refused = |name: &str, column| table.clone().with(name, column).unwrap_err();
    let column = || "b".to_owned();
    assert_eq!(
        refused("b", Column::Boolean(vec![None])),
        ColumnarError::LengthDiffers { column: column(), expected: 2, found: 1 }
    );
    assert_eq!(refused("a", Column::Time(vec![None, None])), ColumnarError::NameRepeats { column: "a".to_owned() });
    assert_eq!(
        refused("b", words(&["x", "y"], vec![Some(1), Some(2)])),
        ColumnarError::NoSuchWord { column: column(), row: 1, place: 2, words: 2 }
    );
    let too_long = "x".repeat(TEXT_BYTES_MAX + 1);
    let error = ColumnarError::TextTooLong { column: column(), bytes: TEXT_BYTES_MAX + 1 };
    assert_eq!(refused("b", text(&[None, Some(&too_long)])), error);
    assert_eq!(refused("b", words(&["x", &too_long], vec![None, None])), error);
    assert_eq!(parquet(&Table::new(), &[]), Err(ColumnarError::NoColumns));
    assert_eq!(arrow_stream(&Table::new()), Err(ColumnarError::NoColumns));
}

#[test]
fn the_longest_text_is_written() {
    let longest = "x".repeat(TEXT_BYTES_MAX);
    let table = Table::new().with("t", text(&[Some(&longest), None])).and_then(|table| {
        let words = words(&["x", &longest], vec![Some(1), Some(0)]);
        table.with("w", words)
    });
    check_is_read(&table.unwrap());
}
