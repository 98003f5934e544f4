//! A record of the decisions topic: takeovers, batches, and what the decisions in a batch fold into, as if whoever wrote
//! it knew the head of the chain.

use bytes::Bytes;
use daybook_kernel::apply::{Fold, apply_record};
use daybook_kernel::chain::Head;
use daybook_kernel::id::{Epoch, Offset, PartitionId};
use daybook_kernel::record::{DecisionRecord, RecordBody};
use daybook_kernel::time::Timestamp;

use crate::world::world;

/// No chain comes so far.
const FAR: u64 = 1 << 62;

pub(super) fn run(bytes: &[u8]) {
    let Ok(record) = DecisionRecord::read(Bytes::copy_from_slice(bytes)) else { return };
    let (prev, epoch) = (record.prev_hash, record.epoch);
    let again = match record.body.clone() {
        RecordBody::Takeover { node_id, address, taken_at } => {
            DecisionRecord::takeover(prev, epoch, &node_id, &address, taken_at)
        }
        RecordBody::Batch { first_command, decided_at, decisions } => {
            DecisionRecord::batch(prev, epoch, first_command, decided_at, decisions)
        }
    };
    // A time finer than microseconds is read without what is finer, and the hash covers the bytes as they are.
    let read = DecisionRecord::read(again.bytes.clone()).expect("it was written by us");
    assert_eq!(read.bytes, again.bytes);
    assert_eq!((read.hash, read.prev_hash, read.epoch), (again.hash, record.prev_hash, record.epoch));
    assert_eq!(format!("{:?}", read.body), format!("{:?}", record.body), "it is read as it was written");

    let world = world();
    for (id, partition) in (0..).map(PartitionId).zip(&world.partitions) {
        let mut head = leading_to(&record, &partition.head);
        let (offset, before) = (head.next_record, head.clone());
        let applied =
            apply_record(&world.decider, &partition.state, &mut head, id, offset, record.bytes.clone(), Fold::All);
        // Rows that cannot be understood stop the partition, and are said to do so. They must not panic it.
        let Ok(Ok(applied)) = applied else { continue };
        assert_eq!((head.hash, head.next_record), (record.hash, offset.next()));
        assert_eq!(head.next_command.0, before.next_command.0 + applied.decisions.len() as u64);
        assert!(head.now >= before.now, "time does not go back");
    }
}

/// A head that the record names and continues, if there can be one.
fn leading_to(record: &DecisionRecord, head: &Head) -> Head {
    let (epoch, next_command) = match &record.body {
        RecordBody::Takeover { .. } => (record.epoch.0.saturating_sub(1), head.next_command),
        RecordBody::Batch { first_command, .. } => (record.epoch.0, *first_command),
    };
    let (epoch, next_command) = (Epoch(epoch.min(FAR)), Offset(next_command.0.min(FAR)));
    Head { hash: record.prev_hash, epoch, next_command, now: Timestamp::from_micros(i64::MIN), ..head.clone() }
}
