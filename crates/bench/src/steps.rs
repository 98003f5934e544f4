//! How the partitions of a node move on: written down by the node itself, in its own process, as it looks at them every
//! millisecond. Nodes on one machine have one clock, so what two of them wrote can be laid side by side.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use daybook_runtime::{Node, Role};

/// How often a node looks.
const EVERY: Duration = Duration::from_millis(1);

/// Where a partition stood on a node from some moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// The moment, in microseconds since 1970.
    pub(crate) at_us: i64,
    /// The partition.
    pub(crate) partition: u32,
    /// Whether the node is to lead it.
    pub(crate) leads: bool,
    /// The first decision record that is not applied there.
    pub(crate) next_record: u64,
    /// The first command whose decision is not applied there.
    pub(crate) next_command: u64,
}

/// The time now, in microseconds since 1970.
pub(crate) fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// Writes steps to a file as long as the node is there. What is written is there also when the node is killed.
pub(crate) fn write(node: &Arc<Node>, file: &Path) -> Result<()> {
    let (node, file) = (Arc::downgrade(node), File::create(file)?);
    // A thread of its own: it looks also when every other one of the node is busy.
    std::thread::Builder::new().name("steps".to_owned()).spawn(move || observe(&node, file))?;
    Ok(())
}

fn observe(node: &Weak<Node>, mut file: File) {
    let mut seen = Vec::new();
    while let Some(node) = node.upgrade() {
        let at_us = now_us();
        let stand = |partition: &Arc<daybook_runtime::Partition>| Step {
            at_us,
            partition: partition.id().0,
            leads: partition.role() == Role::Lead,
            next_record: partition.next_record().0,
            next_command: partition.next_command().0,
        };
        let stands: Vec<_> = node.partitions().iter().map(stand).collect();
        drop(node);
        let mut lines = String::new();
        for (number, step) in stands.iter().enumerate() {
            let moved = seen.get(number).is_none_or(|seen: &Step| Step { at_us, ..*seen } != *step);
            if moved {
                let Step { partition, leads, next_record, next_command, .. } = step;
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "{at_us} {partition} {} {next_record} {next_command}", u8::from(*leads));
            }
        }
        // Whoever reads the file misses what could not be written.
        let _ = file.write_all(lines.as_bytes());
        seen = stands;
        std::thread::sleep(EVERY);
    }
}

/// Reads what a node wrote, in order of time.
pub(crate) fn read(file: &Path) -> Result<Vec<Step>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    // The last line of a node that was killed may be half of one.
    let whole = text.rsplit_once('\n').map(|(whole, _)| whole).unwrap_or_default();
    whole.lines().map(|line| parse(line).with_context(|| format!("{}: {line}", file.display()))).collect()
}

fn parse(line: &str) -> Result<Step> {
    let mut fields = line.split(' ');
    let mut field = || fields.next().context("a field is missing");
    Ok(Step {
        at_us: field()?.parse()?,
        partition: field()?.parse()?,
        leads: field()? == "1",
        next_record: field()?.parse()?,
        next_command: field()?.parse()?,
    })
}
