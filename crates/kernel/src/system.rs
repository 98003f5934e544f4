//! What the partition loop keeps for itself: command ids that were decided, timers, open effects, parked stream keys.

use std::time::Duration;

use daybook_proto::system::v1::{AlarmRow, DedupRow, Mark, OutboxRow, ParkedRow, TimerRow};
use prost::Message;

use crate::domain::Moment;
use crate::id::{Offset, StreamKey, TenantId};
use crate::key::All;
use crate::state::{Fault, ProjectionId, Read, WriteSet};
use crate::table::{View, ViewMut};
use crate::time::Timestamp;

crate::tables! {
    /// The loop's tables. The first two are opened for the tenant concerned, the others for [`TenantId::partition`].
    projection ProjectionId::SYSTEM;
    /// Decisions by command id.
    dedup: 1, ([u8; 16],) => DedupRow;
    /// Timers by id.
    timer_rows: 2, (String,) => TimerRow;
    /// Timers by due time (microseconds since 1970), tenant and id.
    timers_due: 3, (i64, String, String) => Mark;
    /// Effects by the command that asked for them and their index.
    outbox: 4, (u64, u32) => OutboxRow;
    /// Parked stream keys by tenant and key.
    parked: 5, (String, String) => ParkedRow;
    /// Alarms by tenant, domain and id. See [`crate::alarm`].
    alarm_rows: 6, (String, String, String) => AlarmRow;
}

/// A tenant's timers, to be set and cancelled by its projections. A timer that comes due is appended to the log as a
/// command of the kind that it names; deciding that command removes it.
pub struct Timers<'a> {
    below: &'a dyn Read,
    writes: &'a mut WriteSet,
    tenant: &'a TenantId,
}

/// The command that a timer becomes.
#[derive(Debug, Clone)]
pub struct TimerCommand<'a> {
    /// The domain that decides it.
    pub domain: &'a str,
    /// Its stream key.
    pub stream_key: &'a StreamKey,
    /// Its kind.
    pub kind: &'a str,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl<'a> Timers<'a> {
    pub(crate) fn new(below: &'a dyn Read, writes: &'a mut WriteSet, tenant: &'a TenantId) -> Self {
        Self { below, writes, tenant }
    }

    /// A timer that is set.
    pub fn get(&mut self, id: &str) -> Result<Option<TimerRow>, Fault> {
        TablesMut::from(ViewMut::new(self.below, self.writes, self.tenant)).timer_rows().get((id,))
    }

    /// Sets a timer, in place of one with the same id.
    pub fn set(
        &mut self,
        id: &str,
        due: Timestamp,
        moment: &Moment<'_>,
        command: TimerCommand<'_>,
    ) -> Result<(), Fault> {
        let row = TimerRow {
            due_us: due.as_micros(),
            set_at: moment.position.offset.0,
            domain: command.domain.to_owned(),
            stream_key: command.stream_key.as_str().to_owned(),
            kind: command.kind.to_owned(),
            payload: command.payload.into(),
        };
        self.put(id, &row)
    }

    /// Sets a timer that is set to another time.
    pub(crate) fn postpone(&mut self, id: &str, due: Timestamp, set_at: Offset) -> Result<(), Fault> {
        match self.get(id)? {
            Some(row) => self.put(id, &TimerRow { due_us: due.as_micros(), set_at: set_at.0, ..row }),
            None => Ok(()),
        }
    }

    fn put(&mut self, id: &str, row: &TimerRow) -> Result<(), Fault> {
        self.cancel(id)?;
        TablesMut::from(ViewMut::new(self.below, self.writes, self.tenant)).timer_rows().put((id,), row);
        TablesMut::from(ViewMut::new(self.below, self.writes, TenantId::partition()))
            .timers_due()
            .put((row.due_us, self.tenant.as_str(), id), &Mark {});
        Ok(())
    }

    /// Removes a timer if it is set.
    pub fn cancel(&mut self, id: &str) -> Result<(), Fault> {
        let mut tables = TablesMut::from(ViewMut::new(self.below, self.writes, self.tenant));
        if let Some(row) = tables.timer_rows().get((id,))? {
            tables.timer_rows().delete((id,));
            TablesMut::from(ViewMut::new(self.below, self.writes, TenantId::partition())).timers_due().delete((
                row.due_us,
                self.tenant.as_str(),
                id,
            ));
        }
        Ok(())
    }
}

/// A timer that is due.
#[derive(Debug, Clone)]
pub struct DueTimer {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its id.
    pub id: String,
    /// When it was due.
    pub due: Timestamp,
    /// The command it becomes.
    pub row: TimerRow,
}

