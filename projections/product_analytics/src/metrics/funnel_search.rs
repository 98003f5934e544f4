//! Which of an actor's attempts gets furthest, in one pass over its events.
//!
//! Walking through every attempt would be quadratic for an actor that enters again and again. But attempts hardly
//! differ: what one can do next depends only on the step after its last taken one (with [`Order::Increasing`] also on
//! whether it took that in this very instant), and of two attempts the one that began earlier is never behind. Hence
//! the attempts, in the order of their entries, are a queue of groups, the furthest at its front. A step moves the
//! front part of a group to the end of a group before it, windows end at the front of the queue, and what
//! [`Order::Strict`] ends is at its back. The first attempt to reach a step is also the earliest of all that ever reach
//! it.
//!
//! With [`Order::Any`], too, the attempt that began earlier has every step that a later one has: what the later takes
//! of an event, the earlier has or takes. But attempts with different steps do not form groups; [`any_order`] walks.

use super::Event;
use super::funnel::{Order, Plan, STEPS_MAX};

/// The attempts that are under way. Kept from actor to actor so that its memory is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Search {
    /// When its window ends, and the place of its entry among the events, by attempt in the order of entries.
    attempts: Vec<(i64, usize)>,
    /// Attempts before this one are over.
    head: usize,
    groups: [Group; STEPS_MAX + 2],
    /// Bit `i` is not set when group `i` is empty.
    occupied: u32,
}

/// The attempts whose last taken step is the one before a step. They lie between the end of the next group and this
/// end.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    end: usize,
    /// Those from `fresh_from` on came here at `fresh_at_ms`.
    fresh_at_ms: Option<i64>,
    fresh_from: usize,
}

impl Search {
    /// The place of the entry whose attempt counts. `first` is that of the first entry.
    pub(crate) fn best(&mut self, plan: &Plan, events: &[Event], first: usize) -> usize {
        if plan.asked.order != Order::Any {
            return self.in_order(plan, events, first);
        }
        if events.iter().all(|event| plan.meant(event).count_ones() < 2) {
            return any_order_one_step_each(plan, events, first);
        }
        any_order(plan, events, first)
    }

    fn in_order(&mut self, plan: &Plan, events: &[Event], first: usize) -> usize {
        self.clear(plan);
        let (mut best, mut furthest) = (first, 0);
        for (at, event) in events.iter().enumerate().skip(first) {
            let meant = plan.meant(event);
            let is_exclusion = plan.is_exclusion(event);
            if meant == 0 && !is_exclusion {
                continue;
            }
            while self.attempts.get(self.head).is_some_and(|(deadline_ms, _)| *deadline_ms < event.time_ms) {
                self.head += 1;
            }
            if is_exclusion {
                self.clear(plan);
            } else {
                if plan.asked.order == Order::Strict {
                    self.end_out_of_order(plan, meant);
                }
                if let Some((reached, entry)) = self.advance(plan, meant, event.time_ms)
                    && reached > furthest
                {
                    (best, furthest) = (entry, reached);
                    if reached == plan.count() {
                        return best;
                    }
                }
            }
            if meant & 1 != 0 && plan.is_entry(event) {
                self.enter(plan.deadline_ms(event), at, event.time_ms);
            }
        }
        best
    }

    fn clear(&mut self, plan: &Plan) {
        self.attempts.clear();
        self.head = 0;
        // Not those that no attempt comes to: this is done for every actor.
        self.groups.iter_mut().take(plan.count() + 2).for_each(|group| *group = Group::default());
        self.occupied = 0;
    }

    fn enter(&mut self, deadline_ms: i64, at: usize, now_ms: i64) {
        let place = self.attempts.len();
        self.attempts.push((deadline_ms, at));
        self.groups[1].arrive(place, place + 1, now_ms);
        self.occupied |= 1 << 1;
    }

    /// An event of later steps only ends the attempts that are not yet that far: those at the back.
    fn end_out_of_order(&mut self, plan: &Plan, meant: u32) {
        let lowest = meant.trailing_zeros();
        let mut back = self.occupied;
        while back != 0 {
            let group = back.trailing_zeros() as usize;
            let is_later = plan.due[group] != 0 && lowest > plan.due[group].ilog2();
            if !is_later {
                break;
            }
            back &= back - 1;
            let end = self.groups[group + 1].end;
            self.attempts.truncate(end);
            self.groups[1..=group].iter_mut().for_each(|group| group.end = end);
            self.occupied &= !(1 << group);
        }
        self.head = self.head.min(self.attempts.len());
    }

