//! A node that can crash, and what outlives it: the log, the clock, the key ring, old stores, and callers that ask again
//! until they have their answer.
//!
//! Everything runs in one thread and time passes only when the test says so: the same steps lead to the same log.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use daybook_domains::{registry, shipped_policies};
use daybook_kernel::chain::Head;
use daybook_kernel::decide::Decider;
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::id::{CommandId, Offset, PartitionId, StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::state::digest;
use daybook_kernel::system::{Effect, due_timers};
use daybook_kernel::time::Timestamp;
use daybook_log::{Log, MemoryLog, Topic};
use daybook_policy::Cedar;
use daybook_proto::legal_hold::v1::HoldChangeRequested;
use daybook_proto::log::v1::{Actor, CommandRecord, actor::Kind, decision::Outcome as Decided};
use daybook_proto::platform::v1::{CreateTenantRequest, PublishShippedPolicySet};
use daybook_proto::privacy::v1::{DestroyKeys, DestroyKeysReply, DestroyedKey};
use daybook_replay::{Until, rebuild, verify, walk};
use daybook_rocks::Memory;
use daybook_runtime::{
    Clock, EffectFailed, EffectHandler, EffectHandlers, Limits, NoPeers, Node, NodeOptions, Outcome, PartitionState,
    RequestedEffect, Role, Roles, SubmitError,
};
use daybook_store::{RocksStores, Store};
use daybook_testkit::faulty_log::{AppendFault, FaultyLog};
use daybook_tests::disk;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};

pub const PARTITIONS: u32 = 2;

/// What a node finds when it starts.
#[derive(Debug, Clone, Copy)]
pub enum Found {
    /// The store as it was when the node before it ended.
    Store,
    /// One from an earlier end.
    OlderStore,
    /// No store.
    Nothing,
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
struct StillClock(Arc<watch::Sender<i64>>);

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(*self.0.borrow())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let until = self.now().saturating_add(duration).as_micros();
        let mut now = self.0.subscribe();
        async move { drop(now.wait_for(|now| *now >= until).await) }.boxed()
    }
}

/// Keys that were destroyed, each with where the decisions of the partition ended then.
pub struct KeyRing {
    log: MemoryLog,
    pub destroyed: Mutex<BTreeMap<String, Offset>>,
    /// How often it fails from now on.
    pub failures: Mutex<u32>,
}

impl EffectHandler for KeyRing {
    fn run<'a>(
        &'a self,
        effect: &'a RequestedEffect,
        _: &'a Arc<dyn Store>,
    ) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>> {
        async move {
            let end = self.log.bounds(Topic::Decisions, effect.partition).await.unwrap().next;
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(EffectFailed("the key ring is out of reach".to_owned()));
            }
            let mut destroyed = self.destroyed.lock().unwrap();
            // Asked again, it answers the same again.
            let keys = DestroyKeys::decode(effect.row.payload.clone()).unwrap().key_ids.into_iter().map(|key_id| {
                destroyed.entry(key_id.clone()).or_insert(end);
                DestroyedKey { key_id, existed: true, ..Default::default() }
            });
            Ok(DestroyKeysReply { keys: keys.collect() }.encode_to_vec())
        }
        .boxed()
    }
}

/// Where stores lie: in memory where the system has a place for that, since hundreds of them come and go and no test
/// here is about the disk.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

struct Running {
    runtime: Runtime,
    node: Arc<Node>,
}

/// Somebody who asked, and has no answer yet.
struct Caller {
    record: CommandRecord,
    waiting: Option<JoinHandle<Result<Outcome, SubmitError>>>,
}

pub struct World {
    pub log: MemoryLog,
    pub keys: Arc<KeyRing>,
    clock: StillClock,
    decider: Decider,
    memory: Memory,
    /// How many nodes there were before this one.
    ended: u32,
    running: Option<Running>,
    /// Where the stores lie. After the node, which closes its stores before they go.
    folder: tempfile::TempDir,
    /// What goes wrong with the next appends.
    troubles: Arc<Mutex<VecDeque<(Topic, AppendFault)>>>,
    callers: Vec<Caller>,
    pub answers: Vec<Outcome>,
    /// Changes that wait for approval, by hold, as the answers told.
    pub changes: BTreeMap<String, String>,
    ids: u64,
}

