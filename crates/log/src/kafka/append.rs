//! Appending to Kafka: an idempotent producer whose delivery reports complete the appends.

use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::id::Offset;
use parking_lot::Mutex;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, client::Client};
use tokio::sync::{Notify, oneshot, watch};

use super::reports::from_append;
use super::{Reports, from_kafka};
use crate::LogError;
use crate::recent::Recent;
use crate::topic::{Appended, Record};

/// An append that was handed to the producer.
pub(super) struct Pending {
    done: oneshot::Sender<Result<Offset, LogError>>,
    along: Option<Along>,
}

/// Who else in this process wants to know of an append.
pub(super) enum Along {
    /// Readers, who look for the record here once it is acknowledged.
    Tail(Arc<Tail>, Bytes),
    /// Whoever waits for this, as soon as the record is in the log or may be.
    Written(Arc<Notify>),
}

/// What is appended. A value that is not there is a tombstone.
#[derive(Clone, Copy, Default)]
pub(super) struct Payload<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a [(&'a str, &'a [u8])],
}

/// The end of a partition as far as this process wrote it. A reader of the same process need not wait until the broker
/// sends back what it has acknowledged.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) recent: Mutex<Recent>,
    /// Moved after every record.
    pub(super) moved: watch::Sender<()>,
}

pub(super) struct Appender {
    config: ClientConfig,
    producer: Mutex<Arc<ThreadedProducer<Deliveries>>>,
}

struct Deliveries;

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        Reports.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, pending: Self::DeliveryOpaque) {
        let result = match delivered {
            Ok(message) => u64::try_from(message.offset()).map(Offset).map_err(|_| LogError::Unavailable {
                what: "the broker acknowledged an append without an offset".to_owned(),
            }),
            Err((error, message)) => Err(from_append(error, message.payload_len() + message.key_len())),
        };
        match (&result, pending.along) {
            (Ok(offset), Some(Along::Tail(tail, bytes))) => {
                tail.recent.lock().push(Record { offset: *offset, bytes });
                tail.moved.send_replace(());
            }
            // An append that failed may be in the log nevertheless.
            (_, Some(Along::Written(written))) => written.notify_one(),
            _ => {}
        }
        // A caller that went away does not want to know.
        let _ = pending.done.send(result);
    }
}

impl Appender {
    pub(super) fn new(config: ClientConfig) -> Result<Self, LogError> {
        let producer = Mutex::new(Arc::new(producer(&config)?));
        Ok(Self { config, producer })
    }

    /// Appends a record, and tells whoever goes along once it is acknowledged.
    pub(super) fn append(&self, topic: &str, partition: i32, payload: Payload<'_>, along: Option<Along>) -> Appended {
        let (done, result) = oneshot::channel();
        let producer = match self.healthy() {
            Ok(producer) => producer,
            Err(error) => return Appended::done(Err(error)),
        };
        let mut record: BaseRecord<'_, [u8], [u8], Box<Pending>> =
            BaseRecord::with_opaque_to(topic, Box::new(Pending { done, along })).partition(partition);
        if let Some(key) = payload.key {
            record = record.key(key);
        }
        if let Some(value) = payload.value {
            record = record.payload(value);
        }
        if !payload.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(payload.headers.len());
            let insert = |headers: OwnedHeaders, (key, value): &(&str, &[u8])| {
                headers.insert(Header { key, value: Some(*value) })
            };
            record = record.headers(payload.headers.iter().fold(headers, insert));
        }
        match producer.send(record) {
            Ok(()) => Appended::waiting(result),
            Err((error, refused)) => {
                let bytes = refused.payload.map_or(0, <[u8]>::len) + refused.key.map_or(0, <[u8]>::len);
                Appended::done(Err(from_append(&error, bytes)))
            }
        }
    }

    /// The producer; a new one if the old one met an error from which an idempotent producer cannot go on. What the
    /// old one had in flight fails; the chain copes with what was written nevertheless.
    fn healthy(&self) -> Result<Arc<ThreadedProducer<Deliveries>>, LogError> {
        let mut current = self.producer.lock();
        let client: &Client<Deliveries> = current.client();
        if let Some((code, reason)) = client.fatal_error() {
            tracing::warn!(%code, reason, "the Kafka producer cannot go on; it is replaced");
            *current = Arc::new(producer(&self.config)?);
        }
        Ok(Arc::clone(&current))
    }
}

fn producer(config: &ClientConfig) -> Result<ThreadedProducer<Deliveries>, LogError> {
    ThreadedProducer::from_config_and_context(config, Deliveries).map_err(|error| from_kafka(&error))
}
