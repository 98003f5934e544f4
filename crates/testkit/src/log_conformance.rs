//! The conformance suite of logs: what the contract of [`Log`] says, checked on any log.
//!
//! A log passes by one line in a test file, [`log_conformance_suite!`](crate::log_conformance_suite).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Bounds, Durability, Log, LogError, LogReader, RECORD_BYTES_MAX, Record, Topic};
use futures_util::future::{BoxFuture, join_all};

/// A kind of log that the suite can open.
pub trait Logs: Send + Sync {
    /// Opens the log of this name, creating it if there is none. The suite drops a log before it opens it again.
    fn open(&self, name: &str, partitions: u32) -> BoxFuture<'_, Result<Arc<dyn Log>, LogError>>;
}

/// Declares a test for each case of the suite. The argument is an expression for a [`Logs`].
#[macro_export]
macro_rules! log_conformance_suite {
    ($logs:expr) => {
        $crate::log_conformance_suite! { $logs;
            a_record_is_read_as_it_was_appended,
            offsets_have_no_gaps_and_keep_the_order_of_appends,
            topics_and_partitions_are_apart,
            what_was_acknowledged_is_there_after_reopening,
            reading_starts_at_any_offset,
            reading_beyond_the_end_is_refused,
            a_reader_waits_at_the_end,
            a_wait_that_is_given_up_loses_nothing,
            concurrent_appenders_lose_nothing,
            two_readers_see_the_same,
            many_records_are_read_in_pieces,
            a_record_at_the_size_limit_is_taken,
            a_record_over_the_size_limit_is_refused_and_not_there,
            an_empty_record_is_a_record,
            a_record_that_waits_for_the_next_sync_is_covered_by_it,
            trimming_lets_go_of_the_beginning,
            offsets_go_on_after_everything_was_trimmed,
            another_number_of_partitions_is_refused,
            a_partition_that_is_not_there_is_refused,
        }
    };
    ($logs:expr; $($case:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::log_conformance::$case(&$logs.await).await;
        })*
    };
}

const P0: PartitionId = PartitionId(0);
const P1: PartitionId = PartitionId(1);

fn unique(case: &str) -> String {
    format!("{case}-{}", daybook_kernel::id::CommandId::generate())
}

async fn open(logs: &dyn Logs, name: &str) -> Arc<dyn Log> {
    logs.open(name, 2).await.expect("the log opens")
}

fn bytes(text: impl AsRef<str>) -> Bytes {
    Bytes::copy_from_slice(text.as_ref().as_bytes())
}

async fn append(log: &dyn Log, topic: Topic, partition: PartitionId, record: impl AsRef<str>) -> Offset {
    log.append(topic, partition, bytes(record), Durability::Synced).await.expect("the append succeeds")
}

async fn next(reader: &mut Box<dyn LogReader>) -> Vec<Record> {
    let read = tokio::time::timeout(Duration::from_secs(20), reader.next()).await;
    read.expect("there is something to read").expect("reading succeeds")
}

async fn read(log: &dyn Log, topic: Topic, partition: PartitionId, from: u64, count: usize) -> Vec<Record> {
    let mut reader = log.reader(topic, partition, Offset(from)).expect("the reader opens");
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(next(&mut reader).await);
    }
    records
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.bytes).into_owned()).collect()
}

/// One record, there and back.
pub async fn a_record_is_read_as_it_was_appended(logs: &dyn Logs) {
    let log = open(logs, &unique("one")).await;
    let payload = Bytes::from((0..=255).collect::<Vec<u8>>());
    let offset = log.append(Topic::Commands, P0, payload.clone(), Durability::Synced).await;
    assert_eq!(offset, Ok(Offset(0)));
    let records = read(&*log, Topic::Commands, P0, 0, 1).await;
    assert_eq!(records, [Record { offset: Offset(0), bytes: payload }]);
}

/// Dense, ordered offsets.
pub async fn offsets_have_no_gaps_and_keep_the_order_of_appends(logs: &dyn Logs) {
    let log = open(logs, &unique("dense")).await;
    let started = (0..300).map(|i| log.append(Topic::Decisions, P0, bytes(i.to_string()), Durability::Synced));
    let started: Vec<_> = started.collect();
    for (expected, append) in (0..300).zip(started) {
        assert_eq!(append.await, Ok(Offset(expected)));
    }
    let records = read(&*log, Topic::Decisions, P0, 0, 300).await;
    for (i, record) in records.iter().enumerate() {
        assert_eq!(record.offset, Offset(i as u64));
        assert_eq!(record.bytes, bytes(i.to_string()));
    }
}

