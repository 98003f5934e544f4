//! Usage in several tenants together.
//!
//! Pseudonyms are a tenant's own: nobody can tell whether somebody in one tenant is somebody in another, so the actors of
//! several are the sum of their actors. What a tenant's own answer does not show is not in the sum either, or the sum would
//! give it back.

use std::collections::BTreeMap;

use daybook_proto::product_analytics::v1::cell::Value;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, EventSelector};
use serde_json::json;

use super::metric::granularity;
use crate::args::By;
use crate::failure::{Failure, Outcome};
use crate::output::{self, line};
use crate::session::Session;
use crate::units;

/// One period, of all tenants.
#[derive(Default)]
struct Period {
    /// Tenants with events.
    active: u64,
    events: u64,
    actors: u64,
    /// Tenants whose numbers are not shown.
    hidden: u64,
}

/// Asks each tenant and adds up.
pub(super) async fn adoption(
    tenants: &[String],
    (since, until): (&str, &str),
    by: Option<By>,
    events: Vec<String>,
    session: &Session,
) -> Outcome {
    // By start; the whole range has none and comes last.
    let mut periods: BTreeMap<(bool, i64), Period> = BTreeMap::new();
    for tenant in tenants {
        let events = (!events.is_empty()).then(|| EventSelector { names: events.clone(), r#where: Vec::new() });
        let metric = Metric::Usage(v1::UsageMetric { events });
        let request = v1::QueryMetricRequest {
            tenant_id: tenant.clone(),
            metric: Some(v1::MetricDefinition { metric: Some(metric), ..Default::default() }),
            start_time: Some(units::time(since).map_err(Failure::new)?),
            end_time: Some(units::time(until).map_err(Failure::new)?),
            granularity: granularity(by).into(),
            ..Default::default()
        };
        let answer: v1::QueryMetricResponse = session.client.ask(&request).await?;
        let place = |name: &str| answer.columns.iter().position(|column| column.name == name);
        let places = (place("period_start"), place("events"), place("actors"));
        for row in &answer.rows {
            let cell = |place: Option<usize>| place.and_then(|at| row.cells.get(at)?.value.as_ref());
            let key = match cell(places.0) {
                Some(Value::Time(time)) => (false, time.seconds),
                _ => (true, 0),
            };
            let period = periods.entry(key).or_default();
            match (cell(places.1), cell(places.2)) {
                (Some(Value::Integer(0)), _) => {}
                (Some(Value::Integer(events)), Some(Value::Integer(actors))) => {
                    period.active += 1;
                    period.events = period.events.saturating_add(events.unsigned_abs());
                    period.actors = period.actors.saturating_add(actors.unsigned_abs());
                }
                _ => {
                    period.active += 1;
                    period.hidden += 1;
                }
            }
        }
    }
    show(&periods, session.json);
    Ok(())
}

fn show(periods: &BTreeMap<(bool, i64), Period>, as_json: bool) {
    let start = |(is_whole, seconds): &(bool, i64)| match is_whole {
        true => String::new(),
        false => units::show_time(Some(&prost_types::Timestamp { seconds: *seconds, nanos: 0 })),
    };
    if as_json {
        let row = |(key, period): (&(bool, i64), &Period)| {
            json!({
                "periodStart": start(key), "activeTenants": period.active, "events": period.events,
                "actors": period.actors, "hiddenTenants": period.hidden,
            })
        };
        output::json(&json!({ "periods": periods.iter().map(row).collect::<Vec<_>>() }));
        return;
    }
    let rows = periods.iter().map(|(key, period)| {
        [start(key), period.active.to_string(), period.events.to_string(), period.actors.to_string()]
    });
    output::table(["period_start", "active_tenants", "events", "actors"], rows);
    let hidden: u64 = periods.values().map(|period| period.hidden).sum();
    if hidden > 0 {
        line(format_args!("{hidden} numbers of single tenants are of too few actors, and not in the sums"));
    }
}
