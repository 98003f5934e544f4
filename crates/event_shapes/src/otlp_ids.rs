//! Ids of log records whose sender gives none, so that an export that is sent again counts once.
//!
//! An SDK sends the very bytes again when no answer came, and a collector the same records in other batches. So the id of a
//! record follows from its resource, its scope, everything that it holds, and its number among the equal ones of its export:
//!
//! | sent | counts |
//! | --- | --- |
//! | the same export twice | once |
//! | a record in two exports, in whatever company | once |
//! | two equal records in one export | twice |
//! | two equal records in two exports | once |
//!
//! The last line is the price: equal down to the nanosecond of their time, two records are one that was sent again. A record
//! that states no time, neither its own nor when it was observed, gets no id, for all that a program sends would be equal: it
//! counts each time. JSON and protobuf give other ids; nobody sends again in another encoding. As with any id, what comes
//! after the tenant's `deduplication_window` counts again.

use std::collections::BTreeMap;

use daybook_kernel::hash::Hash;

/// A hash of everything that a record holds, with its resource and scope.
pub(crate) type Content = Hash;

/// The content of a record; each part as it was encoded.
pub(crate) fn content(resource: Hash, scope: Hash, record: &[u8]) -> Content {
    Hash::of_hashes([resource, scope, Hash::of(record)])
}

/// Numbers equal records of an export.
#[derive(Default)]
pub(crate) struct Ids {
    seen: BTreeMap<Content, u32>,
}

impl Ids {
    /// The id of the next record.
    pub(crate) fn next(&mut self, content: Content) -> String {
        let equal = self.seen.entry(content).or_default();
        *equal += 1;
        format!("otlp/{}/{equal}", content.to_hex())
    }
}
