//! `daybook snapshot`: snapshots in the object store, without a node.

use std::time::SystemTime;

use daybook_kernel::chain::Head;
use daybook_kernel::id::PartitionId;
use daybook_kernel::time::Timestamp;
use daybook_proto::node::v1::{TakeSnapshotsRequest, TakeSnapshotsResponse};
use daybook_rocks::Memory;
use daybook_server::config::Config;
use daybook_server::data_dir::{snapshot_scratch, store_folder};
use daybook_server::snapshots::snapshots;
use daybook_snapshot::{Kept, Restored, SnapshotError, Snapshots};
use daybook_store::codes::STORE_IN_USE;
use daybook_store::{ProjectionVersion, RocksStore};
use serde_json::{Value, json};

use crate::args::{Global, Snapshot};
use crate::failure::{Failure, Outcome};
use crate::output::{self, line, short};
use crate::session::{Session, scratch};
use crate::units;

/// Lists, takes and restores snapshots.
pub(crate) async fn run(snapshot: Snapshot, global: &Global) -> Outcome {
    let config = global.config()?;
    let snapshots = configured(&config)?;
    match snapshot {
        Snapshot::List { partition, check } => list(&config, &snapshots, partition, check, global.json).await,
        Snapshot::Take { partition } => match take(&config, &snapshots, partition, global.json).await {
            // A node serves from these stores: it takes them itself.
            Err(failure) if failure.code() == Some(STORE_IN_USE.name) => {
                ask_the_node(&snapshots, partition, &global.session()?).await
            }
            done => done,
        },
        Snapshot::Restore { partition, into } => {
            let folder = |partition: PartitionId| match &into {
                Some(into) => into.join(format!("{:04}", partition.0)),
                None => store_folder(&config.node.data_dir, partition),
            };
            restore(&config, &snapshots, partition, &folder, global.json).await
        }
    }
}

/// The snapshots that are configured.
pub(crate) fn configured(config: &Config) -> Outcome<Snapshots> {
    let missing = || {
        Failure::new("snapshots.url is not set: there is no place for snapshots; nothing was changed").hint(
            "set it in the configuration file, or as DAYBOOK_SNAPSHOTS__URL: file:///FOLDER or s3://BUCKET/PREFIX",
        )
    };
    snapshots(config)?.ok_or_else(missing)
}

/// The partitions that are meant: one, or all that are configured.
pub(crate) fn meant(config: &Config, only: Option<u32>) -> Outcome<Vec<PartitionId>> {
    let count = config.log.partitions;
    match only {
        None => Ok((0..count).map(PartitionId).collect()),
        Some(one) if one < count => Ok(vec![PartitionId(one)]),
        Some(one) => Err(Failure::new(format!("there is no partition {one}: the log has {count}"))),
    }
}

