//! The log: can it be opened, is it the one that is configured, can its first and last records be read?

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::DecisionRecord;
use daybook_log::{BesideTopics, Bounds, EmbeddedLog, KafkaOptions, Log, LogError, Topic, codes};
use daybook_proto::log::v1::CommandRecord;
use daybook_rocks::{Memory, is_in_use};
use daybook_server::config::Config;
use daybook_server::data_dir::{keys_folder, log_folder};
use daybook_server::serve::{kafka_options, open_log};
use daybook_server::snapshots::through_archive;
use prost::Message;

use super::finding::{Finding, Report};

/// A log that could be opened.
pub(super) struct Seen {
    /// The log.
    pub(super) log: Arc<dyn Log>,
    /// Whether another process writes to it.
    pub(super) in_use: bool,
    /// Commands and decisions of each partition.
    pub(super) bounds: Vec<[Bounds; 2]>,
}

impl Seen {
    /// Whether anything was ever written to it.
    pub(super) fn has_records(&self) -> bool {
        self.bounds.iter().flatten().any(|bounds| bounds.next > Offset(0))
    }
}

/// What became of looking at the log.
pub(super) enum Looked {
    /// It is there.
    Seen(Seen),
    /// There is none yet.
    NoneYet,
    /// It could not be looked at, which was told.
    Failed,
}

impl Looked {
    /// The log, if it could be opened.
    pub(super) fn seen(&self) -> Option<&Seen> {
        match self {
            Self::Seen(seen) => Some(seen),
            Self::NoneYet | Self::Failed => None,
        }
    }
}

/// Opens the log and looks at it.
pub(super) async fn look(config: &Config, scratch: &Path, memory: &Memory, report: &mut Report) -> Looked {
    let (log, in_use) = match open(config, scratch, memory, report).await {
        Ok(opened) => opened,
        Err(looked) => return looked,
    };
    // What was trimmed away and archived is not missing. What is wrong with the address of the archive, a start tells.
    let log = through_archive(config, Arc::clone(&log)).unwrap_or(log);
    let (name, partitions) = (config.log.name.as_str(), config.log.partitions);
    if (log.name(), log.partitions()) != (name, partitions) {
        let found = format!("it is {:?} with {} partitions", log.name(), log.partitions());
        report.add(
            Finding::problem("log", found)
                .code(codes::LOG_SHAPE_DIFFERS)
                .means(format!("{name:?} with {partitions} partitions is configured: a node does not start"))
                .next("set log.name and log.partitions to what the log has"),
        );
    }
    let mut bounds = Vec::new();
    let before = report.problems();
    for partition in (0..log.partitions()).map(PartitionId) {
        match look_at_partition(&*log, partition, report).await {
            Ok(found) => bounds.push(found),
            Err(error) => {
                report.add(told(format!("log, partition {partition}"), &error));
                return Looked::Failed;
            }
        }
    }
    if report.problems() == before {
        let count = |topic: usize| bounds.iter().map(|of| of[topic].next.0 - of[topic].first.0).sum::<u64>();
        let found = format!(
            "{}; {} commands, {} decision records; the first and last of each partition can be read",
            log.describe(),
            count(0),
            count(1)
        );
        let finding = Finding::ok("log", found);
        report.add(finding.means("`daybook log verify` reads all of it"));
    }
    Looked::Seen(Seen { log, in_use, bounds })
}

async fn open(
    config: &Config,
    scratch: &Path,
    memory: &Memory,
    report: &mut Report,
) -> Result<(Arc<dyn Log>, bool), Looked> {
    if let Some(options) = kafka_options(config) {
        // Looking must not create anything.
        let mut looking = config.clone();
        looking.log.kafka_replication = 0;
        return match open_log(&looking, memory).await {
            Ok(log) => Ok((log, false)),
            Err(LogError::TopicMissing { .. }) => Err(none_on_kafka(config, options, report).await),
            Err(error) => {
                report.add(told("log".to_owned(), &error));
                Err(Looked::Failed)
            }
        };
    }
    let folder = log_folder(&config.node.data_dir);
    let in_use = is_in_use(&folder) == Some(true);
    if in_use {
        report.add(
            Finding::warning("log", "another process has it open")
                .code(codes::LOG_IN_USE)
                .means("a node runs on this folder; what follows was read beside it, and a second node would not start")
                .next("nothing, if that is the node that should run; else stop it"),
        );
    }
    let opened = if in_use {
        EmbeddedLog::open_to_read(folder, scratch.join("log"), memory)
    } else {
        EmbeddedLog::open_read_only(folder, memory)
    };
    match opened {
        Ok(log) => Ok((Arc::new(log), in_use)),
        Err(LogError::NotFound { folder }) => {
            let data = &config.node.data_dir;
            if has_stores(config) || keys_folder(data).exists() {
                report.add(
                    Finding::problem(
                        "log",
                        format!("there is none in {}, but there are stores or keys", folder.display()),
                    )
                    .code(codes::LOG_NOT_FOUND)
                    .means("a node would begin a new log, and refuse the stores of the old one")
                    .next("put the folder `log` back from its copy before a node is started"),
                );
                return Err(Looked::Failed);
            }
            report.add(
                Finding::ok("log", format!("there is none in {} yet", folder.display()))
                    .means("the first start makes a new one"),
            );
            Err(Looked::NoneYet)
        }
        Err(error) => {
            report.add(told("log".to_owned(), &error));
            Err(Looked::Failed)
        }
    }
}

