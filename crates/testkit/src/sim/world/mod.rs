//! A run, from the first takeover until everything is quiet again.
//!
//! | file | what it does |
//! | --- | --- |
//! | `set_up` | policies and tenants, before anything goes wrong |
//! | `nodes` | nodes that start, stop, end, and get messages |
//! | `faults` | what goes wrong, and that it ends |
//! | `asking` | callers: what they ask, are told, and find when they look |
//! | `quiet` | when nothing is left to do, and what must be true then |

mod asking;
mod faults;
mod nodes;
mod quiet;
mod set_up;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use daybook_kernel::id::{PartitionId, TenantId};
use daybook_kernel::sabotage;
use daybook_kernel::sabotage::Mistake;
use daybook_runtime::{Node, Role, Roles};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};

use super::broker::Broker;
use super::clients::Client;
use super::disk::Disks;
use super::events::{Shared, Sim};
use super::oracle::{Fixture, Oracle};
use super::plan::{AppendRates, Plan};

/// When every run begins, in microseconds.
pub(super) const EPOCH_US: i64 = 1_800_000_000_000_000;
const PARTITIONS: u32 = 2;
const LOG: &str = "simulated";
pub(super) const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
/// Faults end by then at the latest.
const FAULTS_US_MAX: i64 = 60_000_000;
/// How long after the end of all faults everything must be quiet.
const QUIET_WITHIN_US: i64 = 120_000_000;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Commands that were decided.
    pub decisions: u64,
    /// How often a partition was taken over.
    pub takeovers: u64,
    /// Decision records that did not count.
    pub dropped: u64,
    /// Faults, beside those of appends.
    pub faults: u64,
    /// Answers that callers got.
    pub answers: u64,
    /// Queries that were answered at a position.
    pub looks: u64,
    /// Effects that were carried out, repetitions included.
    pub effects: u64,
    /// Items that were deleted.
    pub deleted: u64,
    /// Deletions that a hold deferred.
    pub held: u64,
    /// Nodes that met a feature level that their release does not understand, and stopped.
    pub outdated: u64,
    /// Simulated time, in microseconds.
    pub simulated_us: i64,
    /// A hash of all that happened: the same for the same seed.
    pub trace: u64,
}

impl Report {
    /// Sums up; the trace of several runs means nothing.
    pub fn add(&mut self, one: &Self) {
        self.decisions += one.decisions;
        self.takeovers += one.takeovers;
        self.dropped += one.dropped;
        self.faults += one.faults;
        self.answers += one.answers;
        self.looks += one.looks;
        self.effects += one.effects;
        self.deleted += one.deleted;
        self.held += one.held;
        self.outdated += one.outdated;
        self.simulated_us += one.simulated_us;
    }
}

/// A run in which something was not as it must be.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed: the same run again.
    pub seed: u64,
    /// What was wrong.
    pub violations: Vec<String>,
    /// What was chosen for the run.
    pub plan: Plan,
    /// The latest things that happened.
    pub story: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails; to see it again: make sim SEED={}", self.seed, self.seed)?;
        writeln!(f, "{:?}", self.plan)?;
        for line in &self.story {
            writeln!(f, "  {line}")?;
        }
        for violation in &self.violations {
            writeln!(f, "wrong: {violation}")?;
        }
        Ok(())
    }
}

/// Runs one seed. The same seed gives the same run, always.
///
/// # Errors
/// What was wrong, with the story of it.
pub fn run(seed: u64) -> Result<Report, Box<Failure>> {
    run_with(seed, None)
}

/// The same with nodes that make a mistake, if this is built with the feature `sabotage`.
///
/// # Errors
/// What was wrong, with the story of it.
pub fn run_with(seed: u64, mistake: Option<Mistake>) -> Result<Report, Box<Failure>> {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    let fixture = FIXTURE.get_or_init(|| Fixture::new(PARTITIONS));
    let mut rng = fastrand::Rng::with_seed(seed);
    let plan = Plan::of(&mut rng);
    let mut world = World::new(fixture, plan.clone(), rng);
    world.mistake = mistake;
    match world.run() {
        Ok(report) => Ok(report),
        Err(violations) => {
            let story = world.shared.lock().story.iter().cloned().collect();
            Err(Box::new(Failure { seed, violations, plan, story }))
        }
    }
}

struct VirtualNode {
    disks: Disks,
    running: Option<Running>,
    /// When a node that is down comes back.
    starts_us: i64,
    paused_until_us: i64,
    cut_until_us: i64,
    full_until_us: i64,
    /// Stopping in good order.
    stopping: Option<JoinHandle<()>>,
}

struct Running {
    runtime: Runtime,
    node: Arc<Node>,
    roles: Roles,
    /// Its disk was full once: what it does then is to stop, until somebody restarts it.
    disk_was_full: bool,
}

