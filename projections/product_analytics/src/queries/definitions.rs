//! The definitions of metrics.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::fields::page_size;
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::key::All;
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1;

use super::wrong_token;
use crate::{NAMESPACE, ProductAnalytics, Tables};

/// Lists the definitions, every version of each.
pub struct ListMetricDefinitions;

impl Query for ListMetricDefinitions {
    type Request = v1::ListMetricDefinitionsRequest;
    type Response = v1::ListMetricDefinitionsResponse;
    type Projection = ProductAnalytics;
    const METHOD: &'static str = "ListMetricDefinitions";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "Metric", "any")
    }

    fn answer(tables: &Tables<'_>, request: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        let size = page_size(request.page_size)?;
        let (name, version) = match request.page_token.split_once(' ') {
            None if request.page_token.is_empty() => ("", 0),
            None => return Err(wrong_token().into()),
            Some((name, version)) => (name, version.parse().map_err(|_| wrong_token())?),
        };
        let mut definitions = Vec::new();
        let mut next_page_token = String::new();
        for row in tables.metrics().scan_from(All, (name, version)) {
            let ((name, version), definition) = row?;
            if definitions.len() == size {
                next_page_token = format!("{name} {version}");
                break;
            }
            definitions.push(definition);
        }
        Ok(v1::ListMetricDefinitionsResponse { position: None, definitions, next_page_token })
    }
}
