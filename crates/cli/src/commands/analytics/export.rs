//! Exports of events and metrics.

use std::time::{Duration, Instant};

use daybook_proto::product_analytics::v1::{self, EventExport, EventExportContent, EventExportState, ExportedMetric};
use prost_types::Timestamp;

use super::metric::{breakdown, granularity};
use crate::args::ExportedContent;
use crate::client::new_id;
use crate::failure::{Failure, Outcome};
use crate::output::{self, line, plain};
use crate::session::Session;
use crate::units;

/// How often a running export is looked at.
const ASKED_EVERY: Duration = Duration::from_millis(200);
/// How long it may run before the command goes on without it.
const WAIT_MAX: Duration = Duration::from_secs(600);

impl ExportedContent {
    fn to_proto(&self) -> EventExportContent {
        let metric = |name: &String| ExportedMetric {
            name: name.clone(),
            granularity: granularity(self.by).into(),
            breakdown: self.split.clone().map(|split| breakdown(split, 0)),
            ..Default::default()
        };
        EventExportContent { events: !self.metrics_only, metrics: self.metrics.iter().map(metric).collect() }
    }
}

/// Asks for an export; with its files, unless nobody waits for them.
pub(super) async fn export(
    since: &str,
    until: &str,
    content: ExportedContent,
    no_wait: bool,
    session: &Session,
) -> Outcome {
    let start_time = units::time(since).map_err(Failure::new)?;
    let end_time = units::time(until).map_err(Failure::new)?;
    let asked = ask(content.to_proto(), (start_time, end_time), session).await?;
    if no_wait {
        return session.show(&asked, |asked| line(format_args!("{} is asked for", asked.export_id)));
    }
    let export = wait(asked, session).await?;
    session.show(&export, |export| {
        let files = export.files.clone().unwrap_or_default();
        output::facts([
            ("export", export.export_id.clone()),
            ("files", format!("{} ({} bytes)", files.file_count, files.byte_count)),
            ("events", files.event_count.to_string()),
            ("state of", format!("command {}", files.position_offset)),
            ("manifest", files.manifest_hash),
            ("at", files.url),
        ]);
    })
}

/// Asks for an export.
pub(crate) async fn ask(
    content: EventExportContent,
    (start_time, end_time): (Timestamp, Timestamp),
    session: &Session,
) -> Outcome<v1::ExportEventsResponse> {
    let request = v1::ExportEventsRequest {
        command_id: new_id(),
        tenant_id: session.tenant.clone(),
        content: Some(content),
        start_time: Some(start_time),
        end_time: Some(end_time),
    };
    session.client.command(&request.command_id, &request).await
}

/// Waits for the files of an export that was asked for.
pub(crate) async fn wait(asked: v1::ExportEventsResponse, session: &Session) -> Outcome<EventExport> {
    let request = v1::GetEventExportRequest {
        tenant_id: session.tenant.clone(),
        min_position: asked.receipt.and_then(|receipt| receipt.position),
        export_id: asked.export_id,
    };
    let begun = Instant::now();
    while begun.elapsed() < WAIT_MAX {
        let response: v1::GetEventExportResponse = session.client.ask(&request).await?;
        let export = response.export.unwrap_or_default();
        match export.state() {
            EventExportState::Running => tokio::time::sleep(ASKED_EVERY).await,
            EventExportState::Done => return Ok(export),
            _ => return Err(Failure::new(format!("{} cannot be made: {}", export.export_id, export.failure))),
        }
    }
    let text = format!("{} is still running; look at it with `daybook analytics exports`", request.export_id);
    Err(Failure::new(text))
}

/// Lists the exports.
pub(super) async fn exports(session: &Session) -> Outcome {
    let request = v1::ListEventExportsRequest { tenant_id: session.tenant.clone(), ..Default::default() };
    let all = session.client.list(request).await?;
    session.show(&all, |all| {
        let rows = all.exports.iter().map(|export: &EventExport| {
            let files = export.files.clone().unwrap_or_default();
            let or_nothing = |number: u64| if number == 0 { String::new() } else { number.to_string() };
            [
                export.export_id.clone(),
                plain(export.state().as_str_name(), "EVENT_EXPORT_STATE_"),
                units::show_time(export.start_time.as_ref()),
                units::show_time(export.end_time.as_ref()),
                or_nothing(files.event_count),
                or_nothing(files.byte_count),
                if files.url.is_empty() { export.failure.clone() } else { files.url },
            ]
        });
        output::table(["export", "state", "from", "to", "events", "bytes", "at"], rows);
    })
}

/// Sets when exports are made by themselves.
pub(super) async fn schedule(every: Duration, days: u32, content: ExportedContent, session: &Session) -> Outcome {
    let schedule = match every.is_zero() {
        true => v1::EventExportSchedule::default(),
        false => v1::EventExportSchedule {
            every: Some(units::proto_duration(every)),
            days,
            content: Some(content.to_proto()),
        },
    };
    let request = v1::SetEventExportScheduleRequest {
        command_id: new_id(),
        tenant_id: session.tenant.clone(),
        schedule: Some(schedule),
    };
    let response: v1::SetEventExportScheduleResponse = session.client.command(&request.command_id, &request).await?;
    session.show(&response, |_| match every.is_zero() {
        true => line("no exports are made by themselves any more"),
        false => line(format_args!("an export of the last {days} days is made every {} seconds", every.as_secs())),
    })
}
