//! Topics that keep what they must keep: created so, and refused if they are otherwise.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigEntry, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::{ENVELOPE_BYTES, FETCH_BYTES_MAX, KafkaOptions, REQUEST_TIMEOUT, Replication, from_kafka};
use crate::LogError;

/// Creates topics and reads their settings.
pub(super) type Admin = Arc<AdminClient<DefaultClientContext>>;

/// How long brokers that are missing are given before they are counted again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How a topic must be.
pub(super) struct TopicSpec {
    pub(super) name: String,
    pub(super) partitions: u32,
    /// Another number of partitions is as good.
    pub(super) may_have_more: bool,
    pub(super) settings: Vec<Setting>,
}

/// A setting of a topic: what it is created with, and what it may be.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) created: String,
    pub(super) rule: Rule,
}

/// What a setting may be.
pub(super) enum Rule {
    Exactly,
    Anything,
    AtLeast(u64),
    AtMost(u64),
    /// For a share between 0 and 1, in thousandths.
    AtMostThousandths(u64),
    Between(u64, u64),
    /// One of these; a broker that does not know the setting says nothing of it.
    OneOf(Vec<String>),
    /// A record format that has headers. Brokers since 4.0 have no other, and no such setting.
    FormatWithHeaders,
}

/// Names of codecs as they stand in `compression.type`, and what librdkafka calls them among its features.
const CODECS: [(&str, &str); 4] = [("gzip", "gzip"), ("snappy", "snappy"), ("lz4", "lz4"), ("zstd", "zstd")];

/// What `compression.type` may be: what this build can open, whoever compressed it. Where a build lacks a codec, a topic
/// that has it can be written, and then never be read again.
fn compression_types(features: &str) -> Vec<String> {
    let has = |wanted: &str| features.split(',').any(|feature| feature.trim() == wanted);
    let codecs = CODECS.iter().filter(|(_, feature)| has(feature)).map(|(name, _)| *name);
    ["producer", "uncompressed"].into_iter().chain(codecs).map(str::to_owned).collect()
}

/// What the client library was built with.
fn features() -> String {
    let native = rdkafka::ClientConfig::new().create_native_config();
    native.and_then(|native| native.get("builtin.features")).unwrap_or_default()
}

impl Setting {
    pub(super) fn exactly(name: &'static str, value: &str) -> Self {
        Self { name, created: value.to_owned(), rule: Rule::Exactly }
    }

    /// What it is created with, and anybody may change.
    pub(super) fn created_with(name: &'static str, value: &str) -> Self {
        Self { name, created: value.to_owned(), rule: Rule::Anything }
    }

    pub(super) fn at_least(name: &'static str, least: u64) -> Self {
        Self { name, created: least.to_string(), rule: Rule::AtLeast(least) }
    }

    pub(super) fn at_most(name: &'static str, most: u64) -> Self {
        Self { name, created: most.to_string(), rule: Rule::AtMost(most) }
    }

    /// How large the records of a topic may be: at least so many bytes, and never more than a client takes at once.
    pub(super) fn record_bytes(least: usize, created: usize) -> Self {
        let most = (FETCH_BYTES_MAX - ENVELOPE_BYTES) as u64;
        let rule = Rule::Between(least as u64, most);
        Self { name: "max.message.bytes", created: created.to_string(), rule }
    }

    /// How the broker compresses: in any way that can be read. Said when a topic is created, so that the default of the
    /// brokers does not matter.
    pub(super) fn compression(created: &str) -> Self {
        Self {
            name: "compression.type",
            created: created.to_owned(),
            rule: Rule::OneOf(compression_types(&features())),
        }
    }

    /// Not set when a topic is created.
    pub(super) fn format_with_headers() -> Self {
        Self { name: "message.format.version", created: String::new(), rule: Rule::FormatWithHeaders }
    }

