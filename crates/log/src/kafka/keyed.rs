//! A keyed log on Kafka: the topic `<name>.keys`, compacted, with one partition.
//!
//! Kafka's cleaner never touches the segment that is being written, and a segment ends only when something is written
//! after its time is over. So that a superseded record goes although nothing more happens, whoever put a record writes
//! another one of its own ([`ROLL`]) when the time of the segment is over, and once after every start.
//!
//! ```text
//!   superseded                ROLL: a new segment     the cleaner copies the rest      the old file is deleted
//!       |------ segment.ms --------|--- max.compaction.lag.ms at most ---|--- file.delete.delay.ms ---|
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::id::Offset;
use futures_util::future::{BoxFuture, FutureExt};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::append::{Along, Appender, Payload};
use super::config::{Fetch, consumer_config, producer_config};
use super::topics::{self, Admin, Rule, Setting, TopicSpec};
use super::unreadable::{ATTEMPTS, met};
use super::{ENVELOPE_BYTES, KafkaOptions, Reports, admin, bounds, from_kafka};
use crate::LogError;
use crate::keyed::{KEYED_RECORD_BYTES_MAX, KeyedLog, KeyedReader, KeyedRecord, KeyedRecords, check};
use crate::topic::Appended;

/// The key of the records that end a segment.
const ROLL: &[u8] = b"\0roll";

/// The one partition.
const PARTITION: i32 = 0;

/// What the bound on forgetting allows for that no setting of the topic says: the pause of the brokers' cleaner between
/// two rounds (`log.cleaner.backoff.ms`, 15 s by default) and its work.
const CLEANER_ALLOWANCE: Duration = Duration::from_secs(60);

/// A segment is surely over this long after its time.
const ROLL_SLACK: Duration = Duration::from_millis(50);

/// How fast a keyed log forgets. A topic is created with these values; one that is slower is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compaction {
    /// How long a segment is written at most (`segment.ms`).
    pub segment: Duration,
    /// How long a record may stay uncleaned at most after its segment is over (`max.compaction.lag.ms`).
    pub lag_max: Duration,
    /// How long the file of a segment that was cleaned stays at most (`file.delete.delay.ms`).
    pub file_delete_delay: Duration,
    /// How long a tombstone stays at least after the cleaning (`delete.retention.ms`).
    pub tombstones_kept: Duration,
}

impl Default for Compaction {
    /// Five minutes for a segment and for the cleaner each, one minute for the file; tombstones stay for a day.
    fn default() -> Self {
        Self {
            segment: Duration::from_secs(300),
            lag_max: Duration::from_secs(300),
            file_delete_delay: Duration::from_secs(60),
            tombstones_kept: Duration::from_secs(86_400),
        }
    }
}

impl Compaction {
    fn settings(&self, min_insync_replicas: u16) -> Vec<Setting> {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1);
        vec![
            Setting::exactly("cleanup.policy", "compact"),
            Setting::exactly("unclean.leader.election.enable", "false"),
            // When a segment is over, and when a record must be gone, is the broker's time, not that of a node.
            Setting::exactly("message.timestamp.type", "LogAppendTime"),
            Setting::exactly("min.compaction.lag.ms", "0"),
            Setting::at_most("segment.ms", ms(self.segment)),
            Setting::at_most("max.compaction.lag.ms", ms(self.lag_max)),
            Setting::at_most("file.delete.delay.ms", ms(self.file_delete_delay)),
            // The cleaner goes to work early, too; what bounds it is the lag.
            Setting {
                name: "min.cleanable.dirty.ratio",
                created: "0.01".to_owned(),
                rule: Rule::AtMostThousandths(100),
            },
            Setting::at_least("delete.retention.ms", ms(self.tombstones_kept)),
            Setting::at_least("min.insync.replicas", min_insync_replicas.into()),
            Setting::record_bytes(KEYED_RECORD_BYTES_MAX + ENVELOPE_BYTES, KEYED_RECORD_BYTES_MAX + ENVELOPE_BYTES),
            Setting::compression("producer"),
        ]
    }
}

/// A keyed log on Kafka.
pub struct KafkaKeyedLog {
    inner: Arc<Inner>,
    rolling: AbortHandle,
}

struct Inner {
    options: KafkaOptions,
    compaction: Compaction,
    topic: String,
    admin: Admin,
    appender: Appender,
    /// A record was written whose segment must end some time.
    written: Arc<Notify>,
}

