//! Events in columns.
//!
//! ```text
//! recent row (a batch, log order) --+
//! recent row                        +--> Run --sorted by (actor, time), cut by day--> segment: actor | time | name | property...
//! segment of that day --------------+
//! ```
//!
//! A segment never changes, but for actors that are erased: it is written anew without them. Its rows: [`SegmentRow`](daybook_proto::product_analytics::v1::SegmentRow) says what it
//! holds, and each column is a row of its own, so that a question reads the columns it needs. Events of the same actor
//! and time stand in the order of the log; those of a segment with a higher number were recorded later.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `run` | events in memory: from rows, sorted, back into rows |
//! | `cursor` | reads a segment from its first actor to its last |

mod cursor;
mod run;

pub use cursor::{Cursor, Found, occurs};
pub use run::{Encoded, Run, Values};

/// Column of the actors' numbers, as differences.
pub const ACTORS: u32 = 0;
/// Column of the times, in the segment's unit, as differences.
pub const TIMES: u32 = 1;
/// Column of the names' numbers.
pub const NAMES: u32 = 2;
/// A property's column is its number plus this.
pub const PROPERTIES: u32 = 16;

/// The 16 bytes at a place in ids that stand one after the other.
pub fn id16(ids: &[u8], place: usize) -> Option<&[u8; 16]> {
    ids.get(place.checked_mul(16)?..)?.first_chunk()
}
