//! Tables for other programs, as Arrow streams and as Parquet files: the same bytes for the same rows.
//!
//! Not for: reading such files, or deciding what may be seen of them.
//!
//! Architecture invariants: no clock, no IO and no randomness; what is written follows from the table alone, so that a
//! file made twice is one file. The schema follows from names and kinds of columns, never from values. No table and no
//! answer, whatever its shape, stops the program.
//!
//! ```
//! use daybook_columnar::{Column, Table, arrow_stream, parquet};
//!
//! let words = vec!["page.viewed".to_owned(), "case.exported".to_owned()];
//! let table = Table::new()
//!     .with("name", Column::Words { words, places: vec![Some(1), Some(0)] })?
//!     .with("time", Column::Time(vec![Some(1_772_409_600_000), None]))?;
//! assert_eq!(table.rows(), 2);
//! assert!(parquet(&table, &[("tenant", "demo")])?.starts_with(b"PAR1"));
//! assert!(arrow_stream(&table)?.starts_with(&[0xff; 4]));
//! # Ok::<(), daybook_columnar::ColumnarError>(())
//! ```

mod answer;
mod arrow_stream;
mod batches;
mod error;
mod parquet_file;
mod table;

pub use answer::of_answer;
pub use arrow_stream::arrow_stream;
pub use error::ColumnarError;
pub use parquet_file::parquet;
pub use table::{Column, TEXT_BYTES_MAX, Table};
