//! How many actors take one step after the other.
//!
//! An attempt begins with an entry: an event of the first step, within the period. It goes on with the events after it,
//! by time and then by place in the log, until the window that began with the entry is over. The bound of the window
//! still counts. The rules of an attempt:
//!
//! - An event takes at most one step of an attempt: the earliest outstanding one that it can take.
//! - An outstanding step can be taken when it is the next one, or when all between it and the last taken one are
//!   optional. What was left out cannot be taken later.
//! - A repeat of a step that was taken, or left out, changes nothing.
//! - An exclusion after the entry ends the attempt at its place in the order. An event that is a step and an exclusion
//!   is an exclusion; only as an entry it is a step, since nothing came before it. What was reached stays reached.
//! - Steps in the same instant count in the order of the log.
//!
//! Every entry is an attempt of its own, so that an event can be an entry and a later step of the attempt before. The
//! one that gets furthest counts (the highest step; with [`Order::Any`], the most steps), the earliest of those. An
//! attempt that can still take a step when the log ends, because its window is not over by then, is open rather than
//! lost.
//!
//! ClickHouse's `windowFunnel` has most of these rules as well. What follows was compared with the levels that chDB 4.4.0
//! gives for all sequences of up to five events (`window_funnel.txt`), where each event means one step at most and has an
//! instant of its own:
//!
//! | `windowFunnel` | here |
//! | --- | --- |
//! | without a mode, `strict_increase` | [`Order::AnythingBetween`], [`Order::Increasing`] |
//! | `strict_order` | [`Order::Strict`], with two differences. There, the first event out of order ends the search of the actor; here it ends the attempts under way, and a later entry begins another one (`a c a b c`: 1 there, 3 here). And there, an event that means no step is out of order; here it means nothing (`a b x c`: 2 there, 3 here). A repeat is harmless in both: `a b a c` reaches 3 |
//! | `strict_order`, `allow_reentry` | [`Order::AnythingBetween`], but that an event which means no step ends the search |
//! | `strict_deduplication` | none. There, a repeat of another step than the first ends the search (`a b b c`: 2); here it is harmless in every order |
//! | `strict_once` | always: an event takes one step of an attempt. Without it, one event may take several there |
//!
//! Events of one instant are ordered by step there, here as the log has them; and of several entries only the last is
//! remembered there.

use std::collections::BTreeMap;
use std::fmt;

use super::funnel_search::Search;
use super::{Event, bit, elapsed_ms};

/// A funnel has at most this many steps.
pub const STEPS_MAX: usize = 20;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The mark of the events that take it.
    pub mark: u8,
    /// Actors may leave it out and go on.
    pub optional: bool,
}

/// In which order the steps are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// One after the other, anything in between.
    #[default]
    AnythingBetween,
    /// An event of a later step than those that can be taken ends the attempt.
    Strict,
    /// Each step later than the one before, in an instant of its own.
    Increasing,
    /// In any order. Every event of any step is an entry.
    Any,
}

/// Whose value of the breakdown an actor counts under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Attribution {
    /// That of the entry.
    #[default]
    First,
    /// That of the event that took a step last.
    Last,
    /// That of the event that took this step, from 0; 0 (none) when it was not taken.
    Step(usize),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funnel {
    /// 1 to [`STEPS_MAX`]. The first is not optional.
    pub steps: Vec<Step>,
    /// Their order.
    pub order: Order,
    /// From the entry to the last step at most this long, bound included.
    pub window_ms: i64,
    /// The marks of events that end an attempt.
    pub exclusions: u64,
    /// For a breakdown.
    pub attribution: Attribution,
    /// Entries from then on.
    pub start_ms: i64,
    /// Entries before then.
    pub end_ms: i64,
    /// Until when the log is known. A window that ends then or later is open.
    pub now_ms: i64,
}

/// Why it is no funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunnelError {
    /// No steps, or more than [`STEPS_MAX`].
    Steps,
    /// The first step is optional.
    FirstIsOptional,
    /// A mark that does not exist.
    Mark,
    /// A window of negative length.
    Window,
}

