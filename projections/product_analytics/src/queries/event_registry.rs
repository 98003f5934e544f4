//! The registered events.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Asked, Query};
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1;

use crate::{NAMESPACE, ProductAnalytics, Tables, registry};

/// Shows what may be recorded, and how it is minimised.
pub struct GetEventRegistry;

impl Query for GetEventRegistry {
    type Request = v1::GetEventRegistryRequest;
    type Response = v1::GetEventRegistryResponse;
    type Projection = ProductAnalytics;
    const METHOD: &'static str = "GetEventRegistry";

    fn stream_key(tenant: &TenantId, _: &Self::Request) -> StreamKey {
        StreamKey::of_tenant(tenant)
    }

    fn authorisation(_: &Self::Request) -> Authorisation {
        Authorisation::new(NAMESPACE, Self::METHOD, "EventSchema", "any")
    }

    fn answer(tables: &Tables<'_>, _: Self::Request, _: &Asked<'_>) -> Result<Self::Response, Refusal> {
        Ok(v1::GetEventRegistryResponse { position: None, registry: Some(registry::registry(tables)?) })
    }
}
