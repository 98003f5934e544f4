//! Events of product use: how many come in, and how long metrics take over them, here and with peers.

mod answers;
mod peers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, *};
use prost_types::value::Kind;
use prost_types::{Struct, Timestamp, Value};

use answers::OurAnswer;

use crate::client::{Client, EXPORT_EVENTS, GET_EVENT_EXPORT, QUERY_METRIC, RECORD_EVENTS, SET_PROFILE, SET_SCHEMAS};
use crate::load::{call, histogram, so_often};
use crate::machine::{mib, processor_time};
use crate::node::ChildNode;
use crate::report::{Report, Table, count};
use crate::{Part, Scale};

const BATCH: u64 = 500;
const CALLERS: usize = 4;
const DAYS: u64 = 30;
const DAY: u64 = 86_400;
/// How long an actor may take for the funnel.
const WINDOW_DAYS: u64 = 7;
const TENANT: &str = "acme";
const NAMES: [&str; 6] =
    ["page.viewed", "filters.applied", "answer.shown", "answer.used", "case.exported", "insight.accepted"];
/// Triples of events that follow each other are of so many different actors.
const NEIGHBOURS: u64 = 16;
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
    // Steps of one actor follow each other more often than not, as they do in a product: three at a time, a second
    // apart. No actor has two events in one second, so that their order does not depend on who is asked: neighbours in
    // time are different actors. The Kafka Streams peer makes the same (peers/streams/Events.java).
    let triple = number / 3;
    let actor = mixed(triple) % (actors / NEIGHBOURS) * NEIGHBOURS + triple % NEIGHBOURS;
    let seconds = start + triple * 3 * (DAYS * DAY - 3) / total + number % 3;
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
    set_up(&client).await?;

    let today = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / DAY * DAY;
    let (start, total, actors) = (today - DAYS * DAY, scale.events, scale.actors);
    let recorded = record(&node, &client, scale, start).await?;
    let mut table = Table::new(["events", "callers", "events/s", "the node's processor, us/event"]);
    table.row([
        count(total as f64),
        CALLERS.to_string(),
        count(recorded.per_second),
        format!("{:.1}", recorded.micros),
    ]);
    report.table(Part::Events, &table);
    report.aim(
        "events of product use, embedded log",
        "200,000/s",
        format!("{}/s", count(recorded.per_second)),
        recorded.per_second >= 2e5,
    );

    let mut table = Table::new(["question", "asked", "p50, ms", "p99, ms", "events read"]);
    let mut ours = Vec::new();
    for (key, name, often, metric, granularity, aim) in questions() {
        let request = QueryMetricRequest {
            metric: Some(MetricDefinition { metric: Some(metric), ..Default::default() }),
            start_time: Some(Timestamp { seconds: start as i64, nanos: 0 }),
            end_time: Some(Timestamp { seconds: today as i64, nanos: 0 }),
            granularity: granularity.into(),
            ..Default::default()
        };
        let (mut waits, mut last) = (histogram()?, QueryMetricResponse::default());
        for _ in 0..often {
            let asked = Instant::now();
            let response: QueryMetricResponse = client.call(0, QUERY_METRIC, TENANT, request.clone()).await?;
            waits.saturating_record(asked.elapsed().as_nanos() as u64);
            ensure!(!response.rows.is_empty(), "{name} has an answer");
            last = response;
        }
        let ms = |quantile| waits.value_at_quantile(quantile) as f64 / 1e6;
        table.row([
            name.to_owned(),
            often.to_string(),
            format!("{:.1}", ms(0.5)),
            format!("{:.1}", ms(0.99)),
            count(last.events_read as f64),
        ]);
        ours.push(OurAnswer { question: key, p50_ms: ms(0.5), p99_ms: ms(0.99), rows: answers::rows(key, &last)? });
        let (quantile, wanted): (f64, f64) = aim;
        let (of, got) = (if quantile > 0.9 { "p99" } else { "p50" }, ms(quantile));
        let aim = format!("{name}, {} million events of {} actors, {of}", total as f64 / 1e6, count(actors as f64));
        report.aim(&aim, &format!("{wanted} ms"), format!("{got:.1} ms"), got <= wanted);
    }
    report.table(Part::Events, &table);
    let export = export(&client, start, today).await?;
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
    let began = Instant::now();
    std::fs::remove_dir_all(data.join("store"))?;
    let node = ChildNode::start(data.clone(), "embedded", "events").await?;
    let rebuilt = total as f64 / began.elapsed().as_secs_f64();
    node.stop().await?;
    let mut table = Table::new(["what", "events/s", "bytes an event"]);
    let bytes = export.bytes as f64 / total as f64;
    let exported = count(total as f64 / export.took.as_secs_f64());
    table.row(["exported as Parquet".to_owned(), exported, format!("{bytes:.1}")]);
    table.row(["folded again from the log, into an empty store".to_owned(), count(rebuilt), String::new()]);
    report.table(Part::Events, &table);
    report.aim("an event in exported Parquet", "<= 12 bytes", format!("{bytes:.1} bytes"), bytes <= 12.0);
    peers::questions(&export.folder, start, report, &ours).await?;
    // The same events come in again, twice: fewer of them are enough to see how fast.
    let fewer = Scale { events: total / 5, actors: actors / 5, ..*scale };
    peers::streams(folder, &fewer, start, report).await
}

