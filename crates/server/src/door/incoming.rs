//! A request as it comes in.

use bytes::{Bytes, BytesMut};
use daybook_minimise::Sent;
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::minimise::EVENTS;
use super::{Method, command};
use crate::error::CallError;
use crate::http::{Budget, Room};

/// A request. Its fields are looked at by what the schema says of them; but events of product use, of which there are
/// hundreds in one and which go no further than the door, are read as they are.
pub struct Incoming {
    pub(crate) request: DynamicMessage,
    /// Events, where they are not in `request`.
    pub(crate) events: Option<Events>,
    /// The room that it takes, where that is bounded.
    pub(crate) room: Option<Room>,
}

/// Events of product use, which the door minimises.
#[derive(Clone)]
pub(crate) enum Events {
    /// Encoded, with the numbers of their field.
    Encoded(Bytes),
    /// As a source has mapped them, with what it could not map.
    Mapped(Sent),
}

impl Default for Events {
    /// None.
    fn default() -> Self {
        Self::Mapped(Sent::default())
    }
}

impl Events {
    /// Those of a request that came whole.
    pub(super) fn within(request: &DynamicMessage) -> Self {
        Self::Encoded(request.encode_to_vec().into())
    }

    /// The bytes that tell two requests of other events apart.
    pub(super) fn to_bytes(&self) -> Bytes {
        match self {
            Self::Encoded(bytes) => bytes.clone(),
            Self::Mapped(sent) => {
                let mut bytes = BytesMut::with_capacity(self.encoded_len());
                sent.events.iter().for_each(|(_, event)| prost::encoding::message::encode(EVENTS, event, &mut bytes));
                bytes.freeze()
            }
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Encoded(bytes) => bytes.len(),
            Self::Mapped(sent) => sent.events.iter().map(|(_, event)| event.encoded_len()).sum(),
        }
    }
}

impl Incoming {
    /// What a source has made of a body of its own shape, for a tenant. It takes room.
    ///
    /// # Errors
    /// `OVERLOADED` when there is none left.
    pub(crate) fn of_source(method: &Method, tenant: String, sent: Sent, budget: &Budget) -> Result<Self, CallError> {
        /// What a mapped event takes beside its texts, and how often those are held.
        const EVENT: usize = 1_024;
        const COPIES: usize = 3;
        let mut request = DynamicMessage::new(method.input.clone());
        request.set_field_by_number(command::TENANT_ID, Value::String(tenant));
        let (count, events) = (sent.len(), Events::Mapped(sent));
        let mut room = budget.room();
        room.take(count * EVENT + COPIES * events.encoded_len())?;
        Ok(Self { request, events: Some(events), room: Some(room) })
    }

    /// Its bytes, encoded.
    pub(crate) fn encoded_len(&self) -> usize {
        self.request.encoded_len() + self.events.as_ref().map_or(0, Events::encoded_len)
    }
}

impl From<DynamicMessage> for Incoming {
    fn from(request: DynamicMessage) -> Self {
        Self { request, events: None, room: None }
    }
}
