//! Events in memory, in columns.

use std::collections::BTreeMap;

use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{RecentRow, SegmentColumnRow, SegmentRow, ValueColumn};

use super::{ACTORS, NAMES, PROPERTIES, TIMES};
use crate::columns::{Reader, Writer};
use crate::{Tables, day_of};

/// The values of one property.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// Which events have it, ascending.
    pub places: Vec<u32>,
    /// Its value for each; of an id its place in `ids`.
    pub values: Vec<i64>,
    /// The ids, each once.
    pub ids: Vec<String>,
}

impl Values {
    fn read(places: bytes::Bytes, values: bytes::Bytes, ids: Vec<String>, count: usize) -> Result<Self, Fault> {
        let mut read = Self { places: Vec::new(), values: Vec::new(), ids };
        let (all_have_it, mut places, mut values) = (places.is_empty(), Reader::new(places), Reader::new(values));
        while !values.is_at_end() && read.values.len() < count {
            let place = if all_have_it {
                u32::try_from(read.places.len()).unwrap_or(u32::MAX)
            } else {
                u32::try_from(places.difference()?).map_err(|_| damaged("a place"))?
            };
            read.places.push(place);
            read.values.push(values.signed()?);
        }
        Ok(read)
    }

    /// Adds the values of events that come after `before` others.
    fn append(&mut self, other: Self, before: u32, places: &mut BTreeMap<String, i64>) {
        let mut known = Vec::with_capacity(other.ids.len());
        for id in other.ids {
            let next = i64::try_from(self.ids.len()).unwrap_or(i64::MAX);
            let place = *places.entry(id.clone()).or_insert(next);
            if place == next {
                self.ids.push(id);
            }
            known.push(place);
        }
        self.places.extend(other.places.iter().map(|place| place.saturating_add(before)));
        let value = |value: &i64| usize::try_from(*value).ok().and_then(|at| known.get(at)).copied().unwrap_or(*value);
        self.values.extend(other.values.iter().map(value));
    }
}

/// Events in columns, in the order in which they were recorded or in that of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// Numbers of actors; 0 is nobody.
    pub actors: Vec<u32>,
    /// Milliseconds since 1970.
    pub times: Vec<i64>,
    /// Numbers of names.
    pub names: Vec<u32>,
    /// When each was recorded, in microseconds since 1970. Only of recent events.
    pub recorded_us: Vec<i64>,
    /// By number of the property.
    pub properties: BTreeMap<u32, Values>,
}

/// A segment as rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Encoded {
    /// What it holds.
    pub row: SegmentRow,
    /// Its columns by number.
    pub columns: Vec<(u32, SegmentColumnRow)>,
}

impl Run {
    /// How many events.
    pub fn len(&self) -> usize {
        self.actors.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.actors.is_empty()
    }

    /// The events of a batch.
    pub fn of_recent(row: RecentRow) -> Result<Self, Fault> {
        let (mut run, properties) = Self::without_properties(row)?;
        let count = run.len();
        for column in properties {
            if !column.values.is_empty() {
                let values = Values::read(column.places, column.values, column.ids, count)?;
                run.properties.insert(column.property, values);
            }
        }
        Ok(run)
    }

    /// The same without properties, which are returned as they are.
    pub fn without_properties(row: RecentRow) -> Result<(Self, Vec<ValueColumn>), Fault> {
        let mut run = Self::default();
        let (mut actors, mut names, mut times) =
            (Reader::new(row.actors), Reader::new(row.names), Reader::new(row.times));
        for _ in 0..row.count {
            run.actors.push(u32::try_from(actors.unsigned()?).map_err(|_| damaged("an actor"))?);
            run.names.push(u32::try_from(names.unsigned()?).map_err(|_| damaged("a name"))?);
            run.times.push(times.difference()?);
            run.recorded_us.push(row.recorded_at_us);
        }
        Ok((run, row.properties))
    }

    /// The events of a segment.
    pub fn of_segment(tables: &Tables<'_>, day: i64, number: u64, row: &SegmentRow) -> Result<Self, Fault> {
        let column = |column: u32| -> Result<SegmentColumnRow, Fault> {
            let missing = || Fault::Damaged(format!("segment {number} of day {day} lacks column {column}"));
            tables.segment_columns().get((day, number, column))?.ok_or_else(missing)
        };
        let mut run = Self::default();
        let (mut actors, mut times, mut names) = (
            Reader::new(column(ACTORS)?.values),
            Reader::new(column(TIMES)?.values),
            Reader::new(column(NAMES)?.values),
        );
        for _ in 0..row.count {
            run.actors.push(u32::try_from(actors.difference()?).map_err(|_| damaged("an actor"))?);
            run.times.push(times.difference()?.wrapping_mul(row.time_unit_ms.max(1)));
            run.names.push(u32::try_from(names.unsigned()?).map_err(|_| damaged("a name"))?);
        }
        for property in &row.properties {
            let column = column(property.saturating_add(PROPERTIES))?;
            let values = Values::read(column.places, column.values, column.ids, row.count as usize)?;
            run.properties.insert(*property, values);
        }
        Ok(run)
    }

    /// All of these, one after the other.
    pub fn concatenated(runs: impl IntoIterator<Item = Result<Self, Fault>>) -> Result<Self, Fault> {
        let mut all = Self::default();
        let mut ids: BTreeMap<u32, BTreeMap<String, i64>> = BTreeMap::new();
        for run in runs {
            let run = run?;
            let before = u32::try_from(all.len()).map_err(|_| damaged("its number of events"))?;
            all.actors.extend(run.actors);
            all.times.extend(run.times);
            all.names.extend(run.names);
            all.recorded_us.extend(run.recorded_us);
            for (property, values) in run.properties {
                let places = ids.entry(property).or_default();
                all.properties.entry(property).or_default().append(values, before, places);
            }
        }
        Ok(all)
    }