impl World {
    /// A node that runs, with policies and the tenant "acme".
    pub fn new() -> Self {
        let log = MemoryLog::new("world", PARTITIONS);
        let keys = KeyRing { log: log.clone(), destroyed: Mutex::default(), failures: Mutex::default() };
        let mut world = Self {
            log,
            keys: Arc::new(keys),
            clock: StillClock(Arc::new(watch::Sender::new(1_800_000_000_000_000))),
            decider: Decider::new(registry(), Arc::new(Cedar::new()), PARTITIONS),
            memory: Memory::default(),
            folder: folder(),
            ended: 0,
            running: None,
            troubles: Arc::default(),
            callers: Vec::new(),
            answers: Vec::new(),
            changes: BTreeMap::new(),
            ids: 0,
        };
        world.start(Found::Nothing);
        let registry = registry();
        let shipped = PublishShippedPolicySet {
            feature_level: FeatureLevel::NEWEST.0,
            policies: shipped_policies(&registry, true),
            schema: registry.shipped_schema(),
            description: String::new(),
            ends_development: false,
        };
        let system = Actor { kind: Kind::System.into(), id: "test".into(), ..Default::default() };
        world.ask_as(system, "platform", "platform", "PublishShippedPolicySet", &shipped);
        world.settle();
        let create = CreateTenantRequest { new_tenant_id: "acme".into(), ..Default::default() };
        world.ask("platform", "platform", "CreateTenant", &create, "root", "admin");
        world.settle();
        world
    }

    fn store_folder(&self, of: u32) -> PathBuf {
        self.folder.path().join(format!("store-{of}"))
    }

