//! `daybook hold`: legal holds.

use daybook_proto::legal_hold::v1;
use daybook_proto::log::v1::actor::Kind as ActorKind;
use prost::{Message, Name};

use crate::args::{Hold, HoldState, Kind, ScopeArguments, ZoneArgument};
use crate::client::new_id;
use crate::commands::export;
use crate::failure::{Failure, Outcome};
use crate::output::{self, line, plain};
use crate::period::{self, Period};
use crate::session::Session;
use crate::units;

/// Places, shows, changes and releases holds.
pub(crate) async fn run(hold: Hold, session: &Session) -> Outcome {
    match hold {
        Hold::Place { id, name, matter, owner, reason, scope, start, end, release_delay, zone, also_in } => {
            let scope = scope_of(&scope, &zone)?;
            let (release_delay, calendar_release_delay) = release_delay.map(Period::to_proto).unwrap_or_default();
            let other = also_in.into_iter().map(|tenant_id| v1::TenantScope { tenant_id, scope: Some(scope.clone()) });
            let request = v1::PlaceHoldRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                hold_id: id.unwrap_or_default(),
                name,
                matter_id: matter.unwrap_or_default(),
                owner: owner.unwrap_or_default(),
                reason,
                other_tenants: other.collect(),
                scope: Some(scope),
                start_time: zone.time(start.as_ref())?,
                end_time: zone.time(end.as_ref())?,
                release_delay,
                calendar_release_delay,
            };
            let response: v1::PlaceHoldResponse = session.client.command(&request.command_id, &request).await?;
            session.show(&response, show_placed)
        }
        Hold::List { state, matter } => list(session, state, matter).await,
        Hold::Show { id } => {
            let hold = get(session, &id).await?;
            session.show(&hold, show)
        }
        Hold::Preview { scope, zone } => {
            let request = v1::PreviewScopeRequest {
                tenant_id: session.tenant.clone(),
                scope: Some(scope_of(&scope, &zone)?),
                ..Default::default()
            };
            let response: v1::PreviewScopeResponse = session.client.ask(&request).await?;
            session.show(&response, show_preview)
        }
        Hold::Update { id, name, owner, reason } => {
            let request = v1::UpdateHoldRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                hold_id: id,
                name,
                owner,
                reason,
            };
            let response: v1::UpdateHoldResponse = session.client.command(&request.command_id, &request).await?;
            changed(session, &response, response.hold.as_ref())
        }
        Hold::Scope { id, reason, scope, end, no_end, also_in, nowhere_else, zone } => {
            let new_scope = Some(scope_of(&scope, &zone)?).filter(|scope| *scope != v1::Scope::default());
            if new_scope.is_none() && !also_in.is_empty() {
                let message = "--also-in needs the scope as well: people have other pseudonyms in another tenant";
                return Err(Failure::new(message));
            }
            let other = also_in.into_iter().map(|tenant_id| v1::TenantScope { tenant_id, scope: new_scope.clone() });
            let other_tenants: Vec<_> = other.collect();
            let change = v1::ScopeChange {
                replace_other_tenants: nowhere_else || !other_tenants.is_empty(),
                other_tenants,
                // No word of a scope leaves it as it is: only the end changes then.
                scope: new_scope,
                replace_end_time: no_end || end.is_some(),
                end_time: zone.time(end.as_ref())?,
            };
            let request = v1::ChangeHoldScopeRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                hold_id: id,
                change: Some(change),
                reason,
            };
            let response: v1::ChangeHoldScopeResponse = session.client.command(&request.command_id, &request).await?;
            changed(session, &response, response.hold.as_ref())
        }
        Hold::Release { id, reason, delay } => {
            let (delay, calendar_delay) = delay.map(Period::to_proto).unwrap_or_default();
            let request = v1::ReleaseHoldRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                hold_id: id,
                reason,
                delay,
                calendar_delay,
            };
            let response: v1::ReleaseHoldResponse = session.client.command(&request.command_id, &request).await?;
            changed(session, &response, response.hold.as_ref())
        }
        Hold::Approve { id, change, comment } => {
            let request = v1::ApproveHoldChangeRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                change_id: pending(session, &id, change).await?,
                hold_id: id,
                comment,
            };
            let response: v1::ApproveHoldChangeResponse = session.client.command(&request.command_id, &request).await?;
            changed(session, &response, response.hold.as_ref())
        }
        Hold::Decline { id, change, comment } => {
            let request = v1::DeclineHoldChangeRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                change_id: pending(session, &id, change).await?,
                hold_id: id,
                comment,
            };
            let response: v1::DeclineHoldChangeResponse = session.client.command(&request.command_id, &request).await?;
            changed(session, &response, response.hold.as_ref())
        }
        Hold::CancelRelease { id, reason } => {
            let request = v1::CancelReleaseRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                hold_id: id,
                reason,
            };
            let response: v1::CancelReleaseResponse = session.client.command(&request.command_id, &request).await?;
            changed(session, &response, response.hold.as_ref())
        }
        Hold::Confirm { id, all: _ } => confirm(session, id).await,
        Hold::Audit { hold, matter, item, actor, since, until, zone, export } => {
            let decided_at =
                v1::TimeRange { start_time: zone.time(since.as_ref())?, end_time: zone.time(until.as_ref())? };
            let request = v1::ListAuditEntriesRequest {
                tenant_id: session.tenant.clone(),
                hold_id: hold.unwrap_or_default(),
                matter_id: matter.unwrap_or_default(),
                item_id: item.unwrap_or_default(),
                actor_id: actor.unwrap_or_default(),
                decided_at: Some(decided_at),
                ..Default::default()
            };
            let audit = session.client.list(request).await?;
            match export {
                Some(file) => export::write(session, &audit, &file).await,
                None => session.show(&audit, |audit| show_audit(&audit.entries)),
            }
        }
    }
}

