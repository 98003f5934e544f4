//! What Daybook itself is used for, as events of product use of the tenant that was called
//! (`docs/examples/events-of-daybook`): recorded where a tenant has registered them, by the same door as anybody's.
//!
//! ```text
//! call -> note -> [ buffer ] -> [ sending: does the tenant want them? ] -> RecordEvents at this node's door
//! ```
//!
//! Nothing here delays a caller or fails a call: a note that finds the buffer full is dropped and counted. What is recorded
//! is never noted itself, or there would be no end to it.

mod sending;

use std::time::{Duration, Instant};

use bytes::Bytes;
use daybook_kernel::code::Status;
use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use daybook_proto::log::v1::actor::Kind;
use tokio::sync::mpsc;

pub(crate) use sending::Sending;

use crate::door::{Call, Door, Handler, Method};
use crate::error::{CallError, codes};

/// Notes that wait to be sent; some megabytes.
const NOTES_MAX: usize = 10_000;

const DROPPED: &str = "daybook_own_usage_dropped_total";

fn count_dropped(reason: &'static str, count: usize) {
    metrics::counter!(DROPPED, "reason" => reason).increment(count as u64);
}

/// One call of a caller.
#[derive(Debug, Clone, PartialEq)]
struct Note {
    tenant: TenantId,
    actor: String,
    by_program: bool,
    is_query: bool,
    domain: &'static str,
    method: &'static str,
    at: Timestamp,
    outcome: &'static str,
    took: Duration,
}

/// Where calls are noted.
pub(crate) struct OwnUsage {
    notes: mpsc::Sender<Note>,
}

impl OwnUsage {
    /// The one end, for the door, and the other.
    pub(crate) fn new() -> (Self, Sending) {
        metrics::describe_counter!(DROPPED, "Calls that could not be recorded as events of Daybook's own use.");
        let (notes, waiting) = mpsc::channel(NOTES_MAX);
        (Self { notes }, Sending::new(waiting))
    }

    /// Begins to note a call, if it is one to be noted: a command or query, of a tenant that the caller speaks for.
    pub(crate) fn begin(&self, door: &Door, method: &Method, call: &Call, named_tenant: &str) -> Option<Noting<'_>> {
        let (domain, query) = match method.handler {
            Handler::Command { domain, .. } if !method.records_events() => (domain, None),
            Handler::Query { domain, query } => (domain, Some(query)),
            Handler::Command { .. } | Handler::Node(_) => return None,
        };
        let entry = door.registry.get(domain)?;
        let note = Note {
            tenant: door.tenant_of(entry, call, named_tenant).ok()?,
            actor: call.caller.id().to_owned(),
            by_program: call.caller.kind() == Kind::Service,
            is_query: query.is_some(),
            domain,
            method: match (&method.handler, query) {
                (_, Some(query)) => entry.queries.get(query)?.method,
                (Handler::Command { kind, .. }, None) => kind,
                _ => return None,
            },
            at: door.node.now(),
            // Unless it comes to an end: the caller may hang up, or give no more time.
            outcome: "failed",
            took: Duration::ZERO,
        };
        Some(Noting { notes: &self.notes, note: Some(note), started: Instant::now() })
    }
}

/// A call under way. Noted when it is dropped, whatever became of it.
pub(crate) struct Noting<'a> {
    notes: &'a mpsc::Sender<Note>,
    note: Option<Note>,
    started: Instant,
}

impl Noting<'_> {
    /// What became of it.
    pub(crate) fn end(mut self, answered: &Result<Bytes, CallError>) {
        if let Some(note) = &mut self.note {
            note.outcome = outcome(answered);
        }
    }
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        let Some(mut note) = self.note.take() else { return };
        note.took = self.started.elapsed();
        if self.notes.try_send(note).is_err() {
            count_dropped("buffer_full", 1);
        }
    }
}

/// A word of the property `outcome`.
fn outcome(answered: &Result<Bytes, CallError>) -> &'static str {
    let Err(error) = answered else { return "accepted" };
    match error.status {
        Status::InvalidArgument => "invalid",
        Status::ResourceExhausted if error.code == codes::REQUEST_TOO_LARGE.name => "invalid",
        Status::NotFound | Status::AlreadyExists | Status::FailedPrecondition => "rejected",
        Status::PermissionDenied | Status::Unauthenticated => "denied",
        Status::ResourceExhausted
        | Status::Unavailable
        | Status::DeadlineExceeded
        | Status::Unimplemented
        | Status::DataLoss
        | Status::Internal => "failed",
    }
}

#[cfg(test)]
mod tests {
    use daybook_kernel::code;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn note(method: &'static str) -> Note {
        Note {
            tenant: TenantId::parse("demo").unwrap(),
            actor: "lea".to_owned(),
            by_program: false,
            is_query: false,
            domain: "legal_hold",
            method,
            at: Timestamp::from_micros(0),
            outcome: "failed",
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_full_buffer_drops_and_counts() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let (notes, mut waiting) = mpsc::channel(2);
        metrics::with_local_recorder(&recorder, || {
            for method in ["PlaceHold", "ReleaseHold", "AmendHold", "PlaceHold"] {
                drop(Noting { notes: &notes, note: Some(note(method)), started: Instant::now() });
            }
        });
        let kept: Vec<_> = std::iter::from_fn(|| waiting.try_recv().ok()).map(|note| note.method).collect();
        assert_eq!(kept, ["PlaceHold", "ReleaseHold"], "those that came first");
        let shown = metrics.render();
        assert!(shown.contains("daybook_own_usage_dropped_total{reason=\"buffer_full\"} 2"), "{shown}");
    }

    #[test]
    fn a_call_is_noted_with_its_outcome_and_as_failed_if_it_never_ended() {
        let (notes, mut waiting) = mpsc::channel(9);
        let noting = || Noting { notes: &notes, note: Some(note("PlaceHold")), started: Instant::now() };
        noting().end(&Ok(Bytes::new()));
        noting().end(&Err(CallError::new(code::POLICY_DENIED, "")));
        noting().end(&Err(CallError::field("hold_id", "is empty")));
        noting().end(&Err(CallError::too_large(1)));
        noting().end(&Err(CallError::new(codes::PROJECTION_NOT_FOUND, "")));
        noting().end(&Err(CallError::new(codes::DISK_NEARLY_FULL, "")));
        drop(noting());
        let outcomes: Vec<_> = std::iter::from_fn(|| waiting.try_recv().ok()).map(|note| note.outcome).collect();
        assert_eq!(outcomes, ["accepted", "denied", "invalid", "invalid", "rejected", "failed", "failed"]);
    }
}
