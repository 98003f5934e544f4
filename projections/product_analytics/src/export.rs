//! The events one by one, for other programs: words in place of numbers, by day (UTC), actor and time.
//!
//! An export is a function of the tables, and so of the log: whoever makes it, from a store that was folded live or again,
//! gets the same rows in the same order.
//!
//! ```text
//! segments of a day, and what is in none yet --in order of actors--> rows of up to ROWS_MAX events
//! ```
//!
//! Actors stand under their numbers, which say less than pseudonyms and are the same in all exports of the tenant. Names of
//! events with fewer actors on a day than the profile's `suppress_below` are left out of that day: what a question by day and
//! event does not show is not exported either.

use std::collections::{BTreeMap, BTreeSet};

use daybook_event_rules::profile::Profile;
use daybook_kernel::key::{All, First};
use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{PropertySchema, PropertyType};
use roaring::RoaringBitmap;

use crate::catalogue::Catalogue;
use crate::evolve::{Counts, erased, read_bitmap};
use crate::segment::{Cursor, Encoded, Found, Run};
use crate::{Tables, day_of};

/// Events handed out at once, at most; only a single actor with more of them on one day goes beyond.
const ROWS_MAX: usize = 250_000;
/// Their values, at most: fewer events where there are many properties.
const VALUES_MAX: usize = 4_000_000;

/// What a property holds in all events together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Words: of an enum, ids, or several kinds of values under one name.
    Words,
    /// Whole numbers, milliseconds, smallest units.
    Numbers,
    /// Yes or no.
    Booleans,
}

/// A property as a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedProperty {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub holds: Holds,
    number: u32,
}

/// The values of a property in some events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportedValues {
    /// For each event its value: of words the place among `words`, of booleans 0 or 1.
    pub values: Vec<Option<i64>>,
    /// The words that occur, each once.
    pub words: Vec<String>,
}

/// Events of one day, by actor and time; those without an actor come first, in the order of the segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportedEvents {
    /// Milliseconds since 1970.
    pub times_ms: Vec<i64>,
    /// Numbers of their names: places in [`Export::names`].
    pub names: Vec<u32>,
    /// Numbers of their actors; 0 is nobody.
    pub actors: Vec<u32>,
    /// One for each of [`Export::properties`].
    pub properties: Vec<ExportedValues>,
}

impl ExportedEvents {
    /// How many.
    pub fn len(&self) -> usize {
        self.times_ms.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.times_ms.is_empty()
    }
}

/// The events of a period, to be exported.
pub struct Export<'a> {
    tables: &'a Tables<'a>,
    from_ms: i64,
    to_ms: i64,
    suppress_below: u64,
    erased: RoaringBitmap,
    catalogue: Catalogue,
    names: Vec<String>,
    properties: Vec<ExportedProperty>,
    /// What is in no segment yet, by day, each by actor and time; and counted.
    recent: BTreeMap<i64, Encoded>,
    counted: BTreeMap<i64, BTreeMap<u32, RoaringBitmap>>,
}

impl<'a> Export<'a> {
    /// Of the events from a time on, before another one (milliseconds since 1970).
    pub fn open(tables: &'a Tables<'a>, from_ms: i64, to_ms: i64) -> Result<Self, Fault> {
        let profile = Profile::of(&tables.profile().get(())?.unwrap_or_default());
        let catalogue = Catalogue::read(tables)?;
        let numbers = 0..u32::try_from(catalogue.len()).unwrap_or(u32::MAX);
        let names = numbers.map(|number| catalogue.name(number).to_owned()).collect();
        let property = |(name, number): (&String, u32)| {
            let holds = holds(catalogue.of_property(name));
            ExportedProperty { name: name.clone(), holds, number }
        };
        let properties = catalogue.properties().map(property).collect();
        let mut counts = Counts::default();
        let runs: Vec<Run> = tables.recent().scan(All).map(|row| Run::of_recent(row?.1)).collect::<Result<_, _>>()?;
        runs.iter().for_each(|run| counts.add(run));
        let recent = Run::concatenated(runs.into_iter().map(Ok))?.by_day();
        let counted = counts
            .finish()
            .into_iter()
            .map(|(day, names)| (day, names.into_iter().map(|(name, counted)| (name, counted.actors)).collect()));
        Ok(Self {
            tables,
            from_ms,
            to_ms,
            suppress_below: profile.suppress_below,
            erased: erased(tables)?,
            catalogue,
            names,
            properties,
            recent: recent.iter().map(|(day, run)| (*day, run.encode())).collect(),
            counted: counted.collect(),
        })
    }

