//! Decision records: how they are put together, taken apart and hashed.
//!
//! ```text
//! body = BLAKE3(BLAKE3(header) || BLAKE3(decision 0) || BLAKE3(decision 1) || ...)
//! hash = BLAKE3(prev_hash || body)
//! ```
//!
//! The hash covers every byte of a record: a record whose bytes are not exactly the encoding of what was read from
//! them is malformed. The levels let a record be disclosed in part, see `ExportDecisions`.

use bytes::Bytes;
use daybook_proto::log::v1::{self, record_header::Body};
use prost::Message;

use crate::hash::Hash;
use crate::id::{Epoch, Offset};
use crate::time::Timestamp;

/// Why bytes are not a decision record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a decision record: {0}")]
pub struct MalformedRecord(String);

/// A decision record that was read from a log or is about to be appended to one.
#[derive(Debug, Clone)]
pub struct DecisionRecord {
    /// The bytes on the log.
    pub bytes: Bytes,
    /// The record it builds on.
    pub prev_hash: Hash,
    /// Its own hash.
    pub hash: Hash,
    /// The term of its writer.
    pub epoch: Epoch,
    /// What it is.
    pub body: RecordBody,
}

/// What a decision record is.
#[derive(Debug, Clone)]
pub enum RecordBody {
    /// A new owner starts.
    Takeover {
        /// The owner's node.
        node_id: String,
        /// Where it is reached.
        address: String,
        /// When, by the log's clock.
        taken_at: Timestamp,
    },
    /// Decisions for a contiguous run of commands.
    Batch {
        /// The command that the first decision answers.
        first_command: Offset,
        /// What `now` was for all of them.
        decided_at: Timestamp,
        /// Each decision, encoded.
        decisions: Vec<Bytes>,
    },
}

impl DecisionRecord {
    /// Puts a takeover together.
    pub fn takeover(prev_hash: Hash, epoch: Epoch, node_id: &str, address: &str, taken_at: Timestamp) -> Self {
        let body = RecordBody::Takeover { node_id: node_id.into(), address: address.into(), taken_at };
        Self::assemble(prev_hash, epoch, body)
    }

    /// Puts a batch of decisions together.
    pub fn batch(
        prev_hash: Hash,
        epoch: Epoch,
        first_command: Offset,
        decided_at: Timestamp,
        decisions: Vec<Bytes>,
    ) -> Self {
        Self::assemble(prev_hash, epoch, RecordBody::Batch { first_command, decided_at, decisions })
    }

    fn assemble(prev_hash: Hash, epoch: Epoch, body: RecordBody) -> Self {
        let (proto, decisions) = match &body {
            RecordBody::Takeover { node_id, address, taken_at } => (
                Body::Takeover(v1::Takeover {
                    node_id: node_id.clone(),
                    address: address.clone(),
                    taken_at: Some(taken_at.to_proto()),
                }),
                Vec::new(),
            ),
            RecordBody::Batch { first_command, decided_at, decisions } => (
                Body::Batch(v1::DecisionBatch {
                    first_command_offset: first_command.0,
                    decided_at: Some(decided_at.to_proto()),
                }),
                decisions.clone(),
            ),
        };
        let header = Bytes::from(v1::RecordHeader { epoch: epoch.0, body: Some(proto) }.encode_to_vec());
        let hash = chain_hash(prev_hash, body_hash(&header, decisions.iter().map(|decision| Hash::of(decision))));
        let record = v1::DecisionRecord { prev_hash: prev_hash.to_bytes(), header, decisions };
        Self { bytes: record.encode_to_vec().into(), prev_hash, hash, epoch, body }
    }