    /// Every attempt that can takes a step. Of those that get furthest, the earliest, with how far.
    fn advance(&mut self, plan: &Plan, meant: u32, now_ms: i64) -> Option<(usize, usize)> {
        let mut furthest: Option<(usize, usize)> = None;
        let mut rest = self.occupied;
        while rest != 0 {
            let group = rest.ilog2() as usize;
            rest &= !(1 << group);
            let taking = meant & plan.due[group];
            if taking == 0 {
                continue;
            }
            let from = self.groups[group + 1].end.max(self.head);
            let all = self.groups[group].end;
            let to = if plan.asked.order == Order::Increasing { self.groups[group].settled_end(now_ms) } else { all };
            if from >= all {
                self.occupied &= !(1 << group);
            }
            let Some((_, entry)) = self.attempts.get(from).filter(|_| from < to) else { continue };
            let next = taking.trailing_zeros() as usize + 1;
            if furthest.is_none_or(|(reached, _)| next > reached) {
                furthest = Some((next, *entry));
            }
            for passed in &mut self.groups[group + 1..next] {
                passed.end = passed.end.max(to);
            }
            self.groups[next].arrive(from, to, now_ms);
            self.occupied |= 1 << next;
            if to == all {
                self.occupied &= !(1 << group);
            }
        }
        furthest
    }
}

impl Group {
    fn arrive(&mut self, from: usize, to: usize, now_ms: i64) {
        if self.fresh_at_ms != Some(now_ms) {
            (self.fresh_at_ms, self.fresh_from) = (Some(now_ms), from);
        }
        self.end = self.end.max(to);
    }

    /// The end of those that did not come at this instant.
    fn settled_end(&self, now_ms: i64) -> usize {
        if self.fresh_at_ms == Some(now_ms) { self.end.min(self.fresh_from) } else { self.end }
    }
}

/// The entry with the most steps within its window, where no event means two. Both ends of the window move forward
/// only.
fn any_order_one_step_each(plan: &Plan, events: &[Event], first: usize) -> usize {
    let (mut best, mut most) = (first, 0);
    let (mut counts, mut distinct, mut end) = ([0_u32; STEPS_MAX], 0_usize, first);
    for (at, entry) in events.iter().enumerate().skip(first) {
        if plan.is_entry(entry) {
            let deadline_ms = plan.deadline_ms(entry);
            while let Some(event) = events.get(end) {
                // Nothing before an entry can exclude it, itself included.
                if end > at && (event.time_ms > deadline_ms || plan.is_exclusion(event)) {
                    break;
                }
                if let Some(count) = counts.get_mut(plan.meant(event).trailing_zeros() as usize) {
                    distinct += usize::from(*count == 0);
                    *count += 1;
                }
                end += 1;
            }
            if distinct > most {
                (best, most) = (at, distinct);
            }
        }
        if end > at {
            if let Some(count) = counts.get_mut(plan.meant(entry).trailing_zeros() as usize) {
                *count = count.saturating_sub(1);
                distinct -= usize::from(*count == 0);
            }
        } else {
            end = at + 1;
        }
    }
    best
}

/// The same where events mean several steps: what one takes depends on what was taken before.
fn any_order(plan: &Plan, events: &[Event], first: usize) -> usize {
    let (mut best, mut most) = (first, 0);
    for (at, entry) in events.iter().enumerate().skip(first).filter(|(_, event)| plan.is_entry(event)) {
        let deadline_ms = plan.deadline_ms(entry);
        let mut missing = plan.all;
        for (place, event) in events.iter().enumerate().skip(at) {
            if missing == 0 || event.time_ms > deadline_ms || place > at && plan.is_exclusion(event) {
                break;
            }
            let taking = plan.meant(event) & missing;
            missing &= !(taking & taking.wrapping_neg());
        }
        let taken = plan.all.count_ones() - missing.count_ones();
        if taken > most {
            (best, most) = (at, taken);
            if missing == 0 {
                break;
            }
        }
    }
    best
}
