//! Reading a log without a node: where the configuration says it lies.

use std::path::Path;
use std::sync::Arc;

use daybook_archive::Archive;
use daybook_kernel::decide::Decider;
use daybook_kernel::id::PartitionId;
use daybook_log::{EmbeddedLog, Log};
use daybook_policy::Cedar;
use daybook_replay::Progress;
use daybook_rocks::Memory;
use daybook_server::config::Config;
use daybook_server::data_dir::log_folder;
use daybook_server::serve::open_log;
use daybook_server::snapshots::through_archive;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::failure::{Failure, Outcome};

/// A log that is open for reading.
pub(crate) enum ReadableLog {
    /// On this machine; whether or not a node has it open.
    Embedded(Arc<EmbeddedLog>),
    /// Elsewhere.
    Kafka(Arc<dyn Log>),
    /// In the folder of an export.
    Archive(Archive),
    /// One of the above with its archived beginning, read as one.
    Through {
        /// Both together.
        log: Arc<dyn Log>,
        /// The log itself.
        below: Box<ReadableLog>,
    },
}

impl ReadableLog {
    /// Opens the log, with its archived beginning where one is configured; `scratch` is a folder for what reading beside a
    /// writer needs.
    pub(crate) async fn open(config: &Config, scratch: &Path, memory: &Memory) -> Outcome<Self> {
        let below = Self::open_without_archive(config, scratch, memory).await?;
        if config.archive.url.is_empty() {
            return Ok(below);
        }
        Ok(Self::Through { log: through_archive(config, below.log())?, below: Box::new(below) })
    }

    /// Opens the log, and only what itself still has.
    pub(crate) async fn open_without_archive(config: &Config, scratch: &Path, memory: &Memory) -> Outcome<Self> {
        if config.log.kafka_brokers().is_some() {
            // Reading must not create anything.
            let mut config = config.clone();
            config.log.kafka_replication = 0;
            return Ok(Self::Kafka(open_log(&config, memory).await?));
        }
        let folder = log_folder(&config.node.data_dir);
        let log = EmbeddedLog::open_to_read(folder, scratch.join("reader"), memory)?;
        Ok(Self::Embedded(Arc::new(log)))
    }

    /// The log.
    pub(crate) fn log(&self) -> Arc<dyn Log> {
        match self {
            Self::Embedded(log) => Arc::clone(log) as Arc<dyn Log>,
            Self::Kafka(log) => Arc::clone(log),
            Self::Archive(archive) => Arc::new(archive.clone()),
            Self::Through { log, .. } => Arc::clone(log),
        }
    }

    /// Takes in what was written since.
    pub(crate) fn catch_up(&self) -> Outcome {
        match self {
            Self::Embedded(log) => Ok(log.catch_up()?),
            Self::Kafka(_) | Self::Archive(_) => Ok(()),
            Self::Through { below, .. } => below.catch_up(),
        }
    }
}

/// The partitions that are meant: one, or all.
pub(crate) fn partitions(log: &dyn Log, only: Option<u32>) -> Outcome<Vec<PartitionId>> {
    match only {
        None => Ok((0..log.partitions()).map(PartitionId).collect()),
        Some(one) if one < log.partitions() => Ok(vec![PartitionId(one)]),
        Some(one) => Err(Failure::new(format!("there is no partition {one}: the log has {}", log.partitions()))),
    }
}

/// Decides and folds with the domains of this release.
pub(crate) fn decider(log: &dyn Log) -> Decider {
    Decider::new(daybook_domains::registry(), Arc::new(Cedar::new()), log.partitions())
}

/// One progress bar for all partitions: records, and decisions per second.
pub(crate) struct Bar {
    bar: ProgressBar,
    decisions: std::sync::atomic::AtomicU64,
    started: std::time::Instant,
}

impl Bar {
    /// A bar on standard error; none when that is not a terminal.
    pub(crate) fn new(what: &str) -> Self {
        let bar = MultiProgress::new().add(ProgressBar::new(0));
        let template = "{prefix} {wide_bar} {pos}/{len} records, {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        Self { bar, decisions: Default::default(), started: std::time::Instant::now() }
    }

    /// Decisions per second so far.
    pub(crate) fn rate(&self) -> u64 {
        let decisions = self.decisions.load(std::sync::atomic::Ordering::Relaxed);
        (decisions as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64
    }

    /// Ends the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn starts(&self, records: u64) {
        self.bar.inc_length(records);
    }

    fn advances(&self, records: u64, decisions: u64) {
        self.decisions.fetch_add(decisions, std::sync::atomic::Ordering::Relaxed);
        self.bar.inc(records);
        self.bar.set_message(format!("{} decisions/s", self.rate()));
    }
}
