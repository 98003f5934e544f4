//! The log: can it be opened, is it the one that is configured, can its first and last records be read?

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::DecisionRecord;
use daybook_log::{Bounds, EmbeddedLog, Log, LogError, Topic, codes};
use daybook_proto::log::v1::CommandRecord;
use daybook_rocks::{Memory, is_in_use};
use daybook_server::config::Config;
use daybook_server::data_dir::{keys_folder, log_folder};
use daybook_server::serve::open_log;
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

/// Opens the log and looks at it.
pub(super) async fn look(config: &Config, scratch: &Path, memory: &Memory, report: &mut Report) -> Option<Seen> {
    let (log, in_use) = open(config, scratch, memory, report).await?;
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
                return None;
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
    Some(Seen { log, in_use, bounds })
}

async fn open(config: &Config, scratch: &Path, memory: &Memory, report: &mut Report) -> Option<(Arc<dyn Log>, bool)> {
    if config.log.kafka_brokers().is_some() {
        // Looking must not create anything.
        let mut config = config.clone();
        config.log.kafka_replication = 0;
        return match open_log(&config, memory).await {
            Ok(log) => Some((log, false)),
            Err(error) => {
                report.add(told("log".to_owned(), &error));
                None
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
        Ok(log) => Some((Arc::new(log), in_use)),
        Err(LogError::NotFound { folder }) => {
            let data = &config.node.data_dir;
            let finding = if data.join("store").exists() || keys_folder(data).exists() {
                Finding::problem("log", format!("there is none in {}, but there are stores or keys", folder.display()))
                    .code(codes::LOG_NOT_FOUND)
                    .means("a node would begin a new log, and refuse the stores of the old one")
                    .next("put the folder `log` back from its copy before a node is started")
            } else {
                Finding::ok("log", format!("there is none in {} yet", folder.display()))
                    .means("the first start makes a new one")
            };
            report.add(finding);
            None
        }
        Err(error) => {
            report.add(told("log".to_owned(), &error));
            None
        }
    }
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
