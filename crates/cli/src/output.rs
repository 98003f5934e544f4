//! Tables for people, JSON for programs.

use std::io::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use daybook_proto::descriptors;
use prost::{Message, Name};
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;

use crate::failure::{Failure, Outcome};

/// Prints a line. A reader that went away (`| head`) ends the program quietly.
pub(crate) fn line(text: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// A table with a header.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    // One line for each row, however long: lines can be searched and cut.
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    let mut count = 0;
    for row in rows {
        table.add_row(row);
        count += 1;
    }
    if count == 0 {
        line("nothing to show");
    } else {
        print(&table);
    }
}

/// A table, without the margins that the library puts around it.
pub(crate) fn print(table: &Table) {
    table.lines().for_each(|row| line(row.strip_prefix(' ').unwrap_or(&row).trim_end()));
}

/// Names and values below each other; empty values are left out.
pub(crate) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) {
    let facts: Vec<_> = facts.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in facts {
        let value = value.replace('\n', &format!("\n{:width$}  ", ""));
        line(format_args!("{name:width$}  {value}"));
    }
}

/// A message as protobuf's JSON.
pub(crate) fn to_json<M: Message + Name>(message: &M) -> Outcome<Value> {
    dynamic_to_json(&M::full_name(), &message.encode_to_vec())
}

/// An encoded message of a type as protobuf's JSON.
pub(crate) fn dynamic_to_json(type_name: &str, bytes: &[u8]) -> Outcome<Value> {
    let missing = || Failure::new(format!("there is no message type {type_name}"));
    let descriptor = descriptors().get_message_by_name(type_name).ok_or_else(missing)?;
    let message = DynamicMessage::decode(descriptor, bytes).map_err(Failure::new)?;
    let options = SerializeOptions::new();
    message.serialize_with_options(serde_json::value::Serializer, &options).map_err(Failure::new)
}

/// A message from protobuf's JSON.
pub(crate) fn from_json<M: Message + Name + Default>(value: &Value) -> Outcome<M> {
    let name = M::full_name();
    let missing = || Failure::new(format!("there is no message type {name}"));
    let descriptor = descriptors().get_message_by_name(&name).ok_or_else(missing)?;
    let message = DynamicMessage::deserialize(descriptor, value).map_err(Failure::new)?;
    message.transcode_to().map_err(Failure::new)
}

/// Prints JSON, indented.
pub(crate) fn json(value: &Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// The first characters of a hash: enough to tell it by.
pub(crate) fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// The name of an enumeration's value without its prefix, in lower case.
pub(crate) fn plain(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase().replace('_', "-")
}

/// A position as people read it.
pub(crate) fn position(position: Option<&daybook_proto::log::v1::Position>) -> String {
    position.map(|position| format!("{}/{}", position.partition, position.offset)).unwrap_or_default()
}
