//! A field with an axis of numbers on its left and periods along its bottom.

use crate::sheet::{LINE, Sheet};
use crate::text;
use crate::ticks::Axis;
use crate::words;

/// Where the field begins and ends.
pub(crate) const LEFT: f64 = 84.0;
/// Half a date is written beyond it.
pub(crate) const RIGHT: f64 = 856.0;
/// A written date, and the room it needs.
const DATE: f64 = 86.0;

/// A field of a chart.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    top: f64,
    height: f64,
    axis: Axis,
}

impl Panel {
    /// Draws the axis with its name above it, and leaves the sheet below the field.
    pub(crate) fn new(sheet: &mut Sheet, name: &str, height: f64, axis: Axis, write: fn(f64) -> String) -> Self {
        sheet.y += LINE + 4.0;
        sheet.text("strong", 20.0, sheet.y - 6.0, &text::fit(name, 840.0, 12.5));
        sheet.y += 6.0;
        let panel = Self { top: sheet.y, height, axis };
        for tick in panel.axis.ticks.clone() {
            let y = panel.y(tick);
            sheet.line(if tick == 0.0 { "axis" } else { "grid" }, (LEFT, y), (RIGHT, y));
            sheet.text("muted small end", LEFT - 8.0, y + 4.0, &if tick == 0.0 { "0".to_owned() } else { write(tick) });
        }
        sheet.y += height;
        panel
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - self.axis.at(value))
    }
}

/// The periods of a chart, from left to right, each as far from the others as in time: one without a row is a gap.
#[derive(Debug, Clone)]
pub(crate) struct Periods {
    starts: Vec<i64>,
    /// How long a period is: the least distance between two.
    step: f64,
}

impl Periods {
    pub(crate) fn of(starts: impl IntoIterator<Item = i64>) -> Self {
        let mut starts: Vec<i64> = starts.into_iter().collect();
        starts.sort_unstable();
        starts.dedup();
        let distances = starts.iter().zip(starts.iter().skip(1)).map(|(start, next)| next.saturating_sub(*start));
        let step = distances.min().unwrap_or(86_400).max(1) as f64;
        Self { starts, step }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// What one is called, as far as its length tells.
    pub(crate) fn unit(&self) -> &'static str {
        if self.starts.len() < 2 {
            return "period";
        }
        match self.step / 86_400.0 {
            days if (0.9..=1.1).contains(&days) => "day",
            days if (6.9..=7.1).contains(&days) => "week",
            days if (27.9..=31.1).contains(&days) => "month",
            _ => "period",
        }
    }

    /// "30 days, 2026-03-01 to 2026-03-30".
    pub(crate) fn words(&self) -> String {
        let unit = self.unit();
        let count = words::count_of(self.len(), unit, &format!("{unit}s"));
        match (self.starts.first(), self.starts.last()) {
            (Some(first), Some(last)) if first != last => {
                format!("{count}, {} to {}", words::day(*first), words::day(*last))
            }
            (Some(first), _) => format!("{count}, from {}", words::day(*first)),
            _ => "no periods".to_owned(),
        }
    }

    fn span(&self) -> f64 {
        match (self.starts.first(), self.starts.last()) {
            (Some(first), Some(last)) => last.saturating_sub(*first) as f64 + self.step,
            _ => self.step,
        }
    }

    /// The middle of a period.
    pub(crate) fn x(&self, start: i64) -> f64 {
        let first = self.starts.first().copied().unwrap_or(start);
        LEFT + (start.saturating_sub(first) as f64 + self.step / 2.0) / self.span() * (RIGHT - LEFT)
    }

    /// How wide a bar of one is.
    pub(crate) fn bar(&self) -> f64 {
        let room = self.step / self.span() * (RIGHT - LEFT);
        // Gaps narrower than a pixel would only blur: such bars touch.
        if room < 4.0 { (room + 0.3).max(0.8) } else { (room * 0.78).min(64.0) }
    }

    /// Whether one follows the other, with none left out in between. Months are of unequal length.
    pub(crate) fn are_next(&self, start: i64, next: i64) -> bool {
        next.saturating_sub(start) as f64 <= self.step * 1.5
    }

    /// Writes dates below a field, evenly and as many as there is room for.
    pub(crate) fn write(&self, sheet: &mut Sheet) {
        let room = (self.step / self.span() * (RIGHT - LEFT)).max(0.001);
        let every = (DATE / room).ceil().max(1.0) as usize;
        let mut free_from = f64::MIN;
        for start in self.starts.iter().step_by(every) {
            let x = self.x(*start);
            if x - DATE / 2.0 >= free_from - 0.5 {
                sheet.line("axis", (x, sheet.y), (x, sheet.y + 4.0));
                sheet.text("muted small middle", x, sheet.y + 17.0, &words::day(*start));
                free_from = x + DATE / 2.0;
            }
        }
        sheet.y += 22.0;
    }
}
