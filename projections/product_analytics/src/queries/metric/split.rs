//! Breakdowns: under which label an event counts.

use std::collections::BTreeMap;

use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::breakdown::By;
use daybook_proto::product_analytics::v1::{Breakdown, ColumnType, PropertyType};

use super::selector::Slots;
use crate::catalogue::Catalogue;
use crate::segment::{Cursor, Found};

/// Labels that one question tells apart; what comes later is "(others)".
const LABELS_MAX: usize = 10_000;
/// What events without the property count under.
pub(super) const NONE: &str = "(none)";
/// What everything beyond the limit counts under.
pub(super) const OTHERS: &str = "(others)";

/// Labels by number. Number 0 is no label.
#[derive(Debug)]
pub(super) struct Labels {
    texts: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl Labels {
    fn new() -> Self {
        Self { texts: vec![NONE.to_owned()], numbers: BTreeMap::new() }
    }

    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let text = if self.texts.len() >= LABELS_MAX { OTHERS } else { text };
        let next = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(text.to_owned()).or_insert(next);
        if number == next {
            self.texts.push(text.to_owned());
        }
        number
    }

    pub(super) fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or(NONE, String::as_str)
    }
}

enum Of {
    Nothing,
    /// By number of the name.
    Name(Vec<u32>),
    Property {
        slot: usize,
        by_name: Vec<Option<Kind>>,
    },
}

enum Kind {
    /// Labels of the words, by place.
    Words(Vec<u32>),
    Ids,
    Numbers,
}

/// A breakdown.
pub(super) struct Split {
    of: Of,
    pub(super) labels: Labels,
    /// Labels that are told apart in the answer.
    pub(super) limit: usize,
}

impl Split {
    pub(super) fn new(asked: Option<&Breakdown>, catalogue: &Catalogue, slots: &mut Slots) -> Result<Self, Refusal> {
        let mut labels = Labels::new();
        let limit = asked.map_or(0, |asked| asked.limit);
        let limit = if limit == 0 { 20 } else { limit as usize };
        let numbers = 0..u32::try_from(catalogue.len()).unwrap_or(u32::MAX);
        let of = match asked.and_then(|asked| asked.by.as_ref()) {
            None | Some(By::Feature(false) | By::Event(false)) => Of::Nothing,
            Some(By::Event(true)) => Of::Name(
                numbers
                    .map(|number| match catalogue.name(number) {
                        "" => 0,
                        name => labels.number(name),
                    })
                    .collect(),
            ),
            Some(By::Feature(true)) => {
                let feature = |number| catalogue.schema(number).map_or("", |schema| schema.feature.as_str());
                Of::Name(
                    numbers
                        .map(|number| match feature(number) {
                            "" => 0,
                            feature => labels.number(feature),
                        })
                        .collect(),
                )
            }
            Some(By::Property(property)) => {
                let slot = slots.of(catalogue.property_number(property)?);
                let by_name = numbers.map(|number| {
                    let property = catalogue.property(number, property)?;
                    Some(match property.r#type() {
                        PropertyType::Enum => {
                            Kind::Words(property.values.iter().map(|word| labels.number(word)).collect())
                        }
                        PropertyType::Boolean => Kind::Words(vec![labels.number("false"), labels.number("true")]),
                        PropertyType::OpaqueId => Kind::Ids,
                        _ => Kind::Numbers,
                    })
                });
                Of::Property { slot, by_name: by_name.collect() }
            }
        };
        Ok(Self { of, labels, limit })
    }

    /// Whether anything is told apart.
    pub(super) fn is_asked(&self) -> bool {
        !matches!(self.of, Of::Nothing)
    }

    /// The column that names what is told apart, if anything is.
    pub(super) fn column(&self) -> Option<(&'static str, ColumnType)> {
        self.is_asked().then_some(("breakdown", ColumnType::Text))
    }

    /// The label of all events of a name, if the name alone decides.
    pub(super) fn of_name(&self, name: u32) -> Option<u32> {
        match &self.of {
            Of::Nothing => Some(0),
            Of::Name(labels) => Some(labels.get(name as usize).copied().unwrap_or_default()),
            Of::Property { .. } => None,
        }
    }

    /// The label of the event found last; 0 where it has none.
    #[inline]
    pub(super) fn label(&mut self, found: &Found, cursor: &Cursor) -> u32 {
        self.own_label(found, cursor).unwrap_or_default()
    }

    /// The same, and `None` where the event lacks the property.
    #[inline]
    pub(super) fn own_label(&mut self, found: &Found, cursor: &Cursor) -> Option<u32> {
        let Of::Property { slot, by_name } = &self.of else { return self.of_name(found.name) };
        let kind = by_name.get(found.name as usize).and_then(Option::as_ref)?;
        let value = cursor.value(*slot)?;
        match kind {
            Kind::Words(labels) => usize::try_from(value).ok().and_then(|at| labels.get(at)).copied(),
            Kind::Ids => {
                let id = usize::try_from(value).ok().and_then(|at| cursor.ids(*slot).get(at))?;
                Some(self.labels.number(id))
            }
            Kind::Numbers => Some(self.labels.number(&value.to_string())),
        }
    }
}
