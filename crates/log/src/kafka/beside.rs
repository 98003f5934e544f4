//! Topics beside the log, by which other programs are told things: replies to inbox records, the list of those that were
//! refused, events for others to consume. Nothing that Daybook needs to know stands on them alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::id::Offset;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, Headers as _, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::mpsc;

use super::append::{Appender, Payload};
use super::config::{Fetch, beside_config, consumer_config};
use super::topics::{self, Admin, Setting, TopicSpec};
use super::unreadable::{ATTEMPTS, met};
use super::{ENVELOPE_BYTES, KafkaOptions, REQUEST_TIMEOUT, Reports, admin, bounds, from_kafka};
use crate::LogError;
use crate::topic::{Appended, Bounds, RECORD_BYTES_MAX};

/// Headers of a record, in order. A name may come more than once.
pub type Headers = Vec<(String, Bytes)>;

/// The partition that a key belongs to is the client's to choose.
const BY_KEY: i32 = -1;

/// A record of a topic beside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BesideRecord {
    /// Its place.
    pub offset: Offset,
    /// When it was written, in milliseconds since 1970, if the topic says.
    pub timestamp_ms: Option<u64>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its headers; empty if their names are no text.
    pub headers: Headers,
    /// Its content; empty if it has none.
    pub value: Bytes,
}

/// Writes and reads topics beside the log.
pub struct BesideTopics {
    options: KafkaOptions,
    admin: Admin,
    appender: Appender,
}

impl BesideTopics {
    /// A connection. Nothing is asked of the brokers yet. `without_gaps`: when a record cannot be written, none of those
    /// that come after it is; it is tried without end.
    ///
    /// # Errors
    /// [`LogError::WrongSettings`] when `options` hold a setting that is fixed, [`LogError::Unavailable`] when no client
    /// can be made.
    pub fn connect(options: KafkaOptions, without_gaps: bool) -> Result<Self, LogError> {
        let admin = admin(&options)?;
        let appender = Appender::new(beside_config(&options, without_gaps)?)?;
        Ok(Self { options, admin, appender })
    }

    /// Creates a topic if it is missing and that is wanted, and checks it. It keeps records for `retention` when it is
    /// created here, for good if there is none; afterwards that is the operator's to change.
    ///
    /// # Errors
    /// As [`KafkaLog::open`](super::KafkaLog::open).
    pub async fn check(&self, topic: &str, partitions: u32, retention: Option<Duration>) -> Result<(), LogError> {
        let spec = self.spec(topic, partitions, retention);
        topics::check(&self.admin, &self.options, &[spec]).await
    }

    /// Whether a topic that was checked before still has the settings that it needs.
    ///
    /// # Errors
    /// [`LogError::WrongSettings`] says which are wrong. Any other error: it is not known whether one is.
    pub async fn check_settings(&self, topic: &str) -> Result<(), LogError> {
        topics::check_settings(&self.admin, &self.spec(topic, 1, None)).await
    }

    fn spec(&self, topic: &str, partitions: u32, retention: Option<Duration>) -> TopicSpec {
        let retention_ms = retention.map_or("-1".to_owned(), |retention| retention.as_millis().to_string());
        let settings = vec![
            Setting::exactly("cleanup.policy", "delete"),
            Setting::exactly("unclean.leader.election.enable", "false"),
            Setting::at_least("min.insync.replicas", self.options.min_insync_replicas.into()),
            // Any value will do.
            Setting::created_with("retention.ms", &retention_ms),
            Setting::record_bytes(RECORD_BYTES_MAX, RECORD_BYTES_MAX + ENVELOPE_BYTES),
            Setting::compression("producer"),
            Setting::format_with_headers(),
        ];
        TopicSpec { name: topic.to_owned(), partitions, may_have_more: false, settings }
    }

