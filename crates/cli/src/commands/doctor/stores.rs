//! Each store against the log: does it belong to it, is it not ahead, is its last record the log's?

use std::path::Path;

use daybook_kernel::chain::Head;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::DecisionRecord;
use daybook_log::{LogError, Topic};
use daybook_rocks::{Memory, is_in_use};
use daybook_runtime::codes::{STORE_AHEAD_OF_LOG, STORE_DIFFERS_FROM_LOG};
use daybook_server::config::Config;
use daybook_server::data_dir::store_folder;
use daybook_store::{Inspected, ProjectionVersion, codes, inspect};

use super::finding::{Finding, Report};
use super::log::{Seen, record};

/// Looks at the store of every partition.
pub(super) async fn look(
    config: &Config,
    seen: Option<&Seen>,
    node_runs: bool,
    scratch: &Path,
    memory: &Memory,
    report: &mut Report,
) {
    let Some(seen) = seen else { return };
    let projections = ProjectionVersion::of_release(&daybook_domains::registry());
    let (before, mut found, mut behind, mut outdated) = (report.problems(), 0, 0, Vec::new());
    for partition in (0..seen.log.partitions()).map(PartitionId) {
        let folder = store_folder(&config.node.data_dir, partition);
        let subject = format!("store, partition {partition}");
        if !folder.join("CURRENT").exists() {
            behind += seen.bounds.get(partition.0 as usize).map_or(0, |bounds| bounds[1].next.0);
            continue;
        }
        found += 1;
        let beside = (seen.in_use || is_in_use(&folder) == Some(true)).then(|| scratch.join(format!("{partition}")));
        let inspected = match inspect(&folder, &projections, beside.as_deref(), memory) {
            Ok(inspected) => inspected,
            Err(error) => {
                report.add(
                    Finding::problem(subject, &error)
                        .code(error.code())
                        .means("the store only repeats the log: nothing is lost")
                        .next(format!("stop the node, remove {} and start again", folder.display())),
                );
                continue;
            }
        };
        outdated.extend(inspected.outdated.iter().cloned());
        match compare(seen, partition, &inspected).await {
            Ok(Compared::Behind(records)) => behind += records,
            Ok(Compared::Wrong(finding)) => {
                let finding = finding(&subject);
                report.add(finding);
            }
            Err(error) => report.add(Finding::problem(subject, &error).code(error.code())),
        }
    }
    if report.problems() == before {
        let all = seen.log.partitions();
        let found = format!("{found} of {all} are there, belong to this log, and stand where it was");
        let finding = Finding::ok("stores", found);
        report.add(match behind {
            0 => finding,
            behind if node_runs || seen.in_use => finding.means(format!(
                "{behind} records are not in them; the node that runs applies those of the partitions that it leads or follows"
            )),
            behind if config.log.kafka_brokers().is_some() => finding.means(format!(
                "{behind} records are not in them; a node that starts applies those of the partitions that it is given"
            )),
            behind => finding.means(format!("{behind} records are applied at the next start")),
        });
    }
    outdated.sort();
    outdated.dedup();
    if !outdated.is_empty() {
        report.add(
            Finding::warning("stores", format!("another release folded {}", outdated.join(", ")))
                .means("they are folded anew from the log before they serve, which takes a while")
                .next("nothing"),
        );
    }
}

/// How a store stands to the log.
enum Compared {
    /// It belongs to it, and is so many records behind.
    Behind(u64),
    /// It does not.
    Wrong(Box<dyn FnOnce(&str) -> Finding>),
}

async fn compare(seen: &Seen, partition: PartitionId, store: &Inspected) -> Result<Compared, LogError> {
    let log = &*seen.log;
    let wrong = |finding: Box<dyn FnOnce(&str) -> Finding>| Ok(Compared::Wrong(finding));
    let genesis = Head::genesis(log.name(), log.partitions(), partition);
    if store.genesis.is_some_and(|of| of != genesis.hash) {
        return wrong(Box::new(|subject| {
            Finding::problem(subject, "it belongs to another log or partition")
                .code(codes::STORE_OF_ANOTHER_LOG)
                .means("a node does not start on it")
                .next("give this log a data folder of its own, or put the right log back")
        }));
    }
    let head = store.head.clone().unwrap_or(genesis);
    let bounds = log.bounds(Topic::Decisions, partition).await?;
    if head.next_record > bounds.next {
        let found =
            format!("it knows decision records up to {}, the log ends before {}", head.next_record, bounds.next);
        return wrong(Box::new(move |subject| {
            Finding::problem(subject, found)
                .code(STORE_AHEAD_OF_LOG)
                .means("the log has lost records; the partition stops rather than go on without them")
                .next("put the log back from its newest copy; keep the store as it is")
        }));
    }
    if let Some(at) = head.record.filter(|at| *at >= bounds.first) {
        let bytes = record(log, Topic::Decisions, partition, at).await?;
        let hash = DecisionRecord::read(bytes).ok().map(|record| record.hash);
        if hash != Some(head.hash) {
            let found = format!("its last record, {at}, is not the one that stands there on the log");
            return wrong(Box::new(move |subject| {
                Finding::problem(subject, found)
                    .code(STORE_DIFFERS_FROM_LOG)
                    .means("one of the two was changed or exchanged; the partition stops")
                    .next("`daybook log verify --against` a checkpoint says whether the log is right; then remove the store")
            }));
        }
    }
    if head.next_record < bounds.first {
        let (next, first) = (head.next_record, bounds.first);
        let found = format!("it stands at decision record {next}, and the log begins at {first}");
        return wrong(Box::new(move |subject| {
            Finding::problem(subject, found)
                .code(daybook_log::codes::LOG_TRIMMED)
                .means("the records that it lacks are gone from the log: it cannot catch up")
                .next("put the records back from a copy at their old offsets")
        }));
    }
    Ok(Compared::Behind(bounds.next.0 - head.next_record.0.max(Offset(0).0)))
}
