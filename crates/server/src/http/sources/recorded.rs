//! What became of the inputs of a body, as the answers of the sources say it.

use std::collections::BTreeMap;

use daybook_event_shapes::Skipped;
use daybook_proto::product_analytics::v1::{RecordEventsResponse, Refusal};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// Refused inputs that an answer names, at most. All of them are counted.
const NAMED_MAX: usize = 100;

/// An input that was refused.
struct RefusedInput {
    /// Its place in the body.
    index: u32,
    reason: Refusal,
    /// The names of event and property, where they may be said.
    name: String,
    property: String,
    /// What is wrong, and what to do. It holds nothing of what was sent.
    message: String,
}

/// What became of the inputs of a body: each is in one of these.
#[derive(Default)]
pub(super) struct Recorded {
    /// Events that count.
    accepted: usize,
    /// Events that were counted before.
    duplicates: usize,
    /// Inputs that are none of an event, as it should be.
    no_events: BTreeMap<Refusal, usize>,
    refused: Vec<RefusedInput>,
    /// Properties of the events that were left out.
    properties_left_out: u32,
}

impl Recorded {
    /// Of a body of `count` inputs, of which a source skipped some, and the answer to the others.
    pub(super) fn new(count: usize, skipped: &[Skipped], response: RecordEventsResponse) -> Self {
        let mut recorded = Self { accepted: response.accepted_count as usize, ..Self::default() };
        let mut messages = BTreeMap::new();
        for skipped in skipped {
            if skipped.why.is_no_event() {
                *recorded.no_events.entry(skipped.why.refusal()).or_default() += 1;
            } else {
                messages.insert(u32::try_from(skipped.index).unwrap_or(u32::MAX), skipped.why.to_string());
            }
        }
        for refused in response.refused {
            match refused.reason() {
                Refusal::Duplicate => recorded.duplicates += 1,
                // Counted above.
                Refusal::AboutAPerson | Refusal::NotAnEvent => {}
                reason => recorded.refused.push(RefusedInput {
                    index: refused.index,
                    reason,
                    name: refused.name,
                    property: refused.property,
                    message: messages.remove(&refused.index).unwrap_or_else(|| said(reason).to_owned()),
                }),
            }
        }
        debug_assert_eq!(recorded.count(), count, "every input is in one place");
        recorded
    }

    /// The same with the number of properties that the source left out.
    pub(super) fn without_properties(self, properties_left_out: u32) -> Self {
        Self { properties_left_out, ..self }
    }

    fn count(&self) -> usize {
        self.accepted + self.duplicates + self.no_events.values().sum::<usize>() + self.refused.len()
    }

    /// The answer to one of Segment's SDKs: `success`, which they look at if at anything, and for people what became of it.
    /// 400 where nothing of the body was of use: sending it again does not help, and SDKs drop it then.
    pub(super) fn to_segment(&self) -> (StatusCode, Value) {
        // Without a consent an event is not recorded, and that is no mistake.
        let mistakes = self.refused.iter().filter(|refused| refused.reason != Refusal::NoConsent).count();
        let is_of_use = mistakes == 0 || mistakes < self.count();
        let mut answer = Map::new();
        answer.insert("success".to_owned(), is_of_use.into());
        answer.insert("recorded".to_owned(), self.accepted.into());
        let mut add = |name: &str, value: Value| drop(answer.insert(name.to_owned(), value));
        if self.duplicates > 0 {
            add("duplicates", self.duplicates.into());
        }
        if !self.no_events.is_empty() {
            let by_reason = self.no_events.iter().map(|(why, count)| (why.as_str_name().to_owned(), (*count).into()));
            add("noEvents", Value::Object(by_reason.collect()));
        }
        if !self.refused.is_empty() {
            add("refusedCount", self.refused.len().into());
            add("refused", self.refused.iter().take(NAMED_MAX).map(RefusedInput::to_json).collect());
        }
        if self.properties_left_out > 0 {
            add("propertiesLeftOut", self.properties_left_out.into());
        }
        if !is_of_use {
            add("code", "invalid_argument".into());
            add("message", "nothing of the body was recorded; `refused` says why; correct it and send it again".into());
        }
        let status = if is_of_use { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        (status, Value::Object(answer))
    }

    /// How many log records are not recorded, and why; `None`: none. What was counted before is recorded.
    pub(super) fn rejected_records(&self) -> Option<(usize, String)> {
        let mut by_reason = self.no_events.clone();
        for refused in &self.refused {
            *by_reason.entry(refused.reason).or_default() += 1;
        }
        let rejected: usize = by_reason.values().sum();
        if rejected == 0 {
            return None;
        }
        let reasons: Vec<_> =
            by_reason.iter().map(|(why, count)| format!("{count} {}: {}", why.as_str_name(), said(*why))).collect();
        let message = format!(
            "{rejected} of {} log records are not recorded ({}); `daybook analytics refused` counts them by name",
            self.count(),
            reasons.join("; ")
        );
        Some((rejected, message))
    }
}

impl RefusedInput {
    fn to_json(&self) -> Value {
        let mut refused = json!({ "index": self.index, "reason": self.reason.as_str_name(), "message": self.message });
        for (field, name) in [("name", &self.name), ("property", &self.property)] {
            if !name.is_empty() {
                refused[field] = name.as_str().into();
            }
        }
        refused
    }
}

/// What a reason means for who sent the event.
fn said(reason: Refusal) -> &'static str {
    match reason {
        Refusal::Unspecified => "it is not recorded",
        Refusal::UnknownEvent => "no event of this name is registered",
        Refusal::UnknownProperty => "the event's schema has no such property",
        Refusal::WrongValue => "the value is not of the property's type, or not one of its values",
        Refusal::OutOfRange => "the value lies outside the property's bounds",
        Refusal::MissingProperty => "a required property is missing",
        Refusal::PersonalData => "a value or a name looks like personal data or a credential, and was thrown away",
        Refusal::NoConsent => "its purpose needs a consent that it does not state",
        Refusal::TooLate => "it happened longer ago than events may arrive late",
        Refusal::InTheFuture => "its time lies in the future",
        Refusal::NoTime => "its time is none, or cannot be read",
        Refusal::Duplicate => "an event of this id was counted before",
        Refusal::RetiredEvent => "the event is not used any more",
        Refusal::UnknownVersion => "this version of the event is not registered",
        Refusal::BadName => "a name must have letters a-z, none beyond them, and no word that begins with a digit",
        Refusal::SameName => "two of its properties would have one name",
        Refusal::Malformed => "a field is missing or of another type than the API says",
        Refusal::AboutAPerson => "it says who somebody is, which is not recorded",
        Refusal::NotAnEvent => "it has no event_name and no attribute event.name",
    }
}

