//! Looking again at what a hold put off, after it was released or covers less. A timer; each round takes a bounded
//! number of items.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::key::First;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{self, DispositionCause, HoldState, HoldSwept, Item, ItemsReturned};
use legal_hold_projection::hold_index::matching_holds;
use legal_hold_projection::retention::due_at;
use legal_hold_projection::scope::ItemFacts;
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::disposition::Dispositions;

/// Items in one round.
const ITEMS_MAX: usize = 200;

/// Looks again at what a hold put off.
#[derive(Debug, Clone)]
pub struct SweepHold {
    hold_id: String,
    after_item_id: String,
}

impl Command for SweepHold {
    type Request = v1::SweepHold;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "SweepHold";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let hold_id = fields.identifier("hold_id", request.hold_id);
        fields.finish(Self { hold_id, after_item_id: request.after_item_id })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hold = tables.holds().get((&self.hold_id,))?;
        let still_holds = hold.is_some_and(|hold| hold.state() != HoldState::Released);
        let mut dispositions = Dispositions::default();
        let mut returned = Vec::new();
        let mut next_after_item_id = String::new();
        let from = (self.hold_id.as_str(), self.after_item_id.as_str());
        let deferred = tables.deferred().scan_from(First(self.hold_id.as_str()), from);
        let mut taken = 0;
        for row in deferred {
            let ((_, item_id), _) = row?;
            if item_id == self.after_item_id {
                continue;
            }
            if taken == ITEMS_MAX {
                break;
            }
            taken += 1;
            let missing = || Fault::Damaged(format!("item {item_id} is deferred and has no row"));
            let row = tables.items().get((&item_id,))?.ok_or_else(missing)?;
            let (cause, item) = (row.cause(), row.item.ok_or_else(missing)?);
            next_after_item_id.clone_from(&item_id);
            if still_holds && is_held_by(tables, &item, &self.hold_id)? {
                continue;
            }
            if cause == DispositionCause::Retention && !is_due(tables, &item, ctx.now)? {
                returned.push(item_id);
            } else {
                dispositions.decide(tables, &item, cause)?;
            }
        }
        let is_over = taken < ITEMS_MAX;
        let mut events = dispositions.into_events("");
        if !returned.is_empty() {
            events.push(Event::ItemsReturned(ItemsReturned { item_ids: returned }));
        }
        events.push(Event::HoldSwept(HoldSwept {
            hold_id: self.hold_id.clone(),
            next_after_item_id: if is_over { String::new() } else { next_after_item_id },
        }));
        Ok(events)
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

fn is_held_by(tables: &Tables<'_>, item: &Item, hold_id: &str) -> Result<bool, Fault> {
    let holds = matching_holds(tables, &ItemFacts::of_item(item), usize::MAX)?;
    Ok(holds.iter().any(|other| other == hold_id))
}

/// Whether an item's retention is over under its class as the class is now.
fn is_due(tables: &Tables<'_>, item: &Item, now: Timestamp) -> Result<bool, Fault> {
    let class = tables.retention_classes().get((&item.retention_class_id,))?.and_then(|row| row.retention_class);
    let created = ItemFacts::of_item(item).created_us;
    Ok(class.zip(created).is_none_or(|(class, created)| due_at(created, &class) <= now))
}
