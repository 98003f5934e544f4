//! Usage: active actors over time, a line for each value; bars where it is told for the whole period at once.

use daybook_proto::product_analytics::v1::QueryMetricResponse;

use crate::bars::{self, Bar};
use crate::groups::{self, BREAKDOWN, Group, PERIOD};
use crate::lines::{self, Series};
use crate::panel::{Panel, Periods};
use crate::sheet::{Look, Sheet};
use crate::summary;
use crate::table::{Holds, Line, NotDrawable, Table};
use crate::ticks::Axis;
use crate::words;

pub(crate) fn draw(response: &QueryMetricResponse) -> Result<Sheet, NotDrawable> {
    let needed = [
        ("events", Holds::Count),
        ("actors", Holds::Count),
        ("daily_actors", Holds::Number),
        ("stickiness", Holds::Share),
    ];
    let table = Table::open("usage", response, &needed, &[(PERIOD, Holds::Time), (BREAKDOWN, Holds::Text)])?;
    let groups = groups::by_weight(&table, "actors");
    let periods = Periods::of(groups::starts(&groups));
    Ok(if periods.len() == 0 { whole(&table, &groups::of(&table)) } else { over_time(&table, &groups, &periods) })
}

fn over_time(table: &Table<'_>, groups: &[Group<'_>], periods: &Periods) -> Sheet {
    let heading = format!("Active actors per {}", periods.unit());
    let mut sheet = Sheet::new(&heading, &summary::sentences(table, "A line chart", Some(periods), groups));
    sheet.remark(&periods.words());
    let series: Vec<Series> = groups
        .iter()
        .enumerate()
        .map(|(at, group)| Series { name: group.name.clone(), look: Look::of(at), points: group.points("actors") })
        .collect();
    if table.has(BREAKDOWN) {
        lines::legend(&mut sheet, &series, |at, series| match groups.get(at).and_then(Group::whole) {
            Some(row) => format!("{}: {} in all", series.name, row.number("actors").words(words::number)),
            None => series.name.clone(),
        });
    } else if let Some(row) = groups.first().and_then(Group::whole) {
        sheet.remark(&format!("Whole period: {}", in_words(row)));
    }
    let points = series.iter().flat_map(|series| &series.points);
    let axis = Axis::of_counts(0.0, points.map(|(_, value)| value.height()).fold(0.0, f64::max), 6);
    let panel = Panel::new(&mut sheet, "Actors", 280.0, axis, words::number);
    lines::draw(&mut sheet, &panel, periods, &series, words::number);
    periods.write(&mut sheet);
    sheet
}

fn whole(table: &Table<'_>, groups: &[Group<'_>]) -> Sheet {
    let mut sheet = Sheet::new("Active actors", &summary::sentences(table, "A bar chart", None, groups));
    let rows = groups.iter().filter_map(|group| group.rows.first().map(|row| (group, row)));
    let bars: Vec<Bar> = rows
        .map(|(group, row)| Bar {
            label: if group.name.is_empty() { "whole period".to_owned() } else { group.name.clone() },
            note: format!("{} actors", row.number("actors").words(words::number)),
            detail: detail(row),
            parts: vec![("f0".to_owned(), row.number("actors"))],
            whole: None,
        })
        .collect();
    bars::draw(&mut sheet, &bars, "actors");
    sheet
}

fn in_words(row: &Line<'_>) -> String {
    format!("{} actors, {}", row.number("actors").words(words::number), detail(row))
}

fn detail(row: &Line<'_>) -> String {
    format!(
        "{} a day, stickiness {}, {} events",
        row.number("daily_actors").words(|mean| words::number((mean * 10.0).round() / 10.0)),
        row.number("stickiness").words(words::share),
        row.number("events").words(words::number),
    )
}
