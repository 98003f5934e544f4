//! The decision chain: which records of a decisions topic count.
//!
//! # Problem
//!
//! Several writers may append to a decisions topic: the owner, an owner that was paused and does not know that it was
//! replaced, a producer that retries an append whose acknowledgement was lost. A reader must pick the same records as
//! every other reader, whoever wrote them and whenever it reads, with nothing to help it but the order of the log.
//!
//! # Rule
//!
//! A record counts if and only if it names the hash of the last record that counted, and continues where that one
//! ended. Everything else is dropped and counted.
//!
//! # Why that is safe
//!
//! - Two writers race: both name the same head, the log orders them, the first is accepted and moves the head, the
//!   second does not name it any more. One record per link.
//! - A paused owner comes back: what it appends names a head that is no longer the head.
//! - A record is lost and its successor arrives: the successor names a record that was never accepted.
//! - An append is repeated: the second copy names the head before the first copy.
//! - A record is changed, removed or inserted later: the next one does not name it.

use bytes::Bytes;

use crate::hash::Hash;
use crate::id::{Epoch, Offset, PartitionId};
use crate::record::{DecisionRecord, RecordBody};
use crate::sabotage::{self, Mistake};
use crate::time::Timestamp;

/// Where a partition stands: what the next record must name and continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Hash of the last accepted record.
    pub hash: Hash,
    /// Where that record stands; `None` on an empty log.
    pub record: Option<Offset>,
    /// Where to read on in the decisions topic.
    pub next_record: Offset,
    /// The first command without a decision.
    pub next_command: Offset,
    /// The owner's term.
    pub epoch: Epoch,
    /// The log's time: the latest that any accepted record carries.
    pub now: Timestamp,
    /// The owner's node.
    pub owner: String,
    /// Where the owner is reached.
    pub owner_address: String,
}

impl Head {
    /// The head of a partition on which nothing was written yet.
    pub fn genesis(log_name: &str, partitions: u32, partition: PartitionId) -> Self {
        Self {
            hash: Hash::genesis(log_name, partitions, partition.0),
            record: None,
            next_record: Offset(0),
            next_command: Offset(0),
            epoch: Epoch(0),
            now: Timestamp::default(),
            owner: String::new(),
            owner_address: String::new(),
        }
    }

    /// Reads the record at `offset`, which must be [`Head::next_record`]: moves the head if it counts, says why if it
    /// does not. Either way the next record to read is the one after.
    pub fn offer(&mut self, offset: Offset, bytes: Bytes) -> Result<DecisionRecord, Dropped> {
        assert_eq!(offset, self.next_record, "records are read in order and without gaps");
        self.next_record = offset.next();
        let record = DecisionRecord::read(bytes).map_err(|_| Dropped::Malformed)?;
        let checked = self.check(&record);
        if !sabotage::makes(Mistake::ChainRuleOff) {
            checked?;
        }
        self.advance(offset, &record);
        Ok(record)
    }

    /// Whether the record would count as the next one.
    pub fn check(&self, record: &DecisionRecord) -> Result<(), Dropped> {
        if record.prev_hash != self.hash {
            return Err(Dropped::NotTheHead);
        }
        let (continues, time) = match &record.body {
            RecordBody::Takeover { taken_at, .. } => (record.epoch.0 == self.epoch.0 + 1, *taken_at),
            RecordBody::Batch { first_command, decided_at, .. } => {
                (record.epoch == self.epoch && *first_command == self.next_command, *decided_at)
            }
        };
        if continues && time >= self.now { Ok(()) } else { Err(Dropped::DoesNotContinue) }
    }

    /// Moves past the record at `offset`, which counts.
    pub fn advance(&mut self, offset: Offset, record: &DecisionRecord) {
        debug_assert!(self.check(record).is_ok() || sabotage::makes(Mistake::ChainRuleOff));
        self.next_record = offset.next();
        self.record = Some(offset);
        self.hash = record.hash;
        self.epoch = record.epoch;
        match &record.body {
            RecordBody::Takeover { node_id, address, taken_at } => {
                self.now = *taken_at;
                self.owner.clone_from(node_id);
                self.owner_address.clone_from(address);
            }
            RecordBody::Batch { first_command, decided_at, decisions } => {
                self.now = *decided_at;
                self.next_command = Offset(first_command.0 + decisions.len() as u64);
            }
        }
    }
}

