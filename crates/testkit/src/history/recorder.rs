//! Noting calls while they are made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::Call;

/// Everything that concurrent callers ask and are told, by the thing that they ask about.
pub struct Recorder<O, A> {
    began: Instant,
    calls: Mutex<BTreeMap<u64, Vec<Call<O, A>>>>,
}

/// A call that was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The thing that it is about.
    pub thing: u64,
    /// Its place in the history of that thing.
    pub at: usize,
    from_ns: u64,
}

impl<O: Clone, A: Clone> Recorder<O, A> {
    /// An empty history.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), calls: Mutex::default() })
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Notes that a call is about to be made.
    pub fn asks(&self, thing: u64, op: O) -> Recorded {
        let from_ns = self.now_ns();
        self.note(thing, Call { op, answer: None, from_ns, until_ns: u64::MAX, not_before: None })
    }

    fn note(&self, thing: u64, call: Call<O, A>) -> Recorded {
        let from_ns = call.from_ns;
        let mut calls = self.calls.lock();
        let of_thing = calls.entry(thing).or_default();
        of_thing.push(call);
        Recorded { thing, at: of_thing.len() - 1, from_ns }
    }

    /// Notes the answer to a call, however often it was sent until it was answered.
    pub fn is_told(&self, call: Recorded, answer: A) {
        let until_ns = self.now_ns();
        let mut calls = self.calls.lock();
        if let Some(call) = calls.get_mut(&call.thing).and_then(|calls| calls.get_mut(call.at)) {
            call.answer = Some(answer);
            call.until_ns = until_ns;
        }
    }

    /// Everything that was noted.
    pub fn histories(&self) -> BTreeMap<u64, Vec<Call<O, A>>> {
        self.calls.lock().clone()
    }
}

/// What one caller has seen, for questions that may be answered from the past but not from before that.
#[derive(Debug, Clone, Default)]
pub struct Session {
    last: Option<Recorded>,
    last_of: BTreeMap<u64, usize>,
}

impl Session {
    /// Notes that this caller has the answer to a call, and asks from now on for states that contain it.
    pub fn has_seen(&mut self, call: Recorded) {
        self.last = Some(call);
        self.last_of.insert(call.thing, call.at);
    }

    /// Notes that this caller is about to ask a question which names the position of the last call that it has seen: it
    /// may be answered from any state since then.
    pub fn looks<O: Clone, A: Clone>(&self, recorder: &Recorder<O, A>, thing: u64, op: O) -> Recorded {
        let from_ns = self.last.map_or(0, |last| last.from_ns);
        let not_before = self.last_of.get(&thing).copied();
        recorder.note(thing, Call { op, answer: None, from_ns, until_ns: u64::MAX, not_before })
    }
}
