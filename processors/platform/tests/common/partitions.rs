//! A platform on several partitions, in memory and one step at a time: the test says which effect is carried out next,
//! how often, and when its answer comes home.

use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::chain::Head;
use daybook_kernel::decide::{Decider, Place};
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::id::{CommandId, Offset, PartitionId, StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::state::{Fault, MemoryState};
use daybook_kernel::system::open_effects;
use daybook_kernel::table::View;
use daybook_kernel::time::Timestamp;
use daybook_policy::Cedar;
use daybook_proto::log::v1 as log;
use daybook_proto::platform::v1;
use daybook_proto::system::v1::{Forward, OutboxRow};
use platform_projection::Tables;
use prost::Message;

use super::{Answer, EffectKey, confirm_record, forward_record, registry, stream_key, system, user};

/// Several partitions of one log.
pub struct Partitions {
    decider: Decider,
    partitions: Vec<Partition>,
    ids: u64,
}

struct Partition {
    state: MemoryState,
    head: Head,
    commands: u64,
}

impl Partitions {
    /// A new log: the policies that ship are in force everywhere.
    pub fn new(count: u32) -> Self {
        let registry = registry();
        let (policies, schema) = (registry.shipped_policies(), registry.shipped_schema());
        let partition = |id| Partition {
            state: MemoryState::default(),
            head: Head::genesis("partitions", count, PartitionId(id)),
            commands: 0,
        };
        let mut all = Self {
            decider: Decider::new(registry, Arc::new(Cedar::new()), count),
            partitions: (0..count).map(partition).collect(),
            ids: 0,
        };
        let shipped = v1::PublishShippedPolicySet { policies, schema, ..Default::default() };
        let record = all.record("platform", "platform", "PublishShippedPolicySet", &shipped);
        all.submit(log::CommandRecord { actor: system(), ..record });
        all.deliver_all();
        all
    }

    /// From now on they are of a release that understands feature levels up to this one.
    pub fn understand(&mut self, newest: FeatureLevel) {
        self.decider = self.decider.clone().understanding(newest);
    }

    /// Whether that release may read on in a partition.
    pub fn check_release(&self, partition: u32) -> Result<(), Fault> {
        self.decider.check_release(&self.partitions[partition as usize].state)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap()
    }

    fn record(&mut self, tenant: &str, domain: &str, kind: &str, request: &impl Message) -> log::CommandRecord {
        self.ids += 1;
        let id = CommandId::derived(1, &[b"partitions", &self.ids.to_be_bytes()]);
        let mut record = log::CommandRecord {
            command_id: Bytes::copy_from_slice(id.as_bytes()),
            tenant_id: tenant.into(),
            domain: domain.into(),
            kind: kind.into(),
            payload: request.encode_to_vec().into(),
            ..Default::default()
        };
        record.stream_key = stream_key(&record, self.count());
        record
    }

    /// An administrator of the platform asks.
    pub fn ask(&mut self, kind: &str, request: &impl Message) -> Answer {
        let record = self.record("platform", "platform", kind, request);
        let actor = Some(user("root", &["admin"], &["platform"]));
        self.submit(log::CommandRecord { actor, ..record })
    }

    /// A tenant's ringer rings a bell in a partition: under a stream key that lies there.
    pub fn ring(&mut self, tenant: &str, partition: u32) -> Answer {
        let id = TenantId::parse(tenant).unwrap();
        let count = self.count();
        let lies_there =
            |key: &String| partition_of(&id, &StreamKey::parse(key).unwrap(), count) == PartitionId(partition);
        let stream_key = (0..1_000).map(|n| format!("bell-{n}")).find(lies_there).unwrap();
        let record = self.record(tenant, "bell", "Ring", &"b".to_owned());
        let actor = Some(user("rita", &["ringer"], &[tenant]));
        self.submit(log::CommandRecord { stream_key, actor, ..record })
    }

    /// Decides a command where its stream lies.
    pub fn submit(&mut self, record: log::CommandRecord) -> Answer {
        self.try_submit(&record).unwrap()
    }

    /// The same, which may turn out to be impossible; then nothing has changed.
    pub fn try_submit(&mut self, record: &log::CommandRecord) -> Result<Answer, Fault> {
        let tenant = TenantId::parse(&record.tenant_id).unwrap();
        let id = partition_of(&tenant, &StreamKey::parse(&record.stream_key).unwrap(), self.count());
        let partition = &mut self.partitions[id.0 as usize];
        let ahead = daybook_kernel::governance::clock_ahead_us(&partition.state).unwrap();
        let now = Timestamp::from_micros(1_800_000_000_000_000 + ahead).max(partition.head.now);
        let command = Offset(partition.commands);
        let place = Place { partition: id, command, record: partition.head.next_record, index: 0, now };
        let decided = self.decider.decide(&partition.state, &record.encode_to_vec().into(), place)?;
        let decision = Bytes::from(decided.decision.encode_to_vec());
        let batch = DecisionRecord::batch(partition.head.hash, partition.head.epoch, command, now, vec![decision]);
        partition.head.advance(partition.head.next_record, &batch);
        partition.state.apply(&decided.writes);
        partition.commands += 1;
        Ok(Answer(decided.decision))
    }

    /// The home stream's open effects, oldest first, with the partition that each is for.
    pub fn open(&self) -> Vec<(u32, EffectKey, OutboxRow)> {
        let state = &self.partitions[self.home().0 as usize].state;
        let open = open_effects(state, None, 1_000).unwrap().into_iter();
        let target = |row: &OutboxRow| {
            let forward = Forward::decode(row.payload.clone()).unwrap();
            StreamKey::parse(&forward.stream_key).unwrap().named_partition().unwrap().0
        };
        open.map(|(key, row)| (target(&row), key, row)).collect()
    }

    /// The open effects for one partition, oldest first.
    pub fn open_for(&self, partition: u32) -> Vec<(EffectKey, OutboxRow)> {
        let open = self.open().into_iter().filter(|(target, _, _)| *target == partition);
        open.map(|(_, key, row)| (key, row)).collect()
    }

    /// Tells the partition.
    pub fn forward(&mut self, key: EffectKey, row: &OutboxRow) -> Answer {
        self.submit(forward_record(key, row))
    }

    /// Brings its answer home.
    pub fn confirm(&mut self, key: EffectKey, row: &OutboxRow, told: &Answer) -> Answer {
        let forward = Forward::decode(row.payload.clone()).unwrap();
        let accepted = told.code() == "ACCEPTED";
        let outcome = log::ForwardOutcome { correlation: forward.correlation, accepted, ..Default::default() };
        self.submit(confirm_record(key, row, outcome, 0))
    }

    /// Tells the partition and brings its answer home.
    pub fn deliver(&mut self, key: EffectKey, row: &OutboxRow) {
        let told = self.forward(key, row);
        self.confirm(key, row, &told).accepted();
    }

    /// Carries out everything for one partition.
    pub fn deliver_to(&mut self, partition: u32) {
        for (key, row) in self.open_for(partition) {
            self.deliver(key, &row);
        }
    }

    /// Carries out everything.
    pub fn deliver_all(&mut self) {
        for (_, key, row) in self.open() {
            self.deliver(key, &row);
        }
    }

    fn home(&self) -> PartitionId {
        partition_of(TenantId::platform(), &StreamKey::of_tenant(TenantId::platform()), self.count())
    }

    /// The home stream's tables.
    pub fn home_tables(&self) -> Tables<'_> {
        self.tables(self.home().0)
    }

    /// A partition's tables of the platform.
    pub fn tables(&self, partition: u32) -> Tables<'_> {
        Tables::from(View::new(&self.partitions[partition as usize].state, TenantId::platform()))
    }

    pub fn tenant(&self, id: &str) -> v1::Tenant {
        self.home_tables().tenants().get((id,)).unwrap().unwrap()
    }

    /// The log's time in a partition.
    pub fn time(&self, partition: u32) -> Timestamp {
        self.partitions[partition as usize].head.now
    }

    /// By how much a partition's clock is ahead.
    pub fn clock_ahead_us(&self, partition: u32) -> i64 {
        daybook_kernel::governance::clock_ahead_us(&self.partitions[partition as usize].state).unwrap()
    }
}
