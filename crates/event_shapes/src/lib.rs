//! Event shapes of well-known SDKs, mapped to Daybook's events: the calls of Segment's tracking API, and log records of
//! OpenTelemetry that are events (OTLP/HTTP, as JSON and as protobuf). A program that has one of these SDKs sends to
//! Daybook by changing an address.
//!
//! Not for: deciding whether an event counts. What comes out is what a program could have sent itself, and the door
//! minimises it like any other (`daybook-minimise`). Nor for reading HTTP: no clock, no network, no key is known here.
//!
//! | Daybook | Segment | OpenTelemetry |
//! | --- | --- | --- |
//! | `name` | `event`; `page.viewed`, `screen.viewed` | `event_name`, else attribute `event.name` |
//! | `event_id` | `messageId` | attribute `event.id`, else `log.record.uid`, else made of what the record holds |
//! | `actor` | `userId`, else `anonymousId` | attribute `user.id`, else `enduser.id`; never `session.id` |
//! | `time` | `timestamp`, corrected by `sentAt` | `time_unix_nano`, else `observed_time_unix_nano` |
//! | `consents` | `context.consent.categoryPreferences` that are `true` | attribute `daybook.consents`, a list |
//! | `properties` | `properties`; the name of a page or screen as `page`, `screen` | the other attributes |
//!
//! Names. The detectors of personal data look at every name as it was sent, strictly, before it is changed
//! (`daybook-detect`); a name in which they see something refuses the event. Then: a name that Daybook takes stays as it is.
//! Of any other, words are found at capitals and at whatever is no letter and no digit, and joined by `_` in small letters:
//! `Case Exported` and `caseExported` are `case_exported`, `userID` is `user_id`, `HTTPServer` is `http_server`. In the name
//! of an event, dots stay: `copilot.answerShown` is `copilot.answer_shown`; everywhere else a dot is a `_`. Values of
//! properties stay as they are, except the names of pages and screens, which become names. Letters beyond a-z are refused
//! rather than dropped or transliterated, for `schon` and `schön` would become one: register `groesse`, and have the program
//! send it. Keys of consents become names too; where two become the same, both must be `true`.
//!
//! Time. Segment's rule (Spec: Common Fields, "Timestamps"): `timestamp` = received - (`sentAt` - original), so that a
//! wrong clock at the sender does not matter. Without `sentAt`, the original as it is; without an original, none, and
//! the door takes its own time. A call that has both `originalTimestamp` and `timestamp` was corrected by Segment
//! already. A time that cannot be read refuses the event.
//!
//! Properties. Text, numbers and booleans pass. Segment's objects are flattened once (`cart: {id}` is `cart_id`).
//! Lists, objects inside objects, bytes, and numbers that are none are left out and counted ([`Mapped::left_out`]), and
//! so is what is named like a fact about a person (`email`, `clientIp`, `user.name`). `null` says nothing. Names that
//! become one refuse the event (`caseId` beside `case_id`): which of two values was meant cannot be known.
//!
//! Ids. What is sent again must count once. Segment's SDKs give every call a `messageId`. OpenTelemetry's give no id: a record
//! without one gets one from what it holds, see `otlp_ids`.
//!
//! What never passes: `context` beyond the consents, `traits`, the body of a log record, its resource and scope, trace
//! and span ids, what analytics.js adds to a page (`url`, `path`, `referrer`, `search`, `title`), and everything else
//! that the table does not name. `identify`, `group` and `alias` are about persons: nothing is recorded of them.
//!
//! Nothing vanishes: every input of a body is an event or stands in [`Mapped::skipped`], with the reason under which it is
//! counted ([`Why::refusal`]).
//!
//! Bounds. [`EVENTS_MAX`] events a body, [`PROPERTIES_MAX`] properties an event, [`ID_BYTES_MAX`] bytes an id. Nothing
//! here recurses, so depth costs nothing.
//!
//! ```
//! use daybook_event_shapes::{SegmentCall, segment};
//! let body = serde_json::json!({"userId": "u1", "event": "Case Exported", "properties": {"fileFormat": "pdf"}});
//! let mapped = segment(Some(SegmentCall::Track), &body, prost_types::Timestamp::default())?;
//! assert_eq!(mapped.events[0].name, "case_exported");
//! let properties = mapped.events[0].properties.as_ref();
//! assert!(properties.is_some_and(|properties| properties.fields.contains_key("file_format")));
//! # Ok::<(), daybook_event_shapes::NotMapped>(())
//! ```

use std::collections::BTreeMap;

use daybook_proto::product_analytics::v1::{self, Refusal};

mod json_records;
mod names;
mod otlp;
mod otlp_ids;
mod otlp_messages;
mod properties;
mod segment;
mod times;

#[cfg(test)]
mod tests;

pub use otlp::{otlp_json, otlp_protobuf};
pub use segment::{SegmentCall, segment};

/// Events of a body: as many as `RecordEvents` takes.
pub use daybook_event_rules::EVENTS_MAX;
/// Properties of an event: as many as a schema has.
pub const PROPERTIES_MAX: usize = 50;
/// Bytes of the id of an event or an actor.
pub const ID_BYTES_MAX: usize = 1_000;

/// Properties that did not pass, of events that did: how many by name and reason. The name is that of the property, of the
/// fact about a person that it is named after, or of its namespace.
pub type LeftOut = BTreeMap<(String, Refusal), u32>;

/// What a body holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapped {
    /// The events, in the order of the input.
    pub events: Vec<v1::Event>,
    /// Inputs of which there is no event, in the order of the input.
    pub skipped: Vec<Skipped>,
    /// Properties that did not pass, of the events that did.
    pub left_out: LeftOut,
}

