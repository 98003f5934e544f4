//! The log on Apache Kafka: one Kafka topic per topic, `<name>.commands` and `<name>.decisions`. Beside it, for several
//! nodes on one cluster, a keyed log on the topic `<name>.keys` ([`KafkaKeyedLog`]) and the group of the nodes
//! ([`Membership`]).
//!
//! What the protocol needs of Kafka is ordered durable appends, so that is all that is used: an idempotent producer
//! with `acks=all` and explicit partitions, consumers with explicit assignments and offsets. No transactions, no
//! commits: progress is kept beside the state, and the chain keeps writers apart. The consumer group decides who should
//! look after a partition, never who may: no record is read through it.
//!
//! Topics that other programs read or write have nothing to do with the log: records that are put into an inbox are read
//! through a group of their own, with commits ([`Inbox`]), and what is told to others is written to topics beside the
//! log ([`BesideTopics`]).
//!
//! Architecture invariant: this folder is the one place that builds Kafka clients, and it leaves no setting that
//! matters to a default.

mod append;
mod assignment;
mod beside;
mod config;
mod inbox;
mod keyed;
mod membership;
mod read;
mod reports;
mod topics;
mod unreadable;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::id::{Offset, PartitionId};
use futures_util::future::{BoxFuture, FutureExt, ready};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::LogError;
use crate::topic::{Appended, Bounds, Durability, Log, LogReader, RECORD_BYTES_MAX, Topic};

use append::{Along, Appender, Payload, Tail};
use config::{client_config, producer_config};
use read::Consumers;
use reports::{Reports, from_kafka};
use topics::{Admin, Setting, TopicSpec};

pub use beside::{BesideReader, BesideRecord, BesideTopics, Headers};
pub use inbox::{
    Inbox, InboxEntry, InboxLeaving, InboxPartition, InboxRecord, InboxSettings, InboxStanding, InboxTopic,
    InboxTopics, PutAt,
};
pub use keyed::{Compaction, KafkaKeyedLog};
pub use membership::{Member, Membership};

/// How to reach a log on Kafka.
#[derive(Clone)]
pub struct KafkaOptions {
    /// Bootstrap brokers, `host:port`, separated by commas.
    pub brokers: String,
    /// The log's name, the first part of its topics' names.
    pub name: String,
    /// How many partitions it has; must be as many as it was created with.
    pub partitions: u32,
    /// Creates the topics if they are missing, with this replication factor. `None`: they must be there.
    pub create_with_replication: Option<Replication>,
    /// The least `min.insync.replicas` that the topics must have.
    pub min_insync_replicas: u16,
    /// How long the brokers may take to answer at the start.
    pub connect_timeout: Duration,
    /// Settings for librdkafka, for example `security.protocol` and `sasl.*`. Those that decide whether records can be
    /// lost are not accepted here.
    pub properties: BTreeMap<String, String>,
}

impl fmt::Debug for KafkaOptions {
    /// Names the client settings without their values: passwords are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: Vec<_> = self.properties.keys().collect();
        f.debug_struct("KafkaOptions")
            .field("brokers", &self.brokers)
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .field("create_with_replication", &self.create_with_replication)
            .field("min_insync_replicas", &self.min_insync_replicas)
            .field("connect_timeout", &self.connect_timeout)
            .field("properties", &properties)
            .finish()
    }
}

/// How many brokers hold each record of a topic that is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// As many as there are, three at most, but always one more than must have a record when those are several: then any
    /// one of them can be lost.
    ByBrokers,
    /// So many. Without as many brokers, nothing is created.
    Exactly(u16),
}

/// A log on Apache Kafka.
pub struct KafkaLog {
    clients: Arc<Clients>,
    appender: Appender,
    consumers: Consumers,
}

/// What every part of the log needs to build its client.
struct Clients {
    options: KafkaOptions,
    admin: Admin,
    /// Ends of the partitions of `Commands`: their owner reads along what its own doors append.
    tails: Vec<Arc<Tail>>,
}

/// How long a question to a broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Space in requests and fetches beside the largest record.
const ENVELOPE_BYTES: usize = 64 << 10;

/// The most that a client takes in one answer of a broker, and the most that a batch of records may have once it is
/// opened (librdkafka holds zstd to it).
const FETCH_BYTES_MAX: usize = 64 << 20;

impl KafkaLog {
    /// Connects, checks the topics, and creates them if that is wanted.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers within the time allowed, [`LogError::WrongSettings`] and
    /// [`LogError::ShapeDiffers`] when the topics must not be used as they are.
    pub async fn open(options: KafkaOptions) -> Result<Self, LogError> {
        let admin = admin(&options)?;
        let tails = (0..options.partitions).map(|_| Arc::default()).collect();
        let clients = Arc::new(Clients { options, admin, tails });
        topics::check(&clients.admin, &clients.options, &clients.specs()).await?;
        let appender = Appender::new(producer_config(&clients.options)?)?;
        let consumers = Consumers::new(Arc::clone(&clients));
        Ok(Self { clients, appender, consumers })
    }

    fn check_partition(&self, partition: PartitionId) -> Result<(), LogError> {
        let partitions = self.clients.options.partitions;
        if partition.0 < partitions {
            return Ok(());
        }
        let (found, wanted) = (format!("{partitions} partitions"), format!("partition {partition}"));
        Err(LogError::ShapeDiffers { found, wanted })
    }
}

impl Clients {
    fn tail(&self, topic: Topic, partition: PartitionId) -> Option<&Arc<Tail>> {
        match topic {
            Topic::Commands => self.tails.get(partition.0 as usize),
            Topic::Decisions => None,
        }
    }

