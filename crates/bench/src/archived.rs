//! Reading a log whose beginning was trimmed away, through its archive, against reading the same log whole.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_kernel::id::PartitionId;
use daybook_log::{EmbeddedLog, EmbeddedOptions, Log, Recovery};
use daybook_rocks::Memory;
use daybook_server::data_dir::log_folder;
use daybook_snapshot::{ArchivedLog, Cut, Objects, S3Options, ThroughArchive, archive};

use crate::filled::{TAIL, fill_with_snapshots, snapshots};
use crate::items::PARTITIONS;
use crate::load::median;
use crate::machine::processor_time;
use crate::replay::{Reading, every_partition};
use crate::report::{Report, Table, count, duration};
use crate::{Part, Scale};

const NAME: &str = "archived";
const READINGS: [(Reading, &str); 3] =
    [(Reading::Scan, "plain scan"), (Reading::Verify, "verify"), (Reading::Rebuild, "rebuild")];

/// Fills a log, lets a copy of it go of its beginning, and reads both.
pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let (data, trimmed, objects) = (folder.join("node"), folder.join("trimmed"), folder.join("objects"));
    fs::create_dir_all(&objects)?;
    let url = format!("file://{}", objects.display());
    fill_with_snapshots(&data, NAME, scale.replayed, &url).await?;
    copy(&log_folder(&data), &trimmed)?;
    let archiving = Instant::now();
    let records = trim(&trimmed, &url).await?;
    let archiving = archiving.elapsed();

    let whole = EmbeddedLog::open_to_read(log_folder(&data), folder.join("reader"), &Memory::default())?;
    let tail = EmbeddedLog::open_to_read(trimmed, folder.join("tail-reader"), &Memory::default())?;
    let through = ThroughArchive::new(Arc::new(tail), archived(&url)?);
    let logs: [Arc<dyn Log>; 2] = [Arc::new(whole), Arc::new(through)];
    let mut times = vec![[Vec::new(), Vec::new()]; READINGS.len()];
    let mut spent = vec![[Duration::ZERO; 2]; READINGS.len()];
    let mut decisions = 0;
    let rounds = scale.rounds.div_ceil(2);
    for round in 0..rounds {
        for (i, (reading, _)) in READINGS.iter().enumerate() {
            for (of, log) in logs.iter().enumerate() {
                let scratch = folder.join(format!("{reading:?}-{of}-{round}"));
                let (started, before) = (Instant::now(), processor_time(&[std::process::id()]));
                let read = every_partition(log, *reading, &scratch).await?;
                times[i][of].push(started.elapsed());
                spent[i][of] += processor_time(&[std::process::id()]).saturating_sub(before);
                ensure!(read >= scale.replayed, "{reading:?} saw {read} decisions of {}", scale.replayed);
                decisions = read;
                if scratch.exists() {
                    fs::remove_dir_all(scratch)?;
                }
            }
        }
    }
    let header = ["what", "whole log", "with archive", "against it", "processor: whole log", "with archive"];
    let mut table = Table::new(header);
    for (((_, name), times), spent) in READINGS.iter().zip(times).zip(spent) {
        let [whole, through] = times.map(|times: Vec<Duration>| median(times).unwrap_or_default());
        let each = u32::try_from(decisions * rounds as u64)?;
        let [whole_spent, through_spent] = spent.map(|spent| duration(spent / each));
        let against = format!("{:.2} ×", through.as_secs_f64() / whole.as_secs_f64());
        table.row([(*name).to_owned(), duration(whole), duration(through), against, whole_spent, through_spent]);
    }
    report.table(Part::Archived, &table);
    let note = format!(
        "{} decisions, of which {} in {TAIL} are in the archive, a local folder. {} records of both topics were archived, \
         read back and trimmed in {}.",
        count(decisions as f64),
        TAIL - 1,
        count(records as f64),
        duration(archiving)
    );
    report.note(Part::Archived, note);
    Ok(())
}

fn archived(url: &str) -> Result<ArchivedLog> {
    Ok(ArchivedLog::new(Objects::open(url, &S3Options::default())?, NAME, PARTITIONS))
}

/// Archives what the snapshots make dispensable, and lets the log go of it. How many records that are.
async fn trim(folder: &Path, url: &str) -> Result<u64> {
    let options = EmbeddedOptions {
        folder: folder.to_owned(),
        name: NAME.to_owned(),
        partitions: PARTITIONS,
        recovery: Recovery::Strict,
    };
    let log = EmbeddedLog::open(options, &Memory::default())?;
    let (snapshots, archived) = (snapshots(url, NAME)?, archived(url)?);
    let mut records = 0;
    for partition in (0..PARTITIONS).map(PartitionId) {
        let kept = snapshots.list(partition).await?;
        let cut = kept.iter().find_map(Cut::at).context("a partition has no snapshot")?;
        records += archive(&log, &archived, &cut, true).await?.records;
    }
    Ok(records)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
