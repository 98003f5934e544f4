//! Which events are meant: selectors and filters, ready to be asked of one event after the other.

use std::collections::BTreeSet;

use daybook_event_rules::schema_rules::has_bounds as has_bounds_of_its_own;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_proto::product_analytics::v1::{EventSelector, PropertyFilter, PropertySchema, PropertyType};

use crate::catalogue::Catalogue;
use crate::segment::{Cursor, Found};

/// The properties that a question reads, each once: their numbers by slot.
#[derive(Debug, Default)]
pub(super) struct Slots {
    numbers: Vec<u32>,
}

impl Slots {
    pub(super) fn of(&mut self, number: u32) -> usize {
        match self.numbers.iter().position(|known| *known == number) {
            Some(slot) => slot,
            None => {
                self.numbers.push(number);
                self.numbers.len() - 1
            }
        }
    }

    pub(super) fn numbers(&self) -> &[u32] {
        &self.numbers
    }
}

/// What a filter accepts in events of one name.
#[derive(Debug, Clone)]
enum Accepts {
    Numbers { any_of: Option<BTreeSet<i64>>, minimum: i64, maximum: i64 },
    Ids(Option<BTreeSet<String>>),
}

/// A filter.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    slot: usize,
    by_name: Vec<Option<Accepts>>,
    negated: bool,
}

impl Filter {
    pub(super) fn new(filter: &PropertyFilter, catalogue: &Catalogue, slots: &mut Slots) -> Result<Self, Refusal> {
        let slot = slots.of(catalogue.property_number(&filter.property)?);
        let names = 0..u32::try_from(catalogue.len()).unwrap_or(u32::MAX);
        let by_name: Vec<_> = names.map(|name| accepts(filter, catalogue, name)).collect();
        let schemas = || catalogue.of_property(&filter.property);
        // A word that no event knows would quietly match nothing.
        for word in &filter.any_of {
            if !schemas().any(|property| knows(property, word)) {
                let problem = format!("{word:?} is no value of property {:?}", filter.property);
                return Err(Violations::one("any_of", problem).into());
            }
        }
        let has_bounds = filter.minimum.is_some() || filter.maximum.is_some();
        if has_bounds && !schemas().any(|property| has_bounds_of_its_own(property.r#type())) {
            let problem = format!("property {:?} is no number: it has no minimum and maximum", filter.property);
            return Err(Violations::one("minimum", problem).into());
        }
        Ok(Self { slot, by_name, negated: filter.negated })
    }

    /// Whether the event found last passes.
    fn passes(&self, name: u32, cursor: &Cursor) -> bool {
        self.judges(name, cursor).unwrap_or_else(|| self.passes_without())
    }

    /// Whether the event found last passes; `None` where it lacks the property.
    pub(super) fn judges(&self, name: u32, cursor: &Cursor) -> Option<bool> {
        let accepts = self.by_name.get(name as usize).and_then(Option::as_ref)?;
        let value = cursor.value(self.slot)?;
        let is_meant = match accepts {
            Accepts::Numbers { any_of, minimum, maximum } => {
                (*minimum..=*maximum).contains(&value) && any_of.as_ref().is_none_or(|any_of| any_of.contains(&value))
            }
            Accepts::Ids(any_of) => any_of.as_ref().is_none_or(|any_of| {
                let id = usize::try_from(value).ok().and_then(|at| cursor.ids(self.slot).get(at));
                id.is_some_and(|id| any_of.contains(id))
            }),
        };
        Some(is_meant != self.negated)
    }

    /// Whether an event without the property passes.
    pub(super) fn passes_without(&self) -> bool {
        self.negated
    }
}

/// Whether a word is a value of a property.
fn knows(property: &PropertySchema, word: &str) -> bool {
    match property.r#type() {
        PropertyType::Enum => property.values.iter().any(|value| value == word),
        PropertyType::Boolean => matches!(word, "true" | "false"),
        PropertyType::OpaqueId => true,
        PropertyType::Integer | PropertyType::Duration | PropertyType::Money => word.parse::<i64>().is_ok(),
        PropertyType::Unspecified => false,
    }
}

fn accepts(filter: &PropertyFilter, catalogue: &Catalogue, name: u32) -> Option<Accepts> {
    let property = catalogue.property(name, &filter.property)?;
    let words = (!filter.any_of.is_empty()).then_some(&filter.any_of);
    let place = |word: &String| property.values.iter().position(|value| value == word);
    let any_of = match property.r#type() {
        PropertyType::OpaqueId => return Some(Accepts::Ids(words.map(|words| words.iter().cloned().collect()))),
        PropertyType::Enum => {
            words.map(|words| words.iter().filter_map(place).filter_map(|place| i64::try_from(place).ok()).collect())
        }
        PropertyType::Boolean => words.map(|words| words.iter().map(|word| i64::from(word == "true")).collect()),
        _ => words.map(|words| words.iter().filter_map(|word| word.parse().ok()).collect()),
    };
    let (minimum, maximum) = (filter.minimum.unwrap_or(i64::MIN), filter.maximum.unwrap_or(i64::MAX));
    Some(Accepts::Numbers { any_of, minimum, maximum })
}

/// A selector.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    names: Vec<bool>,
    filters: Vec<Filter>,
}

impl Selector {
    pub(super) fn new(selector: &EventSelector, catalogue: &Catalogue, slots: &mut Slots) -> Result<Self, Refusal> {
        let mut names = vec![selector.names.is_empty(); catalogue.len()];
        for name in &selector.names {
            let number = catalogue.number(name)?;
            if let Some(slot) = names.get_mut(number as usize) {
                *slot = true;
            }
        }
        let filters = selector.r#where.iter().map(|filter| Filter::new(filter, catalogue, slots));
        Ok(Self { names, filters: filters.collect::<Result<_, _>>()? })
    }

    /// Numbers of the names that may be meant.
    pub(super) fn names(&self) -> BTreeSet<u32> {
        (0..).zip(&self.names).filter(|(number, meant)| *number > 0 && **meant).map(|(number, _)| number).collect()
    }

    /// Whether it means events of this name, as far as the name decides.
    pub(super) fn has_name(&self, name: u32) -> bool {
        self.names.get(name as usize).copied().unwrap_or_default()
    }

    /// What else must hold.
    pub(super) fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Whether names alone decide.
    pub(super) fn is_of_names(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether the event found last is meant.
    #[inline]
    pub(super) fn means(&self, found: &Found, cursor: &Cursor) -> bool {
        self.has_name(found.name) && self.filters.iter().all(|filter| filter.passes(found.name, cursor))
    }
}

/// Whether the event found last passes all of these.
#[inline]
pub(super) fn all_pass(filters: &[Filter], found: &Found, cursor: &Cursor) -> bool {
    filters.iter().all(|filter| filter.passes(found.name, cursor))
}
