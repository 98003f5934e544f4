//! Retention falls due for the oldest items of a class. A timer; each run takes a bounded number and sets the next.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::key::First;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, DispositionCause, ItemsDueForReview, RetentionAction, RetentionRun};
use legal_hold_projection::retention::due_at;
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::disposition::Dispositions;

/// Items in one run.
const ITEMS_MAX: usize = 200;

/// Retention of a class falls due.
#[derive(Debug, Clone)]
pub struct RunRetention {
    class_id: String,
}

impl Command for RunRetention {
    type Request = v1::RunRetention;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "RunRetention";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let class_id = fields.identifier("retention_class_id", request.retention_class_id);
        fields.finish(Self { class_id })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let missing = || Fault::Damaged(format!("retention class {} has no row", self.class_id));
        let class = tables.retention_classes().get((&self.class_id,))?.and_then(|row| row.retention_class);
        let class = class.ok_or_else(missing)?;
        let mut dispositions = Dispositions::default();
        let mut due_for_review = Vec::new();
        for row in tables.retention_queue().scan(First(self.class_id.as_str())).take(ITEMS_MAX) {
            let ((_, created_us, item_id), _) = row?;
            if due_at(created_us, &class) > ctx.now {
                break;
            }
            if class.action() == RetentionAction::Review {
                due_for_review.push(item_id);
                continue;
            }
            let missing = || Fault::Damaged(format!("item {item_id} waits for its retention and has no row"));
            let item = tables.items().get((&item_id,))?.and_then(|row| row.item).ok_or_else(missing)?;
            dispositions.decide(tables, &item, DispositionCause::Retention)?;
        }
        let mut events = dispositions.into_events("");
        if !due_for_review.is_empty() {
            events.push(Event::ItemsDueForReview(ItemsDueForReview { item_ids: due_for_review }));
        }
        events.push(Event::RetentionRun(RetentionRun { retention_class_id: self.class_id.clone() }));
        Ok(events)
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
