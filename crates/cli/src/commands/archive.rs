//! `daybook log export` and `daybook log import`: a log into files, and files into a log.

use std::fs;
use std::path::Path;

use daybook_archive::{Archive, Import};
use daybook_log::Topic;
use daybook_rocks::Memory;
use daybook_server::data_dir::import_marker;
use daybook_server::serve::open_log;
use serde_json::json;

use crate::args::Global;
use crate::commands::log::CACHE_BYTES;
use crate::commands::replay::WRITE_BUFFER_BYTES;
use crate::failure::{Failure, Outcome};
use crate::offline::{Bar, ReadableLog};
use crate::output::{self, line, short};

/// Writes the log into a folder.
pub(crate) async fn export(readable: &ReadableLog, folder: &Path, global: &Global) -> Outcome {
    let bar = Bar::new("exporting");
    let log = readable.log();
    let archive = daybook_archive::export(&*log, folder, &bar).await?;
    bar.finish();
    show(&archive, global.json);
    if let Some(lane) = archive.manifest().trimmed()
        && !global.json
    {
        line(format_args!(
            "the log begins with offset {} of {} of partition {}: what came before was trimmed away and is not in the \
             export; it can be read, but it cannot be imported",
            lane.first, lane.topic, lane.partition
        ));
    }
    Ok(())
}

/// Copies an archive into the log that is configured.
pub(crate) async fn import(folder: &Path, global: &Global) -> Outcome {
    let archive = Archive::open(folder)?;
    let config = global.config()?;
    let memory = Memory::new(CACHE_BYTES, WRITE_BUFFER_BYTES);
    fs::create_dir_all(&config.node.data_dir)?;
    let log = open_log(&config, &memory).await?;
    let bar = Bar::new("importing");
    let import = Import::prepare(&archive, &*log, &bar).await?;
    let marker = import_marker(&config.node.data_dir);
    if import.records_left() > 0 {
        // Until the import has come to its end, no node starts on this folder.
        fs::write(&marker, "an import has begun here; run `daybook log import` again\n")?;
        fs::File::open(&marker)?.sync_all()?;
    }
    let imported = import.run(&bar).await?;
    if let Err(error) = fs::remove_file(&marker)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(Failure::new(format!("{}: {error}; the import is complete, remove that file", marker.display())));
    }
    bar.finish();
    if global.json {
        output::json(&json!({
            "log": log.name(),
            "at": log.describe(),
            "appended": imported.appended,
            "already": imported.already,
            "heads": archive.manifest().heads,
        }));
        return Ok(());
    }
    show(&archive, false);
    line(format_args!(
        "{} records were appended to {}, {} stood there already; every chain ends where the export ends",
        imported.appended,
        log.describe(),
        imported.already
    ));
    line("the keys are not part of a log: carry the folder `keys` of the data folder along, and the master key");
    Ok(())
}

fn show(archive: &Archive, as_json: bool) {
    let manifest = archive.manifest();
    if as_json {
        output::json(&serde_json::to_value(manifest).unwrap_or_default());
        return;
    }
    line(format_args!("log {}, {} partitions", manifest.log, manifest.partitions));
    let rows = (0..manifest.partitions).map(|partition| {
        let lane = |topic| manifest.lane(topic, partition);
        let range = |topic| lane(topic).map(|lane| format!("{} to {}", lane.first, lane.next)).unwrap_or_default();
        let lanes = Topic::ALL.into_iter().filter_map(lane);
        let bytes: u64 = lanes.flat_map(|lane| &lane.segments).map(|segment| segment.bytes).sum();
        let head = manifest.head(partition).map_or("trimmed".to_owned(), |head| short(&head.hash));
        [partition.to_string(), range(Topic::Commands), range(Topic::Decisions), bytes.to_string(), head]
    });
    output::table(["partition", "commands", "decisions", "bytes", "head"], rows);
}
