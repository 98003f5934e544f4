//! One pass over the events, actor by actor.
//!
//! Segments are sorted by actor, so their cursors move side by side: the events of a block of actors are taken from each,
//! put in order of actor and time (what is equal keeps the order of the log, since segments are asked in that order), and
//! handed on. Memory: the encoded columns that are read, and two blocks.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::rc::Rc;

use daybook_kernel::key::{All, First};
use daybook_kernel::rejection::{Refusal, Rejection};
use daybook_kernel::state::Fault;
use roaring::RoaringBitmap;

use super::activity::Recent;
use super::selector::{Filter, Selector, all_pass};
use super::split::Split;
use crate::metrics::Event;
use crate::segment::{Cursor, Found, Run};
use crate::{Tables, codes, day_of};

/// Events that one question may read.
const EVENTS_READ_MAX: u64 = 50_000_000;
/// Events that a block should have.
const BLOCK_EVENTS: u64 = 200_000;
/// Fewer events are read by one thread.
const WORTH_THREADS: u64 = 300_000;

/// What a question reads.
pub(super) struct Pass<'a> {
    pub(super) tables: &'a Tables<'a>,
    /// From then on, in milliseconds since 1970.
    pub(super) from_ms: i64,
    /// Before then.
    pub(super) to_ms: i64,
    /// Bit i of an event's marks: selector i means it.
    pub(super) selectors: Vec<Selector>,
    /// Only events that pass all of these.
    pub(super) filters: Vec<Filter>,
    pub(super) split: Split,
    /// What is in no rollup yet.
    pub(super) recent: Rc<Recent>,
    /// Actors that were erased and are still in segments and rollups.
    pub(super) erased: Rc<RoaringBitmap>,
    /// The slot of a property whose value is handed on as the event's number.
    pub(super) number: Option<usize>,
    /// The properties that are read, by slot.
    pub(super) properties: Vec<u32>,
}

impl Pass<'_> {
    /// Whether the name of an event says all that is asked of it.
    pub(super) fn is_of_names(&self) -> bool {
        self.filters.is_empty() && self.selectors.iter().all(Selector::is_of_names) && self.split.of_name(1).is_some()
    }

    /// The slot of a property that is read, too.
    pub(super) fn slot_of(&mut self, property: u32) -> usize {
        match self.properties.iter().position(|known| *known == property) {
            Some(slot) => slot,
            None => {
                self.properties.push(property);
                self.properties.len() - 1
            }
        }
    }

    /// Hands the events of each actor on that some selector means, in order of time. Actor 0 is nobody: those events that
    /// have none. Returns how many events were read.
    pub(super) fn run(&mut self, mut each: impl FnMut(u32, &[Event])) -> Result<u64, Refusal> {
        let (mut cursors, read) = self.cursors()?;
        let (actors, size) = self.blocks(read)?;
        let marks = Marks::new(&self.selectors);
        let look = Look {
            period: self.from_ms..self.to_ms,
            selectors: &self.selectors,
            filters: &self.filters,
            marks: &marks,
            erased: &self.erased,
            number: self.number,
        };
        let mut ordered = ByActor::default();
        let mut hand_on = |found: &[Found1<Event>], start| ordered.of(found, start, size, &mut each);
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        if threads > 1 && read >= WORTH_THREADS && self.split.of_name(1).is_some() {
            let split = &self.split;
            let label = |found: &Found| split.of_name(found.name).unwrap_or_default();
            side_by_side(&look, &mut cursors, threads, &label, (actors, size), &mut hand_on)?;
            return Ok(read);
        }
        let mut found = vec![Vec::new()];
        for start in starts(actors, size) {
            let end = start.saturating_add(size);
            for into in &mut found {
                into.clear();
                for cursor in &mut cursors {
                    look.take(cursor, end, into, |found, cursor| self.split.label(found, cursor))?;
                }
            }
            hand_on(&found, start);
        }
        Ok(read)
    }

    /// How many numbers of actors there are, and how many of them are in a block when so many events are read.
    pub(super) fn blocks(&self, read: u64) -> Result<(u64, u64), Fault> {
        let actors = u64::from(self.tables.state().get(())?.unwrap_or_default().actor_numbers) + 1;
        Ok((actors, (actors.saturating_mul(BLOCK_EVENTS) / read.max(1)).clamp(1, actors)))
    }

    /// Cursors over everything that may be meant, in the order of the log, and how many events they hold.
    pub(super) fn cursors(&self) -> Result<(Vec<Cursor>, u64), Refusal> {
        let (first_day, last_day) = (day_of(self.from_ms), day_of(self.to_ms.saturating_sub(1)));
        let names: Vec<u32> = {
            let names = self.selectors.iter().flat_map(Selector::names);
            names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
        };
        let mut cursors = Vec::new();
        let mut read = 0u64;
        for row in self.tables.segments().scan_from(All, (first_day, 0)) {
            let ((day, number), row) = row?;
            if day > last_day {
                break;
            }
            let in_time = row.last_ms >= self.from_ms && row.first_ms < self.to_ms;
            if !in_time || !row.names.iter().any(|name| names.binary_search(name).is_ok()) {
                continue;
            }
            read = read.saturating_add(u64::from(row.count));
            if read > EVENTS_READ_MAX {
                return Err(too_large().into());
            }
            cursors.push(Cursor::open(self.tables, (day, number), &row, &self.properties)?);
        }
        let recent = recent(self.tables, &self.properties)?;
        read = read.saturating_add(recent.len() as u64);
        if !recent.is_empty() {
            cursors.push(Cursor::over(&recent.sorted().encode(), &self.properties)?);
        }
        Ok((cursors, read))
    }
}

