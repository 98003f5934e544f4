//! When retention falls due, and what a change of a class would do.
//!
//! Items of a class wait in the order of their creation. Whatever the period is, the first of them is the next to fall
//! due: one timer for each class is enough, and changing a period moves that one timer.

use std::time::Duration;

use daybook_kernel::calendar::CalendarPeriod;
use daybook_kernel::domain::Moment;
use daybook_kernel::fields::Fields;
use daybook_kernel::id::StreamKey;
use daybook_kernel::key::First;
use daybook_kernel::rejection::Violations;
use daybook_kernel::state::Fault;
use daybook_kernel::system::{DELAY_MAX, TimerCommand};
use daybook_kernel::time::{Timestamp, duration_from_proto};
use daybook_proto::legal_hold::v1::{
    self, RetentionAction, RetentionClass, RetentionClassRow, RetentionClassStatus, RunRetention,
};
use prost::Message;

use crate::{DOMAIN, Tables, TablesMut};

/// When an item of a class falls due. An item created later never falls due earlier.
pub fn due_at(created_us: i64, class: &RetentionClass) -> Timestamp {
    let created = Timestamp::from_micros(created_us);
    if let Some(period) = class.calendar_period.as_ref().and_then(calendar_period) {
        return period.after(created);
    }
    let period = class.period.as_ref().and_then(|period| duration_from_proto(period).ok());
    created.saturating_add(period.unwrap_or(Duration::MAX))
}

/// Checks a class as it comes from a caller.
///
/// # Errors
/// A field that is wrong.
pub fn parse_class(class: RetentionClass) -> Result<RetentionClass, Violations> {
    let mut fields = Fields::new();
    let retention_class_id = fields.identifier("retention_class_id", class.retention_class_id);
    fields.enumeration::<RetentionAction>("action", class.action);
    match (&class.period, &class.calendar_period) {
        (Some(_), None) => {
            let period = fields.duration("period", class.period, DELAY_MAX);
            // A period of nothing is the slip of a unit or a missing number; deleting at once is another command.
            let is_something = period.is_none_or(|period| period >= Duration::from_secs(1));
            fields.check("period", is_something, "must be at least a second");
        }
        (None, Some(period)) => {
            let problem = "must be more than nothing and at most 200 years";
            fields.check("calendar_period", calendar_period(period).is_some(), problem);
        }
        (Some(_), Some(_)) => fields.wrong("calendar_period", "cannot be set together with period"),
        (None, None) => fields.wrong("calendar_period", "must be set, or period"),
    }
    fields.finish(RetentionClass { retention_class_id, ..class })
}

/// A calendar period as it stands in a message; `None` when it is empty or longer than 200 years.
pub fn calendar_period(period: &v1::CalendarPeriod) -> Option<CalendarPeriod> {
    CalendarPeriod::new(period.years, period.months, period.days).ok()
}

/// Items that fall due within this time count as falling due by a change: nobody would notice in time to save them.
pub const DUE_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What would fall due if a class were set anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DueItems {
    /// Items that the change would make due at once or within [`DUE_SOON`], and earlier than the current class does.
    pub soon: u64,
    /// Those of them that would fall due at once.
    pub now: u64,
    /// Counting stopped at the limit: both are lower bounds.
    pub truncated: bool,
}

/// Counts what would fall due if a class were set to `class`, up to `limit` items. Items wait in the order of their
/// creation, so those that fall due first come first.
pub fn due_items(tables: &Tables<'_>, class: &RetentionClass, now: Timestamp, limit: u64) -> Result<DueItems, Fault> {
    let before = tables.retention_classes().get((&class.retention_class_id,))?.and_then(|row| row.retention_class);
    let soon = now.saturating_add(DUE_SOON);
    let mut due = DueItems::default();
    for (looked_at, row) in (0..).zip(tables.retention_queue().scan(First(class.retention_class_id.as_str()))) {
        let ((_, created_us, _), _) = row?;
        let due_then = due_at(created_us, class);
        if due_then > soon {
            break;
        }
        if looked_at == limit {
            due.truncated = true;
            break;
        }
        // An item to be reviewed is kept until somebody decides, so deleting it instead always counts. An item that is due
        // already does not become due by the change.
        let kept = |before: &RetentionClass| {
            let was_reviewed = before.action() == RetentionAction::Review && class.action() == RetentionAction::Delete;
            was_reviewed || due_at(created_us, before) > due_then.max(now)
        };
        if before.as_ref().is_none_or(kept) {
            due.soon += 1;
            due.now += u64::from(due_then <= now);
        }
    }
    Ok(due)
}

/// A class with what waits in it.
pub fn class_status(tables: &Tables<'_>, row: RetentionClassRow) -> Result<RetentionClassStatus, Fault> {
    let class = row.retention_class.unwrap_or_default();
    Ok(RetentionClassStatus {
        waiting_items: row.waiting_items,
        next_due_at: next_due(tables, &class)?.map(Timestamp::to_proto),
        retention_class: Some(class),
        pending_change: row.pending_change,
    })
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
