//! Reading the log again: walk, verify and rebuild against a plain scan of the same log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_kernel::decide::Decider;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{EmbeddedLog, Log, Topic};
use daybook_policy::Cedar;
use daybook_replay::{Until, rebuild, verify, walk};
use daybook_rocks::Memory;
use daybook_server::data_dir::log_folder;
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use crate::filled::{CALLERS, fill};
use crate::load::median;
use crate::machine::processor_time;
use crate::report::{Report, Table, count, duration};
use crate::{Part, Scale};

/// What is timed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    Scan,
    Walk,
    Verify,
    Rebuild,
}

const READINGS: [(Reading, &str); 4] = [
    (Reading::Scan, "plain scan of both topics"),
    (Reading::Walk, "walk the chain"),
    (Reading::Verify, "verify: decide everything again"),
    (Reading::Rebuild, "rebuild: fold a store from nothing"),
];

/// Fills a log through a node, then reads it.
pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let data = folder.join("node");
    let filled = fill(&data, "replay", scale.replayed).await?;
    let log = EmbeddedLog::open_to_read(log_folder(&data), folder.join("reader"), &Memory::default())?;
    let log: Arc<dyn Log> = Arc::new(log);
    let mut times = vec![Vec::new(); READINGS.len()];
    let mut spent = vec![Duration::ZERO; READINGS.len()];
    let mut decisions = 0;
    for round in 0..scale.rounds.div_ceil(2) {
        for (i, (reading, _)) in READINGS.iter().enumerate() {
            let scratch = folder.join(format!("{reading:?}-{round}"));
            let (started, before) = (Instant::now(), processor_time(&[std::process::id()]));
            let read = every_partition(&log, *reading, &scratch).await?;
            times[i].push(started.elapsed());
            spent[i] += processor_time(&[std::process::id()]).saturating_sub(before);
            ensure!(read >= scale.replayed, "{reading:?} saw {read} decisions of {}", scale.replayed);
            decisions = read;
            if scratch.exists() {
                std::fs::remove_dir_all(scratch)?;
            }
        }
    }
    let mut table = Table::new(["what", "decisions/s", "time", "against the scan", "processor, each"]);
    let mut scan = None;
    for (((reading, name), times), spent) in READINGS.iter().zip(times).zip(spent) {
        let each = spent / u32::try_from(decisions * times.len() as u64)?;
        let time: Duration = median(times).context("nothing was measured")?;
        let per_second = decisions as f64 / time.as_secs_f64();
        let scan = *scan.get_or_insert(time.as_secs_f64());
        let against = format!("{:.2} ×", time.as_secs_f64() / scan);
        table.row([(*name).to_owned(), count(per_second), duration(time), against, duration(each)]);
        if matches!(reading, Reading::Verify | Reading::Rebuild) {
            let aim = format!("{}: decisions/s", format!("{reading:?}").to_lowercase());
            report.aim(&aim, "≥ 200,000", count(per_second), per_second >= 200_000.0);
        }
    }
    report.table(Part::Replay, &table);
    report.note(
        Part::Replay,
        format!(
            "{} decisions on the embedded log, {} partitions, two for each core at once. Filled at {} \
             commands/s by {CALLERS} callers inside the process.",
            count(decisions as f64),
            log.partitions(),
            count(scale.replayed as f64 / filled.as_secs_f64())
        ),
    );
    Ok(())
}

/// Reads every partition, some at once. How many decisions were read.
pub(crate) async fn every_partition(log: &Arc<dyn Log>, reading: Reading, scratch: &Path) -> Result<u64> {
    let at_once = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    let decider = Decider::new(daybook_domains::registry(), Arc::new(Cedar::new()), log.partitions());
    let memory = Memory::default();
    let partitions = iter((0..log.partitions()).map(|partition| {
        let one = Reader {
            log: Arc::clone(log),
            decider: decider.clone(),
            memory: memory.clone(),
            scratch: scratch.to_owned(),
            partition: PartitionId(partition),
        };
        async move { tokio::spawn(one.read(reading)).await? }
    }));
    partitions.buffer_unordered(at_once).try_fold(0, |sum, read| async move { Ok(sum + read) }).await
}

struct Reader {
    log: Arc<dyn Log>,
    decider: Decider,
    memory: Memory,
    scratch: PathBuf,
    partition: PartitionId,
}

impl Reader {
    async fn read(self, reading: Reading) -> Result<u64> {
        let Self { log, decider, memory, scratch, partition } = self;
        Ok(match reading {
            Reading::Scan => {
                scan(&*log, Topic::Decisions, partition).await?;
                scan(&*log, Topic::Commands, partition).await?
            }
            Reading::Walk => {
                let walked = walk(&*log, partition, None, &()).await?;
                ensure!(walked.dropped_count == 0, "the chain is not whole: {:?}", walked.dropped);
                walked.decisions
            }
            Reading::Verify => {
                let verified = verify(&*log, &decider, partition, &scratch, &memory, &()).await?;
                ensure!(verified.difference_count == 0, "decided differently: {:?}", verified.differences);
                verified.decisions
            }
            Reading::Rebuild => {
                rebuild(&*log, &decider, partition, &scratch, Until::End, &memory, &()).await?.decisions
            }
        })
    }
}

async fn scan(log: &dyn Log, topic: Topic, partition: PartitionId) -> Result<u64> {
    let end = log.bounds(topic, partition).await?.next;
    let mut next = Offset(0);
    let mut reader = log.reader(topic, partition, next)?;
    while next < end {
        next = reader.next().await?.last().context("a reader gave nothing")?.offset.next();
    }
    Ok(end.0)
}
