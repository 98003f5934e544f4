//! Computing a metric: from the command line to a question, from its answer to a table.

use std::path::Path;

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table};
use daybook_proto::product_analytics::v1::breakdown::By as SplitBy;
use daybook_proto::product_analytics::v1::cell::Value;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, ColumnType, EventSelector};

use crate::args::{By, MetricArguments, StepOrder};
use crate::failure::{Failure, Outcome};
use crate::output::{self, line};
use crate::session::Session;
use crate::{period, units};

/// Computes a metric and shows it, or writes it into a file for other programs.
pub(super) async fn query(arguments: MetricArguments, arrow: Option<&Path>, session: &Session) -> Outcome {
    let zone = arguments.zone.clone();
    let response = ask(arguments, session).await?;
    if let Some(file) = arrow {
        let stream = daybook_columnar::of_answer(&response).and_then(|table| daybook_columnar::arrow_stream(&table));
        let stream = stream.map_err(Failure::new)?;
        std::fs::write(file, stream).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        line(format_args!("written: {}", file.display()));
        return Ok(());
    }
    session.show(&response, |response| show(response, &zone))
}

/// Asks the node.
pub(super) async fn ask(arguments: MetricArguments, session: &Session) -> Outcome<v1::QueryMetricResponse> {
    let granularity = granularity(arguments.by);
    let breakdown = arguments.split.clone().map(|split| breakdown(split, arguments.top));
    let request = v1::QueryMetricRequest {
        tenant_id: session.tenant.clone(),
        min_position: None,
        start_time: Some(units::time_in(&arguments.since, &arguments.zone).map_err(Failure::new)?),
        end_time: Some(units::time_in(&arguments.until, &arguments.zone).map_err(Failure::new)?),
        time_zone: arguments.zone.clone(),
        granularity: granularity.into(),
        filters: arguments.filters.clone(),
        breakdown,
        metric: Some(definition(arguments)),
    };
    session.client.ask(&request).await
}

/// For each of which periods.
pub(super) fn granularity(by: Option<By>) -> v1::Granularity {
    match by {
        None => v1::Granularity::Unspecified,
        Some(By::Day) => v1::Granularity::Day,
        Some(By::Week) => v1::Granularity::Week,
        Some(By::Month) => v1::Granularity::Month,
    }
}

/// Split by what.
pub(super) fn breakdown(split: String, limit: u32) -> v1::Breakdown {
    let by = match split.as_str() {
        "event" => SplitBy::Event(true),
        "feature" => SplitBy::Feature(true),
        _ => SplitBy::Property(split),
    };
    v1::Breakdown { by: Some(by), limit }
}

