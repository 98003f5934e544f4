//! How a node stands with the inbox: for `daybook status`, `/readyz`, the metrics and the node's own log.
//!
//! A partition **stands still** when records wait in it and none was dealt with for `inbox.stalled_seconds`. That is told
//! and does not make the node unready: the doors, the log and the other partitions of the inbox work, and a node that is
//! taken out of rotation for one topic would serve nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use daybook_kernel::time::duration_to_proto;
use daybook_log::{Inbox, InboxStanding};
use daybook_proto::node::v1;
use parking_lot::Mutex;

type Place = (String, u32);

/// How this node stands with the inbox.
#[derive(Debug, Default)]
pub(crate) struct InboxStatus(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    stalled_after: Duration,
    partitions: BTreeMap<Place, Standing>,
    /// Why this node is given no partitions, and since when.
    group: Option<(String, Instant)>,
}

#[derive(Debug)]
struct Standing {
    next: Option<u64>,
    lag: u64,
    /// What keeps the record that is next from being dealt with.
    waits: Option<String>,
    /// What keeps records from coming.
    held_back: Option<String>,
    moved_at: Instant,
    /// That it stands still was told.
    told: bool,
}

impl Standing {
    fn new() -> Self {
        Self { next: None, lag: 0, waits: None, held_back: None, moved_at: Instant::now(), told: false }
    }

    fn stands_still(&self, stalled_after: Duration) -> bool {
        self.lag > 0 && self.moved_at.elapsed() >= stalled_after
    }

    fn detail(&self) -> &str {
        self.waits.as_deref().or(self.held_back.as_deref()).unwrap_or_default()
    }
}

impl InboxStatus {
    pub(super) fn stalled_after(&self, stalled_after: Duration) {
        self.0.lock().stalled_after = stalled_after;
    }

    /// A partition is read here until the guard is dropped.
    pub(super) fn read_here(&self, topic: &str, partition: u32) -> ReadHere<'_> {
        let place = (topic.to_owned(), partition);
        self.0.lock().partitions.insert(place.clone(), Standing::new());
        ReadHere { status: self, place }
    }

    /// A record was dealt with.
    pub(super) fn moved(&self, topic: &str, partition: u32) {
        if let Some(standing) = self.0.lock().partitions.get_mut(&(topic.to_owned(), partition)) {
            standing.moved_at = Instant::now();
            standing.waits = None;
        }
    }

    /// A record cannot be dealt with yet.
    pub(super) fn waits(&self, topic: &str, partition: u32, why: &str) {
        if let Some(standing) = self.0.lock().partitions.get_mut(&(topic.to_owned(), partition)) {
            standing.waits = Some(why.to_owned());
        }
    }

    /// Takes over what the client knows, sets the gauges, and tells when a partition begins or ceases to stand still.
    pub(super) fn look(&self, inbox: &Inbox) {
        let (seen, problem) = (inbox.standing(), inbox.problem());
        let mut state = self.0.lock();
        let since = state.group.take().map(|(_, since)| since);
        state.group = problem.map(|problem| (problem, since.unwrap_or_else(Instant::now)));
        let stalled_after = state.stalled_after;
        for one in seen {
            let place = (one.topic.clone(), one.partition);
            let Some(standing) = state.partitions.get_mut(&place) else { continue };
            standing.see(one, stalled_after, &place);
        }
    }

    /// The partitions that are read here.
    pub(crate) fn partitions(&self) -> Vec<v1::InboxPartitionStatus> {
        let state = self.0.lock();
        let told = |((topic, partition), standing): (&Place, &Standing)| v1::InboxPartitionStatus {
            topic: topic.clone(),
            partition: *partition,
            next_offset: standing.next,
            lag: standing.lag,
            stands_still: standing.stands_still(state.stalled_after),
            since_moved: Some(duration_to_proto(standing.moved_at.elapsed())),
            detail: standing.detail().to_owned(),
        };
        state.partitions.iter().map(told).collect()
    }

    /// Why no partitions are given to this node, when that has lasted.
    pub(crate) fn group_problem(&self) -> Option<String> {
        let state = self.0.lock();
        let (problem, since) = state.group.as_ref()?;
        (since.elapsed() >= state.stalled_after).then(|| problem.clone())
    }

    /// What an operator should look at, a line for each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let partitions = self.partitions().into_iter().filter(|partition| partition.stands_still).map(|partition| {
            let v1::InboxPartitionStatus { topic, partition, lag, detail, .. } = partition;
            format!("inbox {topic}/{partition} stands still, {lag} records wait {detail}").trim_end().to_owned()
        });
        self.group_problem().map(|problem| format!("inbox: {problem}")).into_iter().chain(partitions).collect()
    }
}

