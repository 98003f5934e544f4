//! What a scope would match, before a hold is placed.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::key::{All, First};
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, ItemRow, ItemState};

use crate::hold_index::matching_holds;
use crate::scope::{self, ItemFacts, compile, matches};
use crate::{BY_PERSON, LegalHold, NAMESPACE, Tables};

/// Items that are looked at.
const LOOKED_AT_MAX: u64 = 1_000_000;
/// Items that are named.
const SAMPLE_MAX: usize = 10;

/// Counts what a scope would match.
pub struct PreviewScope;

impl Query for PreviewScope {
    type Request = v1::PreviewScopeRequest;
    type Response = v1::PreviewScopeResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "PreviewScope";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(request: &Self::Request) -> Authorisation {
        let by_person = request.scope.as_ref().is_some_and(|scope| !scope.entities.is_empty());
        Authorisation::new(NAMESPACE, Self::METHOD, "Hold", "preview").context(BY_PERSON, by_person)
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let scope = request.scope.ok_or_else(|| Violations::one("scope", "must be set"))?;
        // As strict as placing it: a range that ends before it starts would match nothing without a word.
        let scope = scope::parse(scope).map_err(|violations| violations.inside("scope"))?;
        let scope = compile(&scope);
        let mut response = v1::PreviewScopeResponse::default();
        let mut looked_at = 0;
        for candidate in candidates(tables, &scope) {
            let row = candidate?;
            looked_at += 1;
            if looked_at > LOOKED_AT_MAX {
                response.truncated = true;
                break;
            }
            let Some(item) = row.item.as_ref().filter(|_| is_matched(&row, &scope)) else { continue };
            response.matching_items += 1;
            if matching_holds(tables, &ItemFacts::of_item(item), 1)?.is_empty() {
                response.newly_held_items += 1;
            }
            if response.sample_item_ids.len() < SAMPLE_MAX {
                response.sample_item_ids.push(item.item_id.clone());
            }
        }
        Ok(response)
    }
}

/// How many items a scope matches now, looking at up to `limit`; and whether there may be more.
pub fn count_matches(tables: &Tables<'_>, scope: &v1::Scope, limit: u64) -> Result<(u64, bool), Fault> {
    let scope = compile(scope);
    let mut count = 0;
    for (looked_at, candidate) in (0..).zip(candidates(tables, &scope)) {
        let row = candidate?;
        if looked_at == limit {
            return Ok((count, true));
        }
        count += u64::from(is_matched(&row, &scope));
    }
    Ok((count, false))
}

/// Whether an item is there and covered by a scope.
fn is_matched(row: &ItemRow, scope: &v1::CompiledScope) -> bool {
    let gone = matches!(row.state(), ItemState::Disposed | ItemState::Purged);
    !gone && row.item.as_ref().is_some_and(|item| matches(scope, &ItemFacts::of_item(item)))
}

type Rows<'a> = Box<dyn Iterator<Item = Result<ItemRow, Fault>> + 'a>;

/// Items that may match, each once: by case or entity if the scope names any, else all there are.
fn candidates<'a>(tables: &'a Tables<'a>, scope: &'a v1::CompiledScope) -> Rows<'a> {
    let read = move |id: String| {
        let missing = || Fault::Damaged(format!("item {id} has no row"));
        tables.items().get((&id,))?.ok_or_else(missing)
    };
    // An item under several of the values is taken under the first of them.
    if !scope.case_ids.is_empty() {
        Box::new(scope.case_ids.iter().enumerate().flat_map(move |(i, case)| {
            let rows = tables.items_by_case().scan(First(case.as_str()));
            let rows = rows.map(move |row| row.and_then(|((_, id), _)| read(id)));
            rows.filter(move |row| !row.as_ref().is_ok_and(|row| is_in_case(row, &scope.case_ids[..i])))
        }))
    } else if !scope.entity_ids.is_empty() {
        Box::new(scope.entity_ids.iter().enumerate().flat_map(move |(i, entity)| {
            let rows = tables.items_by_entity().scan(First(entity.as_str()));
            let rows = rows.map(move |row| row.and_then(|((_, id), _)| read(id)));
            rows.filter(move |row| !row.as_ref().is_ok_and(|row| concerns(row, &scope.entity_ids[..i])))
        }))
    } else {
        Box::new(tables.items().scan(All).map(|row| Ok(row?.1)))
    }
}

fn is_in_case(row: &ItemRow, cases: &[String]) -> bool {
    row.item.as_ref().is_some_and(|item| item.case_ids.iter().any(|case| cases.contains(case)))
}

fn concerns(row: &ItemRow, entities: &[String]) -> bool {
    row.item.as_ref().is_some_and(|item| item.entities.iter().any(|entity| entities.contains(&entity.id)))
}
