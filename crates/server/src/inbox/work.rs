//! A partition of an inbox topic: one record after the other, each until it is dealt with.

use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::id::Offset;
use daybook_kernel::time::Timestamp;
use daybook_log::{InboxEntry, InboxPartition, InboxRecord, LogError};
use futures_util::future::select;

use super::Shared;
use super::attempt::{Attempt, put_at};
use super::record::Place;
use super::rejected::Rejected;
use super::reply::ReplyTo;
use crate::error::{CallError, codes};

/// Waits between two attempts: the first, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// Deals with a partition until it is taken away. What is under way then is dropped: whoever has the partition next
/// does it again, and it is decided once.
pub(super) async fn work(mut partition: InboxPartition, shared: Arc<Shared>) {
    let (topic, number) = (partition.topic.clone(), partition.partition);
    tracing::info!(topic, partition = number, "reading an inbox topic");
    let taken_away = std::pin::pin!(partition.taken_away());
    let _read = shared.status.read_here(&topic, number);
    let working = std::pin::pin!(async {
        while let Some(entry) = partition.next().await {
            let next = entry.next();
            match entry {
                InboxEntry::Record(record) => {
                    let place = Place { topic: topic.clone(), partition: number, offset: record.offset };
                    shared.deal_with(&place, &record).await;
                }
                InboxEntry::Unreadable { first, next, why } => {
                    let place = Place { topic: topic.clone(), partition: number, offset: first };
                    shared.pass_over(&place, next, &why).await;
                }
            }
            partition.commit(next);
            shared.status.moved(&topic, number);
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

    /// Records that cannot be read hold up nobody: they are put on the list, and those behind them are dealt with.
    async fn pass_over(&self, place: &Place, next: Offset, why: &str) {
        let last = next.0.saturating_sub(1).max(place.offset.0);
        let which = match last - place.offset.0 {
            0 => "the record cannot be read".to_owned(),
            more => format!("{} records, up to offset {last}, cannot be read", more + 1),
        };
        let error = CallError::new(
            codes::INBOX_RECORD_UNREADABLE,
            format!(
                "{which}: {why}; nothing was recorded; put it on the topic again, compressed otherwise or in smaller batches"
            ),
        );
        tracing::warn!(?place, last, why, "records of an inbox topic cannot be read; they are passed over and listed");
        let times = (String::new(), time(self.app.door.node.now()));
        let mut rejected = Rejected::new(place, times, None, &error);
        rejected.last_offset = (last > place.offset.0).then_some(last);
        self.list(place, &rejected).await;
        metrics::counter!("daybook_inbox_records_total", "topic" => place.topic.clone(), "outcome" => "unreadable")
            .increment(last - place.offset.0 + 1);
    }

    /// Tries a record until there is an answer that stands.
    async fn until_answered(&self, place: &Place, record: &InboxRecord) -> Attempt {
        let mut wait = RETRY_FIRST;
        loop {
            let attempt = match self.app.door.wrong_settings.of_inbox(&place.topic) {
                None => self.attempt(place, record).await,
                Some(wrong) => Attempt::deferred(CallError::new(wrong.code(), wrong.to_string())),
            };
            match &attempt.answered {
                Err(error) if attempt.is_for_later() => {
                    self.status.waits(&place.topic, place.partition, &format!("{}: {}", error.code, error.message));
                    // Not the message, which may quote the record: the list has it.
                    tracing::warn!(?place, code = error.code, "a record of the inbox has to wait");
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
            let why = format!("{}: the answer cannot be written: {error}", error.code());
            self.status.waits(&place.topic, place.partition, &why);
            tracing::warn!(?place, %error, "a reply could not be written; it is tried again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
    }

    /// Puts a record on the list of those that were not carried out.
    async fn note(&self, place: &Place, record: &InboxRecord, attempt: &Attempt, error: &CallError) {
        let times = (time(put_at(record)), time(self.app.door.node.now()));
        let rejected = Rejected::new(place, times, attempt.method.clone(), error);
        // Not the message, which may quote the record: the list has it.
        tracing::info!(?place, code = rejected.code, "a record of the inbox was not carried out");
        self.list(place, &rejected).await;
    }

    async fn list(&self, place: &Place, rejected: &Rejected) {
        let value = serde_json::to_vec(rejected).unwrap_or_default();
        let key = format!("{}/{}/{}", place.topic, place.partition, place.offset.0);
        let mut wait = RETRY_FIRST;
        // Without its line on the list it would be lost without a trace: it waits for the list.
        while let Err(error) = self.topics.append(&self.rejected, Some(0), Some(key.as_bytes()), &[], &value).await {
            let why = format!("{}: it cannot be put on the list of rejected records: {error}", error.code());
            self.status.waits(&place.topic, place.partition, &why);
            tracing::warn!(?place, %error, "a rejected record could not be put on the list; it is tried again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
    }
}

fn time(time: Timestamp) -> String {
    time.to_proto().to_string()
}
