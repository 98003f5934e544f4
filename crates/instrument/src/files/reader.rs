//! From the tree of a file to schemas and a profile.

use daybook_proto::product_analytics::v1::{
    EventMeaning, EventSchema, MinimisationProfile, PropertySchema, PropertyType,
};

use super::nearest::nearest;
use super::node::{self, Content, Key, Node};
use super::values::{self, MEANINGS, TYPES};
use super::{EventEntry, Files, Place};
use crate::finding::Finding;

const FILE_KEYS: &[&str] = &["profile", "events"];
const PROFILE_KEYS: &[&str] = &[
    "time_granularity",
    "pseudonym_epoch_days",
    "purposes_without_consent",
    "late_max",
    "future_max",
    "deduplication_window",
    "suppress_below",
];
const EVENT_KEYS: &[&str] = &[
    "name",
    "version",
    "description",
    "feature",
    "purpose",
    "owner",
    "properties",
    "meaning",
    "deprecated_at",
    "refused_after",
];
const PROPERTY_KEYS: &[&str] =
    &["type", "values", "minimum", "maximum", "currency", "purpose", "required", "description"];

const INTEGER: &str = "write a whole number, for example 1_000";
const LENGTH: &str = "write a whole number and its unit, for example 500ms, 1s, 5m, 24h or 7d";
const TIME: &str = "write a day or a time with its offset, for example 2026-12-01 or 2026-12-01T09:00:00Z";

/// Reads a file; what is wrong with how it is written goes to `findings`, and what could be read comes back.
pub(super) fn read(file: &str, text: &str, findings: &mut Vec<Finding>) -> Files {
    let root = match node::read(text) {
        Ok(root) => root,
        Err(problem) => {
            findings.push(Finding::problem(file, problem.line, "not_yaml", problem.text, problem.hint));
            return Files::default();
        }
    };
    let mut reader = Reader { file, findings };
    let mut files = Files::default();
    for (key, value) in reader.map(&root, "a schema file", FILE_KEYS) {
        match key.text.as_str() {
            "profile" => files.profile = Some(reader.profile(key, value)),
            _ => files.events = reader.list(value, "events").iter().map(|event| reader.event(event)).collect(),
        }
    }
    files
}

