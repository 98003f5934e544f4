//! Bodies as SDKs send them.

mod otlp;
mod segment;

use daybook_proto::product_analytics::v1::Event;
use prost_types::value::Kind;

use crate::{Mapped, Why};

/// The properties of an event as `name=value`.
fn properties(event: &Event) -> Vec<String> {
    let of_event = event.properties.iter().flat_map(|properties| &properties.fields);
    let said = |kind: &Option<Kind>| match kind {
        Some(Kind::StringValue(text)) => text.clone(),
        Some(Kind::NumberValue(number)) => number.to_string(),
        Some(Kind::BoolValue(value)) => value.to_string(),
        other => format!("{other:?}"),
    };
    of_event.map(|(name, value)| format!("{name}={}", said(&value.kind))).collect()
}

fn time(event: &Event) -> String {
    event.time.map(|time| time.to_string()).unwrap_or_default()
}

fn names(mapped: &Mapped) -> Vec<&str> {
    mapped.events.iter().map(|event| event.name.as_str()).collect()
}

fn skipped(mapped: &Mapped) -> Vec<(usize, Why)> {
    mapped.skipped.iter().map(|skipped| (skipped.index, skipped.why)).collect()
}
