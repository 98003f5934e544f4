//! Items and retention classes, one and many.

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
use crate::retention::{due_at, next_due};
use crate::scope::ItemFacts;
use crate::{LegalHold, NAMESPACE, Tables, codes};

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

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Item", "any")
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

type Ids<'a> = Box<dyn Iterator<Item = Result<String, Fault>> + 'a>;

/// Ids of the items that may be wanted, from the page token on: by the narrowest list there is.
fn candidates<'a>(tables: &'a Tables<'a>, request: &v1::ListItemsRequest) -> Result<Ids<'a>, Violations> {
    let entity = request.entity.as_ref().map(|entity| entity.id.as_str()).unwrap_or_default();
    let (case, hold) = (request.case_id.as_str(), request.deferred_by_hold_id.as_str());
    if [entity, case, hold].iter().filter(|filter| !filter.is_empty()).count() > 1 {
        let problem = "at most one of case_id, entity and deferred_by_hold_id may be set";
        return Err(Violations::one("case_id", problem));
    }
    let from = request.page_token.as_str();
    let listed = matches!(request.state(), ItemState::Deferred | ItemState::ReviewDue);
    Ok(if !case.is_empty() {
        Box::new(tables.items_by_case().scan_from(First(case), (case, from)).map(|row| Ok(row?.0.1)))
    } else if !entity.is_empty() {
        Box::new(tables.items_by_entity().scan_from(First(entity), (entity, from)).map(|row| Ok(row?.0.1)))
    } else if !hold.is_empty() {
        Box::new(tables.deferred().scan_from(First(hold), (hold, from)).map(|row| Ok(row?.0.1)))
    } else if listed {
        let state = request.state() as u32;
        Box::new(tables.items_by_state().scan_from(First(state), (state, from)).map(|row| Ok(row?.0.1)))
    } else {
        Box::new(tables.items().scan_from(All, (from,)).map(|row| Ok(row?.0.0)))
    })
}

/// Lists retention classes.
pub struct ListRetentionClasses;

impl Query for ListRetentionClasses {
    type Request = v1::ListRetentionClassesRequest;
    type Response = v1::ListRetentionClassesResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "ListRetentionClasses";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "RetentionClass", "any")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        let mut retention_classes = Vec::new();
        let mut next_page_token = String::new();
        for row in tables.retention_classes().scan_from(All, (&request.page_token,)) {
            let ((id,), row) = row?;
            if retention_classes.len() == size {
                next_page_token = id;
                break;
            }
            let class = row.retention_class.unwrap_or_default();
            retention_classes.push(v1::RetentionClassStatus {
                waiting_items: row.waiting_items,
                next_due_at: next_due(tables, &class)?.map(Timestamp::to_proto),
                retention_class: Some(class),
            });
        }
        Ok(v1::ListRetentionClassesResponse { position: None, retention_classes, next_page_token })
    }
}
