//! Callers who ask for all sorts of things while nodes come and go, and what the log must say of it afterwards.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use daybook_kernel::chain::Head;
use daybook_kernel::id::{CommandId, Offset, PartitionId, Position};
use daybook_kernel::record::RecordBody;
use daybook_log::{Log, Topic};
use daybook_proto::legal_hold::v1::{self, GetHoldRequest, GetHoldResponse, HoldState, SetRetentionClassRequest};
use daybook_proto::log::v1::{self as log_v1, CommandRecord, Decision, decision::Outcome};
use daybook_server::auth::development::{DevelopmentKey, TokenRequest};
use daybook_server::http::AsBytes;
use daybook_testkit::history::holds::{Answer, Holds, Op, Stands};
use daybook_testkit::history::{Call, Recorded, Recorder, Session, check};
use daybook_tests::node::path_of;
use daybook_tests::requests::{approve, class, dispose, get_hold, item, on, place, release};
use prost::bytes::Bytes;
use prost::{Message, Name};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use super::DEADLINE;

/// The retention class of every item.
const CLASS: &str = "mail";

/// Items and holds with numbers that differ by a multiple of this concern the same person.
const PEOPLE: u64 = 16;

/// What a caller was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Accepted,
    Rejected(String),
}

/// Everything that was asked, and what came back; `None`: nothing did.
pub type Asked = HashMap<String, Option<Told>>;

/// What all callers of a load have in common.
#[derive(Clone)]
pub struct Load {
    /// Each person is of one of them.
    tenants: Arc<[String]>,
    /// Commands by id.
    asked: Arc<Mutex<Asked>>,
    /// The same and queries, in time, by person.
    history: Arc<Recorder<Op, Answer>>,
    /// Commands that were not answered, with their place in the history.
    open: Arc<Mutex<HashMap<String, (Recorded, Op)>>>,
    /// Releases of holds that were asked for.
    changes: Arc<Mutex<HashMap<u64, String>>>,
    stop: Arc<AtomicBool>,
    counter: Arc<AtomicU64>,
    /// How many calls were answered, by tenant.
    answered: Arc<[AtomicU64]>,
    /// How long a caller rests after each call.
    rest: Duration,
}

impl Load {
    /// A load on these tenants, which must be there.
    pub fn new(tenants: &[&str], rest: Duration) -> Self {
        Self {
            tenants: tenants.iter().map(ToString::to_string).collect(),
            asked: Arc::default(),
            history: Recorder::new(),
            open: Arc::default(),
            changes: Arc::default(),
            stop: Arc::default(),
            counter: Arc::default(),
            answered: tenants.iter().map(|_| AtomicU64::new(0)).collect(),
            rest,
        }
    }

    /// The tenant that something belongs to.
    fn tenant(&self, op: &Op) -> String {
        self.tenants[person(op) as usize % self.tenants.len()].clone()
    }

    fn was_answered(&self, op: &Op) {
        self.answered[person(op) as usize % self.tenants.len()].fetch_add(1, Ordering::Relaxed);
    }

    /// Has a caller ask for one thing after the other, until the load is stopped or the node is gone.
    pub fn run(&self, caller: Caller, random: Random) -> tokio::task::JoinHandle<()> {
        self.stop.store(false, Ordering::Relaxed);
        tokio::spawn(self.clone().ask_for_ever(caller, random))
    }

