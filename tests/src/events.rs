//! Events of product use, registered.

use daybook_proto::product_analytics::v1::{
    EventSchema, MinimisationProfile, PropertySchema, PropertyType, SetEventSchemasRequest, SetEventSchemasResponse,
    SetMinimisationProfileRequest, SetMinimisationProfileResponse,
};

use crate::node::{Node, new_id};
use crate::people::{PETRA, PIA};

/// A profile for tests: events of the purpose "product" need no consent, and every number is shown.
pub fn of_product() -> MinimisationProfile {
    MinimisationProfile { purposes_without_consent: vec!["product".into()], suppress_below: 1, ..Default::default() }
}

/// The first version of an event of that purpose, with one property that has one of these values.
pub fn schema(name: &str, property: &str, values: &[&str]) -> EventSchema {
    let property = PropertySchema {
        name: property.into(),
        r#type: PropertyType::Enum.into(),
        values: values.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    EventSchema {
        name: name.into(),
        version: 1,
        purpose: "product".into(),
        properties: vec![property],
        ..Default::default()
    }
}

/// Sets a profile and registers schemas, as those who may.
pub async fn register(node: &Node, profile: MinimisationProfile, schemas: Vec<EventSchema>) {
    let request = SetMinimisationProfileRequest { command_id: new_id(), profile: Some(profile), ..Default::default() };
    let _: SetMinimisationProfileResponse = node.ask(&PETRA, &request).await;
    let request = SetEventSchemasRequest { command_id: new_id(), schemas, ..Default::default() };
    let _: SetEventSchemasResponse = node.ask(&PIA, &request).await;
}
