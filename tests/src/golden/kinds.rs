//! Every kind of command and event that this build knows, from its registry and its schema; and every kind that a log
//! holds.

use std::collections::BTreeSet;

use daybook_kernel::chain::Head;
use daybook_kernel::domain::Moment;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId, Position, TenantId};
use daybook_kernel::record::RecordBody;
use daybook_kernel::registry::{DomainEntry, Registry};
use daybook_kernel::state::{MemoryState, WriteSet};
use daybook_kernel::time::Timestamp;
use daybook_log::{Log, Topic};
use daybook_proto::descriptors;
use daybook_proto::log::v1::{self, decision::Outcome, origin::Source};
use prost::Message;

/// Kinds, each as text: `legal_hold.PlaceHold` of a command, `legal_hold.HoldPlaced 1` of an event with its version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Commands.
    pub commands: BTreeSet<String>,
    /// Events, with their versions.
    pub events: BTreeSet<String>,
    /// What else there is: outcomes, where commands come from, takeovers, records that do not count.
    pub others: BTreeSet<String>,
}

/// The names of a domain's messages: a command and an event are named after theirs.
fn messages(domain: &DomainEntry) -> Vec<String> {
    let package = domain.service.rsplit_once('.').map_or("", |(package, _)| package);
    let all = descriptors().all_messages();
    all.filter(|message| message.package_name() == package).map(|message| message.name().to_owned()).collect()
}

/// Whether this build can fold an event of a kind and version, asked with an empty one: the domain says so itself.
fn folds(domain: &DomainEntry, kind: &str, version: u32) -> bool {
    let event = v1::Event { kind: kind.to_owned(), version, payload: bytes::Bytes::new() };
    let moment = Moment {
        now: Timestamp::default(),
        position: Position { partition: PartitionId(0), offset: Offset(0) },
        event_index: 0,
        tenant: TenantId::platform(),
        actor_id: "",
        actor_kind: v1::actor::Kind::Unspecified,
        command_hash: Hash::of(b""),
    };
    match domain.fold(&MemoryState::default(), &mut WriteSet::default(), &event, &moment) {
        Ok(_) => true,
        Err(fault) => !fault.to_string().contains("is not known to this release"),
    }
}

/// Every kind that a golden log must hold.
pub fn all(registry: &Registry) -> Kinds {
    const VERSIONS_MAX: u32 = 20;
    let mut kinds = Kinds::default();
    for domain in registry.iter() {
        let name = domain.name;
        kinds.commands.extend(domain.public_kinds.iter().map(|kind| format!("{name}.{kind}")));
        for message in messages(domain) {
            if domain.is_internal(&message) == Some(true) {
                kinds.commands.insert(format!("{name}.{message}"));
            }
            let versions = (1..=VERSIONS_MAX).filter(|version| folds(domain, &message, *version));
            kinds.events.extend(versions.map(|version| format!("{name}.{message} {version}")));
        }
    }
    let others = ["accepted", "rejected", "parked", "duplicate", "takeover", "not counted", "batch of several"];
    let origins =
        ["by a caller", "by a timer", "by an effect", "from another stream", "malformed command", "undecided"];
    kinds.others.extend(others.iter().chain(&origins).map(ToString::to_string));
    kinds
}

/// Every kind that a log holds. A command counts where it was accepted.
///
/// # Panics
/// When the log cannot be read.
pub async fn held(log: &dyn Log) -> Kinds {
    let mut kinds = Kinds::default();
    for partition in (0..log.partitions()).map(PartitionId) {
        let end = log.bounds(Topic::Decisions, partition).await.expect("bounds").next;
        let mut head = Head::genesis(log.name(), log.partitions(), partition);
        let mut reader = log.reader(Topic::Decisions, partition, Offset(0)).expect("a reader");
        while head.next_record < end {
            for record in reader.next().await.expect("records") {
                match head.offer(record.offset, record.bytes).map(|record| record.body) {
                    Err(_) => kinds.note("not counted"),
                    Ok(RecordBody::Takeover { .. }) => kinds.note("takeover"),
                    Ok(RecordBody::Batch { decisions, .. }) => {
                        if decisions.len() > 1 {
                            kinds.note("batch of several");
                        }
                        decisions.into_iter().for_each(|decision| kinds.decision(decision));
                    }
                }
            }
        }
        if log.bounds(Topic::Commands, partition).await.expect("bounds").next > head.next_command {
            kinds.note("undecided");
        }
    }
    kinds
}

impl Kinds {
    fn note(&mut self, what: &str) {
        self.others.insert(what.to_owned());
    }

    fn decision(&mut self, bytes: bytes::Bytes) {
        let decision = v1::Decision::decode(bytes).expect("a decision");
        let domain = &decision.domain;
        match decision.origin.as_ref().and_then(|origin| origin.source.as_ref()) {
            Some(Source::Timer(_)) => self.note("by a timer"),
            Some(Source::Effect(_)) => self.note("by an effect"),
            None if decision.actor_id.starts_with("stream/") => self.note("from another stream"),
            None if decision.kind.is_empty() => self.note("malformed command"),
            None => self.note("by a caller"),
        }
        match decision.outcome {
            Some(Outcome::Accepted(accepted)) => {
                self.note("accepted");
                self.commands.insert(format!("{domain}.{}", decision.kind));
                let events = accepted.events.iter().map(|event| format!("{domain}.{} {}", event.kind, event.version));
                self.events.extend(events);
            }
            Some(Outcome::Rejected(_)) => self.note("rejected"),
            Some(Outcome::Parked(_)) => self.note("parked"),
            Some(Outcome::Duplicate(_)) => self.note("duplicate"),
            None => {}
        }
    }

    /// Adds what another log holds.
    pub fn extend(&mut self, other: Self) {
        self.commands.extend(other.commands);
        self.events.extend(other.events);
        self.others.extend(other.others);
    }

    /// What is here and not there, as text.
    pub fn missing_from(&self, held: &Self) -> Vec<String> {
        let commands = self.commands.difference(&held.commands).map(|kind| format!("command {kind}, accepted"));
        let events = self.events.difference(&held.events).map(|kind| format!("event {kind}"));
        let others = self.others.difference(&held.others).cloned();
        commands.chain(events).chain(others).collect()
    }
}
