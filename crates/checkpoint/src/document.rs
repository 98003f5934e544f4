//! The checkpoint: what it says, what exactly is signed, and its JSON.
//!
//! Signed is this text, with one line for each partition and a line feed at the end of each line:
//!
//! ```text
//! daybook checkpoint 1
//! log <name>
//! partitions <count>
//! made-at <time>
//! <partition> <next record> <next command> <epoch> <hash> <time>
//! ```
//!
//! Everything in it stands in the JSON as well, so anybody can put the text together again and check the signature with
//! a program of his own.

use std::fmt::Write;

use daybook_kernel::chain::Head;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::PartitionId;
use daybook_kernel::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{CheckpointError, PublicKey, SigningKey};

const FORMAT: &str = "daybook-checkpoint";
const VERSION: u64 = 1;

/// Where the chains of a log stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub log: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// When the checkpoint was made, by the clock of whoever made it.
    pub made_at: Timestamp,
    /// Every partition, in the order of their numbers.
    pub heads: Vec<Mark>,
}

/// Where the chain of a partition stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The partition.
    pub partition: PartitionId,
    /// Where the next decision record went.
    pub next_record: u64,
    /// The first command without a decision.
    pub next_command: u64,
    /// The owner's term.
    pub epoch: u64,
    /// Hash of the last record that counted.
    pub hash: Hash,
    /// The log's time.
    pub time: Timestamp,
}

impl Mark {
    /// Where a partition stands.
    pub fn of(partition: PartitionId, head: &Head) -> Self {
        Self {
            partition,
            next_record: head.next_record.0,
            next_command: head.next_command.0,
            epoch: head.epoch.0,
            hash: head.hash,
            time: head.now,
        }
    }
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let mut text = format!("daybook checkpoint {VERSION}\nlog {}\npartitions {}\n", self.log, self.partitions);
        // Writing into a string does not fail.
        let _ = writeln!(text, "made-at {}", self.made_at);
        for mark in &self.heads {
            let Mark { partition, next_record, next_command, epoch, hash, time } = mark;
            let _ = writeln!(text, "{partition} {next_record} {next_command} {epoch} {hash} {time}");
        }
        text
    }

    /// Signs it.
    pub fn sign(self, key: &SigningKey) -> Signed {
        let signature = key.sign(self.text().as_bytes()).to_vec();
        Signed { checkpoint: self, public_key: key.public_key(), signature }
    }
}

/// A checkpoint with a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    checkpoint: Checkpoint,
    public_key: PublicKey,
    signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    format: String,
    version: u64,
    log: String,
    partitions: u32,
    made_at: String,
    heads: Vec<DocumentHead>,
    public_key: String,
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DocumentHead {
    partition: u32,
    next_record: u64,
    next_command: u64,
    epoch: u64,
    hash: String,
    time: String,
}

