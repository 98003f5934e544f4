//! Which partitions of inbox topics this node has, and how far it has come in them.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock, Weak};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::{Partition, Statistics};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::{mpsc, watch};

use super::reading::{Probing, not_committed};
use super::{InboxEntry, InboxPartition, InboxStanding, Place, Shared};
use crate::kafka::Reports;

/// The way from the client to whoever reads a partition. Dropping it takes the partition away.
pub(super) struct Lane {
    pub(super) queue: PartitionQueue<Rebalances>,
    pub(super) entries: mpsc::UnboundedSender<InboxEntry>,
    /// Entries that were handed over and not taken yet.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) progress: Progress,
    /// What stands next cannot be read, and is being looked at.
    pub(super) probing: Option<Probing>,
    pub(super) problem: Option<String>,
    _kept: watch::Sender<()>,
}

impl Lane {
    pub(super) fn dealt_with(&mut self, next: i64) {
        self.progress.dealt_with = Some(next);
        self.problem = None;
    }

    pub(super) fn standing(&self, place: &Place) -> InboxStanding {
        let positive = |number: i64| u64::try_from(number).unwrap_or_default();
        let Progress { dealt_with, seen, held_back_from, .. } = self.progress;
        let held_back = held_back_from
            .map(|from| format!("a producer's transaction is open: records from offset {from} on wait for its end"));
        InboxStanding {
            topic: place.0.clone(),
            partition: u32::try_from(place.1).unwrap_or_default(),
            next: dealt_with.or(seen.map(|(next, _)| next)).map(positive),
            lag: seen.map_or(0, |(_, lag)| positive(lag)),
            problem: self.problem.clone().or(held_back),
        }
    }
}

/// How far a partition has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The place after what was handed over last.
    pub(super) handed_over: Option<i64>,
    /// The place after what was dealt with last.
    dealt_with: Option<i64>,
    /// The next offset to deal with, and how many there are, as the statistics had it.
    seen: Option<(i64, i64)>,
    /// Where records begin that wait for the end of a producer's transaction, if that is what keeps them.
    held_back_from: Option<i64>,
}

impl Progress {
    /// Takes over what the client knows of the partition. The client's own lag says nothing of records behind an open
    /// transaction, and never gets to 0 where the mark of a transaction stands last.
    fn see(&mut self, partition: &Partition) {
        let (end, stable_end) = (partition.hi_offset, partition.ls_offset);
        if end < 0 {
            return;
        }
        let next = self.dealt_with.unwrap_or(partition.committed_offset).max(partition.lo_offset);
        let in_hand = self.handed_over != self.dealt_with;
        // Marks of transactions are passed over by the client: only it knows that nothing else is left.
        let is_at_end = !in_hand && partition.app_offset >= end;
        self.seen = Some((next, if is_at_end { 0 } else { (end - next).max(0) }));
        let is_held_back = !in_hand && (0..end).contains(&stable_end) && partition.app_offset.max(next) >= stable_end;
        self.held_back_from = is_held_back.then_some(stable_end);
    }
}

/// Takes over what the coordinator says. Runs inside `poll`, so it does nothing that could take time.
pub(super) struct Rebalances {
    shared: Arc<Shared>,
    arrived: mpsc::UnboundedSender<InboxPartition>,
    consumer: OnceLock<Weak<BaseConsumer<Self>>>,
}

impl Rebalances {
    pub(super) fn new(shared: &Arc<Shared>, arrived: mpsc::UnboundedSender<InboxPartition>) -> Self {
        Self { shared: Arc::clone(shared), arrived, consumer: OnceLock::new() }
    }

    /// Names the consumer whose queues are split, before it joins the group.
    pub(super) fn reads_with(&self, consumer: &Arc<BaseConsumer<Self>>) {
        // Set once: there is one consumer for each context.
        let _ = self.consumer.set(Arc::downgrade(consumer));
    }

