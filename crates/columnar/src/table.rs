//! Columns of equal length.

use crate::ColumnarError;

/// The longest text, in bytes of UTF-8. Texts of the log are shorter, because a command is. With this limit, the texts
/// of one batch of rows stay below the 2 GiB that an Arrow array can hold.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// A table: columns of equal length, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    columns: Vec<(String, Column)>,
}

/// The values of a column. `None` is null.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Few different texts, each by its place among `words`. Whoever reads the table sees texts.
    Words {
        /// The texts.
        words: Vec<String>,
        /// Places among them, from 0.
        places: Vec<Option<u32>>,
    },
    /// Texts of up to [`TEXT_BYTES_MAX`] bytes.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Integer(Vec<Option<i64>>),
    /// Numbers.
    Number(Vec<Option<f64>>),
    /// Yes or no.
    Boolean(Vec<Option<bool>>),
    /// Instants, in milliseconds since 1970, UTC.
    Time(Vec<Option<i64>>),
}

impl Column {
    /// How many values it has, nulls among them.
    pub fn rows(&self) -> usize {
        match self {
            Self::Words { places, .. } => places.len(),
            Self::Text(values) => values.len(),
            Self::Integer(values) | Self::Time(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Boolean(values) => values.len(),
        }
    }
}

impl Table {
    /// A table without columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a column.
    ///
    /// # Errors
    ///
    /// If its length differs from that of the columns before it, its name is taken, a place lies outside its words, or
    /// a text is longer than [`TEXT_BYTES_MAX`].
    pub fn with(mut self, name: &str, column: Column) -> Result<Self, ColumnarError> {
        if self.columns.iter().any(|(taken, _)| taken == name) {
            return Err(ColumnarError::NameRepeats { column: name.to_owned() });
        }
        let (expected, found) = (self.rows(), column.rows());
        if !self.columns.is_empty() && found != expected {
            return Err(ColumnarError::LengthDiffers { column: name.to_owned(), expected, found });
        }
        match &column {
            Column::Words { words, places } => {
                check_lengths(name, words.iter())?;
                check_places(name, words.len(), places)?;
            }
            Column::Text(values) => check_lengths(name, values.iter().flatten())?,
            Column::Integer(_) | Column::Number(_) | Column::Boolean(_) | Column::Time(_) => {}
        }
        self.columns.push((name.to_owned(), column));
        Ok(self)
    }

    /// How many rows it has; 0 as long as it has no columns.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.rows())
    }

    /// Names and columns, in their order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }
}

fn check_lengths<'a>(column: &str, mut texts: impl Iterator<Item = &'a String>) -> Result<(), ColumnarError> {
    match texts.find(|text| text.len() > TEXT_BYTES_MAX) {
        Some(text) => Err(ColumnarError::TextTooLong { column: column.to_owned(), bytes: text.len() }),
        None => Ok(()),
    }
}

fn check_places(column: &str, words: usize, places: &[Option<u32>]) -> Result<(), ColumnarError> {
    for (row, place) in places.iter().enumerate() {
        if let Some(place) = *place
            && usize::try_from(place).map_or(true, |place| place >= words)
        {
            return Err(ColumnarError::NoSuchWord { column: column.to_owned(), row, place, words });
        }
    }
    Ok(())
}
