//! Every keyed log passes the one suite.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use daybook_log::{Compaction, KafkaKeyedLog, KeyedLog, LogError, MemoryKeyedLog};
use daybook_testkit::kafka::Broker;
use daybook_testkit::keyed_log_conformance::KeyedLogs;
use futures_util::future::{BoxFuture, FutureExt, ready};

mod memory {
    use super::*;

    #[derive(Default)]
    struct MemoryKeyedLogs(Mutex<BTreeMap<String, MemoryKeyedLog>>);

    impl KeyedLogs for MemoryKeyedLogs {
        fn open(&self, name: &str) -> BoxFuture<'_, Result<Arc<dyn KeyedLog>, LogError>> {
            let log = self.0.lock().unwrap().entry(name.to_owned()).or_default().clone();
            ready(Ok(Arc::new(log) as Arc<dyn KeyedLog>)).boxed()
        }
    }

    daybook_testkit::keyed_log_conformance_suite!(ready(MemoryKeyedLogs::default()));
}

/// As fast as a broker lets it be.
fn fast() -> Compaction {
    Compaction {
        segment: Duration::from_millis(500),
        lag_max: Duration::from_millis(500),
        file_delete_delay: Duration::from_millis(100),
        ..Compaction::default()
    }
}

mod kafka {
    use super::*;

    struct KafkaKeyedLogs(Arc<Broker>);

    impl KeyedLogs for KafkaKeyedLogs {
        fn open(&self, name: &str) -> BoxFuture<'_, Result<Arc<dyn KeyedLog>, LogError>> {
            let options = self.0.log_options(name, 2);
            async move { Ok(Arc::new(KafkaKeyedLog::open(options, fast()).await?) as Arc<dyn KeyedLog>) }.boxed()
        }
    }

    daybook_testkit::keyed_log_conformance_suite!(async { KafkaKeyedLogs(Broker::shared().await.unwrap()) });
}

mod kafka_settings {
    use super::*;

    const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
    const CONFIGS: &str = "kafka.admin.ConfigCommand";

    async fn open(broker: &Broker, name: &str) -> Result<KafkaKeyedLog, LogError> {
        KafkaKeyedLog::open(broker.log_options(name, 2), Compaction::default()).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_topic_that_would_never_forget_or_lose_keys_is_refused() {
        let broker = Broker::shared().await.unwrap();
        broker.tool(TOPICS, &["--create", "--topic", "made-by-hand.keys", "--partitions", "1"]).unwrap();
        let refused = open(&broker, "made-by-hand").await.map(|_| ()).unwrap_err();
        let LogError::WrongSettings { topic, wrong } = &refused else { panic!("{refused}") };
        assert_eq!(topic, "made-by-hand.keys");
        for setting in [
            "cleanup.policy",
            "message.timestamp.type",
            "segment.ms",
            "max.compaction.lag.ms",
            "min.cleanable.dirty.ratio",
        ] {
            assert!(wrong.contains(setting), "{setting}: {wrong}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_setting_that_was_changed_since_is_named() {
        let broker = Broker::shared().await.unwrap();
        drop(open(&broker, "loosened").await.unwrap());
        let target = ["--alter", "--entity-type", "topics", "--entity-name", "loosened.keys", "--add-config"];
        for (changed, mended) in [
            ("cleanup.policy=[compact,delete]", "cleanup.policy=compact"),
            ("max.compaction.lag.ms=300001", "max.compaction.lag.ms=1000"),
            ("delete.retention.ms=1000", "delete.retention.ms=86400000"),
        ] {
            broker.tool(CONFIGS, &[&target[..], &[changed]].concat()).unwrap();
            let refused = open(&broker, "loosened").await.map(|_| ()).unwrap_err().to_string();
            let setting = changed.split('=').next().unwrap();
            assert!(refused.contains(setting), "{changed}: {refused}");
            broker.tool(CONFIGS, &[&target[..], &[mended]].concat()).unwrap();
            assert!(open(&broker, "loosened").await.is_ok(), "{mended}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_topic_with_several_partitions_is_refused() {
        let broker = Broker::shared().await.unwrap();
        broker.tool(TOPICS, &["--create", "--topic", "wide.keys", "--partitions", "3"]).unwrap();
        let refused = open(&broker, "wide").await.map(|_| ());
        assert!(matches!(refused, Err(LogError::ShapeDiffers { .. })), "{refused:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_missing_topic_is_not_created_when_that_is_switched_off() {
        let broker = Broker::shared().await.unwrap();
        let mut options = broker.log_options("no-keys", 2);
        options.create_with_replication = None;
        let refused = KafkaKeyedLog::open(options, Compaction::default()).await.map(|_| ());
        assert!(matches!(refused, Err(LogError::TopicMissing { .. })), "{refused:?}");
    }
}