    fn start(&mut self, found: Found) {
        let folder = self.store_folder(self.ended);
        match found {
            Found::Store => disk::copy(&self.store_folder(self.ended - 1), &folder),
            Found::OlderStore => disk::copy(&self.store_folder((self.ended - 1) / 2), &folder),
            Found::Nothing => {}
        }
        let troubles = Arc::clone(&self.troubles);
        let log = FaultyLog::new(self.log.clone(), move |topic, _| {
            let mut troubles = troubles.lock().unwrap();
            let next = troubles.pop_front_if(|(concerned, _)| *concerned == topic);
            next.map_or(AppendFault::None, |(_, fault)| fault)
        });
        let options = NodeOptions {
            deciding: Arc::new(daybook_runtime::Unwatched),
            node_id: format!("n{}", self.ended),
            address: String::new(),
            stores: Arc::new(RocksStores { folder, memory: self.memory.clone() }),
            roles: Roles::all(PARTITIONS, Role::Lead),
            peers: Arc::new(NoPeers),
            limits: Limits::default(),
            effects: EffectHandlers::new().with(Effect::DESTROY_KEYS, Arc::clone(&self.keys) as Arc<dyn EffectHandler>),
        };
        let runtime = Builder::new_current_thread().build().unwrap();
        let (decider, clock) = (self.decider.clone(), Arc::new(self.clock.clone()));
        let node = runtime.block_on(async { Node::start(Arc::new(log), decider, clock, options) }).unwrap();
        self.running = Some(Running { runtime, node });
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// The node is gone from one moment to the next: nothing that it had under way is brought to an end.
    pub fn crash(&mut self, found: Found) {
        let Running { runtime, node } = self.running.take().unwrap();
        drop(runtime);
        drop(node);
        self.begin_anew(found);
    }

    /// The node is stopped and started.
    pub fn restart(&mut self) {
        self.stop();
        self.begin_anew(Found::Store);
    }

    fn stop(&mut self) {
        let Running { runtime, node } = self.running.take().unwrap();
        runtime.block_on(node.stop(Duration::from_secs(1)));
    }

    fn begin_anew(&mut self, found: Found) {
        self.ended += 1;
        for caller in &mut self.callers {
            caller.waiting = None;
        }
        self.start(found);
        self.ask_again();
    }

    /// Somebody asks. His answer comes when it comes.
    pub fn ask(&mut self, tenant: &str, domain: &str, kind: &str, request: &impl Message, who: &str, role: &str) {
        let actor = Actor {
            kind: Kind::User.into(),
            id: who.into(),
            roles: vec![role.into()],
            tenant_ids: vec![tenant.into()],
        };
        self.ask_as(actor, tenant, domain, kind, request);
    }

    fn ask_as(&mut self, actor: Actor, tenant: &str, domain: &str, kind: &str, request: &impl Message) {
        self.ids += 1;
        let id = CommandId::derived(self.now().as_unix_millis(), &[b"world", &self.ids.to_be_bytes()]);
        let record = CommandRecord {
            command_id: Bytes::copy_from_slice(id.as_bytes()),
            tenant_id: tenant.into(),
            stream_key: tenant.into(),
            actor: Some(actor),
            received_at: Some(self.now().to_proto()),
            domain: domain.into(),
            kind: kind.into(),
            payload: request.encode_to_vec().into(),
            ..Default::default()
        };
        self.callers.push(Caller { record, waiting: None });
        self.ask_again();
    }

    /// Whoever asked and is not waiting any more asks again, under the same id.
    fn ask_again(&mut self) {
        let Running { runtime, node } = self.running.as_ref().unwrap();
        for caller in self.callers.iter_mut().filter(|caller| caller.waiting.is_none()) {
            let (node, record) = (Arc::clone(node), caller.record.clone());
            caller.waiting = Some(runtime.spawn(async move { node.submit(&record).await }));
        }
    }

    /// Lets the node work: each of its tasks goes on about so many times.
    pub fn work(&mut self, turns: u32) {
        let Running { runtime, .. } = self.running.as_ref().unwrap();
        runtime.block_on(async {
            for _ in 0..turns {
                yield_now().await;
            }
        });
        for mut caller in std::mem::take(&mut self.callers) {
            let Some(waiting) = caller.waiting.take_if(|waiting| waiting.is_finished()) else {
                self.callers.push(caller);
                continue;
            };
            match runtime.block_on(waiting).unwrap() {
                Ok(outcome) => {
                    if let Some(Decided::Accepted(accepted)) = &outcome.decision.outcome {
                        for event in accepted.events.iter().filter(|event| event.kind == "HoldChangeRequested") {
                            let event = HoldChangeRequested::decode(event.payload.clone()).unwrap();
                            self.changes.insert(event.hold_id, event.change.unwrap().change_id);
                        }
                    }
                    self.answers.push(outcome);
                }
                Err(error) => {
                    assert!(error.retry_after().is_some(), "{error}");
                    self.callers.push(caller);
                }
            }
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Time passes.
    pub fn wait(&self, duration: Duration) {
        self.clock.0.send_replace(self.now().saturating_add(duration).as_micros());
    }

    /// Something goes wrong with the next append to a topic.
    pub fn trouble(&self, topic: Topic, fault: AppendFault) {
        self.troubles.lock().unwrap().push_back((topic, fault));
    }

    /// Lets the node work until nothing is left to do.
    pub fn settle(&mut self) {
        const ROUNDS_MAX: u32 = 10_000;
        for _ in 0..ROUNDS_MAX {
            self.ask_again();
            self.work(16);
            if self.is_quiet() {
                return;
            }
            // Whoever waits before he tries again does not wait for ever.
            self.wait(Duration::from_millis(20));
        }
        let stand = self.running().node.partitions().iter().map(|partition| partition.status().now_or_never());
        panic!("it goes on for ever: {} callers wait, {:?}", self.callers.len(), stand.collect::<Vec<_>>());
    }

    fn is_quiet(&self) -> bool {
        let quiet = |partition: &Arc<daybook_runtime::Partition>| {
            let status = partition.status().now_or_never().unwrap().unwrap();
            assert_ne!(status.state, PartitionState::Broken, "{}", status.detail);
            let end = self.log.bounds(Topic::Decisions, partition.id()).now_or_never().unwrap().unwrap().next;
            let due = partition.read(|state, head| {
                let now = partition.log_time(state, head).unwrap();
                due_timers(state, now, 1).unwrap().0.len()
            });
            let caught_up = status.apply_lag() == 0 && status.head.next_record == end;
            status.state == PartitionState::Leading && caught_up && status.waiting.effects == 0 && due.unwrap() == 0
        };
        self.callers.is_empty() && self.running().node.partitions().iter().all(quiet)
    }

    /// The partition of the tenant "acme".
    pub fn home() -> PartitionId {
        let acme = TenantId::parse("acme").unwrap();
        partition_of(&acme, &StreamKey::of_tenant(&acme), PARTITIONS)
    }

    /// The log's time where "acme" lies.
    pub fn log_time(&self) -> Timestamp {
        let partition = &self.running().node.partitions()[Self::home().0 as usize];
        partition.read(|state, head| partition.log_time(state, head).unwrap()).unwrap()
    }

    /// The node stops, and the log is read again: the chain is whole, every decision comes out the same once more, and
    /// the state is what a rebuild makes of the log. Returns where each partition's chain ends.
    pub fn check_log(&mut self) -> Vec<Head> {
        let partitions: Vec<_> = self.running().node.partitions().to_vec();
        self.stop();
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut heads = Vec::new();
        for partition in partitions {
            let (log, id) = (&self.log, partition.id());
            let scratch = |name: &str| self.folder.path().join(name);
            let walked = runtime.block_on(walk(log, id, None, &())).unwrap();
            assert!(!walked.is_suspicious() && walked.undecided == 0, "{walked:?}");
            let verified =
                runtime.block_on(verify(log, &self.decider, id, &scratch("verify"), &self.memory, &())).unwrap();
            assert_eq!((verified.difference_count, verified.other_version), (0, 0), "{:?}", verified.differences);
            assert_eq!((verified.decisions, verified.undecided), (walked.decisions, 0));
            let folder = scratch("rebuild");
            let again = rebuild(log, &self.decider, id, &folder, Until::End, &self.memory, &());
            let rebuilt = runtime.block_on(again).unwrap();
            let (state, rows) = digest(&*partition.store().live(), self.decider.registry().projections()).unwrap();
            assert_eq!((state, rows), (rebuilt.digest, rebuilt.rows), "the state is what the log says");
            assert_eq!(rebuilt.head, walked.head);
            heads.push(walked.head);
        }
        heads
    }
}
