//! What this node should do with each partition, from what it knows of the others. A pure function.
//!
//! The group's word on who should own a partition is advice, and so is everything here: two nodes that decide differently
//! for a while do no harm (the chain keeps them apart), they only cost time. Therefore:
//!
//! - who is to get a partition from a node that is alive follows it first, and takes over when it is close behind: nobody
//!   waits while a store is built;
//! - who has a partition keeps it until then;
//! - a node that is seen dead, or says that it leaves, is replaced by its first standby at once, without waiting for the
//!   group to notice; so is one that says that it is not fit to lead;
//! - a node that is not fit to lead because its disk is nearly full goes on if nobody else can; one whose store has failed
//!   leaves the partition to others in any case.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use daybook_kernel::hash::Hash;
use daybook_kernel::id::PartitionId;
use daybook_runtime::Role;

/// After this long the group's word counts, whatever else seems to be the case.
const HAND_OVER_MAX: Duration = Duration::from_secs(30);

/// What another node is seen to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    /// Its address refuses connections.
    pub(crate) dead: bool,
    /// It shuts down.
    pub(crate) leaving: bool,
    /// Partitions that another node should lead: its store has failed, or its disk is nearly full.
    pub(crate) unfit: BTreeSet<PartitionId>,
    /// Partitions that it leads.
    pub(crate) leads: BTreeSet<PartitionId>,
    /// Partitions that it follows closely.
    pub(crate) follows_closely: BTreeSet<PartitionId>,
}

impl Peer {
    /// It does not lead the partition, or should not.
    fn is_out(&self, partition: PartitionId) -> bool {
        self.dead || self.leaving || self.unfit.contains(&partition)
    }

    /// It can lead the partition without building anything first.
    fn can_go_on(&self, partition: PartitionId) -> bool {
        !self.is_out(partition) && (self.leads.contains(&partition) || self.follows_closely.contains(&partition))
    }
}

/// What this node knows.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// This node.
    pub(crate) me: String,
    /// How many nodes should follow a partition, beside its owner.
    pub(crate) standbys: usize,
    /// What the group assigns to each node, by node id; this one included.
    pub(crate) assigned: BTreeMap<String, BTreeSet<PartitionId>>,
    /// How long the group has been saying so.
    pub(crate) assigned_for: Duration,
    /// The others, as they are seen.
    pub(crate) peers: BTreeMap<String, Peer>,
    /// The latest owner of each partition that anybody knows of.
    pub(crate) owners: BTreeMap<PartitionId, String>,
    /// Partitions whose store has failed here.
    pub(crate) failed: BTreeSet<PartitionId>,
    /// Those, or all of them when the disk is nearly full.
    pub(crate) unfit: BTreeSet<PartitionId>,
    /// What this node leads now, or is about to.
    pub(crate) leads: BTreeSet<PartitionId>,
    /// What it leads or is about to, or follows closely enough to lead at once.
    pub(crate) is_close: BTreeSet<PartitionId>,
}

