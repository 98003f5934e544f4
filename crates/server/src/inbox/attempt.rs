//! One record at the door.

use bytes::Bytes;
use daybook_kernel::code::Status;
use daybook_kernel::time::Timestamp;
use daybook_log::InboxRecord;

use super::Shared;
use super::record::{self, Place};
use super::reply::ReplyTo;
use crate::encoding::Encoding;
use crate::error::{CallError, codes};

/// What became of a record.
pub(super) struct Attempt {
    /// Who wants to know, if it is somebody whose token is good.
    pub(super) reply: Option<ReplyTo>,
    /// The command that it names, if it names one.
    pub(super) method: Option<String>,
    /// The response, encoded as the request was, or why there is none.
    pub(super) answered: Result<Bytes, CallError>,
}

impl Attempt {
    /// None was made: something else has to be mended first.
    pub(super) fn deferred(why: CallError) -> Self {
        Self { reply: None, method: None, answered: Err(why) }
    }

    /// Whether the same record must be tried again: nothing is wrong with it, and it has no decision yet.
    pub(super) fn is_for_later(&self) -> bool {
        let Err(error) = &self.answered else { return false };
        if error.metadata.contains_key("position") {
            return false;
        }
        match error.status {
            Status::Unavailable | Status::DeadlineExceeded | Status::DataLoss => true,
            // A limit of the node, not of the record.
            Status::ResourceExhausted => error.code != codes::REQUEST_TOO_LARGE.name,
            // A defect that this record brings out would come again and again.
            Status::Internal => error.code != codes::INTERNAL_ERROR.name,
            // The settings of the log's topics, or of the record's own.
            _ => error.code == daybook_log::codes::TOPIC_SETTINGS_WRONG.name,
        }
    }
}

impl Shared {
    pub(super) async fn attempt(&self, place: &Place, record: &InboxRecord) -> Attempt {
        let mut attempt = Attempt { reply: None, method: None, answered: Ok(Bytes::new()) };
        attempt.answered = self.ask(place, record, &mut attempt.reply, &mut attempt.method).await;
        attempt
    }

    async fn ask(
        &self,
        place: &Place,
        record: &InboxRecord,
        reply: &mut Option<ReplyTo>,
        named: &mut Option<String>,
    ) -> Result<Bytes, CallError> {
        record::check_envelope(record)?;
        let headers = record::door_headers(record)?;
        let put_at = put_at(record);
        // A sender who is not identified is told nothing, and has nothing looked at.
        let identified = self.app.identify_as_of(&headers, put_at).await?;
        let encoding = record::encoding(record);
        *reply = self
            .reply_to(place, record, identified.caller(), encoding.as_ref().copied().unwrap_or(Encoding::Json))
            .await?;
        let encoding = encoding?;
        let method = record::method(&self.app.methods, record)?;
        *named = Some(method.path.clone());
        let value = record::value(record, encoding)?;
        if value.len() > self.app.bodies.bytes_max {
            return Err(CallError::too_large(self.app.bodies.bytes_max));
        }
        let mut request = encoding.decode(method, value)?;
        record::identify(&mut request, record, place)?;
        let response = self.app.answer(method, identified, &headers, Ok(request.into()), None).await?;
        encoding.encode(method, response).map(Bytes::from)
    }
}

/// When a record was put on its topic.
pub(super) fn put_at(record: &InboxRecord) -> Timestamp {
    Timestamp::from_micros(i64::try_from(record.put_at.millis().saturating_mul(1_000)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use daybook_kernel::code::Code;

    use super::*;

    fn is_for_later(error: CallError) -> bool {
        Attempt { reply: None, method: None, answered: Err(error) }.is_for_later()
    }

    #[test]
    fn a_record_waits_for_the_node_and_is_refused_for_what_is_wrong_with_itself() {
        let error = |code: Code| CallError::new(code, "text");
        let later = [
            daybook_runtime::codes::PARTITION_UNAVAILABLE,
            daybook_runtime::codes::PARTITION_BROKEN,
            daybook_runtime::codes::OUTCOME_UNKNOWN,
            daybook_runtime::codes::OVERLOADED,
            daybook_privacy::codes::KEY_RING_UNAVAILABLE,
            codes::DISK_NEARLY_FULL,
            codes::TOKEN_KEYS_UNAVAILABLE,
            daybook_log::codes::TOPIC_SETTINGS_WRONG,
        ];
        for code in later {
            assert!(is_for_later(error(code)), "{code}");
        }
        let refused = [
            codes::TOKEN_INVALID,
            codes::REQUEST_TOO_LARGE,
            codes::UNKNOWN_FIELD,
            codes::INTERNAL_ERROR,
            codes::METHOD_UNKNOWN,
            daybook_kernel::code::COMMAND_ID_REUSED,
        ];
        for code in refused {
            assert!(!is_for_later(error(code)), "{code}");
        }
        let decided = error(daybook_runtime::codes::OVERLOADED).with("position", "0/7");
        assert!(!is_for_later(decided), "what has a position was decided");
    }
}
