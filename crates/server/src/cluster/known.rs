//! What a node knows of the others, from two sources: what the group's coordinator says of its members, and what the
//! nodes say themselves when they are asked how they stand. Of what a node is assigned, the newer word counts.
//!
//! The coordinator may be out of reach for a while, for example because the broker that it ran on has just died. Then
//! nodes find each other without it: by the takeovers on the log, which name owner and address, by whom others know, and
//! by being asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use daybook_kernel::id::PartitionId;
use daybook_log::Member;
use daybook_proto::cluster::v1::GetNodeResponse;

/// When the group's word is this old, nodes introduce each other. Until then who is not in the group is nobody.
const DESCRIPTION_AGE_MAX: Duration = Duration::from_secs(5);
/// Nodes that can be known without the group's word.
const INTRODUCED_MAX: usize = 100;

/// What is known of the others.
#[derive(Default)]
pub(super) struct Known {
    members: Vec<Member>,
    described_at: Option<Instant>,
    /// What the nodes were assigned when this was looked at last, and since when, in microseconds since 1970.
    assigned: BTreeMap<String, BTreeSet<PartitionId>>,
    assigned_since_us: i64,
    pub(super) peers: BTreeMap<String, Seen>,
}

/// Another node, as it was seen last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) address: String,
    /// Calls in a row that found nobody listening.
    pub(crate) refused: u32,
    /// Calls in a row without an answer, for whatever reason.
    pub(crate) unanswered: u32,
    pub(crate) says: Option<GetNodeResponse>,
    /// When it said so.
    pub(super) said_at: Option<Instant>,
}

impl Seen {
    fn at(address: String) -> Self {
        Self { address, ..Self::default() }
    }

    /// What it says that it is assigned.
    fn own_word(&self) -> Option<(Instant, BTreeSet<PartitionId>)> {
        let assigned = self.says.as_ref()?.assigned.as_ref()?;
        Some((self.said_at?, assigned.partitions.iter().copied().map(PartitionId).collect()))
    }
}

impl Known {
    /// Takes in what the coordinator says. True when that is news.
    pub(super) fn described(&mut self, me: &str, members: Vec<Member>, now: Instant) -> bool {
        self.described_at = Some(now);
        let others: BTreeMap<_, _> = members
            .iter()
            .filter(|member| member.node_id != me)
            .map(|member| (member.node_id.clone(), member.address.clone()))
            .collect();
        self.peers.retain(|node, _| others.contains_key(node));
        for (node, address) in others {
            self.is_at(node, address);
        }
        let is_news = self.members != members;
        self.members = members;
        is_news
    }

    /// Takes in that somebody knows of a node. It counts only while the coordinator says nothing.
    pub(super) fn introduced(&mut self, me: &str, node: String, address: String, now: Instant) {
        let is_described = self.described_at.is_some_and(|at| now.duration_since(at) < DESCRIPTION_AGE_MAX);
        if is_described || node == me || node.is_empty() || address.is_empty() {
            return;
        }
        // The same node may have been somewhere else before; who has just been heard of there still is.
        let answers = |seen: &Seen| seen.unanswered == 0 && seen.says.is_some();
        let is_known = self.peers.get(&node).is_some_and(|seen| seen.address == address || answers(seen));
        if !is_known && (self.peers.contains_key(&node) || self.peers.len() < INTRODUCED_MAX) {
            tracing::info!(node, address, "another node is known, though not from the group");
            self.is_at(node, address);
        }
    }

    fn is_at(&mut self, node: String, address: String) {
        let seen = self.peers.entry(node).or_default();
        if seen.address != address {
            *seen = Seen::at(address);
        }
    }

    /// What each node is assigned, by the newest word on each partition; this node's own, `mine`, is of now.
    pub(super) fn assigned(
        &self,
        me: &str,
        mine: BTreeSet<PartitionId>,
        now: Instant,
    ) -> BTreeMap<String, BTreeSet<PartitionId>> {
        let mut words: BTreeMap<String, (Instant, BTreeSet<PartitionId>)> = BTreeMap::new();
        let members = self.described_at.map(|at| self.members.iter().map(move |member| (at, member)));
        for (at, member) in members.into_iter().flatten() {
            // A node that has joined anew is a member twice, until its first membership has run out.
            words.entry(member.node_id.clone()).or_insert((at, BTreeSet::new())).1.extend(&member.partitions);
        }
        for (node, seen) in &self.peers {
            // Known, whatever it is assigned.
            let own = seen.own_word();
            let described_at = words.get(node).map(|(at, _)| *at);
            match own {
                Some(own) if described_at.is_none_or(|at| own.0 >= at) => {
                    words.insert(node.clone(), own);
                }
                None if described_at.is_none() => {
                    words.insert(node.clone(), (now, BTreeSet::new()));
                }
                _ => {}
            }
        }
        words.insert(me.to_owned(), (now, mine));
        let mut newest: BTreeMap<PartitionId, (Instant, &String)> = BTreeMap::new();
        for (node, (at, partitions)) in &words {
            for partition in partitions {
                let of = newest.entry(*partition).or_insert((*at, node));
                if of.0 < *at {
                    *of = (*at, node);
                }
            }
        }
        let counts = |node: &String, partition: &PartitionId| newest.get(partition).is_some_and(|(_, of)| *of == node);
        words
            .iter()
            .map(|(node, (_, partitions))| {
                (node.clone(), partitions.iter().copied().filter(|partition| counts(node, partition)).collect())
            })
            .collect()
    }