/// The scope that the command line describes.
pub(crate) fn scope_of(arguments: &ScopeArguments, zone: &ZoneArgument) -> Outcome<v1::Scope> {
    let (since, until) = (arguments.since.as_ref(), arguments.until.as_ref());
    let range = v1::TimeRange { start_time: zone.time(since)?, end_time: zone.time(until)? };
    Ok(v1::Scope {
        case_ids: arguments.cases.clone(),
        entities: arguments.entities.iter().map(|id| v1::Entity { id: id.clone(), ..Default::default() }).collect(),
        data_categories: arguments.categories.clone(),
        kinds: arguments.kinds.iter().map(|kind| item_kind(*kind).into()).collect(),
        item_time: (range != v1::TimeRange::default()).then_some(range),
        everything: arguments.everything,
    })
}

/// Asks other tenants what is in force in them: for one hold, or for each that is in any.
async fn confirm(session: &Session, id: Option<String>) -> Outcome {
    let ids = match id {
        Some(id) => vec![id],
        None => {
            let request = v1::ListHoldsRequest { tenant_id: session.tenant.clone(), ..Default::default() };
            let all = session.client.list(request).await?;
            all.holds.into_iter().filter(|hold| !hold.other_tenants.is_empty()).map(|hold| hold.hold_id).collect()
        }
    };
    let mut asked = v1::ListHoldsResponse::default();
    for hold_id in ids {
        let request = v1::ConfirmHoldRequest { command_id: new_id(), tenant_id: session.tenant.clone(), hold_id };
        let response: v1::ConfirmHoldResponse = session.client.command(&request.command_id, &request).await?;
        asked.holds.extend(response.hold);
    }
    session.show(&asked, |asked| {
        let rows = asked.holds.iter().map(|hold| {
            let others: Vec<_> = hold.other_tenants.iter().map(tenant_text).collect();
            [hold.hold_id.clone(), others.join("\n")]
        });
        output::table(["hold", "asked; answered last"], rows);
    })
}

/// A hold that was placed, with what it matches.
fn show_placed(placed: &v1::PlaceHoldResponse) {
    placed.hold.iter().for_each(show);
    let at_least = if placed.matching_items_truncated { "at least " } else { "" };
    match placed.matching_items {
        0 => line("It matches no item yet. If it should, compare its scope with `daybook item list`."),
        1 => line("It matches 1 item now, and every matching item that is registered later."),
        count => line(format_args!(
            "It matches {at_least}{count} items now, and every matching item that is registered later."
        )),
    }
}

