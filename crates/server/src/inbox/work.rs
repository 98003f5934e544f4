//! A partition of an inbox topic: one record after the other, each until it is dealt with.

use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::id::Offset;
use daybook_kernel::time::Timestamp;
use daybook_log::{InboxPartition, InboxRecord, LogError};
use futures_util::future::select;

use super::Shared;
use super::attempt::Attempt;
use super::record::Place;
use super::rejected::Rejected;
use super::reply::ReplyTo;
use crate::error::CallError;

/// Waits between two attempts: the first, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// Deals with a partition until it is taken away. What is under way then is dropped: whoever has the partition next
/// does it again, and it is decided once.
pub(super) async fn work(mut partition: InboxPartition, shared: Arc<Shared>) {
    let (topic, number) = (partition.topic.clone(), partition.partition);
    tracing::info!(topic, partition = number, "reading an inbox topic");
    let taken_away = std::pin::pin!(partition.taken_away());
    let working = std::pin::pin!(async {
        let mut expected: Option<Offset> = None;
        while let Some(record) = partition.next().await {
            if expected.is_some_and(|expected| record.offset > expected) {
                // Not an error by itself: transactions of producers leave gaps as well.
                tracing::debug!(topic, partition = number, offset = record.offset.0, "offsets of the inbox have a gap");
            }
            let place = Place { topic: topic.clone(), partition: number, offset: record.offset };
            shared.deal_with(&place, &record).await;
            partition.commit(record.offset);
            expected = Some(record.offset.next());
        }
    });
    select(taken_away, working).await;
    tracing::info!(topic = topic, partition = number, "an inbox topic is left to others");
}

impl Shared {
    async fn deal_with(&self, place: &Place, record: &InboxRecord) {
        let attempt = self.until_answered(place, record).await;
        let outcome = match &attempt.answered {
            Ok(_) => "accepted",
            Err(error) if error.metadata.contains_key("position") => "rejected",
            Err(_) => "refused",
        };
        if let Err(error) = &attempt.answered {
            self.note(place, record, &attempt, error).await;
        }
        if let Some(to) = &attempt.reply
            && let Err(error) = self.until_replied(to, place, record, &attempt).await
        {
            // What was decided stands; a topic that takes no answer holds up nobody.
            tracing::warn!(?place, %error, "a reply cannot be written; it is left out");
            metrics::counter!("daybook_inbox_replies_lost_total", "topic" => place.topic.clone()).increment(1);
        }
        metrics::counter!("daybook_inbox_records_total", "topic" => place.topic.clone(), "outcome" => outcome)
            .increment(1);
    }

    /// Tries a record until there is an answer that stands.
    async fn until_answered(&self, place: &Place, record: &InboxRecord) -> Attempt {
        let mut wait = RETRY_FIRST;
        loop {
            let attempt = self.attempt(place, record).await;
            match &attempt.answered {
                Err(error) if attempt.is_for_later() => {
                    tracing::warn!(?place, code = error.code, error.message, "a record of the inbox has to wait");
                    let (topic, code) = (place.topic.clone(), error.code.clone());
                    metrics::counter!("daybook_inbox_retries_total", "topic" => topic, "code" => code).increment(1);
                    tokio::time::sleep(wait.max(error.retry_after.unwrap_or_default().min(RETRY_LONGEST))).await;
                    wait = (wait * 2).min(RETRY_LONGEST);
                }
                _ => return attempt,
            }
        }
    }

    /// Writes the answer. Brokers that are away are waited for; a topic that is gone, or takes nothing, is not.
    async fn until_replied(
        &self,
        to: &ReplyTo,
        place: &Place,
        record: &InboxRecord,
        attempt: &Attempt,
    ) -> Result<(), LogError> {
        const REFUSED_MAX: u32 = 3;
        let (mut wait, mut refused) = (RETRY_FIRST, 0);
        loop {
            let written = self.reply(to, place, record.key.as_ref(), &attempt.answered).await;
            let Err(error) = written else { return Ok(()) };
            if self.topics.exists(&to.topic).await.is_ok() {
                refused += 1;
            }
            if !error.is_transient() || refused >= REFUSED_MAX {
                return Err(error);
            }
            tracing::warn!(?place, %error, "a reply could not be written; it is tried again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
    }

    /// Puts a record on the list of those that were not carried out.
    async fn note(&self, place: &Place, record: &InboxRecord, attempt: &Attempt, error: &CallError) {
        let put_at = i64::try_from(record.timestamp_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let times = (time(Timestamp::from_micros(put_at)), time(self.app.door.node.now()));
        let rejected = Rejected::new(place, times, attempt.method.clone(), error);
        tracing::info!(?place, code = rejected.code, rejected.message, "a record of the inbox was not carried out");
        let value = serde_json::to_vec(&rejected).unwrap_or_default();
        let key = format!("{}/{}/{}", place.topic, place.partition, place.offset.0);
        let mut wait = RETRY_FIRST;
        // Without its line on the list it would be lost without a trace: it waits for the list.
        while let Err(error) = self.topics.append(&self.rejected, Some(0), Some(key.as_bytes()), &[], &value).await {
            tracing::warn!(?place, %error, "a rejected record could not be put on the list; it is tried again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
    }
}

fn time(time: Timestamp) -> String {
    time.to_proto().to_string()
}
