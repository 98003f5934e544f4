//! What the log must say: a model of holds that looks at every hold for every item, and reads the chain like anybody
//! who has the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::chain::Head;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::RecordBody;
use daybook_kernel::time::{Timestamp, duration_from_proto};
use daybook_log::{Log, MemoryLog, Topic};
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::{CommandRecord, Decision, Event, decision::Outcome};
use futures_util::FutureExt;
use prost::Message;

/// A decision that counts, with its command.
pub struct Entry {
    /// The record that it stands in.
    pub record: Offset,
    /// The log's time.
    pub now: Timestamp,
    pub command: CommandRecord,
    pub decision: Decision,
}

/// Every decision of a partition that counts, in order.
pub fn chain(log: &MemoryLog, partition: PartitionId) -> Vec<Entry> {
    let commands = records(log, Topic::Commands, partition);
    let mut head = Head::genesis(log.name(), log.partitions(), partition);
    let mut entries = Vec::new();
    for (offset, bytes) in (0..).map(Offset).zip(records(log, Topic::Decisions, partition)) {
        let Ok(record) = head.offer(offset, bytes) else { continue };
        let RecordBody::Batch { first_command, decided_at, decisions } = record.body else { continue };
        for (command, decision) in (first_command.0..).zip(decisions) {
            let command = CommandRecord::decode(commands[usize::try_from(command).unwrap()].clone()).unwrap();
            let decision = Decision::decode(decision).unwrap();
            entries.push(Entry { record: offset, now: decided_at, command, decision });
        }
    }
    entries
}

fn records(log: &MemoryLog, topic: Topic, partition: PartitionId) -> Vec<Bytes> {
    let end = log.bounds(topic, partition).now_or_never().unwrap().unwrap().next;
    let mut reader = log.reader(topic, partition, Offset(0)).unwrap();
    let mut records = Vec::new();
    while (records.len() as u64) < end.0 {
        records.extend(reader.next().now_or_never().unwrap().unwrap().into_iter().map(|record| record.bytes));
    }
    records
}

/// One tenant's items and holds, as its decisions tell.
#[derive(Default)]
pub struct Model {
    pub items: BTreeMap<String, ItemModel>,
    /// Scopes of the holds in force.
    pub holds: BTreeMap<String, ScopeModel>,
    /// Who asked for the release of a hold.
    releasing: BTreeMap<String, String>,
    period: Duration,
    /// Every decision by the id of its command.
    pub decided: BTreeMap<Bytes, Decision>,
}

#[derive(Default)]
pub struct ItemModel {
    entity: String,
    category: String,
    created: Timestamp,
    asked: bool,
    deferred_by: BTreeSet<String>,
    /// The record that says so.
    pub deleted: Option<Offset>,
}

pub struct ScopeModel {
    entity: Option<String>,
    category: Option<String>,
}

impl Model {
    pub fn is_held(&self, item: &ItemModel) -> bool {
        self.holds.values().any(|scope| {
            scope.entity.as_ref().is_none_or(|entity| *entity == item.entity)
                && scope.category.as_ref().is_none_or(|category| *category == item.category)
        })
    }

    fn is_wanted(&self, item: &ItemModel, now: Timestamp) -> bool {
        item.asked || item.created.saturating_add(self.period) <= now
    }

    /// Items that should be deleted at a time, and are not.
    pub fn owed(&self, now: Timestamp) -> Vec<&String> {
        let owed = |item: &ItemModel| item.deleted.is_none() && self.is_wanted(item, now) && !self.is_held(item);
        self.items.iter().filter(|(_, item)| owed(item)).map(|(id, _)| id).collect()
    }

