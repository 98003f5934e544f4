//! How much memory a request takes once it is decoded, estimated before it is: up to a thousand times that of its encoded
//! form, so a limit of its bytes alone bounds nothing.

use crate::error::{CallError, codes};

/// What an object takes: of its fields, even of one, a decoded message keeps a map.
const OBJECT: usize = 1_024;
/// What any other value takes, beside the bytes of a text.
const VALUE: usize = 64;
/// What one request may take.
const REQUEST_MAX: usize = 128 << 20;
/// The same for one whose entries are decoded one by one, all of them together, and each.
const ENTRIES_MAX: usize = 600 << 20;
const ONE_ENTRY_MAX: usize = 5 << 20;
/// Objects inside objects.
const DEPTH_MAX: usize = 32;

/// The decoded size of a request, summed up while it is looked through.
#[derive(Debug)]
pub(super) struct DecodedSize {
    bytes: usize,
    max: usize,
}

/// A request would take more than it may, or is nested deeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMuch {
    /// More than so many bytes.
    Bytes(usize),
    /// Deeper than so many levels.
    Depth(usize),
}

impl DecodedSize {
    /// Of a request that is decoded whole.
    pub(super) fn of_request() -> Self {
        Self { bytes: 0, max: REQUEST_MAX }
    }

    /// Of a request whose entries are decoded one by one.
    pub(super) fn of_entries() -> Self {
        Self { bytes: 0, max: ENTRIES_MAX }
    }

    /// Of one entry.
    pub(super) fn of_one_entry() -> Self {
        Self { bytes: 0, max: ONE_ENTRY_MAX }
    }

    /// So many bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds so many objects.
    pub(super) fn objects(&mut self, count: usize) -> Result<(), TooMuch> {
        self.add(count.saturating_mul(OBJECT))
    }

    /// Adds so many other values.
    pub(super) fn values(&mut self, count: usize) -> Result<(), TooMuch> {
        self.add(count.saturating_mul(VALUE))
    }

    /// Adds so many bytes.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), TooMuch> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.max { Err(TooMuch::Bytes(self.max)) } else { Ok(()) }
    }
}

/// Checks how deep a place is.
pub(super) fn check_depth(depth: usize) -> Result<(), TooMuch> {
    if depth > DEPTH_MAX { Err(TooMuch::Depth(DEPTH_MAX)) } else { Ok(()) }
}

impl std::fmt::Display for TooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(max) => {
                write!(f, "it holds so many values that it would take more than {} MiB of memory", max >> 20)
            }
            Self::Depth(max) => write!(f, "it is nested deeper than {max} levels"),
        }
    }
}

impl From<TooMuch> for CallError {
    fn from(much: TooMuch) -> Self {
        Self::new(
            codes::REQUEST_TOO_LARGE,
            format!("the request is refused: {much}; nothing was recorded; send less at once"),
        )
    }
}
