//! Topics that must not lose a record: created so, and refused if they are otherwise.

use std::sync::Arc;

use rdkafka::admin::{AdminOptions, ConfigEntry, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::types::RDKafkaErrorCode;

use super::{Clients, ENVELOPE_BYTES, REQUEST_TIMEOUT, from_kafka};
use crate::LogError;
use crate::topic::{RECORD_BYTES_MAX, Topic};

/// Settings with the one value that they may have.
const REQUIRED: [(&str, &str); 4] = [
    ("cleanup.policy", "delete"),
    ("retention.ms", "-1"),
    ("retention.bytes", "-1"),
    ("unclean.leader.election.enable", "false"),
];

/// Creates the topics if they are missing and that is wanted, then checks them.
pub(super) async fn check(clients: &Arc<Clients>) -> Result<(), LogError> {
    let asking = Arc::clone(clients);
    let found = tokio::task::spawn_blocking(move || partitions_of_topics(&asking))
        .await
        .map_err(|error| LogError::Unavailable { what: error.to_string() })??;
    for (topic, partitions) in Topic::ALL.into_iter().zip(found) {
        let wanted = clients.options.partitions;
        match (partitions, clients.options.create_with_replication) {
            (Some(found), _) if found == wanted => {}
            (Some(found), _) => {
                let name = clients.topic(topic);
                let (found, wanted) = (format!("{found} partitions in topic {name}"), format!("{wanted} partitions"));
                return Err(LogError::ShapeDiffers { found, wanted });
            }
            (None, Some(replication)) => create(clients, topic, replication).await?,
            (None, None) => {
                return Err(LogError::WrongSettings {
                    topic: clients.topic(topic),
                    wrong: "it does not exist, and creating topics is switched off".to_owned(),
                });
            }
        }
        check_settings(clients, topic).await?;
    }
    Ok(())
}

/// How many partitions each topic has; `None` where there is no such topic. Blocks.
fn partitions_of_topics(clients: &Clients) -> Result<[Option<u32>; 2], LogError> {
    let client = clients.admin.inner();
    let metadata = client.fetch_metadata(None, clients.options.connect_timeout).map_err(|error| {
        let what = format!(
            "no broker at {} answered within {} s: {error}",
            clients.options.brokers,
            clients.options.connect_timeout.as_secs()
        );
        LogError::Unavailable { what }
    })?;
    let partitions = |topic: Topic| {
        let name = clients.topic(topic);
        let found = metadata.topics().iter().find(|found| found.name() == name && found.error().is_none())?;
        u32::try_from(found.partitions().len()).ok()
    };
    Ok(Topic::ALL.map(partitions))
}

async fn create(clients: &Clients, topic: Topic, replication: u16) -> Result<(), LogError> {
    let name = clients.topic(topic);
    let partitions = i32::try_from(clients.options.partitions).unwrap_or(i32::MAX);
    let record_bytes = (RECORD_BYTES_MAX + ENVELOPE_BYTES).to_string();
    let in_sync = clients.options.min_insync_replicas.to_string();
    let mut new = NewTopic::new(&name, partitions, TopicReplication::Fixed(i32::from(replication)))
        .set("max.message.bytes", &record_bytes)
        .set("min.insync.replicas", &in_sync);
    for (setting, value) in REQUIRED {
        new = new.set(setting, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT));
    let created = clients.admin.create_topics([&new], &options).await.map_err(|error| from_kafka(&error))?;
    for result in created {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(LogError::Unavailable { what: format!("topic {name} cannot be created: {code}") });
            }
        }
    }
    tracing::info!(topic = name, partitions, replication, "topic created");
    Ok(())
}

async fn check_settings(clients: &Clients, topic: Topic) -> Result<(), LogError> {
    let name = clients.topic(topic);
    let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
    let mut described = Vec::new();
    // A topic that was created just now is not known everywhere at once.
    for attempt in 0..20 {
        let resource = ResourceSpecifier::Topic(&name);
        described = clients.admin.describe_configs([&resource], &options).await.map_err(|error| from_kafka(&error))?;
        let unknown = match described.first() {
            Some(Ok(resource)) => resource.entries.is_empty(),
            Some(Err(code)) => *code == RDKafkaErrorCode::UnknownTopicOrPartition,
            None => true,
        };
        if !unknown || attempt == 19 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let resource = match described.into_iter().next() {
        Some(Ok(resource)) => resource,
        Some(Err(code)) => {
            return Err(LogError::Unavailable { what: format!("the settings of topic {name} cannot be read: {code}") });
        }
        None => return Err(LogError::Unavailable { what: format!("the broker says nothing of topic {name}") }),
    };
    let wrong = wrong_settings(|setting| resource.get(setting), clients.options.min_insync_replicas);
    if wrong.is_empty() { Ok(()) } else { Err(LogError::WrongSettings { topic: name, wrong: wrong.join(", ") }) }
}

fn wrong_settings<'a>(setting: impl Fn(&str) -> Option<&'a ConfigEntry>, min_insync_replicas: u16) -> Vec<String> {
    let value = |name: &str| setting(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
    let mut wrong = Vec::new();
    for (name, required) in REQUIRED {
        let found = value(name);
        if found != required {
            wrong.push(format!("{name} is {found:?} and must be {required:?}"));
        }
    }
    let mut at_least = |name: &str, least: usize| {
        let found = value(name);
        if found.parse::<usize>().is_ok_and(|found| found >= least) {
            return;
        }
        wrong.push(format!("{name} is {found:?} and must be at least {least}"));
    };
    at_least("min.insync.replicas", usize::from(min_insync_replicas));
    at_least("max.message.bytes", RECORD_BYTES_MAX);
    wrong
}
