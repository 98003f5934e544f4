//! A page around a chart: what it shows, the same numbers as a table, and what whoever reads them should know.

use std::fmt::Write;

use daybook_proto::product_analytics::v1::{Cell, Column, ColumnType, QueryMetricResponse, cell};

use crate::definition;
use crate::style;
use crate::text::{SUPPRESSED, clean, escape, plain};
use crate::words;

/// `chart` is SVG that is well-formed.
pub(crate) fn draw(title: &str, response: &QueryMetricResponse, chart: &str) -> String {
    let title = escape(&clean(title));
    let style = style::themed(style::PAGE, style::PAGE_DARK);
    let print = style::PAGE_PRINT;
    format!(
        concat!(
            "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n",
            "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n",
            "<title>{title}</title>\n<style>{style}@media print{{{print}}}</style>\n</head>\n<body>\n<main>\n",
            "<h1 dir=\"auto\">{title}</h1>\n{definition}<figure class=\"scroll\">\n{chart}</figure>\n{notes}",
            "<h2>Numbers</h2>\n{table}</main>\n{footer}</body>\n</html>\n"
        ),
        title = title,
        style = style,
        print = print,
        definition = definition(response),
        chart = chart,
        notes = notes(response),
        table = table(response),
        footer = footer(response),
    )
}

fn definition(response: &QueryMetricResponse) -> String {
    let Some(metric) = &response.metric else { return String::new() };
    let mut said = String::new();
    if !metric.description.trim().is_empty() {
        let _ = writeln!(said, "<p dir=\"auto\">{}</p>", escape(&plain(&metric.description)));
    }
    let _ = writeln!(said, "<p>{}</p>", escape(&definition::sentences(metric).join(" ")));
    said
}

fn notes(response: &QueryMetricResponse) -> String {
    let mut notes: Vec<String> = response.notes.iter().map(|note| escape(&plain(note))).collect();
    if response.suppressed_cells > 0 {
        notes.push(format!(
            "{} not shown (<b>{}</b>): fewer than k actors are behind each, or it would give such a number away.",
            words::count_of(response.suppressed_cells as usize, "number is", "numbers are"),
            escape(SUPPRESSED)
        ));
    }
    if response.late_events > 0 {
        let last = response.last_late_at.map_or(String::new(), |last| {
            format!(", the last at {}", words::instant(last.seconds.clamp(0, 253_402_300_799)))
        });
        notes.push(format!(
            "{} recorded after their day had ended{last}: numbers that were read before have changed.",
            words::count_of(response.late_events as usize, "event was", "events were"),
        ));
    }
    if notes.is_empty() {
        return String::new();
    }
    let items: String = notes.iter().map(|note| format!("<li dir=\"auto\">{note}</li>\n")).collect();
    format!("<h2>To know</h2>\n<ul>\n{items}</ul>\n")
}

fn table(response: &QueryMetricResponse) -> String {
    let caption = words::count_of(response.rows.len(), "row", "rows");
    let mut table = format!("<div class=\"scroll\">\n<table>\n<caption>{caption}</caption>\n<thead>\n<tr>");
    for column in &response.columns {
        let class = class(column.r#type());
        let _ = write!(table, "<th scope=\"col\" class=\"{class}\">{}</th>", escape(&heading(column)));
    }
    table.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in &response.rows {
        table.push_str("<tr>");
        for (column, cell) in response.columns.iter().zip(row.cells.iter().map(Some).chain(std::iter::repeat(None))) {
            let (class, said) = (class(column.r#type()), escape(&said(column, cell)));
            let _ = write!(table, "<td class=\"{class}\" dir=\"auto\">{said}</td>");
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody>\n</table>\n</div>\n");
    table
}

fn class(column: ColumnType) -> &'static str {
    match column {
        ColumnType::Text | ColumnType::Time | ColumnType::Unspecified => "text",
        ColumnType::Integer | ColumnType::Share | ColumnType::Number | ColumnType::Milliseconds => "number",
    }
}

/// The name of a column as people write it; its unit is in the cells.
fn heading(column: &Column) -> String {
    let name = clean(&column.name);
    name.strip_suffix("_ms").unwrap_or(&name).replace('_', " ")
}

fn said(column: &Column, cell: Option<&Cell>) -> String {
    let Some(value) = cell.and_then(|cell| cell.value.as_ref()) else {
        // The row of the whole period has no start; any other number that is not there is a dash.
        return if column.r#type() == ColumnType::Time { "whole period" } else { "–" }.to_owned();
    };
    match (value, column.r#type()) {
        (cell::Value::Text(text), _) => clean(text),
        (cell::Value::Suppressed(true), _) => SUPPRESSED.to_owned(),
        (cell::Value::Suppressed(false), _) => "–".to_owned(),
        (cell::Value::Time(time), _) => words::day(time.seconds.clamp(-62_135_596_800, 253_402_214_400)),
        (cell::Value::Integer(value), ColumnType::Milliseconds) => words::duration(*value as f64),
        (cell::Value::Number(value), _) if !value.is_finite() => "–".to_owned(),
        (cell::Value::Number(value), ColumnType::Milliseconds) => words::duration(*value),
        (cell::Value::Number(value), ColumnType::Share) => words::share(*value),
        (cell::Value::Number(value), _) => words::number(*value),
        (cell::Value::Integer(value), _) => {
            let sign = if *value < 0 { "−" } else { "" };
            format!("{sign}{}", words::in_groups(&value.unsigned_abs().to_string()))
        }
    }
}

fn footer(response: &QueryMetricResponse) -> String {
    let mut said = Vec::new();
    if let Some(metric) = response.metric.as_ref().filter(|metric| !metric.name.is_empty()) {
        said.push(format!("Metric {}, version {}.", clean(&metric.name), metric.version));
    }
    if let Some(position) = response.position {
        said.push(format!("State of partition {} at position {}.", position.partition, position.offset));
    }
    said.push(match response.events_read {
        0 => "All numbers come from rollups.".to_owned(),
        1 => "1 event was read.".to_owned(),
        count => format!("{} events were read.", words::in_groups(&count.to_string())),
    });
    format!("<footer dir=\"auto\">{}</footer>\n", escape(&said.join(" ")))
}