impl KafkaKeyedLog {
    /// Connects, creates the topic `<name>.keys` if it is missing and that is wanted, and checks it. The number of
    /// partitions in `options` is that of the log beside it and plays no part here.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers within the time allowed, [`LogError::WrongSettings`] and
    /// [`LogError::ShapeDiffers`] when the topic must not be used as it is.
    pub async fn open(options: KafkaOptions, compaction: Compaction) -> Result<Self, LogError> {
        let log = Self::connect(options, compaction).await?;
        // What was put before a crash must go, too.
        log.inner.written.notify_one();
        Ok(log)
    }

    /// The same for somebody who only reads: nothing is created, and nothing is written unless it is put.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`LogError::TopicMissing`].
    pub async fn open_to_read(options: KafkaOptions, compaction: Compaction) -> Result<Self, LogError> {
        Self::connect(KafkaOptions { create_with_replication: None, ..options }, compaction).await
    }

    async fn connect(options: KafkaOptions, compaction: Compaction) -> Result<Self, LogError> {
        let admin = admin(&options)?;
        let topic = format!("{}.keys", options.name);
        topics::check(&admin, &options, &[spec(&topic, &options, &compaction)]).await?;
        let mut config = producer_config(&options)?;
        // Keys are as good as random: there is nothing to compress.
        config.set("compression.type", "none");
        let appender = Appender::new(config)?;
        let written = Arc::new(Notify::new());
        let inner = Arc::new(Inner { options, compaction, topic, admin, appender, written });
        let rolling = tokio::spawn(roll(Arc::downgrade(&inner), Arc::clone(&inner.written))).abort_handle();
        Ok(Self { inner, rolling })
    }
}

fn spec(topic: &str, options: &KafkaOptions, compaction: &Compaction) -> TopicSpec {
    let settings = compaction.settings(options.min_insync_replicas);
    TopicSpec { name: topic.to_owned(), partitions: 1, may_have_more: false, settings }
}

impl Drop for KafkaKeyedLog {
    fn drop(&mut self) {
        self.rolling.abort();
    }
}

/// Ends the segment that a record was written to, when its time is over.
async fn roll(log: std::sync::Weak<Inner>, written: Arc<Notify>) {
    loop {
        written.notified().await;
        let Some(wait) = log.upgrade().map(|log| log.compaction.segment + ROLL_SLACK) else { return };
        // What is written meanwhile notifies again: its segment may begin later than the one that ends here.
        tokio::time::sleep(wait).await;
        let Some(log) = log.upgrade() else { return };
        let payload = Payload { key: Some(ROLL), value: Some(b""), ..Payload::default() };
        if let Err(error) = log.appender.append(&log.topic, PARTITION, payload, None).await {
            tracing::warn!(%error, topic = log.topic, "a segment of the keyed log could not be ended; it is tried again");
            log.written.notify_one();
        }
    }
}

impl KeyedLog for KafkaKeyedLog {
    fn describe(&self) -> String {
        format!("Kafka at {}, topic {}", self.inner.options.brokers, self.inner.topic)
    }

    fn check_settings(&self) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            let Inner { options, compaction, topic, admin, .. } = &*self.inner;
            topics::check_settings(admin, &spec(topic, options, compaction)).await
        }
        .boxed()
    }

    fn put(&self, key: &[u8], value: Option<Bytes>) -> Appended {
        if let Err(refused) = check(key, value.as_ref()) {
            return Appended::done(Err(refused));
        }
        let payload = Payload { key: Some(key), value: value.as_deref(), ..Payload::default() };
        let along = Along::Written(Arc::clone(&self.inner.written));
        self.inner.appender.append(&self.inner.topic, PARTITION, payload, Some(along))
    }

    fn follow(&self) -> Result<Box<dyn KeyedReader>, LogError> {
        let config = consumer_config(&self.inner.options, &Fetch::AT_ONCE)?;
        let consumer = BaseConsumer::from_config_and_context(&config, Reports).map_err(|error| from_kafka(&error))?;
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(&self.inner.topic, PARTITION, KafkaOffset::Beginning)
            .and_then(|()| consumer.assign(&assignment))
            .map_err(|error| from_kafka(&error))?;
        let (sender, arrived) = mpsc::channel(PIECES_WAITING_MAX);
        let topic = self.inner.topic.clone();
        let thread = std::thread::Builder::new().name("kafka-keys".into()).spawn(move || {
            consume(&consumer, &topic, &sender);
        });
        thread.map_err(|error| LogError::Unavailable { what: error.to_string() })?;
        Ok(Box::new(KafkaKeyedReader { arrived }))
    }

    fn end(&self) -> BoxFuture<'_, Result<Offset, LogError>> {
        let inner = Arc::clone(&self.inner);
        let asked = tokio::task::spawn_blocking(move || bounds(&inner.admin, &inner.topic, PARTITION));
        async move {
            let bounds = asked.await.map_err(|error| LogError::Unavailable { what: error.to_string() })??;
            Ok(bounds.next)
        }
        .boxed()
    }

    fn forgets_within(&self) -> Duration {
        let Compaction { segment, lag_max, file_delete_delay, .. } = self.inner.compaction;
        segment + lag_max + file_delete_delay + CLEANER_ALLOWANCE
    }
}

