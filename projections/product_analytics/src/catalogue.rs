//! The registered events by number, as questions and exports need them.

use std::collections::BTreeMap;

use daybook_kernel::key::All;
use daybook_kernel::rejection::{Refusal, Rejection};
use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{EventMeaning, EventSchema, PropertySchema};

use crate::{Tables, codes};

/// The registered events.
pub(crate) struct Catalogue {
    /// By number; number 0 is none.
    schemas: Vec<Option<EventSchema>>,
    numbers: BTreeMap<String, u32>,
    properties: BTreeMap<String, u32>,
}

impl Catalogue {
    pub(crate) fn read(tables: &Tables<'_>) -> Result<Self, Fault> {
        let (mut schemas, mut numbers) = (Vec::new(), BTreeMap::new());
        for row in tables.schemas().scan(All) {
            let ((name,), row) = row?;
            let at = row.number as usize;
            if schemas.len() <= at {
                schemas.resize(at + 1, None);
            }
            if let Some(slot) = schemas.get_mut(at) {
                *slot = row.schema;
            }
            numbers.insert(name, row.number);
        }
        let properties = tables.properties().scan(All).map(|row| row.map(|((name,), row)| (name, row.number)));
        Ok(Self { schemas, numbers, properties: properties.collect::<Result<_, _>>()? })
    }

    /// One more than the largest number of a name.
    pub(crate) fn len(&self) -> usize {
        self.schemas.len()
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        self.schema(number).map_or("", |schema| &schema.name)
    }

    pub(crate) fn schema(&self, number: u32) -> Option<&EventSchema> {
        self.schemas.get(number as usize)?.as_ref()
    }

    /// What a property holds in events of a name.
    pub(crate) fn property(&self, number: u32, property: &str) -> Option<&PropertySchema> {
        self.schema(number)?.properties.iter().find(|known| known.name == property)
    }

    pub(crate) fn number(&self, name: &str) -> Result<u32, Refusal> {
        let missing = || {
            let message = format!("no event {name:?} is registered in this tenant; see `daybook analytics events`");
            Refusal::from(Rejection::new(codes::EVENT_NOT_REGISTERED, message).with("event", name))
        };
        self.numbers.get(name).copied().ok_or_else(missing)
    }

    pub(crate) fn property_number(&self, property: &str) -> Result<u32, Refusal> {
        let missing = || {
            let message =
                format!("no event of this tenant has a property {property:?}; see `daybook analytics events`");
            Refusal::from(Rejection::new(codes::EVENT_NOT_REGISTERED, message).with("property", property))
        };
        self.properties.get(property).copied().ok_or_else(missing)
    }

    /// All properties by name, with their numbers.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&String, u32)> {
        self.properties.iter().map(|(name, number)| (name, *number))
    }

    /// What a property may hold, in each event that has it.
    pub(crate) fn of_property(&self, property: &str) -> impl Iterator<Item = &PropertySchema> {
        let numbers = 0..u32::try_from(self.len()).unwrap_or(u32::MAX);
        numbers.filter_map(move |number| self.property(number, property))
    }

    /// Names of the events that mean something.
    pub(crate) fn meaning(&self, meaning: EventMeaning) -> Vec<String> {
        let schemas = self.schemas.iter().flatten().filter(|schema| schema.meaning() == meaning);
        schemas.map(|schema| schema.name.clone()).collect()
    }
}
