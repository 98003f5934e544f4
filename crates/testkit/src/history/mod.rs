//! Histories of what callers asked and were told, and whether they can be right: a checker in the manner of Jepsen.
//!
//! ```text
//!   caller 1   |--- place h: accepted ---|        |-- h? active --|
//!   caller 2        |--- release h: not found ---|
//!   caller 3           |--- dispose i: no answer ...
//! ```
//!
//! Concurrent callers note each call with the time at which it was made and, if it was answered, the time and the answer
//! ([`Recorder`]). A history is linearizable (Herlihy and Wing, 1990) if the calls can be put into one order in which each
//! of them takes effect at some moment between being made and being answered, and gets the answer that a [`Model`] gives
//! in that order. [`check`] looks for such an order: the search of Wing and Gong (1993) with the memory of Lowe (2017),
//! which tries no set of calls twice in the same state.
//!
//! A call without an answer may have taken effect at any later time, or never. A call that may have been answered from a
//! state of the past, which is what Daybook's queries promise (they name the position that they must have seen), has a
//! window that begins earlier, and a call that it must come after: see [`Call::not_before`].
//!
//! Histories of different things (each stream key, each person in [`holds`]) are checked one by one: together they are
//! right if each is.

pub mod holds;
mod recorder;
mod search;
#[cfg(test)]
mod tests;

use std::hash::Hash;

pub use recorder::{Recorded, Recorder, Session};
pub use search::{Verdict, check};

/// What calls do to one thing and are told about it.
pub trait Model {
    /// The state of the thing.
    type State: Clone + Eq + Hash;
    /// What is asked.
    type Op: Clone + std::fmt::Debug;
    /// What is answered.
    type Answer: Clone + Eq + std::fmt::Debug;

    /// The state at the beginning.
    fn begin(&self) -> Self::State;

    /// What happens when a call takes effect: the state afterwards, and the answer.
    fn step(&self, state: &Self::State, op: &Self::Op) -> (Self::State, Self::Answer);

    /// The state afterwards, if another answer than that of [`Model::step`] is right as well: where something happens by
    /// itself, at a time of its own.
    fn also(&self, _: &Self::State, _: &Self::Op, _: &Self::Answer) -> Option<Self::State> {
        None
    }
}

/// A call, as its caller saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<O, A> {
    /// What was asked.
    pub op: O,
    /// What was answered; `None` if nothing was.
    pub answer: Option<A>,
    /// It took effect at this time or later, in nanoseconds of any clock that all callers share.
    pub from_ns: u64,
    /// It took effect before this time, if it was answered.
    pub until_ns: u64,
    /// The place in the history of a call that took effect before this one, whatever the clock says: the one that the
    /// caller named when it asked.
    pub not_before: Option<usize>,
}
