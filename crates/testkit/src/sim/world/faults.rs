//! What goes wrong, and that it ends.

use std::sync::Arc;

use daybook_kernel::domain::Projection as _;
use daybook_kernel::id::PartitionId;
use daybook_runtime::Role;

use super::{PARTITIONS, World};
use crate::sim::events::Event;
use crate::sim::network::Message;
use crate::sim::plan::{AppendRates, Fault};

impl World {
    /// One owner and one follower or more for each partition.
    pub(super) fn assign_well(&mut self) {
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

    pub(super) fn hand_out(&self) {
        for (node, assigned) in self.nodes.iter().zip(&self.assigned) {
            let Some(running) = &node.running else { continue };
            for (partition, role) in (0..).map(PartitionId).zip(assigned) {
                running.roles.set(partition, *role);
            }
        }
    }

    pub(super) fn begin_faults(&mut self) {
        self.faulty = true;
        let plan = self.plan.clone();
        let mut sim = self.shared.lock();
        sim.broker.rates = plan.appends;
        sim.delay_max_us = i64::try_from(plan.delay_max.as_micros()).unwrap_or(i64::MAX);
        sim.tell(|| "faults begin".to_owned());
        self.next_fault_us = sim.now_us;
        self.next_assignment_us = sim.now_us;
        if let Some(after) = plan.upgrade {
            self.raise_at_us = sim.now_us + i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
        }
    }

    pub(super) fn end_faults(&mut self) {
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
    pub(super) fn go_wrong(&mut self) {
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
        self.raise_feature_level();
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

    pub(super) fn inject(&mut self, fault: Fault, node: usize, until_us: i64) {
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

    /// Partitions are handed out, well or not so well.
    pub(super) fn assign(&mut self) {
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
}

fn pairs(nodes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..nodes).flat_map(move |from| (0..nodes).filter(move |to| *to != from).map(move |to| (from, to)))
}