    fn topic(&self, topic: Topic) -> String {
        format!("{}.{topic}", self.options.name)
    }

    /// Asks the brokers for the bounds of a partition. Blocks.
    fn bounds(&self, topic: Topic, partition: PartitionId) -> Result<Bounds, LogError> {
        bounds(&self.admin, &self.topic(topic), kafka_partition(partition))
    }

    /// Topics that must not lose a record.
    fn specs(&self) -> [TopicSpec; 2] {
        Topic::ALL.map(|topic| {
            let settings = vec![
                Setting::exactly("cleanup.policy", "delete"),
                Setting::exactly("retention.ms", "-1"),
                Setting::exactly("retention.bytes", "-1"),
                Setting::exactly("unclean.leader.election.enable", "false"),
                Setting::at_least("min.insync.replicas", self.options.min_insync_replicas.into()),
                Setting::record_bytes(RECORD_BYTES_MAX, RECORD_BYTES_MAX + ENVELOPE_BYTES),
                Setting::compression("producer"),
            ];
            TopicSpec { name: self.topic(topic), partitions: self.options.partitions, may_have_more: false, settings }
        })
    }
}

/// Asks the brokers for the bounds of a partition. Blocks, for half a minute at most.
fn bounds(admin: &Admin, topic: &str, partition: i32) -> Result<Bounds, LogError> {
    // What the client remembers of who leads a partition may be a broker that is gone, which it would ask in vain for
    // minutes. After being asked who leads now, it remembers that.
    const ATTEMPTS: u32 = 3;
    let client = admin.inner();
    let attempt = || {
        client.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
        client.fetch_watermarks(topic, partition, REQUEST_TIMEOUT / ATTEMPTS)
    };
    let mut found = attempt();
    for _ in 1..ATTEMPTS {
        found = found.or_else(|_| attempt());
    }
    let (low, high) = found.map_err(|error| from_kafka(&error))?;
    let offset = |offset: i64| Offset(u64::try_from(offset).unwrap_or_default());
    Ok(Bounds { first: offset(low), next: offset(high) })
}

/// The first client that is made with the settings of the user: it shows whether a client can be made with them at all.
fn admin(options: &KafkaOptions) -> Result<Admin, LogError> {
    let made = client_config(options)?.create::<AdminClient<DefaultClientContext>>();
    let admin = made.map_err(|error| match &error {
        KafkaError::ClientCreation(why) => LogError::WrongSettings {
            topic: CLIENT_SETTINGS.to_owned(),
            wrong: format!("no client can be made: {why}"),
        },
        _ => from_kafka(&error),
    })?;
    Ok(Arc::new(admin))
}

/// What is named instead of a topic where the settings of a client are wrong.
const CLIENT_SETTINGS: &str = "(client settings)";

fn kafka_partition(partition: PartitionId) -> i32 {
    i32::try_from(partition.0).unwrap_or(i32::MAX)
}

impl Log for KafkaLog {
    fn name(&self) -> &str {
        &self.clients.options.name
    }

    fn partitions(&self) -> u32 {
        self.clients.options.partitions
    }

    fn describe(&self) -> String {
        format!("Kafka at {}, topics {}.*", self.clients.options.brokers, self.clients.options.name)
    }

    fn check_settings(&self) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            for spec in self.clients.specs() {
                topics::check_settings(&self.clients.admin, &spec).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn append(&self, topic: Topic, partition: PartitionId, record: Bytes, _: Durability) -> Appended {
        if record.len() > RECORD_BYTES_MAX {
            return Appended::done(Err(LogError::TooLarge { bytes: record.len(), max: RECORD_BYTES_MAX }));
        }
        match self.check_partition(partition) {
            Ok(()) => {
                let tail = self.clients.tail(topic, partition).cloned();
                let payload = Payload { value: Some(&record[..]), ..Payload::default() };
                let along = tail.map(|tail| Along::Tail(tail, record.clone()));
                self.appender.append(&self.clients.topic(topic), kafka_partition(partition), payload, along)
            }
            Err(error) => Appended::done(Err(error)),
        }
    }

    fn reader(&self, topic: Topic, partition: PartitionId, from: Offset) -> Result<Box<dyn LogReader>, LogError> {
        self.check_partition(partition)?;
        self.consumers.reader(topic, partition, from)
    }

    fn bounds(&self, topic: Topic, partition: PartitionId) -> BoxFuture<'_, Result<Bounds, LogError>> {
        if let Err(error) = self.check_partition(partition) {
            return ready(Err(error)).boxed();
        }
        let clients = Arc::clone(&self.clients);
        let asked = tokio::task::spawn_blocking(move || clients.bounds(topic, partition));
        async move { asked.await.map_err(|error| LogError::Unavailable { what: error.to_string() })? }.boxed()
    }

    fn trim(&self, topic: Topic, partition: PartitionId, before: Offset) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            let bounds = self.bounds(topic, partition).await?;
            if before <= bounds.first {
                return Ok(());
            }
            if let Some(tail) = self.clients.tail(topic, partition) {
                tail.recent.lock().clear();
            }
            let before = i64::try_from(before.min(bounds.next).0).unwrap_or(i64::MAX);
            let mut list = TopicPartitionList::new();
            let (topic, partition) = (self.clients.topic(topic), kafka_partition(partition));
            list.add_partition_offset(&topic, partition, KafkaOffset::Offset(before))
                .map_err(|error| from_kafka(&error))?;
            let options = AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT));
            let trimmed =
                self.clients.admin.delete_records(&list, &options).await.map_err(|error| from_kafka(&error))?;
            for element in trimmed.elements() {
                element.error().map_err(|error| from_kafka(&error))?;
            }
            Ok(())
        }
        .boxed()
    }
}