/// The time now.
fn now() -> Timestamp {
    Timestamp::default().saturating_add(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

async fn list(config: &Config, snapshots: &Snapshots, only: Option<u32>, check: bool, as_json: bool) -> Outcome {
    let (_folder, scratch) = scratch("snapshot")?;
    let mut rows = Vec::new();
    let mut damaged = None;
    for partition in meant(config, only)? {
        for kept in snapshots.list(partition).await? {
            let mut state = kept.manifest.as_ref().map_or_else(String::clone, |_| "finished".to_owned());
            if check {
                match snapshots.check(partition, &kept, &scratch).await {
                    Ok(()) => state = "whole".to_owned(),
                    Err(error @ SnapshotError::Damaged { .. }) => {
                        state = "DAMAGED".to_owned();
                        damaged.get_or_insert(error);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            rows.push((partition, kept, state));
        }
    }
    if as_json {
        output::json(&rows.iter().map(|(partition, kept, state)| as_json_row(*partition, kept, state)).collect());
    } else if rows.is_empty() {
        line(format_args!("there is no snapshot in {}", snapshots.url()));
    } else {
        let header = ["partition", "taken", "by", "decisions to", "commands to", "bytes", "head", "state"];
        output::table(header, rows.iter().map(|(partition, kept, state)| as_row(*partition, kept, state)));
    }
    damaged.map_or(Ok(()), |error| Err(error.into()))
}

fn as_row(partition: PartitionId, kept: &Kept, state: &str) -> [String; 8] {
    let Ok(manifest) = &kept.manifest else {
        let unknown = || "?".to_owned();
        let state = format!("DAMAGED: {state}");
        return [partition.0.to_string(), unknown(), unknown(), unknown(), unknown(), unknown(), unknown(), state];
    };
    [
        partition.0.to_string(),
        units::show_time(Some(&Timestamp::from_micros(manifest.taken_at_us).to_proto())),
        manifest.node.clone(),
        manifest.next_record.to_string(),
        manifest.next_command.to_string(),
        manifest.bytes().to_string(),
        short(&manifest.head_hash),
        state.to_owned(),
    ]
}

fn as_json_row(partition: PartitionId, kept: &Kept, state: &str) -> Value {
    let manifest = kept.manifest.as_ref().ok().and_then(|manifest| serde_json::to_value(manifest).ok());
    json!({ "partition": partition.0, "name": kept.name, "state": state, "manifest": manifest })
}

async fn take(config: &Config, snapshots: &Snapshots, only: Option<u32>, as_json: bool) -> Outcome {
    let memory = Memory::default();
    let projections = ProjectionVersion::of_release(&daybook_domains::registry());
    let scratch = snapshot_scratch(&config.node.data_dir);
    let mut taken = Vec::new();
    for partition in meant(config, only)? {
        let folder = store_folder(&config.node.data_dir, partition);
        // Opening would make an empty one.
        if !folder.join("CURRENT").exists() {
            continue;
        }
        let genesis = Head::genesis(&config.log.name, config.log.partitions, partition);
        let (store, _) = RocksStore::open(&folder, &genesis, &projections, &memory)?;
        let now = now();
        let one = snapshots.take(partition, move |into| store.copy_to(into), &scratch, &config.node.id, now).await?;
        snapshots.prune(partition, now).await?;
        taken.extend(one.map(|kept| (partition, kept)));
    }
    if as_json {
        output::json(&taken.iter().map(|(partition, kept)| as_json_row(*partition, kept, "finished")).collect());
        return Ok(());
    }
    for (partition, kept) in &taken {
        line(format_args!("partition {partition}: {}", kept.name));
    }
    said_how_many(taken.len(), snapshots);
    Ok(())
}

async fn ask_the_node(snapshots: &Snapshots, only: Option<u32>, session: &Session) -> Outcome {
    let request = TakeSnapshotsRequest { partitions: only.into_iter().collect() };
    let response: TakeSnapshotsResponse = session.client.ask(&request).await?;
    session.show(&response, |response| {
        for taken in &response.snapshots {
            line(format_args!("partition {}: {}", taken.partition, taken.name));
        }
        said_how_many(response.snapshots.len(), snapshots);
    })
}

fn said_how_many(taken: usize, snapshots: &Snapshots) {
    line(format_args!(
        "{taken} snapshots were taken; of the other partitions nothing is newer than what {} has",
        snapshots.url()
    ));
}

async fn restore(
    config: &Config,
    snapshots: &Snapshots,
    only: Option<u32>,
    folder: &dyn Fn(PartitionId) -> std::path::PathBuf,
    as_json: bool,
) -> Outcome {
    let mut rows = Vec::new();
    for partition in meant(config, only)? {
        let into = folder(partition);
        if only.is_none() && into.exists() {
            rows.push(json!({ "partition": partition.0, "restored": Value::Null, "why": "it has a store" }));
            continue;
        }
        match snapshots.restore(partition, &into).await? {
            Restored::None if only.is_some() => {
                return Err(SnapshotError::NotFound { url: snapshots.url().to_owned(), partition }.into());
            }
            Restored::None => {
                rows.push(json!({ "partition": partition.0, "restored": Value::Null, "why": "there is no snapshot" }));
            }
            Restored::From { name, manifest, skipped } => {
                let skipped: Vec<_> = skipped.iter().map(|one| json!({ "name": one.name, "what": one.what })).collect();
                rows.push(json!({
                    "partition": partition.0, "restored": name, "nextRecord": manifest.next_record, "skipped": skipped,
                }));
            }
        }
    }
    if as_json {
        output::json(&Value::Array(rows));
        return Ok(());
    }
    for row in rows {
        let partition = &row["partition"];
        for skipped in row["skipped"].as_array().into_iter().flatten() {
            let (name, what) = (skipped["name"].as_str(), skipped["what"].as_str());
            line(format_args!(
                "partition {partition}: {} was passed over: {}",
                name.unwrap_or("?"),
                what.unwrap_or("?")
            ));
        }
        match row["restored"].as_str() {
            Some(name) => line(format_args!("partition {partition}: restored from {name}")),
            None => line(format_args!("partition {partition}: {}", row["why"].as_str().unwrap_or_default())),
        }
    }
    Ok(())
}