/// Each topic of each partition counts by itself.
pub async fn topics_and_partitions_are_apart(logs: &dyn Logs) {
    let log = open(logs, &unique("apart")).await;
    for (topic, partition, text) in
        [(Topic::Commands, P0, "c0"), (Topic::Commands, P1, "c1"), (Topic::Decisions, P0, "d0")]
    {
        assert_eq!(append(&*log, topic, partition, text).await, Offset(0));
    }
    assert_eq!(texts(&read(&*log, Topic::Commands, P1, 0, 1).await), ["c1"]);
    assert_eq!(texts(&read(&*log, Topic::Decisions, P0, 0, 1).await), ["d0"]);
    let empty = log.bounds(Topic::Decisions, P1).await;
    assert_eq!(empty, Ok(Bounds { first: Offset(0), next: Offset(0) }));
}

/// Durability.
pub async fn what_was_acknowledged_is_there_after_reopening(logs: &dyn Logs) {
    let name = unique("durable");
    let log = open(logs, &name).await;
    for i in 0..50 {
        append(&*log, Topic::Commands, P0, format!("before {i}")).await;
    }
    drop(log);
    let log = open(logs, &name).await;
    let bounds = log.bounds(Topic::Commands, P0).await;
    assert_eq!(bounds, Ok(Bounds { first: Offset(0), next: Offset(50) }));
    assert_eq!(append(&*log, Topic::Commands, P0, "after").await, Offset(50));
    let records = texts(&read(&*log, Topic::Commands, P0, 0, 51).await);
    assert_eq!((records[0].as_str(), records[49].as_str(), records[50].as_str()), ("before 0", "before 49", "after"));
}

/// Random access.
pub async fn reading_starts_at_any_offset(logs: &dyn Logs) {
    let log = open(logs, &unique("any")).await;
    for i in 0..20 {
        append(&*log, Topic::Commands, P0, i.to_string()).await;
    }
    for from in [0, 1, 13, 19] {
        let records = read(&*log, Topic::Commands, P0, from, 20 - from as usize).await;
        assert_eq!(records.first().map(|record| record.offset), Some(Offset(from)));
        assert_eq!(records.last().map(|record| record.offset), Some(Offset(19)));
    }
}

/// A place that is not there yet.
pub async fn reading_beyond_the_end_is_refused(logs: &dyn Logs) {
    let log = open(logs, &unique("beyond")).await;
    append(&*log, Topic::Commands, P0, "only").await;
    let error = match log.reader(Topic::Commands, P0, Offset(7)) {
        Err(error) => error,
        Ok(mut reader) => reader.next().await.expect_err("there is nothing at offset 7"),
    };
    assert!(matches!(error, LogError::BeyondEnd { next: Offset(1), .. }), "{error}");
}

/// Waiting.
pub async fn a_reader_waits_at_the_end(logs: &dyn Logs) {
    let log = open(logs, &unique("wait")).await;
    append(&*log, Topic::Decisions, P0, "first").await;
    let mut reader = log.reader(Topic::Decisions, P0, Offset(1)).expect("the end can be opened");
    let waiting = tokio::spawn(async move { next(&mut reader).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "there is nothing to read yet");
    append(&*log, Topic::Decisions, P0, "second").await;
    assert_eq!(texts(&waiting.await.expect("the reader does not panic")), ["second"]);
}

/// Cancel safety.
pub async fn a_wait_that_is_given_up_loses_nothing(logs: &dyn Logs) {
    let log = open(logs, &unique("cancel")).await;
    let mut reader = log.reader(Topic::Commands, P0, Offset(0)).expect("the reader opens");
    for i in 0..200 {
        append(&*log, Topic::Commands, P0, i.to_string()).await;
    }
    let mut seen = Vec::new();
    while seen.len() < 200 {
        let given_up = tokio::time::timeout(Duration::from_micros(50), reader.next()).await;
        if let Ok(records) = given_up {
            seen.extend(texts(&records.expect("reading succeeds")));
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(seen, (0..200).map(|i| i.to_string()).collect::<Vec<_>>());
}

/// Many writers at once.
pub async fn concurrent_appenders_lose_nothing(logs: &dyn Logs) {
    let log = open(logs, &unique("concurrent")).await;
    let writers = (0..8).map(|writer| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let mut offsets = Vec::new();
            for i in 0..100 {
                let durability = if i % 3 == 0 { Durability::WithNextSync } else { Durability::Synced };
                let append = log.append(Topic::Commands, P0, bytes(format!("{writer}/{i}")), durability);
                offsets.push(append.await.expect("the append succeeds").0);
            }
            assert!(offsets.is_sorted(), "one writer's appends keep their order");
            offsets
        })
    });
    let offsets = join_all(writers).await.into_iter().flat_map(|writer| writer.expect("no writer panics"));
    let mut offsets: Vec<_> = offsets.collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..800).collect::<Vec<_>>(), "every offset is given once");
    let mut records = texts(&read(&*log, Topic::Commands, P0, 0, 800).await);
    records.sort();
    records.dedup();
    assert_eq!(records.len(), 800, "every record is there once");
}

