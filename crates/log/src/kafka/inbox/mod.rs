//! Inbox topics: what other programs put there is read through a consumer group, each partition of a topic by one node at
//! a time, in order, and committed when it was dealt with. A record may be delivered again: to the node that takes a
//! partition over, or after a crash. Whoever reads must be prepared for that.
//!
//! | file | what it does |
//! | --- | --- |
//! | this one | topics, records, partitions as their reader sees them |
//! | `reading` | the thread that polls, hands records over and commits |
//! | `rebalance` | which partitions this node has, and how far it has come in them |

mod reading;
mod rebalance;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::id::Offset;
use parking_lot::{Condvar, Mutex};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::{mpsc, watch};

use super::beside::Headers;
use super::config::{inbox_config, probe_config};
use super::topics::{self, Admin, Setting, TopicSpec};
use super::{ENVELOPE_BYTES, KafkaOptions, REQUEST_TIMEOUT, Reports, admin, bounds, from_kafka};
use crate::LogError;
use crate::topic::RECORD_BYTES_MAX;
use reading::WAITING_MAX;
use rebalance::{Lane, Rebalances};

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

/// When the broker took a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutAt {
    /// By the broker's clock, in milliseconds since 1970.
    Broker(u64),
    /// The time is one that the producer chose: the topic was not set up as an inbox when the record was put there.
    Producer(u64),
}

impl PutAt {
    /// The time, whoever says it, in milliseconds since 1970.
    pub fn millis(self) -> u64 {
        match self {
            Self::Broker(millis) | Self::Producer(millis) => millis,
        }
    }
}

/// A record of an inbox topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRecord {
    /// Its place.
    pub offset: Offset,
    /// When the broker took it.
    pub put_at: PutAt,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its headers; `None` if their names are no text.
    pub headers: Option<Headers>,
    /// Its content; `None` for a tombstone.
    pub value: Option<Bytes>,
}

/// What comes next on a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxEntry {
    /// A record.
    Record(InboxRecord),
    /// Records that cannot be read, by any client like this one: from `first` up to before `next`.
    Unreadable {
        /// The first of them.
        first: Offset,
        /// The place after the last.
        next: Offset,
        /// What is wrong with them.
        why: String,
    },
}

impl InboxEntry {
    /// Where the partition goes on after it.
    pub fn next(&self) -> Offset {
        match self {
            Self::Record(record) => record.offset.next(),
            Self::Unreadable { next, .. } => *next,
        }
    }
}

/// How this node stands with a partition that it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxStanding {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The next offset to be dealt with, once that is known.
    pub next: Option<u64>,
    /// Records that were put there and not dealt with yet.
    pub lag: u64,
    /// What keeps records from coming, as far as the client knows.
    pub problem: Option<String>,
}

type Place = (String, i32);

/// This node's share of the inbox topics.
pub struct Inbox {
    arriving: mpsc::UnboundedReceiver<InboxPartition>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    settings: InboxSettings,
}

#[derive(Default)]
struct Shared {
    lanes: Mutex<BTreeMap<Place, Lane>>,
    /// What was dealt with and is not committed yet: the place to go on at.
    done: Mutex<BTreeMap<Place, i64>>,
    /// Why no partitions are given to this node, as far as the client knows.
    problem: Mutex<Option<String>>,
    stop: AtomicBool,
    /// Something has arrived, or there is room for more.
    awake: Mutex<bool>,
    wake: Condvar,
}

impl Shared {
    /// Has the thread look at its queues at once.
    fn wake(&self) {
        *self.awake.lock() = true;
        self.wake.notify_one();
    }

    /// Waits until there is something to look at, but never for longer than this.
    fn wait(&self, longest: Duration) {
        let mut awake = self.awake.lock();
        if !*awake {
            self.wake.wait_for(&mut awake, longest);
        }
        *awake = false;
    }
}

