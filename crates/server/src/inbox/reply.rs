//! The answer to a record, on the topic that it names.

use std::time::{Duration, Instant};

use bytes::Bytes;
use daybook_log::{InboxRecord, LogError};

use super::Shared;
use super::record::{self, Place};
use crate::auth::Caller;
use crate::encoding::Encoding;
use crate::error::{CallError, codes};
use crate::http::error_body;

/// Where an answer goes, and how.
#[derive(Debug, Clone)]
pub(super) struct ReplyTo {
    pub(super) topic: String,
    correlation_id: Option<Bytes>,
    encoding: Encoding,
}

impl Shared {
    /// Where the record wants to be answered, if it does. Only on topics that the configuration allows and that exist:
    /// an answer that cannot be written must not hold up those behind it. And only on topics of a tenant that the caller
    /// speaks for: nobody puts answers where another tenant's programs read their own.
    pub(super) async fn reply_to(
        &self,
        place: &Place,
        record: &InboxRecord,
        caller: &Caller,
        encoding: Encoding,
    ) -> Result<Option<ReplyTo>, CallError> {
        let topic = record::text(record, "daybook-reply-topic")?;
        if topic.is_empty() {
            return Ok(None);
        }
        let refused = |why: &str| {
            let shown: String = topic.chars().filter(|c| !c.is_control()).take(100).collect();
            let message =
                format!("answers cannot go to topic {shown}: {why}; nothing was recorded; name another topic");
            Err(CallError::new(codes::REPLY_TOPIC_REFUSED, message))
        };
        if !self.reply_topics.allows(&topic, &place.topic, caller.tenants()) {
            return refused("its name must begin as inbox.reply_topic_prefix of the node's configuration says");
        }
        let unavailable = |error: LogError| CallError::new(error.code(), error.to_string());
        if !self.reply_topic_exists(&topic).await.map_err(unavailable)? {
            return refused("it does not exist");
        }
        // It comes back as it is: nobody here reads it.
        let correlation_id = record::bytes(record, "daybook-correlation-id").filter(|id| !id.is_empty()).cloned();
        Ok(Some(ReplyTo { topic, correlation_id, encoding }))
    }

    /// Asked once in a while, not for each record.
    async fn reply_topic_exists(&self, topic: &str) -> Result<bool, LogError> {
        const KNOWN_FOR: Duration = Duration::from_secs(30);
        const KNOWN_MAX: usize = 1_000;
        if self.known_topics.lock().get(topic).is_some_and(|at| at.elapsed() < KNOWN_FOR) {
            return Ok(true);
        }
        let exists = self.topics.exists(topic).await?;
        let mut known = self.known_topics.lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        if exists {
            known.insert(topic.to_owned(), Instant::now());
        }
        Ok(exists)
    }

    /// Writes an answer; returns when it is durable.
    pub(super) async fn reply(
        &self,
        to: &ReplyTo,
        place: &Place,
        key: Option<&Bytes>,
        answered: &Result<Bytes, CallError>,
    ) -> Result<(), LogError> {
        let (status, value) = match answered {
            Ok(response) => ("OK", response.clone()),
            Err(error) => (error.code.as_str(), to.error(error)),
        };
        let content_type = match to.encoding {
            Encoding::Json => "application/json",
            Encoding::Proto => "application/protobuf",
        };
        let (partition, offset) = (place.partition.to_string(), place.offset.0.to_string());
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("daybook-status", status.as_bytes()),
            ("content-type", content_type.as_bytes()),
            ("daybook-inbox-topic", place.topic.as_bytes()),
            ("daybook-inbox-partition", partition.as_bytes()),
            ("daybook-inbox-offset", offset.as_bytes()),
        ];
        if let Some(correlation_id) = &to.correlation_id {
            headers.push(("daybook-correlation-id", correlation_id));
        }
        self.topics.append(&to.topic, None, key.map(|key| &key[..]), &headers, &value).await.map(|_| ())
    }
}

impl ReplyTo {
    /// An error as the doors write it: JSON of the Connect protocol, or a google.rpc.Status.
    fn error(&self, error: &CallError) -> Bytes {
        match self.encoding {
            Encoding::Json => error_body(error).into(),
            Encoding::Proto => Bytes::copy_from_slice(error.to_grpc().details()),
        }
    }
}
