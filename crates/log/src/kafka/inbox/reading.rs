//! The thread that reads inbox topics: it polls, hands records over, passes over what cannot be read, and commits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use daybook_kernel::id::Offset;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::rebalance::{Lane, Rebalances};
use super::{InboxEntry, InboxRecord, Place, PutAt, Shared};
use crate::LogError;
use crate::kafka::KafkaOptions;
use crate::kafka::beside::headers;
use crate::kafka::unreadable::{Found, Probe, Unreadable, met};

/// Entries of a partition that wait; when there are so many, no more are taken from the client, which then stops
/// fetching.
pub(super) const WAITING_MAX: usize = 256;
/// The longest between two looks at all queues.
const POLL: Duration = Duration::from_millis(20);
/// One commit for all that was dealt with meanwhile. What is lost with a node is looked at again, and decided once.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// When a look at what cannot be read is tried again.
const PROBE_AGAIN: Duration = Duration::from_secs(1);

/// A look at what cannot be read, under way.
pub(super) struct Probing {
    found: Receiver<Result<(Offset, Found), LogError>>,
    /// It failed, and is tried again.
    not_before: Option<Instant>,
}

/// Polls until it is stopped. Dropping the consumer leaves the group.
pub(super) fn read(consumer: Arc<BaseConsumer<Rebalances>>, shared: &Shared, options: &KafkaOptions) {
    let mut committed_at = Instant::now();
    while !shared.stop.load(Ordering::Acquire) {
        shared.wait(POLL);
        match consumer.poll(Duration::ZERO) {
            // Records come in the queues of their partitions.
            Some(Ok(message)) => tracing::debug!(topic = message.topic(), "a record without a partition's queue"),
            // It goes on by itself when the broker is back.
            Some(Err(error)) => {
                tracing::warn!(%error, "kafka inbox");
                *shared.problem.lock() = Some(error.to_string());
            }
            None => {}
        }
        for (place, lane) in shared.lanes.lock().iter_mut() {
            let turn = Turn { consumer: &consumer, options, place, lane };
            turn.take();
        }
        if committed_at.elapsed() >= COMMIT_EVERY {
            committed_at = Instant::now();
            commit(&consumer, shared, CommitMode::Async);
        }
    }
    commit(&consumer, shared, CommitMode::Sync);
    // The queues hold on to the consumer. Dropped without the lock, which a rebalance takes.
    let lanes = std::mem::take(&mut *shared.lanes.lock());
    drop(lanes);
}

/// One look at the queue of a partition.
struct Turn<'a> {
    consumer: &'a BaseConsumer<Rebalances>,
    options: &'a KafkaOptions,
    place: &'a Place,
    lane: &'a mut Lane,
}