    /// Each partition gets a queue of its own: what goes wrong with it is then known to be about it.
    fn add(&self, place: Place) {
        let consumer = self.consumer.get().and_then(Weak::upgrade);
        let queue = consumer.and_then(|consumer| consumer.split_partition_queue(&place.0, place.1));
        let Some(mut queue) = queue else {
            tracing::error!(topic = place.0, partition = place.1, "a partition of an inbox topic cannot be read");
            return;
        };
        let woken = Arc::downgrade(&self.shared);
        queue.set_nonempty_callback(move || {
            if let Some(shared) = woken.upgrade() {
                shared.wake();
            }
        });
        let (entries, receiver) = mpsc::unbounded_channel();
        let (kept, taken_away) = watch::channel(());
        let waiting = Arc::new(AtomicUsize::new(0));
        let partition = InboxPartition {
            topic: place.0.clone(),
            partition: u32::try_from(place.1).unwrap_or_default(),
            entries: receiver,
            waiting: Arc::clone(&waiting),
            taken_away,
            shared: Arc::clone(&self.shared),
        };
        let progress = Progress::default();
        let lane = Lane { queue, entries, waiting, progress, probing: None, problem: None, _kept: kept };
        self.shared.lanes.lock().insert(place, lane);
        // Whoever does not listen any more is about to leave.
        let _ = self.arrived.send(partition);
    }
}

impl ClientContext for Rebalances {
    fn error(&self, error: KafkaError, reason: &str) {
        Reports.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let mut lanes = self.shared.lanes.lock();
        for ((topic, partition), lane) in lanes.iter_mut() {
            let seen = statistics.topics.get(topic).and_then(|topic| topic.partitions.get(partition));
            if let Some(seen) = seen {
                lane.progress.see(seen);
            }
        }
        drop(lanes);
        let group = statistics.cgrp.as_ref();
        let is_settled = group.is_some_and(|group| group.state == "up" && group.join_state == "steady");
        let mut problem = self.shared.problem.lock();
        if is_settled {
            *problem = None;
        } else if problem.is_none() {
            *problem = Some("the node has not joined the group of readers".to_owned());
        }
    }
}

impl ConsumerContext for Rebalances {
    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let Err(error) = result else { return };
        let offsets = offsets.elements();
        let offsets = offsets.iter().filter_map(|one| match one.offset() {
            KafkaOffset::Offset(next) => Some(((one.topic().to_owned(), one.partition()), next)),
            _ => None,
        });
        not_committed(&self.shared, &error, offsets);
    }

    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, changed: &mut TopicPartitionList) {
        let places = || changed.elements().into_iter().map(|one| (one.topic().to_owned(), one.partition()));
        let done = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // The queue is split off before anything is fetched: what arrived earlier would go to the consumer's own.
            places().for_each(|place| self.add(place));
            consumer.incremental_assign(changed)
        } else {
            for place in places() {
                // Dropped without the lock: a queue holds on to the consumer.
                let lane = self.shared.lanes.lock().remove(&place);
                self.shared.done.lock().remove(&place);
                drop(lane);
            }
            consumer.incremental_unassign(changed)
        };
        if let Err(error) = done {
            tracing::error!(%error, "partitions of inbox topics could not be taken over or left");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the client says: the next record for the application, the last stable offset, the end.
    fn partition(app_offset: i64, ls_offset: i64, hi_offset: i64) -> Partition {
        Partition { app_offset, ls_offset, hi_offset, committed_offset: 4, lo_offset: 2, ..Partition::default() }
    }

    /// The lag and where records are held back.
    fn seen(handed_over: Option<i64>, dealt_with: Option<i64>, partition: &Partition) -> (i64, Option<i64>) {
        let mut progress = Progress { handed_over, dealt_with, ..Progress::default() };
        progress.see(partition);
        (progress.seen.unwrap().1, progress.held_back_from)
    }

    #[test]
    fn a_record_counts_as_waiting_until_it_was_dealt_with() {
        // Fetched and handed over, and being worked on.
        assert_eq!(seen(Some(9), Some(8), &partition(9, 9, 9)), (1, None));
        assert_eq!(seen(Some(9), None, &partition(9, 9, 9)), (5, None), "from what was committed");
        assert_eq!(seen(Some(9), Some(9), &partition(9, 9, 9)), (0, None));
        assert_eq!(seen(None, None, &partition(-1_001, 9, 9)), (5, None), "nothing has come yet");
    }

    #[test]
    fn marks_of_transactions_do_not_wait_and_records_behind_an_open_one_do() {
        // The client has passed over a mark at offset 9.
        assert_eq!(seen(Some(9), Some(9), &partition(10, 10, 10)), (0, None));
        // A transaction began at offset 9: the client gets nothing from there on.
        assert_eq!(seen(Some(9), Some(9), &partition(9, 9, 12)), (3, Some(9)));
        assert_eq!(seen(None, None, &partition(-1_001, 4, 12)), (8, Some(4)), "since before the start");
        assert_eq!(seen(Some(9), Some(8), &partition(9, 9, 12)), (4, None), "there is still one before it");
    }
}