/// An export of all events.
struct Exported {
    folder: PathBuf,
    bytes: u64,
    took: Duration,
}

async fn export(client: &Client, start: u64, end: u64) -> Result<Exported> {
    let began = Instant::now();
    let request = ExportEventsRequest {
        content: Some(EventExportContent { events: true, ..Default::default() }),
        start_time: Some(Timestamp { seconds: start as i64, nanos: 0 }),
        end_time: Some(Timestamp { seconds: end as i64, nanos: 0 }),
        ..Default::default()
    };
    let response: ExportEventsResponse = client.call(0, EXPORT_EVENTS, TENANT, request).await?;
    let min_position = response.receipt.and_then(|receipt| receipt.position);
    let asked = GetEventExportRequest { export_id: response.export_id, min_position, ..Default::default() };
    let export = loop {
        let response: GetEventExportResponse = client.call(0, GET_EVENT_EXPORT, TENANT, asked.clone()).await?;
        let export = response.export.context("the export")?;
        if export.state() != EventExportState::Running {
            break export;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let files = export.files.with_context(|| format!("no export: {}", export.failure))?;
    let folder = PathBuf::from(files.url.trim_start_matches("file://"));
    Ok(Exported { folder, bytes: files.byte_count, took: began.elapsed() })
}

/// A profile under which all events of the benchmark count, and their schemas.
async fn set_up(client: &Client) -> Result<()> {
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
    Ok(())
}

/// How events came in.
struct Recorded {
    /// Events a second, until they are durable and visible.
    per_second: f64,
    /// The node's processor time for each.
    micros: f64,
}

async fn record(node: &ChildNode, client: &Arc<Client>, scale: &Scale, start: u64) -> Result<Recorded> {
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
    let total = total as f64;
    Ok(Recorded { per_second: total / took.as_secs_f64(), micros: spent.as_secs_f64() * 1e6 / total })
}

/// The peers' name of it, its own, how often it is asked, what it asks, and how fast it should be: a quantile, and ms.
type Question = (&'static str, &'static str, u32, Metric, v1::Granularity, (f64, f64));

fn questions() -> Vec<Question> {
    let selector = |name: &str| EventSelector { names: vec![name.to_owned()], r#where: Vec::new() };
    let step = |name: &&str| FunnelStep { events: Some(selector(name)), optional: false };
    let funnel = FunnelMetric {
        steps: NAMES[..5].iter().map(step).collect(),
        conversion_window: Some(prost_types::Duration { seconds: (WINDOW_DAYS * DAY) as i64, nanos: 0 }),
        ..Default::default()
    };
    let one = UsageMetric { events: Some(selector(NAMES[0])) };
    let all = UsageMetric::default();
    vec![
        ("usage", "usage of one event by day (rollups)", 300, Metric::Usage(one), v1::Granularity::Day, (0.99, 5.0)),
        ("weeks", "weekly uniques (rollups)", 30, Metric::Usage(all), v1::Granularity::Week, (0.5, 100.0)),
        (
            "retention",
            "30-day retention (rollups)",
            30,
            Metric::Retention(RetentionMetric::default()),
            v1::Granularity::Day,
            (0.5, 100.0),
        ),
        ("funnel", "funnel of five steps", 5, Metric::Funnel(funnel), v1::Granularity::Unspecified, (0.5, 300.0)),
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
