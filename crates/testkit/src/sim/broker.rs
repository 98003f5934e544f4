//! The log of a simulated cluster, as its nodes see it: each through connections of its own, on which appends arrive in
//! order, late, twice, or not at all; and readers that see what others see a little later.
//!
//! As an embedded log it has one node, and one write-ahead log for both topics: what was not synced is gone when the
//! machine fails.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Appended, Bounds, Durability, Log, LogError, LogReader, Record, Topic};
use daybook_runtime::Watched;
use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::events::{Event, Shared, Sim};
use super::plan::AppendRates;

/// One partition of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(pub(super) Topic, pub(super) PartitionId);

/// Records of a lane with the nodes that appended them.
pub(super) type Records = Arc<Mutex<Vec<(Bytes, usize)>>>;

/// After this long a client gives an append up, in microseconds.
const APPEND_TIMEOUT_US: i64 = 1_500_000;
/// How long a sync takes at most.
const SYNC_US: i64 = 2_000;

pub(super) struct Broker {
    name: String,
    partitions: u32,
    embedded: bool,
    lanes: BTreeMap<LaneId, Records>,
    connections: BTreeMap<(usize, LaneId), VecDeque<Append>>,
    seen: BTreeMap<(usize, LaneId), Arc<Watched<u64>>>,
    pub(super) rates: AppendRates,
    /// Embedded: the order in which everything was written, and how much of it is synced.
    wal: Vec<LaneId>,
    synced: usize,
    syncing: bool,
    waiting: Vec<(Done, Offset)>,
}

/// Whom to tell what became of an append.
type Done = oneshot::Sender<Result<Offset, LogError>>;

/// An append on its way.
struct Append {
    bytes: Bytes,
    expires_us: i64,
    done: Done,
}

impl Broker {
    pub(super) fn new(name: &str, partitions: u32, nodes: usize, embedded: bool, rates: AppendRates) -> Self {
        let lane_ids =
            || (0..partitions).map(PartitionId).flat_map(|p| [LaneId(Topic::Commands, p), LaneId(Topic::Decisions, p)]);
        let of_nodes = || (0..nodes).flat_map(|node| lane_ids().map(move |lane| (node, lane)));
        Self {
            name: name.to_owned(),
            partitions,
            embedded,
            lanes: lane_ids().map(|lane| (lane, Records::default())).collect(),
            connections: of_nodes().map(|of| (of, VecDeque::new())).collect(),
            seen: of_nodes().map(|of| (of, Arc::new(Watched::new(0)))).collect(),
            rates,
            wal: Vec::new(),
            synced: 0,
            syncing: false,
            waiting: Vec::new(),
        }
    }

    pub(super) fn lane(&self, lane: LaneId) -> &Records {
        &self.lanes[&lane]
    }

    /// How many records a lane has.
    pub(super) fn len(&self, lane: LaneId) -> u64 {
        self.lanes[&lane].lock().len() as u64
    }

    /// A node is gone. What it had handed to its connections arrives or does not; a machine that failed has lost what
    /// was not synced.
    pub(super) fn node_gone(sim: &mut Sim, node: usize, machine_failed: bool) {
        let mut late = Vec::new();
        for ((of, lane), connection) in sim.broker.connections.iter_mut().filter(|((of, _), _)| *of == node) {
            let arrive = sim.rng.usize(0..=connection.len());
            late.extend(connection.drain(..).take(arrive).map(|append| (*of, *lane, append.bytes)));
        }
        for (node, lane, bytes) in late {
            let wait = sim.rng.i64(0..3_000_000);
            sim.after(wait, Event::Late(node, lane, bytes));
        }
        if sim.broker.embedded {
            sim.broker.waiting.clear();
            if machine_failed {
                let kept = sim.rng.usize(sim.broker.synced..=sim.broker.wal.len());
                let lost = sim.broker.wal.split_off(kept);
                for lane in lost.iter().rev() {
                    sim.broker.lanes[lane].lock().pop();
                }
                sim.tell(|| format!("the machine fails; {} records were not synced", lost.len()));
            }
            // What is there was read back, and is durable from then on.
            let all = sim.broker.wal.len();
            mark_synced(sim, all);
            for ((of, lane), seen) in &sim.broker.seen {
                debug_assert_eq!(*of, node);
                seen.set(sim.broker.lanes[lane].lock().len() as u64);
            }
        }
    }
}

