//! The conformance suite of keyed logs: what the contract of [`KeyedLog`] says, checked on any of them.
//!
//! A keyed log passes by one line in a test file,
//! [`keyed_log_conformance_suite!`](crate::keyed_log_conformance_suite).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use daybook_kernel::id::Offset;
use daybook_log::{KEYED_RECORD_BYTES_MAX, KeyedLog, KeyedReader, KeyedRecord, LogError};
use futures_util::future::{BoxFuture, join_all};

/// A kind of keyed log that the suite can open.
pub trait KeyedLogs: Send + Sync {
    /// Opens the keyed log of this name, creating it if there is none. It should forget as fast as it can.
    fn open(&self, name: &str) -> BoxFuture<'_, Result<Arc<dyn KeyedLog>, LogError>>;
}

/// Declares a test for each case of the suite. The argument is an expression for a [`KeyedLogs`].
#[macro_export]
macro_rules! keyed_log_conformance_suite {
    ($logs:expr) => {
        $crate::keyed_log_conformance_suite! { $logs;
            a_record_is_read_as_it_was_put,
            records_come_in_the_order_in_which_they_were_put,
            an_empty_value_is_a_value_and_a_missing_one_a_tombstone,
            a_reader_gets_what_is_there_and_then_what_comes,
            a_wait_that_is_given_up_loses_nothing,
            who_has_read_to_the_end_knows_all_that_was_acknowledged,
            an_empty_log_has_been_read_to_its_end,
            two_readers_see_the_same,
            concurrent_puts_lose_nothing,
            what_was_acknowledged_is_there_after_reopening,
            what_is_superseded_goes_and_what_is_not_stays,
            a_record_over_the_size_limit_is_refused,
            a_key_that_is_the_logs_own_is_refused,
        }
    };
    ($logs:expr; $($case:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::keyed_log_conformance::$case(&$logs.await).await;
        })*
    };
}

fn unique(case: &str) -> String {
    format!("{case}-{}", daybook_kernel::id::CommandId::generate())
}

async fn open(logs: &dyn KeyedLogs, name: &str) -> Arc<dyn KeyedLog> {
    logs.open(name).await.expect("the log opens")
}

async fn put(log: &dyn KeyedLog, key: &str, value: &str) -> Offset {
    log.put(key.as_bytes(), Some(Bytes::copy_from_slice(value.as_bytes()))).await.expect("the put succeeds")
}

/// A reader that notes how far it is.
struct Follower {
    reader: Box<dyn KeyedReader>,
    records: Vec<KeyedRecord>,
    read_to: Offset,
}

impl Follower {
    fn of(log: &dyn KeyedLog) -> Self {
        Self { reader: log.follow().expect("a reader opens"), records: Vec::new(), read_to: Offset(0) }
    }

    async fn to(&mut self, end: Offset) {
        while self.read_to < end {
            let read = tokio::time::timeout(Duration::from_secs(20), self.reader.next()).await;
            let read = read.expect("there is something to read").expect("reading succeeds");
            assert!(read.read_to > self.read_to, "it goes on");
            assert!(read.records.iter().all(|record| (self.read_to..read.read_to).contains(&record.offset)));
            assert!(read.records.is_sorted_by(|a, b| a.offset < b.offset), "in order, each once");
            self.records.extend(read.records);
            self.read_to = read.read_to;
        }
    }

    async fn to_end(log: &dyn KeyedLog) -> Self {
        let mut follower = Self::of(log);
        follower.to(log.end().await.expect("the end is known")).await;
        follower
    }

    fn texts(&self) -> Vec<(String, Option<String>)> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        self.records.iter().map(|record| (text(&record.key), record.value.as_ref().map(text))).collect()
    }

    /// What each key says now.
    fn state(&self) -> BTreeMap<String, Option<String>> {
        self.texts().into_iter().collect()
    }
}

fn said(key: &str, value: &str) -> (String, Option<String>) {
    (key.to_owned(), Some(value.to_owned()))
}

