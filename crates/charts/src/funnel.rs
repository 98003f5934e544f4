//! Funnels: a bar for each step, as long as the share of those who entered. Who stopped before a step but still has
//! time to take it is hatched behind it. One field for each value. Those who entered are not always those who took the
//! first step: in any order, every step can be the entry.

use daybook_proto::product_analytics::v1::QueryMetricResponse;

use crate::bars::left_out;
use crate::groups::{self, BREAKDOWN, Group};
use crate::sheet::{LINE, MARGIN, Sheet, Swatch};
use crate::summary;
use crate::table::{Holds, Line, NotDrawable, Table, Value};
use crate::text;
use crate::ticks::Axis;
use crate::words;

/// How many values have fields of their own.
const VALUES_MAX: usize = 8;
/// A funnel has 20 steps at most; more are not ours.
const STEPS_MAX: usize = 20;

const ROW: f64 = 40.0;
const LEFT: f64 = 230.0;
const RIGHT: f64 = 536.0;
/// The room of a number beside the bars.
const NUMBER: f64 = 100.0;
/// The right ends of the columns of these.
const COLUMNS: [(f64, &str); 4] =
    [(648.0, "actors"), (706.0, "of entry"), (786.0, "of previous"), (880.0, "median time")];

pub(crate) fn draw(response: &QueryMetricResponse) -> Result<Sheet, NotDrawable> {
    let needed = [
        ("step", Holds::Count),
        ("events", Holds::Text),
        ("actors", Holds::Count),
        ("share_of_entry", Holds::Share),
        ("share_of_previous", Holds::Share),
        ("open", Holds::Count),
        ("median_ms", Holds::Duration),
        ("p90_ms", Holds::Duration),
    ];
    let table = Table::open("funnel", response, &needed, &[(BREAKDOWN, Holds::Text)])?;
    let groups = groups::of(&table);
    let kind = "A funnel: horizontal bars of the actors who reached each step";
    let mut sheet = Sheet::new("Funnel", &summary::sentences(&table, kind, None, &groups));
    sheet.remark("Each bar is a share of those who entered. Times are from the entry to the step.");
    sheet.legend(&[
        (Swatch::Class("f0".to_owned()), "reached the step".to_owned()),
        (Swatch::Class("open".to_owned()), "open: stopped before it, and may still take it".to_owned()),
    ]);
    for group in groups.iter().take(VALUES_MAX) {
        field(&mut sheet, group);
    }
    left_out(&mut sheet, groups.len(), VALUES_MAX, "values");
    Ok(sheet)
}

fn field(sheet: &mut Sheet, group: &Group<'_>) {
    sheet.y += LINE + 12.0;
    if !group.name.is_empty() {
        sheet.text("heading", MARGIN, sheet.y - 3.0, &text::fit(&group.name, 440.0, 17.0));
    }
    for (x, name) in COLUMNS {
        sheet.text("muted small end", x, sheet.y - 3.0, name);
    }
    let mut rows: Vec<&Line<'_>> = group.rows.iter().collect();
    rows.sort_by(|one, other| one.number("step").height().total_cmp(&other.number("step").height()));
    let count = rows.len();
    rows.truncate(STEPS_MAX);
    let axis = Axis::of_shares(1.0);
    let x = |share: f64| LEFT + axis.at(share) * (RIGHT - LEFT);
    let (top, bottom) = (sheet.y + 4.0, sheet.y + 8.0 + ROW * rows.len() as f64);
    for tick in &axis.ticks {
        sheet.line(if *tick == 0.0 { "axis" } else { "grid" }, (x(*tick), top), (x(*tick), bottom));
        sheet.text("muted small middle", x(*tick), bottom + 14.0, &words::share(*tick));
    }
    let entry = entry(&rows);
    for row in rows {
        step(sheet, row, entry, x);
    }
    sheet.y = bottom + LINE;
    left_out(sheet, count, STEPS_MAX, "steps");
}

/// How many entered, as the counts and shares of the steps tell it.
fn entry(rows: &[&Line<'_>]) -> Option<f64> {
    rows.iter().find_map(|row| {
        let (actors, share) = (row.number("actors").shown()?, row.number("share_of_entry").shown()?);
        (actors > 0.0 && share > 0.0).then(|| actors / share)
    })
}

fn step(sheet: &mut Sheet, row: &Line<'_>, entry: Option<f64>, x: impl Fn(f64) -> f64) {
    let y = sheet.y + 10.0;
    let number = row.number("step").words(words::number);
    let events = match row.text("events") {
        Value::Shown(events) => text::clean(events),
        Value::Suppressed => text::SUPPRESSED.to_owned(),
        Value::Missing => String::new(),
    };
    sheet.text("strong", MARGIN, y + 17.0, &text::fit(&number, 24.0, 12.0));
    let lines = text::in_two(&events, LEFT - MARGIN - 36.0, 12.0);
    let first = if lines.len() > 1 { 10.0 } else { 17.0 };
    for (at, line) in lines.iter().enumerate() {
        sheet.text("", MARGIN + 26.0, y + first + 15.0 * at as f64, line);
    }

    let (actors, open, share) = (row.number("actors"), row.number("open"), row.number("share_of_entry"));
    let tip = format!(
        "{number} {events}: {} actors, {} of the entry, {} open, median {}, p90 {}",
        actors.words(words::number),
        share.words(words::share),
        open.words(words::number),
        row.number("median_ms").words(words::duration),
        row.number("p90_ms").words(words::duration)
    );
    sheet.tip(&tip, |sheet| match share {
        Value::Shown(reached) => {
            let end = x(reached);
            sheet.rect("f0", x(0.0), y, end - x(0.0), ROW - 16.0);
            match (open, entry) {
                (Value::Shown(open), Some(entry)) if open > 0.0 => {
                    sheet.rect("open", end, y, x(reached + open / entry) - end, ROW - 16.0);
                }
                (Value::Suppressed, _) => sheet.hidden(end + 2.0, y, 30.0, ROW - 16.0),
                _ => {}
            }
        }
        Value::Suppressed => sheet.hidden(x(0.0), y, x(1.0) - x(0.0), ROW - 16.0),
        Value::Missing => {}
    });
    let numbers = [
        actors.words(words::number),
        share.words(words::share),
        row.number("share_of_previous").words(words::share),
        row.number("median_ms").words(words::duration),
    ];
    for ((x, _), number) in COLUMNS.into_iter().zip(&numbers) {
        sheet.text("end", x, y + 12.0, &text::fit(number, NUMBER, 12.0));
    }
    let open = match open {
        Value::Shown(open) if open > 0.0 => format!("+{} open", words::number(open)),
        Value::Suppressed => "+<k open".to_owned(),
        _ => String::new(),
    };
    let p90 = row.number("p90_ms").shown().map_or(String::new(), |p90| format!("p90 {}", words::duration(p90)));
    for ((x, _), below) in COLUMNS.into_iter().zip([open, String::new(), String::new(), p90]) {
        if !below.is_empty() {
            sheet.text("muted small end", x, y + 26.0, &text::fit(&below, NUMBER, 11.0));
        }
    }
    sheet.y += ROW;
}
