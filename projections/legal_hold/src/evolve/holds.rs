//! Holds.

use daybook_kernel::domain::Moment;
use daybook_kernel::id::StreamKey;
use daybook_kernel::key::First;
use daybook_kernel::state::Fault;
use daybook_kernel::system::TimerCommand;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{
    self, EndHold, FinishRelease, Hold, HoldState, StartHold, SweepHold, TenantHold, TenantHoldState,
};
use daybook_proto::system::v1::Mark;
use prost::Message;

use super::lacking;
use crate::scope::compile;
use crate::{DOMAIN, TablesMut, hold_index};

/// Whether a hold in this state stands in the index.
fn holds(state: HoldState) -> bool {
    matches!(state, HoldState::Active | HoldState::Releasing)
}

fn post(tables: &mut TablesMut<'_>, hold: &Hold) -> Result<(), Fault> {
    match &hold.scope {
        Some(scope) => hold_index::post(tables, &hold.hold_id, &compile(scope)),
        None => Ok(()),
    }
}

fn unpost(tables: &mut TablesMut<'_>, hold: &Hold) -> Result<(), Fault> {
    match &hold.scope {
        Some(scope) => hold_index::unpost(tables, &hold.hold_id, &compile(scope)),
        None => Ok(()),
    }
}

fn read(tables: &mut TablesMut<'_>, hold_id: &str) -> Result<Hold, Fault> {
    tables.holds().get((hold_id,))?.ok_or_else(|| lacking("a hold that is there"))
}

/// Which of a hold's timers.
#[derive(Clone, Copy)]
enum HoldTimer {
    Start,
    End,
    Release,
    Sweep,
}

impl HoldTimer {
    fn id(self, hold_id: &str) -> String {
        let name = match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Release => "release",
            Self::Sweep => "sweep",
        };
        format!("hold-{name}/{hold_id}")
    }

    fn cancel(self, tables: &mut TablesMut<'_>, hold_id: &str) -> Result<(), Fault> {
        tables.timers().cancel(&self.id(hold_id))
    }

    fn set(self, tables: &mut TablesMut<'_>, hold_id: &str, due: Timestamp, moment: &Moment<'_>) -> Result<(), Fault> {
        self.set_after(tables, hold_id, "", due, moment)
    }

    fn set_after(
        self,
        tables: &mut TablesMut<'_>,
        hold_id: &str,
        after_item_id: &str,
        due: Timestamp,
        moment: &Moment<'_>,
    ) -> Result<(), Fault> {
        let hold = hold_id.to_owned();
        let (kind, payload) = match self {
            Self::Start => ("StartHold", StartHold { hold_id: hold }.encode_to_vec()),
            Self::End => ("EndHold", EndHold { hold_id: hold }.encode_to_vec()),
            Self::Release => ("FinishRelease", FinishRelease { hold_id: hold }.encode_to_vec()),
            Self::Sweep => {
                let after_item_id = after_item_id.to_owned();
                ("SweepHold", SweepHold { hold_id: hold, after_item_id }.encode_to_vec())
            }
        };
        let stream_key = StreamKey::of_tenant(moment.tenant);
        let command = TimerCommand { domain: DOMAIN, stream_key: &stream_key, kind, payload };
        tables.timers().set(&self.id(hold_id), due, moment, command)
    }
}

fn time(time: &Option<prost_types::Timestamp>) -> Option<Timestamp> {
    time.as_ref().and_then(|time| Timestamp::from_proto(time).ok())
}

pub(super) fn placed(tables: &mut TablesMut<'_>, event: &v1::HoldPlaced, moment: &Moment<'_>) -> Result<(), Fault> {
    let hold = event.hold.as_ref().ok_or_else(|| lacking("its hold"))?;
    let id = hold.hold_id.as_str();
    let mut kept = hold.clone();
    keep_readable_forms(tables, &mut kept)?;
    tables.holds().put((id,), &kept);
    tables.holds_by_matter().put((&hold.matter_id, id), &Mark {});
    if holds(hold.state()) {
        post(tables, hold)?;
    } else if let Some(start) = time(&hold.start_time) {
        HoldTimer::Start.set(tables, id, start, moment)?;
    }
    match time(&hold.end_time) {
        Some(end) => HoldTimer::End.set(tables, id, end, moment),
        None => Ok(()),
    }
}

/// The readable form of a scope's entities goes where those of items are.
fn keep_readable_forms(tables: &mut TablesMut<'_>, hold: &mut Hold) -> Result<(), Fault> {
    for entity in hold.scope.iter_mut().flat_map(|scope| &mut scope.entities) {
        if let Some(readable) = entity.sealed.take()
            && tables.entities().get((&entity.id,))?.is_none()
        {
            tables.entities().put((&entity.id,), &readable);
        }
    }
    // Those of other tenants can only be read there.
    for target in hold.other_tenants.iter_mut().filter_map(|tenant| tenant.target.as_mut()) {
        for entity in target.scope.iter_mut().flat_map(|scope| &mut scope.entities) {
            entity.sealed = None;
        }
    }
    Ok(())
}

pub(super) fn started(tables: &mut TablesMut<'_>, event: &v1::HoldStarted) -> Result<(), Fault> {
    let hold = tables.holds().update((&event.hold_id,), |hold| hold.set_state(HoldState::Active))?;
    post(tables, &hold)
}

pub(super) fn updated(tables: &mut TablesMut<'_>, event: &v1::HoldUpdated) -> Result<(), Fault> {
    tables.holds().update((&event.hold_id,), |hold| {
        hold.name.clone_from(&event.name);
        hold.owner.clone_from(&event.owner);
        hold.reason.clone_from(&event.reason);
    })?;
    Ok(())
}

