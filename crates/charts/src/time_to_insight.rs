//! Time to insight: for each value the middle half as a bar, the median in it, a whisker to the 90th percentile.
//!
//! A percentile that too few have reached so far does not exist yet: the bar is open there and goes to the edge of the
//! field, for it can only lie further right than all that was seen.

use daybook_proto::product_analytics::v1::QueryMetricResponse;

use crate::bars::{BARS_MAX, left_out};
use crate::groups::{self, BREAKDOWN};
use crate::sheet::{LINE, MARGIN, Sheet, Swatch};
use crate::summary;
use crate::table::{Holds, Line, NotDrawable, Table, Value};
use crate::text;
use crate::ticks::Axis;
use crate::words;

const LEFT: f64 = 200.0;
const RIGHT: f64 = 640.0;
const NOTE: f64 = 664.0;
const ROW: f64 = 50.0;
const BAR: f64 = 20.0;

const PERCENTILES: [&str; 4] = ["p25_ms", "p50_ms", "p75_ms", "p90_ms"];

pub(crate) fn draw(response: &QueryMetricResponse) -> Result<Sheet, NotDrawable> {
    let counts = [("actors", Holds::Count), ("reached", Holds::Count), ("censored", Holds::Count)];
    let needed: Vec<(&str, Holds)> =
        counts.into_iter().chain(PERCENTILES.map(|percentile| (percentile, Holds::Duration))).collect();
    let table = Table::open("time to insight", response, &needed, &[(BREAKDOWN, Holds::Text)])?;
    let groups = groups::of(&table);
    let kind =
        "A chart of horizontal ranges: the middle half of the times, with the median, and up to the 90th percentile";
    let mut sheet = Sheet::new("Time to insight", &summary::sentences(&table, kind, None, &groups));
    sheet.legend(&[
        (Swatch::Class("f5".to_owned()), "p25 to p75, the median a thick line, the whisker to p90".to_owned()),
        (Swatch::Class("open".to_owned()), "further right than what was seen: not reached yet".to_owned()),
    ]);
    let rows: Vec<(String, Line<'_>)> =
        groups.iter().filter_map(|group| group.rows.first().map(|row| (group.name.clone(), *row))).collect();
    let drawn = || rows.iter().take(BARS_MAX);
    let highest = drawn().flat_map(|(_, row)| PERCENTILES.map(|name| row.number(name).height())).fold(0.0, f64::max);
    let axis = Axis::of_durations(highest, 5);
    let x = |value: f64| LEFT + axis.at(value) * (RIGHT - LEFT);
    sheet.y += 10.0;
    let (top, bottom) = (sheet.y, sheet.y + ROW * drawn().count() as f64);
    for tick in &axis.ticks {
        sheet.line(if *tick == 0.0 { "axis" } else { "grid" }, (x(*tick), top), (x(*tick), bottom));
        sheet.text(
            "muted small middle",
            x(*tick),
            bottom + 15.0,
            &if *tick == 0.0 { "0".to_owned() } else { words::duration(*tick) },
        );
    }
    for (name, row) in drawn() {
        let label = if name.is_empty() { "all" } else { name };
        sheet.text("end", LEFT - 10.0, sheet.y + ROW / 2.0 + 4.0, &text::fit(label, LEFT - MARGIN - 12.0, 12.0));
        let tip =
            format!("{label}: {}", PERCENTILES.map(|name| format!("{} {}", short(name), said(row, name))).join(", "));
        sheet.tip(&tip, |sheet| range(sheet, row, x));
        let reached = format!(
            "{} of {} reached, {} not yet",
            row.number("reached").words(words::number),
            row.number("actors").words(words::number),
            row.number("censored").words(words::number),
        );
        sheet.text("strong", NOTE, sheet.y + 21.0, &text::fit(&format!("median {}", said(row, "p50_ms")), 220.0, 12.5));
        sheet.text("muted small", NOTE, sheet.y + 37.0, &text::fit(&reached, 222.0, 11.0));
        sheet.y += ROW;
    }
    sheet.y = bottom + LINE + 4.0;
    left_out(&mut sheet, rows.len(), BARS_MAX, "values");
    Ok(sheet)
}

fn short(percentile: &str) -> &str {
    percentile.strip_suffix("_ms").unwrap_or(percentile)
}

fn said(row: &Line<'_>, percentile: &str) -> String {
    match row.number(percentile) {
        Value::Missing => "not reached".to_owned(),
        known => known.words(words::duration),
    }
}

fn range(sheet: &mut Sheet, row: &Line<'_>, x: impl Fn(f64) -> f64) {
    let (middle, top) = (sheet.y + ROW / 2.0, sheet.y + (ROW - BAR) / 2.0);
    let [p25, p50, p75, p90] = PERCENTILES.map(|name| row.number(name));
    // From where on nothing is known, and whether it is hidden or does not exist.
    let mut end = None;
    if let (Value::Shown(_), Value::Shown(p90)) = (p75, p90) {
        let from = p75.height();
        sheet.line("whisker", (x(from), middle), (x(p90), middle));
        sheet.line("whisker", (x(p90), middle - 6.0), (x(p90), middle + 6.0));
    }
    match (p25, p75) {
        (Value::Shown(p25), Value::Shown(p75)) => {
            sheet.rect("f5", x(p25), top, (x(p75) - x(p25)).max(1.0), BAR);
            if p90.shown().is_none() {
                end = Some((x(p75), p90.is_suppressed(), "p90"));
            }
        }
        (Value::Shown(p25), unknown) => {
            let from = p50.shown().map_or(x(p25), &x);
            sheet.rect("f5", x(p25), top, (from - x(p25)).max(2.0), BAR);
            let first = if p50.shown().is_some() { "p75" } else { "median" };
            end = Some((from, unknown.is_suppressed() || p50.is_suppressed(), first));
        }
        (unknown, _) => end = Some((x(0.0), unknown.is_suppressed() || p50.is_suppressed(), "p25")),
    }
    if let Some((from, is_hidden, first)) = end {
        let width = RIGHT - from;
        if is_hidden {
            sheet.hidden(from, top, width, BAR);
        } else if first == "p25" {
            sheet.text("muted small", from + 8.0, middle + 4.0, "p25 not reached");
        } else {
            sheet.rect("open", from, top + 5.0, width, BAR - 10.0);
            let (class, at) =
                if from > (LEFT + RIGHT) / 2.0 { ("muted small end", RIGHT) } else { ("muted small", from + 6.0) };
            sheet.text(class, at, top + BAR + 11.0, &format!("{first} not reached"));
        }
    }
    if let Value::Shown(p50) = p50 {
        sheet.line("median", (x(p50), top - 4.0), (x(p50), top + BAR + 4.0));
    }
}
