//! What the options of `daybook/options/v1` say of a field, a message or a method.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor, ReflectMessage};

use crate::descriptors;
pub use crate::options::v1::{FieldClass, FilledIn, SealingSubject};

/// How the door seals a message: under whose key, and which of its fields names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealing {
    /// Whose key.
    pub subject: SealingSubject,
    /// Name of the field that holds the subject's id.
    pub id_field: String,
}

/// What a method's options say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodFacts {
    /// It changes nothing: a query.
    pub is_query: bool,
    /// Its answer opens sealed content for the caller.
    pub opens_sealed_content: bool,
}

/// The class of a field, or `None` where the schema does not say (a test refuses that for scalar fields).
pub fn field_class(field: &FieldDescriptor) -> Option<FieldClass> {
    let options = field.options();
    let extension = descriptors().get_extension_by_name("daybook.options.v1.class")?;
    if !options.has_extension(&extension) {
        return None;
    }
    let number = options.get_extension(&extension).as_enum_number()?;
    FieldClass::try_from(number).ok().filter(|class| *class != FieldClass::Unspecified)
}

/// Whether the field names the tenant whose keys apply to its message.
pub fn is_key_tenant(field: &FieldDescriptor) -> bool {
    let options = field.options();
    descriptors()
        .get_extension_by_name("daybook.options.v1.key_tenant")
        .is_some_and(|extension| options.get_extension(&extension).as_bool().unwrap_or(false))
}

/// What the door fills into a field, if it does.
pub fn filled_in(field: &FieldDescriptor) -> Option<FilledIn> {
    let extension = descriptors().get_extension_by_name("daybook.options.v1.filled_in")?;
    let number = field.options().get_extension(&extension).as_enum_number()?;
    FilledIn::try_from(number).ok().filter(|filled_in| *filled_in != FilledIn::Unspecified)
}

/// How a message is sealed, for one that carries content.
pub fn sealing(message: &MessageDescriptor) -> Option<Sealing> {
    let options = message.options();
    let extension = descriptors().get_extension_by_name("daybook.options.v1.sealing")?;
    if !options.has_extension(&extension) {
        return None;
    }
    let value = options.get_extension(&extension);
    let sealing: &DynamicMessage = value.as_message()?;
    debug_assert_eq!(sealing.descriptor().name(), "Sealing");
    let subject = sealing.get_field_by_name("subject")?.as_enum_number()?;
    let id_field = sealing.get_field_by_name("id_field")?.as_str()?.to_owned();
    Some(Sealing { subject: SealingSubject::try_from(subject).ok()?, id_field })
}

/// What a method's options say.
pub fn method_facts(method: &MethodDescriptor) -> MethodFacts {
    let options = method.options();
    let opens_sealed_content = descriptors()
        .get_extension_by_name("daybook.options.v1.opens_sealed_content")
        .is_some_and(|extension| options.get_extension(&extension).as_bool().unwrap_or(false));
    // google.protobuf.MethodOptions.IdempotencyLevel.NO_SIDE_EFFECTS
    const NO_SIDE_EFFECTS: i32 = 1;
    let is_query = options
        .get_field_by_name("idempotency_level")
        .and_then(|level| level.as_enum_number())
        .is_some_and(|level| level == NO_SIDE_EFFECTS);
    MethodFacts { is_query, opens_sealed_content }
}

