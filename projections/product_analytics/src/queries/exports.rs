//! The exports, and how they stand.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::fields::page_size;
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::key::All;
use daybook_kernel::rejection::{Refusal, Rejection};
use daybook_proto::product_analytics::v1;

use super::wrong_token;
use crate::{NAMESPACE, ProductAnalytics, Tables, codes};

/// Says how an export stands.
pub struct GetEventExport;

impl Query for GetEventExport {
    type Request = v1::GetEventExportRequest;
    type Response = v1::GetEventExportResponse;
    type Projection = ProductAnalytics;
    const METHOD: &'static str = "GetEventExport";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Events", "any")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        // An id ends with the offset of the command that asked for the export.
        let offset = request.export_id.rsplit('-').next().and_then(|offset| offset.parse().ok());
        let row = offset.map_or(Ok(None), |offset| tables.exports().get((offset,)))?;
        let export = row.and_then(|row| row.export).filter(|export| export.export_id == request.export_id);
        let missing = || {
            let message = format!(
                "there is no export {:?} in this tenant, or it was more than 1,000 exports ago; list them with `daybook \
                 analytics exports`",
                request.export_id
            );
            Rejection::new(codes::EVENT_EXPORT_NOT_FOUND, message).with("export_id", &request.export_id)
        };
        Ok(v1::GetEventExportResponse { position: None, export: Some(export.ok_or_else(missing)?) })
    }
}

/// Lists the exports.
pub struct ListEventExports;

impl Query for ListEventExports {
    type Request = v1::ListEventExportsRequest;
    type Response = v1::ListEventExportsResponse;
    type Projection = ProductAnalytics;
    const METHOD: &'static str = "ListEventExports";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Events", "any")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        let from = match request.page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| wrong_token())?,
        };
        let mut exports = Vec::new();
        let mut next_page_token = String::new();
        for row in tables.exports().scan_from(All, (from,)) {
            let ((offset,), row) = row?;
            if exports.len() == size {
                next_page_token = offset.to_string();
                break;
            }
            exports.extend(row.export);
        }
        let schedule = tables.export_schedule().get(())?;
        Ok(v1::ListEventExportsResponse { position: None, exports, next_page_token, schedule })
    }
}