/// Why a record does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It names another record than the head: written by a replaced owner, twice, or after one that was lost.
    NotTheHead,
    /// Its bytes are no decision record.
    Malformed,
    /// It names the head but does not start where the head ended. No correct writer does that.
    DoesNotContinue,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn genesis() -> Head {
        Head::genesis("test", 1, PartitionId(0))
    }

    fn takeover(head: &Head, node: &str) -> DecisionRecord {
        DecisionRecord::takeover(head.hash, Epoch(head.epoch.0 + 1), node, "", head.now)
    }

    fn batch(head: &Head, decisions: usize) -> DecisionRecord {
        let decisions = (0..decisions).map(|i| Bytes::from(format!("{}+{i}", head.next_command))).collect();
        DecisionRecord::batch(head.hash, head.epoch, head.next_command, head.now, decisions)
    }

    fn offer(head: &mut Head, record: &DecisionRecord) -> Result<(), Dropped> {
        head.offer(head.next_record, record.bytes.clone()).map(|_| ())
    }

    #[test]
    fn a_record_that_names_the_head_counts() {
        let mut head = genesis();
        let first = takeover(&head, "a");
        assert_eq!(offer(&mut head, &first), Ok(()));
        assert_eq!((head.epoch, head.owner.as_str()), (Epoch(1), "a"));
        let second = batch(&head, 3);
        assert_eq!(offer(&mut head, &second), Ok(()));
        assert_eq!((head.next_command, head.next_record), (Offset(3), Offset(2)));
    }

    #[test]
    fn of_two_writers_that_race_the_first_in_the_log_wins() {
        let mut head = genesis();
        let (a, b) = (takeover(&head, "a"), takeover(&head, "b"));
        assert_eq!(offer(&mut head, &b), Ok(()));
        assert_eq!(offer(&mut head, &a), Err(Dropped::NotTheHead));
        assert_eq!(head.owner, "b");
    }

    #[test]
    fn what_a_replaced_owner_appends_late_is_dropped() {
        let mut head = genesis();
        let first = takeover(&head, "a");
        offer(&mut head, &first).unwrap();
        let late = batch(&head, 1);
        let second = takeover(&head, "b");
        offer(&mut head, &second).unwrap();
        assert_eq!(offer(&mut head, &late), Err(Dropped::NotTheHead));
        assert_eq!(head.next_command, Offset(0));
    }

    #[test]
    fn what_follows_a_lost_record_is_dropped() {
        let mut head = genesis();
        let first = takeover(&head, "a");
        offer(&mut head, &first).unwrap();
        let mut ahead = head.clone();
        let lost = batch(&ahead, 1);
        ahead.advance(ahead.next_record, &lost);
        let after = batch(&ahead, 1);
        assert_eq!(offer(&mut head, &after), Err(Dropped::NotTheHead));
    }

    #[test]
    fn a_repeated_record_counts_once() {
        let mut head = genesis();
        let first = takeover(&head, "a");
        offer(&mut head, &first).unwrap();
        let record = batch(&head, 2);
        assert_eq!(offer(&mut head, &record), Ok(()));
        assert_eq!(offer(&mut head, &record), Err(Dropped::NotTheHead));
        assert_eq!(head.next_command, Offset(2));
    }

    #[test]
    fn a_record_must_continue_where_the_head_ended() {
        let mut head = genesis();
        let first = takeover(&head, "a");
        offer(&mut head, &first).unwrap();
        let gap = DecisionRecord::batch(head.hash, head.epoch, Offset(5), head.now, vec![Bytes::from_static(b"x")]);
        let term =
            DecisionRecord::batch(head.hash, Epoch(9), head.next_command, head.now, vec![Bytes::from_static(b"x")]);
        let jump = DecisionRecord::takeover(head.hash, Epoch(9), "b", "", head.now);
        for record in [gap, term, jump] {
            assert_eq!(offer(&mut head, &record), Err(Dropped::DoesNotContinue));
        }
        assert_eq!(offer(&mut head.clone(), &batch(&head, 1)), Ok(()), "the head did not move");
    }

    #[test]
    fn time_does_not_go_back() {
        let mut head = genesis();
        let first = DecisionRecord::takeover(head.hash, Epoch(1), "a", "", Timestamp::from_micros(50));
        offer(&mut head, &first).unwrap();
        let early = Timestamp::from_micros(49);
        let back = DecisionRecord::batch(head.hash, head.epoch, Offset(0), early, vec![Bytes::from_static(b"x")]);
        assert_eq!(offer(&mut head, &back), Err(Dropped::DoesNotContinue));
    }

    #[test]
    fn garbage_is_dropped() {
        let mut head = genesis();
        let before = head.clone();
        assert_eq!(head.offer(Offset(0), Bytes::from_static(b"\xff\xff")).map(|_| ()), Err(Dropped::Malformed));
        assert_eq!(head, Head { next_record: Offset(1), ..before });
    }

    /// What writers may do to a topic: append in turn, fall asleep and wake up, repeat themselves, lose an append.
    #[derive(Debug, Clone)]
    enum Step {
        TakeOver(usize),
        Decide(usize, usize),
        Repeat(prop::sample::Index),
        Observe(usize),
        Garbage(Vec<u8>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let writer = 0_usize..3;
        prop::collection::vec(
            prop_oneof![
                writer.clone().prop_map(Step::TakeOver),
                (writer.clone(), 1_usize..4).prop_map(|(writer, count)| Step::Decide(writer, count)),
                any::<prop::sample::Index>().prop_map(Step::Repeat),
                writer.prop_map(Step::Observe),
                prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Garbage),
            ],
            0..60,
        )
    }

    proptest! {
        /// However writers race, all readers accept the same records, each command is decided once and in order, and
        /// the terms count up without gaps.
        #[test]
        fn every_reader_accepts_the_same_chain(steps in steps()) {
            // Each writer believes in its own head, which may be stale, and moves it with what it appends itself.
            let mut believed = [genesis(), genesis(), genesis()];
            let mut log: Vec<Bytes> = Vec::new();
            let read = |from: &mut Head, log: &[Bytes]| {
                let mut accepted = Vec::new();
                while let Some(bytes) = log.get(from.next_record.0 as usize) {
                    if let Ok(record) = from.offer(from.next_record, bytes.clone()) {
                        accepted.push(record);
                    }
                }
                accepted
            };
            for step in steps {
                match step {
                    Step::TakeOver(writer) => {
                        let record = takeover(&believed[writer], &writer.to_string());
                        log.push(record.bytes.clone());
                        let believed = &mut believed[writer];
                        believed.advance(believed.next_record, &record);
                    }
                    Step::Decide(writer, count) if believed[writer].epoch > Epoch(0) => {
                        let record = batch(&believed[writer], count);
                        log.push(record.bytes.clone());
                        let believed = &mut believed[writer];
                        believed.advance(believed.next_record, &record);
                    }
                    Step::Decide(..) => {}
                    Step::Repeat(index) if !log.is_empty() => {
                        let again = log[index.index(log.len())].clone();
                        log.push(again);
                    }
                    Step::Repeat(_) => {}
                    Step::Observe(writer) => {
                        believed[writer] = genesis();
                        read(&mut believed[writer], &log);
                    }
                    Step::Garbage(bytes) => log.push(bytes.into()),
                }
            }
            let mut whole = genesis();
            let accepted = read(&mut whole, &log);

            let mut in_parts = genesis();
            let mut accepted_in_parts = Vec::new();
            for end in 0..=log.len() {
                accepted_in_parts.extend(read(&mut in_parts, &log[..end]));
            }
            prop_assert_eq!(&in_parts, &whole, "reading in parts is reading at once");

            let mut next_command = 0;
            let mut epoch = 0;
            let mut hash = genesis().hash;
            for record in &accepted {
                prop_assert_eq!(record.prev_hash, hash);
                hash = record.hash;
                match &record.body {
                    RecordBody::Takeover { .. } => epoch += 1,
                    RecordBody::Batch { first_command, decisions, .. } => {
                        prop_assert_eq!(first_command.0, next_command);
                        next_command += decisions.len() as u64;
                    }
                }
                prop_assert_eq!(record.epoch.0, epoch);
            }
            prop_assert_eq!(whole.next_command.0, next_command);
            prop_assert_eq!(accepted.len(), accepted_in_parts.len());
        }
    }
}
