//! Messages between nodes: late, or never there.

use daybook_kernel::id::PartitionId;
use daybook_proto::log::v1::CommandRecord;
use daybook_runtime::{Outcome, Owner, Peers, SubmitError};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::oneshot;

use super::events::{Event, Shared};

/// Something that one node sends to another.
pub(super) enum Message {
    /// A command to be decided there.
    Submit { from: usize, to: usize, record: Box<CommandRecord>, reply: oneshot::Sender<Result<Outcome, SubmitError>> },
    /// A node asks another who leads what, as far as that one knows.
    Gossip { from: usize, to: usize },
}

/// How a node reaches the others.
pub(super) struct NodePeers {
    pub(super) shared: Shared,
    pub(super) node: usize,
}

/// The address of a node.
pub(super) fn address(node: usize) -> String {
    format!("n{node}:7420")
}

fn node_at(address: &str) -> Option<usize> {
    address.strip_prefix('n')?.strip_suffix(":7420")?.parse().ok()
}

/// How long a node waits for another one's answer, in microseconds.
const ANSWER_TIMEOUT_US: i64 = 2_500_000;

impl Peers for NodePeers {
    fn submit<'a>(
        &'a self,
        owner: &'a Owner,
        partition: PartitionId,
        record: &'a CommandRecord,
    ) -> BoxFuture<'a, Result<Outcome, SubmitError>> {
        let (reply, answer) = oneshot::channel();
        let (timeout, timed_out) = oneshot::channel();
        let mut sim = self.shared.lock();
        if let Some(to) = node_at(&owner.address).filter(|to| *to < sim.nodes.len()) {
            let wait = sim.delay();
            let message = Message::Submit { from: self.node, to, record: Box::new(record.clone()), reply };
            sim.after(wait, Event::Message(message));
        }
        sim.after(ANSWER_TIMEOUT_US, Event::Wake(timeout));
        drop(sim);
        async move {
            tokio::select! {
                biased;
                answer = answer => answer.unwrap_or_else(|_| {
                    let detail = "the connection to the node that leads it broke".to_owned();
                    Err(SubmitError::NotLeading { partition, detail })
                }),
                _ = timed_out => {
                    let waited = std::time::Duration::from_micros(ANSWER_TIMEOUT_US.unsigned_abs());
                    Err(SubmitError::OutcomeUnknown { waited })
                }
            }
        }
        .boxed()
    }

    fn are_there(&self) -> bool {
        true
    }
}
