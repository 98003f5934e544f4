//! A log of several partitions in memory, and one step at a time on it: what a node does, without its loop, its clock and
//! its threads. The same story gives the same bytes, whenever it is told.

use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::chain::Head;
use daybook_kernel::decide::{Decider, Place};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{CommandId, Epoch, Offset, PartitionId, StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::state::MemoryState;
use daybook_kernel::system::{DueTimer, Effect, OpenEffect, due_timers, open_effects};
use daybook_kernel::time::Timestamp;
use daybook_log::{Durability, Log, MemoryLog, Topic};
use daybook_proto::log::v1::{self, origin::Source};
use daybook_proto::privacy::v1::{DestroyKeys, DestroyKeysReply, DestroyedKey};
use daybook_proto::product_analytics::v1::{EventExportFiles, EventExportJob, FinishEventExport};
use daybook_proto::system::v1::{Forward, ForwardReply, OutboxRow};
use futures_util::FutureExt;
use prost::Message;

/// Name of every golden log.
pub const NAME: &str = "golden";
/// How many partitions it has: enough for commands that go from one to another.
pub const PARTITIONS: u32 = 2;

/// A log with what was folded from it.
pub struct World {
    /// The log.
    pub log: MemoryLog,
    /// The wall clock.
    pub now: Timestamp,
    decider: Decider,
    partitions: Vec<Partition>,
    ids: u64,
}

struct Partition {
    state: MemoryState,
    head: Head,
    commands: u64,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The name.
    pub name: &'a str,
    /// The role.
    pub role: &'a str,
    /// The tenants that the token speaks for.
    pub tenants: &'a [&'a str],
}

impl World {
    /// A log on which every partition has an owner and nothing else has happened.
    pub fn new() -> Self {
        let log = MemoryLog::new(NAME, PARTITIONS);
        let partition = |id| Partition {
            state: MemoryState::default(),
            head: Head::genesis(NAME, PARTITIONS, PartitionId(id)),
            commands: 0,
        };
        let mut world = Self {
            decider: super::decider(&log),
            log,
            now: Timestamp::from_micros(1_790_000_000_000_000),
            partitions: (0..PARTITIONS).map(partition).collect(),
            ids: 0,
        };
        for id in 0..PARTITIONS {
            world.take_over(PartitionId(id), "node-a");
        }
        world
    }

    /// Every domain.
    pub fn decider(&self) -> &Decider {
        &self.decider
    }

    /// Where a partition stands.
    pub fn head(&self, id: PartitionId) -> &Head {
        &self.partitions[id.0 as usize].head
    }

    /// The partition in which a tenant's own stream is decided.
    pub fn home_of(&self, tenant: &str) -> PartitionId {
        let tenant = TenantId::parse(tenant).expect("a tenant");
        partition_of(&tenant, &StreamKey::of_tenant(&tenant), PARTITIONS)
    }

    /// A new owner starts.
    pub fn take_over(&mut self, id: PartitionId, node: &str) {
        let now = self.log_time(id);
        let head = self.head(id);
        let address = format!("https://{node}.example.org:7420");
        let record = DecisionRecord::takeover(head.hash, Epoch(head.epoch.0 + 1), node, &address, now);
        self.append_counted(id, &record);
    }

    fn append_counted(&mut self, id: PartitionId, record: &DecisionRecord) {
        let head = &mut self.partitions[id.0 as usize].head;
        assert_eq!(head.check(record), Ok(()), "it counts");
        head.advance(head.next_record, record);
        append(&self.log, Topic::Decisions, id, record.bytes.clone());
    }

    /// Appends a decision record that does not count: of a replaced owner, or a second time.
    pub fn append_dropped(&mut self, id: PartitionId, record: &DecisionRecord) {
        let head = &mut self.partitions[id.0 as usize].head;
        assert!(head.check(record).is_err(), "it does not count");
        head.next_record = head.next_record.next();
        append(&self.log, Topic::Decisions, id, record.bytes.clone());
    }

    /// The log's time in a partition.
    pub fn log_time(&self, id: PartitionId) -> Timestamp {
        let partition = &self.partitions[id.0 as usize];
        let ahead = daybook_kernel::governance::clock_ahead_us(&partition.state).expect("state in memory");
        Timestamp::from_micros(self.now.as_micros() + ahead).max(partition.head.now)
    }

