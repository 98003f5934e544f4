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
use crate::segment::{Cursor, Run};
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
        let actors = u64::from(self.tables.state().get(())?.unwrap_or_default().actor_numbers) + 1;
        let block = (actors.saturating_mul(BLOCK_EVENTS) / read.max(1)).clamp(1, actors);
        let mut found: Vec<(u32, Event)> = Vec::new();
        let mut events: Vec<Event> = Vec::new();
        let mut end = 0u64;
        while end < actors {
            end = end.saturating_add(block);
            found.clear();
            for cursor in &mut cursors {
                self.take(cursor, end, &mut found)?;
            }
            found.sort_by_key(|(actor, event)| (*actor, event.time_ms));
            for of_actor in found.chunk_by(|a, b| a.0 == b.0) {
                events.clear();
                events.extend(of_actor.iter().map(|(_, event)| *event));
                if let Some((actor, _)) = of_actor.first() {
                    each(*actor, &events);
                }
            }
        }
        Ok(read)
    }

    /// Takes the events of the actors before `end`.
    fn take(&mut self, cursor: &mut Cursor, end: u64, into: &mut Vec<(u32, Event)>) -> Result<(), Fault> {
        while cursor.next_actor().is_some_and(|actor| u64::from(actor) < end) {
            let Some(found) = cursor.step()? else { break };
            if !(self.from_ms..self.to_ms).contains(&found.time_ms) || !all_pass(&self.filters, &found, cursor) {
                continue;
            }
            let marks = self.selectors.iter().enumerate().fold(0u64, |marks, (bit, selector)| {
                if selector.means(&found, cursor) { marks | 1u64.checked_shl(bit as u32).unwrap_or(0) } else { marks }
            });
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
        let recent = recent(self.tables)?;
        read = read.saturating_add(recent.len() as u64);
        if !recent.is_empty() {
            cursors.push(Cursor::over(&recent.sorted().encode(), &self.properties)?);
        }
        Ok((cursors, read))
    }
}

/// Events that are in no segment yet, in the order of the log.
fn recent(tables: &Tables<'_>) -> Result<Run, Fault> {
    Run::concatenated(tables.recent().scan(All).map(|row| row.and_then(|(_, row)| Run::of_recent(row))))
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
