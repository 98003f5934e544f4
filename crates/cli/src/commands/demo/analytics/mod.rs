//! A month of a product's use: recorded, measured, drawn, exported; and nothing personal of it on the disk.
//!
//! | module | what it does |
//! | --- | --- |
//! | `month` | makes the month up |
//! | `questions` | what is asked of it |
//! | `disk` | looks for what must not be there |

mod disk;
mod month;
mod questions;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use daybook_instrument::files;
use daybook_proto::product_analytics::v1::{self, EventExportContent, ExportedMetric};
use daybook_server::config::Config;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::node::DemoNode;
use super::teller::{Teller, expect};
use crate::args::{AnalyticsDemo, Global};
use crate::client::new_id;
use crate::commands::analytics::{export, metric};
use crate::commands::platform;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::session::{Session, scratch};
use month::Month;

/// The events that the product has, those of docs/examples/events.
const SCHEMAS: [(&str, &str); 3] = [
    ("cases.yaml", include_str!("../../../../../../docs/examples/events/cases.yaml")),
    ("copilot.yaml", include_str!("../../../../../../docs/examples/events/copilot.yaml")),
    ("workspace.yaml", include_str!("../../../../../../docs/examples/events/workspace.yaml")),
];
const DAY_SECONDS: i64 = 86_400;
/// Events in one command.
const BATCH: usize = 1_000;
/// Commands under way at once.
const SENDERS: usize = 6;

/// Lives the month on the node that runs, or on one of its own.
pub(super) async fn run(arguments: AnalyticsDemo, global: &Global) -> Outcome {
    let (_folder, folder) = scratch("demo")?;
    // A folder of the demo's own goes again when the demo fails.
    let (own, output) = match &arguments.output {
        Some(output) => (None, std::path::absolute(output)?),
        None => scratch("demo-output").map(|(own, output)| (Some(own), output))?,
    };
    std::fs::create_dir_all(output.join("export"))?;
    let export_url = format!("file://{}", output.join("export").display());
    let data = folder.join("node");
    let settings = |config: &mut Config| config.analytics.export_url = export_url;
    let node = DemoNode::find_or_start(global, None, &data, settings).await?;
    let mut teller = Teller { json: global.json, step: 0 };
    let told = tell(&node, &arguments, &output, &mut teller).await;
    let (data, mut more) =
        (node.config.node.data_dir.clone(), node.hints("analytics query usage, analytics chart funnel"));
    // A stop writes what is in memory into files.
    node.stop().await;
    let mut summary = told?;

    teller.step("nothing personal is on the disk");
    let personal = month::personal_values();
    let searched =
        tokio::task::spawn_blocking(move || disk::search(&data, &personal)).await.map_err(Failure::new)??;
    let (files, rows, mib) = (searched.files, searched.rows, searched.bytes >> 20);
    teller.say(format_args!(
        "looked for every first name, last name and the mail domain in {files} files and {rows} rows, {mib} MiB"
    ));
    expect(searched.found.is_empty(), || format!("found {}", searched.found.join("; ")))?;
    teller.say("none of them is anywhere");
    if let Some(own) = own {
        let path = own.keep();
        more.push(format!(
            "charts and the export stay in {}; remove that folder when you no longer need it",
            path.display()
        ));
    }
    if global.json {
        summary["searched"] = json!({ "files": files, "rows": rows, "found": 0 });
        output::json(&summary);
    } else {
        teller.say("");
        more.into_iter().for_each(output::line);
    }
    Ok(())
}

async fn tell(node: &DemoNode, arguments: &AnalyticsDemo, output: &Path, teller: &mut Teller) -> Outcome<Value> {
    let tenant = &node.tenant;
    let admin = node.session("olga", &["admin"])?;
    let privacy = node.session("petra", &["privacy"])?;
    let product = node.session("pia", &["product"])?;
    let analyst = node.session("anna", &["analyst"])?;
    teller.say("A month of a product's use");
    teller.say(format_args!("node {}, log {}, tenant {tenant}", node.address, node.log));

    teller.step("petra says how events are minimised, pia which events there are");
    if node.is_own_tenant() {
        platform::create_tenant(&admin, tenant, "Demo").await?;
    }
    register(&privacy, &product).await?;

    let people = arguments.actors;
    teller.step(&format!(
        "{people} people use the product for {} days, and some who do not agree to be recorded",
        month::DAYS
    ));
    let today = Timestamp::now().as_second().div_euclid(DAY_SECONDS);
    let recorded = record(node, Month::before(today, people, arguments.seed), teller).await?;
    let Recorded { sent, counted, took } = recorded;
    let per_second = counted as f64 / took.as_secs_f64();
    teller
        .say(format_args!("{sent} events sent, {counted} count, the others lack a consent: {per_second:.0} events/s"));

    teller.step("anna asks how it is used");
    let period = ((today - month::DAYS) * DAY_SECONDS, today * DAY_SECONDS);
    let mut answers = serde_json::Map::new();
    for question in questions::questions() {
        let request = v1::QueryMetricRequest {
            tenant_id: tenant.clone(),
            metric: Some(question.metric.clone()),
            start_time: Some(seconds(period.0)),
            end_time: Some(seconds(period.1)),
            granularity: question.granularity.into(),
            breakdown: question.breakdown.clone(),
            ..Default::default()
        };
        let asked = Instant::now();
        let answer: v1::QueryMetricResponse = analyst.client.ask(&request).await?;
        let took = asked.elapsed();
        teller.say(format_args!("\n{} ({} ms, {} events read)", question.title, took.as_millis(), answer.events_read));
        teller.show(|| metric::show_some(&answer, questions::ROWS_SHOWN));
        let page = daybook_charts::html(question.title, &answer).map_err(Failure::new)?;
        std::fs::write(output.join(format!("{}.html", question.name)), page)?;
        answers.insert(question.name.to_owned(), output::to_json(&answer)?);
    }
    teller.say(format_args!("\ndrawn: {}/*.html", output.display()));

    teller.step("petra exports the month for other programs");
    let define = v1::DefineMetricRequest {
        command_id: new_id(),
        tenant_id: tenant.clone(),
        definition: Some(questions::defined()),
    };
    let _: v1::DefineMetricResponse = product.client.command(&define.command_id, &define).await?;
    let metric = ExportedMetric {
        name: questions::defined().name,
        granularity: v1::Granularity::Week.into(),
        ..Default::default()
    };
    let content = EventExportContent { events: true, metrics: vec![metric] };
    let asked = export::ask(content, (seconds(period.0), seconds(period.1)), &privacy).await?;
    let export = export::wait(asked, &privacy).await?;
    let files = export.files.clone().unwrap_or_default();
    teller.say(format_args!("{} files, {} events, {} bytes", files.file_count, files.event_count, files.byte_count));
    let bytes = files.byte_count as f64 / files.event_count.max(1) as f64;
    teller.say(format_args!("{bytes:.1} bytes an event, at {}", files.url));
    expect(files.event_count == counted, || format!("the export has {} of {counted} events", files.event_count))?;
    Ok(json!({
        "tenant": tenant, "sent": sent, "counted": counted, "seconds": took.as_secs_f64(),
        "start": period.0, "end": period.1, "answers": answers,
        "export": output::to_json(&export)?, "output": output.display().to_string(),
    }))
}