struct World {
    plan: Plan,
    fixture: Fixture,
    shared: Shared,
    nodes: Vec<VirtualNode>,
    clients: Vec<Client>,
    /// What each node is told to do with each partition.
    assigned: Vec<Vec<Role>>,
    /// The highest offset that anybody was told of, by partition.
    told: BTreeMap<PartitionId, u64>,
    /// Whether faults still come.
    faulty: bool,
    next_fault_us: i64,
    next_assignment_us: i64,
    next_gossip_us: i64,
    /// When somebody raises the feature level.
    raise_at_us: i64,
    slow_until_us: i64,
    rebuilds: Vec<JoinHandle<()>>,
    /// Answers that never come are kept here, or their senders would tell.
    never: Vec<oneshot::Sender<Result<daybook_runtime::Outcome, daybook_runtime::SubmitError>>>,
    report: Report,
    operator_asks: u64,
    mistake: Option<Mistake>,
}

impl World {
    fn new(fixture: &Fixture, plan: Plan, rng: fastrand::Rng) -> Self {
        let broker = Broker::new(LOG, PARTITIONS, plan.nodes, plan.embedded, AppendRates::default());
        let oracle = Oracle::new(fixture.decider.clone(), LOG, PARTITIONS);
        let sim = Sim::new(rng, plan.nodes, broker, oracle, EPOCH_US, Duration::from_micros(500));
        let node = || VirtualNode {
            disks: Disks::default(),
            running: None,
            starts_us: EPOCH_US,
            paused_until_us: 0,
            cut_until_us: 0,
            full_until_us: 0,
            stopping: None,
        };
        let tenant = |id: usize| TenantId::parse(TENANTS[id % TENANTS.len()]);
        let client = |id| tenant(id).ok().map(|tenant| Client::new(id, tenant, plan.commands_per_client, plan.holds));
        Self {
            fixture: fixture.clone(),
            shared: Shared::new(sim),
            nodes: (0..plan.nodes).map(|_| node()).collect(),
            clients: (0..plan.clients).filter_map(client).collect(),
            assigned: vec![vec![Role::Follow; PARTITIONS as usize]; plan.nodes],
            told: BTreeMap::new(),
            faulty: false,
            next_fault_us: i64::MAX,
            next_assignment_us: i64::MAX,
            next_gossip_us: EPOCH_US,
            raise_at_us: i64::MAX,
            slow_until_us: 0,
            rebuilds: Vec::new(),
            never: Vec::new(),
            report: Report::default(),
            operator_asks: 0,
            mistake: None,
            plan,
        }
    }

    fn run(&mut self) -> Result<Report, Vec<String>> {
        self.assign_well();
        self.set_up()?;
        self.begin_faults();
        let faults_end = self.now() + FAULTS_US_MAX;
        while self.now() < faults_end && self.clients.iter().any(|client| client.left > 0 || client.op.is_some()) {
            self.step()?;
        }
        self.end_faults();
        let quiet_by = self.now() + QUIET_WITHIN_US;
        let mut steps: u64 = 0;
        loop {
            steps += 1;
            self.step()?;
            if steps.is_multiple_of(64) {
                self.unpark();
                if self.is_quiet() {
                    break;
                }
            }
            if self.now() > quiet_by {
                return Err(vec![format!("the faults ended, and it does not get quiet: {}", self.why_not_quiet())]);
            }
        }
        self.check_states()?;
        self.check_holds()?;
        let sim = self.shared.lock();
        let (decisions, takeovers, dropped) = sim.oracle.totals();
        let (effects, trace) = (sim.oracle.effects_done, sim.trace);
        let (deleted, held) = (sim.oracle.deleted, sim.oracle.held);
        let simulated_us = sim.now_us - EPOCH_US;
        Ok(Report { decisions, takeovers, dropped, effects, deleted, held, simulated_us, trace, ..self.report })
    }

    fn now(&self) -> i64 {
        self.shared.lock().now_us
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        self.shared.lock().tell(what);
    }

    fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.shared.lock().rng)
    }

    /// One thing happens, and everybody who can goes on a little.
    fn step(&mut self) -> Result<(), Vec<String>> {
        let horizon = self.now() + 5_000;
        let message = self.shared.lock().next(horizon);
        if let Some(message) = message {
            self.deliver(message);
        }
        self.start_and_stop();
        self.go_wrong();
        self.drive();
        self.follow_clients();
        self.look_for_broken();
        let sim = self.shared.lock();
        if sim.oracle.violations.is_empty() { Ok(()) } else { Err(sim.oracle.violations.clone()) }
    }

    /// Every node that does not stand still goes on for some turns.
    fn drive(&mut self) {
        let now = self.now();
        let count = self.nodes.len();
        let (first, turns) = self.random(|rng| (rng.usize(..count), rng.u32(1..=4)));
        for node in (first..first + count).map(|node| node % count) {
            let node = &self.nodes[node];
            let Some(running) = node.running.as_ref().filter(|_| node.paused_until_us <= now) else { continue };
            sabotage::make(self.mistake);
            running.runtime.block_on(async {
                for _ in 0..turns {
                    yield_now().await;
                }
            });
            sabotage::make(None);
        }
    }
}
