//! The benchmarks of `make bench`, and `docs/performance.md`, which they write.
//!
//! | module | what it does |
//! | --- | --- |
//! | `machine` | on what it ran |
//! | `load` | callers that call one after the other, and what they waited |
//! | `node` | the node that is measured: in this process, or in one of its own |
//! | `items` | commands as callers send them |
//! | `client` | gRPC |
//! | `commands` | durable commands against bare appends |
//! | `nodes`, `steps` | several nodes on one log, and how their partitions move on |
//! | `takeover` | a node goes, others go on |
//! | `standby` | how far a standby is behind |
//! | `distributed` | the same load on one, two and three nodes |
//! | `replay` | verify and rebuild against a plain scan |
//! | `filled` | a log of some size with snapshots |
//! | `archived` | verify and rebuild through the archive |
//! | `starts` | a node starts from snapshots, or from the log |
//! | `dispositions` | may this be deleted? |
//! | `detection` | personal data in text |
//! | `events` | events of product use: in, and out as metrics |
//! | `memory` | a node with a million items |
//! | `attacks` | what callers who may do nothing take from a node |
//! | `report` | tables, aims, the page |
//!
//! A number is the median of several rounds. What is compared takes turns: a machine that gets slower for a while slows
//! both.

mod archived;
mod attacks;
mod client;
mod commands;
mod detection;
mod dispositions;
mod distributed;
mod events;
mod filled;
mod items;
mod load;
mod machine;
mod memory;
mod node;
mod nodes;
mod replay;
mod report;
mod standby;
mod starts;
mod steps;
mod takeover;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};

use report::Report;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures Daybook on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    node: Option<Hidden>,
    /// Short rounds and little data: shows that everything runs, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// Only this; may be given several times. The page is then written only where --out says.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Where the page goes.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Leaves Kafka out; the page says so.
    #[arg(long)]
    no_kafka: bool,
}

#[derive(Debug, Subcommand)]
enum Hidden {
    /// A node that runs until its standard input ends.
    #[command(hide = true)]
    Serve(Box<node::Serve>),
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    /// Durable commands on the embedded log.
    Embedded,
    /// Durable commands on Kafka.
    Kafka,
    /// How long until others go on with what a node led.
    Takeover,
    /// How far a standby is behind.
    Standby,
    /// The same load on one, two and three nodes.
    Distributed,
    /// Verify and rebuild.
    Replay,
    /// Verify and rebuild through the archive.
    Archived,
    /// How long a node takes to start.
    Starts,
    /// Disposition checks.
    Dispositions,
    /// Finding personal data.
    Detection,
    /// Events of product use, and metrics.
    Events,
    /// Memory.
    Memory,
    /// What attackers take.
    Attacks,
}

impl Part {
    /// Whether it needs a broker.
    fn needs_kafka(self) -> bool {
        matches!(self, Self::Kafka | Self::Takeover | Self::Standby | Self::Distributed)
    }
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// How often everything is measured.
    pub(crate) rounds: usize,
    /// How long a round of load is.
    pub(crate) round: Duration,
    /// Decisions that are replayed.
    pub(crate) replayed: u64,
    /// Items whose memory is measured.
    pub(crate) items: u64,
    /// Events of product use that are recorded, and how many actors they have.
    pub(crate) events: u64,
    pub(crate) actors: u64,
    /// How often a node is killed, and stopped.
    pub(crate) goings: usize,
}

impl Scale {
    const FULL: Self = Self {
        rounds: 5,
        round: Duration::from_secs(3),
        replayed: 300_000,
        items: 1_000_000,
        events: 10_000_000,
        actors: 1_000_000,
        goings: 10,
    };
    const QUICK: Self = Self {
        rounds: 2,
        round: Duration::from_millis(500),
        replayed: 20_000,
        items: 50_000,
        events: 100_000,
        actors: 10_000,
        goings: 1,
    };
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.node {
        Some(Hidden::Serve(serve)) => runtime.block_on(node::serve(*serve)),
        None => runtime.block_on(run(&arguments)),
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    let scale = if arguments.quick { Scale::QUICK } else { Scale::FULL };
    let scratch = scratch_folder()?;
    node::telemetry(scratch.path())?;
    let mut report = Report::new(machine::describe(scratch.path())?, arguments.quick);
    let wanted = |part: Part| arguments.only.is_empty() || arguments.only.contains(&part);
    for part in Part::value_variants().iter().copied().filter(|part| wanted(*part)) {
        if part.needs_kafka() && arguments.no_kafka {
            report.left_out(part, "Left out of this run (`--no-kafka`).");
            continue;
        }
        eprintln!("measuring: {part:?} ...");
        let folder = scratch.path().join(format!("{part:?}").to_lowercase());
        std::fs::create_dir_all(&folder)?;
        match part {
            Part::Embedded => commands::embedded(&folder, &scale, &mut report).await,
            Part::Kafka => commands::kafka(&folder, &scale, &mut report).await,
            Part::Takeover => takeover::measure(&folder, &scale, &mut report).await,
            Part::Standby => standby::measure(&folder, &scale, &mut report).await,
            Part::Distributed => distributed::measure(&folder, &scale, &mut report).await,
            Part::Archived => archived::measure(&folder, &scale, &mut report).await,
            Part::Starts => starts::measure(&folder, &scale, &mut report).await,
            Part::Replay => replay::measure(&folder, &scale, &mut report).await,
            Part::Dispositions => dispositions::measure(&folder, &scale, &mut report).await,
            Part::Detection => detection::measure(&scale, &mut report),
            Part::Events => events::measure(&folder, &scale, &mut report).await,
            Part::Memory => memory::measure(&folder, &scale, &mut report).await,
            Part::Attacks => attacks::measure(&folder, &scale, &mut report).await,
        }
        .with_context(|| format!("measuring {part:?}"))?;
        std::fs::remove_dir_all(&folder)?;
    }
    report.took(started.elapsed());
    println!("{}", report.text());
    let whole = arguments.only.is_empty() && !arguments.quick;
    let out = arguments.out.clone().or_else(|| whole.then(|| PathBuf::from("docs/performance.md")));
    if let Some(out) = out {
        std::fs::write(&out, report.page()).with_context(|| format!("writing {}", out.display()))?;
        println!("written to {}", out.display());
    }
    Ok(())
}

/// Beside this program: a folder on a disk. A temporary folder may lie in memory, where a sync costs nothing.
fn scratch_folder() -> Result<tempfile::TempDir> {
    let program = std::env::current_exe()?;
    let beside = program.parent().unwrap_or(Path::new("."));
    Ok(tempfile::Builder::new().prefix("daybook-bench-").tempdir_in(beside)?)
}
