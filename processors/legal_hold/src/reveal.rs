//! Opening sealed content. The decision is the access: it is made under policy and stays on the log. The door opens the
//! content for the caller once the decision is durable.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, EntitiesRevealed, Entity, ItemRevealed, RevealedEntity};
use legal_hold_projection::{Event, LegalHold, NAMESPACE, Tables};

use crate::codes;
use crate::complete_review::existing_item;
use crate::register_items::about_items;

/// Opens the content of an item.
#[derive(Debug, Clone)]
pub struct RevealItem {
    item_id: String,
    purpose: String,
}

impl Command for RevealItem {
    type Request = v1::RevealItemRequest;
    type Response = v1::RevealItemResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "RevealItem";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let item_id = fields.identifier("item_id", request.item_id);
        let purpose = fields.required_text("purpose", request.purpose, 2_000);
        fields.finish(Self { item_id, purpose })
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        let item = tables.items().get((&self.item_id,))?.and_then(|row| row.item);
        Ok(Some(about_items(Self::KIND, &self.item_id, item.as_slice())))
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        existing_item(tables, &self.item_id)?;
        if !tables.item_content().contains((&self.item_id,))? {
            let message = format!("item {} has no content, or it was deleted", self.item_id);
            let rejection = Rejection::new(codes::CONTENT_NOT_AVAILABLE, message);
            return Err(rejection.with("item_id", &self.item_id).into());
        }
        let (item_id, purpose) = (self.item_id.clone(), self.purpose.clone());
        Ok(vec![Event::ItemRevealed(ItemRevealed { item_id, purpose })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let id = events.iter().find_map(|event| match event {
            Event::ItemRevealed(event) => Some(event.item_id.as_str()),
            _ => None,
        });
        let row = match id {
            Some(id) => tables.items().get((id,))?,
            None => None,
        };
        let Some(mut item) = row.and_then(|row| row.item) else { return Ok(v1::RevealItemResponse::default()) };
        item.sealed = tables.item_content().get((&item.item_id,))?;
        for (place, entity) in (0_u32..).zip(&mut item.entities) {
            // As this item has it; else as everybody has it.
            entity.sealed = match tables.item_entities().get((&item.item_id, place))? {
                Some(own) => Some(own),
                None => tables.entities().get((&entity.id,))?,
            };
        }
        Ok(v1::RevealItemResponse { receipt: None, item: Some(item) })
    }
}

/// Opens the readable form of pseudonyms.
#[derive(Debug, Clone)]
pub struct RevealEntities {
    pseudonyms: Vec<String>,
    purpose: String,
}

impl Command for RevealEntities {
    type Request = v1::RevealEntitiesRequest;
    type Response = v1::RevealEntitiesResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "RevealEntities";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let count = request.pseudonyms.len();
        fields.check("pseudonyms", (1..=100).contains(&count), "must have 1 to 100 entries");
        for (i, pseudonym) in request.pseudonyms.iter().enumerate().take(100) {
            fields.identifier(&format!("pseudonyms[{i}]"), pseudonym.clone());
        }
        let purpose = fields.required_text("purpose", request.purpose, 2_000);
        fields.finish(Self { pseudonyms: request.pseudonyms, purpose })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        let id = match self.pseudonyms.as_slice() {
            [only] => only.as_str(),
            _ => "several",
        };
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Entity", id)))
    }

    fn decide(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let (pseudonyms, purpose) = (self.pseudonyms.clone(), self.purpose.clone());
        Ok(vec![Event::EntitiesRevealed(EntitiesRevealed { pseudonyms, purpose })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let mut entities = Vec::new();
        for event in events {
            let Event::EntitiesRevealed(event) = event else { continue };
            for pseudonym in &event.pseudonyms {
                let sealed = tables.entities().get((pseudonym,))?;
                let entity =
                    sealed.map(|sealed| Entity { id: pseudonym.clone(), sealed: Some(sealed), ..Default::default() });
                entities.push(RevealedEntity { pseudonym: pseudonym.clone(), entity });
            }
        }
        Ok(v1::RevealEntitiesResponse { receipt: None, entities })
    }
}
