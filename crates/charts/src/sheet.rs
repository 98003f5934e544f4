//! What a chart is drawn on: 900 pixels wide, as high as it gets.

use std::fmt::Write;

use crate::style::{self, SERIES_MAX};
use crate::text;

/// How wide every chart is.
pub(crate) const WIDTH: f64 = 900.0;
/// Where everything begins on the left.
pub(crate) const MARGIN: f64 = 20.0;
/// How high a line of text is.
pub(crate) const LINE: f64 = 18.0;

/// A chart while it is drawn, from the top down.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    heading: String,
    description: String,
    body: String,
    /// How far down it is drawn already.
    pub(crate) y: f64,
    hides: bool,
}

impl Sheet {
    /// `heading` says what is seen; `description` in sentences what somebody who does not see it should know.
    pub(crate) fn new(heading: &str, description: &str) -> Self {
        let mut sheet = Self {
            heading: heading.to_owned(),
            description: description.to_owned(),
            body: String::new(),
            y: 44.0,
            hides: false,
        };
        sheet.text("heading", MARGIN, 30.0, &text::fit(heading, WIDTH - 2.0 * MARGIN, 17.0));
        sheet
    }

    /// A line of text of its own, in muted ink.
    pub(crate) fn remark(&mut self, remark: &str) {
        self.y += LINE;
        self.text("muted", MARGIN, self.y - 5.0, &text::fit(remark, WIDTH - 2.0 * MARGIN, 12.0));
    }

    pub(crate) fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64) {
        self.put(format_args!(
            r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}"/>"#,
            at(x),
            at(y),
            at(width.max(0.0)),
            at(height.max(0.0))
        ));
    }

    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.put(format_args!(
            r#"<line class="{class}" x1="{}" y1="{}" x2="{}" y2="{}"/>"#,
            at(from.0),
            at(from.1),
            at(to.0),
            at(to.1)
        ));
    }

    /// From point to point; filled if it is closed.
    pub(crate) fn path(&mut self, class: &str, points: &[(f64, f64)], is_closed: bool) {
        let mut steps = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(steps, "{}{} {}", if index == 0 { "M" } else { "L" }, at(*x), at(*y));
        }
        if is_closed {
            steps.push('Z');
        }
        self.put(format_args!(r#"<path class="{class}" d="{steps}"/>"#));
    }

    /// `text` is escaped here; whoever gives it has cut it.
    pub(crate) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let text = text::escape(text);
        self.put(format_args!(r#"<text class="{class}" x="{}" y="{}">{text}</text>"#, at(x), at(y)));
    }

    /// What is drawn within tells this to whoever points at it.
    pub(crate) fn tip(&mut self, tip: &str, draw: impl FnOnce(&mut Self)) {
        self.put(format_args!("<g><title>{}</title>", text::escape(tip)));
        draw(self);
        self.put(format_args!("</g>"));
    }

    /// A place whose number is not shown, whatever its size is.
    pub(crate) fn hidden(&mut self, x: f64, y: f64, width: f64, height: f64) {
        self.hides = true;
        self.rect("hidden", x, y, width, height);
    }

    /// A mark on a line: four shapes, then the same hollow.
    pub(crate) fn mark(&mut self, look: Look, x: f64, y: f64) {
        let (class, shape) = (look.mark_class(), look.0.unwrap_or(0) % 4);
        match shape {
            1 => self.rect(&class, x - 3.0, y - 3.0, 6.0, 6.0),
            2 => self.path(&class, &[(x - 3.8, y + 3.0), (x, y - 3.8), (x + 3.8, y + 3.0)], true),
            3 => self.path(&class, &[(x - 4.0, y), (x, y - 4.0), (x + 4.0, y), (x, y + 4.0)], true),
            _ => self.put(format_args!(r#"<circle class="{class}" cx="{}" cy="{}" r="3"/>"#, at(x), at(y))),
        }
    }

    /// Says what the looks mean, in as many lines as that takes.
    pub(crate) fn legend(&mut self, entries: &[(Swatch, String)]) {
        const SWATCH: f64 = 26.0;
        let mut x = MARGIN;
        self.y += LINE;
        for (swatch, label) in entries {
            let label = text::fit(label, 420.0, 12.0);
            let width = SWATCH + text::width(&label, 12.0) + 14.0;
            if x > MARGIN && x + width > WIDTH - MARGIN {
                x = MARGIN;
                self.y += LINE;
            }
            let y = self.y - 9.0;
            match swatch {
                Swatch::Line(look) => {
                    self.line(&look.line_class(), (x, y), (x + 20.0, y));
                    if look.0.is_some() {
                        self.mark(*look, x + 10.0, y);
                    }
                }
                Swatch::Class(class) => self.rect(class, x, y - 6.0, 20.0, 12.0),
            }
            self.text("", x + SWATCH, self.y - 5.0, &label);
            x += width;
        }
        self.y += 4.0;
    }

    /// The same without anything drawn, for a table without rows: axes of nothing would look like numbers.
    pub(crate) fn emptied(self) -> Self {
        let mut empty = Self::new(&self.heading, &self.description);
        empty.remark("There is nothing in this period.");
        empty
    }

    /// The whole chart. What is hatched is explained where something is.
    pub(crate) fn finish(mut self) -> String {
        if self.hides {
            self.y += LINE + 2.0;
            self.rect("hidden", MARGIN, self.y - 15.0, 20.0, 12.0);
            let says = "Hatched or <k: not shown; fewer than k actors are behind it, or it would give such a number \
                        away. Its size says nothing.";
            self.text("muted small", MARGIN + 26.0, self.y - 5.0, says);
        }
        let height = self.y + 14.0;
        format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" class="daybook-chart" role="img" "#,
                r#"viewBox="0 0 {width} {height}" width="{width}" height="{height}">"#,
                "\n<title>{title}</title>\n<desc>{description}</desc>\n<style>{style}</style>\n",
                r#"<defs><pattern id="daybook-hidden" width="6" height="6" patternUnits="userSpaceOnUse" "#,
                r#"patternTransform="rotate(-45)"><line class="hidden-line" x1="0" y1="0" x2="0" y2="6"/></pattern>"#,
                r#"<pattern id="daybook-open" width="5" height="5" patternUnits="userSpaceOnUse" "#,
                r#"patternTransform="rotate(45)"><line class="open-line" x1="0" y1="0" x2="0" y2="5"/></pattern>"#,
                "</defs>",
                "\n<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n"
            ),
            width = at(WIDTH),
            height = at(height),
            title = text::escape(&self.heading),
            description = text::escape(&self.description),
            style = style::themed(style::CHART, style::CHART_DARK),
            body = self.body,
        )
    }

    fn put(&mut self, what: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.body, "{what}");
    }
}