    /// What is wrong with a value, if something is.
    fn wrong(&self, found: &str) -> Option<String> {
        let (name, number) = (self.name, found.parse::<u64>().ok());
        let wanted = match &self.rule {
            Rule::Exactly if found == self.created => return None,
            Rule::Anything => return None,
            Rule::OneOf(_) | Rule::FormatWithHeaders if found.is_empty() => return None,
            Rule::OneOf(values) if values.iter().any(|value| value == found) => return None,
            Rule::FormatWithHeaders if has_headers(found) => return None,
            Rule::Between(least, most) if number.is_some_and(|found| (*least..=*most).contains(&found)) => return None,
            Rule::AtLeast(least) if number.is_some_and(|found| found >= *least) => return None,
            Rule::AtMost(most) if number.is_some_and(|found| found <= *most) => return None,
            Rule::AtMostThousandths(most) if thousandths(found).is_some_and(|found| found <= *most) => return None,
            Rule::Exactly => format!("{:?}", self.created),
            Rule::AtLeast(least) => format!("at least {least}"),
            Rule::AtMost(most) => format!("at most {most}"),
            Rule::AtMostThousandths(most) => format!("at most 0.{most:03}"),
            Rule::Between(least, most) => format!("at least {least} and at most {most}"),
            Rule::OneOf(values) => format!("one of {}, which this release can read", values.join(", ")),
            Rule::FormatWithHeaders => "0.11 or later: older formats have no headers".to_owned(),
        };
        Some(format!("{name} is {found:?} and must be {wanted}"))
    }
}

/// Whether a format, for example "0.10.2-IV0" or "3.0-IV1", has headers.
fn has_headers(format: &str) -> bool {
    let mut numbers = format.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or_default());
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    (major, minor) >= (0, 11)
}

/// A share as Kafka writes it, rounded up.
fn thousandths(text: &str) -> Option<u64> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share))?;
    Some((share * 1_000.0).ceil() as u64)
}

/// Creates the topics if they are missing and that is wanted, then checks them.
pub(super) async fn check(admin: &Admin, options: &KafkaOptions, specs: &[TopicSpec]) -> Result<(), LogError> {
    let (brokers, found) = found(admin, options, specs).await?;
    for (spec, partitions) in specs.iter().zip(found) {
        let (name, wanted) = (&spec.name, spec.partitions);
        match (partitions, options.create_with_replication) {
            (Some(found), _) if found == wanted || spec.may_have_more => {}
            (Some(found), _) => {
                let (found, wanted) = (format!("{found} partitions in topic {name}"), format!("{wanted} partitions"));
                return Err(LogError::ShapeDiffers { found, wanted });
            }
            (None, Some(replication)) => match replication.on(brokers, options.min_insync_replicas) {
                Ok(replication) => create(admin, spec, replication).await?,
                Err(TooFew { needed }) => {
                    let what = format!(
                        "topic {name} is not created: it must be on {needed} brokers, of which there are {brokers}, so that one \
                         can be lost while {} have every record; start the others, or set log.kafka_replication",
                        options.min_insync_replicas
                    );
                    return Err(LogError::Unavailable { what });
                }
            },
            (None, None) => {
                return Err(LogError::TopicMissing { topic: name.clone() });
            }
        }
        check_settings(admin, spec).await?;
    }
    Ok(())
}

