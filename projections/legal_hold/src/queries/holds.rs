//! Holds, one and many.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::fields::page_size;
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::key::{All, First};
use daybook_kernel::rejection::{Refusal, Rejection};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, Hold, HoldState};
use prost::Message;

use crate::{LegalHold, NAMESPACE, Tables, codes};

/// Shows one hold.
pub struct GetHold;

impl Query for GetHold {
    type Request = v1::GetHoldRequest;
    type Response = v1::GetHoldResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "GetHold";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(request: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Hold", &request.hold_id)
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let hold = tables.hold(&request.hold_id)?.ok_or_else(|| hold_not_found(&request.hold_id))?;
        Ok(v1::GetHoldResponse { position: None, hold: Some(hold) })
    }
}

/// There is no such hold.
pub(super) fn hold_not_found(hold_id: &str) -> Rejection {
    let message = format!("there is no hold {hold_id:?} in this tenant; list them with `daybook hold list`");
    Rejection::new(codes::HOLD_NOT_FOUND, message).with("hold_id", hold_id)
}

/// Lists holds.
pub struct ListHolds;

impl Query for ListHolds {
    type Request = v1::ListHoldsRequest;
    type Response = v1::ListHoldsResponse;
    type Projection = LegalHold;
    const METHOD: &'static str = "ListHolds";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Hold", "any")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        let wanted = request.state();
        let mut page = Page { size, bytes: 0, holds: Vec::new(), next_page_token: String::new() };
        if request.matter_id.is_empty() {
            for row in tables.holds().scan_from(All, (&request.page_token,)) {
                let (_, mut hold) = row?;
                hold.deferred_items = tables.deferred_items(&hold.hold_id)?;
                if page.is_full_after(hold, wanted) {
                    break;
                }
            }
        } else {
            let matter = request.matter_id.as_str();
            for row in tables.holds_by_matter().scan_from(First(matter), (matter, &request.page_token)) {
                let ((_, id), _) = row?;
                let missing = || Fault::Damaged(format!("hold {id} of matter {matter} has no row"));
                let hold = tables.hold(&id)?.ok_or_else(missing)?;
                if page.is_full_after(hold, wanted) {
                    break;
                }
            }
        }
        Ok(v1::ListHoldsResponse { position: None, holds: page.holds, next_page_token: page.next_page_token })
    }
}

/// Bytes of holds in one page, about: a scope may be large. A page may end early, with a token for the next.
const PAGE_BYTES_MAX: usize = 1 << 20;

struct Page {
    size: usize,
    bytes: usize,
    holds: Vec<Hold>,
    next_page_token: String,
}

impl Page {
    /// Takes a hold that is wanted; true when the page was full before.
    fn is_full_after(&mut self, hold: Hold, wanted: HoldState) -> bool {
        if wanted != HoldState::Unspecified && hold.state() != wanted {
            return false;
        }
        if self.holds.len() == self.size || self.bytes >= PAGE_BYTES_MAX {
            self.next_page_token = hold.hold_id;
            return true;
        }
        self.bytes += hold.encoded_len();
        self.holds.push(hold);
        false
    }
}