    /// Whether there is such a topic.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers.
    pub async fn exists(&self, topic: &str) -> Result<bool, LogError> {
        let (admin, topic) = (Arc::clone(&self.admin), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            // Of all topics: a question for one topic would have brokers create it where they do that by themselves.
            let found = admin.inner().fetch_metadata(None, REQUEST_TIMEOUT);
            let found = found.map_err(|error| from_kafka(&error))?;
            Ok(found.topics().iter().any(|one| one.name() == topic && one.error().is_none()))
        });
        asked.await.map_err(|error| LogError::Unavailable { what: error.to_string() })?
    }

    /// Appends a record: to a partition, or to the one that its key belongs to. Complete when all in-sync replicas have
    /// it. What one caller appends to a partition gets there in that order.
    pub fn append(
        &self,
        topic: &str,
        partition: Option<u32>,
        key: Option<&[u8]>,
        headers: &[(&str, &[u8])],
        value: &[u8],
    ) -> Appended {
        let partition = partition.map_or(BY_KEY, |partition| i32::try_from(partition).unwrap_or(i32::MAX));
        self.appender.append(topic, partition, Payload { key, value: Some(value), headers }, None)
    }

    /// What can be read of a partition.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers, or there is no such topic.
    pub async fn bounds(&self, topic: &str, partition: u32) -> Result<Bounds, LogError> {
        let (admin, topic) = (Arc::clone(&self.admin), topic.to_owned());
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        let asked = tokio::task::spawn_blocking(move || bounds(&admin, &topic, partition));
        asked.await.map_err(|error| LogError::Unavailable { what: error.to_string() })?
    }

    /// Reads a partition from a place on, which must be within its bounds.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no client can be made.
    pub fn read(&self, topic: &str, partition: u32, from: Offset) -> Result<BesideReader, LogError> {
        let config = consumer_config(&self.options, &Fetch::AT_ONCE)?;
        let consumer = BaseConsumer::from_config_and_context(&config, Reports).map_err(|error| from_kafka(&error))?;
        let mut assignment = TopicPartitionList::new();
        let at = i64::try_from(from.0).unwrap_or(i64::MAX);
        let place = (topic.to_owned(), i32::try_from(partition).unwrap_or(i32::MAX), at);
        assignment
            .add_partition_offset(topic, place.1, KafkaOffset::Offset(at))
            .and_then(|()| consumer.assign(&assignment))
            .map_err(|error| from_kafka(&error))?;
        let (sender, arrived) = mpsc::channel(RECORDS_WAITING_MAX);
        let thread = std::thread::Builder::new().name("kafka-beside".into());
        thread
            .spawn(move || consume(&consumer, &place, &sender))
            .map_err(|error| LogError::Unavailable { what: error.to_string() })?;
        Ok(BesideReader { arrived })
    }
}

/// Records that wait for a reader that is slower than the broker.
const RECORDS_WAITING_MAX: usize = 1_000;
/// How long the thread waits for records before it looks whether it is still wanted.
const POLL: Duration = Duration::from_millis(100);

/// Topic, partition, and the offset to read next.
type Place = (String, i32, i64);

fn consume(consumer: &BaseConsumer<Reports>, from: &Place, sender: &mpsc::Sender<Result<BesideRecord, LogError>>) {
    let (topic, partition, mut at) = (&from.0, from.1, from.2);
    let mut unreadable = 0;
    while !sender.is_closed() {
        let read = match consumer.poll(POLL) {
            None => continue,
            Some(Ok(message)) => {
                (at, unreadable) = (message.offset() + 1, 0);
                Ok(BesideRecord {
                    offset: Offset(u64::try_from(message.offset()).unwrap_or_default()),
                    timestamp_ms: timestamp_ms(&message),
                    key: message.key().map(Bytes::copy_from_slice),
                    headers: headers(&message).unwrap_or_default(),
                    value: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
                })
            }
            Some(Err(error)) => match (error.rdkafka_error_code(), met(&error)) {
                (Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset), _) => {
                    let what = format!("what was to be read is gone: {error}");
                    let _ = sender.blocking_send(Err(LogError::Unavailable { what }));
                    return;
                }
                (_, Some(met)) => {
                    unreadable += 1;
                    let damaged = (unreadable >= ATTEMPTS).then(|| {
                        let what = format!("topic {topic} cannot be read at offset {at}: {}", met.why);
                        (at, unreadable) = (at + 1, 0);
                        LogError::Damaged { what }
                    });
                    // After such an error the client may have lost its place.
                    if let Err(error) = consumer.seek(topic, partition, KafkaOffset::Offset(at), Duration::ZERO) {
                        tracing::warn!(%error, "kafka consumer");
                    }
                    let Some(damaged) = damaged else { continue };
                    Err(damaged)
                }
                // It goes on by itself when the broker is back.
                (_, None) => {
                    tracing::warn!(%error, "kafka consumer");
                    continue;
                }
            },
        };
        if sender.blocking_send(read).is_err() {
            return;
        }
    }
}

pub(super) fn timestamp_ms(message: &BorrowedMessage<'_>) -> Option<u64> {
    message.timestamp().to_millis().and_then(|ms| u64::try_from(ms).ok())
}

/// The headers; `None` if a name is no text. The client library panics over such a name, and anybody can send one.
pub(super) fn headers(message: &BorrowedMessage<'_>) -> Option<Headers> {
    let read = std::panic::AssertUnwindSafe(|| {
        let Some(headers) = message.headers() else { return Headers::new() };
        let copy = |value: Option<&[u8]>| Bytes::copy_from_slice(value.unwrap_or_default());
        headers.iter().map(|header| (header.key.to_owned(), copy(header.value))).collect()
    });
    std::panic::catch_unwind(read).ok()
}

/// Reads a partition of a topic beside the log.
#[derive(Debug)]
pub struct BesideReader {
    arrived: mpsc::Receiver<Result<BesideRecord, LogError>>,
}

impl BesideReader {
    /// The next record; waits for it. Cancel safe.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when what was to be read is gone: then there is nothing more to read.
    /// [`LogError::Damaged`] for a place that cannot be read: the next call goes on after it.
    pub async fn next(&mut self) -> Result<BesideRecord, LogError> {
        self.arrived.recv().await.unwrap_or(Err(LogError::Closed))
    }
}
