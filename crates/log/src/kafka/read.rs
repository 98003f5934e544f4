//! Reading from Kafka. Readers share consumers: a consumer serves one reader for each partition of a topic, a second
//! reader of the same place gets the next consumer. Messages wait in a queue per reader, so that a slow one holds up
//! nobody else. Commands that this process appended itself are handed over as soon as they are acknowledged, without
//! the way back from the broker.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::id::{Offset, PartitionId};
use futures_util::future::{BoxFuture, FutureExt, select};
use parking_lot::Mutex;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::Notify;

use super::append::Tail;
use super::config::{Fetch, consumer_config};
use super::unreadable::{ATTEMPTS, Unreadable, met};
use super::{Clients, Reports, from_kafka, kafka_partition};
use crate::LogError;
use crate::topic::{LogReader, Record, Topic};

pub(super) struct Consumers {
    clients: Arc<Clients>,
    lanes: Mutex<Vec<Arc<Lane>>>,
}

/// A consumer with what it serves.
struct Lane {
    topic: Topic,
    consumer: Arc<BaseConsumer<Reports>>,
    taken: Mutex<BTreeSet<PartitionId>>,
    closed: Arc<AtomicBool>,
}

impl Consumers {
    pub(super) fn new(clients: Arc<Clients>) -> Self {
        Self { clients, lanes: Mutex::default() }
    }

    pub(super) fn reader(
        &self,
        topic: Topic,
        partition: PartitionId,
        from: Offset,
    ) -> Result<Box<dyn LogReader>, LogError> {
        let lane = self.free_lane(topic, partition)?;
        let (name, number) = (self.clients.topic(topic), kafka_partition(partition));
        let mut assignment = TopicPartitionList::new();
        let offset = i64::try_from(from.0).unwrap_or(i64::MAX);
        let assigned = assignment.add_partition_offset(&name, number, KafkaOffset::Offset(offset));
        // The queue is split off before anything is fetched: what arrived earlier would go to the consumer's own.
        let queue = lane.consumer.split_partition_queue(&name, number);
        let reader = assigned.and_then(|()| lane.consumer.incremental_assign(&assignment));
        let (Ok(()), Some(mut queue)) = (reader, queue) else {
            lane.taken.lock().remove(&partition);
            return Err(LogError::Unavailable { what: format!("partition {partition} of {name} cannot be assigned") });
        };
        let arrived = Arc::new(Notify::new());
        let wake = Arc::clone(&arrived);
        queue.set_nonempty_callback(move || wake.notify_one());
        let clients = Arc::clone(&self.clients);
        let tail = self.clients.tail(topic, partition).cloned();
        Ok(Box::new(KafkaReader {
            clients,
            topic,
            partition,
            lane,
            queue,
            arrived,
            tail,
            assignment,
            at: from,
            unreadable: 0,
            met: None,
        }))
    }

