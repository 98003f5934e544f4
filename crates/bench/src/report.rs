//! Tables, aims, and the page that is made of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use clap::ValueEnum;

use crate::Part;

/// The page, with a name in double braces where something measured goes.
const PAGE: &str = include_str!("../performance.md");

/// A table: first column to the left, the others to the right.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { rows: vec![header.iter().map(ToString::to_string).collect()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// As Markdown, which is readable on a terminal as well.
    pub(crate) fn markdown(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<_> = (0..columns).map(|column| width(column).max(3)).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                // Writing to a string cannot fail.
                let _ = if column == 0 { write!(text, "| {cell:width$} ") } else { write!(text, "| {cell:>width$} ") };
            }
            text.push_str("|\n");
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let _ = if column == 0 {
                        write!(text, "| {} ", "-".repeat(*width))
                    } else {
                        write!(text, "| {}: ", "-".repeat(width - 1))
                    };
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// What was measured so far.
pub(crate) struct Report {
    machine: Table,
    parts: BTreeMap<Part, Vec<String>>,
    aims: Table,
    quick: bool,
    took: Duration,
}

impl Report {
    pub(crate) fn new(machine: Table, quick: bool) -> Self {
        let aims = Table::new(["aim", "wanted", "measured", "met"]);
        Self { machine, parts: BTreeMap::new(), aims, quick, took: Duration::ZERO }
    }

    /// Adds a table to a part.
    pub(crate) fn table(&mut self, part: Part, table: &Table) {
        self.parts.entry(part).or_default().push(table.markdown());
    }

    /// Adds a sentence to a part.
    pub(crate) fn note(&mut self, part: Part, text: impl Into<String>) {
        self.parts.entry(part).or_default().push(text.into() + "\n");
    }

    /// Says that a part is missing, and why.
    pub(crate) fn left_out(&mut self, part: Part, why: &str) {
        self.note(part, why);
    }

    /// Adds an aim and whether it is met.
    pub(crate) fn aim(&mut self, aim: &str, wanted: &str, measured: String, met: bool) {
        self.aims.row([aim.to_owned(), wanted.to_owned(), measured, if met { "yes" } else { "**no**" }.to_owned()]);
    }

    /// How long the whole run took.
    pub(crate) fn took(&mut self, time: Duration) {
        self.took = time;
    }

    fn run(&self) -> String {
        let quick =
            if self.quick { " It was a quick run: it shows that everything runs, not how fast it is." } else { "" };
        format!("The run took {:.0} minutes.{quick}", (self.took.as_secs_f64() / 60.0).ceil())
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.machine.markdown());
        for (part, paragraphs) in &self.parts {
            text += &format!("{part:?}\n\n{}\n", paragraphs.join("\n"));
        }
        text + &format!("{}\n{}\n", self.aims.markdown(), self.run())
    }

    /// The page.
    pub(crate) fn page(&self) -> String {
        let mut page = PAGE
            .replace("{{machine}}", self.machine.markdown().trim_end())
            .replace("{{aims}}", self.aims.markdown().trim_end())
            .replace("{{run}}", &self.run());
        for part in Part::value_variants() {
            let measured = self.parts.get(part).map(|paragraphs| paragraphs.join("\n"));
            let measured = measured.unwrap_or_else(|| "Not part of this run.".to_owned());
            page = page.replace(&format!("{{{{{}}}}}", format!("{part:?}").to_lowercase()), measured.trim_end());
        }
        page
    }
}

/// A time with three digits.
pub(crate) fn duration(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..9.995 => format!("{micros:.2} µs"),
        ..99.95 => format!("{micros:.1} µs"),
        ..999.5 => format!("{micros:.0} µs"),
        ..9_995.0 => format!("{:.2} ms", micros / 1e3),
        ..99_950.0 => format!("{:.1} ms", micros / 1e3),
        ..999_500.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// A whole number with its thousands apart.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
