//! The list of records that were not carried out: a topic of its own, `<log name>.inbox.rejected`. It says which record
//! and why, never what was in it: the list is kept for longer than the inbox, and nothing on it is sealed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::Place;
use crate::error::{CallError, codes};

/// How long the topic keeps the list, when it is created here.
pub(super) const RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// The topic of a log's list.
pub fn topic(log: &str) -> String {
    format!("{log}.inbox.rejected")
}

/// A record that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// The inbox topic.
    pub topic: String,
    /// The partition of it.
    pub partition: u32,
    /// The place there.
    pub offset: u64,
    /// The place of the last one, where several records in a row cannot be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_offset: Option<u64>,
    /// When the broker took the record (RFC 3339); empty where it cannot be read.
    pub put_at: String,
    /// When it was refused (RFC 3339).
    pub rejected_at: String,
    /// The method that it named, if there is such a method.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub method: Option<String>,
    /// The stable code.
    pub code: String,
    /// What was wrong and what to do.
    pub message: String,
    /// Fields that are wrong, with what is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub violations: Vec<Violation>,
    /// Where the decision stands on the log, `partition/offset`, if it was Daybook that decided so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decided_at: Option<String>,
    /// The id of the command, if it was recorded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command_id: Option<String>,
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Its path.
    pub field: String,
    /// What is wrong.
    pub description: String,
}

impl Rejected {
    pub(super) fn new(place: &Place, times: (String, String), method: Option<String>, error: &CallError) -> Self {
        let (put_at, rejected_at) = times;
        let violation = |(field, description): &(String, String)| Violation {
            field: field.clone(),
            description: description.clone(),
        };
        Self {
            topic: place.topic.clone(),
            partition: place.partition,
            offset: place.offset.0,
            last_offset: None,
            put_at,
            rejected_at,
            code: error.code.clone(),
            message: message(error, method.as_deref()),
            method,
            violations: error.violations.iter().map(violation).collect(),
            decided_at: error.metadata.get("position").cloned(),
            command_id: error.metadata.get("command_id").cloned(),
        }
    }
}

/// What a reader of malformed text says of it repeats parts of the text: only the place is told.
fn message(error: &CallError, method: Option<&str>) -> String {
    if error.code != codes::MALFORMED_REQUEST.name {
        return error.message.clone();
    }
    let place = error.metadata.get("place").map(|place| format!(" at {place}")).unwrap_or_default();
    let method = method.unwrap_or_default();
    format!(
        "the value is no request of {method}: it cannot be read{place}; nothing was recorded; correct it and send it again"
    )
}

#[cfg(test)]
mod tests {
    use daybook_kernel::id::Offset;

    use super::*;

    #[test]
    fn what_was_in_a_malformed_record_is_not_told() {
        let error = CallError::new(codes::MALFORMED_REQUEST, "invalid type: string \"secret of ada\", expected u32")
            .with("place", "line 1 column 9");
        let place = Place { topic: "in".into(), partition: 1, offset: Offset(7) };
        let rejected = Rejected::new(&place, (String::new(), String::new()), Some("/a.B/C".into()), &error);
        let text = serde_json::to_string(&rejected).unwrap();
        assert!(!text.contains("secret") && text.contains("line 1 column 9"), "{text}");
        assert_eq!(serde_json::from_str::<Rejected>(&text).unwrap(), rejected);
    }
}
