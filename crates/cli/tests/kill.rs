//! The real program under `kill -9`: callers ask for all sorts of things, the node is killed at a random moment, started
//! again and killed again, fifty times. Then the log is read: whatever was acknowledged is there as it was
//! acknowledged, nothing was decided twice, and the stores are what the log leads to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use daybook_kernel::chain::Head;
use daybook_kernel::id::{CommandId, Offset, PartitionId};
use daybook_kernel::record::RecordBody;
use daybook_log::{EmbeddedLog, Log, Topic};
use daybook_proto::legal_hold::v1;
use daybook_proto::log::v1::{CommandRecord, Decision, decision::Outcome};
use daybook_rocks::Memory;
use daybook_server::auth::development::{DevelopmentKey, TokenRequest};
use daybook_tests::node::path_of;
use daybook_tests::requests::{class, dispose, item, on, place};
use prost::{Message, Name};
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use common::Served;

const KILLS: u64 = 50;
const CALLERS: u64 = 8;
const PEOPLE: u64 = 5;

/// What a caller was told.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Accepted,
    Rejected(String),
}

/// Everything that was asked, and what came back; `None`: nothing did.
type Asked = Arc<Mutex<HashMap<String, Option<Told>>>>;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_is_decided_twice() {
    let seed = std::env::var("DAYBOOK_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("DAYBOOK_KILL_SEED={seed} chooses the same moments again");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let asked = Asked::default();
    let counter = Arc::new(AtomicU64::new(0));

    for round in 0..KILLS {
        let served = Served::start(&data, &[]);
        let token = token(&data);
        let caller = Caller::new(&served.address, &token);
        if round == 0 {
            caller.ask("class", class("mail", 1)).await;
            // What `class` was told is not part of the load.
        }
        repeat_unanswered(&caller, &asked).await;
        let stop = Arc::new(AtomicBool::new(false));
        let load: Vec<_> = (0..CALLERS)
            .map(|index| {
                let (asked, stop, counter) = (Arc::clone(&asked), Arc::clone(&stop), Arc::clone(&counter));
                let caller = Caller::new(&served.address, &token);
                let random = Random(seed ^ (round * CALLERS + index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                tokio::spawn(load(caller, random, asked, stop, counter))
            })
            .collect();
        let moment = Random(seed.wrapping_add(round)).below(150);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        served.kill();
        stop.store(true, Ordering::Relaxed);
        for caller in load {
            caller.await.unwrap();
        }
    }

    let served = Served::start(&data, &[]);
    repeat_unanswered(&Caller::new(&served.address, &token(&data)), &asked).await;
    // Row by row the same as a store that is folded from nothing, while the node goes on.
    served.text(&["replay", "rebuild", "--compare"]);
    served.stop();
    let verified = common::text_of(
        common::daybook().arg("--data-dir").arg(&data).args(["replay", "verify"]).output().unwrap(),
        &["replay", "verify"],
    );
    assert!(verified.contains(" 0 came out differently"), "{verified}");
    let asked = asked.lock().unwrap().clone();
    compare_with_log(&data, &asked).await;
}

/// Asks for one thing after the other until the node is gone.
async fn load(caller: Caller, mut random: Random, asked: Asked, stop: Arc<AtomicBool>, counter: Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let person = format!("person{}@example.org", random.below(PEOPLE));
        let some = format!("item-{}", random.below(number.max(1)));
        let id = CommandId::generate().to_string();
        asked.lock().unwrap().insert(id.clone(), None);
        let told = match random.below(10) {
            0..=5 => {
                let item = item(&format!("item-{number}"), "mail", &person);
                let request =
                    v1::RegisterItemRequest { command_id: id.clone(), item: Some(item), ..Default::default() };
                caller.send(&id, request).await
            }
            6 => {
                let request = place(&format!("hold-{number}"), on(&person));
                caller.send(&id, v1::PlaceHoldRequest { command_id: id.clone(), ..request }).await
            }
            7 | 8 => caller.send(&id, v1::DisposeItemsRequest { command_id: id.clone(), ..dispose(&[&some]) }).await,
            _ => {
                let hold_id = format!("hold-{}", random.below(number.max(1)));
                let request = v1::ReleaseHoldRequest {
                    command_id: id.clone(),
                    hold_id,
                    reason: "settled".to_owned(),
                    ..Default::default()
                };
                caller.send(&id, request).await
            }
        };
        match told {
            Some(told) => {
                asked.lock().unwrap().insert(id, Some(told));
            }
            None => return,
        }
    }
}

/// Asks again what was not answered, under the same ids, as a caller that wants to know does. What never reached the
/// log is decided now; what did is answered as it was decided.
async fn repeat_unanswered(caller: &Caller, asked: &Asked) {
    let open: Vec<_> = {
        let asked = asked.lock().unwrap();
        asked.iter().filter(|(_, told)| told.is_none()).map(|(id, _)| id.clone()).collect()
    };
    for id in open {
        let Some((request, path)) = caller.sent.lock().unwrap().get(&id).cloned() else { continue };
        let told = caller.send_bytes(request, &path).await.expect("the node runs and answers");
        asked.lock().unwrap().insert(id, Some(told));
    }
}

/// Requests by command id, as they were sent: to be sent again.
type Sent = Arc<Mutex<HashMap<String, (Vec<u8>, String)>>>;

/// Everything that any caller of this test has sent.
fn everything_sent() -> Sent {
    static SENT: std::sync::OnceLock<Sent> = std::sync::OnceLock::new();
    Arc::clone(SENT.get_or_init(Sent::default))
}

struct Caller {
    channel: Channel,
    token: String,
    sent: Sent,
}

impl Caller {
    fn new(address: &str, token: &str) -> Self {
        let channel = Endpoint::from_shared(address.to_owned()).unwrap().connect_lazy();
        Self { channel, token: format!("Bearer {token}"), sent: everything_sent() }
    }

    async fn ask<Q: Message + Name>(&self, id: &str, request: Q) {
        assert_eq!(self.send(id, request).await, Some(Told::Accepted));
    }

    /// What the node says; `None` if it does not answer any more.
    async fn send<Q: Message + Name>(&self, id: &str, request: Q) -> Option<Told> {
        let (bytes, path) = (request.encode_to_vec(), path_of::<Q>());
        self.sent.lock().unwrap().insert(id.to_owned(), (bytes.clone(), path.clone()));
        self.send_bytes(bytes, &path).await
    }

    async fn send_bytes(&self, bytes: Vec<u8>, path: &str) -> Option<Told> {
        loop {
            let mut grpc = tonic::client::Grpc::new(self.channel.clone());
            grpc.ready().await.ok()?;
            let mut request = tonic::Request::new(Raw(bytes.clone()));
            request.metadata_mut().insert("authorization", self.token.parse().unwrap());
            let codec = tonic_prost::ProstCodec::<Raw, ()>::default();
            let status = match grpc.unary(request, path.parse().unwrap(), codec).await {
                Ok(_) => return Some(Told::Accepted),
                Err(status) => status,
            };
            let details = status.get_error_details();
            match (details.error_info(), details.retry_info()) {
                // Not now, it says: nothing was decided.
                (Some(_), Some(retry)) => {
                    tokio::time::sleep(retry.retry_delay.unwrap_or_default()).await;
                }
                (Some(info), None) => return Some(Told::Rejected(info.reason.clone())),
                (None, _) => return None,
            }
        }
    }
}

/// A message that is encoded already.
#[derive(Debug, Clone, Default)]
struct Raw(Vec<u8>);

impl Message for Raw {
    fn encode_raw(&self, buf: &mut impl prost::bytes::BufMut) {
        buf.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: prost::encoding::WireType,
        _: &mut impl prost::bytes::Buf,
        _: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Reads the whole log, and holds it against what callers were told.
async fn compare_with_log(data: &Path, asked: &HashMap<String, Option<Told>>) {
    let scratch = tempfile::tempdir().unwrap();
    let memory = Memory::new(8 << 20, 0);
    let log = EmbeddedLog::open_to_read(data.join("log"), scratch.path().join("reader"), &memory).unwrap();
    let mut decided: HashMap<String, Told> = HashMap::new();
    for partition in (0..log.partitions()).map(PartitionId) {
        let commands = read(&log, Topic::Commands, partition).await;
        let mut head = Head::genesis(log.name(), log.partitions(), partition);
        for (offset, bytes) in read(&log, Topic::Decisions, partition).await {
            let record = head.offer(offset, bytes).expect("one node at a time leaves no record that does not count");
            let RecordBody::Batch { first_command, decisions, .. } = record.body else { continue };
            for (at, bytes) in (first_command.0..).zip(decisions) {
                let decision = Decision::decode(bytes).unwrap();
                let command = CommandRecord::decode(commands[at as usize].1.clone()).unwrap();
                assert_eq!(command.command_id, decision.command_id, "a decision answers the command at its offset");
                let told = match decision.outcome.unwrap() {
                    Outcome::Accepted(_) => Told::Accepted,
                    Outcome::Rejected(rejected) => Told::Rejected(rejected.code),
                    // Asked again: the first answer stands.
                    Outcome::Duplicate(_) => continue,
                    Outcome::Parked(parked) => panic!("parked: {parked:?}"),
                };
                let id = CommandId::from_slice(&decision.command_id).unwrap().to_string();
                assert_eq!(decided.insert(id.clone(), told), None, "{id} is decided twice");
            }
        }
        assert_eq!(head.next_command, Offset(commands.len() as u64), "every command on the log is decided");
    }
    let (mut accepted, mut rejected) = (0, 0);
    for (id, told) in asked {
        let told = told.as_ref().expect("everything was answered in the end");
        match (decided.get(id), told) {
            (Some(on_log), told) => assert_eq!(on_log, told, "{id} was told something else than the log says"),
            // Refused at the door: nothing was written down.
            (None, Told::Rejected(_)) => {}
            (None, Told::Accepted) => panic!("{id} was acknowledged and is lost"),
        }
        match told {
            Told::Accepted => accepted += 1,
            Told::Rejected(_) => rejected += 1,
        }
    }
    println!("{KILLS} kills; {accepted} commands accepted, {rejected} rejected, {} decided in all", decided.len());
    assert!(accepted > KILLS && rejected > 0, "the load was a load");
}

async fn read(log: &EmbeddedLog, topic: Topic, partition: PartitionId) -> Vec<(Offset, prost::bytes::Bytes)> {
    let end = log.bounds(topic, partition).await.unwrap().next;
    let mut reader = log.reader(topic, partition, Offset(0)).unwrap();
    let mut records = Vec::new();
    while (records.len() as u64) < end.0 {
        records.extend(reader.next().await.unwrap().into_iter().map(|record| (record.offset, record.bytes)));
    }
    records
}

fn token(data: &Path) -> String {
    let key = DevelopmentKey::open(data).unwrap();
    let (tenants, roles) = (["demo".to_owned()], ["legal".to_owned(), "records-manager".to_owned()]);
    let valid_for = Duration::from_secs(3_600);
    key.mint(&TokenRequest { subject: "load", tenants: &tenants, roles: &roles, service: false, valid_for }).unwrap()
}

/// Numbers that look random: SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
