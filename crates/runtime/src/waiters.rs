//! Callers who wait for a decision, by command id.

use std::collections::HashMap;

use daybook_kernel::decide::Place;
use daybook_kernel::id::CommandId;
use daybook_proto::log::v1;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The decision that a command got.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Where and when.
    pub place: Place,
    /// The decision.
    pub decision: v1::Decision,
    /// True when this command id was decided before and this is that first decision.
    pub duplicate: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_id: Mutex<HashMap<CommandId, Vec<oneshot::Sender<Outcome>>>>,
}

/// A caller's place in the line. Dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    waiters: &'a Waiters,
    id: CommandId,
    pub(crate) outcome: oneshot::Receiver<Outcome>,
}

impl Waiters {
    /// Waits for the decision of a command. Several may wait for the same one.
    pub(crate) fn wait(&self, id: CommandId) -> Waiting<'_> {
        let (sender, outcome) = oneshot::channel();
        self.by_id.lock().entry(id).or_default().push(sender);
        Waiting { waiters: self, id, outcome }
    }

    /// Hands a decision to those who wait for it.
    pub(crate) fn resolve(&self, id: CommandId, outcome: impl FnOnce() -> Outcome) {
        let Some(waiting) = self.by_id.lock().remove(&id) else { return };
        let outcome = outcome();
        for sender in waiting {
            // Someone who went away does not want to know.
            let _ = sender.send(outcome.clone());
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.by_id.lock().len()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.outcome.close();
        let mut by_id = self.waiters.by_id.lock();
        if let Some(waiting) = by_id.get_mut(&self.id) {
            waiting.retain(|sender| !sender.is_closed());
            if waiting.is_empty() {
                by_id.remove(&self.id);
            }
        }
    }
}
