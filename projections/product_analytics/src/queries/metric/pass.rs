//! One pass over the events, actor by actor.
//!
//! Segments are sorted by actor, so their cursors move side by side: the events of a block of actors are taken from each,
//! put in order of actor and time (what is equal keeps the order of the log, since segments are asked in that order), and
//! handed on. Memory: the encoded columns that are read, and one block.

use std::rc::Rc;

use daybook_kernel::key::{All, First};
use daybook_kernel::rejection::{Refusal, Rejection};
use daybook_kernel::state::Fault;

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
        let marks = Marks::new(&self.selectors);
        let actors = u64::from(self.tables.state().get(())?.unwrap_or_default().actor_numbers) + 1;
        let block = (actors.saturating_mul(BLOCK_EVENTS) / read.max(1)).clamp(1, actors);
        let mut found: Vec<(u32, Event)> = Vec::new();
        let mut ordered = ByActor::default();
        let mut start = 0u64;
        while start < actors {
            let end = start.saturating_add(block);
            found.clear();
            for cursor in &mut cursors {
                self.take(cursor, &marks, end, &mut found)?;
            }
            ordered.of(&found, start, block, &mut each);
            start = end;
        }
        Ok(read)
    }

    /// Takes the events of the actors before `end`.
    fn take(
        &mut self,
        cursor: &mut Cursor,
        marks: &Marks,
        end: u64,
        into: &mut Vec<(u32, Event)>,
    ) -> Result<(), Fault> {
        while cursor.next_actor().is_some_and(|actor| u64::from(actor) < end) {
            let Some(found) = cursor.step()? else { break };
            if !(self.from_ms..self.to_ms).contains(&found.time_ms) || !all_pass(&self.filters, &found, cursor) {
                continue;
            }
            let marks = marks.of(&self.selectors, &found, cursor);
            if marks != 0 {
                let value = self.split.label(&found, cursor);
                let number = self.number.and_then(|slot| cursor.value(slot)).unwrap_or_default();
                into.push((found.actor, Event { time_ms: found.time_ms, marks, name: found.name, value, number }));
            }
        }
        Ok(())
    }

    /// Cursors over everything that may be meant, in the order of the log, and how many events they hold.
    fn cursors(&self) -> Result<(Vec<Cursor>, u64), Refusal> {
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
struct ByActor {
    /// Where the events of each actor of the block begin.
    begins: Vec<usize>,
    events: Vec<Event>,
}

impl ByActor {
    fn of(&mut self, found: &[(u32, Event)], start: u64, block: u64, each: &mut impl FnMut(u32, &[Event])) {
        let place = |actor: u32| usize::try_from(u64::from(actor).saturating_sub(start)).unwrap_or(usize::MAX);
        let actors = usize::try_from(block).unwrap_or(usize::MAX);
        self.begins.clear();
        self.begins.resize(actors.saturating_add(1), 0);
        for (actor, _) in found {
            if let Some(count) = self.begins.get_mut(place(*actor)) {
                *count += 1;
            }
        }
        let mut before = 0;
        for count in &mut self.begins {
            before += std::mem::replace(count, before);
        }
        self.events.clear();
        self.events.resize(found.len(), Event::default());
        for (actor, event) in found {
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
            if !events.is_sorted_by_key(|event| event.time_ms) {
                events.sort_by_key(|event| event.time_ms);
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
