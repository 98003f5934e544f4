//! Reads a segment from its first actor to its last.

use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{SegmentColumnRow, SegmentRow};
use roaring::RoaringBitmap;

use super::{ACTORS, Encoded, NAMES, PROPERTIES, TIMES};
use crate::Tables;
use crate::columns::Reader;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Number of the actor; 0 is nobody.
    pub actor: u32,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// Number of the name.
    pub name: u32,
}

/// One property, read along.
struct Property {
    places: Option<Reader>,
    values: Reader,
    ids: Vec<String>,
    next_place: Option<u32>,
    current: Option<i64>,
}

impl Property {
    fn new(column: SegmentColumnRow) -> Result<Self, Fault> {
        let places = (!column.places.is_empty()).then(|| Reader::new(column.places));
        let values = Reader::new(column.values);
        let mut property = Self { places, values, ids: column.ids, next_place: None, current: None };
        property.step()?;
        Ok(property)
    }

    fn step(&mut self) -> Result<(), Fault> {
        self.next_place = match &mut self.places {
            _ if self.values.is_at_end() => None,
            Some(places) => u32::try_from(places.difference()?).ok(),
            None => Some(self.next_place.map_or(0, |place| place.saturating_add(1))),
        };
        Ok(())
    }

    fn go_to(&mut self, place: u32) -> Result<(), Fault> {
        self.current = None;
        if self.next_place == Some(place) {
            self.current = Some(self.values.signed()?);
            self.step()?;
        }
        Ok(())
    }
}

