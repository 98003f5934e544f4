//! `daybook log archive`: the beginning of the log into the archive, and then, if that is wanted, out of the log.

use daybook_kernel::id::Offset;
use daybook_log::Topic;
use daybook_rocks::Memory;
use daybook_server::serve::open_log;
use daybook_server::snapshots::archived;
use daybook_snapshot::{Cut, SnapshotError, archive};
use serde_json::json;

use crate::args::Global;
use crate::commands::log::CACHE_BYTES;
use crate::commands::replay::WRITE_BUFFER_BYTES;
use crate::commands::snapshot::{configured, meant};
use crate::failure::{Failure, Outcome};
use crate::offline::ReadableLog;
use crate::output::{self, line};
use crate::session::scratch;

/// What is to be archived.
pub(crate) struct Wanted {
    /// Only of this partition.
    pub(crate) partition: Option<u32>,
    /// Only decisions before this offset.
    pub(crate) before: Option<u64>,
    /// So many decision records stay.
    pub(crate) keep: Option<u64>,
    /// What is archived leaves the log.
    pub(crate) trim: bool,
}

/// Archives what the oldest kept snapshot of each partition makes dispensable.
pub(crate) async fn run(wanted: &Wanted, global: &Global) -> Outcome {
    let config = global.config()?;
    let missing = || {
        Failure::new("archive.url is not set: there is no place for the archived log; nothing was changed")
            .hint("set it in the configuration file, or as DAYBOOK_ARCHIVE__URL: file:///FOLDER or s3://BUCKET/PREFIX")
    };
    let archived = archived(&config)?.ok_or_else(missing)?;
    let snapshots = configured(&config)?;
    let (_folder, scratch) = scratch("archive")?;
    let memory = Memory::new(CACHE_BYTES, WRITE_BUFFER_BYTES);
    let log = if wanted.trim {
        // As a node opens it: nobody else may write to an embedded log. Nothing is created.
        let mut config = config.clone();
        config.log.kafka_replication = 0;
        if config.log.kafka_brokers().is_none() {
            ReadableLog::open_without_archive(&config, &scratch, &memory).await?;
        }
        open_log(&config, &memory).await?
    } else {
        ReadableLog::open_without_archive(&config, &scratch, &memory).await?.log()
    };
    let (mut rows, mut without) = (Vec::new(), None);
    for partition in meant(&config, wanted.partition)? {
        let kept = snapshots.list(partition).await?;
        let Some((oldest, mut cut)) = kept.iter().rev().find_map(|kept| Some((kept, Cut::at(kept)?))) else {
            without.get_or_insert(partition);
            continue;
        };
        if wanted.trim {
            // What the log lets go of, only this snapshot and newer ones can stand in for.
            snapshots.check(partition, oldest, &scratch).await?;
        }
        if let Some(before) = wanted.before {
            cut = cut.before(Offset(before));
        }
        if let Some(keep) = wanted.keep {
            let next = log.bounds(Topic::Decisions, partition).await?.next;
            cut = cut.before(Offset(next.0.saturating_sub(keep)));
        }
        rows.push(archive(&*log, &archived, &cut, wanted.trim).await?);
    }
    match without {
        Some(partition) if rows.is_empty() => {
            return Err(SnapshotError::NotFound { url: snapshots.url().to_owned(), partition }.into());
        }
        _ => {}
    }
    if global.json {
        let rows = rows.iter().map(|row| {
            json!({
                "partition": row.partition.0, "records": row.records,
                "decisionsNext": row.decisions_next.0, "commandsNext": row.commands_next.0, "trimmed": wanted.trim,
            })
        });
        output::json(&json!({ "archive": archived.url(), "partitions": rows.collect::<Vec<_>>() }));
        return Ok(());
    }
    let table = rows.iter().map(|row| {
        [u64::from(row.partition.0), row.records, row.decisions_next.0, row.commands_next.0].map(|it| it.to_string())
    });
    output::table(["partition", "archived now", "decisions to", "commands to"], table);
    let trimmed = if wanted.trim { "; the log has let go of it" } else { "" };
    line(format_args!("everything was read back from {}{trimmed}", archived.url()));
    if let Some(partition) = without {
        line(format_args!("partitions without a snapshot were left as they are, the first of them {partition}"));
    }
    Ok(())
}