/// Pieces that wait for a reader that is slower than the broker.
const PIECES_WAITING_MAX: usize = 4;
const RECORDS_AT_ONCE: usize = 1_000;
/// How long the thread waits for records before it looks whether it is still wanted.
const POLL: Duration = Duration::from_millis(100);

type Piece = Result<KeyedRecords, LogError>;

/// Reads until nobody listens any more.
fn consume(consumer: &BaseConsumer<Reports>, topic: &str, sender: &mpsc::Sender<Piece>) {
    // Where reading goes on, and how often that place could not be read.
    let (mut at, mut unreadable) = (None, 0);
    while !sender.is_closed() {
        let mut piece: Option<KeyedRecords> = None;
        let mut wait = POLL;
        let mut lost = None;
        for _ in 0..RECORDS_AT_ONCE {
            match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let piece = piece.get_or_insert(KeyedRecords { records: Vec::new(), read_to: Offset(0) });
                    let record = record(&message);
                    piece.read_to = record.offset.next();
                    (at, unreadable) = (Some(message.offset() + 1), 0);
                    if record.key != ROLL {
                        piece.records.push(record);
                    }
                    wait = Duration::ZERO;
                }
                Some(Err(error)) if is_loss(&error) => {
                    lost = Some(LogError::Damaged { what: format!("topic {topic} has lost its beginning: {error}") });
                    break;
                }
                Some(Err(error)) => match met(&error) {
                    Some(met) => {
                        unreadable += 1;
                        if unreadable >= ATTEMPTS {
                            let place = at.map_or_else(|| "its first offset".to_owned(), |at| format!("offset {at}"));
                            let what = format!("topic {topic} cannot be read at {place}: {}", met.why);
                            lost = Some(LogError::Damaged { what });
                            break;
                        }
                        // After such an error the client may have lost its place.
                        let place = at.map_or(KafkaOffset::Beginning, KafkaOffset::Offset);
                        if let Err(error) = consumer.seek(topic, PARTITION, place, Duration::ZERO) {
                            tracing::warn!(%error, topic, "kafka consumer");
                        }
                    }
                    // It goes on by itself when the broker is back.
                    None => tracing::warn!(%error, topic, "kafka consumer"),
                },
            }
        }
        let read = piece.map(Ok).into_iter().chain(lost.map(Err));
        for piece in read {
            let ends = piece.is_err();
            if sender.blocking_send(piece).is_err() || ends {
                return;
            }
        }
    }
}

fn record(message: &BorrowedMessage<'_>) -> KeyedRecord {
    KeyedRecord {
        offset: Offset(u64::try_from(message.offset()).unwrap_or_default()),
        key: Bytes::copy_from_slice(message.key().unwrap_or_default()),
        value: message.payload().map(Bytes::copy_from_slice),
    }
}

/// Records that should be there are not: the topic was cut off or made anew.
fn is_loss(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset))
}

struct KafkaKeyedReader {
    arrived: mpsc::Receiver<Piece>,
}

impl KeyedReader for KafkaKeyedReader {
    fn next(&mut self) -> BoxFuture<'_, Result<KeyedRecords, LogError>> {
        async move { self.arrived.recv().await.unwrap_or(Err(LogError::Closed)) }.boxed()
    }
}
