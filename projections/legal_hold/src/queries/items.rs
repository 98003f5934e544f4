//! Items, one and many.

use std::collections::BTreeSet;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::fields::page_size;
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::key::{All, First};
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{self, ItemRow, ItemState, ItemStatus};

use super::{HOLDS_LISTED_MAX, position_of};
use crate::hold_index::matching_holds;
use crate::retention::due_at;
use crate::scope::ItemFacts;
use crate::{BY_PERSON, LegalHold, NAMESPACE, Tables, codes};

/// Shows one item.
pub struct GetItem;

impl Query for GetItem {
    type Request = v1::GetItemRequest;
    type Response = v1::GetItemResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "GetItem";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(request: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Item", &request.item_id)
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, asked: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let missing = || {
            let message = format!(
                "no item {:?} is registered in this tenant; list them with `daybook item list`",
                request.item_id
            );
            Rejection::new(codes::ITEM_NOT_FOUND, message).with("item_id", &request.item_id)
        };
        let row = tables.items().get((&request.item_id,))?.ok_or_else(missing)?;
        Ok(v1::GetItemResponse { position: None, item: Some(status(tables, row, asked)?) })
    }
}

/// An item with what follows from the state as it is.
fn status(tables: &Tables<'_>, row: ItemRow, asked: &Asked<'_>) -> Result<ItemStatus, Fault> {
    let state = row.state();
    let item = row.item.ok_or_else(|| Fault::Damaged("a row of an item has no item".into()))?;
    let facts = ItemFacts::of_item(&item);
    let gone = matches!(state, ItemState::Disposed | ItemState::Purged);
    let due_at = match tables.retention_classes().get((&item.retention_class_id,))?.and_then(|row| row.retention_class)
    {
        Some(class) if !gone && state != ItemState::Kept => facts.created_us.map(|created| due_at(created, &class)),
        _ => None,
    };
    let matching_hold_ids = if gone { Vec::new() } else { matching_holds(tables, &facts, HOLDS_LISTED_MAX)? };
    let micros = |us: i64| (us != 0).then(|| Timestamp::from_micros(us).to_proto());
    Ok(ItemStatus {
        item: Some(item),
        state: state.into(),
        due_at: due_at.map(Timestamp::to_proto),
        registered_at: position_of(row.registered_offset, asked),
        cause: row.cause,
        disposition_asked_at: micros(row.disposition_asked_at_us),
        matching_hold_ids,
        disposed_at: micros(row.disposed_at_us),
        key_destruction: row.key_destruction,
    })
}

/// Lists items.
pub struct ListItems;

impl Query for ListItems {
    type Request = v1::ListItemsRequest;
    type Response = v1::ListItemsResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "ListItems";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(request: &Self::Request) -> Authorisation {
        let question = Authorisation::new(NAMESPACE, Self::METHOD, "Item", "any");
        question.context(BY_PERSON, request.entity.is_some())
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, asked: &Asked<'_>) -> Result<Self::Response, Refusal> {
        /// Rows that are looked at for one page; a page may end early, with a token to go on.
        const LOOKED_AT_MAX: usize = 50_000;
        let size = page_size(request.page_size)?;
        let wanted = request.state();
        let mut items = Vec::new();
        let mut next_page_token = String::new();
        for (looked_at, id) in candidates(tables, &request)?.enumerate() {
            let id = id?;
            if items.len() == size || looked_at == LOOKED_AT_MAX {
                next_page_token = id;
                break;
            }
            let missing = || Fault::Damaged(format!("item {id} has no row"));
            let row = tables.items().get((&id,))?.ok_or_else(missing)?;
            if wanted == ItemState::Unspecified || row.state() == wanted {
                items.push(status(tables, row, asked)?);
            }
        }
        Ok(v1::ListItemsResponse { position: None, items, next_page_token })
    }
}

/// People that one question may be about, in all spellings.
const ENTITIES_MAX: usize = 20;

type Ids<'a> = Box<dyn Iterator<Item = Result<String, Fault>> + 'a>;

/// Ids of the items that may be wanted, from the page token on: by the narrowest list there is.
fn candidates<'a>(tables: &'a Tables<'a>, request: &'a v1::ListItemsRequest) -> Result<Ids<'a>, Violations> {
    let entities: BTreeSet<&str> =
        request.entity.iter().chain(&request.other_entities).map(|one| one.id.as_str()).collect();
    let (case, hold) = (request.case_id.as_str(), request.deferred_by_hold_id.as_str());
    if [!entities.is_empty(), !case.is_empty(), !hold.is_empty()].iter().filter(|given| **given).count() > 1 {
        let problem = "at most one of case_id, entity and deferred_by_hold_id may be set";
        return Err(Violations::one("case_id", problem));
    }
    if entities.len() > ENTITIES_MAX {
        return Err(Violations::one("other_entities", format!("must have at most {} entries", ENTITIES_MAX - 1)));
    }
    let from = request.page_token.as_str();
    let listed = matches!(request.state(), ItemState::Deferred | ItemState::ReviewDue);
    Ok(if !case.is_empty() {
        Box::new(tables.items_by_case().scan_from(First(case), (case, from)).map(|row| Ok(row?.0.1)))
    } else if !entities.is_empty() {
        let lists = entities.into_iter().map(|entity| -> Ids<'a> {
            Box::new(tables.items_by_entity().scan_from(First(entity), (entity, from)).map(|row| Ok(row?.0.1)))
        });
        Box::new(merged(lists.collect()))
    } else if !hold.is_empty() {
        Box::new(tables.deferred().scan_from(First(hold), (hold, from)).map(|row| Ok(row?.0.1)))
    } else if listed {
        let state = request.state() as u32;
        Box::new(tables.items_by_state().scan_from(First(state), (state, from)).map(|row| Ok(row?.0.1)))
    } else {
        Box::new(tables.items().scan_from(All, (from,)).map(|row| Ok(row?.0.0)))
    })
}

/// The ids of several lists that are in order, each once and in order.
fn merged(lists: Vec<Ids<'_>>) -> impl Iterator<Item = Result<String, Fault>> {
    let mut lists: Vec<_> = lists.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let mut first: Option<String> = None;
        for list in &mut lists {
            match list.peek() {
                Some(Ok(id)) if first.as_ref().is_none_or(|first| id < first) => first = Some(id.clone()),
                // A fault is told at once.
                Some(Err(_)) => return list.next(),
                _ => {}
            }
        }
        let first = first?;
        for list in &mut lists {
            list.next_if(|id| id.as_ref().is_ok_and(|id| *id == first));
        }
        Some(Ok(first))
    })
}