/// Readers do not disturb each other.
pub async fn two_readers_see_the_same(logs: &dyn Logs) {
    let log = open(logs, &unique("two")).await;
    for i in 0..30 {
        append(&*log, Topic::Commands, P0, i.to_string()).await;
    }
    let mut first = log.reader(Topic::Commands, P0, Offset(0)).expect("the reader opens");
    let mut second = log.reader(Topic::Commands, P0, Offset(10)).expect("a second reader opens");
    let (mut a, mut b) = (Vec::new(), Vec::new());
    while a.len() < 30 {
        a.extend(next(&mut first).await);
    }
    while b.len() < 20 {
        b.extend(next(&mut second).await);
    }
    assert_eq!(a[10..], b[..]);
    drop(first);
    append(&*log, Topic::Commands, P0, "later").await;
    assert_eq!(texts(&next(&mut second).await), ["later"], "a reader goes on when another is closed");
    let mut again = log.reader(Topic::Commands, P0, Offset(29)).expect("a place can be opened again");
    assert_eq!(next(&mut again).await[0], a[29]);
}

/// More than a reader hands out at once.
pub async fn many_records_are_read_in_pieces(logs: &dyn Logs) {
    let log = open(logs, &unique("many")).await;
    let payload = Bytes::from(vec![b'x'; 4 << 10]);
    let appends: Vec<_> =
        (0..3_000).map(|_| log.append(Topic::Commands, P0, payload.clone(), Durability::Synced)).collect();
    for append in appends {
        append.await.expect("the append succeeds");
    }
    let records = read(&*log, Topic::Commands, P0, 0, 3_000).await;
    assert_eq!(records.len(), 3_000);
    assert!(records.iter().enumerate().all(|(i, record)| record.offset == Offset(i as u64) && record.bytes == payload));
}

/// The size limit itself is allowed.
pub async fn a_record_at_the_size_limit_is_taken(logs: &dyn Logs) {
    let log = open(logs, &unique("limit")).await;
    let payload: Bytes = (0..RECORD_BYTES_MAX).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>().into();
    let offset = log.append(Topic::Decisions, P0, payload.clone(), Durability::Synced).await;
    assert_eq!(offset, Ok(Offset(0)));
    assert_eq!(read(&*log, Topic::Decisions, P0, 0, 1).await[0].bytes, payload);
}

/// Over it is not.
pub async fn a_record_over_the_size_limit_is_refused_and_not_there(logs: &dyn Logs) {
    let log = open(logs, &unique("over")).await;
    let over = log.append(Topic::Commands, P0, vec![0; RECORD_BYTES_MAX + 1].into(), Durability::Synced).await;
    assert!(matches!(over, Err(LogError::TooLarge { .. })), "{over:?}");
    assert_eq!(append(&*log, Topic::Commands, P0, "small").await, Offset(0), "nothing was written before");
}

/// No bytes at all.
pub async fn an_empty_record_is_a_record(logs: &dyn Logs) {
    let log = open(logs, &unique("empty")).await;
    append(&*log, Topic::Commands, P0, "").await;
    append(&*log, Topic::Commands, P0, "after").await;
    assert_eq!(texts(&read(&*log, Topic::Commands, P0, 0, 2).await), ["", "after"]);
}

