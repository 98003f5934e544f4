//! What a partition says of itself.

use std::time::Duration;

use daybook_kernel::chain::Head;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::system::Counts;

use crate::assignment::Role;

/// What a partition is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionState {
    /// Opening its store.
    Starting,
    /// Applying decisions that were made before.
    CatchingUp,
    /// Appending its takeover record.
    TakingOver,
    /// Deciding commands.
    Leading,
    /// Applying what another node decides.
    Following,
    /// Left to other nodes.
    Resting,
    /// Waiting before it tries again.
    Waiting,
    /// Stopped for good: continuing would not be safe.
    Broken,
    /// Shut down.
    Stopped,
}

/// How a partition stands.
#[derive(Debug, Clone)]
pub struct PartitionStatus {
    /// The partition.
    pub partition: PartitionId,
    /// What it is to do.
    pub role: Role,
    /// What it is doing.
    pub state: PartitionState,
    /// Why, where that needs saying.
    pub detail: String,
    /// Where its state stands.
    pub head: Head,
    /// The end of the commands topic; when the log does not say, the last that is known.
    pub command_tail: Offset,
    /// The log says where it ends.
    pub log_answers: bool,
    /// Records that did not count, since the node started.
    pub dropped_records: u64,
    /// Parked stream keys, open effects, timers and alarms; each counted up to 10,000.
    pub waiting: Counts,
    /// How long ago a decision was applied last.
    pub since_applied: Duration,
}

impl PartitionStatus {
    /// Commands that are not yet applied.
    pub fn apply_lag(&self) -> u64 {
        self.command_tail.0.saturating_sub(self.head.next_command.0)
    }

    /// Whether it does what its role asks for and keeps up: either nothing waits or something was applied lately. A
    /// partition that is left to others has nothing to keep up with.
    pub fn is_healthy(&self) -> bool {
        const STUCK_AFTER: Duration = Duration::from_secs(10);
        let keeps_up = self.log_answers && (self.apply_lag() == 0 || self.since_applied < STUCK_AFTER);
        match self.role {
            Role::Lead => self.state == PartitionState::Leading && keeps_up,
            Role::Follow => self.state == PartitionState::Following && keeps_up,
            Role::Rest => self.state == PartitionState::Resting,
        }
    }
}
