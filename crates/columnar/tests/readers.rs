//! What DuckDB, pandas and pyarrow make of the files.
//!
//! They are those of the Python that `tests/setup/duckdb.sh` prints, in the environment variable DAYBOOK_DUCKDB_PYTHON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use daybook_columnar::{Column, Table, arrow_stream, parquet};

/// 2026-03-02, midnight in UTC.
const START_MS: i64 = 1_772_409_600_000;
const DAY_MS: i64 = 86_400_000;

/// Runs a program of some lines in a folder; what it prints.
fn python(folder: &Path, lines: &str) -> String {
    let python = std::env::var_os("DAYBOOK_DUCKDB_PYTHON").unwrap_or_else(|| {
        panic!("DAYBOOK_DUCKDB_PYTHON must name what tests/setup/duckdb.sh prints: run it and set it")
    });
    let output = Command::new(python).args(["-W", "error", "-c", lines]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// One row of values, one of nulls, one of awkward values.
fn three_rows(start_ms: i64) -> Table {
    let words = vec!["page.viewed".to_owned(), "case.exported".to_owned()];
    let text = |text: &str| Some(text.to_owned());
    Table::new()
        .with("time", Column::Time(vec![Some(start_ms + 1500), None, Some(start_ms + DAY_MS - 1)]))
        .and_then(|table| table.with("name", Column::Words { words, places: vec![Some(1), None, Some(0)] }))
        .and_then(|table| table.with("case_id", Column::Text(vec![text("case-17"), None, text("Ünï 'q' \u{1f980}")])))
        .and_then(|table| table.with("actor", Column::Integer(vec![Some(1), None, Some(i64::MIN)])))
        .and_then(|table| table.with("share", Column::Number(vec![Some(0.25), None, Some(-1e300)])))
        .and_then(|table| table.with("is_saved", Column::Boolean(vec![Some(true), None, Some(false)])))
        .unwrap()
}

/// So many rows that every encoding is used, dictionaries fill up, and there is more than one row group.
fn many_rows() -> Table {
    let rows = 1_100_000_i64;
    let scattered = |row: i64, below: i64| ((row * 2_654_435_761) >> 8).rem_euclid(below);
    let words = vec!["a".to_owned(), "b".to_owned()];
    let places = (0..rows).map(|row| Some((row % 2) as u32)).collect();
    let integers = |of: &dyn Fn(i64) -> i64| Column::Integer((0..rows).map(|row| Some(of(row))).collect());
    let times = (0..rows).map(|row| Some(START_MS + scattered(row, 86_400) * 1000)).collect();
    let ids = (0..rows).map(|row| (row % 10 > 0).then(|| format!("case-{}", scattered(row, 100_000)))).collect();
    Table::new()
        .with("time", Column::Time(times))
        .and_then(|table| table.with("name", Column::Words { words, places }))
        .and_then(|table| table.with("actor", integers(&|row| row / 2)))
        .and_then(|table| table.with("few", integers(&|row| scattered(row, 7))))
        .and_then(|table| table.with("many", integers(&|row| scattered(row, 1_000_000))))
        .and_then(|table| table.with("case_id", Column::Text(ids)))
        .unwrap()
}

#[test]
fn duckdb_reads_folders_by_date_with_their_types_and_values() {
    let folder = tempfile::tempdir().unwrap();
    for (day, date) in [(0, "2026-03-02"), (1, "2026-03-03")] {
        let below = folder.path().join(format!("events/date={date}"));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("part-0.parquet"), parquet(&three_rows(START_MS + day * DAY_MS), &[]).unwrap()).unwrap();
    }
    let said = python(
        folder.path(),
        r#"
import duckdb
duckdb.sql("SET TimeZone = 'UTC'")
events = duckdb.read_parquet("events/*/*.parquet", hive_partitioning=True)
for name, of in zip(events.columns, events.types):
    print(name, of)
rows = duckdb.sql("SELECT * REPLACE (time::VARCHAR AS time) FROM events WHERE date = DATE '2026-03-03'")
for row in rows.fetchall():
    print(row)
print(duckdb.sql("SELECT date, count(*), count(time) FROM events GROUP BY date ORDER BY date").fetchall())
"#,
    );
    let expected = "time TIMESTAMP WITH TIME ZONE
name VARCHAR
case_id VARCHAR
actor BIGINT
share DOUBLE
is_saved BOOLEAN
date DATE
('2026-03-03 00:00:01.5+00', 'case.exported', 'case-17', 1, 0.25, True, datetime.date(2026, 3, 3))
(None, None, None, None, None, None, datetime.date(2026, 3, 3))
('2026-03-03 23:59:59.999+00', 'page.viewed', \"Ünï 'q' 🦀\", -9223372036854775808, -1e+300, False, \
                    datetime.date(2026, 3, 3))
[(datetime.date(2026, 3, 2), 3, 2), (datetime.date(2026, 3, 3), 3, 2)]
";
    assert_eq!(said, expected);
}

#[test]
fn pyarrow_and_pandas_beside_duckdb_read_the_same_from_file_and_stream() {
    let folder = tempfile::tempdir().unwrap();
    let table = three_rows(START_MS);
    fs::write(folder.path().join("rows.parquet"), parquet(&table, &[("tenant", "demo")]).unwrap()).unwrap();
    fs::write(folder.path().join("rows.arrows"), arrow_stream(&table).unwrap()).unwrap();
    let said = python(
        folder.path(),
        r#"
import duckdb, pandas, pyarrow, pyarrow.ipc, pyarrow.parquet
file = pyarrow.parquet.read_table("rows.parquet")
stream = pyarrow.ipc.open_stream("rows.arrows").read_all()
stream.validate(full=True)
print(file.schema.metadata, stream.schema.metadata)
for field in stream.schema:
    print(field.name, field.type, field.nullable)
assert file.schema.equals(stream.schema) and file.equals(stream)
frame = pandas.read_parquet("rows.parquet")
assert frame.equals(stream.to_pandas())
print(str(frame["time"].dtype.tz), frame["time"].astype(str).tolist(), frame["time"].isna().tolist())
whole = pandas.read_parquet("rows.parquet", dtype_backend="pyarrow")
print(whole.drop(columns="time").to_dict("records")[0], whole["actor"].tolist()[2])
print(duckdb.sql("SELECT count(*), min(name), max(actor) FROM stream").fetchall())
"#,
    );
    let expected = "{b'tenant': b'demo'} None
time timestamp[ms, tz=UTC] True
name string True
case_id string True
actor int64 True
share double True
is_saved bool True
UTC ['2026-03-02 00:00:01.500+00:00', nan, '2026-03-02 23:59:59.999+00:00'] [False, True, False]
{'name': 'case.exported', 'case_id': 'case-17', 'actor': 1, 'share': 0.25, 'is_saved': True} -9223372036854775808
[(3, 'case.exported', 1)]
";
    assert_eq!(said, expected);
}

#[test]
fn duckdb_and_pyarrow_read_every_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let table = many_rows();
    fs::write(folder.path().join("rows.parquet"), parquet(&table, &[]).unwrap()).unwrap();
    fs::write(folder.path().join("rows.arrows"), arrow_stream(&table).unwrap()).unwrap();
    let said = python(
        folder.path(),
        r#"
import duckdb, pyarrow.ipc, pyarrow.parquet
stream = pyarrow.ipc.open_stream("rows.arrows").read_all()
assert pyarrow.parquet.read_table("rows.parquet").equals(stream)
duckdb.sql("SET enable_progress_bar = false")
print(duckdb.sql("SELECT count(*) FROM 'rows.parquet'").fetchall())
print(duckdb.sql("SELECT count(*) FROM (FROM 'rows.parquet' EXCEPT ALL FROM stream)").fetchall())
about = pyarrow.parquet.ParquetFile("rows.parquet").metadata
print(about.num_row_groups, about.created_by)
for at in range(about.num_columns):
    column = about.row_group(0).column(at)
    print(column.path_in_schema, column.compression, *sorted(column.encodings))
"#,
    );
    let expected = "[(1100000,)]
[(0,)]
2 daybook version 1
time ZSTD PLAIN RLE RLE_DICTIONARY
name ZSTD PLAIN RLE RLE_DICTIONARY
actor ZSTD DELTA_BINARY_PACKED RLE
few ZSTD PLAIN RLE RLE_DICTIONARY
many ZSTD DELTA_BINARY_PACKED PLAIN RLE RLE_DICTIONARY
case_id ZSTD DELTA_BYTE_ARRAY PLAIN RLE RLE_DICTIONARY
";
    assert_eq!(said, expected);
}
