//! Records that stand on a partition and cannot be read: their compression or checksum is wrong, their codec is not
//! known, or they are larger than a node takes once they are opened.
//!
//! Kafka compresses and checks records in batches, so it is always a whole batch that cannot be read. The client stops
//! before it and reports the same error again and again. What follows from it depends on what the topic is: on the log
//! and the key ring it is damage, on an inbox it is passed over and listed.

use std::time::{Duration, Instant};

use daybook_kernel::id::Offset;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::config::probe_config;
use super::reports::take_reason;
use super::{KafkaOptions, Reports, admin, bounds, from_kafka};
use crate::LogError;
use crate::topic::Bounds;

/// How often a place is read before it counts as unreadable.
pub(super) const ATTEMPTS: u32 = 3;

/// How long a probe waits for one place.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Why a batch cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// What is wrong, for people. Says nothing of what is in the batch.
    pub(super) why: String,
    /// The first offset of the batch, if the client said it.
    pub(super) base: Option<u64>,
}

/// Whether an error says that what stands there cannot be read, as opposed to a broker that cannot be reached.
pub(super) fn is_unreadable(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| meaning(code).is_some())
}

fn meaning(code: RDKafkaErrorCode) -> Option<&'static str> {
    Some(match code {
        RDKafkaErrorCode::BadCompression => "it cannot be decompressed, or is too large for a node once it is",
        RDKafkaErrorCode::BadMessage => "its checksum or its form is wrong",
        RDKafkaErrorCode::InvalidMessage => "the broker says that it is corrupt",
        RDKafkaErrorCode::NotImplemented => "this release does not know its codec or its format",
        RDKafkaErrorCode::UnsupportedCompressionType => "its codec is not known to the broker or to this release",
        RDKafkaErrorCode::MessageSizeTooLarge => "it is larger than a node reads, or cut off",
        _ => return None,
    })
}

/// What a poll on this thread has just met, if that is something that cannot be read.
pub(super) fn met(error: &KafkaError) -> Option<Unreadable> {
    let meaning = meaning(error.rdkafka_error_code()?)?;
    let reason = take_reason().unwrap_or_default();
    let base = base_offset(&reason);
    let why = if reason.is_empty() { meaning.to_owned() } else { format!("{meaning} ({reason})") };
    Some(Unreadable { why, base })
}

