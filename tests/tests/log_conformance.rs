//! Every log passes the one suite.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{
    Durability, EmbeddedLog, EmbeddedOptions, KafkaLog, Log, LogError, MemoryLog, Recovery, Replication, Topic,
};
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
        assert!(matches!(refused, Err(LogError::TopicMissing { .. })), "{refused:?}");
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
        assert!(matches!(absent, Err(LogError::TopicMissing { .. })), "it was not created: {absent:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn settings_that_decide_over_durability_or_that_no_client_takes_cannot_be_configured() {
        let broker = Broker::shared().await.unwrap();
        for (name, value) in [
            ("acks", "1"),
            ("receive.message.max.bytes", "1000000"),
            ("message.max.bytes", "1000"),
            ("sasl.pasword", "hunter2"),
            ("socket.timeout.ms", "hunter2"),
        ] {
            let mut options = broker.log_options("acks", 2);
            options.properties.insert(name.to_owned(), value.to_owned());
            let refused = KafkaLog::open(options).await.map(|_| ()).unwrap_err();
            let LogError::WrongSettings { topic, wrong } = &refused else { panic!("{refused}") };
            assert!(topic == "(client settings)" && wrong.contains(name), "{refused}");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }

    /// What brokers would store and a client would not take: by the settings of a topic, or of the brokers.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_topic_that_holds_what_a_node_cannot_read_is_refused() {
        let broker = Broker::shared().await.unwrap();
        drop(KafkaLog::open(broker.log_options("large", 1)).await.unwrap());
        let target = ["--alter", "--entity-type", "topics", "--entity-name", "large.commands"];
        broker.tool(CONFIGS, &[&target[..], &["--add-config", "max.message.bytes=104857600"]].concat()).unwrap();
        let refused = KafkaLog::open(broker.log_options("large", 1)).await.map(|_| ()).unwrap_err();
        let LogError::WrongSettings { topic, wrong } = &refused else { panic!("{refused}") };
        assert!(topic == "large.commands" && wrong.contains("at most 67043328"), "{refused}");

        // Topics that have the defaults of their brokers.
        let broker = Broker::start().await.unwrap();
        let settings = [
            "retention.ms=-1",
            "unclean.leader.election.enable=false",
            "retention.bytes=-1",
            "min.insync.replicas=1",
            "cleanup.policy=delete",
        ];
        for topic in ["defaulted.commands", "defaulted.decisions"] {
            let configs = settings.iter().flat_map(|setting| ["--config", setting]);
            let create: Vec<_> =
                ["--create", "--topic", topic, "--partitions", "1"].into_iter().chain(configs).collect();
            broker.tool(TOPICS, &create).unwrap();
        }
        let of_brokers = ["--alter", "--entity-type", "brokers", "--entity-default"];
        let default = |what: &str| broker.tool(CONFIGS, &[&of_brokers[..], &["--add-config", what]].concat()).unwrap();
        default("message.max.bytes=104857600,compression.type=zstd");
        let refused = KafkaLog::open(broker.log_options("defaulted", 1)).await.map(|_| ()).unwrap_err();
        default("message.max.bytes=5000000");
        assert!(refused.to_string().contains("max.message.bytes is \"104857600\""), "{refused}");
        // Whatever codec is the default, it is read.
        let log = KafkaLog::open(broker.log_options("defaulted", 1)).await.unwrap();
        let record = bytes::Bytes::from(vec![7; 100_000]);
        log.append(Topic::Commands, PartitionId(0), record.clone(), Durability::Synced).await.unwrap();
        let log = KafkaLog::open(broker.log_options("defaulted", 1)).await.unwrap();
        let mut reader = log.reader(Topic::Commands, PartitionId(0), Offset(0)).unwrap();
        assert_eq!(reader.next().await.unwrap()[0].bytes, record);
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
