//! When nothing is left to do, and what must be true then.

use daybook_kernel::id::PartitionId;
use daybook_kernel::system::{due_timers, open_effects};
use daybook_kernel::time::Timestamp;
use daybook_log::Topic;

use super::{PARTITIONS, World};
use crate::sim::broker::LaneId;
use crate::sim::clients::Op;

impl World {
    pub(super) fn is_quiet(&self) -> bool {
        self.why_not_quiet().is_empty()
    }

    /// What is left to do, in words; empty when nothing is.
    pub(super) fn why_not_quiet(&self) -> String {
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

    /// Homes show what is so, and nothing waits.
    pub(super) fn check_holds(&self) -> Result<(), Vec<String>> {
        let mut sim = self.shared.lock();
        sim.oracle.check_settled();
        if sim.oracle.violations.is_empty() { Ok(()) } else { Err(sim.oracle.violations.clone()) }
    }

    /// Every node has the state that the log tells of.
    pub(super) fn check_states(&self) -> Result<(), Vec<String>> {
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