/// The offset that a text of librdkafka names: "Decompression (codec 0x4) of message at 17 of 3229 bytes failed", or
/// "MessageSet at offset 17 (3229 bytes) failed CRC32C check".
fn base_offset(reason: &str) -> Option<u64> {
    let (_, after) = reason.split_once(" at ")?;
    let number = after.strip_prefix("offset ").unwrap_or(after);
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

/// Finds out where a batch that cannot be read ends, with a consumer of its own.
pub(super) struct Probe {
    options: KafkaOptions,
    topic: String,
    partition: i32,
    consumer: BaseConsumer<Reports>,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// From this place up to before `next` nothing can be read.
    Unreadable {
        /// The place after the batch.
        next: Offset,
        /// What is wrong.
        why: String,
    },
    /// It can be read after all.
    Readable,
}

impl Probe {
    /// Blocks for as long as a client needs to start.
    pub(super) fn new(options: &KafkaOptions, topic: &str, partition: i32) -> Result<Self, LogError> {
        let config = probe_config(options)?;
        let consumer = BaseConsumer::from_config_and_context(&config, Reports).map_err(|error| from_kafka(&error))?;
        Ok(Self { options: options.clone(), topic: topic.to_owned(), partition, consumer })
    }

    /// Reads a place once more, and if it cannot be read, looks for the end of its batch: every offset of a batch leads
    /// to the same error, which names the first offset of the batch. Blocks.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no broker answers.
    pub(super) fn find(&self, at: Offset) -> Result<Found, LogError> {
        let Some(Unreadable { why, base }) = self.look(at)? else { return Ok(Found::Readable) };
        let (Some(base), end) = (base, self.bounds()?.next) else {
            return Ok(Found::Unreadable { next: at.next(), why });
        };
        let is_within = |offset: u64| -> Result<bool, LogError> {
            let seen = self.look(Offset(offset))?;
            Ok(seen.is_some_and(|seen| seen.base == Some(base)))
        };
        // `last` is within the batch, `beyond` is not.
        let (mut last, mut beyond, mut step) = (at.0, end.0.max(at.0 + 1), 1_u64);
        while last + step < beyond {
            if is_within(last + step)? {
                last += step;
                step = step.saturating_mul(2);
            } else {
                beyond = last + step;
            }
        }
        while beyond - last > 1 {
            let middle = last + (beyond - last) / 2;
            if is_within(middle)? {
                last = middle;
            } else {
                beyond = middle;
            }
        }
        Ok(Found::Unreadable { next: Offset(beyond), why })
    }

    fn bounds(&self) -> Result<Bounds, LogError> {
        bounds(&admin(&self.options)?, &self.topic, self.partition)
    }

    /// Where the readers of an inbox begin with the partition: after what was committed; else with the oldest record, or
    /// with the batch that was met, where that begins later.
    pub(super) fn inbox_begins_at(&self, met: Option<Offset>) -> Result<Offset, LogError> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&self.topic, self.partition);
        let committed = self.consumer.committed_offsets(asked, LOOK_MAX).map_err(|error| from_kafka(&error))?;
        let committed = match committed.elements().first().map(|one| one.offset()) {
            Some(KafkaOffset::Offset(next)) => u64::try_from(next).ok().map(Offset),
            _ => None,
        };
        let first = self.bounds()?.first;
        Ok(committed.or(met).map_or(first, |at| at.max(first)))
    }

    /// What is wrong with what stands at an offset, or the first that comes after it; `None` if it can be read.
    fn look(&self, at: Offset) -> Result<Option<Unreadable>, LogError> {
        let mut assignment = TopicPartitionList::new();
        let offset = KafkaOffset::Offset(i64::try_from(at.0).unwrap_or(i64::MAX));
        assignment
            .add_partition_offset(&self.topic, self.partition, offset)
            .and_then(|()| self.consumer.assign(&assignment))
            .map_err(|error| from_kafka(&error))?;
        let started = Instant::now();
        while started.elapsed() < LOOK_MAX {
            match self.consumer.poll(Duration::from_millis(100)) {
                // Left over from the place that was looked at before.
                Some(Ok(message)) if message.offset() < i64::try_from(at.0).unwrap_or(i64::MAX) => {}
                // Nothing but marks of transactions may stand between here and the end.
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(None),
                Some(Err(error)) => match met(&error) {
                    Some(unreadable) => return Ok(Some(unreadable)),
                    None => tracing::debug!(%error, topic = self.topic, "kafka probe"),
                },
                None => {}
            }
        }
        let what = format!("{} partition {} gave no answer for offset {at}", self.topic, self.partition);
        Err(LogError::Unavailable { what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_that_an_error_is_about_is_read_from_its_text() {
        for (reason, base) in [
            ("Decompression (codec 0x4) of message at 17 of 3229 bytes failed: Local: Invalid", Some(17)),
            ("MessageSet at offset 230 (91 bytes) failed CRC32C check (original 0x1 != calculated 0x2)", Some(230)),
            ("Unsupported Message(Set) MagicByte 7 at offset 9", Some(9)),
            ("Message at offset 3 might be too large to fetch, try increasing receive.message.max.bytes", Some(3)),
            ("Fetch from broker 1 failed", None),
            ("at offset x", None),
            ("", None),
        ] {
            assert_eq!(base_offset(reason), base, "{reason}");
        }
    }

    #[test]
    fn only_what_is_wrong_with_a_record_is_unreadable() {
        let error = |code| KafkaError::MessageConsumption(code);
        for code in [
            RDKafkaErrorCode::BadCompression,
            RDKafkaErrorCode::BadMessage,
            RDKafkaErrorCode::NotImplemented,
            RDKafkaErrorCode::InvalidMessage,
            RDKafkaErrorCode::UnsupportedCompressionType,
        ] {
            assert!(is_unreadable(&error(code)), "{code}");
        }
        for code in [
            RDKafkaErrorCode::BrokerTransportFailure,
            RDKafkaErrorCode::AllBrokersDown,
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::OffsetOutOfRange,
            RDKafkaErrorCode::NotLeaderForPartition,
            RDKafkaErrorCode::CriticalSystemResource,
        ] {
            assert!(!is_unreadable(&error(code)), "{code}");
        }
    }
}
