//! Lifecycle: those who are active in a period, stacked above zero; those who no longer are, below it.

use daybook_proto::product_analytics::v1::QueryMetricResponse;

use crate::groups::{self, PERIOD};
use crate::panel::{Panel, Periods};
use crate::sheet::{Look, Sheet, Swatch};
use crate::stacks::{self, Part};
use crate::summary;
use crate::table::{Holds, Line, NotDrawable, Table};
use crate::ticks::Axis;
use crate::words;

const ACTIVE: [(&str, usize); 3] = [("returning", 0), ("resurrecting", 4), ("new", 2)];
const DORMANT: [(&str, usize); 1] = [("dormant", 1)];

pub(crate) fn draw(response: &QueryMetricResponse) -> Result<Sheet, NotDrawable> {
    let counted = ACTIVE.iter().chain(&DORMANT).map(|(name, _)| (*name, Holds::Count));
    let needed: Vec<(&str, Holds)> = std::iter::once((PERIOD, Holds::Time)).chain(counted).collect();
    let table = Table::open("lifecycle", response, &needed, &[])?;
    let groups = groups::of(&table);
    let rows = groups.first().map(groups::Group::by_period).unwrap_or_default();
    let periods = Periods::of(rows.iter().map(|(start, _)| *start));
    let heading = format!("Actors per {}: new, returning, resurrecting and dormant", periods.unit());
    let kind = "A chart of stacked bars; those who are dormant are below zero";
    let mut sheet = Sheet::new(&heading, &summary::sentences(&table, kind, Some(&periods), &groups));
    sheet.remark(&periods.words());
    // As they lie on each other, from the top.
    let entries = ACTIVE.iter().rev().chain(&DORMANT);
    let entry = |(name, look): &(&str, usize)| (Swatch::Class(Look::of(*look).fill_class()), (*name).to_owned());
    sheet.legend(&entries.map(entry).collect::<Vec<_>>());

    let highest =
        |of: &[(&'static str, usize)]| rows.iter().map(|(_, row)| stacks::height(&parts(row, of))).fold(0.0, f64::max);
    let axis = Axis::of_counts(-highest(&DORMANT), highest(&ACTIVE), 8);
    // Below zero is a direction, not a number of actors less than none.
    let panel = Panel::new(&mut sheet, "Actors", 320.0, axis, |value| words::number(value.abs()));
    for (start, row) in &rows {
        stacks::draw(&mut sheet, &panel, &periods, *start, &parts(row, &ACTIVE), false);
        stacks::draw(&mut sheet, &panel, &periods, *start, &parts(row, &DORMANT), true);
    }
    periods.write(&mut sheet);
    Ok(sheet)
}

fn parts(row: &Line<'_>, of: &[(&'static str, usize)]) -> Vec<Part> {
    of.iter().map(|(name, look)| Part { name, look: Look::of(*look), value: row.number(name) }).collect()
}
