//! Bars over time, stacked of parts.

use crate::panel::{Panel, Periods};
use crate::sheet::{Look, Sheet};
use crate::table::Value;
use crate::words;

/// How high the mark of a part is whose number is not shown.
const HIDDEN: f64 = 14.0;

/// One part of a bar.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) look: Look,
    pub(crate) value: Value<f64>,
}

/// Draws the bar of a period upwards from zero, or downwards. What is not shown is one hatched piece at its end, of a
/// size that says nothing.
pub(crate) fn draw(sheet: &mut Sheet, panel: &Panel, periods: &Periods, start: i64, parts: &[Part], is_down: bool) {
    let (x, width) = (periods.x(start) - periods.bar() / 2.0, periods.bar());
    let sign = if is_down { -1.0 } else { 1.0 };
    let mut reached = 0.0;
    for part in parts {
        let value = part.value.height();
        if value > 0.0 {
            let (from, to) = (panel.y(reached * sign), panel.y((reached + value) * sign));
            let tip = format!("{}, {}: {}", words::day(start), part.name, words::number(value));
            // A ground-coloured edge parts the parts; on narrow bars it would eat them.
            let class = format!("{}{}", part.look.fill_class(), if width > 5.0 { " part" } else { "" });
            sheet.tip(&tip, |sheet| sheet.rect(&class, x, from.min(to), width, (to - from).abs()));
            reached += value;
        }
    }
    let hidden: Vec<&str> = parts.iter().filter(|part| part.value.is_suppressed()).map(|part| part.name).collect();
    if !hidden.is_empty() {
        let end = panel.y(reached * sign);
        let top = if is_down { end } else { end - HIDDEN };
        let tip = format!("{}, not shown: {}", words::day(start), hidden.join(", "));
        sheet.tip(&tip, |sheet| sheet.hidden(x, top, width, HIDDEN));
    }
}

/// How high a bar gets.
pub(crate) fn height(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.value.height()).sum()
}