pub(super) fn change_requested(tables: &mut TablesMut<'_>, event: &v1::HoldChangeRequested) -> Result<(), Fault> {
    tables.holds().update((&event.hold_id,), |hold| hold.pending_change.clone_from(&event.change))?;
    Ok(())
}

pub(super) fn change_settled(tables: &mut TablesMut<'_>, hold_id: &str) -> Result<(), Fault> {
    tables.holds().update((hold_id,), |hold| hold.pending_change = None)?;
    Ok(())
}

pub(super) fn scope_changed(
    tables: &mut TablesMut<'_>,
    event: &v1::HoldScopeChanged,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let id = event.hold_id.as_str();
    let change = event.change.as_ref().ok_or_else(|| lacking("its change"))?;
    let before = read(tables, id)?;
    let mut hold = before.clone();
    if let Some(scope) = &change.scope {
        hold.scope = Some(scope.clone());
    }
    if change.replace_end_time {
        hold.end_time = change.end_time;
    }
    if change.replace_other_tenants {
        let standing = std::mem::take(&mut hold.other_tenants);
        hold.other_tenants = change.other_tenants.iter().map(|target| pending(target, &standing)).collect();
    }
    if !event.governing_updates.is_empty() || event.revision > 0 {
        hold.revision = event.revision.max(hold.revision + 1);
    }
    keep_readable_forms(tables, &mut hold)?;
    if holds(before.state()) {
        unpost(tables, &before)?;
        post(tables, &hold)?;
    }
    tables.holds().put((id,), &hold);
    if change.replace_end_time {
        HoldTimer::End.cancel(tables, id)?;
        if let Some(end) = time(&hold.end_time) {
            HoldTimer::End.set(tables, id, end, moment)?;
        }
    }
    // What the hold put off may not be covered any more.
    if hold.deferred_items > 0 { HoldTimer::Sweep.set(tables, id, moment.now, moment) } else { Ok(()) }
}

/// How a hold stands in another tenant whose scope has just been sent.
fn pending(target: &v1::TenantScope, standing: &[TenantHold]) -> TenantHold {
    let known =
        standing.iter().find(|hold| hold.target.as_ref().is_some_and(|known| known.tenant_id == target.tenant_id));
    TenantHold {
        target: Some(target.clone()),
        state: TenantHoldState::Pending.into(),
        ..known.cloned().unwrap_or_default()
    }
}

pub(super) fn release_scheduled(
    tables: &mut TablesMut<'_>,
    event: &v1::HoldReleaseScheduled,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let effective_at = time(&event.effective_at).ok_or_else(|| lacking("its time"))?;
    tables.holds().update((&event.hold_id,), |hold| {
        hold.set_state(HoldState::Releasing);
        hold.release_effective_at = event.effective_at;
    })?;
    HoldTimer::Release.set(tables, &event.hold_id, effective_at, moment)
}

pub(super) fn release_cancelled(tables: &mut TablesMut<'_>, event: &v1::HoldReleaseCancelled) -> Result<(), Fault> {
    tables.holds().update((&event.hold_id,), |hold| {
        hold.set_state(HoldState::Active);
        hold.release_effective_at = None;
    })?;
    HoldTimer::Release.cancel(tables, &event.hold_id)
}

pub(super) fn released(tables: &mut TablesMut<'_>, event: &v1::HoldReleased, moment: &Moment<'_>) -> Result<(), Fault> {
    let id = event.hold_id.as_str();
    let before = read(tables, id)?;
    if holds(before.state()) {
        unpost(tables, &before)?;
    }
    for timer in [HoldTimer::Start, HoldTimer::End, HoldTimer::Release] {
        timer.cancel(tables, id)?;
    }
    let hold = tables.holds().update((id,), |hold| {
        hold.set_state(HoldState::Released);
        hold.pending_change = None;
        hold.release_effective_at = None;
        hold.released_at = Some(moment.now.to_proto());
        if !event.governing_updates.is_empty() {
            hold.revision += 1;
        }
    })?;
    if hold.deferred_items > 0 { HoldTimer::Sweep.set(tables, id, moment.now, moment) } else { Ok(()) }
}

pub(super) fn swept(tables: &mut TablesMut<'_>, event: &v1::HoldSwept, moment: &Moment<'_>) -> Result<(), Fault> {
    let id = event.hold_id.as_str();
    if !event.next_after_item_id.is_empty() {
        return HoldTimer::Sweep.set_after(tables, id, &event.next_after_item_id, moment.now, moment);
    }
    // A hold that is over puts nothing off: what came in behind the sweep is looked at again from the beginning.
    let hold = read(tables, id)?;
    let left = tables.read(|tables| tables.deferred().scan(First(id)).next().transpose())?;
    if hold.state() == HoldState::Released && left.is_some() {
        return HoldTimer::Sweep.set(tables, id, moment.now, moment);
    }
    Ok(())
}

pub(super) fn tenant_hold_recorded(tables: &mut TablesMut<'_>, event: &v1::TenantHoldRecorded) -> Result<(), Fault> {
    tables.holds().update((&event.hold_id,), |hold| {
        for other in &mut hold.other_tenants {
            if other.target.as_ref().is_some_and(|target| target.tenant_id == event.tenant_id) {
                other.state = event.state;
                other.code.clone_from(&event.code);
                other.position = event.position;
            }
        }
    })?;
    Ok(())
}
