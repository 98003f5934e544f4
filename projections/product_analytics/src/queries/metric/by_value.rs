//! A pass whose sessions count under a value of the breakdown: that of their first event.

use std::collections::{BTreeMap, BTreeSet};

use daybook_kernel::rejection::Refusal;

use super::pass::Pass;
use super::ranked::Ranked;
use crate::metrics::Event;

/// What was counted, by value.
pub(super) struct ByValue<A> {
    /// The values that are told apart.
    pub(super) ranked: Ranked,
    /// What was counted at each place.
    pub(super) counted: Vec<A>,
    pub(super) events_read: u64,
}

/// Counts at each place. `begins` lists the first events of those sessions of an actor that count; `add` adds an actor
/// with the sessions whose first event passes.
///
/// Where something is told apart the events are read twice, first to see which values have most actors: so that memory
/// does not grow with how many values there are, and an actor with several of the others counts once.
pub(super) fn by_value<A>(
    pass: &mut Pass<'_>,
    begins: impl Fn(&[Event]) -> Vec<Event>,
    mut new: impl FnMut() -> A,
    mut add: impl FnMut(&mut A, &[Event], &dyn Fn(&Event) -> bool),
) -> Result<ByValue<A>, Refusal> {
    if !pass.split.is_asked() {
        let mut counted = new();
        let events_read = pass.run(|actor, events| {
            if actor != 0 {
                add(&mut counted, events, &|_| true);
            }
        })?;
        return Ok(ByValue { ranked: Ranked::new([], 1), counted: vec![counted], events_read });
    }
    let mut actors: BTreeMap<u32, u64> = BTreeMap::new();
    let first_read = pass.run(|actor, events| {
        if actor != 0 {
            for value in begins(events).iter().map(|first| first.value).collect::<BTreeSet<_>>() {
                *actors.entry(value).or_default() += 1;
            }
        }
    })?;
    let ranked = Ranked::new(actors, pass.split.limit);
    let mut counted: Vec<A> = (0..ranked.len()).map(|_| new()).collect();
    let second_read = pass.run(|actor, events| {
        if actor == 0 {
            return;
        }
        let places = begins(events).into_iter().filter_map(|first| ranked.place(first.value));
        for place in places.collect::<BTreeSet<_>>() {
            if let Some(counted) = counted.get_mut(place) {
                add(counted, events, &|first| ranked.place(first.value) == Some(place));
            }
        }
    })?;
    Ok(ByValue { ranked, counted, events_read: first_read.saturating_add(second_read) })
}
