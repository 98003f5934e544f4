//! A run, from the first takeover until everything is quiet again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::domain::Projection;
use daybook_kernel::id::{CommandId, PartitionId, Position, StreamKey, TenantId};
use daybook_kernel::key::All;
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::sabotage::{self, Mistake};
use daybook_kernel::system::{self, due_timers, open_effects};
use daybook_kernel::table::View;
use daybook_kernel::time::Timestamp;
use daybook_log::Topic;
use daybook_proto::log::v1::{Actor, CommandRecord, actor::Kind, decision::Outcome as Decided};
use daybook_proto::platform::v1::{CreateTenantRequest, PublishShippedPolicySet, UnparkStreamRequest};
use daybook_runtime::{
    EffectFailed, EffectHandler, EffectHandlers, Limits, Node, NodeOptions, PartitionState, RequestedEffect, Role,
    Roles,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost::Message as _;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};

use super::broker::{Broker, LaneId};
use super::clients::{Ask, Client, Op, in_short, record};
use super::clock::NodeClock;
use super::disk::{Disks, NodeStores};
use super::events::{Call, Event, Shared, Sim};
use super::network::{Message, NodePeers, address};
use super::oracle::{Fixture, Oracle};
use super::plan::{AppendRates, Fault, Plan};

/// When every run begins, in microseconds.
pub(super) const EPOCH_US: i64 = 1_800_000_000_000_000;
const PARTITIONS: u32 = 2;
const LOG: &str = "simulated";
const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
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
        let client = |id| tenant(id).ok().map(|tenant| Client::new(id, tenant, plan.commands_per_client));
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
        let sim = self.shared.lock();
        let (decisions, takeovers, dropped) = sim.oracle.totals();
        let (effects, trace) = (sim.oracle.effects_done, sim.trace);
        let simulated_us = sim.now_us - EPOCH_US;
        Ok(Report { decisions, takeovers, dropped, effects, simulated_us, trace, ..self.report })
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

    /// Policies and tenants, while nothing goes wrong yet.
    fn set_up(&mut self) -> Result<(), Vec<String>> {
        let registry = crate::notes::registry();
        let shipped = PublishShippedPolicySet {
            policies: registry.shipped_policies(),
            schema: registry.shipped_schema(),
            description: String::new(),
        };
        let system = Actor { kind: Kind::System.into(), id: "set-up".into(), ..Default::default() };
        let mut publish = self.platform_record("PublishShippedPolicySet", shipped.encode_to_vec());
        publish.actor = Some(system);
        self.insist(publish)?;
        for tenant in TENANTS {
            let create = CreateTenantRequest { new_tenant_id: tenant.to_owned(), ..Default::default() };
            let create = self.platform_record("CreateTenant", create.encode_to_vec());
            self.insist(create)?;
        }
        for _ in 0..100_000 {
            let ready = self.on_every_partition(|state| {
                TENANTS.iter().all(|tenant| {
                    let tenant = TenantId::parse(tenant).ok();
                    tenant.is_some_and(|tenant| {
                        daybook_kernel::governance::tenant(state, &tenant).is_ok_and(|row| row.is_some())
                    })
                })
            });
            if ready {
                return Ok(());
            }
            self.step()?;
        }
        Err(vec!["the set-up does not come to an end".to_owned()])
    }

    fn on_every_partition(&self, holds: impl Fn(&dyn daybook_kernel::state::Read) -> bool) -> bool {
        let sim = self.shared.lock();
        (0..PARTITIONS).all(|partition| holds(sim.oracle.state(PartitionId(partition))))
    }

    fn platform_record(&mut self, kind: &str, payload: Vec<u8>) -> CommandRecord {
        self.operator_asks += 1;
        let id = CommandId::derived(1, &[b"operator", &self.operator_asks.to_be_bytes()]);
        let platform = TenantId::platform();
        let bytes = Bytes::from(payload.clone());
        let key = self
            .fixture
            .decider
            .registry()
            .get("platform")
            .and_then(|domain| domain.stream_key(platform, kind, bytes, PARTITIONS).ok());
        let key = key.unwrap_or_else(|| StreamKey::of_tenant(platform));
        record(id, platform, key, "platform", kind, payload, &["admin"])
    }

    /// Has a command decided before anything else is asked.
    fn insist(&mut self, record: CommandRecord) -> Result<(), Vec<String>> {
        for _ in 0..2_000 {
            let Some(handle) = self.submit(0, &record) else {
                self.step()?;
                continue;
            };
            let mut handle = handle;
            while !handle.is_finished() {
                self.step()?;
            }
            if let Some(Ok(Ok(outcome))) = (&mut handle).now_or_never() {
                return match outcome.decision.outcome {
                    Some(Decided::Accepted(_)) => Ok(()),
                    _ => Err(vec![format!("the set-up was answered: {}", in_short(&outcome))]),
                };
            }
        }
        Err(vec!["the set-up gets no answer".to_owned()])
    }

    fn submit(
        &self,
        node: usize,
        record: &CommandRecord,
    ) -> Option<JoinHandle<Result<daybook_runtime::Outcome, daybook_runtime::SubmitError>>> {
        let running = self.nodes[node].running.as_ref()?;
        let (node, record) = (Arc::clone(&running.node), record.clone());
        Some(running.runtime.spawn(async move { node.submit(&record).await }))
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

    fn start_and_stop(&mut self) {
        let now = self.now();
        for node in 0..self.nodes.len() {
            if self.nodes[node].stopping.as_ref().is_some_and(JoinHandle::is_finished) {
                self.nodes[node].stopping = None;
                self.gone(node, false);
            }
            if self.nodes[node].running.is_none() && self.nodes[node].starts_us <= now {
                self.start(node);
            }
            if self.nodes[node].cut_until_us <= now && !self.shared.lock().nodes[node].linked {
                self.shared.lock().nodes[node].linked = true;
                self.tell(|| format!("n{node} reaches the others again"));
            }
            if self.nodes[node].full_until_us <= now && self.shared.lock().nodes[node].disk_full {
                self.shared.lock().nodes[node].disk_full = false;
                self.tell(|| format!("n{node} has space again"));
            }
        }
        if self.slow_until_us != 0 && self.slow_until_us <= now {
            self.slow_until_us = 0;
            self.shared.lock().delay_max_us = i64::try_from(self.plan.delay_max.as_micros()).unwrap_or(i64::MAX);
        }
    }

    fn start(&mut self, node: usize) {
        let starts = {
            let mut sim = self.shared.lock();
            sim.nodes[node].starts += 1;
            sim.tell(|| format!("n{node} starts"));
            sim.nodes[node].starts
        };
        let runtime = match Builder::new_current_thread().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                self.shared.lock().oracle.violations.push(format!("no runtime: {error}"));
                return;
            }
        };
        let roles = Roles::all(PARTITIONS, Role::Rest);
        for (partition, role) in (0..).map(PartitionId).zip(&self.assigned[node]) {
            roles.set(partition, *role);
        }
        let echo = Arc::new(SimEcho { shared: self.shared.clone(), node });
        let options = NodeOptions {
            node_id: format!("n{node}"),
            address: address(node),
            stores: Arc::new(NodeStores { shared: self.shared.clone(), node, disks: self.nodes[node].disks.clone() }),
            roles: roles.clone(),
            peers: Arc::new(NodePeers { shared: self.shared.clone(), node }),
            limits: Limits {
                decision_wait_max: Duration::from_secs(2),
                pipeline_max: self.plan.pipeline_max,
                batch_commands_max: self.plan.batch_commands_max,
                // Deciding takes no simulated time.
                batch_time_max: Duration::from_secs(1),
                ..Limits::default()
            },
            effects: EffectHandlers::new().with("echo", echo),
        };
        let log = Arc::new(Broker::log_of(&self.shared, node));
        let clock = Arc::new(NodeClock { shared: self.shared.clone(), node });
        let decider = self.fixture.decider.clone();
        match runtime.block_on(async { Node::start(log, decider, clock, options) }) {
            Ok(started) => {
                let disk_was_full = self.shared.lock().nodes[node].disk_full;
                self.nodes[node].running = Some(Running { runtime, node: started, roles, disk_was_full });
            }
            Err(error) => self.shared.lock().oracle.violations.push(format!("start {starts} of n{node}: {error}")),
        }
    }

    /// What ran on a node is gone.
    fn gone(&mut self, node: usize, machine_failed: bool) {
        if let Some(running) = self.nodes[node].running.take() {
            drop(running.runtime);
            drop(running.node);
        }
        self.nodes[node].stopping = None;
        let mut sim = self.shared.lock();
        let sim = &mut *sim;
        sim.hang_up(node);
        Broker::node_gone(sim, node, machine_failed);
        self.nodes[node].disks.crash(&mut sim.rng);
        self.nodes[node].starts_us = sim.now_us + sim.rng.i64(1_000..2_000_000);
        self.nodes[node].paused_until_us = 0;
        if !self.plan.embedded && sim.rng.u32(..16) == 0 {
            self.nodes[node].disks.wipe();
            sim.tell(|| format!("n{node} gets an empty disk"));
        }
    }

    /// One owner and one follower or more for each partition.
    fn assign_well(&mut self) {
        for partition in 0..PARTITIONS as usize {
            let up: Vec<_> = (0..self.nodes.len()).filter(|node| self.nodes[*node].running.is_some()).collect();
            let up = if up.is_empty() { (0..self.nodes.len()).collect() } else { up };
            let owner = up[partition % up.len()];
            for node in 0..self.nodes.len() {
                self.assigned[node][partition] = if node == owner { Role::Lead } else { Role::Follow };
            }
        }
        self.hand_out();
    }

    fn hand_out(&self) {
        for (node, assigned) in self.nodes.iter().zip(&self.assigned) {
            let Some(running) = &node.running else { continue };
            for (partition, role) in (0..).map(PartitionId).zip(assigned) {
                running.roles.set(partition, *role);
            }
        }
    }

    fn begin_faults(&mut self) {
        self.faulty = true;
        let plan = self.plan.clone();
        let mut sim = self.shared.lock();
        sim.broker.rates = plan.appends;
        sim.delay_max_us = i64::try_from(plan.delay_max.as_micros()).unwrap_or(i64::MAX);
        sim.tell(|| "faults begin".to_owned());
        self.next_fault_us = sim.now_us;
        self.next_assignment_us = sim.now_us;
    }

    fn end_faults(&mut self) {
        self.faulty = false;
        self.slow_until_us = 0;
        for node in &mut self.nodes {
            node.paused_until_us = 0;
            node.cut_until_us = 0;
            node.full_until_us = 0;
            node.starts_us = 0;
        }
        {
            let mut sim = self.shared.lock();
            sim.broker.rates = AppendRates::default();
            sim.delay_max_us = 2_000;
            sim.tell(|| "faults end".to_owned());
        }
        self.start_and_stop();
        self.assign_well();
    }

    /// Something goes wrong, if it is time.
    fn go_wrong(&mut self) {
        let now = self.now();
        if now >= self.next_gossip_us {
            self.next_gossip_us = now + 200_000;
            let mut sim = self.shared.lock();
            for (from, to) in pairs(self.plan.nodes) {
                let wait = sim.delay();
                sim.after(wait, Event::Message(Message::Gossip { from, to }));
            }
        }
        if !self.faulty {
            return;
        }
        if now >= self.next_assignment_us {
            self.next_assignment_us = now + self.random(|rng| rng.i64(300_000..3_000_000));
            self.assign();
        }
        if now < self.next_fault_us || self.plan.faults.is_empty() {
            return;
        }
        let every = i64::try_from(self.plan.fault_every.as_micros()).unwrap_or(i64::MAX);
        let (fault, node, wait, long) = {
            let (faults, nodes) = (self.plan.faults.clone(), self.plan.nodes);
            self.random(|rng| {
                (faults[rng.usize(..faults.len())], rng.usize(..nodes), rng.i64(1..=every), rng.i64(1_000..4_000_000))
            })
        };
        self.next_fault_us = now + wait;
        self.report.faults += 1;
        self.inject(fault, node, now + long);
    }

    fn inject(&mut self, fault: Fault, node: usize, until_us: i64) {
        let running = self.nodes[node].running.is_some();
        match fault {
            Fault::Crash if running => {
                let how = self.random(|rng| rng.u32(..4));
                self.tell(|| {
                    format!("n{node} ends, {}", ["in good order", "killed", "killed", "its machine"][how as usize])
                });
                if how == 0 && self.nodes[node].paused_until_us == 0 {
                    self.stop_in_good_order(node);
                } else {
                    self.gone(node, how == 3);
                }
            }
            Fault::Pause if running => {
                self.tell(|| format!("n{node} stands still"));
                self.nodes[node].paused_until_us = until_us;
            }
            Fault::Cut if !self.plan.embedded => {
                self.tell(|| format!("n{node} is cut off"));
                self.nodes[node].cut_until_us = until_us;
                self.shared.lock().nodes[node].linked = false;
            }
            Fault::ClockJump => {
                let off = self.random(|rng| rng.i64(-10_000_000..10_000_000));
                self.shared.lock().nodes[node].clock_off_us = off;
                self.tell(|| format!("the clock of n{node} is off by {off} us"));
            }
            Fault::DiskFull if running => {
                self.tell(|| format!("the disk of n{node} is full"));
                self.nodes[node].full_until_us = until_us;
                self.shared.lock().nodes[node].disk_full = true;
                if let Some(running) = &mut self.nodes[node].running {
                    running.disk_was_full = true;
                }
            }
            Fault::Rebuild => {
                let Some(running) = &self.nodes[node].running else { return };
                let partition = self.shared.lock().rng.usize(..PARTITIONS as usize);
                let Some(partition) = running.node.partitions().get(partition).map(Arc::clone) else { return };
                let projection = if self.random(fastrand::Rng::bool) {
                    crate::notes::NotesProjection::ID
                } else {
                    daybook_kernel::governance::PLATFORM
                };
                self.tell(|| format!("n{node} builds projection {} of {} anew", projection.0, partition.id()));
                self.rebuilds.push(running.runtime.spawn(async move { drop(partition.rebuild(projection).await) }));
            }
            Fault::SlowLog => {
                let slow = self.random(|rng| rng.i64(10_000..400_000));
                self.slow_until_us = until_us;
                self.shared.lock().delay_max_us = slow;
            }
            Fault::Assignment => self.assign(),
            Fault::Crash | Fault::Pause | Fault::Cut | Fault::DiskFull => {}
        }
    }

    fn stop_in_good_order(&mut self, node: usize) {
        let Some(running) = &self.nodes[node].running else { return };
        if self.nodes[node].stopping.is_some() {
            return;
        }
        let stopping = Arc::clone(&running.node);
        let stop = running.runtime.spawn(async move {
            stopping.resign().await;
            stopping.stop(Duration::from_secs(1)).await;
        });
        self.nodes[node].stopping = Some(stop);
    }

    /// Partitions are handed out, well or not so well.
    fn assign(&mut self) {
        if !self.plan.faults.contains(&Fault::Assignment) || self.random(fastrand::Rng::bool) {
            return self.assign_well();
        }
        for node in 0..self.nodes.len() {
            for partition in 0..PARTITIONS as usize {
                let role = self.random(|rng| rng.u32(..3));
                self.assigned[node][partition] = [Role::Rest, Role::Follow, Role::Lead][role as usize];
            }
        }
        self.tell(|| "partitions are handed out badly".to_owned());
        self.hand_out();
    }

    /// A message arrives.
    fn deliver(&mut self, message: Message) {
        match message {
            Message::Submit { from, to, record, reply } => {
                let linked = {
                    let sim = self.shared.lock();
                    sim.nodes[from].linked && sim.nodes[to].linked
                };
                let Some(running) = self.nodes[to].running.as_ref().filter(|_| linked) else {
                    // Refused at once, or never answered.
                    if self.random(fastrand::Rng::bool) {
                        self.never.push(reply);
                    }
                    return;
                };
                let asked = self.shared.lock().keep(Call { from, to, reply });
                let (node, shared) = (Arc::clone(&running.node), self.shared.clone());
                running.runtime.spawn(async move {
                    let outcome = node.submit_here(&record).await;
                    let mut sim = shared.lock();
                    let wait = sim.delay();
                    sim.after(wait, Event::Reply(asked, Box::new(outcome)));
                });
            }
            Message::Gossip { from, to } => {
                let linked = {
                    let sim = self.shared.lock();
                    sim.nodes[from].linked && sim.nodes[to].linked
                };
                let (Some(asks), Some(tells)) = (&self.nodes[from].running, &self.nodes[to].running) else { return };
                for partition in (0..PARTITIONS).map(PartitionId).filter(|_| linked) {
                    if let Some(owner) = tells.node.routes().owner(partition) {
                        asks.node.routes().learn(partition, &owner);
                    }
                }
            }
        }
    }

    /// A partition that has stopped for good, for a reason that is not its disk, should not be.
    fn look_for_broken(&mut self) {
        for node in 0..self.nodes.len() {
            let Some(running) = &self.nodes[node].running else { continue };
            let broken = running.node.partitions().iter().find_map(|partition| {
                let (state, detail) = partition.state().get();
                (state == PartitionState::Broken).then(|| format!("partition {}: {detail}", partition.id()))
            });
            let Some(detail) = broken else { continue };
            if running.disk_was_full {
                if !self.shared.lock().nodes[node].disk_full {
                    self.tell(|| format!("somebody restarts n{node}"));
                    self.gone(node, false);
                }
            } else {
                self.shared.lock().oracle.violations.push(format!("n{node}, {detail}"));
            }
        }
    }

    fn follow_clients(&mut self) {
        for index in 0..self.clients.len() {
            let now = self.now();
            match self.clients[index].op.take() {
                None => self.ask_next(index, now),
                Some(Op::Look { position, node, seen }) if seen.is_finished() => {
                    if let Some(Ok(Some(seen))) = seen.now_or_never() {
                        self.report.looks += 1;
                        if !seen {
                            let what = format!("n{node} answered at {position} without having seen it");
                            self.shared.lock().oracle.violations.push(what);
                        }
                    }
                }
                Some(Op::Ask(ask)) => self.follow(index, ask, now),
                other => self.clients[index].op = other,
            }
        }
    }

    fn ask_next(&mut self, index: usize, now: i64) {
        let client = &mut self.clients[index];
        // Nothing is asked before the faults begin.
        if client.left == 0 || client.idle_until_us > now || self.next_fault_us == i64::MAX {
            return;
        }
        let record = client.next_record(now, &mut self.shared.lock().rng);
        let floor = self.told.get(&partition_of_record(&record)).copied();
        let ask = Ask { record, first_sent_us: now, sent_us: now, floor, waiting: Vec::new(), times_sent: 0 };
        self.send(index, Box::new(ask), now);
    }

    fn send(&mut self, index: usize, mut ask: Box<Ask>, now: i64) {
        let copies = if self.random(|rng| rng.u32(..8)) == 0 { 2 } else { 1 };
        for _ in 0..copies {
            let node = self.random(|rng| rng.usize(..self.plan.nodes));
            ask.waiting.extend(self.submit(node, &ask.record));
        }
        ask.sent_us = now;
        ask.times_sent += 1;
        self.clients[index].op = Some(Op::Ask(ask));
    }

    fn follow(&mut self, index: usize, mut ask: Box<Ask>, now: i64) {
        const PATIENCE_US: i64 = 3_000_000;
        let mut answers = Vec::new();
        ask.waiting.retain_mut(|waiting| {
            if !waiting.is_finished() {
                return true;
            }
            if let Some(Ok(Ok(outcome))) = waiting.now_or_never() {
                answers.push(outcome);
            }
            false
        });
        for outcome in &answers {
            self.report.answers += 1;
            let mut sim = self.shared.lock();
            sim.oracle.answered(outcome);
            let offset = outcome.place.command.0;
            if ask.floor.is_some_and(|floor| offset <= floor) {
                let what = format!(
                    "a command that was sent after somebody had been told of {} was decided before it, at {offset}",
                    ask.floor.unwrap_or_default()
                );
                sim.oracle.violations.push(what);
            }
            sim.tell(|| {
                format!("client {index} is told {} of {}/{offset}", in_short(outcome), outcome.place.partition)
            });
            let told = self.told.entry(outcome.place.partition).or_default();
            *told = (*told).max(offset);
        }
        if let Some(outcome) = answers.first() {
            // Others that wait for the same answer are not needed any more.
            ask.waiting.iter().for_each(JoinHandle::abort);
            self.clients[index].idle_until_us = now + self.random(|rng| rng.i64(0..300_000));
            let position = Position { partition: outcome.place.partition, offset: outcome.place.command };
            self.look(index, position);
        } else if ask.waiting.is_empty() || now - ask.sent_us > PATIENCE_US {
            if now - ask.sent_us > 20_000 {
                ask.waiting.iter().for_each(JoinHandle::abort);
                ask.waiting.clear();
                self.send(index, ask, now);
            } else {
                self.clients[index].op = Some(Op::Ask(ask));
            }
        } else {
            self.clients[index].op = Some(Op::Ask(ask));
        }
    }

    /// Whoever was told of a position asks some node for it.
    fn look(&mut self, index: usize, position: Position) {
        let node = self.random(|rng| rng.usize(..self.plan.nodes));
        let Some(running) = &self.nodes[node].running else { return };
        let Some(partition) = running.node.partitions().get(position.partition.0 as usize).map(Arc::clone) else {
            return;
        };
        let seen = running.runtime.spawn(async move {
            partition.wait_to_read(Some(position), Duration::from_secs(1)).await.ok()?;
            partition.read(|_, head| head.next_command > position.offset).ok()
        });
        self.clients[index].op = Some(Op::Look { position, node, seen });
    }

    /// An operator lets every stream go on that is parked.
    fn unpark(&mut self) {
        let parked: Vec<_> = {
            let sim = self.shared.lock();
            let of = |partition| {
                let view = View::new(sim.oracle.state(PartitionId(partition)), TenantId::partition());
                let rows: Vec<_> = system::Tables::from(view).parked().scan(All).filter_map(Result::ok).collect();
                rows.into_iter().map(|((tenant, key), _)| (tenant, key))
            };
            (0..PARTITIONS).flat_map(of).collect()
        };
        for (tenant, key) in parked {
            let request = UnparkStreamRequest {
                target_tenant_id: tenant,
                target_stream_key: key,
                reason: "it goes on".to_owned(),
                ..Default::default()
            };
            let record = self.platform_record("UnparkStream", request.encode_to_vec());
            drop(self.submit(0, &record));
        }
    }

    fn is_quiet(&self) -> bool {
        self.why_not_quiet().is_empty()
    }

    /// What is left to do, in words; empty when nothing is.
    fn why_not_quiet(&self) -> String {
        if let Some(client) = self.clients.iter().find(|client| client.left > 0 || client.op.is_some()) {
            let waits = match &client.op {
                Some(Op::Ask(ask)) => format!(
                    "waits since {} us for {} (sent {} times)",
                    self.now() - ask.first_sent_us,
                    ask.record.kind,
                    ask.times_sent
                ),
                Some(Op::Look { position, .. }) => format!("looks for {position}"),
                None => "is idle".to_owned(),
            };
            return format!("client {} {waits}, {} commands to go", client.id, client.left);
        }
        let sim = self.shared.lock();
        for partition in (0..PARTITIONS).map(PartitionId) {
            let head = sim.oracle.head(partition);
            let commands = sim.broker.len(LaneId(Topic::Commands, partition));
            if head.next_command.0 != commands {
                return format!("partition {partition}: {} of {commands} commands are decided", head.next_command);
            }
            let state = sim.oracle.state(partition);
            if open_effects(state, None, 1).is_ok_and(|open| !open.is_empty()) {
                return format!("partition {partition}: an effect is open");
            }
            let now = Timestamp::from_micros(sim.now_us + 10_000_000).max(head.now);
            if due_timers(state, now, 1).is_ok_and(|(due, _)| !due.is_empty()) {
                return format!("partition {partition}: a timer is due");
            }
            for (node, virtual_node) in self.nodes.iter().enumerate() {
                let Some((_, at)) = virtual_node.disks.rows(partition) else {
                    return format!("n{node} has no store of partition {partition}");
                };
                if at.next_record != head.next_record {
                    return format!(
                        "n{node} stands at {} of partition {partition}, whose decisions end at {}",
                        at.next_record, head.next_record
                    );
                }
            }
        }
        String::new()
    }

    /// Every node has the state that the log tells of.
    fn check_states(&self) -> Result<(), Vec<String>> {
        let sim = self.shared.lock();
        let mut wrong = Vec::new();
        for partition in (0..PARTITIONS).map(PartitionId) {
            for (node, virtual_node) in self.nodes.iter().enumerate() {
                let Some((rows, head)) = virtual_node.disks.rows(partition) else { continue };
                if *rows != *sim.oracle.state(partition) {
                    wrong.push(format!("n{node} has another state of partition {partition} than the log"));
                }
                if head.hash != sim.oracle.head(partition).hash {
                    wrong.push(format!("n{node} has another head of partition {partition} than the log"));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

fn pairs(nodes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..nodes).flat_map(move |from| (0..nodes).filter(move |to| *to != from).map(move |to| (from, to)))
}

fn partition_of_record(record: &CommandRecord) -> PartitionId {
    let parsed = (TenantId::parse(&record.tenant_id), StreamKey::parse(&record.stream_key));
    let (Ok(tenant), Ok(key)) = parsed else { return PartitionId(0) };
    partition_of(&tenant, &key, PARTITIONS)
}

/// The effect "echo" on a simulated node: it takes its time, and fails now and then.
struct SimEcho {
    shared: Shared,
    node: usize,
}

impl EffectHandler for SimEcho {
    fn run<'a>(&'a self, effect: &'a RequestedEffect) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>> {
        let (done, woken) = oneshot::channel();
        let fails = {
            let mut sim = self.shared.lock();
            sim.oracle.effect(self.node, effect);
            let wait = sim.delay();
            sim.after(wait, Event::Wake(done));
            sim.rng.u32(..6) == 0
        };
        async move {
            drop(woken.await);
            if fails { Err(EffectFailed("not yet".to_owned())) } else { Ok(effect.token().encode_to_vec()) }
        }
        .boxed()
    }
}