    /// Reads a record. Never panics, whatever the bytes are.
    pub fn read(bytes: Bytes) -> Result<Self, MalformedRecord> {
        let malformed = |what: &str| MalformedRecord(what.to_owned());
        let record = v1::DecisionRecord::decode(bytes.clone()).map_err(|error| MalformedRecord(error.to_string()))?;
        let prev_hash = Hash::from_slice(&record.prev_hash).ok_or_else(|| malformed("prev_hash is not 32 bytes"))?;
        let header =
            v1::RecordHeader::decode(record.header.clone()).map_err(|error| MalformedRecord(error.to_string()))?;
        if record.encode_to_vec() != bytes || header.encode_to_vec() != record.header {
            return Err(malformed("its bytes are not the encoding of its content"));
        }
        let time = |time: Option<prost_types::Timestamp>| {
            time.and_then(|time| Timestamp::from_proto(&time).ok()).ok_or_else(|| malformed("it has no valid time"))
        };
        let hashes = record.decisions.iter().map(|decision| Hash::of(decision));
        let hash = chain_hash(prev_hash, body_hash(&record.header, hashes));
        let body = match header.body {
            Some(Body::Takeover(takeover)) => {
                if !record.decisions.is_empty() {
                    return Err(malformed("a takeover holds decisions"));
                }
                RecordBody::Takeover {
                    node_id: takeover.node_id,
                    address: takeover.address,
                    taken_at: time(takeover.taken_at)?,
                }
            }
            Some(Body::Batch(batch)) => {
                if record.decisions.is_empty() {
                    return Err(malformed("a batch holds no decision"));
                }
                RecordBody::Batch {
                    first_command: Offset(batch.first_command_offset),
                    decided_at: time(batch.decided_at)?,
                    decisions: record.decisions,
                }
            }
            None => return Err(malformed("its header says neither takeover nor batch")),
        };
        Ok(Self { bytes, prev_hash, hash, epoch: Epoch(header.epoch), body })
    }
}

/// The hash of what a record holds, without its place in the chain.
pub fn body_hash(header: &[u8], decision_hashes: impl IntoIterator<Item = Hash>) -> Hash {
    Hash::of_hashes(std::iter::once(Hash::of(header)).chain(decision_hashes))
}

/// The hash of a record in its place.
pub fn chain_hash(prev_hash: Hash, body_hash: Hash) -> Hash {
    Hash::of_hashes([prev_hash, body_hash])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch() -> DecisionRecord {
        let decisions = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        DecisionRecord::batch(Hash::of(b"prev"), Epoch(3), Offset(17), Timestamp::from_micros(1_700), decisions)
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let written = batch();
        let read = DecisionRecord::read(written.bytes.clone()).unwrap();
        assert_eq!((read.prev_hash, read.hash, read.epoch), (written.prev_hash, written.hash, written.epoch));
        assert!(matches!(read.body, RecordBody::Batch { first_command: Offset(17), ref decisions, .. }
            if decisions.len() == 2));
        let takeover = DecisionRecord::takeover(written.hash, Epoch(4), "n1", "127.0.0.1:1", Timestamp::default());
        assert_eq!(DecisionRecord::read(takeover.bytes.clone()).unwrap().hash, takeover.hash);
    }

    /// Part of the log's format.
    #[test]
    fn frozen_hash() {
        assert_eq!(batch().hash.to_hex(), "a7cc9fe76fb27708a503032607c8baaa217a0f62db6065881825164f54108b72");
    }

    proptest! {
        #[test]
        fn no_byte_can_be_changed_unnoticed(at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let written = batch();
            let mut bytes = written.bytes.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(read) = DecisionRecord::read(bytes.into()) {
                prop_assert!(read.hash != written.hash);
            }
        }

        #[test]
        fn nothing_can_be_added_unnoticed(extra in prop::collection::vec(any::<u8>(), 1..20)) {
            let written = batch();
            let mut bytes = written.bytes.to_vec();
            bytes.extend(extra);
            if let Ok(read) = DecisionRecord::read(bytes.into()) {
                prop_assert!(read.hash != written.hash);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = DecisionRecord::read(bytes.into());
        }
    }
}
