//! Horizontal bars, one for each value, with words beside them.

use crate::sheet::{LINE, MARGIN, Sheet, WIDTH};
use crate::table::Value;
use crate::text;
use crate::ticks::Axis;
use crate::words;

/// More than these are left to the table below the chart.
pub(crate) const BARS_MAX: usize = 30;

const LEFT: f64 = 210.0;
const RIGHT: f64 = 550.0;
const ROW: f64 = 40.0;
const BAR: f64 = 22.0;
/// How long what is not shown is drawn, at most.
const HIDDEN: f64 = 34.0;

/// One bar.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) label: String,
    /// What is said on its right, and below that.
    pub(crate) note: String,
    pub(crate) detail: String,
    /// Its parts from the left: class of the field and size.
    pub(crate) parts: Vec<(String, Value<f64>)>,
    /// What the parts are parts of, as an outline around them.
    pub(crate) whole: Option<Value<f64>>,
}

impl Bar {
    fn length(&self) -> f64 {
        let parts: f64 = self.parts.iter().map(|(_, value)| value.height()).sum();
        parts.max(self.whole.map_or(0.0, Value::height))
    }
}

/// Draws the bars with an axis of counts below.
pub(crate) fn draw(sheet: &mut Sheet, bars: &[Bar], axis_name: &str) {
    let drawn = || bars.iter().take(BARS_MAX);
    let axis = Axis::of_counts(0.0, drawn().map(Bar::length).fold(0.0, f64::max), 5);
    let x = |value: f64| LEFT + axis.at(value) * (RIGHT - LEFT);
    sheet.y += 10.0;
    let (top, bottom) = (sheet.y, sheet.y + ROW * drawn().count() as f64 + 4.0);
    for tick in &axis.ticks {
        sheet.line(if *tick == 0.0 { "axis" } else { "grid" }, (x(*tick), top), (x(*tick), bottom));
        sheet.text("muted small middle", x(*tick), bottom + 15.0, &words::number(*tick));
    }
    for bar in drawn() {
        let y = sheet.y + (ROW - BAR) / 2.0 + 2.0;
        sheet.text("end", LEFT - 10.0, y + 15.0, &text::fit(&bar.label, LEFT - MARGIN - 12.0, 12.0));
        let mut reached = 0.0;
        let tip = format!("{}: {}, {}", bar.label, bar.note, bar.detail);
        sheet.tip(&tip, |sheet| {
            for (class, value) in &bar.parts {
                let (from, to) = (x(reached), x(reached + value.height()));
                if to > from {
                    sheet.rect(class, from, y, to - from, BAR);
                }
                reached += value.height();
            }
            let whole = bar.whole.and_then(Value::shown);
            if bar.parts.iter().any(|(_, value)| value.is_suppressed())
                || bar.whole.is_some_and(|it| it.is_suppressed())
            {
                let room = whole.map_or(HIDDEN, |whole| x(whole) - x(reached) - 2.0);
                sheet.hidden(x(reached) + 1.0, y, room.clamp(6.0, HIDDEN), BAR);
            }
            if let Some(whole) = whole {
                sheet.rect("outline", LEFT, y, x(whole.max(reached)) - LEFT, BAR);
            }
        });
        let room = WIDTH - MARGIN - RIGHT - 24.0;
        sheet.text("strong", RIGHT + 24.0, y + 8.0, &text::fit(&bar.note, room, 12.5));
        sheet.text("muted small", RIGHT + 24.0, y + 24.0, &text::fit(&bar.detail, room, 11.0));
        sheet.y += ROW;
    }
    sheet.text("muted small end", LEFT - 10.0, bottom + 15.0, axis_name);
    sheet.y = bottom + LINE + 4.0;
    left_out(sheet, bars.len(), BARS_MAX, "values");
}

/// Says how many are not drawn.
pub(crate) fn left_out(sheet: &mut Sheet, count: usize, drawn_max: usize, what: &str) {
    if count > drawn_max {
        let (drawn, all) = (words::number(drawn_max as f64), words::number(count as f64));
        sheet.remark(&format!("Drawn: {drawn} of {all} {what}. All numbers are in the response."));
    }
}