fn definition(arguments: MetricArguments) -> v1::MetricDefinition {
    let selector = |names: Vec<String>| EventSelector { names, r#where: Vec::new() };
    let some = |names: Vec<String>| (!names.is_empty()).then(|| selector(names));
    let events = some(arguments.events);
    let metric = match arguments.metric.as_str() {
        "usage" => Metric::Usage(v1::UsageMetric { events }),
        "funnel" => {
            let funnel = arguments.funnel;
            let step = |step: String| {
                let (names, optional) = match step.strip_suffix('?') {
                    Some(names) => (names, true),
                    None => (step.as_str(), false),
                };
                let names = names.split('|').map(|name| name.trim().to_owned()).collect();
                v1::FunnelStep { events: Some(selector(names)), optional }
            };
            let order = match funnel.order {
                StepOrder::Ordered => v1::FunnelOrder::Unspecified,
                StepOrder::Strict => v1::FunnelOrder::Strict,
                StepOrder::Increasing => v1::FunnelOrder::Increasing,
                StepOrder::Any => v1::FunnelOrder::Any,
            };
            Metric::Funnel(v1::FunnelMetric {
                steps: funnel.steps.into_iter().map(step).collect(),
                order: order.into(),
                conversion_window: funnel.window.map(units::proto_duration),
                exclusions: some(funnel.exclude).into_iter().collect(),
                ..Default::default()
            })
        }
        "retention" => {
            let retention = arguments.retention;
            let kind = match retention.rolling {
                true => v1::RetentionKind::Rolling,
                false => v1::RetentionKind::Unspecified,
            };
            Metric::Retention(v1::RetentionMetric {
                first: events,
                returning: some(retention.returning),
                kind: kind.into(),
                first_time: retention.first_time,
                periods: retention.periods,
            })
        }
        "lifecycle" => Metric::Lifecycle(v1::LifecycleMetric { events }),
        "paths" => Metric::Paths(v1::PathsMetric {
            events,
            starting_with: arguments.paths.starting_with,
            length: arguments.paths.length,
            limit: arguments.top,
        }),
        "sessions" => Metric::Sessions(v1::SessionsMetric { events }),
        "time-to-insight" => Metric::TimeToInsight(v1::TimeToInsightMetric { insight: events }),
        "copilot" => Metric::Copilot(v1::CopilotMetric {
            outcomes: events,
            attribution_window: arguments.attribution_window.map(units::proto_duration),
        }),
        name => {
            return v1::MetricDefinition { name: name.to_owned(), version: arguments.version, ..Default::default() };
        }
    };
    v1::MetricDefinition { metric: Some(metric), ..Default::default() }
}

/// The first rows of an answer, for people.
pub(crate) fn show_some(response: &v1::QueryMetricResponse, rows: usize) {
    show_rows(response, rows, "");
    let more = response.rows.len().saturating_sub(rows);
    if more > 0 {
        line(format_args!("... and {more} rows more"));
    }
}

fn show_rows(response: &v1::QueryMetricResponse, rows: usize, zone: &str) {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(response.columns.iter().map(|column| Cell::new(&column.name).add_attribute(Attribute::Bold)));
    for row in response.rows.iter().take(rows) {
        let cells = response.columns.iter().zip(&row.cells).map(|(column, cell)| {
            let alignment = match column.r#type() {
                ColumnType::Text | ColumnType::Time => CellAlignment::Left,
                _ => CellAlignment::Right,
            };
            Cell::new(text(column.r#type(), cell.value.as_ref(), zone)).set_alignment(alignment)
        });
        table.add_row(cells);
    }
    if response.rows.is_empty() {
        line("nothing to show");
    } else {
        output::print(&table);
    }
    if response.suppressed_cells > 0 {
        line(format_args!(
            "{} numbers are not shown: of too few actors, or they would give such a number away",
            response.suppressed_cells
        ));
    }
}

fn show(response: &v1::QueryMetricResponse, zone: &str) {
    show_rows(response, usize::MAX, zone);
    if response.late_events > 0 {
        let last = units::show_time(response.last_late_at.as_ref());
        line(format_args!(
            "{} events of these days came after the day had ended, the last at {last}",
            response.late_events
        ));
    }
    if response.erased_events > 0 {
        let last = units::show_time(response.last_erased_at.as_ref());
        line(format_args!(
            "{} events of these days are gone with actors that were erased, the last at {last}",
            response.erased_events
        ));
    }
    response.notes.iter().for_each(line);
}

fn text(of: ColumnType, value: Option<&Value>, zone: &str) -> String {
    match (of, value) {
        (_, None) => String::new(),
        (_, Some(Value::Suppressed(_))) => "*".to_owned(),
        (_, Some(Value::Text(text))) => text.clone(),
        (_, Some(Value::Time(time))) => units::show_time_in(time, zone),
        (ColumnType::Milliseconds, Some(Value::Integer(ms))) => {
            let ms = u64::try_from(*ms).unwrap_or_default();
            match ms {
                0..1_000 => format!("{ms} ms"),
                _ => period::show_duration(Some(&units::proto_duration(std::time::Duration::from_secs(ms / 1_000)))),
            }
        }
        (_, Some(Value::Integer(number))) => number.to_string(),
        (ColumnType::Share, Some(Value::Number(share))) => format!("{:.1} %", share * 100.0),
        (_, Some(Value::Number(number))) => format!("{number:.2}"),
    }
}
