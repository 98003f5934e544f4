//! People under every pseudonym that they have.
//!
//! An address can be written in several ways, and earlier releases made several pseudonyms of some. Where a message lists
//! people, the door adds an entry for each other pseudonym, so that what one release registered and another one holds still
//! match: items and scopes name the person under all of them. Where a message names one person, and has a list of the same
//! type, the other pseudonyms go there.

use std::collections::BTreeMap;

use daybook_kernel::id::TenantId;
use daybook_proto::SealingSubject;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};

use crate::cipher::Key;
use crate::content::carrier;
use crate::pseudonym::former_pseudonyms;
use crate::sealer::{SEALED, children, sealed_message, subject_id, tenant_inside};

/// Adds entries for the other pseudonyms of people.
pub(crate) fn add_former_pseudonyms(
    message: &mut DynamicMessage,
    tenant: &TenantId,
    tenant_keys: &BTreeMap<TenantId, Key>,
) {
    // One that is not a tenant was refused before.
    let Ok(tenant) = tenant_inside(message, tenant) else { return };
    let _: Result<(), ()> = children(message, |child, _| {
        add_former_pseudonyms(child, &tenant, tenant_keys);
        Ok(())
    });
    let Some(key) = tenant_keys.get(&tenant) else { return };
    let descriptor = message.descriptor();
    let Some(carrier) = carrier(&descriptor) else { return };
    for field in descriptor.fields().filter(|field| carrier.inside.contains(&field.number())) {
        let Some(list) = list_for(&descriptor, &field) else { continue };
        let value = message.get_field(&field);
        let people = match &*value {
            Value::List(people) => people.as_slice(),
            one if message.has_field(&field) => std::slice::from_ref(one),
            _ => continue,
        };
        let others: Vec<_> = people.iter().filter_map(Value::as_message).flat_map(|one| others(one, key)).collect();
        if others.is_empty() {
            continue;
        }
        let mut listed = message.get_field(&list).into_owned();
        if let Some(listed) = listed.as_list_mut() {
            for other in others {
                if !listed.contains(&other) {
                    listed.push(other);
                }
            }
        }
        message.set_field(&list, listed);
    }
}

/// The same person under other pseudonyms, without content: that stays with the entry that the caller wrote.
fn others(person: &DynamicMessage, key: &Key) -> Vec<Value> {
    let Some((sealing, carrier)) =
        sealed_message(person).filter(|(sealing, _)| sealing.subject == SealingSubject::Person)
    else {
        return Vec::new();
    };
    let pseudonyms = former_pseudonyms(key, &subject_id(person, sealing));
    let other = |pseudonym: String| {
        let mut other = person.clone();
        carrier.content.iter().for_each(|(field, _)| other.clear_field(field));
        other.clear_field_by_name(SEALED);
        other.set_field_by_name(&sealing.id_field, Value::String(pseudonym));
        Value::Message(other)
    };
    pseudonyms.into_iter().map(other).collect()
}

/// The list that takes the other pseudonyms of who is in a field: the field itself, or the only list of the same type.
fn list_for(message: &MessageDescriptor, field: &FieldDescriptor) -> Option<FieldDescriptor> {
    let type_of = |field: &FieldDescriptor| match field.kind() {
        Kind::Message(message) if !field.is_map() => Some(message.full_name().to_owned()),
        _ => None,
    };
    let wanted = type_of(field)?;
    if field.is_list() {
        return Some(field.clone());
    }
    let mut lists = message.fields().filter(|other| other.is_list() && type_of(other).as_ref() == Some(&wanted));
    lists.next().filter(|_| lists.next().is_none())
}