/// The kind that the command line names.
pub(crate) fn item_kind(kind: Kind) -> v1::ItemKind {
    match kind {
        Kind::Message => v1::ItemKind::Message,
        Kind::Case => v1::ItemKind::Case,
        Kind::EvidenceMetadata => v1::ItemKind::EvidenceMetadata,
        Kind::AuditLog => v1::ItemKind::AuditLog,
        Kind::Other => v1::ItemKind::Other,
    }
}

async fn get(session: &Session, id: &str) -> Outcome<v1::Hold> {
    let request =
        v1::GetHoldRequest { tenant_id: session.tenant.clone(), hold_id: id.to_owned(), ..Default::default() };
    let response: v1::GetHoldResponse = session.client.ask(&request).await?;
    response.hold.ok_or_else(|| Failure::new("the node showed no hold"))
}

/// The change that is meant: the one named, or the one that waits, which is shown so that it is seen what is settled.
async fn pending(session: &Session, id: &str, change: Option<String>) -> Outcome<String> {
    if let Some(change) = change {
        return Ok(change);
    }
    let hold = get(session, id).await?;
    let change = hold
        .pending_change
        .ok_or_else(|| Failure::new(format!("no change of hold {id} waits for anybody; nothing was changed")))?;
    if !session.json {
        line(format_args!("the change: {}", change_text(&change)));
    }
    Ok(change.change_id)
}

async fn list(session: &Session, state: Option<HoldState>, matter: Option<String>) -> Outcome {
    let state = state.map_or(v1::HoldState::Unspecified, |state| match state {
        HoldState::Scheduled => v1::HoldState::Scheduled,
        HoldState::Active => v1::HoldState::Active,
        HoldState::Releasing => v1::HoldState::Releasing,
        HoldState::Released => v1::HoldState::Released,
    });
    let request = v1::ListHoldsRequest {
        tenant_id: session.tenant.clone(),
        state: state.into(),
        matter_id: matter.unwrap_or_default(),
        ..Default::default()
    };
    let all = session.client.list(request).await?;
    session.show(&all, |all| {
        let rows = all.holds.iter().map(|hold| {
            [
                hold.hold_id.clone(),
                state_with_tenants(hold),
                hold.name.clone(),
                hold.matter_id.clone(),
                hold.owner.clone(),
                scope_text(hold.scope.as_ref()),
                hold.deferred_items.to_string(),
            ]
        });
        output::table(["hold", "state", "name", "matter", "owner", "scope", "deferred deletions"], rows);
    })
}

fn changed<M: Message + Name>(session: &Session, response: &M, hold: Option<&v1::Hold>) -> Outcome {
    session.show(response, |_| hold.into_iter().for_each(show))
}

/// A hold, whole.
pub(crate) fn show(hold: &v1::Hold) {
    let others: Vec<_> = hold.other_tenants.iter().map(tenant_text).collect();
    output::facts([
        ("hold", hold.hold_id.clone()),
        ("state", state_text(hold)),
        ("name", hold.name.clone()),
        ("matter", hold.matter_id.clone()),
        ("owner", hold.owner.clone()),
        ("reason", hold.reason.clone()),
        ("scope", scope_text(hold.scope.as_ref())),
        ("from", units::show_time(hold.start_time.as_ref())),
        ("to", units::show_time(hold.end_time.as_ref())),
        ("waits for approval", hold.pending_change.as_ref().map(change_text).unwrap_or_default()),
        ("release delay", period::show_period(hold.release_delay.as_ref(), hold.calendar_release_delay.as_ref())),
        ("ends", units::show_time(hold.release_effective_at.as_ref())),
        ("released", units::show_time(hold.released_at.as_ref())),
        ("placed", format!("by {} at {}", hold.placed_by, output::position(hold.placed_at.as_ref()))),
        ("deferred deletions", hold.deferred_items.to_string()),
        ("governed by tenant", hold.governed_by_tenant_id.clone()),
        ("other tenants", others.join("\n")),
    ]);
}

fn show_preview(preview: &v1::PreviewScopeResponse) {
    let at_least = if preview.truncated { "at least " } else { "" };
    output::facts([
        ("items it would match", format!("{at_least}{}", preview.matching_items)),
        ("not held by another yet", format!("{at_least}{}", preview.newly_held_items)),
        ("for example", preview.sample_item_ids.join("\n")),
    ]);
}

