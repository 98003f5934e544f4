//! An ordinary Kafka client in this process, as the other programs of a test: it puts records on topics and reads them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use daybook_kernel::id::Offset;
use daybook_log::{BesideReader, BesideRecord, BesideTopics};
use daybook_testkit::kafka::Broker;

/// A client of a broker.
pub struct KafkaClient {
    topics: BesideTopics,
}

impl KafkaClient {
    /// A client.
    pub fn new(broker: &Broker) -> Self {
        let topics = BesideTopics::connect(broker.log_options("client", 1), false).expect("a client");
        Self { topics }
    }

    /// Makes a topic.
    pub async fn create(&self, topic: &str, partitions: u32) {
        self.topics.check(topic, partitions, Some(Duration::from_secs(3_600))).await.expect("a topic");
    }

    /// Whether there is such a topic.
    pub async fn exists(&self, topic: &str) -> bool {
        self.topics.exists(topic).await.expect("an answer")
    }

    /// Puts a record on a topic and says where it stands.
    pub async fn put(&self, topic: &str, partition: u32, headers: &[(&str, &str)], value: &[u8]) -> Offset {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.topics.append(topic, Some(partition), Some(b"key"), &headers, value).await.expect("it is written")
    }

    /// Reads a partition from its beginning.
    pub fn read(&self, topic: &str, partition: u32) -> BesideReader {
        self.topics.read(topic, partition, Offset(0)).expect("a reader")
    }

    /// Everything that stands on a partition now.
    pub async fn all(&self, topic: &str, partition: u32) -> Vec<BesideRecord> {
        let bounds = self.topics.bounds(topic, partition).await.expect("its bounds");
        let mut reader = self.read(topic, partition);
        let mut records = Vec::new();
        while (records.len() as u64) < bounds.next.0 {
            records.push(reader.next().await.expect("a record"));
        }
        records
    }
}

/// A header of a record, as text.
pub fn header<'a>(record: &'a BesideRecord, name: &str) -> Option<&'a str> {
    let found = record.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| std::str::from_utf8(value).expect("text"))
}

/// The Python that has a Kafka client (`tests/setup/kafka-clients.sh`), if there is one.
pub fn python() -> Option<PathBuf> {
    let python = match std::env::var_os("DAYBOOK_KAFKA_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache/daybook/tools/kafka-python/bin/python"),
    };
    python.exists().then_some(python)
}

/// The folder with Kafka's jars, if it is known.
pub fn jars() -> Option<PathBuf> {
    let libs = match std::env::var_os("DAYBOOK_KAFKA_LIBS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache/daybook/kafka/libs"),
    };
    libs.is_dir().then_some(libs)
}

/// Runs a program and returns what it printed.
///
/// # Panics
/// When it does not end well.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}