#[cfg(test)]
mod tests {
    use daybook_event_shapes::Why;
    use daybook_proto::product_analytics::v1::RefusedEvent;

    use super::*;

    fn refused(index: u32, reason: Refusal) -> RefusedEvent {
        RefusedEvent { index, reason: reason.into(), name: "case.exported".into(), property: String::new() }
    }

    fn recorded(skipped: &[(usize, Why)], accepted_count: u32, of_response: Vec<RefusedEvent>) -> Recorded {
        let skipped: Vec<Skipped> =
            skipped.iter().map(|(index, why)| Skipped { index: *index, why: *why, name: String::new() }).collect();
        let no_events = skipped.iter().filter(|skipped| skipped.why.is_no_event()).count();
        let is_counted_there =
            |refused: &&RefusedEvent| matches!(refused.reason(), Refusal::AboutAPerson | Refusal::NotAnEvent);
        let refused = of_response.len() - of_response.iter().filter(is_counted_there).count();
        let response = RecordEventsResponse { accepted_count, refused: of_response, ..Default::default() };
        Recorded::new(no_events + refused + accepted_count as usize, &skipped, response)
    }

    #[test]
    fn the_answer_says_what_became_of_every_input() {
        let skipped = [(0, Why::AboutPersons), (3, Why::BadTime { field: "timestamp" })];
        let of_response =
            vec![refused(1, Refusal::Duplicate), refused(3, Refusal::NoTime), refused(4, Refusal::WrongValue)];
        let (status, answer) = recorded(&skipped, 1, of_response).without_properties(2).to_segment();
        let expected = json!({
            "success": true, "recorded": 1, "duplicates": 1, "noEvents": { "REFUSAL_ABOUT_A_PERSON": 1 }, "refusedCount": 2,
            "propertiesLeftOut": 2,
            "refused": [
                { "index": 3, "reason": "REFUSAL_NO_TIME", "name": "case.exported",
                  "message": "timestamp must be a time in ISO 8601, for example 2026-11-24T18:00:00.000Z" },
                { "index": 4, "reason": "REFUSAL_WRONG_VALUE", "name": "case.exported",
                  "message": "the value is not of the property's type, or not one of its values" },
            ],
        });
        assert_eq!((status, answer), (StatusCode::OK, expected));
    }

    #[test]
    fn a_body_of_which_nothing_is_of_use_is_refused() {
        let of_response = |reason| vec![refused(0, reason)];
        for reason in [Refusal::UnknownEvent, Refusal::PersonalData, Refusal::TooLate] {
            let (status, answer) = recorded(&[], 0, of_response(reason)).to_segment();
            assert_eq!(
                (status, &answer["success"], &answer["recorded"]),
                (StatusCode::BAD_REQUEST, &json!(false), &json!(0))
            );
        }
        // As it should be, so that nothing need be corrected.
        for reason in [Refusal::NoConsent, Refusal::Duplicate] {
            assert_eq!(recorded(&[], 0, of_response(reason)).to_segment().0, StatusCode::OK);
        }
        let about_persons = recorded(&[(0, Why::AboutPersons)], 0, of_response(Refusal::AboutAPerson));
        let (status, answer) = about_persons.to_segment();
        assert_eq!((status, answer["noEvents"].clone()), (StatusCode::OK, json!({ "REFUSAL_ABOUT_A_PERSON": 1 })));
        assert_eq!(Recorded::default().to_segment(), (StatusCode::OK, json!({ "success": true, "recorded": 0 })));
    }

    #[test]
    fn records_that_are_not_recorded_are_told_by_reason() {
        let skipped = [(0, Why::NotAnEvent), (1, Why::NotAnEvent)];
        let of_response = vec![refused(2, Refusal::WrongValue), refused(3, Refusal::Duplicate)];
        let (rejected, message) = recorded(&skipped, 1, of_response).rejected_records().unwrap();
        assert_eq!(rejected, 3);
        for words in ["3 of 5 log records", "1 REFUSAL_WRONG_VALUE", "2 REFUSAL_NOT_AN_EVENT"] {
            assert!(message.contains(words), "{message}");
        }
        assert_eq!(recorded(&[], 2, vec![refused(2, Refusal::Duplicate)]).rejected_records(), None);
    }
}