/// A partition of an inbox topic that was given to this node, until it is taken away.
pub struct InboxPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    entries: mpsc::UnboundedReceiver<InboxEntry>,
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
        let settings = InboxSettings::new(options, topics)?;
        let specs: Vec<_> = topics.names.iter().map(|name| settings.spec(name)).collect();
        topics::check(&settings.admin, options, &specs).await?;
        let shared = Arc::new(Shared::default());
        let (sender, arriving) = mpsc::unbounded_channel();
        let context = Rebalances::new(&shared, sender);
        let config = inbox_config(options)?;
        let mut consumer =
            BaseConsumer::from_config_and_context(&config, context).map_err(|error| from_kafka(&error))?;
        let woken = Arc::downgrade(&shared);
        consumer.set_nonempty_callback(move || {
            if let Some(shared) = woken.upgrade() {
                shared.wake();
            }
        });
        let consumer = Arc::new(consumer);
        consumer.context().reads_with(&consumer);
        let names: Vec<_> = topics.names.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| from_kafka(&error))?;
        let (own, options) = (Arc::clone(&shared), options.clone());
        let read = move || reading::read(consumer, &own, &options);
        let thread = std::thread::Builder::new().name("kafka-inbox".into()).spawn(read);
        let thread = Some(thread.map_err(|error| LogError::Unavailable { what: error.to_string() })?);
        Ok(Self { arriving, shared, thread, settings })
    }

    /// The next partition that this node is given; `None` when it has left. Cancel safe.
    pub async fn next(&mut self) -> Option<InboxPartition> {
        self.arriving.recv().await
    }

    /// How to leave the group: whoever holds this can do it while the inbox is read.
    pub fn leaving(&mut self) -> InboxLeaving {
        InboxLeaving { shared: Arc::clone(&self.shared), thread: self.thread.take() }
    }

    /// How the topics must be set up: whoever holds this can look whether they still are.
    pub fn settings(&self) -> InboxSettings {
        self.settings.clone()
    }

    /// How this node stands with the partitions that it reads, as of two seconds ago at most.
    pub fn standing(&self) -> Vec<InboxStanding> {
        self.shared.lanes.lock().iter().map(|(place, lane)| lane.standing(place)).collect()
    }

    /// Why this node is given no partitions, if something keeps it from the group of readers.
    pub fn problem(&self) -> Option<String> {
        self.shared.problem.lock().clone()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}

/// How inbox topics must be set up.
#[derive(Clone)]
pub struct InboxSettings {
    admin: Admin,
    options: KafkaOptions,
    topics: InboxTopics,
}

impl InboxSettings {
    /// Looks at topics without joining the group of readers, and creates none.
    ///
    /// # Errors
    /// [`LogError::WrongSettings`] when no client can be made with the settings in `options`.
    pub fn new(options: &KafkaOptions, topics: &InboxTopics) -> Result<Self, LogError> {
        Ok(Self { admin: admin(options)?, options: options.clone(), topics: topics.clone() })
    }

    /// The topics.
    pub fn names(&self) -> &[String] {
        &self.topics.names
    }

    /// Looks whether a topic has the settings that an inbox needs.
    ///
    /// # Errors
    /// [`LogError::WrongSettings`] says which are wrong. Any other error: it is not known whether one is.
    pub async fn check(&self, topic: &str) -> Result<(), LogError> {
        topics::check_settings(&self.admin, &self.spec(topic)).await
    }

    /// How a topic stands, whoever reads it.
    ///
    /// # Errors
    /// [`LogError::TopicMissing`]; [`LogError::Unavailable`] when no broker answers.
    pub async fn look(&self, topic: &str) -> Result<InboxTopic, LogError> {
        let compression = match topics::setting(&self.admin, topic, "compression.type").await {
            Err(LogError::WrongSettings { topic, .. }) => return Err(LogError::TopicMissing { topic }),
            compression => compression?,
        };
        let (own, topic) = (self.clone(), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || own.places(&topic));
        let places = asked.await.map_err(|error| LogError::Unavailable { what: error.to_string() })??;
        Ok(InboxTopic { compression, places })
    }

