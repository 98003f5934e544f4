//! Defining a retention class, or changing it. The due dates of its items follow at once.
//!
//! A mistyped period can destroy what was to be kept for years, so a change by which items fall due that would have been
//! kept longer must say how many may, and waits for a second person unless the policy lets the caller do it alone.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{
    self, PendingRetentionChange, RetentionChangeRequested, RetentionClass, RetentionClassStatus,
};
use legal_hold_projection::retention::{DueItems, class_status, due_items, parse_class};
use legal_hold_projection::{Event, LegalHold, NAMESPACE, Tables};

use crate::codes;
use crate::second_person::{RETENTION_AS_SERVICE, is_a_person};

/// Items that are counted to say how many would fall due. Who accepts any number is not asked to count on.
const COUNTED_MAX: u64 = 20_000;

/// Accepts that any number of items falls due.
const ACCEPT_ALL: u64 = u64::MAX;

/// Defines or changes a class.
#[derive(Debug, Clone)]
pub struct SetRetentionClass {
    class: RetentionClass,
    accept_due_items: u64,
}

impl Command for SetRetentionClass {
    type Request = v1::SetRetentionClassRequest;
    type Response = v1::SetRetentionClassResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "SetRetentionClass";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let class = fields.required("retention_class", request.retention_class);
        let class = fields.inside("retention_class", parse_class(class));
        fields.finish(Self { class, accept_due_items: request.accept_due_items })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(about_class(Self::KIND, &self.class.retention_class_id)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        if self.class.calendar_period.is_some() {
            ctx.requires(FeatureLevel::CONFIRMED_HOLDS)?;
        }
        let due = accepted_due_items(tables, ctx, &self.class, self.accept_due_items)?;
        let id = &self.class.retention_class_id;
        if due.soon == 0 || ctx.permits(&about_class("ShortenRetentionAlone", id))? {
            return Ok(vec![set(&self.class, due)]);
        }
        ctx.requires(FeatureLevel::CONFIRMED_HOLDS)?;
        is_a_person(ctx, &about_class(RETENTION_AS_SERVICE, id))?;
        let pending = tables.retention_classes().get((id,))?.and_then(|row| row.pending_change);
        if let Some(pending) = pending {
            let message = format!(
                "a change of retention class {id} that {} asked for waits for approval; nothing was changed; approve or \
                 decline change {} first",
                pending.requested_by, pending.change_id
            );
            let rejection = Rejection::new(codes::RETENTION_CHANGE_PENDING, message);
            return Err(rejection.with("retention_class_id", id).with("change_id", pending.change_id).into());
        }
        let change = PendingRetentionChange {
            change_id: ctx.derive_id("change"),
            retention_class: Some(self.class.clone()),
            requested_by: ctx.actor.id.clone(),
            requested_at: Some(ctx.now.to_proto()),
            due_items: due.soon,
        };
        Ok(vec![Event::RetentionChangeRequested(RetentionChangeRequested { change: Some(change) })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let (retention_class, due_items) = class_of(tables, events)?;
        Ok(v1::SetRetentionClassResponse { receipt: None, retention_class, due_items })
    }
}

/// What policies may look at when a command is about a retention class.
pub(crate) fn about_class(action: &'static str, class_id: &str) -> Authorisation {
    Authorisation::new(NAMESPACE, action, "RetentionClass", class_id)
}

/// The event of a class that is set.
pub(crate) fn set(class: &RetentionClass, due: DueItems) -> Event {
    let retention_class = Some(class.clone());
    Event::RetentionClassSet(v1::RetentionClassSet { retention_class, due_items: due.soon })
}

/// The class that events were about as it is now, and how many items fall due by them.
pub(crate) fn class_of(tables: &Tables<'_>, events: &[Event]) -> Result<(Option<RetentionClassStatus>, u64), Fault> {
    let named = events.iter().rev().find_map(|event| match event {
        Event::RetentionClassSet(event) => {
            Some((event.retention_class.as_ref()?.retention_class_id.as_str(), event.due_items))
        }
        Event::RetentionChangeRequested(event) => {
            let change = event.change.as_ref()?;
            Some((change.retention_class.as_ref()?.retention_class_id.as_str(), change.due_items))
        }
        Event::RetentionChangeDeclined(event) => Some((event.retention_class_id.as_str(), 0)),
        _ => None,
    });
    let Some((id, due_items)) = named else { return Ok((None, 0)) };
    let row = tables.retention_classes().get((id,))?;
    Ok((row.map(|row| class_status(tables, row)).transpose()?, due_items))
}

/// What would fall due by a change of a class, which must not be more than is accepted.
pub(crate) fn accepted_due_items(
    tables: &Tables<'_>,
    ctx: &Context<'_>,
    class: &RetentionClass,
    accepted: u64,
) -> Result<DueItems, Refusal> {
    let due = due_items(tables, class, ctx.now, COUNTED_MAX)?;
    if due.soon <= accepted && (!due.truncated || accepted == ACCEPT_ALL) {
        return Ok(due);
    }
    let (id, at_least) = (&class.retention_class_id, if due.truncated { "at least " } else { "" });
    let message = format!(
        "by this change of retention class {id}, {at_least}{} items fall due within 30 days that would be kept longer, \
         {at_least}{} of them now, and {accepted} were accepted; nothing was changed; look at it with `daybook retention \
         preview`, then say --accept-due with the number, or `all`",
        due.soon, due.now
    );
    let rejection = Rejection::new(codes::RETENTION_DUE_NOT_ACCEPTED, message).with("retention_class_id", id);
    Err(rejection.with("due_items", due.soon.to_string()).with("due_now_items", due.now.to_string()).into())
}