/// Whether any of these actors has events in a segment.
///
/// # Errors
/// Its column of actors is missing or damaged.
pub fn occurs(
    tables: &Tables<'_>,
    (day, number): (i64, u64),
    row: &SegmentRow,
    actors: &RoaringBitmap,
) -> Result<bool, Fault> {
    let mut column = Reader::new(column_of(tables, (day, number), ACTORS)?.values);
    for _ in 0..row.count {
        if u32::try_from(column.difference()?).is_ok_and(|actor| actors.contains(actor)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A column of a segment.
fn column_of(tables: &Tables<'_>, (day, number): (i64, u64), column: u32) -> Result<SegmentColumnRow, Fault> {
    let missing = || Fault::Damaged(format!("segment {number} of day {day} lacks column {column}"));
    tables.segment_columns().get((day, number, column))?.ok_or_else(missing)
}

/// A place in a segment.
pub struct Cursor {
    actors: Reader,
    times: Reader,
    names: Reader,
    unit: i64,
    left: u32,
    place: u32,
    next_actor: Option<u32>,
    properties: Vec<Option<Property>>,
}

impl Cursor {
    /// At the start of a segment of the tables, with these properties.
    ///
    /// # Errors
    /// A column is missing or damaged.
    pub fn open(tables: &Tables<'_>, key: (i64, u64), row: &SegmentRow, properties: &[u32]) -> Result<Self, Fault> {
        let column = |column: u32| column_of(tables, key, column);
        let optional = |property: &u32| match row.properties.binary_search(property) {
            Ok(_) => Some(column(property.saturating_add(PROPERTIES))),
            Err(_) => None,
        };
        let properties = properties.iter().map(|property| optional(property).transpose()).collect::<Result<_, _>>()?;
        Self::new(row.count, row.time_unit_ms, [column(ACTORS)?, column(TIMES)?, column(NAMES)?], properties)
    }

    /// At the start of a segment in memory.
    ///
    /// # Errors
    /// As [`Cursor::open`].
    pub fn over(encoded: &Encoded, properties: &[u32]) -> Result<Self, Fault> {
        let column =
            |wanted: u32| encoded.columns.iter().find(|(column, _)| *column == wanted).map(|(_, row)| row.clone());
        let standing = [ACTORS, TIMES, NAMES].map(|wanted| column(wanted).unwrap_or_default());
        let properties = properties.iter().map(|property| column(property.saturating_add(PROPERTIES))).collect();
        Self::new(encoded.row.count, encoded.row.time_unit_ms, standing, properties)
    }

    fn new(
        count: u32,
        unit: i64,
        [actors, times, names]: [SegmentColumnRow; 3],
        properties: Vec<Option<SegmentColumnRow>>,
    ) -> Result<Self, Fault> {
        let properties = properties.into_iter().map(|column| column.map(Property::new).transpose());
        let mut cursor = Self {
            actors: Reader::new(actors.values),
            times: Reader::new(times.values),
            names: Reader::new(names.values),
            unit: unit.max(1),
            left: count,
            place: 0,
            next_actor: None,
            properties: properties.collect::<Result<_, _>>()?,
        };
        cursor.look_ahead()?;
        Ok(cursor)
    }

    fn look_ahead(&mut self) -> Result<(), Fault> {
        self.next_actor = match self.left {
            0 => None,
            _ => Some(u32::try_from(self.actors.difference()?).unwrap_or(u32::MAX)),
        };
        Ok(())
    }

    /// Whose event is next.
    #[inline]
    pub fn next_actor(&self) -> Option<u32> {
        self.next_actor
    }

    /// The ids that values of a property stand for, by its place among those asked for.
    pub fn ids(&self, property: usize) -> &[String] {
        self.properties.get(property).and_then(Option::as_ref).map_or(&[], |property| &property.ids)
    }

    /// The value that the event found last has of a property.
    #[inline]
    pub fn value(&self, property: usize) -> Option<i64> {
        self.properties.get(property).and_then(Option::as_ref).and_then(|property| property.current)
    }

    /// The next event.
    ///
    /// # Errors
    /// A column is damaged.
    #[inline]
    pub fn step(&mut self) -> Result<Option<Found>, Fault> {
        let Some(actor) = self.next_actor else { return Ok(None) };
        let time_ms = self.times.difference()?.wrapping_mul(self.unit);
        let name = u32::try_from(self.names.unsigned()?).unwrap_or(u32::MAX);
        for property in self.properties.iter_mut().flatten() {
            property.go_to(self.place)?;
        }
        self.left -= 1;
        self.place = self.place.saturating_add(1);
        self.look_ahead()?;
        Ok(Some(Found { actor, time_ms, name }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::{Run, Values};
    use super::*;

    type Made = (u32, i64, u32, Option<i64>, Option<u8>);

    fn run_of(events: &[Made]) -> Run {
        let mut run = Run::default();
        let (mut numbers, mut things) = (Values::default(), Values::default());
        for (place, (actor, time, name, number, thing)) in (0u32..).zip(events) {
            run.actors.push(*actor);
            run.times.push(*time);
            run.names.push(*name);
            if let Some(number) = number {
                numbers.places.push(place);
                numbers.values.push(*number);
            }
            if let Some(thing) = thing {
                let id = format!("case-{thing}");
                let at = things.ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                    things.ids.push(id);
                    things.ids.len() - 1
                });
                things.places.push(place);
                things.values.push(at as i64);
            }
        }
        run.properties = BTreeMap::from([(1, numbers), (7, things)]);
        run.properties.retain(|_, values| !values.places.is_empty());
        run
    }

    fn read(cursor: &mut Cursor) -> Vec<Made> {
        let mut found = Vec::new();
        while let Some(Found { actor, time_ms, name }) = cursor.step().unwrap() {
            let thing =
                cursor.value(1).map(|at| cursor.ids(1)[at as usize].trim_start_matches("case-").parse().unwrap());
            found.push((actor, time_ms, name, cursor.value(0), thing));
        }
        found
    }

    proptest! {
        #[test]
        fn what_is_laid_out_is_found_by_actor_and_time(
            batches in prop::collection::vec(
                prop::collection::vec(
                    (0u32..5, -3i64..9, 1u32..4, prop::option::of(any::<i64>()), prop::option::of(0u8..4)), 0..20),
                0..5),
        ) {
            let day = crate::DAY_MS / 2;
            let batches: Vec<Vec<Made>> = batches.into_iter()
                .map(|batch| batch.into_iter().map(|(a, t, n, v, i)| (a, t * day, n, v, i)).collect()).collect();
            let all = Run::concatenated(batches.iter().map(|batch| Ok(run_of(batch)))).unwrap();
            let mut expected: Vec<Made> = batches.concat();
            expected.sort_by_key(|event| (crate::day_of(event.1), event.0, event.1));
            let mut found = Vec::new();
            for run in all.by_day().values() {
                found.extend(read(&mut Cursor::over(&run.encode(), &[1, 7]).unwrap()));
            }
            prop_assert_eq!(found, expected);
            let mut expected: Vec<Made> = batches.concat();
            expected.sort_by_key(|event| (event.0, event.1));
            prop_assert_eq!(read(&mut Cursor::over(&all.sorted().encode(), &[1, 7]).unwrap()), expected);
        }
    }
}
