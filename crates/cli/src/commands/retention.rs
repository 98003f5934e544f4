//! `daybook retention`: how long items are kept.

use daybook_proto::legal_hold::v1;

use crate::args::{Retention, RetentionAction};
use crate::client::new_id;
use crate::failure::{Failure, Outcome};
use crate::output::{self, line, plain};
use crate::period::{self, Period};
use crate::session::Session;
use crate::units;

/// Sets, previews, approves or lists retention classes.
pub(crate) async fn run(retention: Retention, session: &Session) -> Outcome {
    match retention {
        Retention::Set { id, period, action, accept_due } => {
            let request = v1::SetRetentionClassRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                retention_class: Some(class(id, period, action)),
                accept_due_items: accept_due,
            };
            let response: v1::SetRetentionClassResponse = session.client.command(&request.command_id, &request).await?;
            session.show(&response, |response| {
                let pending = response.retention_class.as_ref().and_then(|status| status.pending_change.as_ref());
                match pending {
                    Some(pending) => show_pending(pending),
                    None => show_set(response.retention_class.as_ref(), response.due_items, response.receipt.as_ref()),
                }
            })
        }
        Retention::Preview { id, period, action } => {
            let request = v1::PreviewRetentionClassRequest {
                tenant_id: session.tenant.clone(),
                retention_class: Some(class(id, period, action)),
                ..Default::default()
            };
            let preview: v1::PreviewRetentionClassResponse = session.client.ask(&request).await?;
            session.show(&preview, |preview| show_preview(preview, period))
        }
        Retention::Approve { id, change, comment, accept_due } => {
            let request = v1::ApproveRetentionChangeRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                change_id: pending(session, &id, change).await?,
                retention_class_id: id,
                comment,
                accept_due_items: accept_due,
            };
            let response: v1::ApproveRetentionChangeResponse =
                session.client.command(&request.command_id, &request).await?;
            session.show(&response, |response| {
                show_set(response.retention_class.as_ref(), response.due_items, response.receipt.as_ref());
            })
        }
        Retention::Decline { id, change, comment } => {
            let request = v1::DeclineRetentionChangeRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                change_id: pending(session, &id, change).await?,
                retention_class_id: id.clone(),
                comment,
            };
            let response: v1::DeclineRetentionChangeResponse =
                session.client.command(&request.command_id, &request).await?;
            session.show(&response, |_| line(format_args!("the change of retention class {id} is declined")))
        }
        Retention::List => list(session).await,
    }
}

fn class(retention_class_id: String, period: Period, action: RetentionAction) -> v1::RetentionClass {
    let (period, calendar_period) = period.to_proto();
    let action = match action {
        RetentionAction::Delete => v1::RetentionAction::Delete,
        RetentionAction::Review => v1::RetentionAction::Review,
    };
    v1::RetentionClass { retention_class_id, period, calendar_period, action: action.into() }
}

/// A class in words: the period that was understood, and what happens then.
fn words(class: &v1::RetentionClass) -> String {
    let period = period::show_period(class.period.as_ref(), class.calendar_period.as_ref());
    let action = match class.action() {
        v1::RetentionAction::Review => "waits for a review",
        _ => "is deleted",
    };
    format!("an item is kept for {period} after its creation, then it {action}")
}

fn show_set(
    status: Option<&v1::RetentionClassStatus>,
    due_items: u64,
    receipt: Option<&daybook_proto::log::v1::Receipt>,
) {
    let at = output::position(receipt.and_then(|receipt| receipt.position.as_ref()));
    let Some((status, class)) = status.and_then(|status| Some((status, status.retention_class.as_ref()?))) else {
        return;
    };
    line(format_args!("retention class {} is set, at {at}: {}", class.retention_class_id, words(class)));
    line(format_args!("items waiting: {}; due by this change within 30 days: {due_items}", status.waiting_items));
}

fn show_pending(pending: &v1::PendingRetentionChange) {
    let class = pending.retention_class.clone().unwrap_or_default();
    let id = &class.retention_class_id;
    line(format_args!("retention class {id} is unchanged: a second person must approve that {}", words(&class)));
    line(format_args!("asked for by {}; items due by it within 30 days: {}", pending.requested_by, pending.due_items));
    line(format_args!("approve it with: daybook retention approve {id} --accept-due {}", pending.due_items));
}

fn show_preview(preview: &v1::PreviewRetentionClassResponse, period: Period) {
    let at_least = if preview.truncated { "at least " } else { "" };
    let now = preview.retention_class.as_ref().and_then(|status| status.retention_class.as_ref());
    output::facts([
        ("period understood", period.to_string()),
        ("the class now", now.map_or_else(|| "there is none".to_owned(), words)),
        ("items waiting", preview.retention_class.as_ref().map_or(0, |status| status.waiting_items).to_string()),
        ("due within 30 days by this change", format!("{at_least}{}", preview.due_items)),
        ("of these due at once", format!("{at_least}{}", preview.due_now_items)),
        ("first due", units::show_time(preview.first_due_at.as_ref())),
    ]);
}

/// The change that is meant: the one named, or the one that waits, which is shown so that it is seen what is settled.
async fn pending(session: &Session, id: &str, change: Option<String>) -> Outcome<String> {
    if let Some(change) = change {
        return Ok(change);
    }
    let request = v1::ListRetentionClassesRequest { tenant_id: session.tenant.clone(), ..Default::default() };
    let all = session.client.list(request).await?;
    let changes = all.retention_classes.into_iter().filter_map(|status| status.pending_change);
    let of_class = |change: &v1::PendingRetentionChange| {
        change.retention_class.as_ref().is_some_and(|class| class.retention_class_id == id)
    };
    let nothing = || Failure::new(format!("no change of retention class {id} waits for approval; nothing was changed"));
    let change = changes.into_iter().find(of_class).ok_or_else(nothing)?;
    if !session.json {
        show_pending(&change);
    }
    Ok(change.change_id)
}

async fn list(session: &Session) -> Outcome {
    let request = v1::ListRetentionClassesRequest { tenant_id: session.tenant.clone(), ..Default::default() };
    let all = session.client.list(request).await?;
    session.show(&all, |all| {
        let rows = all.retention_classes.iter().map(|status| {
            let class = status.retention_class.clone().unwrap_or_default();
            let action = plain(class.action().as_str_name(), "RETENTION_ACTION_");
            let pending = status.pending_change.as_ref().and_then(|change| change.retention_class.as_ref());
            [
                class.retention_class_id,
                period::show_period(class.period.as_ref(), class.calendar_period.as_ref()),
                action,
                status.waiting_items.to_string(),
                units::show_time(status.next_due_at.as_ref()),
                pending.map(words).unwrap_or_default(),
            ]
        });
        output::table(["class", "period", "then", "items waiting", "next due", "waits for approval"], rows);
    })
}
