//! What a seed chooses: the shape of the cluster, and which faults there are.

use std::time::Duration;

/// A fault that a run may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A node is gone from one moment to the next, and comes back later.
    Crash,
    /// A node stands still, and goes on as if nothing had happened.
    Pause,
    /// A node reaches neither the log nor other nodes for a while.
    Cut,
    /// A node's clock jumps, forward or back.
    ClockJump,
    /// A node's disk takes nothing more; somebody restarts the node when there is space again.
    DiskFull,
    /// Partitions are handed out anew, not always to one node each: two owners, or none.
    Assignment,
    /// A projection is built anew while the node serves.
    Rebuild,
    /// The log is slow for a while.
    SlowLog,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::Crash,
        Self::Pause,
        Self::Cut,
        Self::ClockJump,
        Self::DiskFull,
        Self::Assignment,
        Self::Rebuild,
        Self::SlowLog,
    ];
}

/// How often appends go wrong, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub struct AppendRates {
    /// It is lost, and the caller hears of it.
    pub lost: u32,
    /// It happens, and the caller hears that it failed.
    pub ack_lost: u32,
    /// It happens twice.
    pub repeated: u32,
    /// The caller hears that it failed; later it happens all the same.
    pub late: u32,
}

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many nodes. One node has an embedded log: a crash of its machine loses what was not synced.
    pub nodes: usize,
    /// Whether the log is the one node's own.
    pub embedded: bool,
    /// Callers, each with one command under way at a time.
    pub clients: usize,
    /// Commands that each caller sends.
    pub commands_per_client: usize,
    /// The faults that there are.
    pub faults: Vec<Fault>,
    /// How long it is between two of them, at most.
    pub fault_every: Duration,
    /// How appends go wrong.
    pub appends: AppendRates,
    /// The longest way of a message or record when nothing is wrong.
    pub delay_max: Duration,
    /// Records that are appended and not yet acknowledged, see `Limits`.
    pub pipeline_max: usize,
    /// Decisions in one record, see `Limits`.
    pub batch_commands_max: usize,
    /// Whether nodes are upgraded to a newer release while it runs, and when somebody raises the feature level, whatever
    /// the nodes are: how long after the faults begin.
    pub upgrade: Option<Duration>,
    /// Whether callers place legal holds over several tenants, and have items deleted.
    pub holds: bool,
}

impl Plan {
    /// Chooses. Each kind of fault is in about half of the runs: faults that always come together hide one another.
    pub fn of(rng: &mut fastrand::Rng) -> Self {
        let embedded = rng.u32(..8) == 0;
        // Holds are placed, moved and ended before what they do can be seen.
        let holds = rng.u32(..3) == 0;
        let rate = |rng: &mut fastrand::Rng, max: u32| if rng.bool() { rng.u32(1..=max) } else { 0 };
        Self {
            nodes: if embedded { 1 } else { rng.usize(2..=4) },
            embedded,
            clients: rng.usize(1..=6),
            commands_per_client: rng.usize(4..=16) * if holds { 4 } else { 1 },
            faults: Fault::ALL.into_iter().filter(|_| rng.bool()).collect(),
            fault_every: Duration::from_millis(rng.u64(30..=1_500)),
            appends: if embedded {
                AppendRates::default()
            } else {
                AppendRates {
                    lost: rate(rng, 60),
                    ack_lost: rate(rng, 60),
                    repeated: rate(rng, 60),
                    late: rate(rng, 60),
                }
            },
            delay_max: Duration::from_micros(rng.u64(50..=20_000)),
            pipeline_max: rng.usize(1..=8),
            batch_commands_max: rng.usize(1..=20),
            upgrade: (rng.u32(..4) == 0).then(|| Duration::from_millis(rng.u64(..8_000))),
            holds,
        }
    }
}
