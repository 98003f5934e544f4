//! On what it ran.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::load::{Measured, histogram};
use crate::report::{Table, duration};

/// The machine, with what a sync costs in `folder`.
pub(crate) fn describe(folder: &Path) -> Result<Table> {
    let mut table = Table::new(["machine", ""]);
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    row("processor", format!("{}, {cores} cores", field("/proc/cpuinfo", "model name").unwrap_or_default()));
    row("memory", memory());
    let sync = sync(folder)?;
    row(
        "disk",
        format!(
            "{}; fdatasync of 512 bytes: p50 {}, p99 {}",
            file_system(folder),
            duration(sync.p50),
            duration(sync.p99)
        ),
    );
    row("kernel", format!("Linux {}", first_line("/proc/sys/kernel/osrelease")));
    row("compiler", output("rustc", "--version"));
    row("date", jiff::Zoned::now().strftime("%Y-%m-%d").to_string());
    let nice = niceness();
    if nice != 0 {
        row("niceness of the run", nice.to_string());
    }
    row("load before the run", first_line("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "));
    Ok(table)
}

/// By how much this run gives way to others, or they to it. Not 0 where something else ran on the same machine.
fn niceness() -> i32 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    after_name.split_ascii_whitespace().nth(16).and_then(|nice| nice.parse().ok()).unwrap_or_default()
}

fn first_line(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

/// The value of the first `name : value` of a file of the kernel.
pub(crate) fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// A size of `/proc`, which is in KiB, in MiB.
pub(crate) fn mib(file: &str, name: &str) -> Option<u64> {
    Some(field(file, name)?.split(' ').next()?.parse::<u64>().ok()? / 1024)
}

/// The processor time that processes have had so far.
pub(crate) fn processor_time(processes: &[u32]) -> Duration {
    /// A unit of these numbers: Linux shows hundredths of a second, whatever it counts in.
    const TICK: Duration = Duration::from_millis(10);
    let ticks = |process: &u32| {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name, in parentheses, may hold spaces; user and system time are fields 14 and 15.
        let (_, after_name) = text.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace().skip(11);
        Some(fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?)
    };
    processes.iter().filter_map(ticks).map(|ticks| TICK * ticks).sum()
}

fn memory() -> String {
    let gib = mib("/proc/meminfo", "MemTotal").unwrap_or_default() as f64 / 1024.0;
    format!("{gib:.0} GiB")
}

/// The file system that a folder is on.
fn file_system(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let over = mounts.filter(|(point, _)| folder.starts_with(point)).max_by_key(|(point, _)| point.len());
    over.map_or_else(|| "unknown file system".to_owned(), |(_, kind)| kind.to_owned())
}

fn output(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// What one small durable write costs here: what every number below is to be seen against.
fn sync(folder: &Path) -> Result<Measured> {
    let mut waits = histogram()?;
    let mut file = fs::File::create(folder.join("sync"))?;
    let started = Instant::now();
    while waits.len() < 2_000 && started.elapsed() < Duration::from_secs(5) {
        let before = Instant::now();
        file.write_all(&[7; 512])?;
        file.sync_data()?;
        waits.saturating_record(before.elapsed().as_nanos() as u64);
    }
    Ok(Measured::of(&waits, started.elapsed()))
}