/// The look of a series: one of eight, or that of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look(Option<usize>);

impl Look {
    pub(crate) fn of(series: usize) -> Self {
        Self((series < SERIES_MAX).then_some(series))
    }

    pub(crate) fn is_other(self) -> bool {
        self.0.is_none()
    }

    fn letter(self) -> String {
        self.0.map_or("o".to_owned(), |series| series.to_string())
    }

    pub(crate) fn fill_class(self) -> String {
        format!("f{}", self.letter())
    }

    pub(crate) fn line_class(self) -> String {
        match self.0 {
            None => "line thin lo".to_owned(),
            Some(series) if series >= 4 => format!("line dashed l{series}"),
            Some(series) => format!("line l{series}"),
        }
    }

    fn mark_class(self) -> String {
        match self.0 {
            Some(series) if series >= 4 => format!("mark hollow l{series}"),
            _ => format!("mark f{0} l{0}", self.letter()),
        }
    }
}

/// What a legend shows beside a word.
#[derive(Debug, Clone)]
pub(crate) enum Swatch {
    /// A line with its mark.
    Line(Look),
    /// A field of a class.
    Class(String),
}

/// A coordinate with one decimal, whatever was computed.
fn at(coordinate: f64) -> String {
    let tame = if coordinate.is_finite() { coordinate.clamp(-1e7, 1e7) } else { 0.0 };
    let written = format!("{tame:.1}");
    let short = written.strip_suffix(".0").unwrap_or(&written);
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}