impl fmt::Display for FunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps => write!(f, "a funnel has 1 to {STEPS_MAX} steps"),
            Self::FirstIsOptional => write!(f, "the first step is optional: put one first that everybody takes"),
            Self::Mark => write!(f, "a mark is not below 64"),
            Self::Window => write!(f, "the window is negative"),
        }
    }
}

impl std::error::Error for FunnelError {}

impl Funnel {
    /// The step that [`StepCount::with_previous`] of a step is about: the last one before it that may not be left out;
    /// `None` is the entry. With [`Order::Any`] no step is left out, so it is the one listed before.
    pub fn previous(&self, step: usize) -> Option<usize> {
        let is_required = |step: &Step| self.order == Order::Any || !step.optional;
        self.steps.get(..step)?.iter().rposition(is_required)
    }
}

/// A funnel with what follows from it. Steps are bits from here on: bit `i` is step `i`.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) asked: Funnel,
    /// Every step.
    pub(crate) all: u32,
    /// By the step after the last taken one: those that can be taken then.
    pub(crate) due: [u32; STEPS_MAX + 1],
    /// Where the marks of the steps begin, if they follow one another: then one shift does for an event.
    shift: Option<u8>,
    /// Otherwise: the marks of all steps, and by mark the steps that it means.
    marks: u64,
    steps_of: [u32; 64],
}

impl Plan {
    fn new(asked: Funnel) -> Result<Self, FunnelError> {
        let count = asked.steps.len();
        if count == 0 || count > STEPS_MAX {
            return Err(FunnelError::Steps);
        }
        if asked.steps.iter().any(|step| step.mark > 63) {
            return Err(FunnelError::Mark);
        }
        if asked.window_ms < 0 {
            return Err(FunnelError::Window);
        }
        let first = asked.steps.first().filter(|step| !step.optional).ok_or(FunnelError::FirstIsOptional)?;
        let mut due = [0; STEPS_MAX + 1];
        for (at, step) in asked.steps.iter().enumerate().rev() {
            due[at] = (1 << at) | if step.optional { due[at + 1] } else { 0 };
        }
        let place = |mark: u8, at: usize| usize::from(mark) == usize::from(first.mark) + at;
        let in_a_row = asked.steps.iter().enumerate().all(|(at, step)| place(step.mark, at));
        let shift = in_a_row.then_some(first.mark);
        let (mut marks, mut steps_of) = (0, [0; 64]);
        for (at, step) in asked.steps.iter().enumerate() {
            marks |= bit(step.mark);
            steps_of[usize::from(step.mark)] |= 1 << at;
        }
        Ok(Self { all: (1 << count) - 1, due, shift, marks, steps_of, asked })
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.steps.len()
    }

    /// The steps that an event means.
    #[inline]
    pub(crate) fn meant(&self, event: &Event) -> u32 {
        if let Some(shift) = self.shift {
            return (event.marks >> shift) as u32 & self.all;
        }
        let (mut marks, mut meant) = (event.marks & self.marks, 0);
        while marks != 0 {
            meant |= self.steps_of[marks.trailing_zeros() as usize % 64];
            marks &= marks - 1;
        }
        meant
    }

    #[inline]
    pub(crate) fn is_exclusion(&self, event: &Event) -> bool {
        event.marks & self.asked.exclusions != 0
    }

    #[inline]
    pub(crate) fn is_entry(&self, event: &Event) -> bool {
        let first = if self.asked.order == Order::Any { self.all } else { 1 };
        self.meant(event) & first != 0 && (self.asked.start_ms..self.asked.end_ms).contains(&event.time_ms)
    }

    /// Whether the step before one was taken; the entry always was.
    fn has_previous(&self, taken: u32, step: usize) -> bool {
        self.asked.previous(step).is_none_or(|previous| taken >> previous & 1 != 0)
    }

    pub(crate) fn deadline_ms(&self, entry: &Event) -> i64 {
        entry.time_ms.saturating_add(self.asked.window_ms)
    }

