//! Inbox topics: what other programs put there is read through a consumer group, each partition of a topic by one node at
//! a time, in order, and committed when it was dealt with. A record may be delivered again: to the node that takes a
//! partition over, or after a crash. Whoever reads must be prepared for that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use daybook_kernel::id::Offset;
use parking_lot::Mutex;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientContext, Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::{mpsc, watch};

use super::beside::{Headers, headers, timestamp_ms};
use super::config::inbox_config;
use super::topics::{self, Setting, TopicSpec};
use super::{ENVELOPE_BYTES, KafkaOptions, Reports, admin, from_kafka};
use crate::LogError;
use crate::topic::RECORD_BYTES_MAX;

/// Records of a partition that wait; when there are more, no more are fetched until they are fewer.
const WAITING_MAX: usize = 256;
/// How long a poll waits: commits and pauses are looked at in between.
const POLL: Duration = Duration::from_millis(20);
/// One commit for all that was dealt with meanwhile. What is lost with a node is looked at again, and decided once.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

/// Which topics are inboxes.
#[derive(Debug, Clone)]
pub struct InboxTopics {
    /// Their names.
    pub names: Vec<String>,
    /// How long a topic that is created here keeps its records.
    pub retention: Duration,
    /// The longest that any of them may keep its records: they are not sealed.
    pub retention_max: Duration,
}

/// A record of an inbox topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRecord {
    /// Its place.
    pub offset: Offset,
    /// When the broker took it, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its headers; `None` if their names are no text.
    pub headers: Option<Headers>,
    /// Its content.
    pub value: Bytes,
}

/// Records that were put on an inbox topic and not dealt with yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxLag {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// How many.
    pub records: u64,
}

type Place = (String, i32);

/// This node's share of the inbox topics.
pub struct Inbox {
    arriving: mpsc::UnboundedReceiver<InboxPartition>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    lanes: Mutex<BTreeMap<Place, Lane>>,
    /// What was dealt with and is not committed yet: the place to go on at.
    done: Mutex<BTreeMap<Place, i64>>,
    lag: Mutex<BTreeMap<Place, i64>>,
    stop: AtomicBool,
}

/// The way to whoever reads a partition. Dropping it takes the partition away.
struct Lane {
    records: mpsc::UnboundedSender<InboxRecord>,
    waiting: Arc<AtomicUsize>,
    paused: bool,
    _kept: watch::Sender<()>,
}

/// A partition of an inbox topic that was given to this node, until it is taken away.
pub struct InboxPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    records: mpsc::UnboundedReceiver<InboxRecord>,
    waiting: Arc<AtomicUsize>,
    taken_away: watch::Receiver<()>,
    shared: Arc<Shared>,
}

impl Inbox {
    /// Checks the topics, creates them if they are missing and that is wanted, and joins the group of readers.
    ///
    /// # Errors
    /// [`LogError::WrongSettings`] when a topic would keep records for too long or lets producers set their time;
    /// [`LogError::Unavailable`] when no broker answers.
    pub async fn open(options: &KafkaOptions, topics: &InboxTopics) -> Result<Self, LogError> {
        let specs: Vec<_> = topics.names.iter().map(|name| spec(name, options, topics)).collect();
        topics::check(&admin(options)?, options, &specs).await?;
        let shared = Arc::new(Shared::default());
        let (sender, arriving) = mpsc::unbounded_channel();
        let context = Rebalances { shared: Arc::clone(&shared), arrived: sender };
        let config = inbox_config(options)?;
        let consumer = BaseConsumer::from_config_and_context(&config, context).map_err(|error| from_kafka(&error))?;
        let names: Vec<_> = topics.names.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| from_kafka(&error))?;
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("kafka-inbox".into()).spawn(move || read(&consumer, &own));
        let thread = Some(thread.map_err(|error| LogError::Unavailable { what: error.to_string() })?);
        Ok(Self { arriving, shared, thread })
    }

    /// The next partition that this node is given; `None` when it has left. Cancel safe.
    pub async fn next(&mut self) -> Option<InboxPartition> {
        self.arriving.recv().await
    }

    /// How to leave the group: whoever holds this can do it while the inbox is read.
    pub fn leaving(&mut self) -> InboxLeaving {
        InboxLeaving { shared: Arc::clone(&self.shared), thread: self.thread.take() }
    }

    /// How much waits, by partition, as of two seconds ago at most.
    pub fn lag(&self) -> Vec<InboxLag> {
        let lag = self.shared.lag.lock();
        let of = |((topic, partition), records): (&Place, &i64)| InboxLag {
            topic: topic.clone(),
            partition: u32::try_from(*partition).unwrap_or_default(),
            records: u64::try_from(*records).unwrap_or_default(),
        };
        lag.iter().map(of).collect()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}

