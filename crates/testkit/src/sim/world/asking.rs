//! Callers: what they ask, what they are told, and what they find when they look.

use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::id::{PartitionId, Position, StreamKey, TenantId};
use daybook_kernel::key::All;
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::system;
use daybook_kernel::table::View;
use daybook_proto::log::v1::CommandRecord;
use daybook_proto::platform::v1::UnparkStreamRequest;
use futures_util::FutureExt;
use prost::Message as _;
use tokio::task::JoinHandle;

use super::{PARTITIONS, World};
use crate::sim::clients::{Ask, Op, in_short};

impl World {
    pub(super) fn follow_clients(&mut self) {
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

    pub(super) fn ask_next(&mut self, index: usize, now: i64) {
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

    pub(super) fn send(&mut self, index: usize, mut ask: Box<Ask>, now: i64) {
        let copies = if self.random(|rng| rng.u32(..8)) == 0 { 2 } else { 1 };
        for _ in 0..copies {
            let node = self.random(|rng| rng.usize(..self.plan.nodes));
            ask.waiting.extend(self.submit(node, &ask.record));
        }
        ask.sent_us = now;
        ask.times_sent += 1;
        self.clients[index].op = Some(Op::Ask(ask));
    }

    pub(super) fn follow(&mut self, index: usize, mut ask: Box<Ask>, now: i64) {
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
    pub(super) fn look(&mut self, index: usize, position: Position) {
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
    pub(super) fn unpark(&mut self) {
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
}

fn partition_of_record(record: &CommandRecord) -> PartitionId {
    let parsed = (TenantId::parse(&record.tenant_id), StreamKey::parse(&record.stream_key));
    let (Ok(tenant), Ok(key)) = parsed else { return PartitionId(0) };
    partition_of(&tenant, &key, PARTITIONS)
}
