//! A log of some size, with a snapshot of each partition that is not quite new.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use daybook_server::data_dir::snapshot_scratch;
use daybook_snapshot::{Objects, S3Options, Snapshots};

use crate::client::Client;
use crate::commands::inside;
use crate::items::{Items, PARTITIONS, tenants};
use crate::load::so_often;
use crate::node::start;

/// Callers that fill a log.
pub(crate) const CALLERS: usize = 512;
/// One in so many decisions comes after the snapshots.
pub(crate) const TAIL: u64 = 10;
/// Snapshots that are kept; there is one.
const KEEP: usize = 3;

/// The snapshots of a log in a folder.
pub(crate) fn snapshots(url: &str, name: &str) -> Result<Snapshots> {
    let objects = Objects::open(url, &S3Options::default())?;
    Ok(Snapshots::new(objects, name, PARTITIONS, KEEP).accepting_unsigned(true))
}

/// Has a node decide so many commands and stop. How long the commands took.
pub(crate) async fn fill(data: &Path, name: &str, decisions: u64) -> Result<Duration> {
    fill_around(data, name, [decisions, 0], None).await
}

/// The same; when nine in ten commands are decided, it takes a snapshot of each partition.
pub(crate) async fn fill_with_snapshots(data: &Path, name: &str, decisions: u64, url: &str) -> Result<Duration> {
    let tail = decisions / TAIL;
    fill_around(data, name, [decisions - tail, tail], Some(snapshots(url, name)?)).await
}

async fn fill_around(
    data: &Path,
    name: &str,
    [before, after]: [u64; 2],
    snapshots: Option<Snapshots>,
) -> Result<Duration> {
    let tenants = Arc::new(tenants());
    let running = start(data, "embedded", name).await?;
    Client::connect(&running.address.to_string(), data, &tenants).await?;
    let register = inside(&running.node, &tenants, &Arc::new(Items::new()));
    let mut took = so_often(CALLERS, before, &register).await?;
    if let Some(snapshots) = snapshots {
        for partition in running.node.partitions() {
            let store = Arc::clone(partition.store());
            let copy_to = move |folder: &Path| store.copy_to(folder);
            let (id, now) = (running.node.id(), running.node.now());
            let taken = snapshots.take(partition.id(), copy_to, &snapshot_scratch(data), id, now).await?;
            taken.context("a snapshot was not taken")?;
        }
    }
    took += so_often(CALLERS, after, &register).await?;
    running.stop().await;
    Ok(took)
}
