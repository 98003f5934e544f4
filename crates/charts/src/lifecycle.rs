//! Lifecycle: those who are active in a period, stacked above zero; those who no longer are, below it. A
//! field for each value of a breakdown.

use daybook_proto::product_analytics::v1::QueryMetricResponse;

use crate::bars::left_out;
use crate::groups::{self, BREAKDOWN, PANELS_MAX, PERIOD};
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
    let table = Table::open("lifecycle", response, &needed, &[(BREAKDOWN, Holds::Text)])?;
    let groups = groups::of(&table);
    let periods = Periods::of(groups::starts(&groups));
    let heading = format!("Actors per {}: new, returning, resurrecting and dormant", periods.unit());
    let kind = "A chart of stacked bars; those who are dormant are below zero";
    let mut sheet = Sheet::new(&heading, &summary::sentences(&table, kind, Some(&periods), &groups));
    sheet.remark(&periods.words());
    // As they lie on each other, from the top.
    let entries = ACTIVE.iter().rev().chain(&DORMANT);
    let entry = |(name, look): &(&str, usize)| (Swatch::Class(Look::of(*look).fill_class()), (*name).to_owned());
    sheet.legend(&entries.map(entry).collect::<Vec<_>>());

    for group in groups.iter().take(PANELS_MAX) {
        let rows = group.by_period();
        let highest = |of: &[(&'static str, usize)]| {
            rows.iter().map(|(_, row)| stacks::height(&parts(row, of))).fold(0.0, f64::max)
        };
        let (height, ticks) = if groups.len() > 1 { (160.0, 4) } else { (320.0, 8) };
        let axis = Axis::of_counts(-highest(&DORMANT), highest(&ACTIVE), ticks);
        let name = if group.name.is_empty() { "Actors".to_owned() } else { format!("Actors, {}", group.name) };
        // Below zero is a direction, not a number of actors less than none.
        let panel = Panel::new(&mut sheet, &name, height, axis, |value| words::number(value.abs()));
        for (start, row) in &rows {
            stacks::draw(&mut sheet, &panel, &periods, *start, &parts(row, &ACTIVE), false);
            stacks::draw(&mut sheet, &panel, &periods, *start, &parts(row, &DORMANT), true);
        }
        periods.write(&mut sheet);
    }
    left_out(&mut sheet, groups.len(), PANELS_MAX, "values");
    Ok(sheet)
}

fn parts(row: &Line<'_>, of: &[(&'static str, usize)]) -> Vec<Part> {
    of.iter().map(|(name, look)| Part { name, look: Look::of(*look), value: row.number(name) }).collect()
}