    /// A command record with a new id, as the door makes it.
    pub fn record(
        &mut self,
        tenant: &str,
        domain: &str,
        kind: &str,
        payload: Vec<u8>,
        actor: v1::Actor,
    ) -> v1::CommandRecord {
        self.ids += 1;
        let id = CommandId::derived(self.now.as_unix_millis(), &[b"golden", &self.ids.to_be_bytes()]);
        let tenant_id = TenantId::parse(tenant).expect("a tenant");
        let payload = Bytes::from(payload);
        // What no door would let through goes to the tenant's own stream.
        let registry = self.decider.registry();
        let stream_key = registry
            .get(domain)
            .and_then(|domain| domain.stream_key(&tenant_id, kind, payload.clone(), PARTITIONS).ok())
            .unwrap_or_else(|| StreamKey::of_tenant(&tenant_id));
        v1::CommandRecord {
            command_id: Bytes::copy_from_slice(id.as_bytes()),
            tenant_id: tenant.to_owned(),
            stream_key: stream_key.as_str().to_owned(),
            actor: Some(actor),
            received_at: Some(self.now.to_proto()),
            domain: domain.to_owned(),
            kind: kind.to_owned(),
            payload,
            ..Default::default()
        }
    }

    /// The record of what somebody asks for.
    pub fn asked(
        &mut self,
        who: Who<'_>,
        tenant: &str,
        domain: &str,
        kind: &str,
        request: &impl Message,
    ) -> v1::CommandRecord {
        let actor = v1::Actor {
            kind: v1::actor::Kind::User.into(),
            id: who.name.to_owned(),
            roles: vec![who.role.to_owned()],
            tenant_ids: who.tenants.iter().map(ToString::to_string).collect(),
        };
        self.record(tenant, domain, kind, request.encode_to_vec(), actor)
    }

    /// Decides a command where its stream lies.
    pub fn submit(&mut self, record: &v1::CommandRecord) -> v1::Decision {
        let id = place_of(record);
        let mut decisions = self.submit_all(id, vec![record.encode_to_vec().into()]);
        decisions.remove(0)
    }

    /// Decides a run of commands in one batch.
    pub fn submit_all(&mut self, id: PartitionId, commands: Vec<Bytes>) -> Vec<v1::Decision> {
        let now = self.log_time(id);
        let partition = &mut self.partitions[id.0 as usize];
        let first = Offset(partition.commands);
        let mut decisions = Vec::new();
        for (index, bytes) in (0..).zip(&commands) {
            let command = Offset(partition.commands);
            let place = Place { partition: id, command, record: partition.head.next_record, index, now };
            let decided = self.decider.decide(&partition.state, bytes, place).expect("state in memory");
            partition.state.apply(&decided.writes);
            partition.commands += 1;
            append(&self.log, Topic::Commands, id, bytes.clone());
            decisions.push(decided.decision);
        }
        let encoded = decisions.iter().map(|decision| decision.encode_to_vec().into()).collect();
        let head = self.head(id);
        let batch = DecisionRecord::batch(head.hash, head.epoch, first, now, encoded);
        self.append_counted(id, &batch);
        decisions
    }

    /// Appends a command that nobody decides any more.
    pub fn leave_undecided(&mut self, record: &v1::CommandRecord) {
        append(&self.log, Topic::Commands, place_of(record), record.encode_to_vec().into());
    }

    /// Moves the wall clock, and lets everything happen that then happens by itself.
    pub fn wait(&mut self, by: Duration) {
        self.now = self.now.saturating_add(by);
        self.settle();
    }

