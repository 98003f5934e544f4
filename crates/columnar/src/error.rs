//! What is no table.

/// Why there is no table, or no file of it. Nothing is kept between calls, so nothing was lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnarError {
    /// A column is longer or shorter than those before it.
    #[error(
        "column {column:?} has {found} rows and those before it {expected}; nothing was written; give each column a \
         value or null for every row"
    )]
    LengthDiffers {
        /// The column.
        column: String,
        /// Rows of the columns before it.
        expected: usize,
        /// Its rows.
        found: usize,
    },
    /// Two columns have one name.
    #[error("there are two columns {column:?}; nothing was written; give each a name of its own")]
    NameRepeats {
        /// The name.
        column: String,
    },
    /// A place lies outside the words.
    #[error(
        "column {column:?} has word {place} in row {row}, and there are {words} words, counted from 0; nothing was \
         written; give the place of one of them"
    )]
    NoSuchWord {
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// The place.
        place: u32,
        /// How many words there are.
        words: usize,
    },
    /// A text is longer than readers should have to expect.
    #[error(
        "column {column:?} has a text of {bytes} bytes, and {} are the most; nothing was written; leave the text out \
         or cut it",
        crate::TEXT_BYTES_MAX
    )]
    TextTooLong {
        /// The column.
        column: String,
        /// The bytes of the text in UTF-8.
        bytes: usize,
    },
    /// Many readers take a file without columns for a broken one.
    #[error("the table has no columns; nothing was written; give it at least one")]
    NoColumns,
    /// A column of an answer is of a type that this release does not know.
    #[error(
        "column {column:?} of the answer is of type {number}, which is not known here; nothing was written, and the \
         answer is as it was; read it with a newer release"
    )]
    UnknownType {
        /// The column.
        column: String,
        /// The number of its type.
        number: i32,
    },
    /// A row of an answer is longer or shorter than its columns.
    #[error(
        "row {row} of the answer has {found} cells for {expected} columns; nothing was written; ask for the metric \
         again, of a node of the same release as this program"
    )]
    CellsDiffer {
        /// The row, from 0.
        row: usize,
        /// How many columns there are.
        expected: usize,
        /// How many cells the row has.
        found: usize,
    },
    /// A cell of an answer holds something else than its column.
    #[error(
        "row {row} of the answer has {found} in column {column:?}, which holds {expected}; nothing was written; ask \
         for the metric again, of a node of the same release as this program"
    )]
    CellDoesNotFit {
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// What the column holds.
        expected: &'static str,
        /// What the cell holds. Never its value.
        found: &'static str,
    },
    /// The library that writes the format would not.
    #[error(
        "the table could not be written as {format} ({what}); nothing was kept of it, and the table is as it was; \
         write fewer rows at once"
    )]
    NotWritten {
        /// The format.
        format: &'static str,
        /// What the library said.
        what: String,
    },
}
