//! Keeps what a node knows of the others up to date, and its roles with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use daybook_kernel::id::{Epoch, PartitionId};
use daybook_log::Membership;
use daybook_proto::cluster::v1::{Assignment, GetNodeRequest, GetNodeResponse, KnownNode, NodePartition};
use daybook_runtime::{Node, Owner, Partition, PartitionState, Role};
use futures_util::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::connections::is_refused;
use super::roles::{Peer, View};
use super::{Cluster, Destination};

/// How often other nodes are asked how they stand.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often the group is asked who belongs to it, when nothing seems to have changed.
const MEMBERS_EVERY: Duration = Duration::from_secs(2);
/// How long a change waits for the group's word on it.
const DESCRIBED_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long another node may take to say how it stands.
const LOOK_WAIT_MAX: Duration = Duration::from_millis(600);
/// A node whose address refuses connections this often in a row is gone.
const REFUSED_MAX: u32 = 2;
/// Records that a standby may be behind and still be close.
const CLOSE_RECORDS: u64 = 100;

impl Cluster {
    /// Runs until it is aborted, or the membership has ended.
    pub(crate) async fn coordinate(self: Arc<Self>) {
        let Some(membership) = self.membership.lock().clone() else { return };
        let (due, described) = (Notify::new(), watch::Sender::new(()));
        // Side by side: a group that cannot be described holds up nobody.
        tokio::select! {
            () = self.keep_members_known(&membership, &due, &described) => {}
            () = self.keep_roles(membership.assigned(), &due, described.subscribe()) => {}
        }
    }

    /// Asks the group who belongs to it, from time to time and when that is due.
    async fn keep_members_known(&self, membership: &Membership, due: &Notify, described: &watch::Sender<()>) {
        loop {
            let agreed = self.look_for_members(membership).await;
            described.send_replace(());
            // Asked for earlier: enough, whatever it says.
            let _ = timeout(if agreed { MEMBERS_EVERY } else { LOOK_EVERY }, due.notified()).await;
        }
    }

