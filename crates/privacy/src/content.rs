//! Which messages carry content, and where in them it is. Found once from the schema: options are decoded anew whenever
//! they are asked for, which would cost a command more than its sealing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use daybook_proto::{FieldClass, Sealing, descriptors, field_class, is_key_tenant, sealing};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

static CARRIERS: LazyLock<BTreeMap<String, Carrier>> = LazyLock::new(carriers);

/// A message that carries content, itself or in a message inside it.
#[derive(Debug)]
pub(crate) struct Carrier {
    /// How it is sealed, if it has content itself.
    pub(crate) sealing: Option<Sealing>,
    /// The field that names the tenant whose keys apply inside it.
    pub(crate) key_tenant: Option<FieldDescriptor>,
    /// Its own fields that are content: they move into its seal.
    pub(crate) content: Vec<(FieldDescriptor, FieldClass)>,
    /// The numbers of its fields that lead to other carriers.
    pub(crate) inside: BTreeSet<u32>,
}

/// What a message carries; `None` when there is no content in it, nor in any message inside it.
pub(crate) fn carrier(message: &MessageDescriptor) -> Option<&'static Carrier> {
    CARRIERS.get(message.full_name())
}

/// The message that a field leads to.
fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if field.is_map() => match message.map_entry_value_field().kind() {
            Kind::Message(value) => Some(value),
            _ => None,
        },
        Kind::Message(message) => Some(message),
        _ => None,
    }
}

fn carriers() -> BTreeMap<String, Carrier> {
    let names = carrying();
    let leads_inside =
        |field: &FieldDescriptor| message_of(field).is_some_and(|inside| names.contains(inside.full_name()));
    let content = |field: FieldDescriptor| match field_class(&field) {
        Some(class @ (FieldClass::FreeText | FieldClass::Personal)) => Some((field, class)),
        _ => None,
    };
    let carrier = |message: MessageDescriptor| Carrier {
        sealing: sealing(&message),
        key_tenant: message.fields().find(is_key_tenant),
        content: message.fields().filter_map(content).collect(),
        inside: message.fields().filter(leads_inside).map(|field| field.number()).collect(),
    };
    let found = names.iter().filter_map(|name| descriptors().get_message_by_name(name));
    found.map(|message| (message.full_name().to_owned(), carrier(message))).collect()
}

fn carrying() -> BTreeSet<String> {
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
