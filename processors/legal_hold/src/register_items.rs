//! Registering governed items, one or many.

use std::collections::{BTreeMap, BTreeSet};

use daybook_kernel::authorisation::{Attribute, Authorisation};
use daybook_kernel::domain::{Command, Context, Query};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, Item, ItemState};
use legal_hold_projection::retention::due_at;
use legal_hold_projection::scope::ItemFacts;
use legal_hold_projection::{Event, GetItem, LegalHold, NAMESPACE, Tables, item_digest};

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
    refuse_due: bool,
}

impl Batch {
    fn authorisation(&self, action: &'static str) -> Authorisation {
        let id = match self.items.as_slice() {
            [only] => only.item_id.as_str(),
            _ => "several",
        };
        about_items(action, id, &self.items)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let mut known_classes = BTreeMap::new();
        let (mut due_count, mut first_due) = (0, None);
        let mut new = Vec::new();
        let mut unchanged_count = 0;
        for item in &self.items {
            match tables.items().get((&item.item_id,))? {
                Some(row) if matches!(row.state(), ItemState::Disposed | ItemState::Purged) => {
                    let message =
                        format!("item {} was deleted; nothing was registered; ids are not used again", item.item_id);
                    return Err(Rejection::new(codes::ITEM_DISPOSED, message).with("item_id", &item.item_id).into());
                }
                Some(row) if row.registered_by != ctx.actor.id && !may_read(ctx, item)? => {
                    // Whether it is the same item is an answer about what is sealed in it.
                    let message = format!(
                        "an item that somebody else registered has the id {}; nothing was registered; whether it is the \
                         same one is told only to those who may read it; give this one an id of its own",
                        item.item_id
                    );
                    return Err(Rejection::new(codes::ITEM_CONFLICT, message).with("item_id", &item.item_id).into());
                }
                Some(row) if row.content_digest == item_digest(item) => unchanged_count += 1,
                Some(_) => {
                    let message = format!(
                        "another item is registered under {}; nothing was registered; give this one an id of its own",
                        item.item_id
                    );
                    return Err(Rejection::new(codes::ITEM_CONFLICT, message).with("item_id", &item.item_id).into());
                }
                None if tables.discarded_items().contains((&item.item_id,))? => {
                    let message = format!(
                        "the id {} was used by a command that was denied, and its key is destroyed; nothing was registered; \
                         choose another id",
                        item.item_id
                    );
                    return Err(Rejection::new(codes::ITEM_DISPOSED, message).with("item_id", &item.item_id).into());
                }
                None => {
                    let class = &item.retention_class_id;
                    if !known_classes.contains_key(class) {
                        let known = tables.retention_classes().get((class,))?.and_then(|row| row.retention_class);
                        known_classes.insert(class.clone(), known.ok_or_else(|| no_such_class(class))?);
                    }
                    let created = ItemFacts::of_item(item).created_us;
                    let class = known_classes.get(class);
                    if class.zip(created).is_some_and(|(class, created)| due_at(created, class) <= ctx.now) {
                        due_count += 1;
                        first_due = first_due.or(Some(item));
                    }
                    new.push(item.clone());
                }
            }
        }
        match first_due {
            Some(first) if self.refuse_due => Err(already_over(first, due_count).into()),
            _ => Ok(vec![Event::ItemsRegistered(v1::ItemsRegistered { items: new, unchanged_count, due_count })]),
        }
    }
}

/// Whether the caller may see the item anyway.
fn may_read(ctx: &Context<'_>, item: &Item) -> Result<bool, Fault> {
    ctx.permits(&about_items(GetItem::METHOD, &item.item_id, std::slice::from_ref(item)))
}

fn no_such_class(class: &str) -> Rejection {
    let message = format!(
        "there is no retention class {class:?}; nothing was registered; define it first with \
         `daybook retention set {class} --period 7y`"
    );
    Rejection::new(legal_hold_projection::codes::RETENTION_CLASS_NOT_FOUND, message).with("retention_class_id", class)
}

fn already_over(first: &Item, count: u32) -> Rejection {
    let (id, class) = (&first.item_id, &first.retention_class_id);
    let message = format!(
        "{count} of these items are past the end of their retention, the first is {id} in class {class}; nothing was \
         registered; choose a longer class, or accept that they are deleted or due for review at once"
    );
    let rejection = Rejection::new(codes::RETENTION_ALREADY_OVER, message).with("item_id", id);
    rejection.with("retention_class_id", class).with("due_count", count.to_string())
}

/// What policies may look at when a command is about items.
pub(crate) fn about_items(action: &'static str, id: &str, items: &[Item]) -> Authorisation {
    let categories: BTreeSet<_> = items.iter().map(|item| item.data_category.clone()).collect();
    let kinds: BTreeSet<_> = items.iter().map(|item| item.kind().as_str_name().to_owned()).collect();
    Authorisation::new(NAMESPACE, action, "Item", id)
        .attribute("categories", Attribute::Texts(categories))
        .attribute("kinds", Attribute::Texts(kinds))
}

fn registered(events: &[Event]) -> v1::RegisterItemsResponse {
    let registered = events.iter().find_map(|event| match event {
        Event::ItemsRegistered(event) => Some(event),
        _ => None,
    });
    registered.map_or_else(Default::default, |event| v1::RegisterItemsResponse {
        receipt: None,
        created_count: u32::try_from(event.items.len()).unwrap_or(u32::MAX),
        unchanged_count: event.unchanged_count,
        due_count: event.due_count,
    })
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
        fields.finish(Self(Batch { items: vec![item], refuse_due: false }))
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(self.0.authorisation(Self::KIND)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        self.0.decide(tables, ctx)
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::RegisterItemResponse { receipt: None, created: registered(events).created_count == 1 })
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
        fields.finish(Self(Batch { items, refuse_due: request.refuse_due }))
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(self.0.authorisation(Self::KIND)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        self.0.decide(tables, ctx)
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(registered(events))
    }
}
