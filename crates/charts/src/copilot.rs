//! Copilot: what became of the answers that were shown, stacked; and which share of outcomes had one before it.

use daybook_proto::product_analytics::v1::QueryMetricResponse;

use crate::bars::{self, Bar};
use crate::groups::{self, BREAKDOWN, Group, PERIOD};
use crate::lines::{self, Series};
use crate::panel::{Panel, Periods};
use crate::sheet::{LINE, Look, MARGIN, Sheet, Swatch};
use crate::stacks::{self, Part};
use crate::summary;
use crate::table::{Holds, Line, NotDrawable, Table, Value};
use crate::text;
use crate::ticks::Axis;
use crate::words;

const PARTS: [(&str, usize); 3] = [("used", 0), ("edited", 4), ("ignored", 8)];

/// How many values have fields of their own.
const VALUES_MAX: usize = 8;

pub(crate) fn draw(response: &QueryMetricResponse) -> Result<Sheet, NotDrawable> {
    let needed = [
        ("shown", Holds::Count),
        ("used", Holds::Count),
        ("edited", Holds::Count),
        ("ignored", Holds::Count),
        ("used_share", Holds::Share),
        ("outcomes", Holds::Count),
        ("assisted_share", Holds::Share),
    ];
    let table = Table::open("copilot", response, &needed, &[(PERIOD, Holds::Time), (BREAKDOWN, Holds::Text)])?;
    let groups = groups::by_weight(&table, "shown");
    let periods = Periods::of(groups::starts(&groups));
    Ok(if periods.len() == 0 { whole(&table, &groups::of(&table)) } else { over_time(&table, &groups, &periods) })
}

fn legend(sheet: &mut Sheet) {
    let mut entries: Vec<(Swatch, String)> = PARTS
        .iter()
        .rev()
        .map(|(name, look)| (Swatch::Class(Look::of(*look).fill_class()), (*name).to_owned()))
        .collect();
    entries.insert(0, (Swatch::Class("outline".to_owned()), "shown, none of these".to_owned()));
    sheet.legend(&entries);
}

fn over_time(table: &Table<'_>, groups: &[Group<'_>], periods: &Periods) -> Sheet {
    let heading = format!("Copilot answers per {} and the share of outcomes they assisted", periods.unit());
    let kind = "A chart of stacked bars of answers, above a line of the share of outcomes with an answer before them";
    let mut sheet = Sheet::new(&heading, &summary::sentences(table, kind, Some(periods), groups));
    sheet.remark(&periods.words());
    legend(&mut sheet);
    let drawn = || groups.iter().take(VALUES_MAX);
    let rows = || drawn().flat_map(Group::by_period);
    // The same axes for all values, so that they can be compared.
    let highest = rows().map(|(_, row)| row.number("shown").height().max(stacks::height(&parts(&row))));
    let counts = Axis::of_counts(0.0, highest.fold(0.0, f64::max), 4);
    let shares = Axis::of_shares(rows().map(|(_, row)| row.number("assisted_share").height()).fold(0.0, f64::max));
    for group in drawn() {
        if !group.name.is_empty() {
            sheet.y += LINE + 8.0;
            sheet.text("heading", MARGIN, sheet.y - 4.0, &text::fit(&group.name, 840.0, 17.0));
        }
        if let Some(row) = group.whole() {
            sheet.remark(&format!("Whole period: {}", in_words(row)));
        }
        let height = if groups.len() > 1 { 120.0 } else { 200.0 };
        let panel = Panel::new(&mut sheet, "Answers", height, counts.clone(), words::number);
        for (start, row) in group.by_period() {
            stacks::draw(&mut sheet, &panel, periods, start, &parts(&row), false);
            shown(&mut sheet, &panel, periods, start, &row);
        }
        periods.write(&mut sheet);
        let series = Series { name: "assisted".to_owned(), look: Look::of(1), points: group.points("assisted_share") };
        let name = "Share of outcomes that an answer assisted";
        let panel = Panel::new(&mut sheet, name, height * 0.6, shares.clone(), words::share);
        lines::draw(&mut sheet, &panel, periods, &[series], words::share);
        periods.write(&mut sheet);
    }
    bars::left_out(&mut sheet, groups.len(), VALUES_MAX, "values");
    sheet
}

/// The outline of all answers, where their number is told.
fn shown(sheet: &mut Sheet, panel: &Panel, periods: &Periods, start: i64, row: &Line<'_>) {
    let Value::Shown(shown) = row.number("shown") else { return };
    let (top, zero) = (panel.y(shown), panel.y(0.0));
    if top < zero {
        let tip = format!("{}, shown: {}", words::day(start), words::number(shown));
        let (x, width) = (periods.x(start) - periods.bar() / 2.0, periods.bar());
        sheet.tip(&tip, |sheet| sheet.rect("outline", x, top, width, zero - top));
    }
}

fn parts(row: &Line<'_>) -> Vec<Part> {
    let part = |(name, look): &(&'static str, usize)| Part { name, look: Look::of(*look), value: row.number(name) };
    PARTS.iter().map(part).collect()
}

fn whole(table: &Table<'_>, groups: &[Group<'_>]) -> Sheet {
    let heading = "Copilot answers: used, edited and ignored";
    let mut sheet = Sheet::new(heading, &summary::sentences(table, "A chart of stacked bars", None, groups));
    legend(&mut sheet);
    let rows = groups.iter().filter_map(|group| group.rows.first().map(|row| (group, row)));
    let bars: Vec<Bar> = rows
        .map(|(group, row)| Bar {
            label: if group.name.is_empty() { "whole period".to_owned() } else { group.name.clone() },
            note: used(row),
            detail: assisted(row),
            parts: parts(row).iter().map(|part| (format!("{} part", part.look.fill_class()), part.value)).collect(),
            whole: Some(row.number("shown")),
        })
        .collect();
    bars::draw(&mut sheet, &bars, "answers");
    sheet
}

fn in_words(row: &Line<'_>) -> String {
    format!("{}; {}", used(row), assisted(row))
}

fn used(row: &Line<'_>) -> String {
    let (share, shown) = (row.number("used_share"), row.number("shown"));
    format!("{} of {} used", share.words(words::share), shown.words(words::number))
}

fn assisted(row: &Line<'_>) -> String {
    let (share, outcomes) = (row.number("assisted_share"), row.number("outcomes"));
    format!("{} of {} outcomes assisted", share.words(words::share), outcomes.words(words::number))
}