/// The end of an inbox.
pub struct InboxLeaving {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl InboxLeaving {
    /// Commits what was dealt with and leaves the group. Returns when the coordinator knows, or cannot be reached.
    pub async fn leave(mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has left as well.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl InboxPartition {
    /// The next record; `None` when the partition was taken away. Cancel safe.
    pub async fn next(&mut self) -> Option<InboxRecord> {
        let record = self.records.recv().await?;
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        Some(record)
    }

    /// Ready when the partition was taken away: whatever is done for it now, somebody else does as well. Cancel safe.
    pub fn taken_away(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut taken_away = self.taken_away.clone();
        async move { while taken_away.changed().await.is_ok() {} }
    }

    /// A record was dealt with: it and those before it are not delivered again, once that is committed.
    pub fn commit(&self, record: Offset) {
        let place = (self.topic.clone(), i32::try_from(self.partition).unwrap_or(i32::MAX));
        let next = i64::try_from(record.next().0).unwrap_or(i64::MAX);
        // Whoever has lost the partition says nothing about it any more.
        if self.shared.lanes.lock().contains_key(&place) {
            self.shared.done.lock().insert(place, next);
        }
    }
}

/// A topic for what is not sealed: it forgets soon, and the time of its records is the broker's. Whether a token was good
/// when a record was put there follows from that time, so it must not be the producer's to choose.
fn spec(name: &str, options: &KafkaOptions, topics: &InboxTopics) -> TopicSpec {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let bounded = |name, created: Duration| Setting {
        created: ms(created).to_string(),
        ..Setting::at_most(name, ms(topics.retention_max))
    };
    let settings = vec![
        Setting::exactly("cleanup.policy", "delete"),
        Setting::exactly("message.timestamp.type", "LogAppendTime"),
        bounded("retention.ms", topics.retention),
        // Only whole segments are deleted.
        bounded("segment.ms", topics.retention.min(Duration::from_secs(3_600))),
        Setting {
            created: (1_usize << 20).to_string(),
            ..Setting::at_most("max.message.bytes", (RECORD_BYTES_MAX + ENVELOPE_BYTES) as u64)
        },
        Setting::exactly("unclean.leader.election.enable", "false"),
        Setting::at_least("min.insync.replicas", options.min_insync_replicas.into()),
    ];
    TopicSpec { name: name.to_owned(), partitions: options.partitions, may_have_more: true, settings }
}

/// Polls until it is stopped. Dropping the consumer leaves the group.
fn read(consumer: &BaseConsumer<Rebalances>, shared: &Shared) {
    let mut committed_at = Instant::now();
    while !shared.stop.load(Ordering::Acquire) {
        match consumer.poll(POLL) {
            Some(Ok(message)) => hand_over(consumer, shared, &message),
            // It goes on by itself when the broker is back.
            Some(Err(error)) => tracing::warn!(%error, "kafka inbox"),
            None => {}
        }
        resume(consumer, shared);
        if committed_at.elapsed() >= COMMIT_EVERY {
            committed_at = Instant::now();
            commit(consumer, shared, CommitMode::Async);
        }
    }
    commit(consumer, shared, CommitMode::Sync);
    shared.lanes.lock().clear();
}

fn hand_over(consumer: &BaseConsumer<Rebalances>, shared: &Shared, message: &BorrowedMessage<'_>) {
    let place = (message.topic().to_owned(), message.partition());
    let mut lanes = shared.lanes.lock();
    let Some(lane) = lanes.get_mut(&place) else { return };
    let record = InboxRecord {
        offset: Offset(u64::try_from(message.offset()).unwrap_or_default()),
        timestamp_ms: timestamp_ms(message).unwrap_or_default(),
        key: message.key().map(Bytes::copy_from_slice),
        headers: headers(message),
        value: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
    };
    let waiting = lane.waiting.fetch_add(1, Ordering::AcqRel) + 1;
    // Whoever went away has stopped for good.
    let _ = lane.records.send(record);
    if waiting >= WAITING_MAX && !lane.paused {
        lane.paused = consumer.pause(&list([&place])).is_ok();
    }
}

fn resume(consumer: &BaseConsumer<Rebalances>, shared: &Shared) {
    for (place, lane) in shared.lanes.lock().iter_mut() {
        if lane.paused && lane.waiting.load(Ordering::Acquire) < WAITING_MAX / 2 {
            lane.paused = consumer.resume(&list([place])).is_err();
        }
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
fn not_committed(shared: &Shared, error: &KafkaError, offsets: impl IntoIterator<Item = (Place, i64)>) {
    tracing::warn!(%error, "what was read from the inbox could not be committed; it is tried again");
    let lanes = shared.lanes.lock();
    let mut done = shared.done.lock();
    for (place, next) in offsets.into_iter().filter(|(place, _)| lanes.contains_key(place)) {
        done.entry(place).or_insert(next);
    }
}

fn list<'a>(places: impl IntoIterator<Item = &'a Place>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    list
}

fn places(list: &TopicPartitionList) -> Vec<Place> {
    list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

/// Takes over what the coordinator says. Runs inside `poll`, so it does nothing that could take time.
struct Rebalances {
    shared: Arc<Shared>,
    arrived: mpsc::UnboundedSender<InboxPartition>,
}

impl ClientContext for Rebalances {
    fn error(&self, error: KafkaError, reason: &str) {
        Reports.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let lanes = self.shared.lanes.lock();
        let mut lag = self.shared.lag.lock();
        lag.clear();
        for (topic, of_topic) in &statistics.topics {
            for (partition, of_partition) in &of_topic.partitions {
                let place = (topic.clone(), *partition);
                if lanes.contains_key(&place) && of_partition.consumer_lag >= 0 {
                    lag.insert(place, of_partition.consumer_lag);
                }
            }
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

    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut lanes = self.shared.lanes.lock();
        match rebalance {
            Rebalance::Assign(list) => {
                for place in places(list) {
                    let (records, receiver) = mpsc::unbounded_channel();
                    let (kept, taken_away) = watch::channel(());
                    let waiting = Arc::new(AtomicUsize::new(0));
                    let partition = InboxPartition {
                        topic: place.0.clone(),
                        partition: u32::try_from(place.1).unwrap_or_default(),
                        records: receiver,
                        waiting: Arc::clone(&waiting),
                        taken_away,
                        shared: Arc::clone(&self.shared),
                    };
                    lanes.insert(place, Lane { records, waiting, paused: false, _kept: kept });
                    // Whoever does not listen any more is about to leave.
                    let _ = self.arrived.send(partition);
                }
            }
            Rebalance::Revoke(list) => {
                let mut done = self.shared.done.lock();
                for place in places(list) {
                    lanes.remove(&place);
                    done.remove(&place);
                }
            }
            Rebalance::Error(_) => {}
        }
    }
}
