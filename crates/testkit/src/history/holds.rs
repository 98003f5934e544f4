//! Legal holds on one person, and the items that the person has: what the domain promises, small enough to be searched.
//!
//! An item can be registered and disposed of; a hold on the person can be placed and released, once each, and the release
//! takes one person who asks for it and another who approves; nothing is disposed of while a hold is in force. A disposal
//! that a hold put off happens by itself some time after the last hold was released.

use std::collections::{BTreeMap, BTreeSet};

use super::Model;

/// How many holds a disposal names at most.
const NAMED_MAX: usize = 20;

/// The model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Holds;

/// What is asked. Items and holds have numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Registers an item of the person.
    Register(u64),
    /// Disposes of an item.
    Dispose(u64),
    /// Places a hold on the person.
    Place(u64),
    /// Asks for the release of a hold.
    Release(u64),
    /// Approves the release that was asked for.
    Approve(u64),
    /// Asks how a hold stands.
    Look(u64),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Accepted; or, of a disposal, disposed of.
    Done,
    /// Rejected, with this code.
    Rejected(String),
    /// Not disposed of: these holds are in force, or the first of them.
    Held(Vec<u64>),
    /// It was disposed of before.
    DoneBefore,
    /// How the hold stands; `None` if there is none.
    Hold(Option<Stands>),
}

/// How a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stands {
    /// In force.
    Active,
    /// In force; its release was asked for.
    Releasing,
    /// Released.
    Released,
}

/// Items with whether they are disposed of, and holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct State {
    disposed: BTreeMap<u64, bool>,
    holds: BTreeMap<u64, Stands>,
    /// Items whose disposal a hold put off.
    put_off: BTreeSet<u64>,
    /// Those of them for which no hold was in force some time since: they can have been disposed of meanwhile.
    may_be_gone: BTreeSet<u64>,
}

impl Model for Holds {
    type State = State;
    type Op = Op;
    type Answer = Answer;

    fn begin(&self) -> State {
        State::default()
    }

    fn step(&self, state: &State, op: &Op) -> (State, Answer) {
        let rejected = |code: &str| Answer::Rejected(code.to_owned());
        let mut next = state.clone();
        let answer = match op {
            Op::Register(item) => {
                next.disposed.entry(*item).or_insert(false);
                Answer::Done
            }
            Op::Dispose(item) => match next.disposed.get_mut(item) {
                None => rejected("ITEM_NOT_FOUND"),
                Some(true) => Answer::DoneBefore,
                Some(disposed) => {
                    let in_force = |(hold, stands): (&u64, &Stands)| (*stands != Stands::Released).then_some(*hold);
                    let holds: Vec<_> = state.holds.iter().filter_map(in_force).take(NAMED_MAX).collect();
                    *disposed = holds.is_empty();
                    if holds.is_empty() {
                        Answer::Done
                    } else {
                        next.put_off.insert(*item);
                        Answer::Held(holds)
                    }
                }
            },
            Op::Place(hold) => match next.holds.insert(*hold, Stands::Active) {
                None => Answer::Done,
                Some(before) => {
                    next.holds.insert(*hold, before);
                    rejected("HOLD_ALREADY_EXISTS")
                }
            },
            Op::Release(hold) => match next.holds.get_mut(hold) {
                None => rejected("HOLD_NOT_FOUND"),
                Some(Stands::Released) => rejected("HOLD_ALREADY_RELEASED"),
                Some(Stands::Releasing) => rejected("HOLD_CHANGE_PENDING"),
                Some(stands) => {
                    *stands = Stands::Releasing;
                    Answer::Done
                }
            },
            Op::Approve(hold) => match next.holds.get_mut(hold) {
                None => rejected("HOLD_NOT_FOUND"),
                Some(Stands::Released) => rejected("HOLD_ALREADY_RELEASED"),
                Some(Stands::Active) => rejected("HOLD_CHANGE_NOT_PENDING"),
                Some(stands) => {
                    *stands = Stands::Released;
                    if next.holds.values().all(|stands| *stands == Stands::Released) {
                        next.may_be_gone.append(&mut next.put_off);
                    }
                    Answer::Done
                }
            },
            Op::Look(hold) => Answer::Hold(state.holds.get(hold).copied()),
        };
        (next, answer)
    }

    fn also(&self, state: &State, op: &Op, answer: &Answer) -> Option<State> {
        match (op, answer) {
            (Op::Dispose(item), Answer::DoneBefore) if state.may_be_gone.contains(item) => {
                let mut next = state.clone();
                next.disposed.insert(*item, true);
                Some(next)
            }
            _ => None,
        }
    }
}