/// The command whose requests a method takes a stream of, if it does.
pub fn repeated_command(method: &MethodDescriptor) -> Option<String> {
    let extension = descriptors().get_extension_by_name("daybook.options.v1.repeats")?;
    let name = method.options().get_extension(&extension).as_str()?.to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::{Cardinality, Kind};

    use super::*;

    fn daybook_messages() -> Vec<MessageDescriptor> {
        let messages: Vec<_> =
            descriptors().all_messages().filter(|message| message.full_name().starts_with("daybook.")).collect();
        assert!(messages.len() > 100, "descriptors are missing");
        messages
    }

    fn content_fields(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
        let is_content =
            |field: &FieldDescriptor| matches!(field_class(field), Some(FieldClass::FreeText | FieldClass::Personal));
        message.fields().filter(is_content).collect()
    }

    #[test]
    fn every_leaf_field_says_what_it_holds() {
        let mut unmarked = BTreeSet::new();
        for message in daybook_messages() {
            if message.is_map_entry() {
                continue;
            }
            for field in message.fields() {
                let is_leaf = field.is_map() || !matches!(field.kind(), Kind::Message(_));
                if is_leaf && field_class(&field).is_none() {
                    unmarked.insert(field.full_name().to_owned());
                }
            }
        }
        assert!(unmarked.is_empty(), "fields without (daybook.options.v1.class): {unmarked:#?}");
    }

    #[test]
    fn every_message_with_content_has_a_place_for_its_seal() {
        for message in daybook_messages() {
            let content = content_fields(&message);
            let Some(sealing) = sealing(&message) else {
                assert!(content.is_empty(), "{} has content and no sealing option", message.full_name());
                continue;
            };
            assert_ne!(sealing.subject, SealingSubject::Unspecified, "{}", message.full_name());
            let id = message.get_field_by_name(&sealing.id_field).expect("the id field exists");
            assert_eq!(id.kind(), Kind::String, "{}", id.full_name());
            let sealed = message.get_field_by_name("sealed").expect("the field `sealed` exists");
            let Kind::Message(sealed) = sealed.kind() else { panic!("{} is no message", sealed.full_name()) };
            assert_eq!(sealed.full_name(), "daybook.privacy.v1.Sealed");
            for field in content {
                assert_eq!(field.kind(), Kind::String, "{}: only strings are sealed", field.full_name());
                assert_ne!(field.cardinality(), Cardinality::Repeated, "{}", field.full_name());
                assert!(field.containing_oneof().is_none(), "{}: not inside a oneof", field.full_name());
            }
        }
    }

    #[test]
    fn every_field_message_and_method_is_documented() {
        let mut undocumented = BTreeSet::new();
        for file in descriptors().files().filter(|file| file.name().starts_with("daybook/")) {
            let proto = file.file_descriptor_proto();
            let documented: BTreeSet<Vec<i32>> = proto
                .source_code_info
                .iter()
                .flat_map(|info| &info.location)
                .filter(|location| !location.leading_comments().trim().is_empty())
                .map(|location| location.path.clone())
                .collect();
            for (m, message) in proto.message_type.iter().enumerate() {
                for (f, field) in message.field.iter().enumerate() {
                    if !documented.contains(&vec![4, m as i32, 2, f as i32]) {
                        undocumented.insert(format!("{}.{}", message.name(), field.name()));
                    }
                }
            }
            for (s, service) in proto.service.iter().enumerate() {
                for (m, method) in service.method.iter().enumerate() {
                    if !documented.contains(&vec![6, s as i32, 2, m as i32]) {
                        undocumented.insert(format!("{}.{}", service.name(), method.name()));
                    }
                }
            }
        }
        assert!(undocumented.is_empty(), "without a comment: {undocumented:#?}");
    }

    #[test]
    fn requests_and_responses_keep_the_numbers_that_the_doors_rely_on() {
        for service in descriptors().services().filter(|s| s.full_name().starts_with("daybook.")) {
            if ["daybook.node.v1.NodeService", "daybook.cluster.v1.ClusterService"].contains(&service.full_name()) {
                continue;
            }
            for method in service.methods().filter(|method| repeated_command(method).is_none()) {
                let (request, response) = (method.input(), method.output());
                let field = |message: &MessageDescriptor, number: u32| {
                    message.get_field(number).map(|field| field.name().to_owned()).unwrap_or_default()
                };
                if method_facts(&method).is_query {
                    assert_eq!(field(&request, 1), "tenant_id", "{}", request.full_name());
                    assert_eq!(field(&request, 2), "min_position", "{}", request.full_name());
                    assert_eq!(field(&response, 1), "position", "{}", response.full_name());
                } else {
                    assert_eq!(field(&request, 1), "command_id", "{}", request.full_name());
                    assert_eq!(field(&request, 2), "tenant_id", "{}", request.full_name());
                    assert_eq!(field(&response, 1), "receipt", "{}", response.full_name());
                }
            }
        }
    }

    #[test]
    fn a_stream_takes_requests_of_a_command_and_its_answer_is_made_of_the_commands() {
        let number = |field: &FieldDescriptor| (field.kind() == Kind::Uint64 && !field.is_list()).then_some(());
        let mut streams = 0;
        for service in descriptors().services().filter(|service| service.full_name().starts_with("daybook.")) {
            for method in service.methods() {
                let name = method.full_name();
                assert!(!method.is_server_streaming(), "{name}");
                assert_eq!(method.is_client_streaming(), repeated_command(&method).is_some(), "{name}");
                let Some(command) = repeated_command(&method) else { continue };
                streams += 1;
                let command =
                    service.methods().find(|method| method.name() == command).expect("a command of the service");
                assert!(!method_facts(&command).is_query && !method_facts(&command).opens_sealed_content, "{name}");
                assert_eq!(method.input(), command.input(), "{name}");
                let (output, one) = (method.output(), command.output());
                let first = output.get_field(1).expect("a field");
                assert!(first.name() == "batch_count" && number(&first).is_some(), "{name}");
                for field in output.fields().filter(|field| field.number() != 1) {
                    let name = field.full_name().to_owned();
                    let Some(of) = one.get_field_by_name(field.name()) else {
                        let list = field.name().strip_suffix("_count").and_then(|list| one.get_field_by_name(list));
                        assert!(list.is_some_and(|list| list.is_list()) && number(&field).is_some(), "{name}");
                        continue;
                    };
                    assert_eq!(field.is_list(), of.is_list(), "{name}");
                    match (field.kind(), of.kind()) {
                        (Kind::Message(entry), Kind::Message(of)) if field.is_list() => {
                            let batch = entry.get_field(1).expect("a field");
                            assert!(batch.name() == "batch" && number(&batch).is_some(), "{name}");
                            for field in entry.fields().filter(|field| field.number() != 1) {
                                let of = of.get_field_by_name(field.name()).expect("a field of the command's entry");
                                assert_eq!((field.kind(), field.is_list()), (of.kind(), of.is_list()), "{name}");
                            }
                        }
                        (Kind::String, Kind::String) if field.is_list() => {}
                        (Kind::Uint64, Kind::Uint32 | Kind::Uint64) if !field.is_list() => {}
                        _ => panic!("{name} cannot be made of the answers of the command"),
                    }
                }
            }
        }
        assert_eq!(streams, 1, "or more: then raise this");
    }
}
