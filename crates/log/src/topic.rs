//! The contract of a log.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use daybook_kernel::id::{Offset, PartitionId};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::oneshot;

use crate::LogError;

/// The largest record that any log takes, in bytes. A decision batch is cut before it gets there.
pub const RECORD_BYTES_MAX: usize = 4 << 20;

/// The two topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// What was asked.
    Commands,
    /// How it was answered.
    Decisions,
}

impl Topic {
    /// Both, in the order of their data flow.
    pub const ALL: [Self; 2] = [Self::Commands, Self::Decisions];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Decisions => "decisions",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an acknowledged append promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The record, and everything appended to this log before it, survives a crash of the machine (embedded) or of all
    /// but one of the in-sync replicas (Kafka).
    Synced,
    /// The record survives at least as soon as any later `Synced` append to this log does. It may be acknowledged and
    /// read before; if the machine fails first, it is gone, with everything after it. A log that has no cheaper way
    /// treats this as `Synced`.
    WithNextSync,
}

/// One record, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub offset: Offset,
    /// Its content.
    pub bytes: Bytes,
}

/// The places that can be read: from `first` to before `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first record that was not trimmed away.
    pub first: Offset,
    /// The place that the next record gets.
    pub next: Offset,
}

/// A log of one name with two topics of P partitions each.
///
/// ```text
///            trimmed            readable                    being appended
///        +-------------+---------------------------------+------------------
///  offset 0        bounds.first                     bounds.next
/// ```
///
/// What an implementation MUST do, and the conformance suite checks:
///
/// - Offsets of a partition of a topic start at 0 and have no gaps. Appends that one thread starts one after the other
///   on the same topic and partition get offsets in that order, if they succeed.
/// - When an append is acknowledged with an offset, the record stands there for good, with the durability that was
///   asked for (see [`Durability`]), and every reader that gets to that offset sees exactly those bytes.
/// - When an append fails, the record MAY be in the log, now or later: whoever cannot live with that reads on and
///   looks. An append that is refused before it starts ([`LogError::TooLarge`]) is not in the log.
/// - A reader sees records in order, without gaps and without repetition, from the offset it was opened at. It MUST
///   see a record of `Decisions` only when that is durable. It MAY see one of `Commands` before that.
/// - `next` of a reader waits at the end of the log, and is cancel safe: a future that is dropped loses no record.
/// - Reading what was trimmed away fails with [`LogError::Trimmed`]; it never skips.
/// - A log that was created with another number of partitions is refused at opening.
///
/// What it SHOULD do: complete `Synced` appends of all partitions with one sync (group commit), and not delay a single
/// append for the sake of batching.
///
/// What it need not do: tell writers apart, order partitions among each other, detect repeated appends. The decision
/// chain does that.
pub trait Log: Send + Sync + 'static {
    /// The log's name. It goes into the first hash of every partition.
    fn name(&self) -> &str;

    /// How many partitions each topic has.
    fn partitions(&self) -> u32;

    /// Where it lies, for people; without credentials.
    fn describe(&self) -> String;

    /// Why nothing can be appended any more before a restart has read the log back, if that is so.
    fn failure(&self) -> Option<LogError> {
        None
    }

    /// Looks whether the log still has the settings without which it could lose records. Somebody may have changed them.
    ///
    /// # Errors
    /// [`LogError::WrongSettings`] says which are wrong. Any other error: it is not known whether one is.
    fn check_settings(&self) -> BoxFuture<'_, Result<(), LogError>> {
        std::future::ready(Ok(())).boxed()
    }

    /// Appends a record. The place in the order is taken when this returns, not when the future is polled.
    fn append(&self, topic: Topic, partition: PartitionId, record: Bytes, durability: Durability) -> Appended;

    /// Opens a reader at an offset, which may be the end of the log but not beyond.
    fn reader(&self, topic: Topic, partition: PartitionId, from: Offset) -> Result<Box<dyn LogReader>, LogError>;

    /// The places that can be read.
    fn bounds(&self, topic: Topic, partition: PartitionId) -> BoxFuture<'_, Result<Bounds, LogError>>;

    /// Lets go of the records before an offset.
    fn trim(&self, topic: Topic, partition: PartitionId, before: Offset) -> BoxFuture<'_, Result<(), LogError>>;
}

/// Reads one partition of one topic in order.
pub trait LogReader: Send {
    /// The next records, at least one; waits at the end of the log. Cancel safe.
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Record>, LogError>>;
}

/// An append that was started. Resolves to the record's offset once the durability that was asked for is reached.
#[derive(Debug)]
pub struct Appended(State);

#[derive(Debug)]
enum State {
    Done(Option<Result<Offset, LogError>>),
    Waiting(oneshot::Receiver<Result<Offset, LogError>>),
}

impl Appended {
    /// An append that is complete, or was refused.
    pub fn done(result: Result<Offset, LogError>) -> Self {
        Self(State::Done(Some(result)))
    }

    /// An append whose result somebody will send.
    pub fn waiting(result: oneshot::Receiver<Result<Offset, LogError>>) -> Self {
        Self(State::Waiting(result))
    }
}

impl Future for Appended {
    type Output = Result<Offset, LogError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Done(result) => Poll::Ready(result.take().unwrap_or(Err(LogError::Closed))),
            State::Waiting(result) => Pin::new(result).poll(cx).map(|sent| sent.unwrap_or(Err(LogError::Closed))),
        }
    }
}