impl Turn<'_> {
    /// Hands over what has arrived. Never waits for the broker, unless something cannot be read.
    fn take(mut self) {
        if !self.is_probed() {
            return;
        }
        while self.lane.waiting.load(Ordering::Acquire) < WAITING_MAX {
            let unreadable = match self.lane.queue.poll(Duration::ZERO) {
                None => return,
                Some(Ok(message)) => {
                    let (record, next) = (record(&message), message.offset() + 1);
                    drop(message);
                    self.hand_over(InboxEntry::Record(record), next);
                    continue;
                }
                Some(Err(error)) => match met(&error) {
                    Some(unreadable) => unreadable,
                    None => {
                        let (topic, partition) = (&self.place.0, self.place.1);
                        tracing::warn!(%error, topic, partition, "kafka inbox");
                        self.lane.problem = Some(error.to_string());
                        continue;
                    }
                },
            };
            self.probe(&unreadable);
            return;
        }
    }

    fn hand_over(&mut self, entry: InboxEntry, next: i64) {
        self.lane.waiting.fetch_add(1, Ordering::AcqRel);
        self.lane.progress.handed_over = Some(next);
        // Whoever went away has stopped for good.
        let _ = self.lane.entries.send(entry);
    }

    /// Starts looking how far it goes that nothing can be read, with a client of its own, on a thread of its own.
    fn probe(&mut self, met: &Unreadable) {
        let (topic, partition) = self.place.clone();
        let (at, base) = (self.lane.progress.handed_over, met.base.map(Offset));
        tracing::debug!(topic, partition, at, why = met.why, "a record of an inbox topic cannot be read");
        self.lane.problem = Some(format!("a record cannot be read: {}", met.why));
        let (sender, found) = channel();
        let options = self.options.clone();
        let look = move || {
            let found = Probe::new(&options, &topic, partition).and_then(|probe| {
                let at = match at {
                    Some(at) => Offset(u64::try_from(at).unwrap_or_default()),
                    // Nothing has come of the partition yet.
                    None => probe.inbox_begins_at(base)?,
                };
                Ok((at, probe.find(at)?))
            });
            // Whoever lost the partition meanwhile does not want to know.
            let _ = sender.send(found);
        };
        if let Err(error) = std::thread::Builder::new().name("kafka-probe".into()).spawn(look) {
            tracing::warn!(%error, "a record that cannot be read cannot be looked at");
        }
        self.lane.probing = Some(Probing { found, not_before: None });
    }

    /// Whether nothing is being looked at any more. What was found is dealt with.
    fn is_probed(&mut self) -> bool {
        let Some(probing) = &mut self.lane.probing else { return true };
        if let Some(not_before) = probing.not_before {
            if Instant::now() < not_before {
                return false;
            }
            // The client goes on from there, and meets it again.
            self.lane.probing = None;
            if let Some(at) = self.lane.progress.handed_over {
                self.seek(at);
            }
            return true;
        }
        let number = |offset: Offset| i64::try_from(offset.0).unwrap_or(i64::MAX);
        match probing.found.try_recv() {
            Err(TryRecvError::Empty) => return false,
            Ok(Ok((first, Found::Unreadable { next, why }))) => {
                self.lane.probing = None;
                self.hand_over(InboxEntry::Unreadable { first, next, why }, number(next));
                self.seek(number(next));
            }
            Ok(Ok((at, Found::Readable))) => {
                self.lane.probing = None;
                self.seek(number(at));
            }
            failed => {
                if let Ok(Err(error)) = failed {
                    tracing::warn!(%error, topic = self.place.0, partition = self.place.1, "kafka inbox");
                }
                probing.not_before = Some(Instant::now() + PROBE_AGAIN);
                return false;
            }
        }
        true
    }

    /// The client goes on from here. What it has fetched before is dropped.
    fn seek(&self, at: i64) {
        let (topic, partition) = self.place;
        if let Err(error) = self.consumer.seek(topic, *partition, KafkaOffset::Offset(at), Duration::ZERO) {
            tracing::warn!(%error, topic, partition, "kafka inbox");
        }
    }
}

fn record(message: &BorrowedMessage<'_>) -> InboxRecord {
    let millis = |millis: i64| u64::try_from(millis).unwrap_or_default();
    InboxRecord {
        offset: Offset(u64::try_from(message.offset()).unwrap_or_default()),
        put_at: match message.timestamp() {
            Timestamp::LogAppendTime(at) => PutAt::Broker(millis(at)),
            Timestamp::CreateTime(at) => PutAt::Producer(millis(at)),
            Timestamp::NotAvailable => PutAt::Producer(0),
        },
        key: message.key().map(Bytes::copy_from_slice),
        headers: headers(message),
        value: message.payload().map(Bytes::copy_from_slice),
    }
}

fn commit(consumer: &BaseConsumer<Rebalances>, shared: &Shared, mode: CommitMode) {
    let done = std::mem::take(&mut *shared.done.lock());
    if done.is_empty() {
        return;
    }
    let mut offsets = TopicPartitionList::new();
    for ((topic, partition), next) in &done {
        // A number that is not negative is an offset.
        let _ = offsets.add_partition_offset(topic, *partition, KafkaOffset::Offset(*next));
    }
    if let Err(error) = consumer.commit(&offsets, mode) {
        not_committed(shared, &error, done);
    }
}

/// At worst it is looked at again, by whoever has the partition next: it is decided once.
pub(super) fn not_committed(shared: &Shared, error: &KafkaError, offsets: impl IntoIterator<Item = (Place, i64)>) {
    tracing::warn!(%error, "what was read from the inbox could not be committed; it is tried again");
    let lanes = shared.lanes.lock();
    let mut done = shared.done.lock();
    for (place, next) in offsets.into_iter().filter(|(place, _)| lanes.contains_key(place)) {
        done.entry(place).or_insert(next);
    }
}