impl View {
    /// What this node should do with a partition.
    pub(crate) fn role(&self, partition: PartitionId) -> Role {
        if self.failed.contains(&partition) && !self.peers.is_empty() {
            return Role::Rest;
        }
        // Left to others, if there are any.
        if self.unfit.contains(&partition) && self.peers.values().any(|peer| peer.can_go_on(partition)) {
            return Role::Follow;
        }
        let assigned_to = |node: &String| self.assigned.get(node).is_some_and(|of| of.contains(&partition));
        let owner = self.owners.get(&partition);
        let hand_over_is_due = self.assigned_for >= HAND_OVER_MAX;
        // Another node, which is alive and has not given it up.
        let owner_goes_on = owner
            .and_then(|owner| self.peers.get(owner))
            .is_some_and(|owner| !owner.is_out(partition) && owner.leads.contains(&partition));
        if assigned_to(&self.me) {
            // From a node that is alive it is taken over once this one is close behind.
            return if owner_goes_on && !self.is_close.contains(&partition) && !hand_over_is_due {
                Role::Follow
            } else {
                Role::Lead
            };
        }
        let is_out = |node: &String| self.peers.get(node).is_some_and(|peer| peer.is_out(partition));
        let assignee = self.assigned.keys().find(|node| assigned_to(node));
        let assignee_is_out = assignee.is_none_or(is_out);
        // Kept until the one that is to have it can go on without a pause.
        let can_go_on = assignee.and_then(|node| self.peers.get(node)).is_some_and(|peer| {
            hand_over_is_due || peer.leads.contains(&partition) || peer.follows_closely.contains(&partition)
        });
        if self.leads.contains(&partition) && (assignee_is_out || !can_go_on) {
            return Role::Lead;
        }
        let rank = self.rank(partition, assignee);
        // Also when the owner has given it up for one that then could not take it.
        let is_left = owner.is_some() && !owner_goes_on && assignee_is_out;
        if rank == Some(0) && is_left && self.is_close.contains(&partition) {
            return Role::Lead;
        }
        match rank {
            Some(rank) if rank < self.standbys => Role::Follow,
            // Nobody else is known: better to follow than to know nothing.
            None if self.assigned.is_empty() => Role::Follow,
            _ => Role::Rest,
        }
    }