    /// Names of all registered events, by number; number 0 is none.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All registered properties, the columns of every day.
    pub fn properties(&self) -> &[ExportedProperty] {
        &self.properties
    }

    /// Numbers of fewer actors are not shown.
    pub fn suppress_below(&self) -> u64 {
        self.suppress_below
    }

    /// The days with events, counted from 1970 (UTC).
    pub fn days(&self) -> Result<Vec<i64>, Fault> {
        let (first, last) = (day_of(self.from_ms), day_of(self.to_ms.saturating_sub(1)));
        let mut days: BTreeSet<i64> = self.recent.range(first..=last).map(|(day, _)| *day).collect();
        for row in self.tables.segments().scan_from(All, (first, 0)) {
            let ((day, _), row) = row?;
            if day > last {
                break;
            }
            if row.last_ms >= self.from_ms && row.first_ms < self.to_ms {
                days.insert(day);
            }
        }
        Ok(days.into_iter().collect())
    }

    /// Hands out the events of a day, some at a time. Returns how many names of events were left out because too few actors
    /// did them.
    ///
    /// # Errors
    /// A row of the tables is damaged, or what `each` says.
    pub fn day<E: From<Fault>>(
        &self,
        day: i64,
        mut each: impl FnMut(ExportedEvents) -> Result<(), E>,
    ) -> Result<u64, E> {
        let left_out = self.left_out(day)?;
        let mut cursors = self.cursors(day)?;
        let rows_max = (VALUES_MAX / self.properties.len().max(1)).min(ROWS_MAX);
        let mut rows = Rows::new(self);
        while let Some(actor) = cursors.iter().filter_map(Cursor::next_actor).min() {
            let begun = rows.found.len();
            for (at, cursor) in cursors.iter_mut().enumerate() {
                while cursor.next_actor() == Some(actor) {
                    let Some(found) = cursor.step()? else { break };
                    let is_wanted = (self.from_ms..self.to_ms).contains(&found.time_ms)
                        && !left_out.contains(&found.name)
                        && !self.erased.contains(actor);
                    if is_wanted {
                        rows.add(at, &found, cursor);
                    }
                    // There is no bound to what nobody does: those events stand in the order of segments.
                    if actor == 0 && rows.found.len() >= rows_max {
                        each(std::mem::replace(&mut rows, Rows::new(self)).finish())?;
                    }
                }
            }
            // Those of one instant keep the order of the log: segments are asked in it, and the sort is stable.
            if actor != 0
                && let Some(of_actor) = rows.found.get_mut(begun..)
            {
                of_actor.sort_by_key(|row| row.time_ms);
            }
            if rows.found.len() >= rows_max {
                each(std::mem::replace(&mut rows, Rows::new(self)).finish())?;
            }
        }
        if !rows.found.is_empty() {
            each(rows.finish())?;
        }
        Ok(left_out.len() as u64)
    }

    /// Names that too few actors did on a day.
    fn left_out(&self, day: i64) -> Result<BTreeSet<u32>, Fault> {
        let mut left_out = BTreeSet::new();
        let recent = self.counted.get(&day);
        for name in (0u32..).take(self.catalogue.len()) {
            let row = self.tables.rollups().get((name, day))?;
            let mut actors = row.map_or_else(|| Ok(RoaringBitmap::new()), |row| read_bitmap(&row.actors))?;
            if let Some(recent) = recent.and_then(|names| names.get(&name)) {
                actors |= recent;
            }
            let actors = (actors - &self.erased).len();
            if actors > 0 && actors < self.suppress_below {
                left_out.insert(name);
            }
        }
        Ok(left_out)
    }

    fn cursors(&self, day: i64) -> Result<Vec<Cursor>, Fault> {
        let numbers: Vec<u32> = self.properties.iter().map(|property| property.number).collect();
        let mut cursors = Vec::new();
        for row in self.tables.segments().scan(First(day)) {
            let (key, row) = row?;
            cursors.push(Cursor::open(self.tables, key, &row, &numbers)?);
        }
        if let Some(recent) = self.recent.get(&day) {
            cursors.push(Cursor::over(recent, &numbers)?);
        }
        Ok(cursors)
    }