/// One record, there and back.
pub async fn a_record_is_read_as_it_was_put(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("one")).await;
    let any = Bytes::from((0..=255).collect::<Vec<u8>>());
    let key = any.slice(1..);
    let offset = log.put(&key, Some(any.clone())).await.expect("the put succeeds");
    let read = Follower::to_end(&*log).await;
    assert_eq!(read.records, [KeyedRecord { offset, key, value: Some(any) }]);
}

/// The order of one writer.
pub async fn records_come_in_the_order_in_which_they_were_put(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("order")).await;
    let started: Vec<_> = (0..500).map(|i| log.put(format!("key {i}").as_bytes(), Some(Bytes::new()))).collect();
    let offsets = join_all(started).await.into_iter().map(|put| put.expect("the put succeeds"));
    let offsets: Vec<_> = offsets.collect();
    assert!(offsets.is_sorted_by(|a, b| a < b), "{offsets:?}");
    let read = Follower::to_end(&*log).await;
    assert_eq!(read.records.iter().map(|record| record.offset).collect::<Vec<_>>(), offsets);
    assert!(read.records.iter().enumerate().all(|(i, record)| record.key == format!("key {i}")));
}

/// Nothing is not an empty text.
pub async fn an_empty_value_is_a_value_and_a_missing_one_a_tombstone(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("empty")).await;
    put(&*log, "empty", "").await;
    put(&*log, "gone", "text").await;
    log.put(b"gone", None).await.expect("the put succeeds");
    let read = Follower::to_end(&*log).await;
    assert_eq!(read.state(), BTreeMap::from([said("empty", ""), ("gone".to_owned(), None)]));
}

/// From the beginning into the tail.
pub async fn a_reader_gets_what_is_there_and_then_what_comes(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("tail")).await;
    put(&*log, "a", "1").await;
    let mut follower = Follower::to_end(&*log).await;
    assert_eq!(follower.texts(), [said("a", "1")]);
    let waiting = tokio::spawn(async move {
        // The log may write records of its own meanwhile.
        while follower.records.len() < 2 {
            follower.to(Offset(follower.read_to.0 + 1)).await;
        }
        follower
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "there is nothing to read yet");
    let began = Instant::now();
    put(&*log, "b", "2").await;
    let follower = waiting.await.expect("the reader does not panic");
    assert_eq!(follower.texts(), [said("a", "1"), said("b", "2")]);
    assert!(began.elapsed() < Duration::from_secs(2), "it comes at once: {:?}", began.elapsed());
}

/// Cancel safety.
pub async fn a_wait_that_is_given_up_loses_nothing(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("cancel")).await;
    let mut reader = log.follow().expect("a reader opens");
    let mut seen = Vec::new();
    for i in 0..200 {
        put(&*log, &format!("key {i}"), "").await;
        if let Ok(read) = tokio::time::timeout(Duration::from_micros(50), reader.next()).await {
            seen.extend(read.expect("reading succeeds").records);
        }
    }
    while seen.len() < 200 {
        let read = tokio::time::timeout(Duration::from_secs(20), reader.next()).await;
        seen.extend(read.expect("nothing is lost").expect("reading succeeds").records);
    }
    assert!(seen.iter().enumerate().all(|(i, record)| record.key == format!("key {i}")));
}

/// The end.
pub async fn who_has_read_to_the_end_knows_all_that_was_acknowledged(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("end")).await;
    let mut follower = Follower::of(&*log);
    for i in 0..20 {
        let offset = put(&*log, "counter", &i.to_string()).await;
        let end = log.end().await.expect("the end is known");
        assert!(end > offset);
        follower.to(end).await;
        assert_eq!(follower.state(), BTreeMap::from([said("counter", &i.to_string())]));
    }
}

/// Nothing to wait for.
pub async fn an_empty_log_has_been_read_to_its_end(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("nothing")).await;
    let read = tokio::time::timeout(Duration::from_secs(20), Follower::to_end(&*log)).await;
    assert_eq!(read.expect("there is nothing to wait for").texts(), []);
}

