//! Holds over several tenants: what they answer at home, and what was answered to another tenant's hold here.

use daybook_kernel::domain::Moment;
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, GoverningHoldRow, Hold, HoldState, TenantHold, TenantHoldState};

use super::hold_timers::{HoldTimer, ask_again, ask_again_soon, check_daily};
use super::lacking;
use crate::transition::{self, is_confirmed, tenant_of};
use crate::{DOMAIN, TablesMut};

pub(super) fn applied(tables: &mut TablesMut<'_>, event: &v1::GoverningHoldApplied) -> Result<(), Fault> {
    let standing = event.standing.as_ref().ok_or_else(|| lacking("what is in force"))?;
    let key = (event.governed_by_tenant_id.as_str(), event.governing_hold_id.as_str());
    let known = tables.governing_holds().get(key)?.unwrap_or_default();
    let hold_id = if standing.hold_id.is_empty() { known.hold_id } else { standing.hold_id.clone() };
    let row = GoverningHoldRow { revision: known.revision.max(standing.revision), hold_id };
    tables.governing_holds().put(key, &row);
    Ok(())
}

pub(super) fn recorded(
    tables: &mut TablesMut<'_>,
    event: &v1::TenantHoldRecorded,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let id = event.hold_id.as_str();
    let hold = tables.holds().update((id,), |hold| transition::recorded(hold, event, moment))?;
    // Answers of before tenants told what is in force in them: nobody waits for those.
    if event.revision == 0 {
        return Ok(());
    }
    let alarm = alarm_id(id, &event.tenant_id);
    match transition::in_tenant(&hold, &event.tenant_id) {
        Some(other) if is_wrong(other.state()) || !other.code.is_empty() => {
            let text = alarm_text(&hold, other);
            tables.alarms(DOMAIN).raise(&alarm, &text, moment)?;
        }
        Some(other) if !is_confirmed(&hold, other) => {}
        _ => tables.alarms(DOMAIN).clear(&alarm)?,
    }
    match (hold.other_tenants.iter().all(|other| is_confirmed(&hold, other)), hold.state()) {
        (true, HoldState::Released) => HoldTimer::Confirm(0).cancel(tables, id),
        (true, _) => check_daily(tables, id, moment),
        (false, _) => ask_again_soon(tables, id, moment),
    }
}

pub(super) fn asked(
    tables: &mut TablesMut<'_>,
    event: &v1::TenantHoldsAsked,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let id = event.hold_id.as_str();
    let mut silent = Vec::new();
    tables.holds().update((id,), |hold| {
        for update in &event.governing_updates {
            let Some(other) = transition::in_tenant(hold, &update.tenant_id) else { continue };
            if !is_confirmed(hold, other) || is_unanswered(other) {
                silent.push((update.tenant_id.clone(), alarm_text(hold, other)));
            }
        }
        transition::asked(hold, &event.governing_updates, moment);
    })?;
    for (tenant, text) in silent {
        tables.alarms(DOMAIN).raise(&alarm_id(id, &tenant), &text, moment)?;
    }
    if event.attempt == 0 { check_daily(tables, id, moment) } else { ask_again(tables, id, event.attempt, moment) }
}

/// Whether what was sent last has no answer.
fn is_unanswered(other: &TenantHold) -> bool {
    let micros = |time: &Option<prost_types::Timestamp>| time.as_ref().map(|time| (time.seconds, time.nanos));
    micros(&other.answered_at) < micros(&other.sent_at)
}

fn is_wrong(state: TenantHoldState) -> bool {
    matches!(state, TenantHoldState::Refused | TenantHoldState::Differs)
}

fn alarm_id(hold_id: &str, tenant: &str) -> String {
    format!("tenant-hold/{tenant}/{hold_id}")
}

fn alarm_text(hold: &Hold, other: &TenantHold) -> String {
    let (id, tenant) = (&hold.hold_id, tenant_of(other));
    let wanted = if hold.state() == HoldState::Released || other.target.as_ref().is_none_or(|t| t.scope.is_none()) {
        "to be released"
    } else {
        "to be in force"
    };
    let happened = match (other.state(), other.code.as_str()) {
        (TenantHoldState::Differs, _) => "that tenant answers that something else is in force".to_owned(),
        (_, "") => "that tenant has not confirmed it".to_owned(),
        (_, code) => format!("that tenant refuses it with {code}"),
    };
    format!("hold {id} is {wanted} in tenant {tenant}, and {happened}; it is asked again; see `daybook hold show {id}`")
}
