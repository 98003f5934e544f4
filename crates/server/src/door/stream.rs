//! The answer to a stream of requests of one command, made of the answers to each as the schema says
//! (`daybook.options.v1.repeats`).

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};

use super::StreamMethod;
use crate::error::{CallError, codes};

/// Entries of a list that are kept.
const ENTRIES_MAX: usize = 1_000;
/// How many requests were carried out; in an entry of a list, which request it is of.
const BATCH: u32 = 1;

/// What the answers come to.
pub(crate) struct Summary {
    batch_count: u64,
    answer: DynamicMessage,
    /// The answer to one.
    one: MessageDescriptor,
}

impl Summary {
    pub(crate) fn new(method: &StreamMethod) -> Self {
        let answer = DynamicMessage::new(method.output.clone());
        Self { batch_count: 0, answer, one: method.command.output.clone() }
    }

    /// How many answers are in it.
    pub(crate) fn batch_count(&self) -> u64 {
        self.batch_count
    }

    /// Adds the answer to the next request.
    pub(crate) fn add(&mut self, answer: Bytes) -> Result<(), CallError> {
        let defect = |error: prost::DecodeError| CallError::new(codes::INTERNAL_ERROR, error.to_string());
        let one = DynamicMessage::decode(self.one.clone(), answer).map_err(defect)?;
        let batch = self.batch_count;
        for field in self.answer.descriptor().fields().filter(|field| field.number() != BATCH) {
            match (self.answer.get_field_mut(&field), one.get_field_by_name(field.name()).as_deref()) {
                (Value::List(entries), Some(Value::List(more))) => {
                    for entry in more {
                        add_entry(entries, &field, batch, entry);
                    }
                }
                (Value::U64(sum), Some(Value::U32(number))) => *sum += u64::from(*number),
                (Value::U64(sum), Some(Value::U64(number))) => *sum = sum.saturating_add(*number),
                (Value::U64(sum), None) => {
                    let list = field.name().strip_suffix("_count").and_then(|list| one.get_field_by_name(list));
                    *sum += list.as_deref().and_then(Value::as_list).map_or(0, |list| list.len() as u64);
                }
                // Others there are none: a test looks at the schema.
                _ => {}
            }
        }
        self.batch_count += 1;
        Ok(())
    }

    /// The answer.
    pub(crate) fn encode(mut self) -> Bytes {
        self.answer.set_field_by_number(BATCH, Value::U64(self.batch_count));
        self.answer.encode_to_vec().into()
    }
}

fn add_entry(entries: &mut Vec<Value>, of: &FieldDescriptor, batch: u64, entry: &Value) {
    if entries.len() >= ENTRIES_MAX {
        return;
    }
    match (of.kind(), entry) {
        (Kind::Message(descriptor), Value::Message(entry)) => {
            let mut kept = DynamicMessage::new(descriptor.clone());
            for field in descriptor.fields() {
                if let Some(value) = entry.get_field_by_name(field.name()) {
                    kept.set_field(&field, value.into_owned());
                }
            }
            kept.set_field_by_number(BATCH, Value::U64(batch));
            entries.push(Value::Message(kept));
        }
        _ if entries.contains(entry) => {}
        _ => entries.push(entry.clone()),
    }
}

#[cfg(test)]
mod tests {
    use daybook_proto::product_analytics::v1::{
        RecordEventStreamResponse, RecordEventsResponse, Refusal, RefusedEvent, StreamRefusedEvent,
    };

    use super::*;
    use crate::door::Methods;

    const PATH: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/RecordEventStream";

    fn summed(answers: &[RecordEventsResponse]) -> RecordEventStreamResponse {
        let methods = Methods::new(&daybook_domains::registry());
        let mut summary = Summary::new(methods.stream(PATH).unwrap());
        for answer in answers {
            summary.add(answer.encode_to_vec().into()).unwrap();
        }
        assert_eq!(summary.batch_count(), answers.len() as u64);
        RecordEventStreamResponse::decode(summary.encode()).unwrap()
    }

    fn refused(index: u32) -> RefusedEvent {
        RefusedEvent { index, reason: Refusal::WrongValue.into(), name: "a.b".into(), property: "p".into() }
    }

    #[test]
    fn numbers_are_added_lists_follow_each_other_and_texts_are_there_once() {
        assert_eq!(summed(&[]), RecordEventStreamResponse::default());
        let answer = |accepted_count, refused: Vec<RefusedEvent>, deprecated: &[&str]| RecordEventsResponse {
            accepted_count,
            refused,
            deprecated_names: deprecated.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        let sum = summed(&[
            answer(3, vec![], &["old"]),
            answer(u32::MAX, vec![refused(4), refused(7)], &["older", "old"]),
            answer(1, vec![refused(0)], &[]),
        ]);
        let of = |batch, index| StreamRefusedEvent {
            batch,
            index,
            reason: Refusal::WrongValue.into(),
            name: "a.b".into(),
            property: "p".into(),
        };
        let expected = RecordEventStreamResponse {
            batch_count: 3,
            accepted_count: 4 + u64::from(u32::MAX),
            refused_count: 3,
            refused: vec![of(1, 4), of(1, 7), of(2, 0)],
            deprecated_names: vec!["old".into(), "older".into()],
        };
        assert_eq!(sum, expected);
    }

    #[test]
    fn a_list_is_cut_and_all_of_it_is_counted() {
        let answer = RecordEventsResponse { refused: (0..700).map(refused).collect(), ..Default::default() };
        let sum = summed(&[answer.clone(), answer]);
        assert_eq!((sum.refused_count, sum.refused.len()), (1_400, 1_000));
        assert_eq!((sum.refused[999].batch, sum.refused[999].index), (1, 299));
    }
}
