//! Checking an export of decisions without the log: do the disclosed decisions stand in a chain that ends in the head
//! that the exporter names?
//!
//! An export shows every link of the chain from its beginning: for a record that is none of the reader's business its
//! body hash, for one that is, the record with the other decisions as hashes. Whoever knows the head from another
//! source (a signed checkpoint, an earlier export, the operator's word) knows that nothing in front of it was changed.

use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::{body_hash, chain_hash};
use daybook_proto::log::v1 as log;
use daybook_proto::node::v1::{ChainLink, chain_link::Link, disclosed_decision::Decision as Disclosure};
use prost::Message;

/// Why an export does not prove anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("link {link}: {what}")]
pub struct NotProven {
    /// Which link, from 0.
    pub link: u64,
    /// What is wrong.
    pub what: String,
}

/// A decision that stands in the chain.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The command's offset.
    pub command_offset: Offset,
    /// Offset of the decision record.
    pub record_offset: Offset,
    /// The command.
    pub command: log::CommandRecord,
    /// Its hash.
    pub command_hash: Hash,
    /// The decision.
    pub decision: log::Decision,
    /// When, by the log's clock.
    pub decided_at: Option<prost_types::Timestamp>,
}

/// Follows the chain through the pages of an export.
#[derive(Debug)]
pub struct Chain {
    head: Hash,
    links: u64,
}

impl Chain {
    /// From the beginning of a log.
    pub fn new(log_name: &str, partitions: u32, partition: PartitionId) -> Self {
        Self { head: Hash::genesis(log_name, partitions, partition.0), links: 0 }
    }

    /// Where the chain stands.
    pub fn head(&self) -> Hash {
        self.head
    }

    /// How many links were followed.
    pub fn links(&self) -> u64 {
        self.links
    }

    /// Follows one link, and returns the decisions that it discloses.
    pub fn follow(&mut self, link: &ChainLink) -> Result<Vec<Proven>, NotProven> {
        let wrong = |what: &str| NotProven { link: self.links, what: what.to_owned() };
        let mut proven = Vec::new();
        let body = match &link.link {
            None => return Err(wrong("it says nothing")),
            Some(Link::BodyHash(hash)) => Hash::from_slice(hash).ok_or_else(|| wrong("its hash is not 32 bytes"))?,
            Some(Link::Record(record)) => {
                let header = log::RecordHeader::decode(record.header.clone()).map_err(|_| wrong("its header"))?;
                let Some(log::record_header::Body::Batch(batch)) = header.body else {
                    return Err(wrong("a takeover holds no decisions"));
                };
                let mut hashes = Vec::with_capacity(record.decisions.len());
                let first = batch.first_command_offset;
                let next = first.checked_add(record.decisions.len() as u64).ok_or_else(|| wrong("its offsets"))?;
                for (command, decision) in (first..next).zip(&record.decisions) {
                    match &decision.decision {
                        None => return Err(wrong("a decision is neither shown nor hashed")),
                        Some(Disclosure::Hash(hash)) => {
                            hashes.push(Hash::from_slice(hash).ok_or_else(|| wrong("a hash is not 32 bytes"))?);
                        }
                        Some(Disclosure::Disclosed(shown)) => {
                            hashes.push(Hash::of(&shown.decision));
                            let decision = log::Decision::decode(shown.decision.clone())
                                .map_err(|_| wrong("a decision cannot be read"))?;
                            let command_hash = Hash::of(&shown.command);
                            if decision.command_hash != command_hash.as_bytes()[..] {
                                return Err(wrong("a command is not the one that was decided"));
                            }
                            let record_offset = Offset(record.offset);
                            let decided_at = batch.decided_at;
                            let command_record = log::CommandRecord::decode(shown.command.clone())
                                .map_err(|_| wrong("a command cannot be read"))?;
                            proven.push(Proven {
                                command_offset: Offset(command),
                                record_offset,
                                command: command_record,
                                command_hash,
                                decision,
                                decided_at,
                            });
                        }
                    }
                }
                body_hash(&record.header, hashes)
            }
        };
        self.head = chain_hash(self.head, body);
        self.links += 1;
        Ok(proven)
    }
}
