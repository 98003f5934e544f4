//! Every log passes the one suite.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use daybook_log::{EmbeddedLog, EmbeddedOptions, KafkaLog, Log, LogError, MemoryLog, Recovery, Replication};
use daybook_rocks::Memory;
use daybook_testkit::kafka::Broker;
use daybook_testkit::log_conformance::Logs;
use futures_util::future::{BoxFuture, FutureExt, ready};

mod memory {
    use super::*;

    #[derive(Default)]
    struct MemoryLogs(Mutex<BTreeMap<String, (u32, MemoryLog)>>);

    impl Logs for MemoryLogs {
        fn open(&self, name: &str, partitions: u32) -> BoxFuture<'_, Result<Arc<dyn Log>, LogError>> {
            let mut logs = self.0.lock().unwrap();
            let (found, log) =
                logs.entry(name.to_owned()).or_insert_with(|| (partitions, MemoryLog::new(name, partitions)));
            let opened: Result<Arc<dyn Log>, _> = if *found == partitions {
                Ok(Arc::new(log.clone()))
            } else {
                Err(LogError::ShapeDiffers { found: found.to_string(), wanted: partitions.to_string() })
            };
            ready(opened).boxed()
        }
    }

    daybook_testkit::log_conformance_suite!(ready(MemoryLogs::default()));
}

mod embedded {
    use super::*;

    struct EmbeddedLogs(tempfile::TempDir);

    impl Logs for EmbeddedLogs {
        fn open(&self, name: &str, partitions: u32) -> BoxFuture<'_, Result<Arc<dyn Log>, LogError>> {
            let options = EmbeddedOptions {
                folder: self.0.path().join(name),
                name: name.to_owned(),
                partitions,
                recovery: Recovery::Strict,
            };
            let log = EmbeddedLog::open(options, &Memory::default());
            ready(log.map(|log| Arc::new(log) as Arc<dyn Log>)).boxed()
        }
    }

    daybook_testkit::log_conformance_suite!(ready(EmbeddedLogs(tempfile::tempdir().unwrap())));
}

/// A log with an archive in which nothing is yet is a log like any other.
mod through_an_archive {
    use daybook_snapshot::{ArchivedLog, Objects, S3Options, ThroughArchive};

    use super::*;

    struct ThroughLogs(tempfile::TempDir);

    impl Logs for ThroughLogs {
        fn open(&self, name: &str, partitions: u32) -> BoxFuture<'_, Result<Arc<dyn Log>, LogError>> {
            let options = EmbeddedOptions {
                folder: self.0.path().join(name),
                name: name.to_owned(),
                partitions,
                recovery: Recovery::Strict,
            };
            let objects = Objects::open(&format!("file://{}", self.0.path().display()), &S3Options::default()).unwrap();
            let archived = ArchivedLog::new(objects, "archived", partitions);
            let log = EmbeddedLog::open(options, &Memory::default());
            ready(log.map(|log| Arc::new(ThroughArchive::new(Arc::new(log), archived)) as Arc<dyn Log>)).boxed()
        }
    }

    daybook_testkit::log_conformance_suite!(ready(ThroughLogs(tempfile::tempdir().unwrap())));
}

mod kafka {
    use super::*;

    struct KafkaLogs(Arc<Broker>);

    impl Logs for KafkaLogs {
        fn open(&self, name: &str, partitions: u32) -> BoxFuture<'_, Result<Arc<dyn Log>, LogError>> {
            let options = self.0.log_options(name, partitions);
            async move { Ok(Arc::new(KafkaLog::open(options).await?) as Arc<dyn Log>) }.boxed()
        }
    }

    daybook_testkit::log_conformance_suite!(async { KafkaLogs(Broker::shared().await.unwrap()) });
}

mod kafka_settings {
    use super::*;

    const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
    const CONFIGS: &str = "kafka.admin.ConfigCommand";

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_topic_that_could_lose_records_is_refused() {
        let broker = Broker::shared().await.unwrap();
        for topic in ["short.commands", "short.decisions"] {
            let arguments = ["--create", "--topic", topic, "--partitions", "2", "--config", "retention.ms=60000"];
            broker.tool(TOPICS, &arguments).unwrap();
        }
        let refused = KafkaLog::open(broker.log_options("short", 2)).await.map(|_| ()).unwrap_err();
        let LogError::WrongSettings { topic, wrong } = &refused else { panic!("{refused}") };
        assert_eq!(topic, "short.commands");
        assert!(wrong.contains(r#"retention.ms is "60000" and must be "-1""#), "{wrong}");
        assert!(wrong.contains("max.message.bytes"), "every wrong setting is named: {wrong}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn settings_changed_behind_our_back_are_seen_at_the_next_start() {
        let broker = Broker::shared().await.unwrap();
        drop(KafkaLog::open(broker.log_options("changed", 2)).await.unwrap());
        let target = ["--alter", "--entity-type", "topics", "--entity-name", "changed.decisions"];
        broker.tool(CONFIGS, &[&target[..], &["--add-config", "cleanup.policy=compact"]].concat()).unwrap();
        let refused = KafkaLog::open(broker.log_options("changed", 2)).await.map(|_| ()).unwrap_err();
        assert!(
            matches!(&refused, LogError::WrongSettings { topic, wrong }
            if topic == "changed.decisions" && wrong.contains("cleanup.policy")),
            "{refused}"
        );
        broker.tool(CONFIGS, &[&target[..], &["--add-config", "cleanup.policy=delete"]].concat()).unwrap();
        assert!(KafkaLog::open(broker.log_options("changed", 2)).await.is_ok(), "mended");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn missing_topics_are_not_created_when_that_is_switched_off() {
        let broker = Broker::shared().await.unwrap();
        let mut options = broker.log_options("absent", 2);
        options.create_with_replication = None;
        let refused = KafkaLog::open(options).await.map(|_| ());
        assert!(matches!(refused, Err(LogError::WrongSettings { .. })), "{refused:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn topics_are_not_created_on_fewer_brokers_than_may_lose_one() {
        let broker = Broker::shared().await.unwrap();
        let mut options = broker.log_options("too-few", 1);
        options.create_with_replication = Some(Replication::ByBrokers);
        options.min_insync_replicas = 2;
        options.connect_timeout = std::time::Duration::from_secs(1);
        let refused = KafkaLog::open(options.clone()).await.map(|_| ()).unwrap_err();
        let LogError::Unavailable { what } = &refused else { panic!("{refused}") };
        assert!(what.contains("must be on 3 brokers") && what.contains("log.kafka_replication"), "{what}");
        options.create_with_replication = None;
        let absent = KafkaLog::open(options).await.map(|_| ());
        assert!(matches!(absent, Err(LogError::WrongSettings { .. })), "it was not created: {absent:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn settings_that_decide_over_durability_cannot_be_configured() {
        let broker = Broker::shared().await.unwrap();
        let mut options = broker.log_options("acks", 2);
        options.properties.insert("acks".to_owned(), "1".to_owned());
        let refused = KafkaLog::open(options).await.map(|_| ());
        assert!(matches!(refused, Err(LogError::WrongSettings { .. })), "{refused:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broker_that_is_not_there_is_an_error_that_says_so() {
        let broker = Broker::shared().await.unwrap();
        let mut options = broker.log_options("nobody", 2);
        options.brokers = "127.0.0.1:1".to_owned();
        options.connect_timeout = std::time::Duration::from_secs(1);
        let refused = KafkaLog::open(options).await.map(|_| ()).unwrap_err();
        assert!(refused.is_transient() && refused.to_string().contains("127.0.0.1:1"), "{refused}");
    }
}
