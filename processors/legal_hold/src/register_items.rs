//! Registering governed items, one or many.

use std::collections::BTreeSet;

use daybook_kernel::authorisation::{Attribute, Authorisation};
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, Item, ItemState};
use legal_hold_projection::{Event, LegalHold, NAMESPACE, Tables, item_digest};

use crate::{codes, parse};

/// Items in one command.
const ITEMS_MAX: usize = 1_000;

/// Registers one item.
#[derive(Debug, Clone)]
pub struct RegisterItem(Batch);

/// Registers many, all or none.
#[derive(Debug, Clone)]
pub struct RegisterItems(Batch);

#[derive(Debug, Clone)]
struct Batch {
    items: Vec<Item>,
}

impl Batch {
    fn authorisation(&self, action: &'static str) -> Authorisation {
        let id = match self.items.as_slice() {
            [only] => only.item_id.as_str(),
            _ => "several",
        };
        about_items(action, id, &self.items)
    }

    fn decide(&self, tables: &Tables<'_>) -> Result<Vec<Event>, Refusal> {
        let mut known_classes = BTreeSet::new();
        let mut new = Vec::new();
        let mut unchanged_count = 0;
        for item in &self.items {
            match tables.items().get((&item.item_id,))? {
                Some(row) if matches!(row.state(), ItemState::Disposed | ItemState::Purged) => {
                    let message =
                        format!("item {} was deleted; nothing was registered; ids are not used again", item.item_id);
                    return Err(Rejection::new(codes::ITEM_DISPOSED, message).with("item_id", &item.item_id).into());
                }
                Some(row) if row.content_digest == item_digest(item) => unchanged_count += 1,
                Some(_) => {
                    let message = format!(
                        "another item is registered under {}; nothing was registered; give this one an id of its own",
                        item.item_id
                    );
                    return Err(Rejection::new(codes::ITEM_CONFLICT, message).with("item_id", &item.item_id).into());
                }
                None => {
                    let class = &item.retention_class_id;
                    if !known_classes.contains(class) && !tables.retention_classes().contains((class,))? {
                        return Err(no_such_class(class).into());
                    }
                    known_classes.insert(class.clone());
                    new.push(item.clone());
                }
            }
        }
        Ok(vec![Event::ItemsRegistered(v1::ItemsRegistered { items: new, unchanged_count })])
    }
}

fn no_such_class(class: &str) -> Rejection {
    let message = format!(
        "there is no retention class {class:?}; nothing was registered; define it first with \
         `daybook retention set {class} --period 7y`"
    );
    Rejection::new(legal_hold_projection::codes::RETENTION_CLASS_NOT_FOUND, message).with("retention_class_id", class)
}

/// What policies may look at when a command is about items.
pub(crate) fn about_items(action: &'static str, id: &str, items: &[Item]) -> Authorisation {
    let categories: BTreeSet<_> = items.iter().map(|item| item.data_category.clone()).collect();
    let kinds: BTreeSet<_> = items.iter().map(|item| item.kind().as_str_name().to_owned()).collect();
    Authorisation::new(NAMESPACE, action, "Item", id)
        .attribute("categories", Attribute::Texts(categories))
        .attribute("kinds", Attribute::Texts(kinds))
}

fn counts(events: &[Event]) -> (u32, u32) {
    let registered = events.iter().find_map(|event| match event {
        Event::ItemsRegistered(event) => Some(event),
        _ => None,
    });
    registered.map_or((0, 0), |event| (u32::try_from(event.items.len()).unwrap_or(u32::MAX), event.unchanged_count))
}

impl Command for RegisterItem {
    type Request = v1::RegisterItemRequest;
    type Response = v1::RegisterItemResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "RegisterItem";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let item = fields.required("item", request.item);
        let item = fields.inside("item", parse::item(item));
        fields.finish(Self(Batch { items: vec![item] }))
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(self.0.authorisation(Self::KIND)))
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        self.0.decide(tables)
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::RegisterItemResponse { receipt: None, created: counts(events).0 == 1 })
    }
}

impl Command for RegisterItems {
    type Request = v1::RegisterItemsRequest;
    type Response = v1::RegisterItemsResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "RegisterItems";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let count = request.items.len();
        fields.check("items", (1..=ITEMS_MAX).contains(&count), "must have 1 to 1000 entries");
        let mut ids = BTreeSet::new();
        let mut items = Vec::with_capacity(count.min(ITEMS_MAX));
        for (i, item) in request.items.into_iter().take(ITEMS_MAX).enumerate() {
            let path = format!("items[{i}]");
            let is_new = ids.insert(item.item_id.clone());
            fields.check(&format!("{path}.item_id"), is_new, "is there twice in this batch");
            items.push(fields.inside(&path, parse::item(item)));
        }
        fields.finish(Self(Batch { items }))
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(self.0.authorisation(Self::KIND)))
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        self.0.decide(tables)
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let (created_count, unchanged_count) = counts(events);
        Ok(v1::RegisterItemsResponse { receipt: None, created_count, unchanged_count })
    }
}
