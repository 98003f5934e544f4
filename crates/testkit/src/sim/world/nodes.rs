//! Nodes that start, stop, end, and get messages.

use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::id::PartitionId;
use daybook_kernel::system::Effect;
use daybook_proto::platform::v1::{NodeRelease, RaiseFeatureLevelRequest};
use daybook_runtime::{
    EffectFailed, EffectHandler, EffectHandlers, Limits, Node, NodeOptions, PartitionState, RequestedEffect, Role,
    Roles,
};
use daybook_store::Store;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost::Message as _;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{PARTITIONS, Running, World};
use crate::sim::broker::Broker;
use crate::sim::clock::NodeClock;
use crate::sim::disk::NodeStores;
use crate::sim::events::{Call, Event, Shared};
use crate::sim::holds;
use crate::sim::network::{Message, NodePeers, address};
use crate::sim::oracle::{NEWER, OLDER};

impl World {
    pub(super) fn start_and_stop(&mut self) {
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

    pub(super) fn start(&mut self, node: usize) {
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
        let echo = |effect: &RequestedEffect, _| effect.token().encode_to_vec();
        let echo = Arc::new(SimOutside { shared: self.shared.clone(), node, answer: echo });
        let keys = Arc::new(SimOutside { shared: self.shared.clone(), node, answer: holds::destroy_keys });
        let options = NodeOptions {
            deciding: Arc::new(daybook_runtime::Unwatched),
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
            effects: EffectHandlers::new().with("echo", echo).with(Effect::DESTROY_KEYS, keys),
        };
        let log = Arc::new(Broker::log_of(&self.shared, node));
        let clock = Arc::new(NodeClock { shared: self.shared.clone(), node });
        let decider = self.fixture.decider.clone().understanding(self.install(node));
        match runtime.block_on(async { Node::start(log, decider, clock, options) }) {
            Ok(started) => {
                let disk_was_full = self.shared.lock().nodes[node].disk_full;
                self.nodes[node].running = Some(Running { runtime, node: started, roles, disk_was_full });
            }
            Err(error) => self.shared.lock().oracle.violations.push(format!("start {starts} of n{node}: {error}")),
        }
    }

    /// A node that was down comes back with the newer release, now and then; in the end every one has it.
    fn install(&mut self, node: usize) -> FeatureLevel {
        if self.plan.upgrade.is_none() {
            return OLDER;
        }
        let mut sim = self.shared.lock();
        if sim.nodes[node].understands == OLDER && sim.nodes[node].starts > 1 && sim.rng.bool() {
            sim.nodes[node].understands = NEWER;
            sim.tell(|| format!("n{node} has the newer release"));
        }
        sim.nodes[node].understands
    }

    /// Somebody raises the feature level, whatever releases the nodes are of.
    pub(super) fn raise_feature_level(&mut self) {
        if self.raise_at_us > self.now() {
            return;
        }
        let nodes = vec![NodeRelease { newest_feature_level: NEWER.0, ..Default::default() }];
        let request = RaiseFeatureLevelRequest { nodes, ..Default::default() };
        let record = self.platform_record("RaiseFeatureLevel", request.encode_to_vec());
        let nodes = self.plan.nodes;
        let node = self.random(|rng| rng.usize(..nodes));
        if let Some(asked) = self.submit(node, &record) {
            self.tell(|| format!("somebody raises the feature level at n{node}"));
            drop(asked);
            self.raise_at_us = i64::MAX;
        }
    }

    /// What ran on a node is gone.
    pub(super) fn gone(&mut self, node: usize, machine_failed: bool) {
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

    pub(super) fn stop_in_good_order(&mut self, node: usize) {
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

    /// A partition that has stopped for good, for a reason that is not its disk, should not be.
    pub(super) fn look_for_broken(&mut self) {
        for node in 0..self.nodes.len() {
            let Some(running) = &self.nodes[node].running else { continue };
            let broken = running.node.partitions().iter().find_map(|partition| {
                let (state, detail) = partition.state().get();
                (state == PartitionState::Broken).then(|| format!("partition {}: {detail}", partition.id()))
            });
            let Some(detail) = broken else { continue };
            if running.node.outdated().is_some() {
                // Its program ends. Somebody installs the newer release, sooner or later.
                self.tell(|| format!("n{node} is too old: {detail}"));
                self.gone(node, false);
                self.shared.lock().nodes[node].understands = NEWER;
                self.report.outdated += 1;
            } else if running.disk_was_full {
                if !self.shared.lock().nodes[node].disk_full {
                    self.tell(|| format!("somebody restarts n{node}"));
                    self.gone(node, false);
                }
            } else {
                self.shared.lock().oracle.violations.push(format!("n{node}, {detail}"));
            }
        }
    }

    /// A message arrives.
    pub(super) fn deliver(&mut self, message: Message) {
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
}

/// What is outside of a simulated node: it takes its time, and fails now and then.
struct SimOutside {
    shared: Shared,
    node: usize,
    /// What it answers at a time.
    answer: fn(&RequestedEffect, i64) -> Vec<u8>,
}

impl EffectHandler for SimOutside {
    fn run<'a>(
        &'a self,
        effect: &'a RequestedEffect,
        _: &'a Arc<dyn Store>,
    ) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>> {
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
            let now_us = self.shared.lock().now_us;
            if fails { Err(EffectFailed("not yet".to_owned())) } else { Ok((self.answer)(effect, now_us)) }
        }
        .boxed()
    }
}