fn has_stores(config: &Config) -> bool {
    config.node.data_dir.join("store").exists()
}

/// One of the log's topics is missing: no node has run yet, or somebody has deleted it.
async fn none_on_kafka(config: &Config, options: KafkaOptions, report: &mut Report) -> Looked {
    let name = options.name.clone();
    let creates = options.create_with_replication.is_some();
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    let topics = match BesideTopics::connect(KafkaOptions { create_with_replication: None, ..options }, false) {
        Ok(topics) => topics,
        Err(error) => {
            report.add(told("log".to_owned(), &error));
            return Looked::Failed;
        }
    };
    for topic in ["commands", "decisions", "keys"].map(|topic| format!("{name}.{topic}")) {
        match topics.exists(&topic).await {
            Ok(true) => there.push(topic),
            Ok(false) => missing.push(topic),
            Err(error) => {
                report.add(told("log".to_owned(), &error));
                return Looked::Failed;
            }
        }
    }
    let found = format!("there are no topics {}", missing.join(", "));
    if !there.is_empty() || has_stores(config) {
        let but =
            if there.is_empty() { "but there are stores".to_owned() } else { format!("but {}", there.join(", ")) };
        report.add(
            Finding::problem("log", format!("{found}, {but}"))
                .code(codes::LOG_NOT_FOUND)
                .means("somebody has deleted them, or they are on other brokers; a node would begin a new log")
                .next("check log.url and log.name; put the topics back before a node is started"),
        );
        return Looked::Failed;
    }
    if !creates {
        report.add(
            Finding::problem("log", format!("{found}, and log.kafka_replication is 0"))
                .code(codes::TOPIC_SETTINGS_WRONG)
                .means("a node does not create topics, and does not start without them")
                .next("create them as the page says, or set log.kafka_replication"),
        );
        return Looked::Failed;
    }
    report.add(Finding::ok("log", found).means("no node has run on this log yet: the first start makes them"));
    Looked::NoneYet
}

fn told(subject: String, error: &LogError) -> Finding {
    Finding::problem(subject, error)
        .code(error.code())
        .means("a node does not start, or this partition does not")
        .next("keep a copy of the data folder, then see the page")
}

async fn look_at_partition(
    log: &dyn Log,
    partition: PartitionId,
    report: &mut Report,
) -> Result<[Bounds; 2], LogError> {
    let subject = format!("log, partition {partition}");
    let mut found = Vec::with_capacity(2);
    for topic in Topic::ALL {
        let bounds = log.bounds(topic, partition).await?;
        found.push(bounds);
        if bounds.first > Offset(0) {
            report.add(
                Finding::warning(&subject, format!("{topic} begin at offset {}", bounds.first))
                    .code(codes::LOG_TRIMMED)
                    .means("the chain cannot be checked from its beginning, and a store cannot be folded anew")
                    .next("keep the stores; if it was archived, set archive.url; else find out who deletes records"),
            );
        }
        if bounds.first == bounds.next {
            continue;
        }
        let first = record(log, topic, partition, bounds.first).await?;
        let last = record(log, topic, partition, Offset(bounds.next.0 - 1)).await?;
        let genesis = Hash::genesis(log.name(), log.partitions(), partition.0);
        let wrong = match topic {
            Topic::Commands => CommandRecord::decode(last).is_err().then_some("the last command cannot be read"),
            Topic::Decisions => match (DecisionRecord::read(first), DecisionRecord::read(last)) {
                (_, Err(_)) => Some("the last decision record cannot be read"),
                (Err(_), _) => Some("the first decision record cannot be read"),
                (Ok(first), _) if bounds.first == Offset(0) && first.prev_hash != genesis => {
                    Some("the first decision record does not begin a chain of this log")
                }
                _ => None,
            },
        };
        if let Some(wrong) = wrong {
            report.add(
                Finding::problem(&subject, wrong)
                    .code(codes::LOG_DAMAGED)
                    .means("no correct writer leaves such a record")
                    .next("`daybook log verify` says how far the chain is whole; go back to a copy that is"),
            );
        }
    }
    match found[..] {
        [commands, decisions] => Ok([commands, decisions]),
        _ => Err(LogError::Closed),
    }
}

/// The bytes of one record.
pub(super) async fn record(
    log: &dyn Log,
    topic: Topic,
    partition: PartitionId,
    at: Offset,
) -> Result<bytes::Bytes, LogError> {
    // It is there, so it comes at once, unless what keeps it has gone away meanwhile.
    const WAIT_MAX: Duration = Duration::from_secs(30);
    let mut reader = log.reader(topic, partition, at)?;
    let read = tokio::time::timeout(WAIT_MAX, reader.next()).await;
    let silent = || LogError::Unavailable { what: format!("{topic} of partition {partition}: no record in 30 s") };
    let records = read.map_err(|_| silent())??;
    let missing = || LogError::Damaged { what: format!("{topic} of partition {partition} have no record {at}") };
    records.into_iter().next().map(|record| record.bytes).ok_or_else(missing)
}
