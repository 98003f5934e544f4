//! The audit, by hold, matter, item, actor or time.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::fields::{Fields, page_size};
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::key::{All, First2};
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{self, AuditEntry};

use super::wrong_token;
use crate::audit::{BY_ACTOR, BY_HOLD, BY_ITEM, BY_MATTER};
use crate::{LegalHold, NAMESPACE, Tables};

/// Lists the audit.
pub struct ListAuditEntries;

impl Query for ListAuditEntries {
    type Request = v1::ListAuditEntriesRequest;
    type Response = v1::ListAuditEntriesResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "ListAuditEntries";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Audit", "all")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, asked: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        let mut fields = Fields::new();
        let range = request.decided_at.unwrap_or_default();
        let start = fields.time("decided_at.start_time", range.start_time);
        let end = fields.time("decided_at.end_time", range.end_time);
        let by = filter(&request)?;
        fields.finish(())?;
        let from = match request.page_token.as_str() {
            "" => (first_since(tables, start, asked)?, 0),
            token => parse_token(token).ok_or_else(wrong_token)?,
        };
        let mut response = v1::ListAuditEntriesResponse::default();
        let places: Box<dyn Iterator<Item = Result<(u64, u32), Fault>>> = match &by {
            None => Box::new(tables.audit().scan_from(All, from).map(|row| Ok(row?.0))),
            Some((dimension, value)) => {
                let prefix = First2(*dimension, value.as_str());
                let rows = tables.audit_index().scan_from(prefix, (*dimension, value, from.0, from.1));
                Box::new(rows.map(|row| row.map(|((_, _, offset, index), _)| (offset, index))))
            }
        };
        for place in places {
            let place = place?;
            let missing = || Fault::Damaged(format!("audit entry {place:?} has no row"));
            let entry = tables.audit().get(place)?.ok_or_else(missing)?;
            if end.is_some_and(|end| decided_at(&entry) >= end) {
                break;
            }
            if response.entries.len() == size {
                response.next_page_token = format!("{}-{}", place.0, place.1);
                break;
            }
            response.entries.push(entry);
        }
        Ok(response)
    }
}

fn decided_at(entry: &AuditEntry) -> Timestamp {
    entry.decided_at.as_ref().and_then(|time| Timestamp::from_proto(time).ok()).unwrap_or_default()
}

fn parse_token(token: &str) -> Option<(u64, u32)> {
    let (offset, index) = token.split_once('-')?;
    Some((offset.parse().ok()?, index.parse().ok()?))
}

/// What the entries are to be found by: at most one thing.
fn filter(request: &v1::ListAuditEntriesRequest) -> Result<Option<(u8, String)>, Violations> {
    let filters = [
        (BY_HOLD, &request.hold_id),
        (BY_MATTER, &request.matter_id),
        (BY_ITEM, &request.item_id),
        (BY_ACTOR, &request.actor_id),
    ];
    let mut given = filters.into_iter().filter(|(_, value)| !value.is_empty());
    match (given.next(), given.next()) {
        (Some((dimension, value)), None) => Ok(Some((dimension, value.clone()))),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => {
            let problem = "at most one of hold_id, matter_id, item_id and actor_id may be set";
            Err(Violations::one("hold_id", problem))
        }
    }
}

/// The first offset whose entry, or the next one after it, is not before `start`. The log's time never goes back, so
/// it is found by halving.
fn first_since(tables: &Tables<'_>, start: Option<Timestamp>, asked: &Asked<'_>) -> Result<u64, Fault> {
    let Some(start) = start else { return Ok(0) };
    let (mut low, mut high) = (0, asked.next_command.0);
    while low < high {
        let middle = low + (high - low) / 2;
        let next = tables.audit().scan_from(All, (middle, 0)).next().transpose()?;
        match next {
            Some(((offset, _), entry)) if decided_at(&entry) < start => low = offset + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