/// Events that were found, with their actors.
pub(super) type Found1<E> = Vec<(u32, E)>;

/// An event as it is handed on.
pub(super) trait Timed: Copy + Default {
    /// When it happened, in milliseconds since 1970.
    fn time_ms(&self) -> i64;
}

impl Timed for Event {
    fn time_ms(&self) -> i64 {
        self.time_ms
    }
}

/// The first actors of blocks.
pub(super) fn starts(actors: u64, size: u64) -> impl Iterator<Item = u64> {
    (0..actors).step_by(usize::try_from(size).unwrap_or(usize::MAX))
}

/// What is looked for in every event.
struct Look<'a> {
    period: Range<i64>,
    selectors: &'a [Selector],
    filters: &'a [Filter],
    marks: &'a Marks,
    erased: &'a RoaringBitmap,
    number: Option<usize>,
}

impl Look<'_> {
    /// Takes the events of the actors before `end`.
    #[inline]
    fn take(
        &self,
        cursor: &mut Cursor,
        end: u64,
        into: &mut Found1<Event>,
        mut label: impl FnMut(&Found, &Cursor) -> u32,
    ) -> Result<(), Fault> {
        while cursor.next_actor().is_some_and(|actor| u64::from(actor) < end) {
            let Some(found) = cursor.step()? else { break };
            let is_out = !self.period.contains(&found.time_ms)
                || (!self.erased.is_empty() && self.erased.contains(found.actor))
                || !all_pass(self.filters, &found, cursor);
            if is_out {
                continue;
            }
            let marks = self.marks.of(self.selectors, &found, cursor);
            if marks != 0 {
                let value = label(&found, cursor);
                let number = self.number.and_then(|slot| cursor.value(slot)).unwrap_or_default();
                into.push((found.actor, Event { time_ms: found.time_ms, marks, name: found.name, value, number }));
            }
        }
        Ok(())
    }
}

