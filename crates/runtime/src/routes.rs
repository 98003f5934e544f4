//! Who leads which partition, as far as this node knows: filled from takeovers that count, its own and those that other
//! nodes tell of. A route may be out of date; whoever is asked in vain says so, and nothing is lost by asking.

use daybook_kernel::id::{Epoch, PartitionId};

use crate::watched::Watched;

/// Who took a partition over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The term that began with it.
    pub epoch: Epoch,
    /// The node.
    pub node_id: String,
    /// Where other nodes reach it.
    pub address: String,
}

/// The latest owner of each partition that this node knows of.
#[derive(Debug)]
pub struct Routes(Vec<Watched<Option<Owner>>>);

impl Routes {
    pub(crate) fn new(partitions: u32) -> Self {
        Self((0..partitions).map(|_| Watched::default()).collect())
    }

    /// Takes in a takeover that counts. One that is older than what is known changes nothing.
    pub fn learn(&self, partition: PartitionId, owner: &Owner) {
        let Some(known) = self.0.get(partition.0 as usize) else { return };
        let is_older = |known: &Option<Owner>| known.as_ref().is_none_or(|known| known.epoch < owner.epoch);
        if is_older(&known.get()) {
            known.update(|known| {
                if is_older(known) {
                    *known = Some(owner.clone());
                }
            });
        }
    }

    /// Ready when somebody has taken a partition over after the term `epoch`. Cancel safe.
    pub async fn taken_over_after(&self, partition: PartitionId, epoch: Epoch) {
        match self.0.get(partition.0 as usize) {
            Some(known) => {
                known.wait_for(|known| known.as_ref().is_some_and(|known| known.epoch > epoch)).await;
            }
            None => std::future::pending().await,
        }
    }

    /// Who leads a partition, as far as is known.
    pub fn owner(&self, partition: PartitionId) -> Option<Owner> {
        self.0.get(partition.0 as usize)?.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_takeover_is_the_route_in_whatever_order_one_hears_of_them() {
        let routes = Routes::new(1);
        let owner = |epoch, node: &str| Owner { epoch: Epoch(epoch), node_id: node.into(), address: String::new() };
        assert_eq!(routes.owner(PartitionId(0)), None);
        for (epoch, node) in [(2, "b"), (1, "a"), (3, "c"), (3, "late")] {
            routes.learn(PartitionId(0), &owner(epoch, node));
        }
        assert_eq!(routes.owner(PartitionId(0)), Some(owner(3, "c")));
        routes.learn(PartitionId(7), &owner(1, "a"));
        assert_eq!(routes.owner(PartitionId(7)), None, "there is no such partition");
    }
}
