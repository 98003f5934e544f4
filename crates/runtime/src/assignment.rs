//! What a node does with each partition. Decided elsewhere (by a consumer group, by a configuration) and obeyed here.
//!
//! A role is about liveness only. Two nodes that both believe they lead a partition do no harm: the chain lets one
//! record count for each link, and the other one sees that it lost the head.

use std::sync::Arc;

use daybook_kernel::id::PartitionId;

use crate::watched::Watched;

/// What a node does with a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing. Its store stays as it is and falls behind.
    Rest,
    /// Applies what others decide, and appends nothing: a warm standby, which can lead without rebuilding anything.
    Follow,
    /// Takes over and decides commands.
    Lead,
}

/// The roles of a node, one for each partition. Clones share them.
#[derive(Debug, Clone)]
pub struct Roles(Arc<[Arc<Watched<Role>>]>);

impl Roles {
    /// The same role for every partition. A node on a log of its own leads them all.
    pub fn all(partitions: u32, role: Role) -> Self {
        Self((0..partitions).map(|_| Arc::new(Watched::new(role))).collect())
    }

    /// Gives a partition another role. Partitions that do not exist are passed over.
    pub fn set(&self, partition: PartitionId, role: Role) {
        if let Some(of) = self.0.get(partition.0 as usize) {
            of.set(role);
        }
    }

    /// The role of a partition; [`Role::Rest`] for one that does not exist.
    pub fn get(&self, partition: PartitionId) -> Role {
        self.0.get(partition.0 as usize).map_or(Role::Rest, |of| of.get())
    }

    pub(crate) fn watch(&self, partition: PartitionId) -> Option<Arc<Watched<Role>>> {
        self.0.get(partition.0 as usize).map(Arc::clone)
    }
}

/// What a partition is told from outside: its role, and when to stop.
pub(crate) struct Orders {
    role: Arc<Watched<Role>>,
    stop: Arc<Watched<bool>>,
}

impl Orders {
    pub(crate) fn new(role: Arc<Watched<Role>>, stop: Arc<Watched<bool>>) -> Self {
        Self { role, stop }
    }

    /// What to do now; `None` when the node stops.
    pub(crate) fn role(&self) -> Option<Role> {
        (!self.stop.get()).then(|| self.role.get())
    }

    /// Ready when the role is another one, or the node stops. Cancel safe.
    pub(crate) async fn other_than(&self, role: Role) {
        tokio::select! {
            biased;
            () = self.stopped() => {}
            _ = self.role.wait_for(|now| *now != role) => {}
        }
    }

    /// Ready when the node stops.
    pub(crate) async fn stopped(&self) {
        self.stop.wait_for(|stop| *stop).await;
    }
}
