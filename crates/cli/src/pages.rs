//! Lists come in pages; commands show them whole.

use daybook_proto::{legal_hold, platform, product_analytics};
use prost::{Message, Name};

use crate::client::Client;
use crate::failure::Outcome;

/// The most that a node puts on one page.
const PAGE_SIZE: i32 = 1_000;

/// A request that is answered in pages.
pub(crate) trait List: Message + Name + Clone + 'static {
    /// The answer.
    type Answer: Message + Name + Default + 'static;
    /// Says which page.
    fn set_page(&mut self, size: i32, token: String);
    /// Adds a page to what there is so far.
    fn add(all: &mut Self::Answer, page: Self::Answer);
    /// How many rows there are so far, and the token of the next page.
    fn reached(all: &Self::Answer) -> (usize, &str);
}

macro_rules! lists {
    ($($package:ident :: $request:ident => $answer:ident { $rows:ident })*) => {$(
        impl List for $package::v1::$request {
            type Answer = $package::v1::$answer;

            fn set_page(&mut self, size: i32, token: String) {
                (self.page_size, self.page_token) = (size, token);
            }

            fn add(all: &mut Self::Answer, page: Self::Answer) {
                all.$rows.extend(page.$rows);
                (all.position, all.next_page_token) = (page.position, page.next_page_token);
            }

            fn reached(all: &Self::Answer) -> (usize, &str) {
                (all.$rows.len(), &all.next_page_token)
            }
        }
    )*};
}

lists! {
    legal_hold::ListItemsRequest => ListItemsResponse { items }
    legal_hold::ListRetentionClassesRequest => ListRetentionClassesResponse { retention_classes }
    legal_hold::ListHoldsRequest => ListHoldsResponse { holds }
    legal_hold::ListAuditEntriesRequest => ListAuditEntriesResponse { entries }
    product_analytics::ListRefusedEventsRequest => ListRefusedEventsResponse { refused }
    product_analytics::ListMetricDefinitionsRequest => ListMetricDefinitionsResponse { definitions }
    product_analytics::ListEventExportsRequest => ListEventExportsResponse { exports }
    platform::ListTenantsRequest => ListTenantsResponse { tenants }
    platform::ListPolicySetsRequest => ListPolicySetsResponse { policy_sets }
    platform::ListParkedStreamsRequest => ListParkedStreamsResponse { parked_streams }
}

impl Client {
    /// A whole list.
    pub(crate) async fn list<Q: List>(&self, request: Q) -> Outcome<Q::Answer> {
        self.list_some(request, usize::MAX).await
    }

    /// The first rows of a list. If there are more, the answer's page token says where they begin.
    pub(crate) async fn list_some<Q: List>(&self, mut request: Q, limit: usize) -> Outcome<Q::Answer> {
        let mut all = Q::Answer::default();
        loop {
            let (count, token) = Q::reached(&all);
            let size = i32::try_from(limit - count).unwrap_or(PAGE_SIZE).min(PAGE_SIZE);
            request.set_page(size, token.to_owned());
            let page = self.ask(&request).await?;
            Q::add(&mut all, page);
            // A page may be empty and yet not be the last.
            let (count, token) = Q::reached(&all);
            if token.is_empty() || count >= limit {
                return Ok(all);
            }
        }
    }
}
