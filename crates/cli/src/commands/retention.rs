//! `daybook retention`: how long items are kept.

use daybook_proto::legal_hold::v1;

use crate::args::{Retention, RetentionAction};
use crate::client::new_id;
use crate::failure::Outcome;
use crate::output::{self, line, plain};
use crate::session::Session;
use crate::units;

/// Sets or lists retention classes.
pub(crate) async fn run(retention: Retention, session: &Session) -> Outcome {
    match retention {
        Retention::Set { id, period, action } => set(session, id, period, action).await,
        Retention::List => list(session).await,
    }
}

async fn set(session: &Session, id: String, period: std::time::Duration, action: RetentionAction) -> Outcome {
    let action = match action {
        RetentionAction::Delete => v1::RetentionAction::Delete,
        RetentionAction::Review => v1::RetentionAction::Review,
    };
    let retention_class = v1::RetentionClass {
        retention_class_id: id.clone(),
        period: Some(units::proto_duration(period)),
        action: action.into(),
    };
    let request = v1::SetRetentionClassRequest {
        command_id: new_id(),
        tenant_id: session.tenant.clone(),
        retention_class: Some(retention_class),
    };
    let response: v1::SetRetentionClassResponse = session.client.command(&request.command_id, &request).await?;
    session.show(&response, |response| {
        let at = output::position(response.receipt.as_ref().and_then(|receipt| receipt.position.as_ref()));
        line(format_args!("retention class {id} is set, at {at}"));
    })
}

async fn list(session: &Session) -> Outcome {
    let request = v1::ListRetentionClassesRequest { tenant_id: session.tenant.clone(), ..Default::default() };
    let all = session.client.list(request).await?;
    session.show(&all, |all| {
        let rows = all.retention_classes.iter().map(|status| {
            let class = status.retention_class.clone().unwrap_or_default();
            let action = plain(class.action().as_str_name(), "RETENTION_ACTION_");
            [
                class.retention_class_id,
                units::show_duration(class.period.as_ref()),
                action,
                status.waiting_items.to_string(),
                units::show_time(status.next_due_at.as_ref()),
            ]
        });
        output::table(["class", "period", "then", "items waiting", "next due"], rows);
    })
}