/// The first timers that are due at `now`, at most `limit`, and when the first one after them comes due.
pub fn due_timers(state: &dyn Read, now: Timestamp, limit: usize) -> Result<(Vec<DueTimer>, Option<Timestamp>), Fault> {
    let mut due = Vec::new();
    for row in Tables::from(View::new(state, TenantId::partition())).timers_due().scan(All) {
        let ((due_us, tenant, id), Mark {}) = row?;
        let at = Timestamp::from_micros(due_us);
        if at > now || due.len() == limit {
            return Ok((due, Some(at)));
        }
        let tenant = TenantId::parse(&tenant).map_err(|error| Fault::Damaged(error.to_string()))?;
        let missing = || Fault::Damaged(format!("timer {id} of {tenant} has no row"));
        let row = Tables::from(View::new(state, &tenant)).timer_rows().get((&id,))?.ok_or_else(missing)?;
        due.push(DueTimer { tenant, id, due: at, row });
    }
    Ok((due, None))
}

/// An effect that is open, by the command and index that asked for it.
pub type OpenEffect = ((Offset, u32), OutboxRow);

/// Effects that are open, from the one after `after`, at most `limit`, with the command and index that asked for them.
pub fn open_effects(state: &dyn Read, after: Option<(Offset, u32)>, limit: usize) -> Result<Vec<OpenEffect>, Fault> {
    let outbox = Tables::from(View::new(state, TenantId::partition())).outbox();
    let from = after.map_or((0, 0), |(offset, index)| (offset.0, index + 1));
    let rows = outbox.scan_from(All, from).take(limit);
    rows.map(|row| row.map(|((offset, index), row)| ((Offset(offset), index), row))).collect()
}

/// How much of each there is, counted up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Parked stream keys.
    pub parked: u64,
    /// Effects that are asked for and not done.
    pub effects: u64,
    /// Timers that are set.
    pub timers: u64,
    /// Alarms that are raised.
    pub alarms: u64,
}

/// What waits in a partition; each counted up to `limit`.
pub fn counts(state: &dyn Read, limit: usize) -> Counts {
    let tables = Tables::from(View::new(state, TenantId::partition()));
    Counts {
        parked: tables.parked().scan(All).take(limit).count() as u64,
        effects: tables.outbox().scan(All).take(limit).count() as u64,
        timers: tables.timers_due().scan(All).take(limit).count() as u64,
        alarms: tables.alarm_rows().scan(All).take(limit).count() as u64,
    }
}

/// Which of the loop's queues a write set touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Touched {
    /// A timer was set or removed.
    pub timers: bool,
    /// An effect was asked for or done.
    pub outbox: bool,
}

impl Touched {
    /// Looks at a write set.
    pub fn of(writes: &WriteSet) -> Self {
        let partition = View::new(&crate::state::Nothing, TenantId::partition());
        let tables = Tables::from(partition);
        let touches = |span| writes.touches(ProjectionId::SYSTEM, &span);
        Self { timers: touches(tables.timers_due().span(All)), outbox: touches(tables.outbox().span(All)) }
    }
}

/// Something to do in the world once the decision that asked for it is durable. Done at least once, by the
/// partition's owner; its outcome returns as a command of kind `reply` to the stream that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The kind of effect.
    pub kind: &'static str,
    /// What it needs to know.
    pub payload: Vec<u8>,
    /// The kind of command that brings the outcome.
    pub reply: &'static str,
}

impl Effect {
    /// Kind of [`Effect::forward`].
    pub const FORWARD: &'static str = "forward";
    /// Kind of [`Effect::destroy_keys`].
    pub const DESTROY_KEYS: &'static str = "destroy_keys";
    /// Kind of the effect whose payload is an `EventExportJob`. Field 1 of the reply command is the job's offset.
    pub const EXPORT_EVENTS: &'static str = "export_events";

    /// Appends a command to another stream. The reply command's field 1 is a `ForwardOutcome`.
    pub fn forward(forward: &daybook_proto::system::v1::Forward, reply: &'static str) -> Self {
        Self { kind: Self::FORWARD, payload: forward.encode_to_vec(), reply }
    }

    /// Destroys keys of the key ring. The reply command's field 1 lists each `DestroyedKey`.
    pub fn destroy_keys(keys: &daybook_proto::privacy::v1::DestroyKeys, reply: &'static str) -> Self {
        Self { kind: Self::DESTROY_KEYS, payload: keys.encode_to_vec(), reply }
    }
}

/// How long a delay may be: nothing is planned further ahead than this.
pub const DELAY_MAX: Duration = Duration::from_secs(200 * 366 * 24 * 60 * 60);
