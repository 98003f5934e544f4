//! Settings of Kafka clients, all of them in one place.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use super::{CLIENT_SETTINGS, ENVELOPE_BYTES, FETCH_BYTES_MAX, KafkaOptions};
use crate::LogError;
use crate::topic::RECORD_BYTES_MAX;

/// Settings that users may not change: each decides whether a record can be lost, repeated or skipped.
const FIXED: [(&str, &str); 9] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("max.in.flight.requests.per.connection", "5"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("allow.auto.create.topics", "false"),
    ("enable.partition.eof", "false"),
];

/// Settings of the group of nodes that users may not change: all members must agree on the first two, and the others
/// say how fast a node that is gone is noticed.
const MEMBERSHIP: [(&str, &str); 5] = [
    ("group.protocol", "classic"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    // The least that brokers allow by default. A node that was not heard of for this long is out.
    ("session.timeout.ms", "6000"),
    // Members learn of a change with the answer to a heartbeat, so this bounds how fast they move.
    ("heartbeat.interval.ms", "300"),
    // The thread that polls does nothing else. If it stands still for this long, something is badly wrong with the node.
    ("max.poll.interval.ms", "30000"),
];

/// Sizes that users may raise and not lower: with less, a record that the topics may hold could not be written or read.
fn sizes() -> [(&'static str, usize); 2] {
    [("message.max.bytes", RECORD_BYTES_MAX + ENVELOPE_BYTES), ("receive.message.max.bytes", FETCH_BYTES_MAX)]
}

pub(super) fn client_config(options: &KafkaOptions) -> Result<ClientConfig, LogError> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    config.set("bootstrap.servers", &options.brokers);
    config.set("client.id", "daybook");
    config.set("socket.nagle.disable", "true");
    config.set("socket.keepalive.enable", "true");
    config.set("reconnect.backoff.ms", "100");
    config.set("reconnect.backoff.max.ms", "2000");
    for (name, least) in sizes() {
        config.set(name, least.to_string());
    }
    let wrong = |wrong: String| LogError::WrongSettings { topic: CLIENT_SETTINGS.to_owned(), wrong };
    for (name, value) in &options.properties {
        if FIXED.iter().chain(&MEMBERSHIP).any(|(fixed, _)| fixed == name) {
            return Err(wrong(format!("{name} is fixed and cannot be configured")));
        }
        if let Some((_, least)) = sizes().into_iter().find(|(size, _)| size == name)
            && value.trim().parse::<usize>().is_ok_and(|value| value < least)
        {
            return Err(wrong(format!("{name} must be at least {least}")));
        }
        config.set(name, value);
    }
    Ok(config)
}

/// What concerns producers only.
pub(super) fn producer_config(options: &KafkaOptions) -> Result<ClientConfig, LogError> {
    let mut config = client_config(options)?;
    for (name, value) in FIXED
        .iter()
        .filter(|(name, _)| matches!(*name, "enable.idempotence" | "acks" | "max.in.flight.requests.per.connection"))
    {
        config.set(*name, *value);
    }
    // No waiting for more: what is appended while a request is in flight forms the next one.
    config.set("linger.ms", "0");
    config.set("batch.size", (1 << 20).to_string());
    config.set("compression.type", "lz4");
    config.set("message.timeout.ms", "30000");
    config.set("request.timeout.ms", "10000");
    config.set("queue.buffering.max.messages", "100000");
    config.set("queue.buffering.max.kbytes", (128 << 10).to_string());
    Ok(config)
}

/// When a consumer fetches: how much there must be, and how long the broker waits for that much.
pub(super) struct Fetch {
    pub(super) bytes_min: usize,
    pub(super) wait_ms_max: u32,
}

impl Fetch {
    /// As soon as there is a record.
    pub(super) const AT_ONCE: Self = Self { bytes_min: 1, wait_ms_max: 500 };
    /// Many at once.
    pub(super) const IN_PIECES: Self = Self { bytes_min: 64 << 10, wait_ms_max: 20 };
}

/// What concerns consumers only.
pub(super) fn consumer_config(options: &KafkaOptions, fetch: &Fetch) -> Result<ClientConfig, LogError> {
    let mut config = client_config(options)?;
    for (name, value) in FIXED
        .iter()
        .filter(|(name, _)| !matches!(*name, "enable.idempotence" | "acks" | "max.in.flight.requests.per.connection"))
    {
        config.set(*name, *value);
    }
    // Assignments are explicit and nothing is committed; librdkafka wants a group's name all the same.
    config.set("group.id", group(options));
    config.set("fetch.min.bytes", fetch.bytes_min.to_string());
    config.set("fetch.wait.max.ms", fetch.wait_ms_max.to_string());
    config.set("fetch.queue.backoff.ms", "5");
    config.set("fetch.error.backoff.ms", "100");
    config.set("max.partition.fetch.bytes", (RECORD_BYTES_MAX + ENVELOPE_BYTES).to_string());
    config.set("fetch.max.bytes", (16 << 20).to_string());
    config.set("queued.max.messages.kbytes", (8 << 10).to_string());
    config.set("check.crcs", "true");
    Ok(config)
}

/// What concerns the member of the group of nodes only.
pub(super) fn membership_config(options: &KafkaOptions, client_id: &str) -> Result<ClientConfig, LogError> {
    let mut config = consumer_config(options, &Fetch::AT_ONCE)?;
    for (name, value) in MEMBERSHIP {
        config.set(name, value);
    }
    // After the settings of the user: other members read it.
    config.set("client.id", client_id);
    Ok(config)
}

/// What concerns the reader of inbox topics only: a group of its own, with offsets that are committed, because what is
/// on these topics is nobody's truth. A record whose place was lost to the topic's retention is gone; reading goes on with
/// the oldest that is left.
pub(super) fn inbox_config(options: &KafkaOptions) -> Result<ClientConfig, LogError> {
    let mut config = consumer_config(options, &Fetch::AT_ONCE)?;
    for (name, value) in MEMBERSHIP {
        config.set(name, value);
    }
    config.set("group.id", inbox_group(options));
    config.set("auto.offset.reset", "earliest");
    // A place that cannot be read is passed over one by one at worst.
    config.set("fetch.error.backoff.ms", "10");
    // Commits are sent by the thread that polls; the lag comes with the statistics.
    config.set("statistics.interval.ms", "2000");
    Ok(config)
}

/// What concerns a consumer only that looks at single places, and for where a partition ends.
pub(super) fn probe_config(options: &KafkaOptions) -> Result<ClientConfig, LogError> {
    let mut config = consumer_config(options, &Fetch::AT_ONCE)?;
    // It joins no group, but asks how far that of the inbox has come.
    config.set("group.id", inbox_group(options));
    config.set("enable.partition.eof", "true");
    config.set("fetch.error.backoff.ms", "10");
    Ok(config)
}

/// What concerns the producer of topics beside the log only.
pub(super) fn beside_config(options: &KafkaOptions, without_gaps: bool) -> Result<ClientConfig, LogError> {
    let mut config = producer_config(options)?;
    // A key goes to the partition that Java's clients choose for it.
    config.set("partitioner", "murmur2_random");
    // Other programs name topics here: none comes into being because of that.
    config.set("allow.auto.create.topics", "false");
    if without_gaps {
        // Nothing is given up, and what cannot be written for good stops everything that comes after it.
        config.set("enable.gapless.guarantee", "true");
        config.set("message.timeout.ms", "0");
    }
    Ok(config)
}

/// The group in which the nodes of a log read inbox topics.
pub(super) fn inbox_group(options: &KafkaOptions) -> String {
    format!("{}.inbox", group(options))
}

/// The group that the nodes of a log form.
pub(super) fn group(options: &KafkaOptions) -> String {
    format!("daybook.{}", options.name)
}
