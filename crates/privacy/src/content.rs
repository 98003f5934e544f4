//! Which messages carry content, somewhere inside. Found once from the schema, so that a command without content costs
//! one look-up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use daybook_proto::{FieldClass, descriptors, field_class, sealing};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

static CARRIERS: LazyLock<BTreeSet<String>> = LazyLock::new(carriers);

/// Whether a message, or any message inside it, can carry content.
pub(crate) fn carries_content(message: &MessageDescriptor) -> bool {
    CARRIERS.contains(message.full_name())
}

/// The fields of a sealed message that are content: they move into its seal.
pub(crate) fn content_fields(message: &MessageDescriptor) -> impl Iterator<Item = (FieldDescriptor, FieldClass)> {
    message.fields().filter_map(|field| match field_class(&field) {
        Some(class @ (FieldClass::FreeText | FieldClass::Personal)) => Some((field, class)),
        _ => None,
    })
}

/// The messages that a field leads to.
pub(crate) fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if field.is_map() => match message.map_entry_value_field().kind() {
            Kind::Message(value) => Some(value),
            _ => None,
        },
        Kind::Message(message) => Some(message),
        _ => None,
    }
}

fn carriers() -> BTreeSet<String> {
    let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    let mut new = Vec::new();
    for message in descriptors().all_messages() {
        for child in message.fields().filter_map(|field| message_of(&field)) {
            parents.entry(child.full_name().to_owned()).or_default().push(message.full_name().to_owned());
        }
        if sealing(&message).is_some() {
            new.push(message.full_name().to_owned());
        }
    }
    while let Some(message) = new.pop() {
        if found.insert(message.clone()) {
            new.extend(parents.get(&message).into_iter().flatten().cloned());
        }
    }
    found
}
