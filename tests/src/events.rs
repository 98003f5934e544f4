//! Events of product use, registered.

use daybook_proto::product_analytics::v1::{
    EventSchema, MinimisationProfile, SetEventSchemasRequest, SetEventSchemasResponse, SetMinimisationProfileRequest,
    SetMinimisationProfileResponse,
};

use crate::node::{Node, new_id};
use crate::people::{PETRA, PIA};

/// Sets a profile and registers schemas, as those who may.
pub async fn register(node: &Node, profile: MinimisationProfile, schemas: Vec<EventSchema>) {
    let request = SetMinimisationProfileRequest { command_id: new_id(), profile: Some(profile), ..Default::default() };
    let _: SetMinimisationProfileResponse = node.ask(&PETRA, &request).await;
    let request = SetEventSchemasRequest { command_id: new_id(), schemas, ..Default::default() };
    let _: SetEventSchemasResponse = node.ask(&PIA, &request).await;
}
