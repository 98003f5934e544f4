//! Exports: asked for, finished, made by themselves.

use std::time::Duration;

use daybook_kernel::domain::Moment;
use daybook_kernel::key::All;
use daybook_kernel::state::Fault;
use daybook_kernel::time::duration_from_proto;
use daybook_proto::product_analytics::v1::{
    EventExport, EventExportFinished, EventExportRequested, EventExportRow, EventExportScheduleSet, EventExportState,
    StartScheduledExport,
};

use crate::TablesMut;

/// Exports that are remembered.
const REMEMBERED_MAX: usize = 1_000;
const TIMER: &str = "event-export";

pub(super) fn requested(
    tables: &mut TablesMut<'_>,
    event: &EventExportRequested,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let export = EventExport {
        export_id: event.export_id.clone(),
        state: EventExportState::Running.into(),
        content: event.content.clone(),
        start_time: event.start_time,
        end_time: event.end_time,
        is_scheduled: event.is_scheduled,
        requested_at: Some(moment.now.to_proto()),
        ..Default::default()
    };
    tables.exports().put((moment.position.offset.0,), &EventExportRow { export: Some(export) });
    let (count, oldest) = tables.read(|tables| {
        let offsets = tables.exports().scan(All).map(|row| Ok(row?.0.0));
        let offsets: Vec<u64> = offsets.collect::<Result<_, Fault>>()?;
        Ok::<_, Fault>((offsets.len(), offsets.first().copied()))
    })?;
    if let Some(oldest) = oldest.filter(|_| count > REMEMBERED_MAX) {
        tables.exports().delete((oldest,));
    }
    if event.is_scheduled { set_timer(tables, moment) } else { Ok(()) }
}

pub(super) fn finished(
    tables: &mut TablesMut<'_>,
    event: &EventExportFinished,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let Some(EventExportRow { export: Some(mut export) }) = tables.exports().get((event.export_offset,))? else {
        return Ok(());
    };
    let state = if event.files.is_some() { EventExportState::Done } else { EventExportState::Failed };
    export.set_state(state);
    export.files.clone_from(&event.files);
    export.failure.clone_from(&event.failure);
    export.finished_at = Some(moment.now.to_proto());
    tables.exports().put((event.export_offset,), &EventExportRow { export: Some(export) });
    Ok(())
}

pub(super) fn schedule_set(
    tables: &mut TablesMut<'_>,
    event: &EventExportScheduleSet,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    match event.schedule.as_ref().filter(|schedule| schedule.every.is_some()) {
        Some(schedule) => tables.export_schedule().put((), schedule),
        None => tables.export_schedule().delete(()),
    }
    set_timer(tables, moment)
}

/// The next export by itself, or none.
fn set_timer(tables: &mut TablesMut<'_>, moment: &Moment<'_>) -> Result<(), Fault> {
    let schedule = tables.export_schedule().get(())?;
    let every = schedule.and_then(|schedule| duration_from_proto(&schedule.every?).ok());
    let Some(every) = every.filter(|every| *every > Duration::ZERO) else { return tables.timers().cancel(TIMER) };
    super::set_timer(tables, TIMER, moment.now.saturating_add(every), moment, &StartScheduledExport {})
}
