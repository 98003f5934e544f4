//! Columns of numbers as bytes: each number a varint (LEB128), signed ones in zigzag, sorted ones as differences.
//!
//! ```text
//! 0..=127: one byte   128..=16383: two   ...   zigzag: 0 -> 0, -1 -> 1, 1 -> 2, -2 -> 3
//! ```
//!
//! The bytes stand in rows of the store. A row that cannot be read means that the store is damaged; it is folded again
//! from the log.

use daybook_kernel::state::Fault;

/// Writes a column.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    before: i64,
}

impl Writer {
    /// Adds a number.
    pub fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Adds a number that may be negative.
    pub fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// Adds a number as the difference to the one before.
    pub fn difference(&mut self, value: i64) {
        self.signed(value.wrapping_sub(self.before));
        self.before = value;
    }

    /// The column.
    pub fn finish(self) -> bytes::Bytes {
        self.bytes.into()
    }
}

/// Reads a column.
#[derive(Debug, Clone)]
pub struct Reader {
    bytes: bytes::Bytes,
    at: usize,
    before: i64,
}

impl Reader {
    /// From its first number.
    pub fn new(bytes: bytes::Bytes) -> Self {
        Self { bytes, at: 0, before: 0 }
    }

    /// Whether there is nothing left.
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next number.
    ///
    /// # Errors
    /// The column is at its end, or holds something else.
    #[inline]
    pub fn unsigned(&mut self) -> Result<u64, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // Most numbers take one byte.
        if let Some(&byte) = rest.first()
            && byte < 0x80
        {
            self.at += 1;
            return Ok(u64::from(byte));
        }
        let mut value: u64 = 0;
        for (i, &byte) in rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        Err(Fault::Damaged("a column of events ends before its last number".to_owned()))
    }

    /// The next number that may be negative.
    ///
    /// # Errors
    /// As [`Reader::unsigned`].
    #[inline]
    pub fn signed(&mut self) -> Result<i64, Fault> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The next number of a column of differences.
    ///
    /// # Errors
    /// As [`Reader::unsigned`].
    #[inline]
    pub fn difference(&mut self) -> Result<i64, Fault> {
        self.before = self.before.wrapping_add(self.signed()?);
        Ok(self.before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Part of the store's format.
    #[test]
    fn frozen() {
        let mut column = Writer::default();
        for value in [0, 127, 128, 300] {
            column.unsigned(value);
        }
        for value in [-1, 1, i64::MIN] {
            column.signed(value);
        }
        let expected = [0, 127, 0x80, 1, 0xac, 2, 1, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert_eq!(column.finish()[..], expected);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(any::<i64>(), 0..50)) {
            let (mut differences, mut signed) = (Writer::default(), Writer::default());
            for value in &values {
                differences.difference(*value);
                signed.signed(*value);
            }
            let (mut differences, mut signed) = (Reader::new(differences.finish()), Reader::new(signed.finish()));
            for value in &values {
                prop_assert_eq!(differences.difference(), Ok(*value));
                prop_assert_eq!(signed.signed(), Ok(*value));
            }
            prop_assert!(differences.is_at_end() && signed.is_at_end() && signed.unsigned().is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut column = Reader::new(bytes.into());
            while column.difference().is_ok() {}
        }
    }
}
