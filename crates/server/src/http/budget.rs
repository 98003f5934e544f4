//! Memory that requests may take together. What has no room is refused at once: a caller who waits would hold what it has
//! already.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::CallError;

/// So many bytes for all together.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    const UNIT: usize = 1_024;

    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / Self::UNIT).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Room of which nothing is taken yet.
    pub(crate) fn room(&self) -> Room {
        Room { budget: self.clone(), bytes: 0, taken: None }
    }
}

/// The part of a budget that one request has taken. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Room {
    budget: Budget,
    bytes: usize,
    taken: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// How many bytes it has taken.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes so many bytes more.
    ///
    /// # Errors
    /// `OVERLOADED` when there are not so many left.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), CallError> {
        let units = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = (self.bytes + bytes).div_ceil(Budget::UNIT).saturating_sub(units);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.budget.0).try_acquire_many_owned(more).map_err(|_| {
            metrics::counter!("daybook_requests_without_room_total").increment(1);
            let message = "the node holds as many requests as it has memory for; nothing was recorded; try again";
            CallError::new(daybook_runtime::codes::OVERLOADED, message).retry_after(Some(Duration::from_secs(1)))
        })?;
        self.bytes += bytes;
        match &mut self.taken {
            Some(all) => all.merge(taken),
            None => self.taken = Some(taken),
        }
        Ok(())
    }

    /// Gives everything back.
    pub(crate) fn give_back(&mut self) {
        (self.bytes, self.taken) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_taken_from_all_and_given_back() {
        let budget = Budget::new(64 << 10);
        let (mut one, mut other) = (budget.room(), budget.room());
        one.take(40 << 10).unwrap();
        let refused = other.take(40 << 10).unwrap_err();
        assert_eq!((refused.code.as_str(), other.bytes()), ("OVERLOADED", 0));
        other.take(24 << 10).unwrap();
        one.give_back();
        other.take(40 << 10).unwrap();
        drop(other);
        one.take(64 << 10).unwrap();
    }

    #[test]
    fn small_parts_are_counted_together() {
        let mut room = Budget::new(4 << 10).room();
        (0..4_096).for_each(|_| room.take(1).unwrap());
        assert!(room.take(1).is_err());
    }
}