    /// Fires timers that are due and carries out effects, until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            let did = (0..PARTITIONS).map(PartitionId).any(|id| self.fire_one_timer(id) || self.run_one_effect(id));
            if !did {
                return;
            }
        }
        panic!("timers and effects go on for ever");
    }

    fn fire_one_timer(&mut self, id: PartitionId) -> bool {
        let state = &self.partitions[id.0 as usize].state;
        let (due, _) = due_timers(state, self.log_time(id), 1).expect("state in memory");
        let Some(DueTimer { tenant, id: timer_id, due, row }) = due.into_iter().next() else { return false };
        let record = self.record(tenant.as_str(), &row.domain, &row.kind, row.payload.to_vec(), system("timer"));
        let origin = v1::TimerOrigin { timer_id, due_at: Some(due.to_proto()), set_at: row.set_at };
        let origin = Some(v1::Origin { source: Some(Source::Timer(origin)) });
        self.submit(&v1::CommandRecord { stream_key: row.stream_key, origin, ..record });
        true
    }

    fn run_one_effect(&mut self, id: PartitionId) -> bool {
        let open = open_effects(&self.partitions[id.0 as usize].state, None, 1).expect("state in memory");
        let Some(((command, index), row)): Option<OpenEffect> = open.into_iter().next() else { return false };
        let reply = self.carry_out(&row);
        let record = self.record(&row.tenant_id, &row.domain, &row.reply_kind, reply, system("effect"));
        let origin = v1::EffectOrigin { command_offset: command.0, index };
        let origin = Some(v1::Origin { source: Some(Source::Effect(origin)) });
        self.submit(&v1::CommandRecord { stream_key: row.stream_key, origin, ..record });
        true
    }

    fn carry_out(&mut self, row: &OutboxRow) -> Vec<u8> {
        match row.effect.as_str() {
            Effect::FORWARD => self.forward(row),
            Effect::EXPORT_EVENTS => {
                let job = EventExportJob::decode(row.payload.clone()).expect("an effect's payload");
                let files = Some(EventExportFiles { url: "file:///exports".to_owned(), ..Default::default() });
                let export_offset = job.export_offset;
                FinishEventExport { export_offset, files, failure: String::new() }.encode_to_vec()
            }
            Effect::DESTROY_KEYS => {
                let destroy = DestroyKeys::decode(row.payload.clone()).expect("an effect's payload");
                let keys = destroy.key_ids.iter().map(|key_id| DestroyedKey {
                    key_id: key_id.clone(),
                    destroyed_at: Some(self.now.to_proto()),
                    key_fingerprint: Hash::of(key_id.as_bytes()).to_hex(),
                    existed: true,
                });
                DestroyKeysReply { keys: keys.collect() }.encode_to_vec()
            }
            other => panic!("a new kind of effect, {other}: say in tests/src/golden/world.rs how it is carried out"),
        }
    }

    fn forward(&mut self, row: &OutboxRow) -> Vec<u8> {
        let forward = Forward::decode(row.payload.clone()).expect("an effect's payload");
        let actor = system(&format!("stream/{}/{}", row.tenant_id, row.stream_key));
        let record = self.record(&forward.tenant_id, &forward.domain, &forward.kind, forward.payload.to_vec(), actor);
        let record = v1::CommandRecord { stream_key: forward.stream_key, ..record };
        let partition = place_of(&record);
        let of_partition = &self.partitions[partition.0 as usize];
        let place = Place {
            partition,
            command: Offset(of_partition.commands),
            record: of_partition.head.next_record,
            index: 0,
            now: self.now,
        };
        let decision = self.submit(&record);
        let outcome = self.decider.forward_outcome(place, decision, forward.correlation);
        let outcome = outcome.expect("a forwarded command is decided");
        ForwardReply { outcome: Some(outcome) }.encode_to_vec()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The partition that a command's stream lies in.
pub fn place_of(record: &v1::CommandRecord) -> PartitionId {
    let tenant = TenantId::parse(&record.tenant_id).expect("a tenant");
    partition_of(&tenant, &StreamKey::parse(&record.stream_key).expect("a stream key"), PARTITIONS)
}

/// Daybook itself.
pub fn system(id: &str) -> v1::Actor {
    v1::Actor { kind: v1::actor::Kind::System.into(), id: id.to_owned(), ..Default::default() }
}

fn append(log: &MemoryLog, topic: Topic, partition: PartitionId, bytes: Bytes) {
    let appended = log.append(topic, partition, bytes, Durability::Synced).now_or_never();
    appended.expect("at once, in memory").expect("an append in memory");
}