/// The next append of a connection reaches the broker, if anything does.
pub(super) fn pump(sim: &mut Sim, node: usize, lane: LaneId) {
    let (now, linked) = (sim.now_us, sim.nodes[node].linked);
    let Some(connection) = sim.broker.connections.get_mut(&(node, lane)) else { return };
    let Some(first) = connection.front() else { return };
    if !linked && now < first.expires_us {
        sim.after(50_000, Event::Pump(node, lane));
        return;
    }
    let Some(append) = connection.pop_front() else { return };
    let unavailable = |what: &str| Err(LogError::Unavailable { what: what.to_owned() });
    if !linked {
        let _ = append.done.send(unavailable("no answer from the broker"));
        return;
    }
    let AppendRates { lost, ack_lost, repeated, late } = sim.broker.rates;
    let fate = sim.rng.u32(..1_000);
    let (lost, ack_lost) = (lost, lost + ack_lost);
    let (repeated, late) = (ack_lost + repeated, ack_lost + repeated + late);
    if fate < lost {
        sim.tell(|| format!("an append of n{node} to {lane:?} is lost"));
        acknowledge(sim, append.done, unavailable("the append was lost"));
    } else if fate < ack_lost {
        sim.tell(|| format!("the acknowledgement of an append of n{node} to {lane:?} is lost"));
        land(sim, node, lane, append.bytes);
        acknowledge(sim, append.done, unavailable("the acknowledgement was lost"));
    } else if fate < repeated {
        sim.tell(|| format!("an append of n{node} to {lane:?} is repeated"));
        let first = land(sim, node, lane, append.bytes.clone());
        let second = land(sim, node, lane, append.bytes);
        let told = if sim.rng.bool() { first } else { second };
        acknowledge(sim, append.done, Ok(told));
    } else if fate < late {
        sim.tell(|| format!("an append of n{node} to {lane:?} is delayed for long"));
        acknowledge(sim, append.done, unavailable("the append timed out"));
        let wait = sim.rng.i64(10_000..4_000_000);
        sim.after(wait, Event::Late(node, lane, append.bytes));
    } else {
        let offset = land(sim, node, lane, append.bytes);
        acknowledge(sim, append.done, Ok(offset));
    }
}

fn acknowledge(sim: &mut Sim, done: Done, result: Result<Offset, LogError>) {
    let wait = sim.delay();
    let told = move |_: &mut Sim| drop(done.send(result));
    sim.after(wait, Event::Call(Box::new(told)));
}

/// A record is in the log, and durable. Nodes see it in a while.
pub(super) fn land(sim: &mut Sim, node: usize, lane: LaneId, bytes: Bytes) -> Offset {
    let offset = append(sim, node, lane, bytes);
    durable(sim, lane, offset);
    offset
}

fn append(sim: &mut Sim, node: usize, lane: LaneId, bytes: Bytes) -> Offset {
    let mut records = sim.broker.lanes[&lane].lock();
    let offset = Offset(records.len() as u64);
    records.push((bytes, node));
    drop(records);
    sim.tell(|| format!("n{node} appends {lane:?} at {offset}"));
    offset
}

/// The oracle and the nodes get to know a record.
fn durable(sim: &mut Sim, lane: LaneId, offset: Offset) {
    let index = usize::try_from(offset.0).unwrap_or(usize::MAX);
    if lane.0 == Topic::Decisions {
        let (bytes, author) = sim.broker.lanes[&lane].lock()[index].clone();
        let commands = Arc::clone(sim.broker.lane(LaneId(Topic::Commands, lane.1)));
        sim.oracle.durable(lane.1, offset, bytes, author, &commands);
    }
    for node in 0..sim.nodes.len() {
        let wait = sim.delay();
        sim.after(wait, Event::Visible(node, lane, offset.0 + 1));
    }
}

/// Embedded: everything written so far is durable.
pub(super) fn sync(sim: &mut Sim) {
    sim.broker.syncing = false;
    let upto = sim.broker.wal.len();
    mark_synced(sim, upto);
    for (done, offset) in std::mem::take(&mut sim.broker.waiting) {
        let _ = done.send(Ok(offset));
    }
}

fn mark_synced(sim: &mut Sim, upto: usize) {
    let mut before: BTreeMap<LaneId, u64> = BTreeMap::new();
    for lane in &sim.broker.wal[..sim.broker.synced] {
        *before.entry(*lane).or_default() += 1;
    }
    let newly: Vec<_> = sim.broker.wal[sim.broker.synced..upto].to_vec();
    sim.broker.synced = upto;
    for lane in newly {
        let offset = before.entry(lane).or_default();
        let place = Offset(*offset);
        *offset += 1;
        if lane.0 == Topic::Decisions {
            durable(sim, lane, place);
        }
    }
}

/// A node sees a lane up to an offset.
pub(super) fn visible(sim: &mut Sim, node: usize, lane: LaneId, upto: u64) {
    if !sim.nodes[node].linked {
        sim.after(50_000, Event::Visible(node, lane, upto));
        return;
    }
    let there = sim.broker.len(lane);
    sim.broker.seen[&(node, lane)].update(|seen| *seen = (*seen).max(upto).min(there));
}

/// The log as a node sees it.
pub(super) struct NodeLog {
    pub(super) shared: Shared,
    pub(super) node: usize,
    pub(super) name: String,
    pub(super) partitions: u32,
}

