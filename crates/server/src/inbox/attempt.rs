//! One record at the door.

use bytes::Bytes;
use daybook_kernel::code::Status;
use daybook_kernel::time::Timestamp;
use daybook_log::InboxRecord;
use http::header;

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
            _ => false,
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
        let headers = record::door_headers(record)?;
        let put_at =
            Timestamp::from_micros(i64::try_from(record.timestamp_ms.saturating_mul(1_000)).unwrap_or(i64::MAX));
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        // Who cannot say who they are is told nothing, and has nothing looked at.
        self.app.authenticator.check_as_of(authorization, Some(put_at)).await?;
        let encoding = record::encoding(record);
        *reply = self.reply_to(record, encoding.as_ref().copied().unwrap_or(Encoding::Json)).await?;
        let encoding = encoding?;
        let method = record::method(&self.app.methods, record)?;
        *named = Some(method.path.clone());
        if record.value.len() > self.app.request_bytes_max {
            return Err(CallError::too_large(self.app.request_bytes_max));
        }
        let mut request = encoding.decode(method, &record.value)?;
        record::identify(&mut request, record, place)?;
        let response = self.app.answer_as_of(method, &headers, Some(put_at), Ok(request.into()), None).await?;
        encoding.encode(method, response).map(Bytes::from)
    }
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
