//! Asking for the deletion of items. Each is deleted, or put off by the holds that match it.

use std::collections::BTreeSet;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, Disposition, DispositionCause, DispositionRepeated, Item, ItemState};
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::disposition::Dispositions;
use crate::parse;
use crate::register_items::about_items;

/// Items in one command.
const ITEMS_MAX: usize = 500;

/// Asks for the deletion of items.
#[derive(Debug, Clone)]
pub struct DisposeItems {
    item_ids: BTreeSet<String>,
    reason: String,
}

impl DisposeItems {
    /// The items that are there.
    fn known(&self, tables: &Tables<'_>) -> Result<Vec<(ItemState, Item)>, Fault> {
        let mut known = Vec::with_capacity(self.item_ids.len());
        for id in &self.item_ids {
            if let Some(row) = tables.items().get((id,))? {
                known.push((row.state(), row.item.unwrap_or_default()));
            }
        }
        Ok(known)
    }
}

impl Command for DisposeItems {
    type Request = v1::DisposeItemsRequest;
    type Response = v1::DisposeItemsResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "DisposeItems";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        fields.check("item_ids", !request.item_ids.is_empty(), "must have 1 to 500 entries");
        let item_ids = fields.identifiers("item_ids", request.item_ids, ITEMS_MAX).into_iter().collect();
        let reason = parse::reason(&mut fields, request.reason);
        fields.finish(Self { item_ids, reason })
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        let items: Vec<_> = self.known(tables)?.into_iter().map(|(_, item)| item).collect();
        let id = match (self.item_ids.len(), self.item_ids.first()) {
            (1, Some(only)) => only.as_str(),
            _ => "several",
        };
        Ok(Some(about_items(Self::KIND, id, &items)))
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let known = self.known(tables)?;
        if known.len() < self.item_ids.len() {
            let missing = self.item_ids.iter().find(|id| known.iter().all(|(_, item)| item.item_id != **id));
            let missing = missing.cloned().unwrap_or_default();
            let message = format!("no item {missing:?} is registered in this tenant; nothing was deleted");
            let rejection = Rejection::new(legal_hold_projection::codes::ITEM_NOT_FOUND, message);
            return Err(rejection.with("item_id", missing).into());
        }
        let mut dispositions = Dispositions::default();
        let mut repeated = Vec::new();
        for (state, item) in &known {
            match state {
                ItemState::Disposed | ItemState::Purged => repeated.push(item.item_id.clone()),
                _ => dispositions.decide(tables, item, DispositionCause::Request)?,
            }
        }
        let mut events = dispositions.into_events(&self.reason);
        if !repeated.is_empty() {
            events.push(Event::DispositionRepeated(DispositionRepeated { item_ids: repeated }));
        }
        Ok(events)
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::DisposeItemsResponse { receipt: None, dispositions: dispositions(events) })
    }
}

/// How each item's deletion was answered.
pub(crate) fn dispositions(events: &[Event]) -> Vec<Disposition> {
    let of_event = |event: &Event| -> Vec<Disposition> {
        match event {
            Event::ItemsDisposed(event) => event
                .items
                .iter()
                .map(|item| Disposition { item_id: item.item_id.clone(), disposed: true, ..Default::default() })
                .collect(),
            Event::ItemsDeferred(event) => event
                .items
                .iter()
                .map(|item| Disposition {
                    item_id: item.item_id.clone(),
                    hold_ids: item.hold_ids.clone(),
                    ..Default::default()
                })
                .collect(),
            Event::DispositionRepeated(event) => event
                .item_ids
                .iter()
                .map(|id| Disposition {
                    item_id: id.clone(),
                    disposed: true,
                    already_disposed: true,
                    ..Default::default()
                })
                .collect(),
            _ => Vec::new(),
        }
    };
    events.iter().flat_map(of_event).collect()
}
