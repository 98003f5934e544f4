//! Outbox topics: the accepted events of a domain, in order, for others to consume: `<log name>.outbox.<domain>`, with as
//! many partitions as the log has.
//!
//! The node that leads a partition publishes what it has applied, at least once. How far that went stands in the last
//! record of the topic's partition itself, so there is no progress to keep anywhere else. When a partition changes hands
//! a run of events may come twice, and in its own order; whoever passes over every event that is not beyond the last one
//! seen sees each of them once.
//!
//! | file | what it does |
//! | --- | --- |
//! | `event` | an event as a record, and where a record says publishing goes on |
//! | `publish` | one partition of one domain |

mod event;
mod publish;

use std::sync::Arc;

use daybook_kernel::registry::Registry;
use daybook_log::{BesideTopics, KafkaOptions, Log};
use daybook_runtime::Node;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{Config, ConfigError};
use crate::serve::StartError;
use crate::settings_watch::WrongSettings;

/// The outbox of a node, checked.
pub(crate) struct Outbox {
    topics: Arc<BesideTopics>,
    domains: Vec<String>,
}

/// The topic of a domain.
pub fn topic(log: &str, domain: &str) -> String {
    format!("{log}.outbox.{domain}")
}

impl Outbox {
    /// Checks the topics, and creates those that are missing; `None` if there are none.
    pub(crate) async fn open(
        config: &Config,
        options: &KafkaOptions,
        registry: &Registry,
    ) -> Result<Option<Self>, StartError> {
        let domains = config.outbox.domains.clone();
        if domains.is_empty() {
            return Ok(None);
        }
        if let Some(unknown) = domains.iter().find(|domain| registry.get(domain).is_none()) {
            let known: Vec<_> = registry.iter().map(|domain| domain.name).collect();
            let message = format!("outbox.domains: there is no domain {unknown}; there are {}", known.join(", "));
            return Err(ConfigError(message).into());
        }
        let topics = BesideTopics::connect(options.clone(), true)?;
        let retention = Some(config.outbox.retention_seconds).filter(|retention| !retention.is_zero());
        for domain in &domains {
            topics.check(&topic(&options.name, domain), options.partitions, retention).await?;
        }
        Ok(Some(Self { topics: Arc::new(topics), domains }))
    }

    /// The topics.
    pub(crate) fn topics(&self, log: &str) -> Vec<String> {
        self.domains.iter().map(|domain| topic(log, domain)).collect()
    }

    /// Publishes until the task is dropped.
    pub(crate) fn publish(
        self,
        node: &Arc<Node>,
        log: &Arc<dyn Log>,
        wrong_settings: &WrongSettings,
    ) -> JoinHandle<()> {
        let mut publishing = JoinSet::new();
        for domain in self.domains {
            for partition in node.partitions() {
                let publisher = publish::Publisher {
                    topics: Arc::clone(&self.topics),
                    log: Arc::clone(log),
                    wrong_settings: wrong_settings.clone(),
                    partition: Arc::clone(partition),
                    topic: topic(log.name(), &domain),
                    domain: domain.clone(),
                };
                publishing.spawn(publisher.run());
            }
        }
        tokio::spawn(async move { while publishing.join_next().await.is_some() {} })
    }
}
