//! `daybook log tail`: the latest decisions, and those that follow.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::{DecisionRecord, RecordBody};
use daybook_log::{Log, Topic};
use daybook_proto::log::v1::Decision;
use prost::Message;
use serde_json::json;
use tokio::sync::mpsc;

use crate::decoded;
use crate::failure::Outcome;
use crate::offline::{ReadableLog, partitions};
use crate::output::line;
use crate::units;

/// Records looked at beside those that are shown, to tell which of them count.
const BESIDE: u64 = 64;
/// How often an embedded log is asked what its node wrote since.
const CATCH_UP_EVERY: Duration = Duration::from_millis(100);

/// Shows the last decisions of each partition, and goes on with those that follow if that is wanted.
pub(crate) async fn run(readable: &ReadableLog, only: Option<u32>, lines: u64, follow: bool, as_json: bool) -> Outcome {
    let log = readable.log();
    let (send, mut receive) = mpsc::channel::<String>(1_000);
    let mut begun = Vec::new();
    for partition in partitions(&*log, only)? {
        let (tail, shown) = Tail::begin(Arc::clone(&log), partition, lines, as_json).await?;
        begun.extend(shown);
        if follow {
            let send = send.clone();
            tokio::spawn(async move {
                if let Err(failure) = tail.follow(send).await {
                    failure.print(as_json);
                }
            });
        }
    }
    drop(send);
    begun.sort_by_key(|(time, _)| *time);
    begun.iter().for_each(|(_, text)| line(text));
    let mut catch_up = tokio::time::interval(CATCH_UP_EVERY);
    loop {
        tokio::select! {
            text = receive.recv() => match text {
                Some(text) => line(text),
                None => return Ok(()),
            },
            _ = catch_up.tick() => readable.catch_up()?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// One partition, read from near its end.
struct Tail {
    log: Arc<dyn Log>,
    partition: PartitionId,
    next: Offset,
    head: Option<Hash>,
    as_json: bool,
}

impl Tail {
    /// The last decisions, with their times, and the tail that goes on after them.
    async fn begin(
        log: Arc<dyn Log>,
        partition: PartitionId,
        lines: u64,
        as_json: bool,
    ) -> Outcome<(Self, Vec<(i64, String)>)> {
        let bounds = log.bounds(Topic::Decisions, partition).await?;
        let first = bounds.first.max(Offset(bounds.next.0.saturating_sub(lines.saturating_add(BESIDE))));
        let mut records = Vec::new();
        let mut reader = log.reader(Topic::Decisions, partition, first)?;
        while first.0 + (records.len() as u64) < bounds.next.0 {
            records.extend(reader.next().await?);
        }
        records.truncate((bounds.next.0 - first.0) as usize);
        let read = records.into_iter().filter_map(|record| DecisionRecord::read(record.bytes).ok()).collect();
        let counted = longest_chain(read);
        let mut tail = Self { log, partition, next: bounds.next, head: None, as_json };
        tail.head = counted.last().map(|record| record.hash);
        let mut shown: Vec<_> = counted.iter().flat_map(|record| tail.texts(record)).collect();
        let from = shown.len().saturating_sub(lines as usize);
        Ok((tail, shown.split_off(from)))
    }

    async fn follow(mut self, send: mpsc::Sender<String>) -> Outcome {
        let mut reader = self.log.reader(Topic::Decisions, self.partition, self.next)?;
        loop {
            for record in reader.next().await? {
                let Ok(record) = DecisionRecord::read(record.bytes) else { continue };
                if self.head.is_some_and(|head| head != record.prev_hash) {
                    continue;
                }
                self.head = Some(record.hash);
                for (_, text) in self.texts(&record) {
                    if send.send(text).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn texts(&self, record: &DecisionRecord) -> Vec<(i64, String)> {
        let RecordBody::Batch { first_command, decided_at, decisions } = &record.body else { return Vec::new() };
        let time = units::show_time(Some(&decided_at.to_proto()));
        let text = |(offset, bytes): (u64, &bytes::Bytes)| {
            let position = format!("{}/{offset}", self.partition.0);
            if self.as_json {
                return json!({ "position": position, "decidedAt": time, "decision": decoded::decision(bytes) })
                    .to_string();
            }
            let Ok(decision) = Decision::decode(bytes.clone()) else { return format!("{time} {position} unreadable") };
            let what = format!("{}.{}", decision.domain, decision.kind);
            let by = &decision.actor_id;
            format!("{time}  {position:<9} {:<12} {what} by {by}  {}", decision.tenant_id, decoded::outcome(&decision))
        };
        (first_command.0..).zip(decisions).map(|decision| (decided_at.as_micros(), text(decision))).collect()
    }
}

/// The records that count among neighbouring ones: the longest run in which each names the one before. What a replaced
/// owner appended is named by nothing that came later.
fn longest_chain(records: Vec<DecisionRecord>) -> Vec<DecisionRecord> {
    let mut length: HashMap<Hash, u64> = HashMap::new();
    for record in &records {
        let before = length.get(&record.prev_hash).copied().unwrap_or_default();
        length.entry(record.hash).or_insert(before + 1);
    }
    let longest = length.iter().max_by_key(|(_, length)| **length).map(|(hash, _)| *hash);
    let mut wanted = longest;
    let mut chain: Vec<_> = records
        .into_iter()
        .rev()
        .filter(|record| {
            let counts = wanted == Some(record.hash);
            if counts {
                wanted = Some(record.prev_hash);
            }
            counts
        })
        .collect();
    chain.reverse();
    chain
}

#[cfg(test)]
mod tests {
    use daybook_kernel::id::Epoch;
    use daybook_kernel::time::Timestamp;

    use super::*;

    fn takeover(after: Hash, node: &str) -> DecisionRecord {
        DecisionRecord::takeover(after, Epoch(1), node, "", Timestamp::default())
    }

    #[test]
    fn what_a_replaced_owner_appended_is_left_out() {
        let first = takeover(Hash::of(b"before"), "a");
        let second = takeover(first.hash, "b");
        let stale = takeover(first.hash, "stale");
        let third = takeover(second.hash, "c");
        let records = vec![first.clone(), second.clone(), stale, third.clone(), second.clone()];
        let hashes: Vec<_> = longest_chain(records).iter().map(|record| record.hash).collect();
        assert_eq!(hashes, [first.hash, second.hash, third.hash]);
        assert!(longest_chain(Vec::new()).is_empty());
    }
}
