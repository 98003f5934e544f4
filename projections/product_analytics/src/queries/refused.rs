//! What was refused, by name.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::fields::page_size;
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::key::All;
use daybook_kernel::rejection::Refusal;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{self, RefusedCount};

use super::wrong_token;
use crate::{NAMESPACE, ProductAnalytics, Tables};

/// Lists how often what was refused. Values were thrown away at the door.
pub struct ListRefusedEvents;

impl Query for ListRefusedEvents {
    type Request = v1::ListRefusedEventsRequest;
    type Response = v1::ListRefusedEventsResponse;
    type Projection = ProductAnalytics;
    const METHOD: &'static str = "ListRefusedEvents";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Events", "any")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        let from: Vec<&str> = request.page_token.split(' ').collect();
        let from = match from.as_slice() {
            [""] => ("", "", 0),
            [name, property, reason] => (*name, *property, reason.parse().map_err(|_| wrong_token())?),
            _ => return Err(wrong_token().into()),
        };
        let mut refused = Vec::new();
        let mut next_page_token = String::new();
        for row in tables.refused().scan_from(All, from) {
            let ((name, property, reason), row) = row?;
            if refused.len() == size {
                next_page_token = format!("{name} {property} {reason}");
                break;
            }
            let last_seen_at = Some(Timestamp::from_micros(row.last_seen_us).to_proto());
            let reason = i32::try_from(reason).unwrap_or_default();
            refused.push(RefusedCount { name, property, reason, count: row.count, last_seen_at });
        }
        Ok(v1::ListRefusedEventsResponse { position: None, refused, next_page_token })
    }
}