    /// Those of each day, each sorted by actor and time; what is equal in both stays in its order.
    pub fn by_day(&self) -> BTreeMap<i64, Self> {
        let mut order: Vec<u32> = (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).collect();
        let time = |at: u32| self.times.get(at as usize).copied().unwrap_or_default();
        let actor = |at: u32| self.actors.get(at as usize).copied().unwrap_or_default();
        order.sort_by_key(|at| (day_of(time(*at)), actor(*at), time(*at)));
        order.chunk_by(|a, b| day_of(time(*a)) == day_of(time(*b))).filter_map(|day| self.picked(day)).collect()
    }

    /// Sorted by actor and time, all days together.
    #[must_use]
    pub fn sorted(&self) -> Self {
        let mut order: Vec<u32> = (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).collect();
        let of = |at: u32| (self.actors.get(at as usize).copied(), self.times.get(at as usize).copied());
        order.sort_by_key(|at| of(*at));
        self.picked(&order).map(|(_, run)| run).unwrap_or_default()
    }

    /// The events of actors that stay, and of those that do not, each in the order they have.
    pub fn parted(&self, goes: impl Fn(u32) -> bool) -> (Self, Self) {
        let goes = |at: &u32| self.actors.get(*at as usize).is_some_and(|actor| goes(*actor));
        let all = 0..u32::try_from(self.len()).unwrap_or(u32::MAX);
        let (gone, kept): (Vec<u32>, Vec<u32>) = all.partition(goes);
        let of = |places: &[u32]| self.picked(places).map(|(_, run)| run).unwrap_or_default();
        (of(&kept), of(&gone))
    }

    /// The events at these places, with the day of the first.
    fn picked(&self, places: &[u32]) -> Option<(i64, Self)> {
        const NONE: u32 = u32::MAX;
        let pick = |from: &[u32]| places.iter().filter_map(|at| from.get(*at as usize).copied()).collect();
        let pick_long =
            |from: &[i64]| -> Vec<i64> { places.iter().filter_map(|at| from.get(*at as usize).copied()).collect() };
        let mut run = Self {
            actors: pick(&self.actors),
            times: pick_long(&self.times),
            names: pick(&self.names),
            recorded_us: pick_long(&self.recorded_us),
            properties: BTreeMap::new(),
        };
        // Where each event has gone.
        let mut gone_to = vec![NONE; self.len()];
        for (to, from) in (0u32..).zip(places) {
            if let Some(slot) = gone_to.get_mut(*from as usize) {
                *slot = to;
            }
        }
        for (property, values) in &self.properties {
            let mut dense = vec![None; places.len()];
            for (place, value) in values.places.iter().zip(&values.values) {
                let to = gone_to.get(*place as usize).copied().unwrap_or(NONE);
                if let Some(slot) = dense.get_mut(to as usize) {
                    *slot = Some(*value);
                }
            }
            let mut picked = Values::default();
            let mut known = vec![None; values.ids.len()];
            for (place, value) in (0u32..).zip(dense) {
                let Some(value) = value else { continue };
                let id = usize::try_from(value).ok().and_then(|at| Some((values.ids.get(at)?, known.get_mut(at)?)));
                let value = match id {
                    Some((id, known)) => *known.get_or_insert_with(|| {
                        picked.ids.push(id.clone());
                        i64::try_from(picked.ids.len() - 1).unwrap_or(i64::MAX)
                    }),
                    None => value,
                };
                picked.places.push(place);
                picked.values.push(value);
            }
            if !picked.places.is_empty() {
                run.properties.insert(*property, picked);
            }
        }
        run.times.first().map(|time| (day_of(*time), run.clone()))
    }

    /// As rows of a segment. The events must be sorted.
    pub fn encode(&self) -> Encoded {
        let unit = self.times.iter().fold(0, |unit, time| gcd(unit, time.unsigned_abs()));
        let unit = i64::try_from(unit).unwrap_or(1).max(1);
        let (mut actors, mut times, mut names) = (Writer::default(), Writer::default(), Writer::default());
        self.actors.iter().for_each(|actor| actors.difference(i64::from(*actor)));
        self.times.iter().for_each(|time| times.difference(time / unit));
        self.names.iter().for_each(|name| names.unsigned(u64::from(*name)));
        let of = |values: Writer| SegmentColumnRow { values: values.finish(), ..Default::default() };
        let mut columns = vec![(ACTORS, of(actors)), (TIMES, of(times)), (NAMES, of(names))];
        for (property, values) in &self.properties {
            let (mut places, mut column) = (Writer::default(), Writer::default());
            if values.places.len() < self.len() {
                values.places.iter().for_each(|place| places.difference(i64::from(*place)));
            }
            values.values.iter().for_each(|value| column.signed(*value));
            let row = SegmentColumnRow { values: column.finish(), places: places.finish(), ids: values.ids.clone() };
            columns.push((property.saturating_add(PROPERTIES), row));
        }
        let mut occurring = self.names.clone();
        occurring.sort_unstable();
        occurring.dedup();
        let row = SegmentRow {
            count: u32::try_from(self.len()).unwrap_or(u32::MAX),
            first_ms: self.times.iter().copied().min().unwrap_or_default(),
            last_ms: self.times.iter().copied().max().unwrap_or_default(),
            names: occurring,
            properties: self.properties.keys().copied().collect(),
            time_unit_ms: unit,
        };
        Encoded { row, columns }
    }
}

/// The greatest common divisor (Euclid).
fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn damaged(what: &str) -> Fault {
    Fault::Damaged(format!("{what} in a column of events is none"))
}