fn seconds(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

async fn register(privacy: &Session, product: &Session) -> Outcome {
    let days = |days: i64| Some(prost_types::Duration { seconds: days * DAY_SECONDS, nanos: 0 });
    let profile = v1::MinimisationProfile {
        purposes_without_consent: vec!["safety".to_owned(), "operations".to_owned()],
        // The month is recorded when it is over. In one epoch, so that who came back can be told.
        late_max: days(month::DAYS + 1),
        pseudonym_epoch_days: 366,
        // Nobody of them is real, and small months shall have numbers as well.
        suppress_below: 1,
        ..Default::default()
    };
    let request = v1::SetMinimisationProfileRequest {
        command_id: new_id(),
        tenant_id: privacy.tenant.clone(),
        profile: Some(profile),
    };
    let _: v1::SetMinimisationProfileResponse = privacy.client.command(&request.command_id, &request).await?;
    let mut schemas = Vec::new();
    for (file, text) in SCHEMAS {
        let read = files::parse(file, text).map_err(|_| Failure::new(format!("{file} of the demo cannot be read")))?;
        schemas.extend(read.schemas());
    }
    let request = v1::SetEventSchemasRequest { command_id: new_id(), tenant_id: product.tenant.clone(), schemas };
    let _: v1::SetEventSchemasResponse = product.client.command(&request.command_id, &request).await?;
    Ok(())
}

struct Recorded {
    sent: u64,
    counted: u64,
    took: Duration,
}

/// Sends the month, several batches at once.
async fn record(node: &DemoNode, month: Month, teller: &Teller) -> Outcome<Recorded> {
    const TOLD_EVERY: u64 = 1_000_000;
    let month = Arc::new(Mutex::new(month));
    let (sent, counted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..SENDERS {
        let program = node.program("web-app")?;
        let (month, sent, counted) = (Arc::clone(&month), Arc::clone(&sent), Arc::clone(&counted));
        senders.spawn(async move {
            loop {
                let mut events = month.lock().next(BATCH);
                if events.is_empty() {
                    return Ok::<(), Failure>(());
                }
                sent.fetch_add(events.len() as u64, Ordering::Relaxed);
                // A visit more than asked for can be in it.
                while !events.is_empty() {
                    let rest = events.split_off(events.len().min(2 * BATCH));
                    let request = v1::RecordEventsRequest {
                        command_id: new_id(),
                        tenant_id: program.tenant.clone(),
                        events: std::mem::replace(&mut events, rest),
                        ..Default::default()
                    };
                    let response: v1::RecordEventsResponse =
                        program.client.command(&request.command_id, &request).await?;
                    counted.fetch_add(u64::from(response.accepted_count), Ordering::Relaxed);
                }
            }
        });
    }
    let mut told = TOLD_EVERY;
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            ended = senders.join_next() => match ended {
                Some(ended) => ended.map_err(Failure::new)??,
                None => break,
            },
            _ = ticks.tick() => {
                let so_far = counted.load(Ordering::Relaxed);
                if so_far >= told {
                    teller.say(format_args!("   {} million events", so_far / 1_000_000));
                    told = (so_far / TOLD_EVERY + 1) * TOLD_EVERY;
                }
            }
        }
    }
    let (sent, counted) = (sent.load(Ordering::Relaxed), counted.load(Ordering::Relaxed));
    expect(counted > 0 && counted < sent, || format!("{counted} of {sent} events count"))?;
    Ok(Recorded { sent, counted, took: begun.elapsed() })
}
