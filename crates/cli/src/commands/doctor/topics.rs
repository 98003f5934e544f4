//! Inbox and outbox topics: can a node use them, and does anything wait in them?

use std::time::Duration;

use daybook_log::{BesideTopics, InboxSettings, InboxTopic, KafkaOptions, LogError, codes};
use daybook_server::config::Config;
use daybook_server::inbox::{rejected, topics_of};
use daybook_server::outbox;

use super::finding::{Finding, Report};
use super::log::Looked;

/// How long records that wait are given to be dealt with, when a node runs here.
const WATCHED: Duration = Duration::from_secs(3);

/// Looks at the topics that the configuration names.
pub(super) async fn look(config: &Config, options: &KafkaOptions, log: &Looked, node_runs: bool, report: &mut Report) {
    let inboxes = &config.inbox.topics;
    if matches!(log, Looked::Failed) || (inboxes.is_empty() && config.outbox.domains.is_empty()) {
        return;
    }
    let creates = options.create_with_replication.is_some();
    let (settings, beside) = match (
        InboxSettings::new(options, &topics_of(config)),
        BesideTopics::connect(KafkaOptions { create_with_replication: None, ..options.clone() }, false),
    ) {
        (Ok(settings), Ok(beside)) => (settings, beside),
        (Err(error), _) | (_, Err(error)) => return report.add(wrong("topics", &error)),
    };
    for topic in inboxes {
        let subject = format!("inbox {topic}");
        match settings.look(topic).await {
            Ok(seen) => match settings.check(topic).await {
                Ok(()) => inbox(&subject, topic, seen, &settings, node_runs, report).await,
                Err(error) => report.add(wrong(&subject, &error)),
            },
            Err(LogError::TopicMissing { .. }) => report.add(missing(&subject, creates)),
            Err(error) => report.add(wrong(&subject, &error)),
        }
    }
    let list = (!inboxes.is_empty()).then(|| ("list of rejected records".to_owned(), rejected::topic(&options.name)));
    let published = config.outbox.domains.iter().map(|domain| {
        let topic = outbox::topic(&options.name, domain);
        (format!("outbox {domain}"), topic)
    });
    for (subject, topic) in list.into_iter().chain(published) {
        match beside.exists(&topic).await {
            Ok(false) => report.add(missing(&subject, creates)),
            Ok(true) => match beside.check_settings(&topic).await {
                Ok(()) => report.add(Finding::ok(subject, format!("topic {topic} has the settings that it needs"))),
                Err(error) => report.add(wrong(&subject, &error)),
            },
            Err(error) => report.add(wrong(&subject, &error)),
        }
    }
}

async fn inbox(
    subject: &str,
    topic: &str,
    seen: InboxTopic,
    settings: &InboxSettings,
    node_runs: bool,
    report: &mut Report,
) {
    let mut now = seen.clone();
    if node_runs && seen.waiting() > 0 {
        tokio::time::sleep(WATCHED).await;
        now = settings.look(topic).await.unwrap_or(now);
    }
    let moves = |before: &(u64, u64), after: &(u64, u64)| after.0 > before.0 || after.0 >= after.1;
    let still = seen.places.iter().zip(&now.places).filter(|(before, after)| !moves(before, after)).count();
    let (count, waiting) = (now.places.len(), now.waiting());
    let found = format!("{count} partitions; {waiting} records wait");
    if node_runs && still > 0 {
        let found = format!("{found}, and in {still} partitions none was dealt with for {} s", WATCHED.as_secs());
        report.add(
            Finding::warning(subject, found)
                .means("a record waits for something, a producer's transaction is open, or no node reads the partition")
                .next("`daybook status` says which, at each node"),
        );
    } else {
        report.add(Finding::ok(subject, found));
    }
    if now.compression != "uncompressed" {
        report.add(
            Finding::warning(subject, format!("its compression.type is {:?}", now.compression))
                .means("a small record can be compressed from more than a node has memory for")
                .next(format!("set compression.type=uncompressed on {topic}: the brokers then refuse such records")),
        );
    }
}

fn missing(subject: &str, creates: bool) -> Finding {
    if creates {
        return Finding::ok(subject, "its topic is not there yet").means("the next start makes it");
    }
    Finding::problem(subject, "its topic is not there, and log.kafka_replication is 0")
        .code(codes::TOPIC_SETTINGS_WRONG)
        .means("a node does not create topics, and does not start without this one")
        .next("create it as docs/kafka-topics.md says, or set log.kafka_replication")
}

fn wrong(subject: &str, error: &LogError) -> Finding {
    Finding::problem(subject, error)
        .code(error.code())
        .means("a node does not start on it; one that runs lets what depends on it wait")
        .next("mend the topic's settings; the page says how they must be")
}