/// The same on several threads: while this one hands a block on, the others read the next one. What comes out does not
/// depend on how they take turns: every segment is read by one thread, and blocks are put together in the order of the
/// log.
fn side_by_side(
    look: &Look<'_>,
    cursors: &mut [Cursor],
    threads: usize,
    label: &(impl Fn(&Found) -> u32 + Sync),
    (actors, size): (u64, u64),
    hand_on: &mut impl FnMut(&[Found1<Event>], u64),
) -> Result<(), Refusal> {
    // This thread has the other half of the work, so it reads less.
    let own = cursors.len() / (2 * threads - 1).max(1);
    let (own, others) = cursors.split_at_mut(own);
    let share = others.len().div_ceil(threads - 1).max(1);
    let read = |cursors: &mut [Cursor], end: u64| -> Result<Vec<Found1<Event>>, Fault> {
        let one = |cursor: &mut Cursor| {
            let mut found = Vec::new();
            look.take(cursor, end, &mut found, |found, _| label(found)).map(|()| found)
        };
        cursors.iter_mut().map(one).collect()
    };
    let mut before: Option<(Vec<Found1<Event>>, u64)> = None;
    for start in starts(actors, size) {
        let end = start.saturating_add(size);
        let found = std::thread::scope(|scope| {
            let others: Vec<_> =
                others.chunks_mut(share).map(|cursors| scope.spawn(move || read(cursors, end))).collect();
            if let Some((found, start)) = before.take() {
                hand_on(&found, start);
            }
            let mut found = read(own, end)?;
            for other in others {
                let ended = || Err(Fault::Store("a thread that read for a question ended early".to_owned()));
                found.extend(other.join().unwrap_or_else(|_| ended())?);
            }
            Ok::<_, Fault>(found)
        })?;
        before = Some((found, start));
    }
    if let Some((found, start)) = before {
        hand_on(&found, start);
    }
    Ok(())
}

/// The marks of events: which selectors mean them.
struct Marks {
    /// By number of the name: those of selectors that ask for nothing else.
    by_name: Vec<u64>,
    /// The others, with their bits.
    others: Vec<(usize, u64)>,
}

impl Marks {
    fn new(selectors: &[Selector]) -> Self {
        let mut marks = Self { by_name: Vec::new(), others: Vec::new() };
        for (at, selector) in selectors.iter().enumerate() {
            let bit = u32::try_from(at).ok().and_then(|at| 1u64.checked_shl(at)).unwrap_or(0);
            if !selector.is_of_names() {
                marks.others.push((at, bit));
                continue;
            }
            for name in selector.names() {
                let name = name as usize;
                if marks.by_name.len() <= name {
                    marks.by_name.resize(name + 1, 0);
                }
                if let Some(marks) = marks.by_name.get_mut(name) {
                    *marks |= bit;
                }
            }
        }
        marks
    }

    #[inline]
    fn of(&self, selectors: &[Selector], found: &Found, cursor: &Cursor) -> u64 {
        let by_name = self.by_name.get(found.name as usize).copied().unwrap_or(0);
        self.others.iter().fold(by_name, |marks, (at, bit)| {
            let is_meant = selectors.get(*at).is_some_and(|selector| selector.means(found, cursor));
            if is_meant { marks | bit } else { marks }
        })
    }
}

/// Puts the events of a block in order of actor and time. Those of one actor come in the order of days already, so it is
/// enough to put them in front of their actors (counting sort), and to sort where several segments have the same day.
#[derive(Default)]
pub(super) struct ByActor<E> {
    /// Where the events of each actor of the block begin.
    begins: Vec<usize>,
    events: Vec<E>,
}

impl<E: Timed> ByActor<E> {
    pub(super) fn of(&mut self, found: &[Found1<E>], start: u64, block: u64, each: &mut impl FnMut(u32, &[E])) {
        let place = |actor: u32| usize::try_from(u64::from(actor).saturating_sub(start)).unwrap_or(usize::MAX);
        let actors = usize::try_from(block).unwrap_or(usize::MAX);
        self.begins.clear();
        self.begins.resize(actors.saturating_add(1), 0);
        for (actor, _) in found.iter().flatten() {
            if let Some(count) = self.begins.get_mut(place(*actor)) {
                *count += 1;
            }
        }
        let mut before = 0;
        for count in &mut self.begins {
            before += std::mem::replace(count, before);
        }
        self.events.clear();
        self.events.resize(found.iter().map(Vec::len).sum(), E::default());
        for (actor, event) in found.iter().flatten() {
            if let Some(next) = self.begins.get_mut(place(*actor)) {
                if let Some(slot) = self.events.get_mut(*next) {
                    *slot = *event;
                }
                *next += 1;
            }
        }
        // Each begin has moved to its end.
        let mut from = 0;
        for (at, to) in self.begins.iter().enumerate().filter(|(at, _)| *at < actors) {
            let events = self.events.get_mut(from..*to).unwrap_or_default();
            from = *to;
            if events.is_empty() {
                continue;
            }
            if !events.is_sorted_by_key(E::time_ms) {
                events.sort_by_key(E::time_ms);
            }
            let actor = start.saturating_add(at as u64);
            each(u32::try_from(actor).unwrap_or(u32::MAX), events);
        }
    }
}

