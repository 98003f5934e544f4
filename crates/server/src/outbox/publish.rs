//! One partition of one domain's outbox, published while this node leads the partition of the log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use daybook_kernel::chain::Head;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::{DecisionRecord, RecordBody};
use daybook_log::{Appended, BesideTopics, Log, LogError, Topic};
use daybook_proto::log::v1::{Decision, decision::Outcome};
use daybook_runtime::{Partition, PartitionState};
use prost::Message;

use super::event::{Published, Source, published, source};
use crate::settings_watch::WrongSettings;

/// Records that may wait for the brokers at once.
const IN_FLIGHT_MAX: usize = 500;
/// Waits before it is tried again: the first, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

pub(super) struct Publisher {
    pub(super) topics: Arc<BesideTopics>,
    pub(super) log: Arc<dyn Log>,
    pub(super) wrong_settings: WrongSettings,
    pub(super) partition: Arc<Partition>,
    pub(super) topic: String,
    pub(super) domain: String,
}

/// Where to go on.
struct Progress {
    head: Head,
    /// The last event that is on the topic.
    last: Option<(Offset, u32)>,
}

impl Publisher {
    pub(super) async fn run(self) {
        let mut wait = RETRY_FIRST;
        loop {
            self.partition.state().wait_for(|(state, _)| *state == PartitionState::Leading).await;
            let began = Instant::now();
            tokio::select! {
                biased;
                _ = self.partition.state().wait_for(|(state, _)| *state != PartitionState::Leading) => {
                    wait = RETRY_FIRST;
                    continue;
                }
                ended = self.term() => if let Err(error) = ended {
                    let (topic, partition) = (&self.topic, self.id());
                    tracing::warn!(topic, partition, %error, "events cannot be published now; it is tried again");
                    metrics::counter!("daybook_outbox_errors_total", "topic" => topic.clone()).increment(1);
                }
            }
            if began.elapsed() > RETRY_LONGEST {
                wait = RETRY_FIRST;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
    }

    fn id(&self) -> u32 {
        self.partition.id().0
    }

    /// Publishes from where the topic ends, for ever.
    async fn term(&self) -> Result<(), LogError> {
        let Progress { mut head, last } = self.progress().await?;
        let mut reader = self.log.reader(Topic::Decisions, self.partition.id(), head.next_record)?;
        loop {
            let mut in_flight = VecDeque::new();
            let records = reader.next().await?;
            if let Some(wrong) = self.wrong_settings.of_outbox(&self.topic) {
                return Err(wrong);
            }
            for record in records {
                // What does not count was written by a node that had been replaced.
                let Ok(counted) = head.offer(record.offset, record.bytes) else { continue };
                let next_command = head.next_command;
                self.partition.applied().wait_for(|applied| *applied >= next_command).await;
                for published in self.events(record.offset, &counted, last)? {
                    if in_flight.len() >= IN_FLIGHT_MAX {
                        self.written(in_flight.pop_front()).await?;
                    }
                    in_flight.push_back(self.append(&published));
                }
            }
            while !in_flight.is_empty() {
                self.written(in_flight.pop_front()).await?;
            }
            let lag = self.partition.next_record().0.saturating_sub(head.next_record.0);
            metrics::gauge!("daybook_outbox_lag", "topic" => self.topic.clone(), "partition" => self.id().to_string())
                .set(lag as f64);
        }
    }

    fn append(&self, published: &Published) -> Appended {
        let headers: Vec<_> = published.headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let key = Some(published.key.as_bytes());
        self.topics.append(&self.topic, Some(self.id()), key, &headers, &published.value)
    }

    async fn written(&self, appended: Option<Appended>) -> Result<(), LogError> {
        let Some(appended) = appended else { return Ok(()) };
        appended.await?;
        let (topic, partition) = (self.topic.clone(), self.id().to_string());
        metrics::counter!("daybook_outbox_events_total", "topic" => topic, "partition" => partition).increment(1);
        Ok(())
    }

    /// The events of the domain in a decision record, those after `last`.
    fn events(
        &self,
        offset: Offset,
        record: &DecisionRecord,
        last: Option<(Offset, u32)>,
    ) -> Result<Vec<Published>, LogError> {
        let RecordBody::Batch { first_command, decided_at, decisions } = &record.body else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        for (command, bytes) in (first_command.0..).map(Offset).zip(decisions) {
            let decision = Decision::decode(bytes.clone());
            let damaged = |error| LogError::Damaged { what: format!("a decision of record {offset}: {error}") };
            let decision = decision.map_err(damaged)?;
            let Some(Outcome::Accepted(accepted)) = &decision.outcome else { continue };
            if decision.domain != self.domain {
                continue;
            }
            for (index, event) in (0..).zip(&accepted.events) {
                if last.is_none_or(|last| (command, index) > last) {
                    let source = Source { record: offset, record_hash: record.hash, command, index };
                    events.push(published(self.partition.id(), &source, *decided_at, &decision, event));
                }
            }
        }
        Ok(events)
    }

    /// Where the topic ends. The decision record of its last event is read once more: it may hold further events.
    async fn progress(&self) -> Result<Progress, LogError> {
        let bounds = self.topics.bounds(&self.topic, self.id()).await?;
        let Some(last) = bounds.next.0.checked_sub(1).map(Offset).filter(|last| *last >= bounds.first) else {
            return self.beginning().await;
        };
        let record = self.topics.read(&self.topic, self.id(), last)?.next().await?;
        let foreign = |what: &str| LogError::Damaged {
            what: format!("record {last} of topic {} partition {} {what}", self.topic, self.id()),
        };
        let source = source(&record).ok_or_else(|| foreign("was not written by this program"))?;
        let found = self.record(source.record).await?;
        if found.hash != source.record_hash {
            return Err(foreign("names a decision that is not on this log"));
        }
        let head = before(&found, source.record, self.partition.id(), &*self.log);
        Ok(Progress { head, last: Some((source.command, source.index)) })
    }

    /// Nothing is published yet: from the first record that the log has.
    async fn beginning(&self) -> Result<Progress, LogError> {
        let id = self.partition.id();
        let first = self.log.bounds(Topic::Decisions, id).await?.first;
        let head = match first {
            Offset(0) => Head::genesis(self.log.name(), self.log.partitions(), id),
            first => before(&self.record(first).await?, first, id, &*self.log),
        };
        Ok(Progress { head, last: None })
    }

    async fn record(&self, offset: Offset) -> Result<DecisionRecord, LogError> {
        let mut reader = self.log.reader(Topic::Decisions, self.partition.id(), offset)?;
        let found = reader.next().await?.into_iter().next();
        let damaged = |what: String| LogError::Damaged { what: format!("decision record {offset}: {what}") };
        let record = found.ok_or_else(|| damaged("it is missing".to_owned()))?;
        DecisionRecord::read(record.bytes).map_err(|error| damaged(error.to_string()))
    }
}

/// The head that a record which is known to count was written on.
fn before(record: &DecisionRecord, offset: Offset, partition: PartitionId, log: &dyn Log) -> Head {
    let mut head = Head::genesis(log.name(), log.partitions(), partition);
    head.hash = record.prev_hash;
    head.next_record = offset;
    match &record.body {
        RecordBody::Batch { first_command, decided_at, .. } => {
            head.epoch = record.epoch;
            head.next_command = *first_command;
            head.now = *decided_at;
        }
        RecordBody::Takeover { taken_at, .. } => {
            head.epoch = daybook_kernel::id::Epoch(record.epoch.0.saturating_sub(1));
            head.now = *taken_at;
        }
    }
    head
}
