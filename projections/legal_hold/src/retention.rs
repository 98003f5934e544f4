//! When retention falls due.
//!
//! Items of a class wait in the order of their creation. Whatever the period is, the first of them is the next to fall
//! due: one timer for each class is enough, and changing a period moves that one timer.

use std::time::Duration;

use daybook_kernel::domain::Moment;
use daybook_kernel::id::StreamKey;
use daybook_kernel::key::First;
use daybook_kernel::state::Fault;
use daybook_kernel::system::TimerCommand;
use daybook_kernel::time::{Timestamp, duration_from_proto};
use daybook_proto::legal_hold::v1::{RetentionClass, RunRetention};
use prost::Message;

use crate::{DOMAIN, Tables, TablesMut};

/// When an item of a class falls due.
pub fn due_at(created_us: i64, class: &RetentionClass) -> Timestamp {
    let period = class.period.as_ref().and_then(|period| duration_from_proto(period).ok());
    Timestamp::from_micros(created_us).saturating_add(period.unwrap_or(Duration::MAX))
}

/// When the next item of a class falls due, if any waits.
pub fn next_due(tables: &Tables<'_>, class: &RetentionClass) -> Result<Option<Timestamp>, Fault> {
    let first = tables.retention_queue().scan(First(class.retention_class_id.as_str())).next();
    let first = first.transpose()?;
    Ok(first.map(|((_, created_us, _), _)| due_at(created_us, class)))
}

fn timer_id(class_id: &str) -> String {
    format!("retention/{class_id}")
}

/// Sets the class's timer for its first item, or cancels it when none waits.
pub(crate) fn reset_timer(tables: &mut TablesMut<'_>, class_id: &str, moment: &Moment<'_>) -> Result<(), Fault> {
    let Some(row) = tables.retention_classes().get((class_id,))? else { return Ok(()) };
    let class = row.retention_class.unwrap_or_default();
    match tables.read(|tables| next_due(&tables, &class))? {
        Some(due) => set_timer(tables, class_id, due, moment),
        None => tables.timers().cancel(&timer_id(class_id)),
    }
}

/// Sets the class's timer earlier if an item falls due before it.
pub(crate) fn note_item(
    tables: &mut TablesMut<'_>,
    class: &RetentionClass,
    created_us: i64,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let due = due_at(created_us, class);
    let set = tables.timers().get(&timer_id(&class.retention_class_id))?;
    if set.is_some_and(|row| row.due_us <= due.as_micros()) {
        return Ok(());
    }
    set_timer(tables, &class.retention_class_id, due, moment)
}

fn set_timer(tables: &mut TablesMut<'_>, class_id: &str, due: Timestamp, moment: &Moment<'_>) -> Result<(), Fault> {
    let stream_key = StreamKey::of_tenant(moment.tenant);
    let payload = RunRetention { retention_class_id: class_id.to_owned() }.encode_to_vec();
    let command = TimerCommand { domain: DOMAIN, stream_key: &stream_key, kind: "RunRetention", payload };
    tables.timers().set(&timer_id(class_id), due, moment, command)
}