struct Reader<'a> {
    file: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Reader<'_> {
    fn wrong(&mut self, line: usize, code: &'static str, text: impl Into<String>, hint: impl Into<String>) {
        self.findings.push(Finding::problem(self.file, line, code, text, hint));
    }

    /// The entries of a mapping whose keys are known; others are findings. Nothing written is an empty mapping.
    fn map<'n>(&mut self, node: &'n Node, of: &str, known: &[&str]) -> Vec<(&'n Key, &'n Node)> {
        let mut entries = Vec::new();
        for (key, value) in self.entries(node, of) {
            if known.contains(&key.text.as_str()) {
                entries.push((key, value));
                continue;
            }
            let hint = match nearest(&key.text, known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are: {}", known.join(", ")),
            };
            self.wrong(key.line, "unknown_key", format!("{of} has no key {}", key.text), hint);
        }
        entries
    }

    fn entries<'n>(&mut self, node: &'n Node, of: &str) -> Vec<(&'n Key, &'n Node)> {
        match &node.content {
            Content::Map(entries) => entries.iter().map(|(key, value)| (key, value)).collect(),
            Content::Text(text) if text.is_empty() => Vec::new(),
            Content::Text(_) | Content::List(_) => {
                self.wrong(node.line, "wrong_value", format!("{of} must be a mapping"), "write `key: value` lines");
                Vec::new()
            }
        }
    }

    fn list<'n>(&mut self, node: &'n Node, of: &str) -> &'n [Node] {
        match &node.content {
            Content::List(items) => items,
            Content::Text(text) if text.is_empty() => &[],
            Content::Text(_) | Content::Map(_) => {
                self.wrong(node.line, "wrong_value", format!("{of} must be a list"), "write `- ` lines, or [a, b]");
                &[]
            }
        }
    }

    fn text(&mut self, node: &Node, of: &str) -> String {
        match &node.content {
            Content::Text(text) => text.clone(),
            Content::List(_) | Content::Map(_) => {
                self.wrong(node.line, "wrong_value", format!("{of} must be a text"), "write it behind the colon");
                String::new()
            }
        }
    }

    /// A text that stands for something else.
    fn value<T: Default>(&mut self, node: &Node, of: &str, read: fn(&str) -> Option<T>, hint: &str) -> T {
        let text = self.text(node, of);
        read(&text).unwrap_or_else(|| {
            // A list or a mapping is a finding already.
            if matches!(node.content, Content::Text(_)) {
                self.wrong(node.line, "wrong_value", format!("{of} cannot be {text:?}"), hint);
            }
            T::default()
        })
    }

    fn number(&mut self, node: &Node, of: &str) -> u32 {
        let read = |text: &str| values::integer(text).and_then(|number| u32::try_from(number).ok());
        self.value(node, of, read, "write a whole number, 0 or more")
    }

    fn words(&mut self, node: &Node, of: &str, field: &str, place: &mut Place) -> Vec<String> {
        let mut words = Vec::new();
        for (i, item) in self.list(node, of).iter().enumerate() {
            place.fields.insert(format!("{field}[{i}]"), item.line);
            words.push(self.text(item, of));
        }
        words
    }

    fn profile(&mut self, key: &Key, node: &Node) -> (MinimisationProfile, Place) {
        let mut place = Place { file: self.file.to_owned(), line: key.line, ..Place::default() };
        let mut profile = MinimisationProfile::default();
        for (key, value) in self.map(node, "a profile", PROFILE_KEYS) {
            place.fields.insert(key.text.clone(), key.line);
            match key.text.as_str() {
                "time_granularity" => profile.time_granularity = self.length(value, &key.text),
                "pseudonym_epoch_days" => profile.pseudonym_epoch_days = self.number(value, &key.text),
                "purposes_without_consent" => {
                    profile.purposes_without_consent = self.words(value, &key.text, &key.text, &mut place);
                }
                "late_max" => profile.late_max = self.length(value, &key.text),
                "future_max" => profile.future_max = self.length(value, &key.text),
                "deduplication_window" => profile.deduplication_window = self.length(value, &key.text),
                _ => profile.suppress_below = self.number(value, &key.text),
            }
        }
        (profile, place)
    }

    fn length(&mut self, node: &Node, of: &str) -> Option<prost_types::Duration> {
        self.value(node, of, |text| values::duration(text).map(Some), LENGTH)
    }

    fn event(&mut self, node: &Node) -> EventEntry {
        let mut place = Place { file: self.file.to_owned(), line: node.line, ..Place::default() };
        let mut schema = EventSchema::default();
        let time = |text: &str| values::time(text).map(Some);
        for (key, value) in self.map(node, "an event", EVENT_KEYS) {
            place.fields.insert(key.text.clone(), key.line);
            match key.text.as_str() {
                "name" => schema.name = self.text(value, "name"),
                "version" => schema.version = self.number(value, "version"),
                "description" => schema.description = self.text(value, "description").trim_end().to_owned(),
                "feature" => schema.feature = self.text(value, "feature"),
                "purpose" => schema.purpose = self.text(value, "purpose"),
                "owner" => schema.owner = self.text(value, "owner"),
                "meaning" => schema.set_meaning(self.word(value, "meaning", MEANINGS, EventMeaning::Unspecified)),
                "deprecated_at" => schema.deprecated_at = self.value(value, "deprecated_at", time, TIME),
                "refused_after" => schema.refused_after = self.value(value, "refused_after", time, TIME),
                _ => schema.properties = self.properties(value, &mut place),
            }
        }
        EventEntry { schema, place }
    }

    /// One of a list of words.
    fn word<T: Copy>(&mut self, node: &Node, of: &str, words: &[(&str, T)], otherwise: T) -> T {
        let text = self.text(node, of);
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
            return *found;
        }
        if matches!(node.content, Content::Text(_)) {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = match nearest(&text, &known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are: {}", known.join(", ")),
            };
            self.wrong(node.line, "wrong_value", format!("there is no {of} {text:?}"), hint);
        }
        otherwise
    }

    fn properties(&mut self, node: &Node, place: &mut Place) -> Vec<PropertySchema> {
        let entries = self.entries(node, "properties");
        let read = |(i, (key, value)): (usize, (&Key, &Node))| {
            let field = format!("properties[{i}]");
            place.fields.insert(field.clone(), key.line);
            self.property(key, value, &field, place)
        };
        entries.into_iter().enumerate().map(read).collect()
    }

    fn property(&mut self, key: &Key, node: &Node, field: &str, place: &mut Place) -> PropertySchema {
        let mut property = PropertySchema { name: key.text.clone(), ..PropertySchema::default() };
        if let Content::Text(text) = &node.content
            && !text.is_empty()
        {
            property.set_type(self.word(node, "type", TYPES, PropertyType::Unspecified));
            return property;
        }
        let entries = self.map(node, "a property", PROPERTY_KEYS);
        // First, because what a bound may be depends on it.
        match entries.iter().find(|(key, _)| key.text == "type") {
            Some((_, value)) => property.set_type(self.word(value, "type", TYPES, PropertyType::Unspecified)),
            None => {
                let known: Vec<&str> = TYPES.iter().map(|(word, _)| *word).collect();
                let hint = format!("add type: with one of {}", known.join(", "));
                self.wrong(key.line, "missing_key", format!("property {} has no type", key.text), hint);
            }
        }
        for (key, value) in entries {
            let inside = format!("{field}.{}", key.text);
            place.fields.insert(inside.clone(), key.line);
            match key.text.as_str() {
                "values" => property.values = self.words(value, "values", &inside, place),
                "minimum" => property.minimum = self.bound(value, "minimum", property.r#type()),
                "maximum" => property.maximum = self.bound(value, "maximum", property.r#type()),
                "currency" => property.currency = self.text(value, "currency"),
                "purpose" => property.purpose = self.text(value, "purpose"),
                "description" => property.description = self.text(value, "description").trim_end().to_owned(),
                "required" => {
                    let words = &[("true", true), ("false", false)];
                    property.required = self.word(value, "value of required", words, false);
                }
                _ => {}
            }
        }
        property
    }

    /// A bound: of a duration it may be a length of time, or milliseconds as the events themselves have them.
    fn bound(&mut self, node: &Node, of: &str, property: PropertyType) -> i64 {
        if property == PropertyType::Duration {
            let read = |text: &str| values::milliseconds(text).or_else(|| values::integer(text));
            self.value(node, of, read, LENGTH)
        } else {
            self.value(node, of, values::integer, INTEGER)
        }
    }
}
