//! Ending the review of an item whose retention has fallen due.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, DispositionCause, ItemReviewed, ItemRow, ItemState, ReviewOutcome};
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::dispose_items::dispositions;
use crate::disposition::Dispositions;
use crate::register_items::about_items;
use crate::{codes, parse};

/// Ends a review.
#[derive(Debug, Clone)]
pub struct CompleteReview {
    item_id: String,
    outcome: ReviewOutcome,
    reason: String,
}

impl Command for CompleteReview {
    type Request = v1::CompleteReviewRequest;
    type Response = v1::CompleteReviewResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "CompleteReview";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let item_id = fields.identifier("item_id", request.item_id);
        let outcome = fields.enumeration("outcome", request.outcome);
        let reason = parse::reason(&mut fields, request.reason);
        fields.finish(Self { item_id, outcome, reason })
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        let item = tables.items().get((&self.item_id,))?.and_then(|row| row.item);
        Ok(Some(about_items(Self::KIND, &self.item_id, item.as_slice())))
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let row = existing_item(tables, &self.item_id)?;
        if row.state() != ItemState::ReviewDue {
            let message = format!("item {} does not wait for a review; nothing was changed", self.item_id);
            return Err(Rejection::new(codes::REVIEW_NOT_DUE, message).with("item_id", &self.item_id).into());
        }
        let mut events = vec![Event::ItemReviewed(ItemReviewed {
            item_id: self.item_id.clone(),
            outcome: self.outcome.into(),
            reason: self.reason.clone(),
        })];
        if self.outcome == ReviewOutcome::Dispose {
            let mut dispositions = Dispositions::default();
            dispositions.decide(tables, &row.item.unwrap_or_default(), DispositionCause::Review)?;
            events.extend(dispositions.into_events(&self.reason));
        }
        Ok(events)
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let disposition = dispositions(events).into_iter().next();
        Ok(v1::CompleteReviewResponse { receipt: None, disposition })
    }
}

/// An item that must be there.
pub(crate) fn existing_item(tables: &Tables<'_>, item_id: &str) -> Result<ItemRow, Refusal> {
    let missing = || {
        let message = format!("no item {item_id:?} is registered in this tenant; nothing was changed");
        Rejection::new(legal_hold_projection::codes::ITEM_NOT_FOUND, message).with("item_id", item_id)
    };
    Ok(tables.items().get((item_id,))?.ok_or_else(missing)?)
}