    /// The word that stands for a value.
    fn word<'b>(&'b self, name: u32, property: &str, value: i64, ids: &'b [String]) -> std::borrow::Cow<'b, str> {
        let property = self.catalogue.property(name, property);
        let at = usize::try_from(value).ok();
        let word = match property.map(PropertySchema::r#type) {
            Some(PropertyType::Enum) => property.and_then(|property| property.values.get(at?)).map(String::as_str),
            Some(PropertyType::OpaqueId) => at.and_then(|at| ids.get(at)).map(String::as_str),
            Some(PropertyType::Boolean) => Some(if value == 0 { "false" } else { "true" }),
            _ => None,
        };
        word.map_or_else(|| value.to_string().into(), Into::into)
    }
}

/// What a property holds in all events that have it.
fn holds<'a>(schemas: impl Iterator<Item = &'a PropertySchema>) -> Holds {
    let mut kinds = schemas.map(|property| match property.r#type() {
        PropertyType::Integer | PropertyType::Duration | PropertyType::Money => Holds::Numbers,
        PropertyType::Boolean => Holds::Booleans,
        PropertyType::Unspecified | PropertyType::Enum | PropertyType::OpaqueId => Holds::Words,
    });
    match kinds.next() {
        Some(first) if kinds.all(|kind| kind == first) => first,
        _ => Holds::Words,
    }
}

struct FoundRow {
    time_ms: i64,
    name: u32,
    actor: u32,
    /// Where its values stand among those of all rows.
    values: usize,
}

/// Rows that are being put together.
struct Rows<'a> {
    export: &'a Export<'a>,
    found: Vec<FoundRow>,
    /// The values of each row, one for each property.
    values: Vec<Option<i64>>,
    words: Vec<Words>,
}

/// The words of one property.
#[derive(Default)]
struct Words {
    words: Vec<String>,
    places: BTreeMap<String, i64>,
    /// The places of words that were looked up before, by cursor, name of the event and value.
    known: BTreeMap<(usize, u32, i64), i64>,
}

impl Words {
    fn place(&mut self, key: (usize, u32, i64), word: impl FnOnce() -> String) -> i64 {
        if let Some(place) = self.known.get(&key) {
            return *place;
        }
        let word = word();
        let next = i64::try_from(self.words.len()).unwrap_or(i64::MAX);
        let place = *self.places.entry(word.clone()).or_insert(next);
        if place == next {
            self.words.push(word);
        }
        self.known.insert(key, place);
        place
    }
}

impl<'a> Rows<'a> {
    fn new(export: &'a Export<'a>) -> Self {
        let words = export.properties.iter().map(|_| Words::default()).collect();
        Self { export, found: Vec::new(), values: Vec::new(), words }
    }

    fn add(&mut self, at: usize, found: &Found, cursor: &Cursor) {
        let row = FoundRow { time_ms: found.time_ms, name: found.name, actor: found.actor, values: self.values.len() };
        self.found.push(row);
        for (place, (property, words)) in self.export.properties.iter().zip(&mut self.words).enumerate() {
            let value = cursor.value(place).map(|value| match property.holds {
                Holds::Numbers | Holds::Booleans => value,
                Holds::Words => words.place((at, found.name, value), || {
                    self.export.word(found.name, &property.name, value, cursor.ids(place)).into_owned()
                }),
            });
            self.values.push(value);
        }
    }

    fn finish(self) -> ExportedEvents {
        let value = |row: &FoundRow, at: usize| self.values.get(row.values.saturating_add(at)).copied().flatten();
        let properties = self.words.into_iter().enumerate().map(|(at, words)| ExportedValues {
            values: self.found.iter().map(|row| value(row, at)).collect(),
            words: words.words,
        });
        let properties = properties.collect();
        ExportedEvents {
            times_ms: self.found.iter().map(|row| row.time_ms).collect(),
            names: self.found.iter().map(|row| row.name).collect(),
            actors: self.found.iter().map(|row| row.actor).collect(),
            properties,
        }
    }
}