    /// The attempt that begins with an entry.
    fn attempt(&self, entry: &Event, after: &[Event]) -> Attempt {
        match self.asked.order {
            Order::AnythingBetween => self.walk::<false, false>(entry, after),
            Order::Strict => self.walk::<true, false>(entry, after),
            Order::Increasing => self.walk::<false, true>(entry, after),
            Order::Any => self.walk::<false, false>(entry, after),
        }
    }

    /// The loop over all events. Its order is a constant so that no event pays for the rules of another one.
    fn walk<const STRICT: bool, const INCREASING: bool>(&self, entry: &Event, after: &[Event]) -> Attempt {
        let deadline_ms = self.deadline_ms(entry);
        let mut attempt = Attempt::new(self, entry);
        for event in after {
            let meant = self.meant(event);
            let is_out_of_order = STRICT && meant != 0 && meant & (attempt.passed | attempt.can_take) == 0;
            if meant & attempt.can_take == 0 && !is_out_of_order && !self.is_exclusion(event) {
                continue;
            }
            if event.time_ms > deadline_ms {
                attempt.is_cut_off = true;
                break;
            }
            if is_out_of_order || self.is_exclusion(event) {
                (attempt.is_cut_off, attempt.is_ended) = (true, true);
                break;
            }
            if !INCREASING || event.time_ms > attempt.last_ms {
                attempt.take(self, meant, event);
                if attempt.can_take == 0 {
                    break;
                }
            }
        }
        attempt.is_ended |= self.asked.now_ms > deadline_ms;
        attempt
    }

    /// Of all attempts of an actor, the one that counts.
    fn best(&self, search: &mut Search, events: &[Event]) -> Option<Attempt> {
        let first = events.iter().position(|event| self.is_entry(event))?;
        let (entry, after) = events.get(first..)?.split_first()?;
        let attempt = self.attempt(entry, after);
        // No other gets further than one that nothing cut off: see `funnel_search`.
        if attempt.can_take == 0 || !attempt.is_cut_off || !after.iter().any(|event| self.is_entry(event)) {
            return Some(attempt);
        }
        let best = search.best(self, events, first);
        if best == first {
            return Some(attempt);
        }
        let (entry, after) = events.get(best..)?.split_first()?;
        Some(self.attempt(entry, after))
    }
}

/// What became of an attempt.
struct Attempt {
    entered_ms: i64,
    last_ms: i64,
    /// The steps that were taken.
    taken: u32,
    /// The steps up to the last that was taken. Not of [`Order::Any`].
    passed: u32,
    /// The steps that can be taken next.
    can_take: u32,
    /// An event came too late for it, or ended it.
    is_cut_off: bool,
    /// No event can take a step any more.
    is_ended: bool,
    value: u32,
    times_ms: [u64; STEPS_MAX],
}

impl Attempt {
    fn new(plan: &Plan, entry: &Event) -> Self {
        let can_take = if plan.asked.order == Order::Any { plan.all } else { 1 };
        let (entered_ms, last_ms) = (entry.time_ms, entry.time_ms);
        let value = if plan.asked.attribution == Attribution::First { entry.value } else { 0 };
        let times_ms = [0; STEPS_MAX];
        let mut attempt = Self {
            entered_ms,
            last_ms,
            taken: 0,
            passed: 0,
            can_take,
            is_cut_off: false,
            is_ended: false,
            value,
            times_ms,
        };
        attempt.take(plan, plan.meant(entry), entry);
        attempt
    }

    /// The event takes the earliest step that it can.
    #[inline]
    fn take(&mut self, plan: &Plan, meant: u32, event: &Event) {
        let step = (meant & self.can_take).trailing_zeros() as usize;
        let Some(time_ms) = self.times_ms.get_mut(step) else { return };
        *time_ms = elapsed_ms(self.entered_ms, event.time_ms);
        self.last_ms = event.time_ms;
        self.taken |= 1 << step;
        if plan.asked.attribution == Attribution::Last || plan.asked.attribution == Attribution::Step(step) {
            self.value = event.value;
        }
        if plan.asked.order == Order::Any {
            self.can_take &= !(1 << step);
        } else {
            self.passed = (2 << step) - 1;
            self.can_take = plan.due[step + 1];
        }
    }