    /// Which standby this node is of a partition, from 0. Every node that knows the same nodes has the same order, and
    /// few partitions change their standbys when a node comes or goes (rendezvous hashing).
    fn rank(&self, partition: PartitionId, assignee: Option<&String>) -> Option<usize> {
        let weight = |node: &String| Hash::of_parts(&[node.as_bytes(), &partition.0.to_be_bytes()]);
        let is_out = |node: &String| self.peers.get(node).is_some_and(|peer| peer.is_out(partition));
        let mut candidates: Vec<_> =
            self.assigned.keys().filter(|node| Some(*node) != assignee && !is_out(node)).collect();
        candidates.sort_by_key(|node| weight(node));
        candidates.iter().position(|node| **node == self.me)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: PartitionId = PartitionId(0);

    /// Nodes a, b and c; the partition is assigned to one of them and owned by another.
    fn view(me: &str, assigned: Option<&str>, owner: &str) -> View {
        let mut view = View { me: me.into(), standbys: 1, ..View::default() };
        for node in ["a", "b", "c"] {
            let partitions = if assigned == Some(node) { BTreeSet::from([P]) } else { BTreeSet::new() };
            view.assigned.insert(node.into(), partitions);
            if node != me {
                let leads = if owner == node { BTreeSet::from([P]) } else { BTreeSet::new() };
                view.peers.insert(node.into(), Peer { leads, ..Peer::default() });
            }
        }
        view.owners.insert(P, owner.into());
        if owner == me {
            view.leads.insert(P);
            view.is_close.insert(P);
        }
        view
    }

    fn first_standby(assigned: &str) -> String {
        let is_first = |node: &&str| view(node, Some(assigned), assigned).rank(P, Some(&assigned.into())) == Some(0);
        ["a", "b", "c"].into_iter().filter(|node| *node != assigned).find(is_first).unwrap().into()
    }

    #[test]
    fn the_owner_that_the_group_wants_leads_and_one_standby_follows() {
        assert_eq!(view("a", Some("a"), "a").role(P), Role::Lead);
        let roles: Vec<_> = ["b", "c"].map(|node| view(node, Some("a"), "a").role(P)).into();
        assert!(roles.contains(&Role::Follow) && roles.contains(&Role::Rest), "{roles:?}");
    }

    #[test]
    fn a_partition_changes_hands_when_the_new_owner_is_close_behind() {
        let mut new = view("b", Some("b"), "a");
        assert_eq!(new.role(P), Role::Follow, "first it follows");
        let mut old = view("a", Some("b"), "a");
        assert_eq!(old.role(P), Role::Lead, "and the old owner goes on");
        new.is_close.insert(P);
        assert_eq!(new.role(P), Role::Lead);
        old.peers.get_mut("b").unwrap().follows_closely.insert(P);
        assert_ne!(old.role(P), Role::Lead);
        let mut late = view("b", Some("b"), "a");
        late.assigned_for = HAND_OVER_MAX;
        assert_eq!(late.role(P), Role::Lead, "in the end the group's word counts");
    }

    #[test]
    fn nobody_waits_for_an_owner_that_is_gone() {
        let standby = first_standby("a");
        let mut view = view(&standby, Some("a"), "a");
        view.is_close.insert(P);
        assert_eq!(view.role(P), Role::Follow);
        view.peers.get_mut("a").unwrap().dead = true;
        assert_eq!(view.role(P), Role::Lead, "its first standby leads before the group has noticed");
        view.peers.get_mut("a").unwrap().dead = false;
        view.peers.get_mut("a").unwrap().leaving = true;
        assert_eq!(view.role(P), Role::Lead, "also when it says that it leaves");
        view.is_close.clear();
        assert_eq!(view.role(P), Role::Follow, "but not before it is close behind");

        // Then it owns the partition, and keeps it until the group gives it to somebody who is there.
        view.is_close.insert(P);
        view.leads.insert(P);
        view.owners.insert(P, standby.clone());
        view.assigned_for = HAND_OVER_MAX * 2;
        assert_eq!(view.role(P), Role::Lead);
    }

    #[test]
    fn a_dead_owner_is_replaced_by_whom_the_group_chose_at_once() {
        let mut view = view("b", Some("b"), "a");
        view.peers.get_mut("a").unwrap().dead = true;
        assert_eq!(view.role(P), Role::Lead, "whether it is close behind or not: nobody else is there");
    }

    #[test]
    fn a_node_that_is_not_fit_to_lead_is_replaced_and_leads_again_later() {
        let standby = first_standby("a");
        let mut other = view(&standby, Some("a"), "a");
        other.is_close.insert(P);
        other.peers.get_mut("a").unwrap().unfit.insert(P);
        assert_eq!(other.role(P), Role::Lead, "its first standby does not wait for the group, which notices nothing");

        let mut unfit = view("a", Some("a"), "a");
        unfit.unfit.insert(P);
        assert_eq!(unfit.role(P), Role::Lead, "nobody else can: better a node that says why it refuses");
        unfit.peers.get_mut(&standby).unwrap().follows_closely.insert(P);
        assert_eq!(unfit.role(P), Role::Follow);
        unfit.peers.get_mut(&standby).unwrap().unfit.insert(P);
        assert_eq!(unfit.role(P), Role::Lead, "not to another node that is not fit either");

        // It is fit again: the group's word counts, as ever.
        let mut fit = view("a", Some("a"), &standby);
        fit.is_close.insert(P);
        assert_eq!(fit.role(P), Role::Lead);
    }

    #[test]
    fn what_was_given_up_for_a_node_that_then_cannot_take_it_is_led_by_its_first_standby() {
        let role = |me: &str| {
            let mut view = view(me, Some("b"), "a");
            // The owner has given it up, and both that are left are close to its end.
            view.leads.clear();
            view.is_close.insert(P);
            if let Some(owner) = view.peers.get_mut("a") {
                owner.leads.clear();
            }
            view.peers.get_mut("b").unwrap().unfit.insert(P);
            view.role(P)
        };
        let leads: Vec<_> = ["a", "c"].into_iter().filter(|me| role(me) == Role::Lead).collect();
        assert_eq!(leads, [first_standby("b").as_str()], "one of them, whether it had it before or not");
    }

    #[test]
    fn a_partition_whose_store_has_failed_is_left_to_others() {
        let mut failed = view("a", Some("a"), "a");
        failed.failed.insert(P);
        failed.unfit.insert(P);
        assert_eq!(failed.role(P), Role::Rest);
        failed.peers.clear();
        assert_eq!(failed.role(P), Role::Lead, "who is alone says why it does not go on");
    }

    #[test]
    fn who_knows_nobody_follows() {
        let view = View { me: "a".into(), standbys: 1, ..View::default() };
        assert_eq!(view.role(P), Role::Follow);
    }
}
