//! The timers that a hold has.

use std::time::Duration;

use daybook_kernel::domain::Moment;
use daybook_kernel::id::StreamKey;
use daybook_kernel::state::Fault;
use daybook_kernel::system::TimerCommand;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{ConfirmTenantHolds, EndHold, FinishRelease, StartHold, SweepHold};
use prost::Message;

use crate::{DOMAIN, TablesMut};

/// What comes due for a hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum HoldTimer<'a> {
    /// It starts.
    Start,
    /// Its end time comes.
    End,
    /// The delay of its approved release is over.
    Release,
    /// What it deferred is looked at again, after an item.
    Sweep(&'a str),
    /// Other tenants are asked what is in force in them, so many times without all of them confirming.
    Confirm(u32),
}

impl HoldTimer<'_> {
    fn id(self, hold_id: &str) -> String {
        let name = match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Release => "release",
            Self::Sweep(_) => "sweep",
            Self::Confirm(_) => "confirm",
        };
        format!("hold-{name}/{hold_id}")
    }

    /// Removes the timer if it is set.
    pub(super) fn cancel(self, tables: &mut TablesMut<'_>, hold_id: &str) -> Result<(), Fault> {
        tables.timers().cancel(&self.id(hold_id))
    }

    /// When it comes due, if it is set.
    pub(super) fn due(self, tables: &mut TablesMut<'_>, hold_id: &str) -> Result<Option<Timestamp>, Fault> {
        let row = tables.timers().get(&self.id(hold_id))?;
        Ok(row.map(|row| Timestamp::from_micros(row.due_us)))
    }

    /// Sets the timer, in place of one that is set.
    pub(super) fn set(
        self,
        tables: &mut TablesMut<'_>,
        hold_id: &str,
        due: Timestamp,
        moment: &Moment<'_>,
    ) -> Result<(), Fault> {
        let hold = hold_id.to_owned();
        let (kind, payload) = match self {
            Self::Start => ("StartHold", StartHold { hold_id: hold }.encode_to_vec()),
            Self::End => ("EndHold", EndHold { hold_id: hold }.encode_to_vec()),
            Self::Release => ("FinishRelease", FinishRelease { hold_id: hold }.encode_to_vec()),
            Self::Sweep(after) => {
                ("SweepHold", SweepHold { hold_id: hold, after_item_id: after.to_owned() }.encode_to_vec())
            }
            Self::Confirm(attempt) => {
                ("ConfirmTenantHolds", ConfirmTenantHolds { hold_id: hold, attempt }.encode_to_vec())
            }
        };
        let stream_key = StreamKey::of_tenant(moment.tenant);
        let command = TimerCommand { domain: DOMAIN, stream_key: &stream_key, kind, payload };
        tables.timers().set(&self.id(hold_id), due, moment, command)
    }
}

/// How long a tenant has to answer before it is asked again the first time. It doubles each time, up to an hour.
const CONFIRM_FIRST: Duration = Duration::from_secs(60);
const CONFIRM_LONGEST: Duration = Duration::from_secs(60 * 60);
/// How often a tenant is asked that has confirmed.
const CONFIRM_CHECK: Duration = Duration::from_secs(24 * 60 * 60);

/// Asks again in a while, later and later.
pub(super) fn ask_again(
    tables: &mut TablesMut<'_>,
    hold_id: &str,
    attempts: u32,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let wait = CONFIRM_FIRST.saturating_mul(1 << attempts.min(6)).min(CONFIRM_LONGEST);
    HoldTimer::Confirm(attempts + 1).set(tables, hold_id, moment.now.saturating_add(wait), moment)
}

/// Asks again in a minute, unless that is due sooner or not much later already.
pub(super) fn ask_again_soon(tables: &mut TablesMut<'_>, hold_id: &str, moment: &Moment<'_>) -> Result<(), Fault> {
    let latest = moment.now.saturating_add(CONFIRM_LONGEST);
    match HoldTimer::Confirm(0).due(tables, hold_id)? {
        Some(due) if due <= latest => Ok(()),
        _ => ask_again(tables, hold_id, 0, moment),
    }
}

/// All tenants have confirmed: they are asked once a day from now on.
pub(super) fn check_daily(tables: &mut TablesMut<'_>, hold_id: &str, moment: &Moment<'_>) -> Result<(), Fault> {
    HoldTimer::Confirm(0).set(tables, hold_id, moment.now.saturating_add(CONFIRM_CHECK), moment)
}