    /// For each partition where the group goes on, and where it ends. Blocks.
    fn places(&self, topic: &str) -> Result<Vec<(u64, u64)>, LogError> {
        let client = self.admin.inner();
        let metadata = client.fetch_metadata(Some(topic), REQUEST_TIMEOUT).map_err(|error| from_kafka(&error))?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let consumer: BaseConsumer<Reports> =
            BaseConsumer::from_config_and_context(&probe_config(&self.options)?, Reports)
                .map_err(|error| from_kafka(&error))?;
        let mut asked = TopicPartitionList::new();
        let partitions = 0..i32::try_from(count).unwrap_or(i32::MAX);
        partitions.clone().for_each(|partition| {
            asked.add_partition(topic, partition);
        });
        let committed = consumer.committed_offsets(asked, REQUEST_TIMEOUT).map_err(|error| from_kafka(&error))?;
        let mut places = Vec::new();
        for partition in partitions {
            let bounds = bounds(&self.admin, topic, partition)?;
            let committed = committed.find_partition(topic, partition).map(|found| found.offset());
            let next = match committed {
                Some(KafkaOffset::Offset(next)) => u64::try_from(next).unwrap_or_default().max(bounds.first.0),
                _ => bounds.first.0,
            };
            places.push((next, bounds.next.0));
        }
        Ok(places)
    }

    /// A topic for what is not sealed: it forgets soon, and the time of its records is the broker's. Whether a token was
    /// good when a record was put there follows from that time, so it must not be the producer's to choose.
    fn spec(&self, name: &str) -> TopicSpec {
        let Self { options, topics, .. } = self;
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
            // Brokers that keep records open refuse those that are too large once they are opened: a few KB can be
            // compressed from as much as a node has memory.
            Setting::compression("uncompressed"),
            Setting::format_with_headers(),
            Setting::exactly("unclean.leader.election.enable", "false"),
            Setting::at_least("min.insync.replicas", options.min_insync_replicas.into()),
        ];
        TopicSpec { name: name.to_owned(), partitions: options.partitions, may_have_more: true, settings }
    }
}

/// How an inbox topic stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxTopic {
    /// Who compresses its records: `uncompressed`, `producer`, or the codec that the broker uses.
    pub compression: String,
    /// For each partition the offset where its readers go on, and that of the next record.
    pub places: Vec<(u64, u64)>,
}

impl InboxTopic {
    /// How many records wait, at most: marks of transactions are among them.
    pub fn waiting(&self) -> u64 {
        self.places.iter().map(|(next, end)| end.saturating_sub(*next)).sum()
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
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has left as well.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl InboxPartition {
    /// What comes next; `None` when the partition was taken away. Cancel safe.
    pub async fn next(&mut self) -> Option<InboxEntry> {
        let entry = self.entries.recv().await?;
        if self.waiting.fetch_sub(1, Ordering::AcqRel) == WAITING_MAX / 2 {
            self.shared.wake();
        }
        Some(entry)
    }

    /// Ready when the partition was taken away: whatever is done for it now, somebody else does as well. Cancel safe.
    pub fn taken_away(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut taken_away = self.taken_away.clone();
        async move { while taken_away.changed().await.is_ok() {} }
    }

    /// Everything before this offset was dealt with: it is not delivered again, once that is committed.
    pub fn commit(&self, next: Offset) {
        let place = (self.topic.clone(), i32::try_from(self.partition).unwrap_or(i32::MAX));
        let next = i64::try_from(next.0).unwrap_or(i64::MAX);
        // Whoever has lost the partition says nothing about it any more.
        if let Some(lane) = self.shared.lanes.lock().get_mut(&place) {
            lane.dealt_with(next);
            self.shared.done.lock().insert(place, next);
        }
    }
}
