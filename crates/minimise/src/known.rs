//! The registry in the form in which events are looked up in it.

use std::collections::BTreeMap;

use daybook_event_rules::profile::Profile;
use daybook_proto::product_analytics::v1::{EventSchema, PropertySchema};

/// A registered property.
#[derive(Debug)]
pub(crate) struct KnownProperty {
    pub(crate) schema: PropertySchema,
    /// Places of the words of an enum.
    pub(crate) places: BTreeMap<String, i64>,
    /// The purpose that needs a consent.
    pub(crate) needs_consent: Option<String>,
}

/// A registered event.
#[derive(Debug)]
pub(crate) struct KnownEvent {
    pub(crate) version: u32,
    /// The purpose that needs a consent.
    pub(crate) needs_consent: Option<String>,
    pub(crate) properties: BTreeMap<String, KnownProperty>,
    pub(crate) required: Vec<String>,
}

impl KnownEvent {
    pub(crate) fn new(schema: &EventSchema, profile: &Profile) -> Self {
        let needs_consent = |purpose: &str| profile.needs_consent(purpose).then(|| purpose.to_owned());
        let property = |property: &PropertySchema| {
            let places = (0..).zip(&property.values).map(|(place, word)| (word.clone(), place)).collect();
            let purpose = if property.purpose.is_empty() { &schema.purpose } else { &property.purpose };
            let known = KnownProperty { schema: property.clone(), places, needs_consent: needs_consent(purpose) };
            (property.name.clone(), known)
        };
        let required = schema.properties.iter().filter(|property| property.required);
        Self {
            version: schema.version,
            needs_consent: needs_consent(&schema.purpose),
            properties: schema.properties.iter().map(property).collect(),
            required: required.map(|property| property.name.clone()).collect(),
        }
    }
}
