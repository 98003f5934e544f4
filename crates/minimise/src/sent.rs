//! What a request holds, before the door looks at it.

use std::collections::BTreeMap;

use daybook_proto::product_analytics::v1::{Event, Refusal};

/// The inputs of a request: events, and what a source could make no event of. Each has its place in the request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sent {
    /// The events with their places.
    pub events: Vec<(u32, Event)>,
    /// What should be an event and is none.
    pub unmapped: Vec<Unmapped>,
    /// Inputs that are none of an event, as it should be: how many by reason.
    pub no_events: BTreeMap<Refusal, u32>,
    /// Properties that a source left out of the events: how many by name and reason.
    pub left_out: BTreeMap<(String, Refusal), u32>,
}

/// An input that should be an event and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// Its place in the request.
    pub index: u32,
    /// Why.
    pub reason: Refusal,
    /// The name of its event, as the source has it. Empty: it is not known.
    pub name: String,
}

impl Sent {
    /// How many inputs there are.
    pub fn len(&self) -> usize {
        let no_events = self.no_events.values().fold(0usize, |sum, count| sum.saturating_add(*count as usize));
        self.events.len().saturating_add(self.unmapped.len()).saturating_add(no_events)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<Event>> for Sent {
    fn from(events: Vec<Event>) -> Self {
        Self { events: (0..).zip(events).collect(), ..Self::default() }
    }
}
