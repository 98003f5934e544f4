//! Sessions: how many, and below that on a field of its own how long the median one is. Two axes over each other would
//! let the two cross wherever their scales happen to.

use daybook_proto::product_analytics::v1::QueryMetricResponse;

use crate::bars::{self, Bar};
use crate::groups::{self, BREAKDOWN, Group, PERIOD};
use crate::lines::{self, Series};
use crate::panel::{Panel, Periods};
use crate::sheet::{Look, Sheet};
use crate::stacks::{self, Part};
use crate::summary;
use crate::table::{Holds, Line, NotDrawable, Table};
use crate::ticks::Axis;
use crate::words;

pub(crate) fn draw(response: &QueryMetricResponse) -> Result<Sheet, NotDrawable> {
    let needed = [
        ("sessions", Holds::Count),
        ("actors", Holds::Count),
        ("events_per_session", Holds::Number),
        ("median_ms", Holds::Duration),
        ("p90_ms", Holds::Duration),
    ];
    let table = Table::open("sessions", response, &needed, &[(PERIOD, Holds::Time), (BREAKDOWN, Holds::Text)])?;
    let groups = groups::by_weight(&table, "sessions");
    let periods = Periods::of(groups::starts(&groups));
    Ok(if periods.len() == 0 { whole(&table, &groups::of(&table)) } else { over_time(&table, &groups, &periods) })
}

fn over_time(table: &Table<'_>, groups: &[Group<'_>], periods: &Periods) -> Sheet {
    let heading = format!("Sessions per {} and their median length", periods.unit());
    let kind = "A chart of how many sessions there are, above one of their median length";
    let mut sheet = Sheet::new(&heading, &summary::sentences(table, kind, Some(periods), groups));
    sheet.remark(&periods.words());
    let counts = series(groups, "sessions");
    let is_split = table.has(BREAKDOWN);
    if is_split {
        lines::legend(&mut sheet, &counts, |_, series| series.name.clone());
    } else if let Some(row) = groups.first().and_then(Group::whole) {
        sheet.remark(&format!("Whole period: {}", in_words(row)));
    }
    let panel = Panel::new(&mut sheet, "Sessions", 200.0, Axis::of_counts(0.0, highest(&counts), 4), words::number);
    if is_split {
        lines::draw(&mut sheet, &panel, periods, &counts, words::number);
    } else {
        for (start, value) in counts.iter().flat_map(|series| &series.points) {
            let part = Part { name: "sessions", look: Look::of(0), value: *value };
            stacks::draw(&mut sheet, &panel, periods, *start, &[part], false);
        }
    }
    periods.write(&mut sheet);
    let mut lengths = series(groups, "median_ms");
    if !is_split {
        for series in &mut lengths {
            // Not the look of the bars: it is something else.
            series.look = Look::of(1);
            series.name = "median length".to_owned();
        }
    }
    let axis = Axis::of_durations(highest(&lengths), 3);
    let panel = Panel::new(&mut sheet, "Median length of a session", 120.0, axis, words::duration);
    lines::draw(&mut sheet, &panel, periods, &lengths, words::duration);
    periods.write(&mut sheet);
    sheet
}

fn series(groups: &[Group<'_>], column: &str) -> Vec<Series> {
    let of = |(at, group): (usize, &Group<'_>)| Series {
        name: group.name.clone(),
        look: Look::of(at),
        points: group.points(column),
    };
    groups.iter().enumerate().map(of).collect()
}

fn highest(all: &[Series]) -> f64 {
    all.iter().flat_map(|series| &series.points).map(|(_, value)| value.height()).fold(0.0, f64::max)
}

fn whole(table: &Table<'_>, groups: &[Group<'_>]) -> Sheet {
    let mut sheet = Sheet::new("Sessions", &summary::sentences(table, "A bar chart", None, groups));
    let rows = groups.iter().filter_map(|group| group.rows.first().map(|row| (group, row)));
    let bars: Vec<Bar> = rows
        .map(|(group, row)| Bar {
            label: if group.name.is_empty() { "whole period".to_owned() } else { group.name.clone() },
            note: format!("{} sessions", row.number("sessions").words(words::number)),
            detail: detail(row),
            parts: vec![("f0".to_owned(), row.number("sessions"))],
            whole: None,
        })
        .collect();
    bars::draw(&mut sheet, &bars, "sessions");
    sheet
}

fn in_words(row: &Line<'_>) -> String {
    format!("{} sessions, {}", row.number("sessions").words(words::number), detail(row))
}

fn detail(row: &Line<'_>) -> String {
    let length = |column| row.number(column).words(words::duration);
    let events = row.number("events_per_session").words(|mean| words::number((mean * 10.0).round() / 10.0));
    format!("median {}, p90 {}, {events} events each", length("median_ms"), length("p90_ms"))
}