    /// How many calls were answered, by tenant.
    pub fn answered(&self) -> Vec<u64> {
        self.answered.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Waits until so many more calls have been answered in every tenant. With more than there are callers, some of them
    /// were made after this was asked.
    pub async fn goes_on(&self, by: u64, what: &str) {
        let (before, started) = (self.answered(), Instant::now());
        let is_behind = |(now, before): (u64, &u64)| now < before + by;
        while self.answered().into_iter().zip(&before).any(is_behind) {
            let now = self.answered();
            assert!(started.elapsed() < DEADLINE, "not every tenant is answered: {what}: {before:?}, {now:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Defines what the load needs, in each of its tenants.
    pub async fn set_up(&self, caller: &Caller) {
        for tenant in self.tenants.iter() {
            let (id, tenant_id) = (CommandId::generate().to_string(), tenant.clone());
            let request = SetRetentionClassRequest { command_id: id.clone(), tenant_id, ..class(CLASS, 1) };
            caller.ask(&id, request).await;
        }
    }

    /// Tells the callers to come to an end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// What was asked, and what came back.
    pub fn asked(&self) -> Asked {
        self.asked.lock().unwrap().clone()
    }

    async fn ask_for_ever(self, caller: Caller, mut random: Random) {
        let (mut sessions, mut seen) = (BTreeMap::<_, Session>::new(), BTreeMap::new());
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            // Something that there may be, rather of late.
            let some = number.saturating_sub(random.below(40));
            let op = match random.below(12) {
                0..=4 => Op::Register(number),
                // Several callers want the same hold.
                5 | 6 => Op::Place(number / 3),
                7 | 8 => Op::Dispose(some),
                9 => match self.changes.lock().unwrap().get(&(some / 3)) {
                    None => Op::Release(some / 3),
                    Some(_) => Op::Approve(some / 3),
                },
                _ => Op::Look(some / 3),
            };
            // A position says something of its own partition only.
            let tenant = self.tenant(&op);
            let (session, seen) = (sessions.entry(tenant.clone()).or_default(), seen.entry(tenant).or_default());
            let is_answered = match op {
                Op::Look(hold) => self.look(&caller, hold, session, seen).await,
                _ => self.command(&caller, op, session, seen).await,
            };
            if !is_answered {
                return;
            }
            tokio::time::sleep(self.rest).await;
        }
    }

    /// Asks for a command. False if the node does not answer any more.
    async fn command(&self, caller: &Caller, op: Op, session: &mut Session, seen: &mut Option<Position>) -> bool {
        let id = CommandId::generate().to_string();
        self.asked.lock().unwrap().insert(id.clone(), None);
        let recorded = self.history.asks(person(&op), op);
        self.open.lock().unwrap().insert(id.clone(), (recorded, op));
        let tenant_id = self.tenant(&op);
        let told = match op {
            Op::Register(number) => {
                let item = Some(item(&item_id(number), CLASS, &address(person(&op))));
                let command_id = id.clone();
                caller.send(&id, v1::RegisterItemRequest { command_id, tenant_id, item }).await
            }
            Op::Place(hold) => {
                let request = place(&hold_id(hold), on(&address(person(&op))));
                caller.send(&id, v1::PlaceHoldRequest { command_id: id.clone(), tenant_id, ..request }).await
            }
            Op::Dispose(item) => {
                let request = dispose(&[&item_id(item)]);
                caller.send(&id, v1::DisposeItemsRequest { command_id: id.clone(), tenant_id, ..request }).await
            }
            Op::Release(hold) => {
                let request = release(&hold_id(hold));
                caller.send(&id, v1::ReleaseHoldRequest { command_id: id.clone(), tenant_id, ..request }).await
            }
            Op::Approve(hold) => {
                let change = self.changes.lock().unwrap()[&hold].clone();
                let request = approve(&hold_id(hold), &change);
                let request = v1::ApproveHoldChangeRequest { command_id: id.clone(), tenant_id, ..request };
                caller.send_as(&caller.tokens.second, &id, request).await
            }
            Op::Look(_) => panic!("that is no command"),
        };
        let Some(told) = told else { return false };
        if let Some(position) = position_of(&told) {
            *seen = (*seen).max(Some(position));
            session.has_seen(recorded);
        }
        self.is_told(&id, &told);
        true
    }

    /// Asks how a hold stands, with everything in view that the caller has seen.
    async fn look(&self, caller: &Caller, hold: u64, session: &mut Session, seen: &mut Option<Position>) -> bool {
        let Some(position) = *seen else { return true };
        let op = Op::Look(hold);
        let recorded = session.looks(&self.history, person(&op), op);
        let min_position = Some(log_v1::Position::from(position));
        let request = GetHoldRequest { tenant_id: self.tenant(&op), min_position, ..get_hold(&hold_id(hold)) };
        let Some((told, bytes)) =
            caller.send_bytes(&request.encode_to_vec(), &path_of::<GetHoldRequest>(), &caller.tokens.first).await
        else {
            return false;
        };
        let answer = match told {
            Told::Accepted => {
                let response = GetHoldResponse::decode(bytes).unwrap();
                let position = Position::from(&response.position.unwrap());
                assert!(Some(position) >= *seen, "answered from before what the caller had seen");
                *seen = Some(position);
                let hold = response.hold.unwrap();
                match hold.state() {
                    HoldState::Active if hold.pending_change.is_some() => Answer::Hold(Some(Stands::Releasing)),
                    HoldState::Active => Answer::Hold(Some(Stands::Active)),
                    HoldState::Released => Answer::Hold(Some(Stands::Released)),
                    other => panic!("nobody asked for {other:?}"),
                }
            }
            Told::Rejected(code) if code == "HOLD_NOT_FOUND" => Answer::Hold(None),
            // It has no answer.
            Told::Rejected(_) => return true,
        };
        self.history.is_told(recorded, answer);
        self.was_answered(&op);
        session.has_seen(recorded);
        true
    }

    /// Notes the answer to a command.
    fn is_told(&self, id: &str, told: &(Told, Bytes)) {
        let (told, bytes) = told;
        self.asked.lock().unwrap().insert(id.to_owned(), Some(told.clone()));
        let (recorded, op) = self.open.lock().unwrap().remove(id).unwrap();
        let answer = match (told, op) {
            (Told::Rejected(code), _) => Answer::Rejected(code.clone()),
            (Told::Accepted, Op::Dispose(_)) => {
                let response = v1::DisposeItemsResponse::decode(bytes.clone()).unwrap();
                let [one] = &response.dispositions[..] else { panic!("one was asked for: {response:?}") };
                let number = |hold: &String| hold.trim_start_matches("hold-").parse::<u64>().unwrap();
                match one {
                    one if one.already_disposed => Answer::DoneBefore,
                    one if one.disposed => Answer::Done,
                    one => Answer::Held(one.hold_ids.iter().map(number).collect()),
                }
            }
            (Told::Accepted, Op::Release(hold)) => {
                let response = v1::ReleaseHoldResponse::decode(bytes.clone()).unwrap();
                let change = response.hold.unwrap().pending_change.unwrap();
                self.changes.lock().unwrap().insert(hold, change.change_id);
                Answer::Done
            }
            (Told::Accepted, _) => Answer::Done,
        };
        self.was_answered(&op);
        self.history.is_told(recorded, answer);
    }

    /// Asks again what was not answered, under the same ids, as a caller that wants to know does. What never reached the
    /// log is decided now; what did is answered as it was decided.
    pub async fn repeat_unanswered(&self, caller: &Caller) {
        let open: Vec<_> = self.open.lock().unwrap().keys().cloned().collect();
        for id in open {
            let Sent { request, path, token } = caller.sent.lock().unwrap()[&id].clone();
            let told = caller.send_bytes(&request, &path, &token).await.expect("the node runs and answers");
            self.is_told(&id, &told);
        }
    }

    /// Holds what callers saw, and when, against what the domain promises. Says how many calls there were.
    pub fn check_history(&self) -> usize {
        let histories = self.history.histories();
        for (person, calls) in &histories {
            check(&Holds, calls).assert_linearizable(&format!("what callers saw of person {person}"));
        }
        let looks = |calls: &Vec<Call<Op, Answer>>| {
            calls.iter().filter(|call| matches!(call.op, Op::Look(_)) && call.answer.is_some()).count()
        };
        let (calls, looks): (usize, usize) =
            histories.values().fold((0, 0), |(all, of), calls| (all + calls.len(), of + looks(calls)));
        println!("{calls} calls, {looks} of them questions, can have happened one after the other");
        calls
    }
}

fn person(op: &Op) -> u64 {
    let number = match op {
        Op::Register(item) | Op::Dispose(item) => item,
        Op::Place(hold) | Op::Release(hold) | Op::Approve(hold) | Op::Look(hold) => hold,
    };
    number % PEOPLE
}

fn address(person: u64) -> String {
    format!("person{person}@example.org")
}

fn item_id(item: u64) -> String {
    format!("item-{item:09}")
}

/// With zeros: holds are named in the order of their ids.
fn hold_id(hold: u64) -> String {
    format!("hold-{hold:09}")
}

/// Where an accepted command stands. Every response to a command begins with its receipt.
fn position_of((told, bytes): &(Told, Bytes)) -> Option<Position> {
    let receipt = v1::SetRetentionClassResponse::decode(bytes.clone()).ok()?.receipt;
    (*told == Told::Accepted).then_some(Position::from(&receipt?.position?))
}

/// A request as it was sent: to be sent again.
#[derive(Clone)]
struct Sent {
    request: Vec<u8>,
    path: String,
    token: String,
}

/// Requests by command id.
type AllSent = Arc<Mutex<HashMap<String, Sent>>>;

/// Everything that any caller of this test has sent.
fn everything_sent() -> AllSent {
    static SENT: std::sync::OnceLock<AllSent> = std::sync::OnceLock::new();
    Arc::clone(SENT.get_or_init(AllSent::default))
}

/// Somebody who asks, at one node or at several: where one does not answer, he asks the next.
pub struct Caller {
    channels: Vec<Channel>,
    at: AtomicU64,
    tokens: Tokens,
    sent: AllSent,
}

impl Caller {
    pub fn new(address: &str, tokens: &Tokens) -> Self {
        Self::of_nodes(&[address.to_owned()], tokens, 0)
    }

    /// Begins with the node `first`.
    pub fn of_nodes(addresses: &[String], tokens: &Tokens, first: u64) -> Self {
        let channel = |address: &String| {
            let endpoint = Endpoint::from_shared(address.clone()).unwrap();
            endpoint.connect_timeout(Duration::from_secs(1)).connect_lazy()
        };
        let channels = addresses.iter().map(channel).collect();
        Self { channels, at: AtomicU64::new(first), tokens: tokens.clone(), sent: everything_sent() }
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
        assert_eq!(self.send(id, request).await.unwrap().0, Told::Accepted);
    }

    /// What the node says, with the response; `None` if it does not answer any more.
    pub async fn send<Q: Message + Name>(&self, id: &str, request: Q) -> Option<(Told, Bytes)> {
        self.send_as(&self.tokens.first, id, request).await
    }

    async fn send_as<Q: Message + Name>(&self, token: &str, id: &str, request: Q) -> Option<(Told, Bytes)> {
        let sent = Sent { request: request.encode_to_vec(), path: path_of::<Q>(), token: token.to_owned() };
        self.sent.lock().unwrap().insert(id.to_owned(), sent.clone());
        self.send_bytes(&sent.request, &sent.path, token).await
    }

    async fn send_bytes(&self, bytes: &[u8], path: &str, token: &str) -> Option<(Told, Bytes)> {
        let bytes = Bytes::copy_from_slice(bytes);
        loop {
            let mut grpc = tonic::client::Grpc::new(self.channel());
            if grpc.ready().await.is_err() {
                if self.turn_to_the_next().await {
                    continue;
                }
                return None;
            }
            let mut request = tonic::Request::new(bytes.clone());
            request.metadata_mut().insert("authorization", token.parse().unwrap());
            request.set_timeout(Duration::from_secs(20));
            let status = match grpc.unary(request, path.parse().unwrap(), AsBytes).await {
                Ok(response) => return Some((Told::Accepted, response.into_inner())),
                Err(status) => status,
            };
            let details = status.get_error_details();
            match (details.error_info(), details.retry_info()) {
                // Not now, it says: nothing was decided.
                (Some(_), Some(retry)) => {
                    tokio::time::sleep(retry.retry_delay.unwrap_or_default()).await;
                }
                // It may have been decided: whoever wants to know asks again, under the same id.
                (Some(info), None) if info.reason == "OUTCOME_UNKNOWN" => {}
                // Not before the node is started again; it ends, or the test fails because it does not.
                (Some(info), None) if info.reason == "PARTITION_BROKEN" => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                (Some(info), None) => {
                    let message = status.message();
                    assert!(
                        is_decision(status.code()),
                        "neither decided nor to be asked again: {}: {message}",
                        info.reason
                    );
                    return Some((Told::Rejected(info.reason.clone()), Bytes::new()));
                }
                // The same command, under the same id: it may have been decided.
                (None, _) if self.turn_to_the_next().await => {}
                (None, _) => return None,
            }
        }
    }
}

/// Whether a refusal says something of the request, and not of the node or of what it needs.
fn is_decision(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown};
    !matches!(code, DataLoss | DeadlineExceeded | Internal | ResourceExhausted | Unavailable | Unknown)
}

/// Every record of a log, however much of it is trimmed later.
pub struct Records {
    name: String,
    partitions: Vec<[Vec<(Offset, Bytes)>; 2]>,
}

impl Records {
    /// What a whole log holds.
    pub async fn of(log: &dyn Log) -> Self {
        let partitions = (0..log.partitions()).map(|_| Default::default()).collect();
        let mut records = Self { name: log.name().to_owned(), partitions };
        records.read_on(log).await;
        records
    }

    /// Takes in what was appended since.
    pub async fn read_on(&mut self, log: &dyn Log) {
        for (partition, of_topics) in (0..).map(PartitionId).zip(&mut self.partitions) {
            for (topic, records) in [Topic::Commands, Topic::Decisions].into_iter().zip(of_topics) {
                let end = log.bounds(topic, partition).await.unwrap().next;
                let mut reader = log.reader(topic, partition, Offset(records.len() as u64)).unwrap();
                while (records.len() as u64) < end.0 {
                    records.extend(reader.next().await.unwrap().into_iter().map(|one| (one.offset, one.bytes)));
                }
            }
        }
    }
}

/// Holds what a log has against what callers were told.
pub fn compare_with_log(log: &Records, asked: &Asked) -> Counted {
    let mut dropped = 0;
    let mut decided: HashMap<String, Told> = HashMap::new();
    let count = u32::try_from(log.partitions.len()).unwrap();
    for (partition, [commands, records]) in (0..).map(PartitionId).zip(&log.partitions) {
        let mut head = Head::genesis(&log.name, count, partition);
        for (offset, bytes) in records {
            let Ok(record) = head.offer(*offset, bytes.clone()) else {
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

/// Tokens of two people; what one asks for, the other may have to approve.
#[derive(Clone)]
pub struct Tokens {
    first: String,
    second: String,
}

impl Tokens {
    /// Tokens of a development node, good for a load on these tenants.
    pub fn of(data: &Path, tenants: &[&str]) -> Self {
        let key = DevelopmentKey::open(data).unwrap();
        let tenants: Vec<_> = tenants.iter().map(ToString::to_string).collect();
        let roles = ["legal".to_owned(), "records-manager".to_owned()];
        let token = |subject| {
            let valid_for = Duration::from_secs(3_600);
            let request = TokenRequest { subject, tenants: &tenants, roles: &roles, service: false, valid_for };
            format!("Bearer {}", key.mint(&request).unwrap())
        };
        Self { first: token("load"), second: token("second") }
    }
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
