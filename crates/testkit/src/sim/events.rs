//! Simulated time, and what all parts of a world share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::feature_level::FeatureLevel;
use daybook_runtime::{Outcome, SubmitError};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::broker::{Broker, LaneId};
use super::network::Message;
use super::oracle::{OLDER, Oracle};

/// What happens at a time.
pub(super) enum Event {
    /// Somebody who slept wakes up.
    Wake(oneshot::Sender<()>),
    /// The next append of a node's connection reaches the broker.
    Pump(usize, LaneId),
    /// An append that nobody waits for any more arrives.
    Late(usize, LaneId, bytes::Bytes),
    /// The embedded log syncs.
    Sync,
    /// A node sees a lane up to an offset.
    Visible(usize, LaneId, u64),
    /// A question to the broker is answered.
    Call(Box<dyn FnOnce(&mut Sim) + Send>),
    /// Something between nodes arrives.
    Message(Message),
    /// An answer arrives at the node that asked.
    Reply(u64, Box<Result<Outcome, SubmitError>>),
}

/// What is true of a node beside what runs in it.
#[derive(Debug, Clone)]
pub(super) struct NodeFacts {
    /// Whether it reaches anything.
    pub(super) linked: bool,
    /// How far its clock is off, in microseconds.
    pub(super) clock_off_us: i64,
    /// How often it was started.
    pub(super) starts: u32,
    /// Whether its disk takes anything.
    pub(super) disk_full: bool,
    /// What its release understands.
    pub(super) understands: FeatureLevel,
}

/// A call from one node to another that is not answered. It is kept here and not by the task that answers it: in which
/// order the tasks of a node that ends are dropped is not a function of the seed.
pub(super) struct Call {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) reply: oneshot::Sender<Result<Outcome, SubmitError>>,
}

/// What all parts of a world share.
pub(super) struct Sim {
    pub(super) now_us: i64,
    next_event: u64,
    events: BTreeMap<(i64, u64), Event>,
    pub(super) rng: fastrand::Rng,
    pub(super) nodes: Vec<NodeFacts>,
    pub(super) broker: Broker,
    pub(super) oracle: Oracle,
    /// Calls between nodes that are not answered.
    asked: BTreeMap<u64, Call>,
    /// The longest way now.
    pub(super) delay_max_us: i64,
    /// The latest things that happened, for whoever looks at a failure.
    pub(super) story: VecDeque<String>,
    /// A hash of all that happened, to tell whether two runs are the same.
    pub(super) trace: u64,
}

/// A handle on it. The simulator has one thread: nobody ever waits for the lock.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Sim>>);

impl Shared {
    pub(super) fn new(sim: Sim) -> Self {
        Self(Arc::new(Mutex::new(sim)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Sim> {
        self.0.lock()
    }
}

impl Sim {
    pub(super) fn new(
        rng: fastrand::Rng,
        nodes: usize,
        broker: Broker,
        oracle: Oracle,
        now_us: i64,
        delay_max: Duration,
    ) -> Self {
        let facts = NodeFacts { linked: true, clock_off_us: 0, starts: 0, disk_full: false, understands: OLDER };
        Self {
            now_us,
            next_event: 0,
            events: BTreeMap::new(),
            rng,
            nodes: vec![facts; nodes],
            broker,
            oracle,
            asked: BTreeMap::new(),
            delay_max_us: i64::try_from(delay_max.as_micros()).unwrap_or(i64::MAX),
            story: VecDeque::new(),
            trace: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Something that happens after a while.
    pub(super) fn after(&mut self, wait_us: i64, event: Event) {
        self.at(self.now_us + wait_us.max(0), event);
    }

    /// Something that happens at a time; of two at the same time, the one that was planned first comes first.
    pub(super) fn at(&mut self, at_us: i64, event: Event) {
        self.next_event += 1;
        self.events.insert((at_us.max(self.now_us), self.next_event), event);
    }

    /// How long the next message takes.
    pub(super) fn delay(&mut self) -> i64 {
        self.rng.i64(1..=self.delay_max_us.max(1))
    }

    /// Keeps a call until it is answered.
    pub(super) fn keep(&mut self, call: Call) -> u64 {
        self.next_event += 1;
        self.asked.insert(self.next_event, call);
        self.next_event
    }

    /// A node is gone, and with it the connections on which others wait for its answers.
    pub(super) fn hang_up(&mut self, node: usize) {
        let broken: Vec<_> = self.asked.iter().filter(|(_, call)| call.to == node).map(|(asked, _)| *asked).collect();
        for asked in broken {
            self.asked.remove(&asked);
        }
    }

    /// Moves on to the next thing that happens, but not beyond `until_us`. A message between nodes is for the world to
    /// deliver; everything else happens here.
    pub(super) fn next(&mut self, until_us: i64) -> Option<Message> {
        match self.events.first_entry().filter(|first| first.key().0 <= until_us) {
            Some(first) => {
                let (at, event) = (first.key().0, first.remove());
                self.now_us = self.now_us.max(at);
                self.happen(event)
            }
            None => {
                self.now_us = self.now_us.max(until_us);
                None
            }
        }
    }

    fn happen(&mut self, event: Event) -> Option<Message> {
        match event {
            Event::Wake(sleeper) => {
                // It may have been given up.
                let _ = sleeper.send(());
            }
            Event::Pump(node, lane) => super::broker::pump(self, node, lane),
            Event::Late(node, lane, bytes) => {
                self.tell(|| format!("a late append of n{node} arrives in {lane:?}"));
                super::broker::land(self, node, lane, bytes);
            }
            Event::Sync => super::broker::sync(self),
            Event::Visible(node, lane, upto) => super::broker::visible(self, node, lane, upto),
            Event::Call(call) => call(self),
            Event::Message(message) => return Some(message),
            Event::Reply(asked, outcome) => match self.asked.get(&asked) {
                Some(call) if !self.nodes[call.from].linked => self.after(100_000, Event::Reply(asked, outcome)),
                _ => {
                    if let Some(call) = self.asked.remove(&asked) {
                        let _ = call.reply.send(*outcome);
                    }
                }
            },
        }
        None
    }

    /// Notes what happened.
    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        const KEPT: usize = 400;
        let line = format!("{:>10.3} ms  {}", (self.now_us - super::world::EPOCH_US) as f64 / 1e3, what());
        for byte in line.bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.story.len() == KEPT {
            self.story.pop_front();
        }
        self.story.push_back(line);
    }
}