impl Mapped {
    /// Of each input, in order.
    fn of(inputs: impl Iterator<Item = Result<One, NoEvent>>) -> Self {
        let mut mapped = Self::default();
        for (index, input) in inputs.enumerate() {
            match input {
                Ok(one) => {
                    mapped.events.push(one.event);
                    for (property, count) in one.left_out {
                        *mapped.left_out.entry(property).or_default() += count;
                    }
                }
                Err(NoEvent { why, name }) => mapped.skipped.push(Skipped { index, why, name }),
            }
        }
        mapped
    }

    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.events.len() + self.skipped.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The places of the events in the body, in their order: all those that no skipped input has.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        let mut skipped = self.skipped.iter().map(|skipped| skipped.index).peekable();
        (0..self.len()).filter(move |place| skipped.next_if_eq(place).is_none())
    }
}

/// One event, and which of its properties did not pass.
struct One {
    event: v1::Event,
    left_out: LeftOut,
}

/// Why there is no event, and the name that it would have.
struct NoEvent {
    why: Why,
    name: String,
}

impl From<Why> for NoEvent {
    fn from(why: Why) -> Self {
        Self { why, name: String::new() }
    }
}

/// An input of which there is no event. Beside the name of its event it says what is wrong and never what was sent, so it may
/// be logged and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the body, from 0: in `batch`, or among all log records in the order in which they stand.
    pub index: usize,
    /// Why.
    pub why: Why,
    /// The name of its event, where that is known. Not to be written down unless it is registered.
    pub name: String,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}]: {}", self.index, self.why)
    }
}

/// Why there is no event of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It is a call that says who somebody is. As it should be, not a mistake of the caller.
    #[error("identify, group and alias are about persons and not recorded; track, page and screen are")]
    AboutPersons,
    /// It is a log record without the name of an event. As it should be, not a mistake of the caller.
    #[error("is a log record and no event: it has no event_name and no attribute event.name")]
    NotAnEvent,
    /// It is not a JSON object.
    #[error("must be an object")]
    NotAnObject,
    /// It is no LogRecord in protobuf.
    #[error("must be a LogRecord in protobuf")]
    NotProtobuf,
    /// It does not say which call it is.
    #[error("type must be track, page, screen, identify, group or alias")]
    NoCall,
    /// It says that it is another call than the path says.
    #[error("type is another call than that of the path; leave it out, or send it to its own path")]
    OtherCall,
    /// A field that must be there is not.
    #[error("{field} must not be empty")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field is of another type.
    #[error("{field} must be {must_be}")]
    WrongType {
        /// Its name.
        field: &'static str,
        /// What it must be.
        must_be: &'static str,
    },
    /// A field has more bytes than it may have, or its name more characters.
    #[error("{field} is too long")]
    TooLong {
        /// Its name.
        field: &'static str,
    },
    /// A time that there is not.
    #[error("{field} must be a time in ISO 8601, for example 2026-11-24T18:00:00.000Z")]
    BadTime {
        /// Its name.
        field: &'static str,
    },
    /// A field cannot become a name.
    #[error(
        "{field} cannot become a name: it must have letters a-z, none beyond them, and no word that begins with a digit"
    )]
    BadName {
        /// Its name; `properties` and `attributes` stand for the name of one of them.
        field: &'static str,
    },
    /// A name holds personal data or a credential.
    #[error("{field} holds personal data or a credential, and was thrown away; send the name of a thing")]
    PersonalData {
        /// Its name; `properties` and `attributes` stand for the name of one of them.
        field: &'static str,
    },
    /// Two properties would have one name.
    #[error("two names in {field} become the same one; rename one of them")]
    SameName {
        /// `properties` or `attributes`.
        field: &'static str,
    },
    /// There are too many properties.
    #[error("{field} has more than {PROPERTIES_MAX} entries")]
    TooManyProperties {
        /// `properties` or `attributes`.
        field: &'static str,
    },
}

impl Why {
    /// What it is counted as.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::AboutPersons => Refusal::AboutAPerson,
            Self::NotAnEvent => Refusal::NotAnEvent,
            Self::BadTime { .. } => Refusal::NoTime,
            Self::BadName { .. }
            | Self::TooLong { field: "event" | "event_name" | "name" | "properties" | "attributes" } => {
                Refusal::BadName
            }
            Self::PersonalData { .. } => Refusal::PersonalData,
            Self::SameName { .. } => Refusal::SameName,
            // No schema has so many.
            Self::TooManyProperties { .. } => Refusal::UnknownProperty,
            Self::NotAnObject
            | Self::NotProtobuf
            | Self::NoCall
            | Self::OtherCall
            | Self::Missing { .. }
            | Self::WrongType { .. }
            | Self::TooLong { .. } => Refusal::Malformed,
        }
    }

    /// Whether it is as it should be: the input is none of an event, and no mistake of the caller.
    pub fn is_no_event(self) -> bool {
        matches!(self, Self::AboutPersons | Self::NotAnEvent)
    }
}

/// Why a body is refused whole. Sending it again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMapped {
    /// It is not a JSON object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// It is not what OTLP sends.
    #[error("the body must be an ExportLogsServiceRequest in protobuf")]
    NotProtobuf,
    /// A part of it is of another type.
    #[error("{place} must be {must_be}")]
    WrongShape {
        /// Where, for example `resourceLogs[0].scopeLogs`.
        place: String,
        /// What it must be.
        must_be: &'static str,
    },
    /// It has too many events.
    #[error("the body has {count} events, and at most {EVENTS_MAX} are taken; send smaller batches")]
    TooMany {
        /// How many it has.
        count: usize,
    },
}