    fn free_lane(&self, topic: Topic, partition: PartitionId) -> Result<Arc<Lane>, LogError> {
        let mut lanes = self.lanes.lock();
        for lane in lanes.iter().filter(|lane| lane.topic == topic) {
            if lane.taken.lock().insert(partition) {
                return Ok(Arc::clone(lane));
            }
        }
        let fetch = match topic {
            // Who decides commands has most of them from this process's own appends (see `Tail`). Fetching each of them
            // at once would cost the broker and this process more than deciding it; what others append may come a
            // little later.
            Topic::Commands => Fetch::IN_PIECES,
            Topic::Decisions => Fetch::AT_ONCE,
        };
        let config = consumer_config(&self.clients.options, &fetch)?;
        let consumer = BaseConsumer::from_config_and_context(&config, Reports).map_err(|error| from_kafka(&error))?;
        let lane = Arc::new(Lane {
            topic,
            consumer: Arc::new(consumer),
            taken: Mutex::new(BTreeSet::from([partition])),
            closed: Arc::new(AtomicBool::new(false)),
        });
        serve_events(&lane)?;
        lanes.push(Arc::clone(&lane));
        Ok(lane)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// Polls the consumer's own queue in a thread, which carries errors and log lines but no messages.
fn serve_events(lane: &Arc<Lane>) -> Result<(), LogError> {
    let consumer: Weak<BaseConsumer<Reports>> = Arc::downgrade(&lane.consumer);
    let closed = Arc::clone(&lane.closed);
    let serve = move || {
        while let Some(consumer) = consumer.upgrade() {
            if closed.load(Ordering::Acquire) {
                return;
            }
            if let Some(Err(error)) = consumer.poll(Duration::from_millis(100)) {
                tracing::warn!(%error, "kafka consumer");
            }
        }
    };
    let thread = std::thread::Builder::new().name("kafka-events".into()).spawn(serve);
    thread.map(|_| ()).map_err(|error| LogError::Unavailable { what: error.to_string() })
}

struct KafkaReader {
    clients: Arc<Clients>,
    topic: Topic,
    partition: PartitionId,
    lane: Arc<Lane>,
    queue: PartitionQueue<Reports>,
    arrived: Arc<Notify>,
    tail: Option<Arc<Tail>>,
    assignment: TopicPartitionList,
    at: Offset,
    /// How often the place could not be read.
    unreadable: u32,
    /// What cannot be read comes after what was handed out last.
    met: Option<Unreadable>,
}

impl KafkaReader {
    const RECORDS_AT_ONCE: usize = 1_000;
    const BYTES_AT_ONCE: usize = 2 << 20;

    /// What has arrived. Never waits.
    fn take(&mut self) -> Result<Vec<Record>, TakeError> {
        if let Some(unreadable) = self.met.take() {
            return Err(TakeError::Unreadable(unreadable));
        }
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < Self::RECORDS_AT_ONCE && bytes < Self::BYTES_AT_ONCE {
            match self.queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    let offset = Offset(u64::try_from(message.offset()).unwrap_or_default());
                    if offset < self.at {
                        continue;
                    }
                    if offset > self.at {
                        let what = format!(
                            "{} of partition {} continues at offset {offset} after {}: a record between is missing",
                            self.topic, self.partition, self.at
                        );
                        return Err(TakeError::Log(LogError::Damaged { what }));
                    }
                    let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
                    bytes += payload.len();
                    records.push(Record { offset, bytes: payload });
                    self.at = offset.next();
                    self.unreadable = 0;
                }
                Some(Err(error)) if !records.is_empty() => {
                    tracing::debug!(%error, "kafka reader; what arrived before is handed out first");
                    self.met = met(&error);
                    break;
                }
                Some(Err(error)) => {
                    return Err(match error.rdkafka_error_code() {
                        Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) => {
                            TakeError::OutOfRange
                        }
                        _ => match met(&error) {
                            Some(unreadable) => TakeError::Unreadable(unreadable),
                            None => TakeError::Log(from_kafka(&error)),
                        },
                    });
                }
            }
        }
        Ok(records)
    }

    /// Reads a place again that could not be read: bytes may have been damaged on their way. When they come like that
    /// every time, it is the log that is damaged.
    fn read_again(&mut self, unreadable: &Unreadable) -> Result<(), LogError> {
        self.unreadable += 1;
        let (topic, partition, at) = (self.topic, self.partition, self.at);
        if self.unreadable >= ATTEMPTS {
            let what = format!("{topic} of partition {partition} cannot be read at offset {at}: {}", unreadable.why);
            return Err(LogError::Damaged { what });
        }
        // After such an error the client may have lost its place.
        let (name, number) = (self.clients.topic(topic), kafka_partition(partition));
        let offset = KafkaOffset::Offset(i64::try_from(at.0).unwrap_or(i64::MAX));
        self.lane.consumer.seek(&name, number, offset, Duration::ZERO).map_err(|error| from_kafka(&error))
    }

    /// What this process appended itself, if it goes on from here. The broker sends it as well: that is passed over.
    fn take_own(&mut self) -> Vec<Record> {
        let Some(tail) = &self.tail else { return Vec::new() };
        let records = tail.recent.lock().from(self.at.0, u64::MAX, Self::RECORDS_AT_ONCE);
        if let Some(last) = records.last() {
            self.at = last.offset.next();
            self.unreadable = 0;
        }
        records
    }

    /// Says on which side of the log a place lies that is not in it.
    async fn out_of_range(&self) -> LogError {
        let (topic, partition, asked) = (self.topic, self.partition, self.at);
        let clients = Arc::clone(&self.clients);
        match tokio::task::spawn_blocking(move || clients.bounds(topic, partition)).await {
            Ok(Ok(bounds)) if asked < bounds.first => LogError::Trimmed { topic, partition, first: bounds.first },
            Ok(Ok(bounds)) => LogError::BeyondEnd { topic, partition, asked, next: bounds.next },
            Ok(Err(error)) => error,
            Err(error) => LogError::Unavailable { what: error.to_string() },
        }
    }
}

enum TakeError {
    OutOfRange,
    Unreadable(Unreadable),
    Log(LogError),
}

impl LogReader for KafkaReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Record>, LogError>> {
        async move {
            let mut moved = self.tail.as_ref().map(|tail| tail.moved.subscribe());
            loop {
                let records = match self.take() {
                    Ok(records) => records,
                    Err(TakeError::OutOfRange) => return Err(self.out_of_range().await),
                    Err(TakeError::Unreadable(unreadable)) => {
                        self.read_again(&unreadable)?;
                        Vec::new()
                    }
                    Err(TakeError::Log(error)) => return Err(error),
                };
                let records = if records.is_empty() { self.take_own() } else { records };
                if !records.is_empty() {
                    return Ok(records);
                }
                let arrived = std::pin::pin!(self.arrived.notified());
                match &mut moved {
                    None => arrived.await,
                    // The sender lives as long as this reader: it cannot be closed.
                    Some(moved) => {
                        select(arrived, std::pin::pin!(moved.changed())).await;
                    }
                }
            }
        }
        .boxed()
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        if let Err(error) = self.lane.consumer.incremental_unassign(&self.assignment) {
            tracing::debug!(%error, "a reader could not be unassigned");
        }
        self.lane.taken.lock().remove(&self.partition);
    }
}
