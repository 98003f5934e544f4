//! The golden log in the middle of its life: tenants, items, holds, open effects and timers are there, and the commands
//! that come next are known.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use daybook_kernel::apply::{Fold, apply_record};
use daybook_kernel::chain::Head;
use daybook_kernel::code;
use daybook_kernel::decide::{Decided, Decider, Place};
use daybook_kernel::id::{PartitionId, StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::state::MemoryState;
use daybook_log::{RECORD_BYTES_MAX, Record, Topic};
use daybook_policy::Cedar;
use daybook_proto::log::v1::{CommandRecord, Decision, decision::Outcome};
use daybook_segments::{MANIFEST, Manifest};
use prost::Message;

/// The release whose golden log it is.
const RELEASE: &str = "0.1.0";

/// A log in the middle of its life.
pub struct World {
    /// Decides and folds as this build does.
    pub decider: Decider,
    /// Its partitions.
    pub partitions: Vec<Partition>,
}

/// One partition.
pub struct Partition {
    /// Its rows.
    pub state: MemoryState,
    /// Where its chain stands.
    pub head: Head,
    /// The commands that the golden log has after that.
    pub commands: Vec<Bytes>,
    /// The decision records that it has after that.
    pub records: Vec<Bytes>,
}

static WORLD: LazyLock<World> = LazyLock::new(World::read);

/// The one that all targets share.
pub fn world() -> &'static World {
    &WORLD
}

/// The manifest of the golden log.
pub fn golden_manifest() -> String {
    let file = golden_folder().join(MANIFEST);
    fs::read_to_string(file).expect("the manifest of the golden log")
}

/// The files of the golden log with their records.
pub fn golden_segments() -> Vec<(Bytes, Vec<Record>)> {
    let manifest = Manifest::parse(&golden_manifest()).expect("the manifest of the golden log");
    let segments = manifest.lanes.iter().flat_map(|lane| &lane.segments);
    let read = segments.map(|segment| {
        let bytes = Bytes::from(fs::read(golden_folder().join(&segment.file)).expect("a file of the golden log"));
        (bytes.clone(), segment.read(bytes).expect("a segment of the golden log"))
    });
    read.collect()
}

fn golden_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(RELEASE).join("log")
}

fn golden_lane(manifest: &Manifest, topic: Topic, partition: u32) -> Vec<Bytes> {
    let lane = manifest.lane(topic, partition).expect("a lane of the golden log");
    let records = lane.segments.iter().flat_map(|segment| {
        let bytes = fs::read(golden_folder().join(&segment.file)).expect("a file of the golden log");
        segment.read(bytes.into()).expect("a segment of the golden log")
    });
    records.map(|record| record.bytes).collect()
}

impl World {
    fn read() -> Self {
        let manifest = Manifest::parse(&golden_manifest()).expect("the manifest of the golden log");
        let decider = Decider::new(daybook_domains::registry(), Arc::new(Cedar::new()), manifest.partitions);
        let partitions = (0..manifest.partitions).map(|id| Partition::read(&manifest, &decider, id)).collect();
        Self { decider, partitions }
    }

    /// The partition in which a command is decided.
    pub fn partition_of(&self, command: &CommandRecord) -> PartitionId {
        let tenant = TenantId::parse(&command.tenant_id).unwrap_or_else(|_| TenantId::platform().clone());
        let stream_key = StreamKey::parse(&command.stream_key).unwrap_or_else(|_| StreamKey::of_tenant(&tenant));
        partition_of(&tenant, &stream_key, self.partitions.len() as u32)
    }

    /// Decides a command record and checks what every node takes for granted.
    ///
    /// # Panics
    /// When it is not so.
    pub fn decide(&self, partition: PartitionId, bytes: &Bytes) -> Decided {
        let Partition { state, head, .. } = &self.partitions[partition.0 as usize];
        let (command, record) = (head.next_command, head.next_record);
        let place = Place { partition, command, record, index: 0, now: head.now };
        let decided = self.decider.decide(state, bytes, place).expect("whatever the bytes are, there is a decision");
        if let Some(Outcome::Parked(parked)) = &decided.decision.outcome {
            assert_ne!(parked.code, code::DECIDER_PANICKED.name, "{}", parked.reason);
        }
        let encoded = decided.decision.encode_to_vec();
        assert_eq!(Decision::decode(&encoded[..]).as_ref(), Ok(&decided.decision), "it is read as it was written");

        // Every reader of the log folds the same rows from it.
        let batch = DecisionRecord::batch(head.hash, head.epoch, command, place.now, vec![encoded.into()]);
        assert!(batch.bytes.len() <= RECORD_BYTES_MAX, "{} bytes fit no log", batch.bytes.len());
        let mut head = head.clone();
        let applied = apply_record(&self.decider, state, &mut head, partition, record, batch.bytes, Fold::All);
        let applied = applied.expect("a decision of ours can be folded").expect("it counts");
        assert_eq!(applied.writes, decided.writes, "a follower folds the same");
        assert_eq!(head.next_command, command.next());

        let again = self.decider.decide(state, bytes, place).expect("it was decided before");
        assert_eq!(again.decision, decided.decision, "it is decided the same again");
        decided
    }
}

impl Partition {
    /// Folds the first half of the records.
    fn read(manifest: &Manifest, decider: &Decider, id: u32) -> Self {
        let mut records = golden_lane(manifest, Topic::Decisions, id);
        let rest = records.split_off(records.len() / 2);
        let mut state = MemoryState::default();
        let mut head = Head::genesis(&manifest.log, manifest.partitions, PartitionId(id));
        for bytes in records {
            let offset = head.next_record;
            let applied = apply_record(decider, &state, &mut head, PartitionId(id), offset, bytes, Fold::All);
            if let Ok(applied) = applied.expect("the golden log can be folded") {
                state.apply(&applied.writes);
            }
        }
        let commands = golden_lane(manifest, Topic::Commands, id).split_off(head.next_command.0 as usize);
        Self { state, head, commands, records: rest }
    }
}
