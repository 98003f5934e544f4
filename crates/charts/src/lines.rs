//! Lines over time, one for each series.

use crate::panel::{LEFT, Panel, Periods};
use crate::sheet::{Look, Sheet, Swatch};
use crate::style::SERIES_MAX;
use crate::table::Value;
use crate::text;

/// With more periods than these, marks would hide the line.
const MARKS_MAX: usize = 45;

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) look: Look,
    /// By period, in their order.
    pub(crate) points: Vec<(i64, Value<f64>)>,
}

/// Draws the lines, the others below those that have a look of their own. A line is broken where there is no number,
/// and a lane below the field says where there is one that is not shown.
pub(crate) fn draw(sheet: &mut Sheet, panel: &Panel, periods: &Periods, all: &[Series], write: fn(f64) -> String) {
    for series in all.iter().rev() {
        let is_marked = !series.look.is_other() && periods.len() <= MARKS_MAX;
        let mut run: Vec<(f64, f64)> = Vec::new();
        let mut before = None;
        for (start, value) in &series.points {
            if before.is_some_and(|before| !periods.are_next(before, *start)) || value.shown().is_none() {
                stroke(sheet, series, &std::mem::take(&mut run), is_marked);
            }
            if let Some(value) = value.shown() {
                run.push((periods.x(*start), panel.y(value)));
            }
            before = Some(*start);
        }
        stroke(sheet, series, &run, is_marked);
        if is_marked {
            for (start, value) in &series.points {
                let Some(value) = value.shown() else { continue };
                let tip = format!("{}, {}: {}", series.name, crate::words::day(*start), write(value));
                sheet.tip(&tip, |sheet| sheet.mark(series.look, periods.x(*start), panel.y(value)));
            }
        }
    }
    lanes(sheet, periods, all);
}

fn stroke(sheet: &mut Sheet, series: &Series, run: &[(f64, f64)], is_marked: bool) {
    match run {
        [] => {}
        // Between two gaps there is no line to see.
        [(x, y)] if !is_marked => sheet.rect(&series.look.fill_class(), x - 1.5, y - 1.5, 3.0, 3.0),
        [(x, y)] => sheet.mark(series.look, *x, *y),
        _ => sheet.path(&series.look.line_class(), run, false),
    }
}

/// Where numbers of a series are not shown; of the others, where any is not.
fn lanes(sheet: &mut Sheet, periods: &Periods, all: &[Series]) {
    const HEIGHT: f64 = 9.0;
    // Clear of the axis and the number beside it.
    let mut gap = 9.0;
    for series in (0..=SERIES_MAX).map(Look::of) {
        let mut starts: Vec<i64> = all
            .iter()
            .filter(|one| one.look == series)
            .flat_map(|one| one.points.iter().filter(|(_, value)| value.is_suppressed()).map(|(start, _)| *start))
            .collect();
        if starts.is_empty() {
            continue;
        }
        starts.sort_unstable();
        starts.dedup();
        sheet.y += std::mem::replace(&mut gap, 3.0);
        let y = sheet.y;
        if series.is_other() {
            sheet.line(&series.line_class(), (LEFT - 50.0, y + 5.0), (LEFT - 34.0, y + 5.0));
        } else {
            sheet.mark(series, LEFT - 40.0, y + 5.0);
        }
        sheet.text("muted tiny end", LEFT - 8.0, y + 8.5, text::SUPPRESSED);
        for start in starts {
            let width = periods.bar().max(3.0);
            sheet.hidden(periods.x(start) - width / 2.0, y, width, HEIGHT);
        }
        sheet.y += HEIGHT;
    }
}

/// A legend of the lines, each with what is to be said of it.
pub(crate) fn legend(sheet: &mut Sheet, all: &[Series], say: impl Fn(usize, &Series) -> String) {
    let own = all.iter().enumerate().filter(|(_, series)| !series.look.is_other());
    let mut entries: Vec<(Swatch, String)> =
        own.map(|(at, series)| (Swatch::Line(series.look), say(at, series))).collect();
    let others = all.iter().filter(|series| series.look.is_other()).count();
    if others > 0 {
        // Not one line: actors of several values, added, would be counted several times.
        entries.push((Swatch::Line(Look::of(SERIES_MAX)), format!("others: {others}, a line each")));
    }
    if !entries.is_empty() {
        sheet.legend(&entries);
    }
}