/// The entries of the audit as a table.
pub(crate) fn show_audit(entries: &[v1::AuditEntry]) {
    let rows = entries.iter().map(|entry| {
        [
            units::show_time(entry.decided_at.as_ref()),
            plain(entry.action().as_str_name(), "AUDIT_ACTION_"),
            actor_text(entry),
            entry.hold_id.clone(),
            several(&entry.item_ids),
            several(&entry.related_ids),
            entry.reason.clone(),
            output::position(entry.position.as_ref()),
            output::short(&entry.command_hash),
        ]
    });
    output::table(["time of the log", "what", "who", "hold", "items", "related", "reason", "position", "hash"], rows);
}

/// Who did it. A person goes without saying; that it was a program, or Daybook itself, does not.
fn actor_text(entry: &v1::AuditEntry) -> String {
    match entry.actor_kind() {
        ActorKind::Service => format!("{} (service)", entry.actor_id),
        ActorKind::System => format!("{} (system)", entry.actor_id),
        ActorKind::User | ActorKind::Unspecified => entry.actor_id.clone(),
    }
}

/// The first of several, and how many more there are.
fn several(ids: &[String]) -> String {
    match ids {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

fn state_text(hold: &v1::Hold) -> String {
    plain(hold.state().as_str_name(), "HOLD_STATE_")
}

/// The state, and how many of its other tenants have confirmed it.
fn state_with_tenants(hold: &v1::Hold) -> String {
    let confirmed = |other: &&v1::TenantHold| {
        use v1::TenantHoldState::{Active, Released, Scheduled};
        matches!(other.state(), Active | Released | Scheduled)
    };
    let (all, confirmed) = (hold.other_tenants.len(), hold.other_tenants.iter().filter(confirmed).count());
    match state_text(hold) {
        state if all == confirmed => state,
        state => format!("{state}, {} of {all} other tenants not confirmed", all - confirmed),
    }
}

fn tenant_text(other: &v1::TenantHold) -> String {
    let tenant = other.target.as_ref().map(|target| target.tenant_id.as_str()).unwrap_or_default();
    let state = plain(other.state().as_str_name(), "TENANT_HOLD_STATE_");
    let place = output::position(other.position.as_ref());
    format!("{tenant} {state} {} {place}", other.code).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn change_text(change: &v1::PendingChange) -> String {
    use v1::pending_change::Change;
    let what = match &change.change {
        Some(Change::Release(release)) => {
            match period::show_period(release.delay.as_ref(), release.calendar_delay.as_ref()).as_str() {
                "0" => "release at once".to_owned(),
                delay => format!("release after {delay}"),
            }
        }
        Some(Change::Scope(change)) => {
            let scope = change.scope.as_ref().map(|scope| format!("cover {}", scope_text(Some(scope))));
            let end = change.replace_end_time.then(|| match &change.end_time {
                Some(end) => format!("end at {}", units::show_time(Some(end))),
                None => "have no end".to_owned(),
            });
            scope.into_iter().chain(end).collect::<Vec<_>>().join(", ")
        }
        None => "nothing".to_owned(),
    };
    let (who, when) = (&change.requested_by, units::show_time(change.requested_at.as_ref()));
    format!("{what}; asked for by {who} at {when}: {} ({})", change.reason, change.change_id)
}

/// A scope in words: all of its parts must match an item, and of each part one value.
pub(crate) fn scope_text(scope: Option<&v1::Scope>) -> String {
    let Some(scope) = scope else { return String::new() };
    if scope.everything {
        return "everything".to_owned();
    }
    let entities: Vec<_> = scope.entities.iter().map(|entity| entity.id.clone()).collect();
    let kinds: Vec<_> = scope.kinds().map(|kind| plain(kind.as_str_name(), "ITEM_KIND_")).collect();
    let time = scope.item_time.as_ref().map(|range| {
        let (from, to) = (units::show_time(range.start_time.as_ref()), units::show_time(range.end_time.as_ref()));
        vec![format!("{from}..{to}")]
    });
    let parts = [
        ("case", scope.case_ids.clone()),
        ("entity", entities),
        ("category", scope.data_categories.clone()),
        ("kind", kinds),
        ("created", time.unwrap_or_default()),
    ];
    let parts = parts.into_iter().filter(|(_, values)| !values.is_empty());
    parts.map(|(name, values)| format!("{name} {}", values.join(" or "))).collect::<Vec<_>>().join("; ")
}
