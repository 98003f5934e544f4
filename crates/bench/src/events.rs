//! Events of product use: how many come in, and how long metrics take over them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, *};
use prost_types::value::Kind;
use prost_types::{Struct, Timestamp, Value};

use crate::client::{Client, QUERY_METRIC, RECORD_EVENTS, SET_PROFILE, SET_SCHEMAS};
use crate::load::{call, histogram, so_often};
use crate::machine::{mib, processor_time};
use crate::node::ChildNode;
use crate::report::{Report, Table, count};
use crate::{Part, Scale};

const BATCH: u64 = 500;
const CALLERS: usize = 4;
const DAYS: u64 = 30;
const DAY: u64 = 86_400;
const TENANT: &str = "acme";
const NAMES: [&str; 6] =
    ["page.viewed", "filters.applied", "answer.shown", "answer.used", "case.exported", "insight.accepted"];
const WORDS: [&str; 4] = ["first", "second", "third", "fourth"];

fn schemas() -> Vec<EventSchema> {
    let property = |name: &str, of: PropertyType| PropertySchema {
        name: name.to_owned(),
        r#type: of.into(),
        ..Default::default()
    };
    let words = |name| PropertySchema {
        values: WORDS.iter().map(ToString::to_string).collect(),
        ..property(name, PropertyType::Enum)
    };
    let number = |name, of| PropertySchema { minimum: 0, maximum: 100_000, ..property(name, of) };
    let properties = vec![
        words("role"),
        words("pane"),
        words("platform"),
        number("results", PropertyType::Integer),
        number("took", PropertyType::Duration),
        property("is_saved", PropertyType::Boolean),
        property("is_first", PropertyType::Boolean),
        property("case_id", PropertyType::OpaqueId),
    ];
    let schema = |name: &&str| EventSchema {
        name: (*name).to_owned(),
        version: 1,
        feature: name.split('.').next().unwrap_or_default().to_owned(),
        purpose: "product".to_owned(),
        properties: properties.clone(),
        ..Default::default()
    };
    NAMES.iter().map(schema).collect()
}

/// Numbers that look random and follow from one (SplitMix64, G. Steele et al., 2014).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn event(number: u64, actors: u64, total: u64, start: u64) -> Event {
    let random = mixed(number);
    let value = |kind| Value { kind: Some(kind) };
    let word = |at: u64| value(Kind::StringValue(WORDS[(at % 4) as usize].to_owned()));
    let number_of = |number: u64| value(Kind::NumberValue(number as f64));
    let fields = [
        ("role", word(random)),
        ("pane", word(random >> 2)),
        ("platform", word(random >> 4)),
        ("results", number_of(random >> 6 & 0x1fff)),
        ("took", number_of(random >> 20 & 0xffff)),
        ("is_saved", value(Kind::BoolValue(random >> 40 & 1 == 1))),
        ("is_first", value(Kind::BoolValue(random >> 41 & 1 == 1))),
        ("case_id", value(Kind::StringValue(format!("case-{}", random >> 42 & 0xfff)))),
    ];
    // Steps of one actor follow each other more often than not, as they do in a product.
    let actor = mixed(number / 3) % actors;
    let seconds = start + (number as u128 * u128::from(DAYS * DAY) / u128::from(total)) as u64;
    Event {
        event_id: format!("{:016x}{number:016x}", mixed(!number)),
        name: NAMES[(mixed(number ^ 0x5555) % 100) as usize * NAMES.len() / 100].to_owned(),
        actor: format!("user-{actor}@example.org"),
        time: Some(Timestamp { seconds: seconds as i64, nanos: 0 }),
        properties: Some(Struct { fields: fields.map(|(name, value)| (name.to_owned(), value)).into() }),
        ..Default::default()
    }
}