/// Readers do not disturb each other.
pub async fn two_readers_see_the_same(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("two")).await;
    put(&*log, "a", "1").await;
    let mut first = Follower::to_end(&*log).await;
    put(&*log, "b", "2").await;
    let second = Follower::to_end(&*log).await;
    first.to(second.read_to).await;
    assert_eq!(first.records, second.records);
    drop(second);
    put(&*log, "c", "3").await;
    first.to(log.end().await.expect("the end is known")).await;
    assert_eq!(first.texts().last(), Some(&said("c", "3")), "one goes on when the other is closed");
}

/// Many writers at once.
pub async fn concurrent_puts_lose_nothing(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("concurrent")).await;
    let writers = (0..8).map(|writer| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for i in 0..50 {
                put(&*log, &format!("{writer}/{i}"), &i.to_string()).await;
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|writer| writer.expect("no writer panics"));
    let read = Follower::to_end(&*log).await;
    assert_eq!((read.records.len(), read.state().len()), (400, 400), "every record is there once");
}

/// Durability.
pub async fn what_was_acknowledged_is_there_after_reopening(logs: &dyn KeyedLogs) {
    let name = unique("durable");
    let log = open(logs, &name).await;
    put(&*log, "a", "1").await;
    put(&*log, "b", "1").await;
    put(&*log, "b", "2").await;
    let end = log.end().await.expect("the end is known");
    drop(log);
    let log = open(logs, &name).await;
    assert!(log.end().await.expect("the end is known") >= end);
    assert!(put(&*log, "c", "3").await >= end);
    let expected = BTreeMap::from([said("a", "1"), said("b", "2"), said("c", "3")]);
    assert_eq!(Follower::to_end(&*log).await.state(), expected);
}

/// Forgetting, without any further record to bring it about.
pub async fn what_is_superseded_goes_and_what_is_not_stays(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("forget")).await;
    let mut early = Follower::of(&*log);
    let stays: Vec<_> = (0..10).map(|i| said(&format!("stays {i}"), &i.to_string())).collect();
    let mut superseded = Vec::new();
    for (key, value) in &stays {
        put(&*log, key, value.as_deref().unwrap_or_default()).await;
        superseded.push(put(&*log, "changes", "not the last").await);
        superseded.push(put(&*log, "goes", "for a while").await);
    }
    put(&*log, "changes", "last").await;
    log.put(b"goes", None).await.expect("the put succeeds");
    let done = Instant::now();
    let state = loop {
        let read = Follower::to_end(&*log).await;
        let left = read.records.iter().filter(|record| superseded.contains(&record.offset)).count();
        if left == 0 {
            break read.state();
        }
        assert!(done.elapsed() < log.forgets_within() + Duration::from_secs(1), "{left} superseded records are left");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let mut expected: BTreeMap<_, _> = stays.into_iter().chain([said("changes", "last")]).collect();
    expected.insert("goes".to_owned(), None);
    assert_eq!(state, expected, "a tombstone stays for a while");
    // A reader that was there from the start is not disturbed by what happens behind it.
    early.to(log.end().await.expect("the end is known")).await;
    assert_eq!(early.state(), expected);
    println!("superseded records were gone after {:.1?}; promised: {:?}", done.elapsed(), log.forgets_within());
}

/// Too much.
pub async fn a_record_over_the_size_limit_is_refused(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("over")).await;
    let value = |bytes: usize| Some(Bytes::from(vec![b'x'; bytes]));
    let over = log.put(b"key", value(KEYED_RECORD_BYTES_MAX - 2)).await;
    assert!(matches!(over, Err(LogError::TooLarge { .. })), "{over:?}");
    log.put(b"key", value(KEYED_RECORD_BYTES_MAX - 3)).await.expect("the limit itself is allowed");
    assert_eq!(Follower::to_end(&*log).await.records.len(), 1);
}

/// Keys that mean something to the log.
pub async fn a_key_that_is_the_logs_own_is_refused(logs: &dyn KeyedLogs) {
    let log = open(logs, &unique("own")).await;
    for key in [&b""[..], b"\0", b"\0roll"] {
        assert_eq!(log.put(key, Some(Bytes::new())).await, Err(LogError::KeyInvalid));
    }
    assert_eq!(Follower::to_end(&*log).await.records, []);
}