    /// Notes what the nodes are assigned now, and says for how long that has been so.
    pub(super) fn assigned_for(&mut self, assigned: &BTreeMap<String, BTreeSet<PartitionId>>, now_us: i64) -> Duration {
        if self.assigned != *assigned {
            self.assigned.clone_from(assigned);
            self.assigned_since_us = now_us;
        }
        Duration::from_micros(u64::try_from(now_us.saturating_sub(self.assigned_since_us)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use daybook_proto::cluster::v1::Assignment;

    use super::*;

    fn set(partitions: &[u32]) -> BTreeSet<PartitionId> {
        partitions.iter().copied().map(PartitionId).collect()
    }

    fn member(node: &str, partitions: &[u32]) -> Member {
        Member { node_id: node.to_owned(), address: format!("{node}:1"), partitions: set(partitions) }
    }

    fn says(known: &mut Known, node: &str, partitions: &[u32], now: Instant) {
        let assigned = Some(Assignment { partitions: partitions.to_vec() });
        let seen = known.peers.get_mut(node).unwrap();
        seen.says = Some(GetNodeResponse { assigned, ..GetNodeResponse::default() });
        seen.said_at = Some(now);
    }

    #[test]
    fn of_what_a_node_is_assigned_the_newer_word_counts() {
        let (mut known, mut now) = (Known::default(), Instant::now());
        let members = || vec![member("a", &[0]), member("b", &[1]), member("c", &[2])];
        known.described("a", members(), now);
        assert_eq!(known.assigned("a", set(&[0]), now)["b"], set(&[1]));
        let joined_anew = vec![member("a", &[0]), member("b", &[1]), member("b", &[]), member("c", &[2])];
        known.described("a", joined_anew, now);
        assert_eq!(known.assigned("a", set(&[0]), now)["b"], set(&[1]));

        now += Duration::from_secs(1);
        says(&mut known, "b", &[1, 2], now);
        let assigned = known.assigned("a", set(&[0]), now);
        assert_eq!((&assigned["b"], &assigned["c"]), (&set(&[1, 2]), &set(&[])), "c is silent and was replaced");

        now += Duration::from_secs(1);
        known.described("a", members(), now);
        now += Duration::from_millis(1);
        let assigned = known.assigned("a", set(&[0, 1]), now);
        assert_eq!(assigned["c"], set(&[2]));
        assert_eq!((&assigned["a"], &assigned["b"]), (&set(&[0, 1]), &set(&[])), "what this node was told is newest");
    }

    #[test]
    fn nodes_introduce_each_other_only_while_the_coordinator_is_silent() {
        let (mut known, mut now) = (Known::default(), Instant::now());
        let members = || vec![member("a", &[0]), member("b", &[1])];
        known.described("a", members(), now);
        known.introduced("a", "c".into(), "c:1".into(), now);
        assert!(!known.peers.contains_key("c"), "who is not in the group is nobody");

        now += DESCRIPTION_AGE_MAX;
        known.introduced("a", "a".into(), "a:1".into(), now);
        known.introduced("a", "c".into(), String::new(), now);
        assert_eq!(known.peers.keys().collect::<Vec<_>>(), ["b"]);
        known.introduced("a", "c".into(), "c:1".into(), now);
        says(&mut known, "c", &[1], now);
        let assigned = known.assigned("a", set(&[0]), now);
        assert_eq!((&assigned["b"], &assigned["c"]), (&set(&[]), &set(&[1])));
        known.introduced("a", "c".into(), "c:2".into(), now);
        assert_eq!(known.peers["c"].address, "c:1", "it answers there");

        known.described("a", members(), now);
        assert!(!known.peers.contains_key("c"), "the group's word stands above");
    }

    #[test]
    fn how_long_it_has_been_so_begins_anew_with_every_change() {
        let mut known = Known::default();
        let one = BTreeMap::from([("a".to_owned(), set(&[0]))]);
        known.assigned_for(&one, 1_000_000);
        assert_eq!(known.assigned_for(&one, 3_000_000), Duration::from_secs(2));
        let other = BTreeMap::from([("a".to_owned(), set(&[0, 1]))]);
        assert_eq!(known.assigned_for(&other, 4_000_000), Duration::ZERO);
    }
}