impl Signed {
    /// As a JSON document.
    pub fn to_json(&self) -> String {
        let Checkpoint { log, partitions, made_at, heads } = self.checkpoint.clone();
        let heads = heads.into_iter().map(|mark| DocumentHead {
            partition: mark.partition.0,
            next_record: mark.next_record,
            next_command: mark.next_command,
            epoch: mark.epoch,
            hash: mark.hash.to_hex(),
            time: mark.time.to_string(),
        });
        let document = Document {
            format: FORMAT.to_owned(),
            version: VERSION,
            log,
            partitions,
            made_at: made_at.to_string(),
            heads: heads.collect(),
            public_key: self.public_key.to_string(),
            signature: self.signature.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        let mut json = serde_json::to_string_pretty(&document).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Reads a JSON document. Its signature is not checked yet.
    pub fn from_json(json: &str) -> Result<Self, CheckpointError> {
        let wrong = |what: &str| CheckpointError::Unreadable(what.to_owned());
        let document: Document =
            serde_json::from_str(json).map_err(|error| CheckpointError::Unreadable(error.to_string()))?;
        if (document.format.as_str(), document.version) != (FORMAT, VERSION) {
            return Err(wrong("it is of a format that this release does not know"));
        }
        let mut heads = Vec::with_capacity(document.heads.len());
        for (expected, head) in (0..).zip(document.heads) {
            if head.partition != expected {
                return Err(wrong("its partitions are not in order"));
            }
            heads.push(Mark {
                partition: PartitionId(head.partition),
                next_record: head.next_record,
                next_command: head.next_command,
                epoch: head.epoch,
                hash: Hash::from_hex(&head.hash).ok_or_else(|| wrong("a hash is not 64 hexadecimal digits"))?,
                time: time(&head.time).ok_or_else(|| wrong("a time cannot be read"))?,
            });
        }
        if heads.len() as u64 != u64::from(document.partitions) {
            return Err(wrong("it does not name every partition"));
        }
        let made_at = time(&document.made_at).ok_or_else(|| wrong("its time cannot be read"))?;
        let public_key = PublicKey::from_hex(&document.public_key).ok_or_else(|| wrong("its public key"))?;
        let signature = hex_bytes(&document.signature).ok_or_else(|| wrong("its signature"))?;
        let (log, partitions) = (document.log, document.partitions);
        // The text that is signed has a line for the name.
        if log.contains(char::is_control) {
            return Err(wrong("its log has no name"));
        }
        Ok(Self { checkpoint: Checkpoint { log, partitions, made_at, heads }, public_key, signature })
    }

    /// When it says it was made.
    pub fn made_at(&self) -> Timestamp {
        self.checkpoint.made_at
    }

    /// The key that it says it was signed with.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// What it says, if it was signed with `key`; without one, with the key that stands in it, which proves only that
    /// it was not changed by accident.
    ///
    /// # Errors
    /// [`CheckpointError::SignatureWrong`].
    pub fn verified(&self, key: Option<PublicKey>) -> Result<&Checkpoint, CheckpointError> {
        let wrong = |key: PublicKey, what| CheckpointError::SignatureWrong { key: key.to_string(), what };
        if let Some(key) = key.filter(|key| *key != self.public_key) {
            return Err(wrong(key, "it says that it was signed with another key"));
        }
        if self.public_key.has_signed(self.checkpoint.text().as_bytes(), &self.signature) {
            return Ok(&self.checkpoint);
        }
        Err(wrong(self.public_key, "what it says is not what was signed"))
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse::<prost_types::Timestamp>().ok().and_then(|time| Timestamp::from_proto(&time).ok())
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let mark = |partition| Mark {
            partition: PartitionId(partition),
            next_record: 3,
            next_command: 17,
            epoch: 2,
            hash: Hash::of(b"head"),
            time: Timestamp::from_micros(1_800_000_000_000_001),
        };
        Checkpoint {
            log: "books".to_owned(),
            partitions: 2,
            made_at: Timestamp::from_micros(1_800_000_001_000_000),
            heads: vec![mark(0), mark(1)],
        }
    }

    fn key() -> SigningKey {
        let folder = tempfile::tempdir().unwrap();
        SigningKey::create(&folder.path().join("key")).unwrap()
    }

    /// Part of the format: others check signatures over it.
    #[test]
    fn frozen_text() {
        let hash = Hash::of(b"head");
        let expected = format!(
            "daybook checkpoint 1\nlog books\npartitions 2\nmade-at 2027-01-15T08:00:01Z\n\
             0 3 17 2 {hash} 2027-01-15T08:00:00.000001Z\n1 3 17 2 {hash} 2027-01-15T08:00:00.000001Z\n"
        );
        assert_eq!(checkpoint().text(), expected);
    }

    #[test]
    fn what_is_read_is_what_was_signed() {
        let key = key();
        let signed = checkpoint().sign(&key);
        let read = Signed::from_json(&signed.to_json()).unwrap();
        assert_eq!(read, signed);
        assert_eq!(read.verified(None), Ok(&checkpoint()));
        assert_eq!(read.verified(Some(key.public_key())), Ok(&checkpoint()));
    }

    #[test]
    fn whatever_is_changed_the_signature_is_wrong() {
        let json = checkpoint().sign(&key()).to_json();
        for (from, to) in [
            ("\"log\": \"books\"", "\"log\": \"other\""),
            ("\"nextRecord\": 3", "\"nextRecord\": 2"),
            ("\"nextCommand\": 17", "\"nextCommand\": 16"),
            ("\"epoch\": 2", "\"epoch\": 3"),
            ("08:00:00.000001Z", "08:00:00.000002Z"),
            ("08:00:01Z", "09:00:01Z"),
            (&Hash::of(b"head").to_hex(), &Hash::of(b"another").to_hex()),
        ] {
            let changed = json.replacen(from, to, 1);
            assert_ne!(changed, json, "{from} is in it");
            let error = Signed::from_json(&changed).unwrap().verified(None).unwrap_err();
            assert_eq!(error.code().name, "CHECKPOINT_SIGNATURE_WRONG", "{from}");
        }
    }

    #[test]
    fn another_key_is_not_the_one_that_is_trusted() {
        let signed = checkpoint().sign(&key());
        let error = signed.verified(Some(key().public_key())).unwrap_err();
        assert_eq!(error.code().name, "CHECKPOINT_SIGNATURE_WRONG");
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let json = checkpoint().sign(&key()).to_json();
        for nonsense in [
            "",
            "{}",
            &json[..json.len() / 2],
            &json.replace("\"version\": 1", "\"version\": 2"),
            &json.replace("\"partitions\": 2", "\"partitions\": 3"),
            &json.replacen("\"partition\": 1", "\"partition\": 0", 1),
            &json.replace("\"log\": \"books\"", "\"log\": \"books\\npartitions 9\""),
        ] {
            let error = Signed::from_json(nonsense).unwrap_err();
            assert_eq!(error.code().name, "CHECKPOINT_UNREADABLE", "{nonsense}");
        }
    }
}
