//! Every attempt of every actor, walked through.

use std::collections::BTreeMap;

use super::{Recorded, actors, events_of};

/// In which order the steps are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Anything in between.
    AnythingBetween,
    /// A step that is not yet due ends the attempt.
    Strict,
    /// Each in a later instant than the one before.
    Increasing,
    /// Any.
    Any,
}

/// Whose value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribution {
    /// That of the entry.
    First,
    /// That of the step that was taken last.
    Last,
    /// That of one step, or none.
    Step(usize),
}

/// A funnel.
#[derive(Debug, Clone)]
pub struct Funnel {
    /// The mark of each step, and whether it may be left out.
    pub steps: Vec<(u8, bool)>,
    /// Their order.
    pub order: Order,
    /// How long an attempt takes at most.
    pub window_ms: i64,
    /// The marks that end an attempt.
    pub exclusions: Vec<u8>,
    /// Whose value counts.
    pub attribution: Attribution,
    /// Entries from then on.
    pub start_ms: i64,
    /// Entries before then.
    pub end_ms: i64,
    /// Until when the log is known.
    pub now_ms: i64,
}

/// Of one value and step: how many took it, how many still can, and how long it took each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// How many took it.
    pub reached: u64,
    /// How many took it and the step before it that may not be left out.
    pub with_previous: u64,
    /// How many still can.
    pub open: u64,
    /// How long it took, ascending.
    pub times_ms: Vec<u64>,
}

/// By value, then by step.
pub fn funnel(asked: &Funnel, log: &[Recorded]) -> BTreeMap<u32, Vec<Step>> {
    let mut values: BTreeMap<u32, Vec<Step>> = BTreeMap::new();
    for actor in actors(log) {
        let events = events_of(log, actor);
        let attempts = (0..events.len()).filter_map(|at| attempt(asked, &events[at..]));
        // The first of those that get furthest.
        let Some(best) =
            attempts.reduce(|best, next| if next.how_far(asked) > best.how_far(asked) { next } else { best })
        else {
            continue;
        };
        let steps = values.entry(best.value(asked)).or_insert_with(|| vec![Step::default(); asked.steps.len()]);
        for (number, step) in steps.iter_mut().enumerate() {
            if let Some(event) = best.taken.get(&number) {
                step.reached += 1;
                let is_required = |step: &usize| asked.order == Order::Any || !asked.steps[*step].1;
                let previous = (0..number).rev().find(is_required);
                step.with_previous += u64::from(previous.is_none_or(|previous| best.taken.contains_key(&previous)));
                step.times_ms.push(event.time_ms.abs_diff(best.entry.time_ms));
                step.times_ms.sort();
            } else if best.can_still(asked, number) {
                step.open += 1;
            }
        }
    }
    values
}

struct Attempt {
    entry: Recorded,
    taken: BTreeMap<usize, Recorded>,
    last: Recorded,
    was_ended: bool,
}

/// The attempt that begins with the first of some events, if one does.
fn attempt(asked: &Funnel, events: &[Recorded]) -> Option<Attempt> {
    let entry = events[0];
    if entry.time_ms < asked.start_ms || entry.time_ms >= asked.end_ms {
        return None;
    }
    let first = match asked.order {
        Order::Any => (0..asked.steps.len()).find(|step| entry.has(asked.steps[*step].0))?,
        _ => Some(0).filter(|_| entry.has(asked.steps[0].0))?,
    };
    let mut attempt = Attempt { entry, taken: BTreeMap::from([(first, entry)]), last: entry, was_ended: false };
    for event in &events[1..] {
        if event.time_ms - entry.time_ms > asked.window_ms || attempt.is_done(asked) {
            break;
        }
        if asked.exclusions.iter().any(|mark| event.has(*mark)) {
            attempt.was_ended = true;
            break;
        }
        let meant: Vec<usize> = (0..asked.steps.len()).filter(|step| event.has(asked.steps[*step].0)).collect();
        match meant.iter().find(|step| attempt.is_due(asked, **step)) {
            Some(_) if asked.order == Order::Increasing && event.time_ms == attempt.last.time_ms => {}
            Some(step) => {
                attempt.taken.insert(*step, *event);
                attempt.last = *event;
            }
            None => {
                let is_of_later_steps = !meant.is_empty() && meant.iter().all(|step| *step > attempt.last_step());
                if asked.order == Order::Strict && is_of_later_steps {
                    attempt.was_ended = true;
                    break;
                }
            }
        }
    }
    Some(attempt)
}

impl Attempt {
    fn last_step(&self) -> usize {
        self.taken.keys().copied().max().unwrap_or(0)
    }

    fn is_due(&self, asked: &Funnel, step: usize) -> bool {
        let last = self.last_step();
        match asked.order {
            Order::Any => !self.taken.contains_key(&step),
            _ => step > last && (last + 1..step).all(|between| asked.steps[between].1),
        }
    }

    fn is_done(&self, asked: &Funnel) -> bool {
        !(0..asked.steps.len()).any(|step| self.is_due(asked, step))
    }

    fn can_still(&self, asked: &Funnel, step: usize) -> bool {
        let is_ahead = asked.order == Order::Any || step > self.last_step();
        is_ahead && !self.was_ended && asked.now_ms - self.entry.time_ms <= asked.window_ms
    }

    fn how_far(&self, asked: &Funnel) -> usize {
        if asked.order == Order::Any { self.taken.len() } else { self.last_step() + 1 }
    }

    fn value(&self, asked: &Funnel) -> u32 {
        match asked.attribution {
            Attribution::First => self.entry.value,
            Attribution::Last => self.last.value,
            Attribution::Step(step) => self.taken.get(&step).map_or(0, |event| event.value),
        }
    }
}
