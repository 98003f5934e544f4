//! Holds: placed, started, changed, released. What other tenants answer is in `tenant_holds`.

use daybook_kernel::domain::Moment;
use daybook_kernel::key::First;
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{self, GoverningHoldRow, GoverningUpdate, Hold, HoldState};
use daybook_proto::system::v1::Mark;

use super::hold_timers::{HoldTimer, ask_again};
use super::lacking;
use crate::scope::compile;
use crate::{TablesMut, hold_index, transition};

/// Whether a hold in this state is in the index.
fn is_in_force(state: HoldState) -> bool {
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

fn time(time: &Option<prost_types::Timestamp>) -> Option<Timestamp> {
    time.as_ref().and_then(|time| Timestamp::from_proto(time).ok())
}

pub(super) fn placed(tables: &mut TablesMut<'_>, event: &v1::HoldPlaced, moment: &Moment<'_>) -> Result<(), Fault> {
    let hold = event.hold.as_ref().ok_or_else(|| lacking("its hold"))?;
    let id = hold.hold_id.as_str();
    let mut kept = hold.clone();
    keep_readable_forms(tables, &mut kept)?;
    transition::changed(&mut kept, &event.governing_updates, moment);
    tables.holds().put((id,), &kept);
    tables.holds_by_matter().put((&hold.matter_id, id), &Mark {});
    if !hold.governed_by_tenant_id.is_empty() {
        let governing = governing_hold_id(hold);
        let row = GoverningHoldRow { revision: hold.revision, hold_id: id.to_owned() };
        tables.governing_holds().put((&hold.governed_by_tenant_id, governing), &row);
    }
    if is_in_force(hold.state()) {
        post(tables, hold)?;
    } else if let Some(start) = time(&hold.start_time) {
        HoldTimer::Start.set(tables, id, start, moment)?;
    }
    if let Some(end) = time(&hold.end_time) {
        HoldTimer::End.set(tables, id, end, moment)?;
    }
    await_answers(tables, id, &event.governing_updates, moment)
}

/// The hold of another tenant that this one stands for. Before it had a field of its own it was the end of the id.
fn governing_hold_id(hold: &Hold) -> &str {
    let before = || hold.hold_id.strip_prefix(&hold.governed_by_tenant_id)?.strip_prefix(':');
    match hold.governing_hold_id.as_str() {
        "" => before().unwrap_or_default(),
        id => id,
    }
}

/// Asks again in a minute where tenants are to confirm what they were sent.
fn await_answers(
    tables: &mut TablesMut<'_>,
    hold_id: &str,
    updates: &[GoverningUpdate],
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    if updates.iter().any(|update| update.confirmed) { ask_again(tables, hold_id, 0, moment) } else { Ok(()) }
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

pub(super) fn started(tables: &mut TablesMut<'_>, event: &v1::HoldStarted, moment: &Moment<'_>) -> Result<(), Fault> {
    let id = event.hold_id.as_str();
    let hold = tables.holds().update((id,), |hold| {
        hold.set_state(HoldState::Active);
        transition::changed(hold, &event.governing_updates, moment);
    })?;
    HoldTimer::Start.cancel(tables, id)?;
    post(tables, &hold)?;
    await_answers(tables, id, &event.governing_updates, moment)
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
    let mut hold = transition::after_scope_change(&before, change);
    transition::changed(&mut hold, &event.governing_updates, moment);
    if event.revision > 0 {
        hold.revision = event.revision.max(hold.revision + 1);
        heard(tables, &hold)?;
    }
    keep_readable_forms(tables, &mut hold)?;
    if is_in_force(before.state()) {
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
    // What the hold deferred may not be covered any more.
    sweep_if_needed(tables, id, moment)?;
    await_answers(tables, id, &event.governing_updates, moment)
}

/// Notes the revision of a governed hold as heard.
fn heard(tables: &mut TablesMut<'_>, hold: &Hold) -> Result<(), Fault> {
    if hold.governed_by_tenant_id.is_empty() {
        return Ok(());
    }
    let key = (hold.governed_by_tenant_id.as_str(), governing_hold_id(hold));
    let row = tables.governing_holds().get(key)?.unwrap_or_default();
    let row = GoverningHoldRow { revision: row.revision.max(hold.revision), ..row };
    tables.governing_holds().put(key, &row);
    Ok(())
}

fn sweep_if_needed(tables: &mut TablesMut<'_>, hold_id: &str, moment: &Moment<'_>) -> Result<(), Fault> {
    let deferred = tables.read(|tables| tables.deferred_items(hold_id))?;
    if deferred > 0 { HoldTimer::Sweep("").set(tables, hold_id, moment.now, moment) } else { Ok(()) }
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
    if is_in_force(before.state()) {
        unpost(tables, &before)?;
    }
    for timer in [HoldTimer::Start, HoldTimer::End, HoldTimer::Release] {
        timer.cancel(tables, id)?;
    }
    let mut hold = transition::after_release(&before);
    hold.released_at = Some(moment.now.to_proto());
    transition::changed(&mut hold, &event.governing_updates, moment);
    tables.holds().put((id,), &hold);
    sweep_if_needed(tables, id, moment)?;
    await_answers(tables, id, &event.governing_updates, moment)
}

pub(super) fn swept(tables: &mut TablesMut<'_>, event: &v1::HoldSwept, moment: &Moment<'_>) -> Result<(), Fault> {
    let id = event.hold_id.as_str();
    if !event.next_after_item_id.is_empty() {
        return HoldTimer::Sweep(&event.next_after_item_id).set(tables, id, moment.now, moment);
    }
    // A hold that is over defers nothing: what came in behind the sweep is looked at again from the beginning.
    let hold = read(tables, id)?;
    let left = tables.read(|tables| tables.deferred().scan(First(id)).next().transpose())?;
    if hold.state() == HoldState::Released && left.is_some() {
        return HoldTimer::Sweep("").set(tables, id, moment.now, moment);
    }
    Ok(())
}