    /// Takes in the next decision, and checks what must hold of it.
    pub fn follow(&mut self, entry: &Entry) {
        let Entry { command, decision, .. } = entry;
        assert_eq!(decision.command_id, command.command_id);
        let events = match &decision.outcome {
            Some(Outcome::Duplicate(_)) => {
                assert!(self.decided.contains_key(&decision.command_id), "a duplicate of nothing: {decision:?}");
                return;
            }
            Some(Outcome::Accepted(accepted)) => &accepted.events[..],
            Some(Outcome::Rejected(rejected)) if rejected.code != "COMMAND_ID_REUSED" => &[],
            other => panic!("{other:?}"),
        };
        let twice = self.decided.insert(decision.command_id.clone(), decision.clone());
        assert!(twice.is_none(), "decided twice: {twice:?}, {decision:?}");
        if decision.domain != "legal_hold" || !matches!(decision.outcome, Some(Outcome::Accepted(_))) {
            return;
        }
        self.asked(command);
        events.iter().for_each(|event| self.happened(event, entry));
        if command.kind == "DisposeItems" {
            for id in DisposeItemsRequest::decode(command.payload.clone()).unwrap().item_ids {
                let item = &self.items[&id];
                assert!(item.deleted.is_some() || self.is_held(item), "{id} was not held, and was not deleted");
            }
        }
    }

    /// What an accepted command asked for.
    fn asked(&mut self, command: &CommandRecord) {
        let (payload, actor) = (command.payload.clone(), command.actor.clone().unwrap_or_default().id);
        match command.kind.as_str() {
            "SetRetentionClass" => {
                let class = SetRetentionClassRequest::decode(payload).unwrap().retention_class.unwrap();
                self.period = duration_from_proto(&class.period.unwrap()).unwrap();
            }
            "PlaceHold" => {
                let hold = PlaceHoldRequest::decode(payload).unwrap();
                let scope = hold.scope.unwrap();
                let entity = scope.entities.first().map(|entity| entity.id.clone());
                let category = scope.data_categories.first().cloned();
                self.holds.insert(hold.hold_id, ScopeModel { entity, category });
            }
            "ReleaseHold" => {
                self.releasing.insert(ReleaseHoldRequest::decode(payload).unwrap().hold_id, actor);
            }
            "ApproveHoldChange" => {
                let hold = ApproveHoldChangeRequest::decode(payload).unwrap().hold_id;
                assert_ne!(self.releasing[&hold], actor, "a second person approves");
            }
            "DisposeItems" => {
                for id in DisposeItemsRequest::decode(payload).unwrap().item_ids {
                    self.items.get_mut(&id).unwrap().asked = true;
                }
            }
            _ => {}
        }
    }

    fn happened(&mut self, event: &Event, entry: &Entry) {
        let payload = event.payload.clone();
        match event.kind.as_str() {
            "ItemsRegistered" => {
                for item in ItemsRegistered::decode(payload).unwrap().items {
                    let model = ItemModel {
                        entity: item.entities[0].id.clone(),
                        category: item.data_category,
                        created: Timestamp::from_proto(&item.created_at.unwrap()).unwrap(),
                        ..Default::default()
                    };
                    assert!(self.items.insert(item.item_id, model).is_none(), "registered twice");
                }
            }
            "HoldReleased" => {
                let hold = HoldReleased::decode(payload).unwrap().hold_id;
                assert!(self.releasing.contains_key(&hold), "nobody asked for the release of {hold}");
                assert!(self.holds.remove(&hold).is_some(), "{hold} was released twice");
            }
            "ItemsDisposed" => {
                for ItemDisposition { item_id, .. } in ItemsDisposed::decode(payload).unwrap().items {
                    let item = &self.items[&item_id];
                    assert!(!self.is_held(item), "{item_id} is held and was deleted");
                    assert!(self.is_wanted(item, entry.now), "nobody wanted {item_id} deleted");
                    let held: Vec<_> = item.deferred_by.iter().filter(|hold| self.holds.contains_key(*hold)).collect();
                    assert!(held.is_empty(), "{item_id} was deleted before {held:?} was released");
                    let twice = self.items.get_mut(&item_id).unwrap().deleted.replace(entry.record);
                    assert!(twice.is_none(), "{item_id} was deleted twice");
                }
            }
            "ItemsDeferred" => {
                for ItemDisposition { item_id, hold_ids, .. } in ItemsDeferred::decode(payload).unwrap().items {
                    assert!(self.is_held(&self.items[&item_id]), "{item_id} is not held and was put off");
                    self.items.get_mut(&item_id).unwrap().deferred_by = hold_ids.into_iter().collect();
                }
            }
            _ => {}
        }
    }
}
