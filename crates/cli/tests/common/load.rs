//! Callers who ask for all sorts of things while nodes come and go, and what the log must say of it afterwards.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use daybook_kernel::chain::Head;
use daybook_kernel::id::{CommandId, Offset, PartitionId};
use daybook_kernel::record::RecordBody;
use daybook_log::{Log, Topic};
use daybook_proto::legal_hold::v1;
use daybook_proto::log::v1::{CommandRecord, Decision, decision::Outcome};
use daybook_server::auth::development::{DevelopmentKey, TokenRequest};
use daybook_tests::node::path_of;
use daybook_tests::requests::{dispose, item, on, place};
use prost::{Message, Name};
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

const PEOPLE: u64 = 5;

/// What a caller was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Accepted,
    Rejected(String),
}

/// Everything that was asked, and what came back; `None`: nothing did.
pub type Asked = Arc<Mutex<HashMap<String, Option<Told>>>>;

/// Asks for one thing after the other until the node is gone.
pub async fn load(caller: Caller, mut random: Random, asked: Asked, stop: Arc<AtomicBool>, counter: Arc<AtomicU64>) {
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
pub async fn repeat_unanswered(caller: &Caller, asked: &Asked) {
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

/// Somebody who asks, at one node or at several: where one does not answer, he asks the next.
pub struct Caller {
    channels: Vec<Channel>,
    at: AtomicU64,
    token: String,
    sent: Sent,
}

impl Caller {
    pub fn new(address: &str, token: &str) -> Self {
        Self::of_nodes(&[address.to_owned()], token, 0)
    }

    /// Begins with the node `first`.
    pub fn of_nodes(addresses: &[String], token: &str, first: u64) -> Self {
        let channel = |address: &String| {
            let endpoint = Endpoint::from_shared(address.clone()).unwrap();
            endpoint.connect_timeout(Duration::from_secs(1)).connect_lazy()
        };
        let channels = addresses.iter().map(channel).collect();
        Self { channels, at: AtomicU64::new(first), token: format!("Bearer {token}"), sent: everything_sent() }
    }

    fn channel(&self) -> Channel {
        self.channels[self.at.load(Ordering::Relaxed) as usize % self.channels.len()].clone()
    }

    /// Another node is asked from now on; false if there is none.
    async fn turn_to_the_next(&self) -> bool {
        self.at.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.channels.len() > 1
    }

    pub async fn ask<Q: Message + Name>(&self, id: &str, request: Q) {
        assert_eq!(self.send(id, request).await, Some(Told::Accepted));
    }

    /// What the node says; `None` if it does not answer any more.
    pub async fn send<Q: Message + Name>(&self, id: &str, request: Q) -> Option<Told> {
        let (bytes, path) = (request.encode_to_vec(), path_of::<Q>());
        self.sent.lock().unwrap().insert(id.to_owned(), (bytes.clone(), path.clone()));
        self.send_bytes(bytes, &path).await
    }

    pub async fn send_bytes(&self, bytes: Vec<u8>, path: &str) -> Option<Told> {
        loop {
            let mut grpc = tonic::client::Grpc::new(self.channel());
            if grpc.ready().await.is_err() {
                if self.turn_to_the_next().await {
                    continue;
                }
                return None;
            }
            let mut request = tonic::Request::new(Raw(bytes.clone()));
            request.metadata_mut().insert("authorization", self.token.parse().unwrap());
            request.set_timeout(Duration::from_secs(20));
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
                // The same command, under the same id: it may have been decided.
                (None, _) if self.turn_to_the_next().await => {}
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
pub async fn compare_with_log(log: &dyn Log, asked: &HashMap<String, Option<Told>>) -> Counted {
    let mut dropped = 0;
    let mut decided: HashMap<String, Told> = HashMap::new();
    for partition in (0..log.partitions()).map(PartitionId) {
        let commands = read(log, Topic::Commands, partition).await;
        let mut head = Head::genesis(log.name(), log.partitions(), partition);
        for (offset, bytes) in read(log, Topic::Decisions, partition).await {
            let Ok(record) = head.offer(offset, bytes) else {
                dropped += 1;
                continue;
            };
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
    println!(
        "{accepted} commands accepted, {rejected} rejected, {} decided in all, {dropped} records dropped",
        decided.len()
    );
    Counted { accepted, rejected, dropped }
}

/// What a log and its callers agree on.
#[derive(Debug)]
pub struct Counted {
    pub accepted: u64,
    pub rejected: u64,
    /// Decision records that do not count.
    pub dropped: u64,
}

async fn read(log: &dyn Log, topic: Topic, partition: PartitionId) -> Vec<(Offset, prost::bytes::Bytes)> {
    let end = log.bounds(topic, partition).await.unwrap().next;
    let mut reader = log.reader(topic, partition, Offset(0)).unwrap();
    let mut records = Vec::new();
    while (records.len() as u64) < end.0 {
        records.extend(reader.next().await.unwrap().into_iter().map(|record| (record.offset, record.bytes)));
    }
    records
}

/// A token of a development node, good for the load.
pub fn token(data: &Path) -> String {
    let key = DevelopmentKey::open(data).unwrap();
    let (tenants, roles) = (["demo".to_owned()], ["legal".to_owned(), "records-manager".to_owned()]);
    let valid_for = Duration::from_secs(3_600);
    key.mint(&TokenRequest { subject: "load", tenants: &tenants, roles: &roles, service: false, valid_for }).unwrap()
}

/// Numbers that look random: SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
