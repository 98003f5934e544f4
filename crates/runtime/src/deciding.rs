//! Watching over deciding. What a decision reads is bounded, and a panic in it is caught; what neither stops is a decision
//! that does not come to an end, or that ends the process. After a restart the same command would be next, and end the next
//! process as well. So whoever runs the node may watch: he learns which command is being decided, and says of which one he
//! has learned, from an earlier process, that it must not be decided again. That one is parked: the decision says so, and
//! every reader of the log takes it as it is.
//!
//! Safe because it only ever replaces a decision that nobody has made yet: a command whose decision is on the log is not
//! asked about.

use daybook_kernel::id::{Offset, PartitionId};
use daybook_proto::log::v1::Parked;

/// Who watches over deciding.
pub trait DecidingWatch: Send + Sync + 'static {
    /// Why a command must not be decided, if deciding it has stopped a process before.
    fn stopped(&self, partition: PartitionId, command: Offset) -> Option<Parked>;
    /// Deciding a command begins, on this thread.
    fn begins(&self, partition: PartitionId, command: Offset);
    /// It has ended, in whatever way.
    fn ended(&self, partition: PartitionId);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl DecidingWatch for Unwatched {
    fn stopped(&self, _: PartitionId, _: Offset) -> Option<Parked> {
        None
    }

    fn begins(&self, _: PartitionId, _: Offset) {}

    fn ended(&self, _: PartitionId) {}
}