/// How many brokers there are, and how many partitions each topic has; `None` where there is no such topic. Where one is
/// to be created, brokers that are just starting are waited for.
async fn found(
    admin: &Admin,
    options: &KafkaOptions,
    specs: &[TopicSpec],
) -> Result<(usize, Vec<Option<u32>>), LogError> {
    let started = Instant::now();
    loop {
        let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
        let (asking, of) = (Arc::clone(admin), options.clone());
        let (brokers, found) = tokio::task::spawn_blocking(move || partitions_of_topics(&asking, &of, &names))
            .await
            .map_err(|error| LogError::Unavailable { what: error.to_string() })??;
        let replication = options.create_with_replication.filter(|_| found.contains(&None));
        let are_enough = replication.is_none_or(|wanted| wanted.on(brokers, options.min_insync_replicas).is_ok());
        if are_enough || started.elapsed() >= options.connect_timeout {
            return Ok((brokers, found));
        }
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
}

/// How many brokers there are, and how many partitions each topic has; `None` where there is no such topic. Blocks.
fn partitions_of_topics(
    admin: &Admin,
    options: &KafkaOptions,
    names: &[String],
) -> Result<(usize, Vec<Option<u32>>), LogError> {
    let metadata = admin.inner().fetch_metadata(None, options.connect_timeout).map_err(|error| {
        let what = format!(
            "no broker at {} answered within {} s: {error}",
            options.brokers,
            options.connect_timeout.as_secs()
        );
        LogError::Unavailable { what }
    })?;
    let partitions = |name: &String| {
        let found = metadata.topics().iter().find(|found| found.name() == name && found.error().is_none())?;
        u32::try_from(found.partitions().len()).ok()
    };
    Ok((metadata.brokers().len(), names.iter().map(partitions).collect()))
}

/// There are fewer brokers than a topic needs.
#[derive(Debug, PartialEq, Eq)]
struct TooFew {
    needed: u16,
}

impl Replication {
    /// The replication factor on so many brokers, where so many must have a record before it is acknowledged.
    fn on(self, brokers: usize, min_insync_replicas: u16) -> Result<u16, TooFew> {
        match self {
            Self::ByBrokers => {
                let by_brokers = u16::try_from(brokers.clamp(1, 3)).unwrap_or(1);
                // Who wants several to have a record wants to lose one: on no more than those, any loss would stop everything.
                let needed = if min_insync_replicas > 1 { min_insync_replicas.saturating_add(1) } else { 1 };
                if brokers.max(1) < usize::from(needed) { Err(TooFew { needed }) } else { Ok(by_brokers.max(needed)) }
            }
            Self::Exactly(replication) => Ok(replication),
        }
    }
}

/// The value that a setting has in a topic that is created. With three replicas or more, most of them must have a record
/// before it is acknowledged: then losing one loses nothing, and nothing waits for it either.
fn created_value(setting: &Setting, replication: u16) -> String {
    let least = setting.created.parse::<u16>().ok().filter(|_| setting.name == "min.insync.replicas");
    match least {
        Some(least) if replication >= 3 => least.max(replication / 2 + 1).to_string(),
        _ => setting.created.clone(),
    }
}

async fn create(admin: &Admin, spec: &TopicSpec, replication: u16) -> Result<(), LogError> {
    let TopicSpec { name, partitions, settings, .. } = spec;
    let count = i32::try_from(*partitions).unwrap_or(i32::MAX);
    let mut new = NewTopic::new(name, count, TopicReplication::Fixed(i32::from(replication)));
    let values: Vec<_> = settings.iter().map(|setting| created_value(setting, replication)).collect();
    for (setting, value) in settings.iter().zip(&values).filter(|(_, value)| !value.is_empty()) {
        new = new.set(setting.name, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT));
    let created = admin.create_topics([&new], &options).await.map_err(|error| from_kafka(&error))?;
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

/// Checks the settings that a topic has now.
pub(super) async fn check_settings(admin: &Admin, spec: &TopicSpec) -> Result<(), LogError> {
    let topic = &spec.name;
    let resource = describe(admin, topic).await?;
    let wrong = wrong_settings(&spec.settings, |setting| resource.get(setting));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(LogError::WrongSettings { topic: topic.clone(), wrong: wrong.join(", ") })
    }
}

/// What a setting of a topic is; empty if the broker does not know it.
pub(super) async fn setting(admin: &Admin, topic: &str, setting: &str) -> Result<String, LogError> {
    let resource = describe(admin, topic).await?;
    Ok(resource.get(setting).and_then(|entry| entry.value.clone()).unwrap_or_default())
}

async fn describe(admin: &Admin, topic: &str) -> Result<ConfigResource, LogError> {
    let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
    let mut described = Vec::new();
    let mut known = false;
    // A topic that was created just now is not known everywhere at once.
    for _ in 0..20 {
        let resource = ResourceSpecifier::Topic(topic);
        described = admin.describe_configs([&resource], &options).await.map_err(|error| from_kafka(&error))?;
        known = match described.first() {
            Some(Ok(resource)) => !resource.entries.is_empty(),
            Some(Err(code)) => *code != RDKafkaErrorCode::UnknownTopicOrPartition,
            None => false,
        };
        if known {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    if !known {
        return Err(LogError::WrongSettings { topic: topic.to_owned(), wrong: "it does not exist".to_owned() });
    }
    match described.into_iter().next() {
        Some(Ok(resource)) => Ok(resource),
        Some(Err(code)) => {
            Err(LogError::Unavailable { what: format!("the settings of topic {topic} cannot be read: {code}") })
        }
        None => Err(LogError::Unavailable { what: format!("the broker says nothing of topic {topic}") }),
    }
}

fn wrong_settings<'a>(settings: &[Setting], entry: impl Fn(&str) -> Option<&'a ConfigEntry>) -> Vec<String> {
    let value = |name: &str| entry(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
    settings.iter().filter_map(|setting| setting.wrong(&value(setting.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_created_on_as_many_brokers_as_there_are_three_at_most() {
        let on = |brokers| Replication::ByBrokers.on(brokers, 1);
        assert_eq!([on(0), on(1), on(2), on(3), on(9)], [Ok(1), Ok(1), Ok(2), Ok(3), Ok(3)]);
        assert_eq!(Replication::Exactly(5).on(3, 2), Ok(5), "which the brokers refuse");
        let in_sync = |least, replication| created_value(&Setting::at_least("min.insync.replicas", least), replication);
        assert_eq!(
            [in_sync(1, 1), in_sync(1, 2), in_sync(1, 3), in_sync(3, 3), in_sync(1, 5)],
            ["1", "1", "2", "3", "3"]
        );
        assert_eq!(created_value(&Setting::exactly("retention.ms", "-1"), 3), "-1");
    }

    #[test]
    fn topics_are_not_created_where_the_loss_of_any_broker_would_stop_them() {
        let on = |brokers, min_insync_replicas| Replication::ByBrokers.on(brokers, min_insync_replicas);
        assert_eq!([on(1, 2), on(2, 2)], [Err(TooFew { needed: 3 }), Err(TooFew { needed: 3 })]);
        assert_eq!([on(3, 2), on(4, 3), on(9, 2)], [Ok(3), Ok(4), Ok(3)]);
        assert_eq!(Replication::Exactly(2).on(2, 2), Ok(2), "who says so wants it so");
    }

    #[test]
    fn a_codec_that_a_build_cannot_open_is_refused() {
        let lacking =
            Setting { rule: Rule::OneOf(compression_types("gzip,ssl,lz4")), ..Setting::compression("producer") };
        assert_eq!(["producer", "gzip", "lz4"].map(|codec| lacking.wrong(codec)), [None, None, None]);
        for codec in ["zstd", "snappy"] {
            let told = lacking.wrong(codec).expect("it is refused");
            assert!(told.contains(codec) && told.contains("producer, uncompressed, gzip, lz4"), "{told}");
        }
    }

    #[test]
    fn a_setting_is_held_against_its_rule() {
        let ratio = Setting {
            name: "min.cleanable.dirty.ratio",
            created: "0.01".to_owned(),
            rule: Rule::AtMostThousandths(100),
        };
        for (setting, right, wrong) in [
            (Setting::exactly("cleanup.policy", "compact"), &["compact"][..], &["delete", "compact,delete", ""][..]),
            (Setting::at_least("min.insync.replicas", 2), &["2", "3"], &["1", "", "-1"]),
            (Setting::at_most("segment.ms", 1_000), &["1", "1000"], &["1001", "9223372036854775807", "-1", ""]),
            (ratio, &["0.0", "0.01", "0.1"], &["0.11", "0.5", "1.0", "NaN", "-0.1", ""]),
            (Setting::record_bytes(4 << 20, 5 << 20), &["4194304", "67043328"], &["4194303", "67108864", "-1", ""]),
            (
                Setting::compression("producer"),
                &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd", ""],
                &["brotli", "none", "ZSTD"],
            ),
            (
                Setting::format_with_headers(),
                &["", "0.11.0-IV2", "1.0-IV0", "2.8-IV1", "3.0-IV1"],
                &["0.10.2-IV0", "0.9.0", "0.8.2"],
            ),
        ] {
            for value in right {
                assert_eq!(setting.wrong(value), None, "{} {value}", setting.name);
            }
            for value in wrong {
                assert!(
                    setting.wrong(value).is_some_and(|text| text.contains(setting.name)),
                    "{} {value}",
                    setting.name
                );
            }
        }
    }
}
