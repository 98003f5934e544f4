//! What is known of names: the registry in the form in which events are looked up in it, and the words that a name may be made
//! of which is in no registry.
//!
//! Names are data of callers. What a batch says readably is a [`StorableName`], and there are two ways to one: it stands in
//! the registry, or every word of it is known ([`Vocabulary`]). Detectors cannot tell a password or a surname in small letters
//! from a word; a list of words can.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use daybook_detect::{Detector, Sensitivity};
use daybook_event_rules::profile::Profile;
use daybook_event_rules::schema_rules::event_name_problem;
use daybook_proto::product_analytics::v1::{EventRegistry, EventSchema, PropertySchema};

/// A name that may be written down readably.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StorableName<'a>(&'a str);

impl<'a> StorableName<'a> {
    /// Of what has no name that may be written down.
    pub(crate) const NONE: Self = Self("");
    /// Stands for properties of which nothing may be said.
    pub(crate) const SOME: Self = Self("*");

    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    /// This one, or another if there is none.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::NONE { other } else { self }
    }
}

/// A registered property.
#[derive(Debug)]
pub(crate) struct KnownProperty {
    pub(crate) schema: PropertySchema,
    /// Places of the words of an enum.
    pub(crate) places: BTreeMap<String, i64>,
    /// The purpose that needs a consent.
    pub(crate) needs_consent: Option<String>,
}

impl KnownProperty {
    pub(crate) fn name(&self) -> StorableName<'_> {
        StorableName(&self.schema.name)
    }
}

/// A registered event.
#[derive(Debug)]
pub(crate) struct KnownEvent {
    name: String,
    pub(crate) version: u32,
    /// The purpose that needs a consent.
    pub(crate) needs_consent: Option<String>,
    pub(crate) properties: BTreeMap<String, KnownProperty>,
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
        Self {
            name: schema.name.clone(),
            version: schema.version,
            needs_consent: needs_consent(&schema.purpose),
            properties: schema.properties.iter().map(property).collect(),
        }
    }

    pub(crate) fn name(&self) -> StorableName<'_> {
        StorableName(&self.name)
    }

    /// The properties without which an event is refused.
    pub(crate) fn required(&self) -> impl Iterator<Item = &KnownProperty> {
        self.properties.values().filter(|property| property.schema.required)
    }
}

/// Words that say nothing of anybody: those about products in general, and those of the registry.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    of_registry: BTreeSet<String>,
}

impl Vocabulary {
    pub(crate) fn new(registry: &EventRegistry) -> Self {
        let of_property = |property: &PropertySchema| {
            let values = property.values.iter().cloned();
            values.chain([property.name.clone(), property.purpose.clone()]).collect::<Vec<_>>()
        };
        let of_schema = |schema: &EventSchema| {
            let own = [schema.name.clone(), schema.feature.clone(), schema.purpose.clone()];
            own.into_iter().chain(schema.properties.iter().flat_map(of_property)).collect::<Vec<_>>()
        };
        let names: Vec<String> = registry.schemas.iter().flat_map(of_schema).collect();
        let of_registry = names.iter().flat_map(|name| words(name)).map(|word| letters(word).to_owned()).collect();
        Self { of_registry }
    }

    /// A name that may be in no registry, if it may be written down: all of its words are known, it has two digits at most,
    /// and the detectors see nothing in it.
    pub(crate) fn storable<'a>(&self, name: &'a str) -> StorableName<'a> {
        const DIGITS_MAX: usize = 2;
        let digits = name.bytes().filter(u8::is_ascii_digit).count();
        let is_storable = event_name_problem(name).is_none()
            && digits <= DIGITS_MAX
            && words(name).all(|word| self.knows(letters(word)))
            && !Detector::new(Sensitivity::Strict).sees("", name);
        if is_storable { StorableName(name) } else { StorableName::NONE }
    }

    fn knows(&self, word: &str) -> bool {
        static WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| include_str!("words.txt").lines().collect());
        WORDS.contains(word) || self.of_registry.contains(word)
    }
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(['.', '_'])
}

/// A word without the digits at its end.
fn letters(word: &str) -> &str {
    word.trim_end_matches(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_stand_there_once() {
        let words: Vec<&str> = include_str!("words.txt").lines().collect();
        assert!(words.windows(2).all(|two| two[0] < two[1]));
        assert!(words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())));
    }

    #[test]
    fn a_name_of_known_words_may_be_written_down() {
        let value = PropertySchema { name: "akte".into(), values: vec!["geschlossen".into()], ..Default::default() };
        let schema = EventSchema { name: "fall.eroeffnet".into(), properties: vec![value], ..Default::default() };
        let vocabulary = Vocabulary::new(&EventRegistry { schemas: vec![schema], ..Default::default() });
        for name in
            ["case.opened", "copilot.answer_shown", "step_2", "page10.viewed", "fall.geschlossen", "akte_opened"]
        {
            assert_eq!(vocabulary.storable(name).as_str(), name);
        }
        for name in [
            "",
            "Case Opened",
            "https_jana_tajneheslo_db.firma_praha.cz_x",
            "opened_by_jana_novak",
            "tajneheslo",
            "akiaiosfodnn7example",
            "step_123",
            "page1.page2.page3",
            "case..opened",
            "fall.verloren",
        ] {
            assert_eq!(vocabulary.storable(name), StorableName::NONE, "{name}");
        }
    }
}