/// Events that are in no segment yet, in the order of the log, with the properties that are asked for.
fn recent(tables: &Tables<'_>, properties: &[u32]) -> Result<Run, Fault> {
    Run::concatenated(tables.recent().scan(All).map(|row| {
        let (_, mut row) = row?;
        row.properties.retain(|column| properties.contains(&column.property));
        Run::of_recent(row)
    }))
}

fn too_large() -> Rejection {
    let message = format!(
        "the question would read more than {EVENTS_READ_MAX} events; nothing was read; ask for a shorter period or for \
         fewer events; usage, retention and lifecycle of whole days in UTC, without filters and breakdown by property, \
         come from rollups and have no such limit"
    );
    Rejection::new(codes::METRIC_TOO_LARGE, message)
}

/// Days of a name that have rollups.
pub(super) fn rollups_of<'a>(
    tables: &'a Tables<'a>,
    name: u32,
    first_day: i64,
    last_day: i64,
) -> impl Iterator<Item = Result<(i64, daybook_proto::product_analytics::v1::RollupRow), Fault>> + 'a {
    let rows =
        tables.rollups().scan_from(First(name), (name, first_day)).map(|row| row.map(|((_, day), row)| (day, row)));
    rows.take_while(move |row| !matches!(row, Ok((day, _)) if *day > last_day))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run_of(events: &[(u32, i64, u32)]) -> Run {
        let mut run = Run::default();
        for (actor, time_ms, name) in events {
            run.actors.push(*actor);
            run.times.push(*time_ms);
            run.names.push(*name);
        }
        run.sorted()
    }

    proptest! {
        /// Several threads hand on what one does, in the same order.
        #[test]
        fn threads_change_nothing(
            segments in prop::collection::vec(prop::collection::vec((0u32..20, 0i64..50, 1u32..4), 0..30), 0..7),
            size in 1u64..25,
            threads in 2usize..6,
        ) {
            let marks = Marks { by_name: vec![0, 1, 2, 0], others: Vec::new() };
            let erased = RoaringBitmap::from_iter([3]);
            let look =
                Look { period: 5..45, selectors: &[], filters: &[], marks: &marks, erased: &erased, number: None };
            let cursors = || -> Vec<Cursor> {
                segments.iter().map(|events| Cursor::over(&run_of(events).encode(), &[]).unwrap()).collect()
            };
            let label = |found: &Found| found.name * 10;
            let (mut of_threads, mut ordered) = (Vec::new(), ByActor::default());
            let mut hand_on = |found: &[Found1<Event>], start| {
                let mut each = |actor, events: &[Event]| of_threads.push((actor, events.to_vec()));
                ordered.of(found, start, size, &mut each);
            };
            side_by_side(&look, &mut cursors(), threads, &label, (20, size), &mut hand_on).unwrap();
            let mut expected: Vec<(u32, i64, usize, u32)> = Vec::new();
            for (at, events) in segments.iter().enumerate() {
                let meant = events.iter().filter(|(actor, time, name)| {
                    (5..45).contains(time) && *actor != 3 && *name != 3
                });
                expected.extend(meant.map(|(actor, time, name)| (*actor, *time, at, *name)));
            }
            expected.sort_by_key(|(actor, time, at, _)| (*actor, *time, *at));
            let found: Vec<(u32, i64, u32)> = of_threads
                .iter()
                .flat_map(|(actor, events)| events.iter().map(|event| (*actor, event.time_ms, event.value / 10)))
                .collect();
            let expected: Vec<(u32, i64, u32)> =
                expected.iter().map(|(actor, time, _, name)| (*actor, *time, *name)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
