//! Exporting events and metrics: asked for by somebody or by the schedule, written by an effect, finished by its outcome.

use std::time::Duration;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context, Moment};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::system::Effect;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{
    self, EventExportContent, EventExportFinished, EventExportJob, EventExportRequested, EventExportSchedule,
    EventExportScheduleSet, EventExportState,
};
use product_analytics_projection::{Event, NAMESPACE, ProductAnalytics, Tables};
use prost::Message;

const DAY: Duration = Duration::from_secs(86_400);
const DAYS_MAX: u32 = 400;
const METRICS_MAX: usize = 50;
/// Days of a scheduled export, unless it says otherwise.
const DAYS: u32 = 30;

/// What is wrong with what an export is to hold.
fn check(content: &EventExportContent) -> Result<(), Violations> {
    let mut fields = Fields::new();
    let is_something = content.events || !content.metrics.is_empty();
    fields.check("metrics", is_something, "must name a metric unless events is set: there is nothing to export");
    fields.check("metrics", content.metrics.len() <= METRICS_MAX, "must have at most 50 entries");
    let mut names: Vec<&str> = Vec::new();
    for (i, metric) in content.metrics.iter().enumerate().take(METRICS_MAX) {
        let at = format!("metrics[{i}]");
        fields.check(&format!("{at}.name"), !metric.name.is_empty(), "must be set");
        // A metric has one folder.
        fields.check(&format!("{at}.name"), !names.contains(&metric.name.as_str()), "must be there once");
        names.push(&metric.name);
        let limit = metric.breakdown.as_ref().map_or(0, |breakdown| breakdown.limit);
        fields.check(&format!("{at}.breakdown.limit"), limit <= 100, "must be at most 100");
        let is_known = v1::Granularity::try_from(metric.granularity).is_ok();
        fields.check(&format!("{at}.granularity"), is_known, "is not a value of this enumeration");
    }
    fields.finish(())
}

fn authorisation(kind: &'static str) -> Authorisation {
    Authorisation::new(NAMESPACE, kind, "Events", "events")
}

/// Exports events and metrics.
#[derive(Debug, Clone)]
pub struct ExportEvents {
    content: EventExportContent,
    start_time: Timestamp,
    end_time: Timestamp,
}

impl Command for ExportEvents {
    type Request = v1::ExportEventsRequest;
    type Response = v1::ExportEventsResponse;
    type Projection = ProductAnalytics;
    const KIND: &'static str = "ExportEvents";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let content = fields.required("content", request.content);
        fields.inside("content", check(&content));
        let start_time = fields.required_time("start_time", request.start_time);
        let end_time = fields.required_time("end_time", request.end_time);
        fields.check("end_time", start_time < end_time, "must be after start_time");
        let is_short = end_time.since(start_time) <= DAY * DAYS_MAX;
        fields.check("end_time", is_short, "must be at most 400 days after start_time");
        fields.finish(Self { content, start_time, end_time })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(authorisation(Self::KIND)))
    }

    fn decide(&self, _: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        ctx.requires(crate::LEVEL)?;
        Ok(vec![requested(ctx, &self.content, self.start_time, self.end_time, false)])
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let export_id = match events {
            [Event::EventExportRequested(event)] => event.export_id.clone(),
            _ => String::new(),
        };
        Ok(v1::ExportEventsResponse { receipt: None, export_id })
    }
}

fn requested(
    ctx: &Context<'_>,
    content: &EventExportContent,
    start_time: Timestamp,
    end_time: Timestamp,
    is_scheduled: bool,
) -> Event {
    Event::EventExportRequested(EventExportRequested {
        export_id: ctx.derive_id("export"),
        content: Some(content.clone()),
        start_time: Some(start_time.to_proto()),
        end_time: Some(end_time.to_proto()),
        is_scheduled,
    })
}

/// What writes an export that was asked for.
pub(crate) fn write(event: &EventExportRequested, moment: &Moment<'_>) -> Effect {
    let job = EventExportJob {
        tenant_id: moment.tenant.as_str().to_owned(),
        export_offset: moment.position.offset.0,
        content: event.content.clone(),
        start_time: event.start_time,
        end_time: event.end_time,
    };
    Effect { kind: Effect::EXPORT_EVENTS, payload: job.encode_to_vec(), reply: FinishEventExport::KIND }
}

/// An export came out so.
#[derive(Debug, Clone)]
pub struct FinishEventExport(v1::FinishEventExport);

impl Command for FinishEventExport {
    type Request = v1::FinishEventExport;
    type Response = ();
    type Projection = ProductAnalytics;
    const KIND: &'static str = "FinishEventExport";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Ok(Self(request))
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let export = tables.exports().get((self.0.export_offset,))?.and_then(|row| row.export);
        let is_running = export.is_some_and(|export| export.state() == EventExportState::Running);
        let finished = Event::EventExportFinished(EventExportFinished {
            export_offset: self.0.export_offset,
            files: self.0.files.clone(),
            failure: self.0.failure.clone(),
        });
        Ok(is_running.then_some(finished).into_iter().collect())
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Sets when exports are made by themselves.
#[derive(Debug, Clone)]
pub struct SetEventExportSchedule(EventExportSchedule);

impl Command for SetEventExportSchedule {
    type Request = v1::SetEventExportScheduleRequest;
    type Response = v1::SetEventExportScheduleResponse;
    type Projection = ProductAnalytics;
    const KIND: &'static str = "SetEventExportSchedule";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let schedule = fields.required("schedule", request.schedule);
        if let Some(every) = fields.duration("schedule.every", schedule.every, 366 * DAY) {
            fields.check("schedule.every", every >= DAY / 24, "must be an hour at least");
            fields.inside("schedule.content", check(&schedule.content.clone().unwrap_or_default()));
        }
        fields.check("schedule.days", schedule.days <= DAYS_MAX, "must be at most 400");
        fields.finish(Self(schedule))
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(authorisation(Self::KIND)))
    }

    fn decide(&self, _: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        ctx.requires(crate::LEVEL)?;
        let schedule = Some(self.0.clone());
        Ok(vec![Event::EventExportScheduleSet(EventExportScheduleSet { schedule })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::SetEventExportScheduleResponse { receipt: None })
    }
}

/// The time of a scheduled export has come.
#[derive(Debug, Clone)]
pub struct StartScheduledExport;

impl Command for StartScheduledExport {
    type Request = v1::StartScheduledExport;
    type Response = ();
    type Projection = ProductAnalytics;
    const KIND: &'static str = "StartScheduledExport";
    const INTERNAL: bool = true;

    fn parse(_: Self::Request) -> Result<Self, Violations> {
        Ok(Self)
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let Some(schedule) = tables.export_schedule().get(())? else { return Ok(Vec::new()) };
        // Whole days, the last of which is over.
        let day_us = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
        let end_us = ctx.now.as_micros().div_euclid(day_us).saturating_mul(day_us);
        let days = if schedule.days == 0 { DAYS } else { schedule.days };
        let start_us = end_us.saturating_sub(i64::from(days).saturating_mul(day_us));
        let (start, end) = (Timestamp::from_micros(start_us), Timestamp::from_micros(end_us));
        Ok(vec![requested(ctx, &schedule.content.unwrap_or_default(), start, end, true)])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