/// Records events, then asks for metrics.
pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let node = ChildNode::start(folder.join("data"), "embedded", "events").await?;
    let client = Arc::new(Client::connect(&node.address, &node.data, &[TENANT.to_owned()]).await?);
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let profile = MinimisationProfile {
        purposes_without_consent: vec!["product".to_owned()],
        late_max: seconds(60 * DAY as i64),
        pseudonym_epoch_days: 366,
        ..Default::default()
    };
    let request = SetMinimisationProfileRequest { profile: Some(profile), ..Default::default() };
    let _: SetMinimisationProfileResponse = client.call(0, SET_PROFILE, TENANT, request).await?;
    let request = SetEventSchemasRequest { schemas: schemas(), ..Default::default() };
    let _: SetEventSchemasResponse = client.call(0, SET_SCHEMAS, TENANT, request).await?;

    let today = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / DAY * DAY;
    let (start, total, actors) = (today - DAYS * DAY, scale.events, scale.actors);
    record(&node, &client, scale, start, report).await?;

    let mut table = Table::new(["question", "asked", "p50, ms", "p99, ms", "events read"]);
    for (name, often, metric, granularity, aim) in questions() {
        let request = QueryMetricRequest {
            metric: Some(MetricDefinition { metric: Some(metric), ..Default::default() }),
            start_time: Some(Timestamp { seconds: start as i64, nanos: 0 }),
            end_time: Some(Timestamp { seconds: today as i64, nanos: 0 }),
            granularity: granularity.into(),
            ..Default::default()
        };
        let (mut waits, mut read) = (histogram()?, 0);
        for _ in 0..often {
            let asked = Instant::now();
            let response: QueryMetricResponse = client.call(0, QUERY_METRIC, TENANT, request.clone()).await?;
            waits.saturating_record(asked.elapsed().as_nanos() as u64);
            ensure!(!response.rows.is_empty(), "{name} has an answer");
            read = response.events_read;
        }
        let ms = |quantile| waits.value_at_quantile(quantile) as f64 / 1e6;
        table.row([
            name.to_owned(),
            often.to_string(),
            format!("{:.1}", ms(0.5)),
            format!("{:.1}", ms(0.99)),
            count(read as f64),
        ]);
        let (quantile, wanted): (f64, f64) = aim;
        let (of, got) = (if quantile > 0.9 { "p99" } else { "p50" }, ms(quantile));
        let aim = format!("{name}, {} million events of {} actors, {of}", total as f64 / 1e6, count(actors as f64));
        report.aim(&aim, &format!("{wanted} ms"), format!("{got:.1} ms"), got <= wanted);
    }
    report.table(Part::Events, &table);
    let peak = mib(&node.status_file(), "VmHWM").context("the node's memory")?;
    let data = node.data.clone();
    node.stop().await?;
    let size = |below: &str| -> Result<f64> { Ok(bytes_below(&data.join(below))? as f64 / total as f64) };
    report.note(
        Part::Events,
        format!(
            "On disk after a stop, bytes an event: {:.1} in the store (segments, rollups, actors, ids that are remembered \
             for a day), {:.1} in the log (command and decision). The node's memory at its peak: {peak} MiB.",
            size("store")?,
            size("log")?
        ),
    );
    Ok(())
}

async fn record(node: &ChildNode, client: &Arc<Client>, scale: &Scale, start: u64, report: &mut Report) -> Result<()> {
    let (total, actors) = (scale.events, scale.actors);
    let next = Arc::new(AtomicU64::new(0));
    let recording = {
        let (client, next) = (Arc::clone(client), Arc::clone(&next));
        call(move |caller| {
            let (client, next) = (Arc::clone(&client), Arc::clone(&next));
            async move {
                let from = next.fetch_add(BATCH, Ordering::Relaxed);
                let events = (from..from + BATCH).map(|number| event(number, actors, total, start)).collect();
                let request = RecordEventsRequest { events, ..Default::default() };
                let response: RecordEventsResponse = client.call(caller, RECORD_EVENTS, TENANT, request).await?;
                let refused = response.refused.first();
                ensure!(u64::from(response.accepted_count) == BATCH, "all of them count: {refused:?}");
                Ok(())
            }
        })
    };
    let before = processor_time(&[node.process()]);
    let took = so_often(CALLERS, total / BATCH, &recording).await?;
    let spent = processor_time(&[node.process()]).saturating_sub(before);
    let per_second = total as f64 / took.as_secs_f64();
    let mut table = Table::new(["events", "callers", "events/s", "the node's processor, us/event"]);
    let micros = spent.as_secs_f64() * 1e6 / total as f64;
    table.row([count(total as f64), CALLERS.to_string(), count(per_second), format!("{micros:.1}")]);
    report.table(Part::Events, &table);
    report.aim(
        "events of product use, embedded log",
        "200,000/s",
        format!("{}/s", count(per_second)),
        per_second >= 2e5,
    );
    Ok(())
}

type Question = (&'static str, u32, Metric, v1::Granularity, (f64, f64));

fn questions() -> Vec<Question> {
    let selector = |name: &str| EventSelector { names: vec![name.to_owned()], r#where: Vec::new() };
    let step = |name: &&str| FunnelStep { events: Some(selector(name)), optional: false };
    let funnel = FunnelMetric {
        steps: NAMES[..5].iter().map(step).collect(),
        conversion_window: Some(prost_types::Duration { seconds: 7 * DAY as i64, nanos: 0 }),
        ..Default::default()
    };
    let one = UsageMetric { events: Some(selector(NAMES[0])) };
    let all = UsageMetric::default();
    vec![
        ("usage of one event by day (rollups)", 300, Metric::Usage(one), v1::Granularity::Day, (0.99, 5.0)),
        ("weekly uniques (rollups)", 30, Metric::Usage(all), v1::Granularity::Week, (0.5, 100.0)),
        (
            "30-day retention (rollups)",
            30,
            Metric::Retention(RetentionMetric::default()),
            v1::Granularity::Day,
            (0.5, 100.0),
        ),
        ("funnel of five steps", 5, Metric::Funnel(funnel), v1::Granularity::Unspecified, (0.5, 300.0)),
    ]
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { bytes_below(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
