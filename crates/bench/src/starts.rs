//! A node starts: with its own stores, from snapshots, or from nothing but the log. How long until it serves.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::filled::{TAIL, fill_with_snapshots};
use crate::load::median;
use crate::machine::processor_time;
use crate::node::{ChildNode, Serve};
use crate::report::{Report, Table, count, duration};
use crate::{Part, Scale};

const NAME: &str = "starts";

/// What a node finds when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Log,
    Snapshots,
    Stores,
}

/// In this order: each leaves whole stores for the next one to find or to lose.
const WAYS: [(Found, &str); 3] = [
    (Found::Log, "no stores: folded from the log"),
    (Found::Snapshots, "no stores: newest snapshots, then the rest of the log"),
    (Found::Stores, "its own stores"),
];

/// Starts the same node again and again.
pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let (data, objects) = (folder.join("node"), folder.join("objects"));
    fs::create_dir_all(&objects)?;
    let url = format!("file://{}", objects.display());
    fill_with_snapshots(&data, NAME, scale.replayed, &url).await?;
    let mut times = vec![Vec::new(); WAYS.len()];
    let mut spent = vec![Vec::new(); WAYS.len()];
    for _ in 0..scale.rounds.div_ceil(2) {
        for (i, (found, _)) in WAYS.iter().enumerate() {
            if *found != Found::Stores {
                fs::remove_dir_all(data.join("store"))?;
            }
            let snapshots = (*found == Found::Snapshots).then(|| url.clone());
            let started = Instant::now();
            let node = ChildNode::launch(&Serve { snapshots, ..Serve::on(&data, "embedded", NAME) }).await?;
            times[i].push(started.elapsed());
            spent[i].push(processor_time(&[node.process()]));
            node.stop().await?;
        }
    }
    let mut table = Table::new(["what it finds", "serves after", "against the log", "processor"]);
    let mut from_log = None;
    for (((_, name), times), spent) in WAYS.iter().zip(times).zip(spent) {
        let time: Duration = median(times).context("nothing was measured")?;
        let spent: Duration = median(spent).context("nothing was measured")?;
        let from_log = *from_log.get_or_insert(time.as_secs_f64());
        let against = format!("{:.2} ×", time.as_secs_f64() / from_log);
        table.row([(*name).to_owned(), duration(time), against, duration(spent)]);
    }
    report.table(Part::Starts, &table);
    let note = format!(
        "{} decisions on the embedded log; the snapshots, in a local folder, were taken when {} in {TAIL} of them were \
         made.",
        count(scale.replayed as f64),
        TAIL - 1
    );
    report.note(Part::Starts, note);
    Ok(())
}
