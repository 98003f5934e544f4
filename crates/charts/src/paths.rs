//! Paths: each as its steps, with a bar of the sessions that took it. Those of one value of a breakdown stand together.

use daybook_proto::product_analytics::v1::QueryMetricResponse;

use crate::bars::left_out;
use crate::groups::BREAKDOWN;
use crate::sheet::{LINE, MARGIN, Sheet, WIDTH};
use crate::summary;
use crate::table::{Holds, NotDrawable, Table, Value};
use crate::text;
use crate::ticks::Axis;
use crate::words;

/// Between the names of a path.
const BETWEEN: &str = " > ";
const PATHS_MAX: usize = 30;
/// A path has ten events at most; more is not one of ours.
const STEPS_MAX: usize = 10;

const ROW: f64 = 56.0;
const BAR: f64 = 520.0;
/// Between the steps of a path, with an arrow in it.
const GAP: f64 = 18.0;

pub(crate) fn draw(response: &QueryMetricResponse) -> Result<Sheet, NotDrawable> {
    let needed = [("path", Holds::Text), ("sessions", Holds::Count), ("actors", Holds::Count), ("share", Holds::Share)];
    let table = Table::open("paths", response, &needed, &[(BREAKDOWN, Holds::Text)])?;
    let kind = format!("A chart of horizontal bars, one for each of {} paths", table.rows().count());
    let mut sheet = Sheet::new("Most frequent paths", &summary::sentences(&table, &kind, None, &[]));
    let rows = || table.rows().take(PATHS_MAX);
    let axis = Axis::of_counts(0.0, rows().map(|row| row.number("sessions").height()).fold(0.0, f64::max), 5);
    sheet.y += 6.0;
    let mut value_before = None;
    for row in rows() {
        let value = table.has(BREAKDOWN).then(|| row.label(BREAKDOWN));
        if value != value_before {
            sheet.y += LINE + 4.0;
            let name = value.as_deref().unwrap_or_default();
            sheet.text("strong", MARGIN, sheet.y - 8.0, &text::fit(name, WIDTH - 2.0 * MARGIN, 12.5));
            value_before = value;
        }
        let y = sheet.y;
        let steps: Vec<String> = match row.text("path") {
            Value::Shown(path) => path.split(BETWEEN).map(text::clean).collect(),
            Value::Suppressed => vec![text::SUPPRESSED.to_owned()],
            Value::Missing => vec!["all other paths".to_owned()],
        };
        chips(&mut sheet, &steps, y);
        let sessions = row.number("sessions");
        let tip = format!("{}: {} sessions", steps.join(BETWEEN), sessions.words(words::number));
        sheet.rect("track", MARGIN, y + 26.0, BAR, 16.0);
        sheet.tip(&tip, |sheet| match sessions {
            Value::Shown(sessions) => sheet.rect("f0", MARGIN, y + 26.0, axis.at(sessions) * BAR, 16.0),
            Value::Suppressed => sheet.hidden(MARGIN, y + 26.0, BAR, 16.0),
            Value::Missing => {}
        });
        let note = format!(
            "{} sessions ({}), {} actors",
            sessions.words(words::number),
            row.number("share").words(words::share),
            row.number("actors").words(words::number)
        );
        sheet.text("", MARGIN + BAR + 14.0, y + 38.5, &text::fit(&note, WIDTH - 2.0 * MARGIN - BAR - 14.0, 12.0));
        sheet.y += ROW;
    }
    let bottom = sheet.y - 6.0;
    for tick in &axis.ticks {
        let x = MARGIN + axis.at(*tick) * BAR;
        sheet.line("axis", (x, bottom - 4.0), (x, bottom));
        let class = if *tick == 0.0 { "muted small" } else { "muted small middle" };
        sheet.text(class, x, bottom + 14.0, &words::number(*tick));
    }
    sheet.text("muted small", MARGIN + BAR + 24.0, bottom + 14.0, "sessions");
    sheet.y += 14.0;
    left_out(&mut sheet, table.rows().count(), PATHS_MAX, "paths");
    Ok(sheet)
}

/// The steps beside each other, all cut to the same width where they would not fit.
fn chips(sheet: &mut Sheet, steps: &[String], y: f64) {
    let (shown, room) = (steps.len().min(STEPS_MAX), WIDTH - 2.0 * MARGIN);
    let each_max = (room - GAP * shown.saturating_sub(1) as f64) / shown.max(1) as f64 - 12.0;
    let all: f64 = steps.iter().take(shown).map(|step| text::width(step, 11.0) + 12.0 + GAP).sum();
    let mut x = MARGIN;
    for (at, step) in steps.iter().take(shown).enumerate() {
        if at > 0 {
            sheet.path("whisker", &[(x - 13.0, y + 11.0), (x - 5.0, y + 11.0)], false);
            sheet.path("whisker", &[(x - 8.5, y + 7.5), (x - 5.0, y + 11.0), (x - 8.5, y + 14.5)], false);
        }
        let step = if all > room + GAP { text::fit(step, each_max, 11.0) } else { step.clone() };
        let width = text::width(&step, 11.0) + 12.0;
        sheet.rect("chip", x, y + 1.0, width, 20.0);
        sheet.text("small middle", x + width / 2.0, y + 15.0, &step);
        x += width + GAP;
    }
}