/// The cheaper durability.
pub async fn a_record_that_waits_for_the_next_sync_is_covered_by_it(logs: &dyn Logs) {
    let name = unique("covered");
    let log = open(logs, &name).await;
    let command = log.append(Topic::Commands, P1, bytes("command"), Durability::WithNextSync).await;
    assert_eq!(command, Ok(Offset(0)));
    assert_eq!(texts(&read(&*log, Topic::Commands, P1, 0, 1).await), ["command"], "it can be read at once");
    append(&*log, Topic::Decisions, P1, "decision").await;
    drop(log);
    let log = open(logs, &name).await;
    assert_eq!(texts(&read(&*log, Topic::Commands, P1, 0, 1).await), ["command"]);
    assert_eq!(texts(&read(&*log, Topic::Decisions, P1, 0, 1).await), ["decision"]);
}

/// Trim.
pub async fn trimming_lets_go_of_the_beginning(logs: &dyn Logs) {
    let name = unique("trim");
    let log = open(logs, &name).await;
    for i in 0..10 {
        append(&*log, Topic::Commands, P0, i.to_string()).await;
        append(&*log, Topic::Decisions, P0, i.to_string()).await;
    }
    log.trim(Topic::Commands, P0, Offset(4)).await.expect("trimming succeeds");
    log.trim(Topic::Commands, P0, Offset(2)).await.expect("trimming less than before does nothing");
    let bounds = log.bounds(Topic::Commands, P0).await;
    assert_eq!(bounds, Ok(Bounds { first: Offset(4), next: Offset(10) }));
    assert_eq!(texts(&read(&*log, Topic::Commands, P0, 4, 6).await), ["4", "5", "6", "7", "8", "9"]);
    let trimmed = match log.reader(Topic::Commands, P0, Offset(3)) {
        Err(error) => error,
        Ok(mut reader) => reader.next().await.expect_err("offset 3 was trimmed away"),
    };
    assert!(matches!(trimmed, LogError::Trimmed { first: Offset(4), .. }), "{trimmed}");
    assert_eq!(texts(&read(&*log, Topic::Decisions, P0, 0, 1).await)[0], "0", "the other topic is whole");
    drop(log);
    let log = open(logs, &name).await;
    let bounds = log.bounds(Topic::Commands, P0).await;
    assert_eq!(bounds, Ok(Bounds { first: Offset(4), next: Offset(10) }), "trimmed for good");
}

/// Trim of everything.
pub async fn offsets_go_on_after_everything_was_trimmed(logs: &dyn Logs) {
    let name = unique("trim-all");
    let log = open(logs, &name).await;
    for i in 0..5 {
        append(&*log, Topic::Commands, P0, i.to_string()).await;
    }
    log.trim(Topic::Commands, P0, Offset(99)).await.expect("trimming beyond the end trims to the end");
    drop(log);
    let log = open(logs, &name).await;
    assert_eq!(append(&*log, Topic::Commands, P0, "next").await, Offset(5));
    assert_eq!(texts(&read(&*log, Topic::Commands, P0, 5, 1).await), ["next"]);
}

/// The number of partitions is for ever.
pub async fn another_number_of_partitions_is_refused(logs: &dyn Logs) {
    let name = unique("shape");
    let log = open(logs, &name).await;
    append(&*log, Topic::Commands, P0, "one").await;
    drop(log);
    for partitions in [1, 3] {
        let refused = logs.open(&name, partitions).await.map(|_| ());
        assert!(matches!(refused, Err(LogError::ShapeDiffers { .. })), "{refused:?}");
    }
    let log = open(logs, &name).await;
    assert_eq!(texts(&read(&*log, Topic::Commands, P0, 0, 1).await), ["one"], "nothing was harmed");
}

/// No such partition.
pub async fn a_partition_that_is_not_there_is_refused(logs: &dyn Logs) {
    let log = open(logs, &unique("absent")).await;
    let absent = PartitionId(2);
    let appended = log.append(Topic::Commands, absent, bytes("x"), Durability::Synced).await;
    assert!(matches!(appended, Err(LogError::ShapeDiffers { .. })), "{appended:?}");
    assert!(log.reader(Topic::Commands, absent, Offset(0)).is_err());
    assert!(log.bounds(Topic::Commands, absent).await.is_err());
    assert!(log.trim(Topic::Commands, absent, Offset(1)).await.is_err());
}