    /// Looks at the others, and decides anew.
    async fn keep_roles(
        &self,
        mut assigned: watch::Receiver<BTreeSet<PartitionId>>,
        due: &Notify,
        mut described: watch::Receiver<()>,
    ) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Who begins should know the others before it takes anything from them.
        let _ = timeout(DESCRIBED_WAIT_MAX, described.changed()).await;
        loop {
            tokio::select! {
                changed = assigned.changed() => {
                    if changed.is_err() {
                        // The membership has ended: nothing is assigned to this node any more.
                        return;
                    }
                    described.mark_unchanged();
                    due.notify_one();
                    let _ = timeout(DESCRIBED_WAIT_MAX, described.changed()).await;
                }
                _ = ticks.tick() => {}
            }
            self.look_at_peers().await;
            let mine = assigned.borrow_and_update().clone();
            self.decide_roles(mine);
        }
    }

    /// Asks the group who belongs to it. True when it has agreed on who owns what.
    async fn look_for_members(&self, membership: &Membership) -> bool {
        let members = match membership.members().await {
            Ok(members) => members,
            Err(error) => {
                tracing::debug!(%error, "the group does not say who belongs to it; the nodes ask each other");
                return false;
            }
        };
        let agreed = members.iter().any(|member| !member.partitions.is_empty());
        let mut known = self.known.lock();
        let counts: Vec<_> = members.iter().map(|member| (member.node_id.clone(), member.partitions.len())).collect();
        if known.described(&self.node_id, members, Instant::now()) {
            tracing::info!(members = ?counts, "the group has changed");
        }
        let addresses: BTreeSet<_> = known.peers.values().map(|seen| seen.address.clone()).collect();
        self.connections.keep(|address| addresses.contains(address));
        agreed
    }

    /// Notes that another node asked how this one stands.
    pub(super) fn was_asked_by(&self, node: String, asked: GetNodeRequest) {
        self.known.lock().introduced(&self.node_id, node, asked.address, Instant::now());
    }

    /// Notes the owners that the log names.
    fn know_owners(&self, node: &Node) {
        let owners = node.partitions().iter().filter_map(|partition| node.routes().owner(partition.id()));
        let (mut known, now) = (self.known.lock(), Instant::now());
        for owner in owners {
            known.introduced(&self.node_id, owner.node_id, owner.address, now);
        }
    }

    /// Asks every other node how it stands.
    async fn look_at_peers(&self) {
        let Some(node) = self.node() else { return };
        self.look_at_level(&node);
        self.know_owners(&node);
        let addresses: Vec<_> = {
            let known = self.known.lock();
            known.peers.iter().map(|(peer, seen)| (peer.clone(), seen.address.clone())).collect()
        };
        let asked = addresses.into_iter().map(|(peer, address)| {
            let now = node.now();
            async move {
                let request = GetNodeRequest { address: self.address.clone() };
                let to = Destination { node_id: &peer, address: &address };
                let said = self.connections.call(to, "GetNode", &request, now, LOOK_WAIT_MAX).await;
                // Another node may listen there by now; one of an older release does not look at whom it is asked for.
                let said = said.and_then(|said: GetNodeResponse| {
                    let is_another = || tonic::Status::unavailable(format!("{} listens there", said.node_id));
                    if said.node_id == peer { Ok(said) } else { Err(is_another()) }
                });
                (peer, said)
            }
        });
        let said: Vec<(String, Result<GetNodeResponse, tonic::Status>)> = join_all(asked).await;
        let mut known = self.known.lock();
        for (peer, said) in said {
            let Some(seen) = known.peers.get_mut(&peer) else { continue };
            match said {
                Ok(said) => {
                    learn_routes(&node, &said);
                    seen.refused = 0;
                    seen.unanswered = 0;
                    seen.said_at = Some(Instant::now());
                    let others = said.known_nodes.clone();
                    seen.says = Some(said);
                    for other in others {
                        known.introduced(&self.node_id, other.node_id, other.address, Instant::now());
                    }
                }
                Err(status) => {
                    seen.unanswered += 1;
                    seen.refused = if is_refused(&status) { seen.refused + 1 } else { 0 };
                    if seen.refused == REFUSED_MAX {
                        tracing::warn!(peer, address = seen.address, "nobody listens there any more");
                    }
                    tracing::debug!(peer, %status, "another node does not say how it stands");
                }
            }
        }
    }

    /// Gives every partition the role that follows from what is known.
    fn decide_roles(&self, mine: BTreeSet<PartitionId>) {
        let Some(node) = self.node() else { return };
        // What was given up for good is not taken again.
        if self.is_leaving() {
            return;
        }
        let view = self.view(&node, mine);
        for partition in node.partitions() {
            let (before, role) = (self.roles.get(partition.id()), view.role(partition.id()));
            if before != role {
                tracing::info!(partition = partition.id().0, ?before, ?role, "another role");
                self.roles.set(partition.id(), role);
            }
        }
    }

    fn view(&self, node: &Node, mine: BTreeSet<PartitionId>) -> View {
        let mut known = self.known.lock();
        let assigned = known.assigned(&self.node_id, mine, Instant::now());
        let assigned_for = known.assigned_for(&assigned, node.now().as_micros());
        let ends: BTreeMap<_, _> = known.peers.values().filter_map(|seen| seen.says.as_ref()).fold(
            BTreeMap::<u32, u64>::new(),
            |mut ends, says| {
                for partition in says.partitions.iter().filter(|partition| partition.leads) {
                    let end = ends.entry(partition.partition).or_default();
                    *end = (*end).max(partition.next_decision);
                }
                ends
            },
        );
        let is_close_to_end =
            |partition: u32, next: u64| ends.get(&partition).is_none_or(|end| next + CLOSE_RECORDS >= *end);
        let peers = known.peers.iter().map(|(peer, seen)| {
            let of = |is: &dyn Fn(&NodePartition) -> bool| {
                let partitions = seen.says.iter().flat_map(|says| &says.partitions);
                partitions.filter(|partition| is(partition)).map(|partition| PartitionId(partition.partition)).collect()
            };
            let facts = Peer {
                dead: seen.refused >= REFUSED_MAX,
                leaving: seen.says.as_ref().is_some_and(|says| says.leaving),
                unfit: of(&|partition| partition.unfit),
                leads: of(&|partition| partition.leads),
                follows_closely: of(&|partition| {
                    let here = node.partitions().get(partition.partition as usize);
                    let end = here.map_or(0, |here| here.next_record().0);
                    partition.follows && partition.next_decision + CLOSE_RECORDS >= end
                }),
            };
            (peer.clone(), facts)
        });
        let state_of = |partition: &Partition| partition.state().get().0;
        let with_state = |is: &dyn Fn(&Partition) -> bool| -> BTreeSet<PartitionId> {
            node.partitions().iter().filter(|partition| is(partition)).map(|partition| partition.id()).collect()
        };
        let owners = node
            .partitions()
            .iter()
            .filter_map(|partition| node.routes().owner(partition.id()).map(|owner| (partition.id(), owner.node_id)));
        View {
            me: self.node_id.clone(),
            standbys: self.standbys,
            assigned,
            assigned_for,
            peers: peers.collect(),
            owners: owners.collect(),
            // Between being told to lead and leading, a partition is in other states for a moment.
            failed: with_state(&|partition| partition.has_failed_here()),
            unfit: with_state(&|partition| self.is_unfit(partition)),
            leads: with_state(&|partition| partition.role() == Role::Lead),
            is_close: with_state(&|partition| {
                partition.role() == Role::Lead
                    || state_of(partition) == PartitionState::Following
                        && is_close_to_end(partition.id().0, partition.next_record().0)
            }),
        }
    }

    /// How this node stands.
    pub(super) fn stands(&self, node: &Node) -> GetNodeResponse {
        let partitions = node.partitions().iter().map(|partition| {
            let (state, detail) = partition.state().get();
            let owner = node.routes().owner(partition.id());
            let owner = owner.unwrap_or(Owner { epoch: Epoch(0), node_id: String::new(), address: String::new() });
            NodePartition {
                partition: partition.id().0,
                leads: state == PartitionState::Leading,
                follows: state == PartitionState::Following,
                next_decision: partition.next_record().0,
                next_command: partition.next_command().0,
                epoch: owner.epoch.0,
                owner_node_id: owner.node_id,
                owner_address: owner.address,
                detail,
                unfit: self.is_unfit(partition),
            }
        });
        let known = self.known.lock();
        let known_nodes =
            known.peers.iter().map(|(peer, seen)| KnownNode { node_id: peer.clone(), address: seen.address.clone() });
        GetNodeResponse {
            node_id: self.node_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            leaving: self.is_leaving(),
            partitions: partitions.collect(),
            newest_feature_level: self.understands.0,
            assigned: self.assigned(),
            known_nodes: known_nodes.collect(),
        }
    }

    /// Whether another node should lead a partition, if one can.
    fn is_unfit(&self, partition: &Partition) -> bool {
        partition.has_failed_here() || self.disk_nearly_full.load(Ordering::Relaxed)
    }

    /// What the group has told this node that it is assigned; `None` when it has left.
    fn assigned(&self) -> Option<Assignment> {
        let assigned = self.membership.lock().as_ref()?.assigned();
        let partitions = assigned.borrow().iter().map(|partition| partition.0).collect();
        Some(Assignment { partitions })
    }

    /// Waits until every partition is led by some node that this one knows of. False when that takes too long.
    pub(crate) async fn wait_for_owners(&self, wait_max: Duration) -> bool {
        let wait = async {
            loop {
                let all = self.node().is_none_or(|node| {
                    node.partitions().iter().all(|partition| match self.roles.get(partition.id()) {
                        Role::Lead => partition.state().get().0 == PartitionState::Leading,
                        Role::Follow | Role::Rest => node.routes().owner(partition.id()).is_some(),
                    })
                });
                if all {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(wait_max, wait).await.is_ok()
    }

    /// Hands over what this node leads, and leaves the group. Callers are passed on to the new owners meanwhile.
    pub(crate) async fn leave(&self, wait_max: Duration) {
        let Some(node) = self.node() else { return };
        self.leaving.store(true, Ordering::Relaxed);
        let led: Vec<_> = node.partitions().iter().filter(|partition| partition.role() == Role::Lead).collect();
        let handed_over = async {
            node.resign().await;
            let membership = self.membership.lock().take();
            if let Some(membership) = membership {
                membership.leave().await;
            }
            let others = self.peers().into_values().any(|seen| seen.unanswered == 0);
            while others
                && led.iter().any(|partition| {
                    node.routes().owner(partition.id()).is_none_or(|owner| owner.node_id == self.node_id)
                })
            {
                self.look_at_peers().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(wait_max, handed_over).await.is_err() {
            tracing::warn!("not every partition was taken over by another node before the stop");
        }
    }
}

/// Takes in who leads what, as another node knows it.
fn learn_routes(node: &Node, said: &GetNodeResponse) {
    for partition in said.partitions.iter().filter(|partition| partition.epoch > 0) {
        let owner = Owner {
            epoch: Epoch(partition.epoch),
            node_id: partition.owner_node_id.clone(),
            address: partition.owner_address.clone(),
        };
        node.routes().learn(PartitionId(partition.partition), &owner);
    }
}
