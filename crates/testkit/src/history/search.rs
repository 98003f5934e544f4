//! The search for an order of calls that explains their answers.

use std::collections::HashSet;

use super::{Call, Model};

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The calls in an order that explains every answer. Calls without an answer that are left out never took effect.
    Linearizable(Vec<usize>),
    /// There is no such order. The text shows how far the search came at best.
    Wrong(String),
    /// So many steps were tried without finding one or knowing that there is none.
    Undecided(u64),
}

impl Verdict {
    /// # Panics
    /// When the history is wrong, or it is not known whether it is.
    #[track_caller]
    pub fn assert_linearizable(&self, what: &str) {
        match self {
            Self::Linearizable(_) => {}
            Self::Wrong(why) => panic!("{what}: no order of the calls explains the answers\n{why}"),
            Self::Undecided(steps) => panic!("{what}: undecided after {steps} steps; ask for less at once"),
        }
    }
}

/// Beginning or end of a call's window, in a doubly linked list in the order of time. Calls that are in the order are
/// taken out of the list, and put back when the search turns back.
struct Entry {
    call: usize,
    is_end: bool,
    before: usize,
    after: usize,
}

const HEAD: usize = 0;
const STEPS_MAX: u64 = 20_000_000;

/// Looks for an order of the calls in which each takes effect within its window and the model gives its answer.
pub fn check<M: Model>(model: &M, calls: &[Call<M::Op, M::Answer>]) -> Verdict {
    let (mut list, begins, ends) = windows(calls);
    let answered = calls.iter().filter(|call| call.answer.is_some()).count();
    let mut order: Vec<usize> = Vec::new();
    // The state before each call of the order, and now.
    let mut states = vec![model.begin()];
    let mut taken = Bits::of(calls.len());
    let mut tried: HashSet<(Bits, M::State)> = HashSet::new();
    let (mut answered_in_order, mut best) = (0, Vec::new());
    let mut at = list[HEAD].after;
    for _ in 0..STEPS_MAX {
        if answered_in_order == answered {
            return Verdict::Linearizable(order);
        }
        // The end of the list is never passed: the end of a call that is not in the order stands before it.
        let Entry { call, is_end, after, .. } = list[at];
        if !is_end {
            let state = &states[states.len() - 1];
            let after_this = next_state(model, state, calls, call, &taken).filter(|state| {
                let mut with = taken.clone();
                with.set(call, true);
                tried.insert((with, state.clone()))
            });
            let Some(state) = after_this else {
                at = after;
                continue;
            };
            taken.set(call, true);
            order.push(call);
            states.push(state);
            answered_in_order += usize::from(calls[call].answer.is_some());
            if order.len() > best.len() {
                best.clone_from(&order);
            }
            take_out(&mut list, begins[call]);
            take_out(&mut list, ends[call]);
            at = list[HEAD].after;
            continue;
        }
        // This call must have taken effect by now, and could not: one of those before it is wrong where it is.
        let Some(last) = order.pop() else { return Verdict::Wrong(explain(model, calls, &best)) };
        states.pop();
        taken.set(last, false);
        answered_in_order -= usize::from(calls[last].answer.is_some());
        put_back(&mut list, ends[last]);
        put_back(&mut list, begins[last]);
        at = list[begins[last]].after;
    }
    Verdict::Undecided(STEPS_MAX)
}

/// The state after a call, if it can take effect now with the answer that it got.
fn next_state<M: Model>(
    model: &M,
    state: &M::State,
    calls: &[Call<M::Op, M::Answer>],
    call: usize,
    taken: &Bits,
) -> Option<M::State> {
    let Call { op, answer, not_before, .. } = &calls[call];
    if not_before.is_some_and(|earlier| !taken.get(earlier)) {
        return None;
    }
    after(model, state, op, answer.as_ref())
}

/// The state after a call with this answer, if it can have it here.
fn after<M: Model>(model: &M, state: &M::State, op: &M::Op, answer: Option<&M::Answer>) -> Option<M::State> {
    let (next, gives) = model.step(state, op);
    match answer {
        Some(answer) if *answer != gives => model.also(state, op, answer),
        _ => Some(next),
    }
}

/// The list of all windows, and where each call's begins and ends in it. The windows of calls without an answer have no
/// end: it stands behind all others.
fn windows<O, A>(calls: &[Call<O, A>]) -> (Vec<Entry>, Vec<usize>, Vec<usize>) {
    let ends = |call: &Call<O, A>| if call.answer.is_some() { call.until_ns } else { u64::MAX };
    let mut times: Vec<_> = calls
        .iter()
        .enumerate()
        // At the same time, what begins is there before what ends: they may be concurrent.
        .flat_map(|(at, call)| [(call.from_ns, false, at), (ends(call).max(call.from_ns), true, at)])
        .collect();
    times.sort_unstable();
    let mut list = vec![Entry { call: 0, is_end: false, before: HEAD, after: HEAD }];
    let (mut begin_of, mut end_of) = (vec![HEAD; calls.len()], vec![HEAD; calls.len()]);
    for (at, (_, is_end, call)) in (1..).zip(times) {
        list.push(Entry { call, is_end, before: at - 1, after: HEAD });
        list[at - 1].after = at;
        *(if is_end { &mut end_of[call] } else { &mut begin_of[call] }) = at;
    }
    (list, begin_of, end_of)
}

fn take_out(list: &mut [Entry], at: usize) {
    let Entry { before, after, .. } = list[at];
    list[before].after = after;
    if after != HEAD {
        list[after].before = before;
    }
}

/// Puts an entry back where it was. Entries are put back in the opposite order in which they were taken out.
fn put_back(list: &mut [Entry], at: usize) {
    let Entry { before, after, .. } = list[at];
    list[before].after = at;
    if after != HEAD {
        list[after].before = at;
    }
}

/// The end of the longest order that was found, and the calls that do not fit behind it.
fn explain<M: Model>(model: &M, calls: &[Call<M::Op, M::Answer>], best: &[usize]) -> String {
    const SHOWN: usize = 12;
    let mut state = model.begin();
    for call in best {
        let Call { op, answer, .. } = &calls[*call];
        state = after(model, &state, op, answer.as_ref()).unwrap_or(state);
    }
    let show = |call: &Call<M::Op, M::Answer>| {
        let until = if call.answer.is_some() { call.until_ns.to_string() } else { "...".to_owned() };
        format!("  {}..{until} ns {:?}: {:?}", call.from_ns, call.op, call.answer)
    };
    let mut lines = vec![format!("{} of {} calls can be put in order, at last:", best.len(), calls.len())];
    lines.extend(best.iter().skip(best.len().saturating_sub(SHOWN)).map(|call| show(&calls[*call])));
    lines.push("then none of these fits:".to_owned());
    let mut left: Vec<_> = (0..calls.len()).filter(|call| !best.contains(call)).collect();
    left.sort_by_key(|call| calls[*call].from_ns);
    lines.extend(left.iter().take(SHOWN).map(|call| {
        let would_be = model.step(&state, &calls[*call].op).1;
        format!("{} (here the answer would be {would_be:?})", show(&calls[*call]))
    }));
    lines.join("\n")
}

/// A set of calls.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Bits(Vec<u64>);

impl Bits {
    fn of(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn get(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    fn set(&mut self, at: usize, value: bool) {
        if value {
            self.0[at / 64] |= 1 << (at % 64);
        } else {
            self.0[at / 64] &= !(1 << (at % 64));
        }
    }
}
