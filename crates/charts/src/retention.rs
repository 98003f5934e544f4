//! Retention: a line for each cohort, a field for each period after the first; the darker, the more came back. A grid for
//! each value of a breakdown.

use std::collections::BTreeMap;

use daybook_proto::product_analytics::v1::QueryMetricResponse;

use crate::bars::left_out;
use crate::groups::{self, BREAKDOWN, Group, PANELS_MAX, PERIOD};
use crate::panel::Periods;
use crate::sheet::{LINE, MARGIN, Sheet, WIDTH};
use crate::summary;
use crate::table::{Holds, Line, NotDrawable, Table, Value};
use crate::text;
use crate::words;

/// The newest of more cohorts are drawn.
const COHORTS_MAX: usize = 60;
/// Sixty periods after the first, at most.
const PERIODS_MAX: usize = 61;

const ROW: f64 = 24.0;
const LEFT: f64 = 190.0;
/// Narrower fields have no room for a number.
const WRITTEN: f64 = 22.0;
/// How many shades there are.
const SHADES: f64 = 10.0;
/// From this one on, text is in the colour of the ground.
const STRONG: f64 = 6.0;

pub(crate) fn draw(response: &QueryMetricResponse) -> Result<Sheet, NotDrawable> {
    let needed = [
        (PERIOD, Holds::Time),
        ("n", Holds::Count),
        ("cohort", Holds::Count),
        ("actors", Holds::Count),
        ("share", Holds::Share),
        ("open", Holds::Count),
    ];
    let table = Table::open("retention", response, &needed, &[(BREAKDOWN, Holds::Text)])?;
    let groups = groups::of(&table);
    let periods = Periods::of(groups::starts(&groups));
    let kind = "A grid: a line for each cohort, a field for each period after its first with the share that came back";
    let heading = format!("Retention by {} of the first activity", periods.unit());
    let mut sheet = Sheet::new(&heading, &summary::sentences(&table, kind, Some(&periods), &groups));
    sheet.remark(&format!("Cohorts: {}. Fields: percent of the cohort.", periods.words()));
    scale(&mut sheet);
    for group in groups.iter().take(PANELS_MAX) {
        grid(&mut sheet, group, &periods);
    }
    left_out(&mut sheet, groups.len(), PANELS_MAX, "values");
    Ok(sheet)
}

/// The cohorts of one value.
fn grid(sheet: &mut Sheet, group: &Group<'_>, periods: &Periods) {
    // The average has no start, which sorts before every other.
    let mut cohorts: BTreeMap<Option<i64>, BTreeMap<usize, Line<'_>>> = BTreeMap::new();
    for row in &group.rows {
        let Some(n) = row.number("n").shown().filter(|n| (0.0..PERIODS_MAX as f64).contains(n)) else { continue };
        if !row.time(PERIOD).is_suppressed() {
            cohorts.entry(row.time(PERIOD).shown()).or_default().entry(n as usize).or_insert(*row);
        }
    }
    let columns = cohorts.values().flat_map(|row| row.keys()).max().map_or(1, |last| last + 1);
    let width = ((WIDTH - MARGIN - LEFT) / columns as f64).min(64.0);
    if !group.name.is_empty() {
        sheet.y += LINE + 10.0;
        sheet.text("strong", MARGIN, sheet.y - 6.0, &text::fit(&group.name, WIDTH - 2.0 * MARGIN, 12.5));
    }
    sheet.y += LINE + 6.0;
    sheet.text("muted small", MARGIN, sheet.y - 4.0, "cohort");
    sheet.text("muted small end", LEFT - 10.0, sheet.y - 4.0, "actors");
    let every = if width < WRITTEN { 5 } else { 1 };
    for n in (0..columns).step_by(every) {
        let name = if n == 0 && width > 50.0 { format!("{} 0", periods.unit()) } else { n.to_string() };
        sheet.text("muted small middle", LEFT + (n as f64 + 0.5) * width, sheet.y - 4.0, &name);
    }
    let count = cohorts.keys().flatten().count();
    let old = count.saturating_sub(COHORTS_MAX);
    let average = cohorts.get_key_value(&None);
    for (start, row) in average.into_iter().chain(cohorts.iter().filter(|(start, _)| start.is_some()).skip(old)) {
        cohort(sheet, *start, row, width);
        // The average stands apart.
        sheet.y += if start.is_none() { 6.0 } else { 0.0 };
    }
    left_out(sheet, count, COHORTS_MAX, "cohorts, the newest");
}

fn scale(sheet: &mut Sheet) {
    sheet.y += LINE + 6.0;
    let y = sheet.y - 16.0;
    sheet.text("small", MARGIN, y + 10.0, &words::share(0.0));
    for shade in 0..SHADES as usize {
        sheet.rect(&format!("h{shade}"), MARGIN + 30.0 + shade as f64 * 18.0, y, 18.0, 12.0);
    }
    sheet.rect("outline", MARGIN + 30.0, y, SHADES * 18.0, 12.0);
    sheet.text("small", MARGIN + 218.0, y + 10.0, &words::share(1.0));
    sheet.rect("h3", MARGIN + 280.0, y, 20.0, 12.0);
    corner(sheet, MARGIN + 300.0, y);
    sheet.text("small", MARGIN + 308.0, y + 10.0, "this period is not over: the number can still grow");
}

fn corner(sheet: &mut Sheet, right: f64, top: f64) {
    sheet.path("corner", &[(right - 8.0, top), (right, top), (right, top + 8.0)], true);
}

fn cohort(sheet: &mut Sheet, start: Option<i64>, row: &BTreeMap<usize, Line<'_>>, width: f64) {
    let y = sheet.y;
    let name = start.map_or("all cohorts".to_owned(), words::day);
    let class = if start.is_none() { "strong" } else { "" };
    sheet.text(class, MARGIN, y + 16.0, &name);
    let size = row.values().map(|cell| cell.number("cohort")).find(|size| *size != Value::Missing);
    let size = size.unwrap_or(Value::Missing).words(words::number);
    sheet.text("muted end", LEFT - 10.0, y + 16.0, &text::fit(&size, 86.0, 12.0));
    for (n, cell) in row {
        let x = LEFT + *n as f64 * width;
        let share = cell.number("share");
        let is_open = cell.number("open").shown().is_some_and(|open| open > 0.0);
        let tip = format!(
            "{name}, {n} later: {} of {size}, {}{}",
            cell.number("actors").words(words::number),
            share.words(words::share),
            if is_open { ", not over" } else { "" }
        );
        sheet.tip(&tip, |sheet| {
            let small = if width < 30.0 { "tiny" } else { "small" };
            let said = match share {
                Value::Shown(share) => {
                    let shade = (share.clamp(0.0, 1.0) * SHADES).floor().min(SHADES - 1.0);
                    sheet.rect(&format!("h{shade}"), x, y, width - 1.0, ROW - 1.0);
                    let ink = if shade >= STRONG { " on-strong" } else { "" };
                    let percent =
                        if width < 44.0 { words::number((share * 100.0).round()) } else { words::share(share) };
                    Some((format!("{small} middle{ink}"), percent))
                }
                Value::Suppressed => {
                    sheet.hidden(x, y, width - 1.0, ROW - 1.0);
                    // On hatching, text would be hard to read.
                    None
                }
                Value::Missing => None,
            };
            if let Some((class, percent)) = said.filter(|_| width >= WRITTEN) {
                sheet.text(&class, x + width / 2.0 - 0.5, y + 15.5, &percent);
            }
            if is_open {
                corner(sheet, x + width - 1.0, y);
            }
        });
    }
    sheet.y += ROW;
}