impl Standing {
    fn see(&mut self, seen: InboxStanding, stalled_after: Duration, place: &Place) {
        self.next = seen.next.or(self.next);
        self.lag = seen.lag;
        self.held_back = seen.problem;
        if self.lag == 0 {
            self.moved_at = Instant::now();
        }
        let stands_still = self.stands_still(stalled_after);
        let (topic, partition, lag) = (&place.0, place.1, self.lag);
        match (self.told, stands_still) {
            (false, true) => {
                let (next, why) = (self.next, self.detail());
                tracing::error!(topic, partition, next, lag, why, "a partition of an inbox topic stands still");
            }
            (true, false) => tracing::info!(topic, partition, lag, "a partition of an inbox topic moves again"),
            _ => {}
        }
        self.told = stands_still;
        let labels = [("topic", topic.clone()), ("partition", partition.to_string())];
        metrics::gauge!("daybook_inbox_lag", &labels).set(lag as f64);
        let stalled = if lag == 0 { 0.0 } else { self.moved_at.elapsed().as_secs_f64() };
        metrics::gauge!("daybook_inbox_stalled_seconds", &labels).set(stalled);
    }
}

/// A partition that is read here.
pub(super) struct ReadHere<'a> {
    status: &'a InboxStatus,
    place: Place,
}

impl Drop for ReadHere<'_> {
    fn drop(&mut self) {
        self.status.0.lock().partitions.remove(&self.place);
        let labels = [("topic", self.place.0.clone()), ("partition", self.place.1.to_string())];
        metrics::gauge!("daybook_inbox_lag", &labels).set(0.0);
        metrics::gauge!("daybook_inbox_stalled_seconds", &labels).set(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lag: u64, problem: Option<&str>) -> InboxStanding {
        InboxStanding { topic: "in".into(), partition: 3, next: Some(7), lag, problem: problem.map(str::to_owned) }
    }

    #[test]
    fn a_partition_stands_still_when_records_wait_and_none_is_dealt_with() {
        let place = ("in".to_owned(), 3);
        let after = Duration::from_millis(30);
        let mut standing = Standing::new();
        standing.see(seen(4, None), after, &place);
        assert!(!standing.stands_still(after), "not yet");
        std::thread::sleep(after);
        assert!(standing.stands_still(after));
        standing.see(seen(4, Some("a transaction is open")), after, &place);
        assert!(standing.told && standing.detail() == "a transaction is open");
        standing.see(seen(0, None), after, &place);
        assert!(!standing.told && !standing.stands_still(after), "nothing waits");
        std::thread::sleep(after);
        standing.see(seen(0, None), after, &place);
        standing.see(seen(1, None), after, &place);
        assert!(!standing.stands_still(after), "what has just come has not waited");
    }

    #[test]
    fn a_partition_is_told_of_while_it_is_read_here() {
        let status = InboxStatus::default();
        status.stalled_after(Duration::ZERO);
        let here = status.read_here("in", 3);
        status.waits("in", 3, "OVERLOADED: later");
        if let Some(standing) = status.0.lock().partitions.get_mut(&("in".to_owned(), 3)) {
            standing.lag = 2;
        }
        assert_eq!(status.problems(), ["inbox in/3 stands still, 2 records wait OVERLOADED: later"]);
        status.moved("in", 3);
        assert_eq!(status.partitions()[0].detail, "");
        drop(here);
        assert!(status.partitions().is_empty() && status.problems().is_empty());
    }
}