impl Broker {
    pub(super) fn log_of(shared: &Shared, node: usize) -> NodeLog {
        let sim = shared.lock();
        let (name, partitions) = (sim.broker.name.clone(), sim.broker.partitions);
        drop(sim);
        NodeLog { shared: shared.clone(), node, name, partitions }
    }
}

impl Log for NodeLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn describe(&self) -> String {
        "simulated".to_owned()
    }

    fn append(&self, topic: Topic, partition: PartitionId, record: Bytes, durability: Durability) -> Appended {
        let mut sim = self.shared.lock();
        let lane = LaneId(topic, partition);
        let (done, result) = oneshot::channel();
        if sim.broker.embedded {
            let offset = append(&mut sim, self.node, lane, record);
            sim.broker.wal.push(lane);
            if topic == Topic::Commands {
                visible(&mut sim, self.node, lane, offset.0 + 1);
            }
            if durability == Durability::WithNextSync {
                return Appended::done(Ok(offset));
            }
            sim.broker.waiting.push((done, offset));
            if !std::mem::replace(&mut sim.broker.syncing, true) {
                let wait = sim.rng.i64(1..=SYNC_US);
                sim.after(wait, Event::Sync);
            }
            return Appended::waiting(result);
        }
        let expires_us = sim.now_us + APPEND_TIMEOUT_US;
        let wait = sim.delay();
        if let Some(connection) = sim.broker.connections.get_mut(&(self.node, lane)) {
            connection.push_back(Append { bytes: record, expires_us, done });
        }
        sim.after(wait, Event::Pump(self.node, lane));
        Appended::waiting(result)
    }

    fn reader(&self, topic: Topic, partition: PartitionId, from: Offset) -> Result<Box<dyn LogReader>, LogError> {
        let sim = self.shared.lock();
        let lane = LaneId(topic, partition);
        let next = Offset(sim.broker.len(lane));
        if from > next {
            return Err(LogError::BeyondEnd { topic, partition, asked: from, next });
        }
        let seen = Arc::clone(&sim.broker.seen[&(self.node, lane)]);
        Ok(Box::new(NodeReader { records: Arc::clone(sim.broker.lane(lane)), seen, at: from.0 }))
    }

    fn bounds(&self, topic: Topic, partition: PartitionId) -> BoxFuture<'_, Result<Bounds, LogError>> {
        let (done, answered) = oneshot::channel();
        let (node, lane) = (self.node, LaneId(topic, partition));
        let mut sim = self.shared.lock();
        let wait = sim.delay();
        sim.after(wait, Event::Call(Box::new(move |sim| ask_bounds(sim, node, lane, done))));
        drop(sim);
        async move { answered.await.map_err(|_| LogError::Closed)? }.boxed()
    }

    fn trim(&self, _: Topic, _: PartitionId, _: Offset) -> BoxFuture<'_, Result<(), LogError>> {
        async { Ok(()) }.boxed()
    }
}

/// The broker is asked for the end of a lane; the answer takes its time as well.
fn ask_bounds(sim: &mut Sim, node: usize, lane: LaneId, done: oneshot::Sender<Result<Bounds, LogError>>) {
    let (wait, result) = if sim.nodes[node].linked {
        (sim.delay(), Ok(Bounds { first: Offset(0), next: Offset(sim.broker.len(lane)) }))
    } else {
        (APPEND_TIMEOUT_US, Err(LogError::Unavailable { what: "no answer from the broker".to_owned() }))
    };
    let result = match result {
        // Decisions that are not synced are not there.
        Ok(bounds) if sim.broker.embedded && lane.0 == Topic::Decisions => {
            let synced = sim.broker.wal[..sim.broker.synced].iter().filter(|of| **of == lane).count();
            Ok(Bounds { next: Offset(synced as u64), ..bounds })
        }
        other => other,
    };
    sim.after(wait, Event::Call(Box::new(move |_| drop(done.send(result)))));
}

struct NodeReader {
    records: Records,
    seen: Arc<Watched<u64>>,
    at: u64,
}

impl NodeReader {
    fn found(&self, seen: u64) -> Vec<Record> {
        let records = self.records.lock();
        let from = usize::try_from(self.at).unwrap_or(usize::MAX);
        let upto = usize::try_from(seen).unwrap_or(usize::MAX).min(records.len());
        let found = records.get(from..upto).unwrap_or_default().iter().zip(self.at..);
        found.map(|((bytes, _), offset)| Record { offset: Offset(offset), bytes: bytes.clone() }).collect()
    }
}

impl LogReader for NodeReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Record>, LogError>> {
        async move {
            loop {
                let seen = self.seen.wait_for(|seen| *seen > self.at).await;
                let found = self.found(seen);
                self.at += found.len() as u64;
                if !found.is_empty() {
                    return Ok(found);
                }
                // What it had seen is gone: the machine failed, and whoever reads goes with it.
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    }
}