    /// The steps that it can still take, now or after others.
    fn open(&self, plan: &Plan) -> u32 {
        match plan.asked.order {
            _ if self.is_ended => 0,
            Order::Any => self.can_take,
            _ => plan.all & !self.passed,
        }
    }
}

/// What became of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepCount {
    /// Actors that took it.
    pub reached: u64,
    /// Actors that took it and the step before it ([`Funnel::previous`]), in whichever order. The share of the step before
    /// that took this one as well is this by the other's `reached`: a part of it, so never more than 1. Unless the order
    /// is [`Order::Any`], nobody takes a step without the one before, and this is `reached`.
    pub with_previous: u64,
    /// Actors that did not take it and still can: neither reached nor lost.
    pub open: u64,
    /// Milliseconds from the entry to the step, one for each actor that took it, ascending. See
    /// [`percentile`](super::percentiles::percentile).
    pub times_ms: Vec<u64>,
}

/// A funnel of one value of the breakdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunnelValue {
    /// The value; 0 is none.
    pub value: u32,
    /// Actors with an attempt. Unless the order is [`Order::Any`] they are those that reached the first step.
    pub entered: u64,
    /// By step.
    pub steps: Vec<StepCount>,
}

/// A funnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunnelResult {
    /// By value, ascending. A value under which nobody counts is not there.
    pub values: Vec<FunnelValue>,
}

/// Counts a funnel.
#[derive(Debug, Clone)]
pub struct FunnelCount {
    plan: Plan,
    search: Search,
    values: BTreeMap<u32, FunnelValue>,
}

impl FunnelCount {
    /// Of nobody yet.
    pub fn new(asked: Funnel) -> Result<Self, FunnelError> {
        Ok(Self { plan: Plan::new(asked)?, search: Search::default(), values: BTreeMap::new() })
    }

    /// One actor: its events from the start of the period until a window after its end. Linear in events and steps,
    /// unless the order is [`Order::Any`] and events mean several steps; then an attempt is walked through for each
    /// entry.
    pub fn add(&mut self, events: &[Event]) {
        let Some(attempt) = self.plan.best(&mut self.search, events) else { return };
        let counts = values_of(&mut self.values, attempt.value, self.plan.count());
        counts.entered = counts.entered.saturating_add(1);
        let open = attempt.open(&self.plan);
        for (at, (step, time_ms)) in counts.steps.iter_mut().zip(attempt.times_ms).enumerate() {
            if attempt.taken >> at & 1 != 0 {
                step.reached = step.reached.saturating_add(1);
                step.with_previous =
                    step.with_previous.saturating_add(u64::from(self.plan.has_previous(attempt.taken, at)));
                step.times_ms.push(time_ms);
            }
            step.open = step.open.saturating_add(u64::from(open >> at & 1));
        }
    }

    /// Of the actors of both.
    pub fn merge(&mut self, other: Self) {
        for (value, theirs) in other.values {
            let counts = values_of(&mut self.values, value, self.plan.count());
            counts.entered = counts.entered.saturating_add(theirs.entered);
            for (step, mut theirs) in counts.steps.iter_mut().zip(theirs.steps) {
                step.reached = step.reached.saturating_add(theirs.reached);
                step.with_previous = step.with_previous.saturating_add(theirs.with_previous);
                step.open = step.open.saturating_add(theirs.open);
                step.times_ms.append(&mut theirs.times_ms);
            }
        }
    }

    /// The numbers.
    pub fn finish(self) -> FunnelResult {
        let mut values: Vec<FunnelValue> = self.values.into_values().collect();
        for step in values.iter_mut().flat_map(|value| &mut value.steps) {
            step.times_ms.sort_unstable();
        }
        FunnelResult { values }
    }
}

fn values_of(values: &mut BTreeMap<u32, FunnelValue>, value: u32, steps: usize) -> &mut FunnelValue {
    values.entry(value).or_insert_with(|| FunnelValue { value, entered: 0, steps: vec![StepCount::default(); steps] })
}
